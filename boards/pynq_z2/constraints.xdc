# No pin of the logic leaves the chip; the clock's period comes from the processing system.
set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
