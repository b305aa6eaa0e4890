# Vivado: the bitstream, and the description of the hardware that PYNQ reads.

source [file join [file dirname [info script]] common.tcl]

open_project vivado/semifreddo.xpr
finish_run impl_1 -to_step write_bitstream
copy_file vivado/semifreddo.runs/impl_1/[setting design]_wrapper.bit ../out/[setting name].bit
copy_file ../reports/block_design.hwh ../out/[setting name].hwh
close_project
