"""A board that is simulated below PYNQ: DMA (``dma``), core (``core``), board, hardware handoff.

Nothing of it is needed on a board. ``board`` imports pynq, the others do not.
"""
