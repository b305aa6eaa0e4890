# AMD Kria KV260 Vision AI Starter Kit: nothing beyond the clocks and ports of board.toml; the boot image sets up the rest.
proc create_ps {} {
    return [zynq_ultra_ps {}]
}
