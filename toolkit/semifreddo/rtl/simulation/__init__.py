"""A design verilated: driven word by word, tried under stalls, or opened as a device."""
