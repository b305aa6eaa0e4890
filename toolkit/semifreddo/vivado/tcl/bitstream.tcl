# Vivado: the bitstream, and the description of the hardware that PYNQ reads.

source [file join [file dirname [info script]] common.tcl]

# Written from the routed design: launch_runs refuses a run that has got as far before, so a stage
# that is repeated after its success, or after it was killed, would end there.
open_project vivado/semifreddo.xpr
open_run impl_1
file mkdir ../out
write_bitstream -force ../out/[setting name].bit
copy_file ../reports/block_design.hwh ../out/[setting name].hwh
close_project
