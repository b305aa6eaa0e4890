# Vivado HLS or Vitis HLS: C simulation and co-simulation with the project's own test bench, which
# compares every result with the golden vectors and fails if one differs.

source [file join [file dirname [info script]] common.tcl]

set top [setting hls_top]
open_project hls
set_top $top
add_files -tb ../hls/${top}_test.cpp -cflags [setting hls_cflags]
add_files -tb ../hls/tb_data
open_solution solution1
csim_design
cosim_design -trace_level none
copy_file hls/solution1/sim/report/${top}_cosim.rpt ../reports/cosim.rpt
exit
