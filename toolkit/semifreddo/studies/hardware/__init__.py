"""Measurements of generated hardware: the estimator's errors, and the tables of its sizes."""
