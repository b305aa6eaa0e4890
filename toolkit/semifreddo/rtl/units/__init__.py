"""Layers as hardware: the plan of a layer lists its components, its text places exactly those."""
