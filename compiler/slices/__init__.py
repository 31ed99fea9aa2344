"""Prefetch slices: what a filter's look-ups need, cut out, to be run over the packets ahead. No logic.

A slice computes the places at which a packet will look keys up and asks for their memory, so that the cache misses of
a whole batch overlap. It is a function of its own, verified like any other, and has no effects; where it guesses wrong
nothing is lost but the prefetch. Source: design.md section 2; the idea is that of program slicing (M. Weiser, 1981).
"""

from nmjit.compiler.slices.choose import Slice, Slices, slices

__all__ = ["Slice", "Slices", "slices"]
