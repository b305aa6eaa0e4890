"""StreamNet to a Vivado or Vitis HLS project, and its C simulation."""
