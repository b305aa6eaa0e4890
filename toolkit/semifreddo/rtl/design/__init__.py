"""Whole networks: streams between the units, bus front end, and the files of a design."""
