"""A design synthesised part by part, as netlists to simulate, or as an ECP5 bitstream."""
