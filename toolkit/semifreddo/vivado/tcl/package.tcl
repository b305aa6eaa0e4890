# Vivado: Verilog to an IP in ../ip/core.

source [file join [file dirname [info script]] common.tcl]

file delete -force package ../ip/core
create_project -force package package -part [setting part]
foreach file [setting rtl_files] {
    add_files -norecurse ../rtl/$file
}
set_property top [setting rtl_top] [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir ../ip/core -vendor semifreddo -library semifreddo \
    -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name [setting name] $core
set_property version 1.0 $core
set_property display_name [setting name] $core
set_property description [setting description] $core
foreach bus {s_axi s_axis m_axis} {
    if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1} {
        error "semifreddo: Vivado did not find the bus $bus in the ports of [setting rtl_top]"
    }
    ipx::associate_bus_interfaces -busif $bus -clock aclk -reset aresetn $core
}
set_property supported_families {zynq Production zynquplus Production} $core
set map [ipx::get_memory_maps s_axi -of_objects $core]
set_property range [setting core_range] [ipx::get_address_blocks -of_objects $map]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
