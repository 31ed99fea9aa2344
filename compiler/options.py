"""Choices that change machine code but not what a filter means.

They stand apart from emit.py so that a cached start can name them, in its key, without importing an emitter.

This file must not know: IR, LLVM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmjit.compiler.abi import PREFETCH_DISTANCE


@dataclass(frozen=True, slots=True)
class EmitOptions:
    """What the code is made for.

    `prefetch_distance` in packets, 0 for no prefetch. `workers` is the number of workers that share the maps: with one,
    additions need not be indivisible. With `paranoid`, whatever the verifier proved is tested again at run time, and
    every access to memory is bounds-checked. With `slices`, look-ups in maps of `slice_bytes` or more are run ahead
    for groups of `slice_group` packets, to have what they touch prefetched.
    """

    prefetch_distance: int = PREFETCH_DISTANCE
    workers: int = 1
    paranoid: bool = False
    slices: bool = True
    slice_bytes: int = 1 << 20
    slice_group: int = 64


DEFAULT_OPTIONS: Final = EmitOptions()

PARANOID_SITE: Final = 0xFFFF
"""What `sites[i]` says of a packet that broke a promise of the verifier; such a packet counts as no exception."""
PARANOID_VERDICT: Final = 255
"""Verdict of such a packet."""
