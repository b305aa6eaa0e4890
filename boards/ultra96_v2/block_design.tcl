# Avnet Ultra96-V2: nothing beyond the clocks and ports of board.toml; the boot image sets up the rest.
proc create_ps {} {
    return [zynq_ultra_ps {}]
}
