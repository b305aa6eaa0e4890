"""The parts that designs are made of: one class per module of ``rtl/library``.

A component owns its parameters and its counts, so that the text of a design and the estimate of its
resources cannot disagree. Beside the classes stand what they share: numbers with exact ranges,
window geometry, prices, and Verilog text.
"""
