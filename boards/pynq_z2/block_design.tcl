# PYNQ-Z2: what the processing system needs beyond the clocks and ports of board.toml. The rates of
# CPU and DDR are those of the boot image, so that Vivado computes the same PLLs.
proc create_ps {} {
    return [zynq7_ps {
        PCW_APU_PERIPHERAL_FREQMHZ 650
        PCW_UIPARAM_DDR_FREQ_MHZ 525
    }]
}
