"""Open RTL backend: StreamNet to Verilog, and its co-simulation."""
