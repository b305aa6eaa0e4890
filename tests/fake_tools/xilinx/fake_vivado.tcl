# Vivado: a project, a block design that knows the pins of its cells, runs, reports.

# Pins and buses by IP. A pin marked with ! has to be connected.
array set PINS {
    processing_system7 {FCLK_CLK0 FCLK_RESET0_N IRQ_F2P! M_AXI_GP0_ACLK! S_AXI_HP0_ACLK!}
    zynq_ultra_ps_e {pl_clk0 pl_resetn0 pl_ps_irq0!}
    axi_dma {s_axi_lite_aclk! m_axi_mm2s_aclk! m_axi_s2mm_aclk! axi_resetn! mm2s_introut! s2mm_introut!}
    axi_intc {s_axi_aclk! s_axi_aresetn! intr! irq!}
    xlconcat {In0! In1! In2 dout!}
    smartconnect {aclk! aresetn!}
    proc_sys_reset {slowest_sync_clk! ext_reset_in! peripheral_aresetn}
    hls {ap_clk! ap_rst_n! interrupt!}
    rtl {aclk! aresetn!}
}
array set BUSES {
    processing_system7 {M_AXI_GP0! S_AXI_HP0!}
    zynq_ultra_ps_e {}
    axi_dma {S_AXI_LITE! M_AXI_MM2S! M_AXI_S2MM! M_AXIS_MM2S! S_AXIS_S2MM!}
    axi_intc {s_axi!}
    smartconnect_ctrl {S00_AXI! M00_AXI! M01_AXI! M02_AXI!}
    smartconnect_mem {S00_AXI! S01_AXI! M00_AXI!}
    hls {image! result! s_axi_control!}
    rtl {s_axis! m_axis! s_axi!}
}
array set SEGMENTS {axi_dma S_AXI_LITE/Reg axi_intc S_AXI/Reg hls s_axi_control/Reg rtl s_axi/reg0}
array set cells {}
array set joined {}

proc split_pin {pin} { return [split [string trim $pin /] /] }
proc kind {cell} { return [expr {[info exists ::cells($cell)] ? $::cells($cell) : ""}] }
proc names_of {table cell} {
    upvar #0 $table known
    foreach key [list $cell [kind $cell]] {
        if {$key ne "" && [info exists known($key)]} { return $known($key) }
    }
    return {}
}
proc find_pin {table pin} {
    lassign [split_pin $pin] cell name
    set known [names_of $table $cell]
    return [expr {($name in $known || "$name!" in $known) ? "/$cell/$name" : ""}]
}

proc version {args} { return $::release }
vendor create_project {args} {
    set place [lindex $args [expr {[lsearch $args -part] - 1}]]
    write $place/[lindex $args [expr {[lsearch $args -part] - 2}]].xpr "a project"
}
vendor open_project {file} { if {![file exists $file]} { error "no project $file" } }
foreach name {close_project update_ip_catalog save_bd_design update_compile_order
        wait_on_run open_run create_bd_design reset_run apply_bd_automation} {
    vendor $name {args} {}
}
namespace eval ::act::ipx {}
namespace eval ::ipx {}
foreach name {create_xgui_files update_checksums check_integrity} {
    vendor ipx::$name {args} {}
}
vendor add_files {args} {
    set file [lindex $args end]
    if {![file exists $file]} { error "no file $file" }
}
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }
proc get_runs {name} { return $name }
proc get_files {name} { return $name }
proc get_property {name run} {
    return [expr {$::mood eq "run_failed" ? "synth_design ERROR" : "$run Complete!"}]
}

# Packaging.
vendor ipx::package_project {args} { set ::ip_root [dict get [lrange $args 0 1] -root_dir] }
proc ::ipx::current_core {} { return core }
proc ::ipx::get_bus_interfaces {name args} { return $name }
proc ::ipx::get_memory_maps {name args} { return $name }
proc ::ipx::get_address_blocks {args} { return reg0 }
vendor ipx::associate_bus_interfaces {args} {}
vendor ipx::save_core {args} { write $::ip_root/component.xml "<component>core</component>" }

# Block design.
vendor create_bd_cell {args} {
    lassign $args type ip vlnv name cell
    set vlnv [dict get [lrange $args 0 3] -vlnv]
    set cell [lindex $args end]
    set ip [lindex [split $vlnv :] 2]
    if {[string match semifreddo:* $vlnv]} {
        if {![file exists ../ip/core/component.xml]} { error "no IP $vlnv in the catalog" }
        set ip [expr {[file isdirectory ../hls] ? "hls" : "rtl"}]
    }
    set ::cells($cell) $ip
    return /$cell
}
proc get_bd_pins {args} { return [find_pin PINS [lindex $args end]] }
proc get_bd_intf_pins {args} { return [find_pin BUSES [lindex $args end]] }
# The ports of zynq_ultra_ps_e depend on its configuration.
array set ULTRA {
    M_AXI_GP0 {M_AXI_HPM0_FPD maxihpm0_fpd_aclk} S_AXI_GP2 {S_AXI_HP0_FPD saxihp0_fpd_aclk}
    S_AXI_GP3 {S_AXI_HP1_FPD saxihp1_fpd_aclk} S_AXI_GP4 {S_AXI_HP2_FPD saxihp2_fpd_aclk}
    S_AXI_GP5 {S_AXI_HP3_FPD saxihp3_fpd_aclk}
}
vendor set_property {args} {
    if {[lindex $args 0] ne "-dict"} { return }
    foreach {name value} [lindex $args 1] {
        set port [string range $name [string length CONFIG.PSU__USE__] end]
        if {[string match CONFIG.PSU__USE__* $name] && $value == 1 && [info exists ::ULTRA($port)]} {
            lassign $::ULTRA($port) bus clock
            lappend ::BUSES(zynq_ultra_ps_e) $bus!
            lappend ::PINS(zynq_ultra_ps_e) $clock!
        }
    }
}
vendor connect_bd_net {args} { foreach pin $args { incr ::joined($pin) } }
vendor connect_bd_intf_net {args} {
    foreach pin $args { if {[incr ::joined($pin)] > 1} { error "bus $pin is connected twice" } }
}
proc get_bd_addr_spaces {name} { return /$name }
proc get_bd_addr_segs {name} {
    set cell [lindex [split_pin $name] 0]
    if {[string match {*/\*/\*} $name]} { return /$cell/$::SEGMENTS([kind $cell]) }
    return /$name
}
vendor assign_bd_address {args} {}
vendor create_bd_addr_seg {args} {}
vendor validate_bd_design {} {
    foreach {cell ip} [array get ::cells] {
        foreach name [concat [names_of PINS $cell] [names_of BUSES $cell]] {
            if {[string match *! $name] && ![info exists ::joined(/$cell/[string trimright $name !])]} {
                error "\[BD 41-758\] /$cell/[string trimright $name !] is not connected"
            }
        }
    }
}
vendor make_wrapper {args} {}
vendor generate_target {args} {
    set folder [expr {[package vcompare $::release 2020.2] >= 0 ? "gen" : "srcs"}]
    set file vivado/semifreddo.$folder/sources_1/bd/system/hw_handoff/system.hwh
    set made [environment FAKE_XILINX_HWH ""]
    if {$made eq ""} {
        write $file "<EDKSYSTEM/>"
    } else {
        file mkdir [file dirname $file]
        file copy -force $made $file
    }
}

# Runs and reports.
vendor launch_runs {run args} {
    file mkdir vivado/semifreddo.runs/$run
    if {"write_bitstream" in $args} {
        write vivado/semifreddo.runs/$run/system_wrapper.bit "fake bitstream [clock microseconds]"
    }
}
vendor report_utilization {args} {
    set file [lindex $args end]
    if {$::mood eq "silent"} { write $file "nothing"; return }
    set zynq [string match *processing_system7* [read [open ../tcl/settings.tcl]]]
    set luts [expr {$::mood eq "budget" ? 999999 : 12034}]
    set slice [expr {$zynq ? "Slice" : "CLB"}]
    write $file "| Tool Version : Vivado v.$::release (lin64)

+-------------------+-------+-------+-----------+-------+
|     Site Type     |  Used | Fixed | Available | Util% |
+-------------------+-------+-------+-----------+-------+
| $slice LUTs*      | $luts |     0 |     53200 | 22.62 |
| $slice Registers  | 15211 |     0 |    106400 | 14.30 |
| Block RAM Tile    |  10.5 |     0 |       140 |  7.50 |
| DSPs              |    12 |     0 |       220 |  5.45 |
+-------------------+-------+-------+-----------+-------+"
}
vendor report_timing_summary {args} {
    set slack [expr {$::mood eq "timing" ? "-1.250" : "0.731"}]
    write [lindex $args end] "| Tool Version : Vivado v.$::release (lin64)
| Design Timing Summary

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------
     $slack        0.000                      0                30110        0.021        0.000                      0                30110        3.750        0.000                       0                 15800"
}
