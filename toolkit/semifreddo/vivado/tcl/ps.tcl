# Processing systems. A board's create_ps calls one of these with its own settings; the answer is a
# dictionary of pin names that the block design connects. No board file of Vivado is needed: DDR,
# MIO and PLLs are set up by the boot image, the block design only has to agree with it on clocks
# and on the ports between processor and logic.

proc configure {cell values} {
    set properties {}
    foreach {name value} $values {
        lappend properties CONFIG.$name $value
    }
    if {[llength $properties]} {
        set_property -dict $properties $cell
    }
}

proc zynq7_ps {values} {
    set cell [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 [setting ps]]
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
        -config {make_external "FIXED_IO, DDR" Master "Disable" Slave "Disable"} $cell
    set control [setting control_port]
    set memory [setting memory_port]
    configure $cell $values
    configure $cell [list \
        PCW_CRYSTAL_PERIPHERAL_FREQMHZ [setting reference_mhz] \
        PCW_FPGA0_PERIPHERAL_FREQMHZ [setting clock_mhz] \
        PCW_EN_CLK0_PORT 1 \
        PCW_EN_RST0_PORT 1 \
        PCW_USE_M_AXI_GP0 1 \
        PCW_USE_M_AXI_GP1 0 \
        PCW_USE_$memory 1 \
        PCW_${memory}_DATA_WIDTH [setting memory_port_bits] \
        PCW_USE_FABRIC_INTERRUPT 1 \
        PCW_IRQ_F2P_INTR 1]
    return [dict create clock FCLK_CLK0 reset FCLK_RESET0_N interrupt IRQ_F2P \
        control $control control_clock ${control}_ACLK \
        memory $memory memory_clock ${memory}_ACLK \
        ddr $memory/[string range $memory 6 end]_DDR_LOWOCM]
}

# PYNQ 3 takes the divisors out of the .hwh and applies them to the IOPLL, whatever they were computed
# for; the IP's own default is the RPLL (Xilinx/PYNQ pull request 1607).
proc zynq_ultra_ps {values} {
    set cell [create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e [setting ps]]
    set control [setting control_port]
    set memory [setting memory_port]
    set slave [dict get {S_AXI_HP0_FPD GP2 S_AXI_HP1_FPD GP3 S_AXI_HP2_FPD GP4 S_AXI_HP3_FPD GP5} \
        $memory]
    configure $cell $values
    configure $cell [list \
        PSU__PSS_REF_CLK__FREQMHZ [setting reference_mhz] \
        PSU__FPGA_PL0_ENABLE 1 \
        PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
        PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ [setting clock_mhz] \
        PSU__USE__M_AXI_GP0 1 \
        PSU__USE__M_AXI_GP1 0 \
        PSU__USE__M_AXI_GP2 0 \
        PSU__MAXIGP0__DATA_WIDTH 32 \
        PSU__USE__S_AXI_$slave 1 \
        PSU__SAXI${slave}__DATA_WIDTH [setting memory_port_bits] \
        PSU__USE__IRQ0 1]
    regsub {_AXI_} $control {AXI} control_pin
    regsub {_AXI_} $memory {AXI} memory_pin
    regexp {HP\d} $memory short
    return [dict create clock pl_clk0 reset pl_resetn0 interrupt pl_ps_irq0 \
        control $control control_clock [string tolower $control_pin]_aclk \
        memory $memory memory_clock [string tolower $memory_pin]_aclk \
        ddr SAXI$slave/${short}_DDR_LOW]
}
