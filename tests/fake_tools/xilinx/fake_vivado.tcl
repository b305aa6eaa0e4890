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
array set SPACES {
    processing_system7 {Data} zynq_ultra_ps_e {Data} axi_dma {Data_MM2S Data_S2MM}
}
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
        wait_on_run create_bd_design apply_bd_automation} {
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

# A run's state outlives the process, as in Vivado: how far it has got, and with which strategy.
set STEPS {"" synth_design opt_design place_design route_design write_bitstream}
proc state_file {run} { return vivado/semifreddo.runs/$run/fake_state }
proc state {run} {
    if {![file exists [state_file $run]]} { return "" }
    set handle [open [state_file $run]]
    set text [string trim [read $handle]]
    close $handle
    return $text
}
proc strategy {run} {
    return [expr {[info exists ::set_value([list $run strategy])] ? $::set_value([list $run strategy]) : ""}]
}
proc get_property {name run} {
    if {$::mood eq "run_failed"} { return "synth_design ERROR" }
    switch $name {
        STATUS { return "[state $run] Complete!" }
        STATS.WNS { return [slack $run] }
        STATS.WHS { return 0.021 }
        default { error "\[Common 17-54\] no property $name of a run" }
    }
}
proc slack {run} {
    if {$::mood eq "timing"} { return -1.250 }
    if {$::mood eq "second_try" && [strategy $run] eq "Vivado Implementation Defaults"} { return -0.310 }
    return 0.731
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
    if {![string match semifreddo:* $vlnv] && ![llength [get_ipdefs -all $vlnv:*]]} {
        error "\[BD 5-390\] IP definition not found for VLNV: $vlnv"
    }
    set cell [lindex $args end]
    set ip [lindex [split $vlnv :] 2]
    if {[string match semifreddo:* $vlnv]} {
        if {![file exists ../ip/core/component.xml]} { error "no IP $vlnv in the catalog" }
        set ip [expr {[file isdirectory ../hls] ? "hls" : "rtl"}]
    }
    set ::cells($cell) $ip
    return /$cell
}
proc get_ipdefs {args} {
    set ip [lindex [split [lindex $args end] :] 2]
    return [expr {[info exists ::known_ip($ip)] && ![string match @* $ip] ? "xilinx.com:ip:$ip:1.0" : ""}]
}
proc get_bd_pins {args} { return [find_pin PINS [lindex $args end]] }
proc get_bd_intf_pins {args} { return [find_pin BUSES [lindex $args end]] }
# The ports of zynq_ultra_ps_e depend on its configuration.
array set ULTRA {
    M_AXI_GP0 {M_AXI_HPM0_FPD maxihpm0_fpd_aclk} S_AXI_GP2 {S_AXI_HP0_FPD saxihp0_fpd_aclk}
    S_AXI_GP3 {S_AXI_HP1_FPD saxihp1_fpd_aclk} S_AXI_GP4 {S_AXI_HP2_FPD saxihp2_fpd_aclk}
    S_AXI_GP5 {S_AXI_HP3_FPD saxihp3_fpd_aclk}
}
array set OBJECTS {
    project @project sources_1 @fileset core @core reg0 @block impl_1 @run synth_1 @run
}
vendor set_property {args} {
    set object [lindex $args end]
    if {[lindex $args 0] ne "-dict"} {
        lassign $args name value
        if {![info exists ::OBJECTS($object)]} { error "\[Common 17-53\] no object $object" }
        set ::cells($object) $::OBJECTS($object)
        set_config $object [list $name $value]
        unset ::cells($object)
        return
    }
    set values [lindex $args 1]
    if {![llength $values]} { error "\[Common 17-163\] Missing value for option '-dict'" }
    set_config [string trim $object /] $values
    foreach {name value} $values {
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
proc get_bd_addr_spaces {name} {
    lassign [split_pin $name] cell space
    if {[kind $cell] eq "" || ![info exists ::SPACES([kind $cell])] || $space ni $::SPACES([kind $cell])} {
        error "\[BD 5-104\] no address space $name"
    }
    return /$cell/$space
}
proc get_bd_addr_segs {args} {
    set pattern /[string trim [lindex $args end] /]
    set cell [lindex [split_pin $pattern] 0]
    if {[kind $cell] eq ""} { return {} }
    return [lsearch -all -inline -glob [segments_of $cell] $pattern]
}

# Ranges: a power of two of at least 4 KiB, aligned to itself, apart from the others of its space.
proc map_at {space segment offset size} {
    if {$size < 4096 || ($size & ($size - 1)) || $offset % $size} {
        error "\[BD 41-1075\] <$segment> cannot be mapped at $offset with range $size"
    }
    set most [expr {[string match *_DDR_LOWOCM $segment] ? 0x40000000 : [string match *_DDR_LOW $segment] ? 0x80000000 : 0x40000000}]
    if {$size > $most} { error "\[BD 41-1051\] range $size of <$segment> is larger than $most" }
    foreach {key place} [array get ::mapped] {
        lassign $key other
        lassign $place base range
        if {$other eq $space && $offset < $base + $range && $base < $offset + $size} {
            error "\[BD 41-1273\] <$segment> overlaps [lindex $key 1] in $space"
        }
    }
    set ::mapped([list $space $segment]) [list $offset $size]
}
array set mapped {}
array set excluded {}
vendor assign_bd_address {args} {
    array set given {-force 1}
    foreach {name value} [lrange $args 0 5] { set given($name) $value }
    map_at $given(-target_address_space) [lindex $args 6] $given(-offset) $given(-range)
}
vendor create_bd_addr_seg {args} {
    array set given [lrange $args 0 3]
    map_at [lindex $args 4] [lindex $args 5] $given(-offset) $given(-range)
}
vendor exclude_bd_addr_seg {args} {
    lassign $args name space segment
    if {[info exists ::mapped([list $space $segment])]} { error "\[BD 41-1270\] $segment is mapped" }
    set ::excluded([list $space $segment]) 1
}
vendor validate_bd_design {} {
    foreach {cell ip} [array get ::cells] {
        foreach name [concat [names_of PINS $cell] [names_of BUSES $cell]] {
            if {[string match *! $name] && ![info exists ::joined(/$cell/[string trimright $name !])]} {
                error "\[BD 41-758\] /$cell/[string trimright $name !] is not connected"
            }
        }
    }
    foreach {cell ip} [array get ::cells] {
        if {$ip ni {processing_system7 zynq_ultra_ps_e}} { continue }
        foreach segment [segments_of $cell] {
            foreach space {Data_MM2S Data_S2MM} {
                set key [list /axi_dma_0/$space $segment]
                if {![info exists ::mapped($key)] && ![info exists ::excluded($key)]} {
                    error "\[BD 41-1356\] $segment is neither mapped into [lindex $key 0] nor excluded"
                }
            }
        }
    }
}

# What the driver reads of a handoff.
proc handoff {} {
    foreach {cell ip} [array get ::cells] {
        switch $ip {
            processing_system7 { set clock [list PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ [value_of $cell PCW_FPGA0_PERIPHERAL_FREQMHZ]] }
            zynq_ultra_ps_e { set clock [list PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ [value_of $cell PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ]] }
        }
    }
    lassign $clock name mhz
    if {$::mood eq "other_clock"} { set mhz [expr {$mhz * 0.9}] }
    set text "<EDKSYSTEM VIVADOVERSION=\"$::release\"><PARAMETER NAME=\"$name\" VALUE=\"$mhz\"/>"
    foreach space {Data_MM2S Data_S2MM} {
        foreach {key place} [array get ::mapped] {
            if {[lindex $key 0] ne "/axi_dma_0/$space"} { continue }
            lassign $place base range
            if {$::mood eq "little_memory"} { set range [expr {$range / 2}] }
            append text [format "<MEMRANGE MASTERBUSINTERFACE=\"M_AXI_%s\" MEMTYPE=\"MEMORY\" BASEVALUE=\"0x%08X\" HIGHVALUE=\"0x%08X\"/>" \
                [string range $space 5 end] $base [expr {$base + $range - 1}]]
        }
    }
    return "$text</EDKSYSTEM>"
}
vendor make_wrapper {args} {}
vendor generate_target {args} {
    set folder [expr {[package vcompare $::release 2020.2] >= 0 ? "gen" : "srcs"}]
    set file vivado/semifreddo.$folder/sources_1/bd/system/hw_handoff/system.hwh
    set made [environment FAKE_XILINX_HWH ""]
    if {$made eq ""} {
        write $file [handoff]
    } else {
        file mkdir [file dirname $file]
        file copy -force $made $file
    }
}

# Runs and reports.
vendor reset_run {run} { file delete [state_file $run] }
vendor launch_runs {run args} {
    set at [lsearch $args -to_step]
    set step [expr {$at >= 0 ? [lindex $args $at+1] : $run eq "synth_1" ? "synth_design" : "route_design"}]
    if {[lsearch $::STEPS [state $run]] >= [lsearch $::STEPS $step]} {
        error "\[Common 17-69\] Command failed: Run '$run' has already been launched and is complete; reset it before it is launched again"
    }
    write [state_file $run] $step
}
vendor open_run {run} {
    if {[lsearch $::STEPS [state $run]] < [lsearch $::STEPS [expr {$run eq "synth_1" ? "synth_design" : "route_design"}]]} {
        error "\[Common 17-69\] Command failed: Run '$run' has not been completed"
    }
    set ::opened $run
}
vendor write_bitstream {args} {
    if {![info exists ::opened]} { error "\[Common 17-53\] No open design" }
    set file [lindex $args end]
    if {[file exists $file] && "-force" ni $args} { error "\[Common 17-176\] $file exists; use -force" }
    write $file "fake bitstream [clock microseconds]"
}
vendor report_utilization {args} {
    set file [lindex $args end]
    if {$::mood eq "silent"} { write $file "nothing"; return }
    set zynq [string match *processing_system7* [read [open ../tcl/settings.tcl]]]
    set luts [expr {$::mood eq "budget" ? 999999 : 12034}]
    set slice [expr {$zynq ? "Slice" : "CLB"}]
    if {"-hierarchical" in $args} {
        set dsp [expr {$zynq ? "DSP48 Blocks" : "DSP Blocks"}]
        write $file "| Tool Version : Vivado v.$::release (lin64)

+------------------+--------------+------------+------------+---------+------+-------+--------+--------+--------------+
|     Instance     |    Module    | Total LUTs | Logic LUTs | LUTRAMs | SRLs |  FFs  | RAMB36 | RAMB18 | $dsp |
+------------------+--------------+------------+------------+---------+------+-------+--------+--------+--------------+
| system_wrapper   |        (top) |      $luts |      11034 |     700 |  300 | 15211 |     10 |      1 |           12 |
|   system_i       |       system |      $luts |      11034 |     700 |  300 | 15211 |     10 |      1 |           12 |
|     axi_dma_0    |    axi_dma_0 |       1600 |       1500 |       0 |  100 |  2100 |      2 |      0 |            0 |
|     semifreddo_0 | semifreddo_0 |       9000 |       8400 |     600 |    0 | 11000 |      8 |      1 |           12 |
+------------------+--------------+------------+------------+---------+------+-------+--------+--------+--------------+"
        return
    }
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
    set slack [slack impl_1]
    write [lindex $args end] "| Tool Version : Vivado v.$::release (lin64)
| Design Timing Summary

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------
     $slack        0.000                      0                30110        0.021        0.000                      0                30110        3.750        0.000                       0                 15800"
}
