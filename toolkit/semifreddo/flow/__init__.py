"""Stages from a design file to a bundle."""
