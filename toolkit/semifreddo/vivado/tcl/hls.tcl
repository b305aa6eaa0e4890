# Vivado HLS or Vitis HLS: C++ to an IP in ../ip/core.

source [file join [file dirname [info script]] common.tcl]

set top [setting hls_top]
file delete -force hls ../ip/core
open_project -reset hls
set_top $top
add_files ../hls/firmware/$top.cpp -cflags [setting hls_cflags]
open_solution -reset solution1
set_part [setting part]
create_clock -period [setting clock_ns] -name default
set_clock_uncertainty [setting hls_uncertainty] default
config_compile -name_max_length 80
config_schedule -enable_dsp_full_reg=false
catch {config_array_partition -maximum_size [setting hls_partition]}
csynth_design
export_design -format ip_catalog -vendor semifreddo -library semifreddo \
    -ipname [setting name] -version 1.0 -display_name [setting name]
copy_file hls/solution1/syn/report/${top}_csynth.xml ../reports/csynth.xml
copy_file hls/solution1/syn/report/${top}_csynth.rpt ../reports/csynth.rpt
file mkdir ../ip
file copy -force hls/solution1/impl/ip ../ip/core
copy_file hls/solution1/impl/ip/component.xml ../ip/core/component.xml
exit
