"""The map kinds by name, for those who ask what an object of a filter's module is; each has a file of its own.

Every map object has `fields` (one named '' where entries are bare integers), `capacity`, and `entries`, `load` and
`reset`, by which back ends move contents. Tables and Bloom also have `key_spec`, the dense kinds `key_base`.

This file must not know: how any kind works.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from nmjit._bloom import Bloom
from nmjit._dense import Array, Counter
from nmjit._events import Events
from nmjit._hashmaps import HashMap, LruHashMap, MapFull
from nmjit._histogram import Histogram
from nmjit._lpm import LpmTrie
from nmjit._networks import NetworkSet
from nmjit._rate import RateLimit

AnyMap: TypeAlias = (
    Array[Any]
    | Bloom[Any]
    | Counter[Any]
    | Events[Any]
    | HashMap[Any, Any]
    | Histogram
    | LpmTrie[Any, Any, Any]
    | LruHashMap[Any, Any]
)
"""An object of any map kind."""

__all__ = [
    "AnyMap",
    "Array",
    "Bloom",
    "Counter",
    "Events",
    "HashMap",
    "Histogram",
    "LpmTrie",
    "LruHashMap",
    "MapFull",
    "NetworkSet",
    "RateLimit",
]
