"""Generators of what the property tests feed to the engines: packets, and filters as Python source text.

All are seeded: the same numbers give the same text and the same bytes on every machine and Python.
"""
