"""From a core (HLS project or Verilog) to a bitstream: the plan, and the driver of its stages."""
