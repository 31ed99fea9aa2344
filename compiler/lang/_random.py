"""Random numbers that depend on no order of execution: a pure function of seed, packet number and call number.

Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64).
This file must not know: where the seed comes from, which packet is current.
"""

from __future__ import annotations

from typing import Final

from nmjit._ints import u32, u64

GAMMA: Final = 0x9E3779B97F4A7C15
"""Step between the states of SplitMix64: the odd integer nearest to 2**64 divided by the golden ratio."""
MIX_1: Final = 0xBF58476D1CE4E5B9
MIX_2: Final = 0x94D049BB133111EB


def splitmix64(seed: int, index: int) -> int:
    """Output number `index` (from 0) of the SplitMix64 generator that starts at `seed`, 0 … 2**64-1.

    All operations modulo 2**64, shifts logical:

        z = seed + GAMMA * (index + 1)
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB
        result = z ^ (z >> 31)
    """
    z = u64(seed + GAMMA * (index + 1))
    z = u64((z ^ z >> 30) * MIX_1)
    z = u64((z ^ z >> 27) * MIX_2)
    return z ^ z >> 31


def packet_random(seed: int, packet_number: int, call: int) -> int:
    """The u32 that call number `call` (from 0) of `random()` gives in the worker's packet `packet_number` (from 0).

        result = splitmix64(splitmix64(seed, packet_number), call) & 0xFFFFFFFF

    Each packet thus has a generator of its own, seeded from the worker's. Arguments count modulo 2**64.
    """
    return u32(splitmix64(splitmix64(seed, packet_number), call))
