"""Claims and how they were measured: one module a claim, above everything that users import.

No product package imports this one, and no stage of a build depends on it.
"""
