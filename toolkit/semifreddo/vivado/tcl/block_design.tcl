# Vivado: the block design around ../ip/core. Names and addresses are those of
# semifreddo/core/block_design.py, which the runtime knows too.

set here [file dirname [info script]]
source [file join $here common.tcl]
source [file join $here ps.tcl]
source [file join $here board.tcl]

proc cell {vlnv name {values {}}} {
    set made [create_bd_cell -type ip -vlnv $vlnv $name]
    configure $made $values
    return $made
}

proc wire {args} {
    set pins {}
    foreach pin $args {
        set found [get_bd_pins -quiet $pin]
        if {[llength $found] != 1} {
            error "semifreddo: no pin $pin in the block design"
        }
        lappend pins $found
    }
    connect_bd_net {*}$pins
}

proc bus_pin {name} {
    set found [get_bd_intf_pins -quiet $name]
    if {[llength $found] != 1} {
        error "semifreddo: no bus $name in the block design"
    }
    return $found
}

proc bus {from to} {
    connect_bd_intf_net [bus_pin $from] [bus_pin $to]
}

# HLS appends _r to names that are reserved in a hardware language.
proc core_bus {name} {
    set core [setting core]
    if {[llength [get_bd_intf_pins -quiet $core/${name}_r]]} {
        return $core/${name}_r
    }
    return $core/$name
}

# assign_bd_address has no -offset before 2020.1.
proc map_segment {space segment base size} {
    set space [get_bd_addr_spaces $space]
    set found [get_bd_addr_segs $segment]
    if {[llength $found] != 1} {
        error "semifreddo: expected one address segment $segment, found [llength $found]"
    }
    set segment [lindex $found 0]
    if {[package vcompare [lindex [split [version -short] _] 0] 2020.1] >= 0} {
        assign_bd_address -offset $base -range $size -target_address_space $space $segment -force
    } else {
        create_bd_addr_seg -range $size -offset $base $space $segment \
            SEG_[string map {/ _} [string trim $segment /]]
    }
}

# What a DMA could reach beside the DDR; left open, each is a critical warning.
proc exclude_others {space kept} {
    foreach segment [get_bd_addr_segs -quiet [file dirname $kept]/*] {
        if {[file tail $segment] ne [file tail $kept]} {
            exclude_bd_addr_seg -target_address_space [get_bd_addr_spaces $space] $segment
        }
    }
}

file delete -force vivado
create_project -force semifreddo vivado -part [setting part]
set_property ip_repo_paths [list [file normalize ../ip]] [current_project]
update_ip_catalog -rebuild
if {![llength [get_ipdefs -all xilinx.com:ip:xlconcat:*]]} {
    error "semifreddo: Vivado [version -short] has no xlconcat, the only block in which PYNQ looks for\
        interrupts; take a version up to 2025.2"
}
create_bd_design [setting design]

set ps [setting ps]
set pins [create_ps]
set clock $ps/[dict get $pins clock]
set dma [setting dma]
set core [setting core]
set intc [setting interrupt_controller]
set concat [setting interrupt_concat]
set control [setting control_interconnect]
set memory [setting memory_interconnect]
set reset [setting reset]
set interrupts [setting interrupts]

cell [setting core_vlnv] $core
cell xilinx.com:ip:proc_sys_reset $reset
cell xilinx.com:ip:axi_dma $dma [list \
    c_include_sg 0 \
    c_sg_length_width [setting dma_length_bits] \
    c_addr_width [setting dma_address_bits] \
    c_include_mm2s 1 \
    c_m_axi_mm2s_data_width [setting dma_stream_bits] \
    c_m_axis_mm2s_tdata_width [setting dma_stream_bits] \
    c_mm2s_burst_size 16 \
    c_include_s2mm 1 \
    c_m_axi_s2mm_data_width [setting dma_stream_bits] \
    c_s2mm_burst_size 16]
cell xilinx.com:ip:axi_intc $intc [list C_IRQ_CONNECTION 1]
cell xilinx.com:ip:xlconcat $concat [list NUM_PORTS [llength $interrupts]]
cell xilinx.com:ip:smartconnect $control [list NUM_SI 1 NUM_MI 3]
cell xilinx.com:ip:smartconnect $memory [list NUM_SI 2 NUM_MI 1]

# Registers: the processor to DMA, interrupt controller and core.
bus $ps/[dict get $pins control] $control/S00_AXI
bus $control/M00_AXI $dma/S_AXI_LITE
bus $control/M01_AXI $intc/s_axi
bus $control/M02_AXI $core/[setting core_control]

# Data: memory to DMA to core and back.
bus $dma/M_AXI_MM2S $memory/S00_AXI
bus $dma/M_AXI_S2MM $memory/S01_AXI
bus $memory/M00_AXI $ps/[dict get $pins memory]
bus $dma/M_AXIS_MM2S [core_bus [setting core_in]]
bus [core_bus [setting core_out]] $dma/S_AXIS_S2MM

# Interrupts.
set number 0
foreach pin $interrupts {
    wire $pin $concat/In$number
    incr number
}
wire $concat/dout $intc/intr
wire $intc/irq $ps/[dict get $pins interrupt]

# One clock, one reset.
wire $clock $reset/slowest_sync_clk
wire $ps/[dict get $pins reset] $reset/ext_reset_in
foreach pin [list \
    $ps/[dict get $pins control_clock] \
    $ps/[dict get $pins memory_clock] \
    $control/aclk \
    $memory/aclk \
    $dma/s_axi_lite_aclk \
    $dma/m_axi_mm2s_aclk \
    $dma/m_axi_s2mm_aclk \
    $intc/s_axi_aclk \
    $core/[setting core_clock]] {
    wire $clock $pin
}
foreach pin [list \
    $control/aresetn \
    $memory/aresetn \
    $dma/axi_resetn \
    $intc/s_axi_aresetn \
    $core/[setting core_reset]] {
    wire $reset/peripheral_aresetn $pin
}

# Addresses.
foreach {cell base size} [setting segments] {
    map_segment $ps/Data $cell/*/* $base $size
}
foreach space {Data_MM2S Data_S2MM} {
    map_segment $dma/$space $ps/[dict get $pins ddr] 0x00000000 [setting ddr_bytes]
    exclude_others $dma/$space $ps/[dict get $pins ddr]
}

validate_bd_design
save_bd_design
set design [get_files [setting design].bd]
make_wrapper -files $design -top -import
set_property top [setting design]_wrapper [current_fileset]
add_files -fileset constrs_1 -norecurse ../constraints/board.xdc
generate_target all $design
update_compile_order -fileset sources_1
set handoff sources_1/bd/[setting design]/hw_handoff/[setting design].hwh
copy_file [only_file vivado/semifreddo.gen/$handoff vivado/semifreddo.srcs/$handoff] \
    ../reports/block_design.hwh
close_project
