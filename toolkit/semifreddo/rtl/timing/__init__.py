"""Times without a simulation: folding, ticks, the pace, FIFOs, the latency.

Times follow from the :class:`~semifreddo.rtl.timing.figures.Figures` of layers, never from text.
"""
