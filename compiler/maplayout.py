"""How the memory of each map kind is laid out: offsets and sizes that compiled code, C and Python all derive.

`runtime/csrc/table.h` and its like declare the structs again; a test compares every offset. Integers are in the
machine's byte order, sizes and offsets in bytes from the start of the map (of a worker's copy, where it has one).

    HASH, LRU    nmjit_table, held[workers], groups, entries
    LPM          nmjit_lpm, the table of its networks, root cells, nodes of 256 cells
    EVENTS       nmjit_ring, records
    BLOOM        blocks of 32 bytes
    others       entries

A table's entry is key, then value. Entry n of a table belongs to group n // 16; byte n % 16 of the group's tags is 0
where the entry is free, else `lang/_hash.tag_of`. A HASH key that found its group full lies in a group behind it, and
each group passed counts it in `overflow`: a look-up goes on only from groups whose count is not 0. An LRU set is one
group. An index once found stays good for the packet: see `held`.

This file must not know: ops, where memory comes from.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from nmjit.compiler.abi import CStruct, Member
from nmjit.compiler.irtypes import MapDecl, MapKind

CACHE_LINE: Final = 64
GROUP_SLOTS: Final = 16
"""Entries of a group, and of an LRU set."""
MAX_WORKERS: Final = 64
"""Workers that may share a table."""
HELD_SLOTS: Final = 255
"""Entries of one table that a packet may hold at most."""
LPM_NODE_CELLS: Final = 256
LPM_CHILD: Final = 0x8000_0000
"""Bit of an LPM cell that holds a node's number; else it holds 1 + an entry's index, or 0 for no network."""
BLOOM_BLOCK: Final = 32
"""Bytes of a Bloom block: eight 32-bit words, one bit of each for a key."""

TABLE: Final = CStruct(
    "nmjit_table",
    (
        Member("seed", 8),
        Member("capacity", 8),
        Member("length", 8),
        Member("inserted", 8),
        Member("deleted", 8),
        Member("evicted", 8),
        Member("failed", 8),
        Member("held_at", 8),
        Member("groups_at", 8),
        Member("entries_at", 8),
        Member("groups", 4),
        Member("slots", 4),
        Member("key_size", 4),
        Member("value_at", 4),
        Member("value_size", 4),
        Member("entry_size", 4),
        Member("evicting", 4),
        Member("workers", 4),
    ),
)
"""Head of a HASH or LRU. `seed` of the keys' hash; live entries; insertions, deletions, evictions so far, and
insertions that found no room. Whoever holds entries is one of `workers`."""

GROUP: Final = CStruct(
    "nmjit_group",
    (
        Member("tags", 16),
        Member("overflow", 4),
        Member("version", 4),
        Member("referenced", 2),
        Member("hand", 1),
        Member("lock", 1),
        Member("reserved", 4),
    ),
)
"""Sixteen entries. `tags` is a vector; `overflow` counts keys that went past this group (HASH); `version` is raised
before and after a change of tags (of a HASH, several may overlap); `referenced` has a bit for each entry touched since
the hand passed it, `hand` is the next entry to be tried for eviction (LRU)."""

HELD: Final = CStruct("nmjit_held", (Member("count", 4), Member("slots", 4)))
"""What a worker's packet has touched: `count` of the entries' indices from `slots` on, HELD_SLOTS at most."""
HELD_SIZE: Final = 4 * (1 + HELD_SLOTS)

LPM: Final = CStruct(
    "nmjit_lpm",
    (
        Member("table_at", 8),
        Member("root_at", 8),
        Member("nodes_at", 8),
        Member("width", 4),
        Member("root_bits", 4),
        Member("node_capacity", 4),
        Member("nodes_used", 4),
        Member("free_node", 4),
        Member("reserved", 4),
    ),
)
"""Head of an LPM. The root has 2**root_bits cells (u32) by an address's first bits, a node 256 by its next eight.
Freed nodes are chained from `free_node` (1 + number, 0 for none) through their first cell."""

RING: Final = CStruct(
    "nmjit_ring",
    (Member("head", 8), Member("dropped", 8), *(Member(f"unused{n}", 8) for n in range(6)), Member("tail", 8)),
)
"""Head of an EVENTS ring: records written and dropped so far, by the worker; on a line of its own, which the worker
only reads, the number of records read, by user space."""
RING_RECORDS: Final = 2 * CACHE_LINE
"""Where an EVENTS ring's records begin; record n (of all ever written) lies at place n % capacity."""


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Where the parts of a HASH or LRU lie, and how many of each there are."""

    groups: int
    slots: int
    key_size: int
    value_at: int
    value_size: int
    entry_size: int
    held_at: int
    groups_at: int
    entries_at: int
    nbytes: int


def _entry_size(size: int) -> int:
    """Entries that a cache line holds do not straddle lines."""
    return max(8, 1 << (size - 1).bit_length()) if size <= CACHE_LINE else _up(size, CACHE_LINE)


@functools.cache
def table_layout(decl: MapDecl) -> TableLayout:
    """The table of a HASH or LRU, or the one inside an LPM, whose key is an address and the length of its prefix."""
    evicting = decl.kind is MapKind.LRU
    # A third of a HASH's entries is free when it is full, so that few keys leave their group; sixteen groups more, so
    # that entries which a packet deleted but still holds never count.
    groups = -(-decl.capacity // GROUP_SLOTS) if evicting else -(-decl.capacity * 3 // (2 * GROUP_SLOTS)) + 16
    key_size = decl.key_size + (8 if decl.kind is MapKind.LPM else 0)
    value_at = _up(key_size, 16 if decl.layout.size >= 16 else 8)
    entry_size = _entry_size(value_at + decl.layout.size)
    held_at = 4 * CACHE_LINE
    groups_at = _up(held_at + MAX_WORKERS * HELD_SIZE, 4096)
    entries_at = _up(groups_at + groups * GROUP.size, 4096)
    slots = groups * GROUP_SLOTS
    return TableLayout(
        groups, slots, key_size, value_at, decl.layout.size, entry_size, held_at, groups_at, entries_at,
        _up(entries_at + slots * entry_size, 4096),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LpmLayout:
    """Where the parts of an LPM lie. `width` of an address and `root_bits` in bits."""

    table_at: int
    root_at: int
    nodes_at: int
    width: int
    root_bits: int
    node_capacity: int
    nbytes: int


@functools.cache
def lpm_layout(decl: MapDecl) -> LpmLayout:
    """24 bits at once for IPv4 (DIR-24-8), 16 for wider addresses; then eight a node."""
    width = 8 * decl.key[0]
    root_bits = min(width, 24 if width == 32 else 16)
    # Memory is taken only where it is written, so every network may have all the nodes of its own that it can need.
    node_capacity = min(decl.capacity * ((width - root_bits) // 8), LPM_CHILD - 1)
    table_at = 4096
    root_at = table_at + table_layout(decl).nbytes
    nodes_at = _up(root_at + 4 * (1 << root_bits), 4096)
    nbytes = nodes_at + 4 * LPM_NODE_CELLS * node_capacity
    return LpmLayout(table_at, root_at, nodes_at, width, root_bits, node_capacity, nbytes)


def table_at(decl: MapDecl) -> int:
    """Where the map's table begins."""
    return lpm_layout(decl).table_at if decl.kind is MapKind.LPM else 0


def values(decl: MapDecl) -> tuple[int, int]:
    """Where the value of entry 0 lies, and how far the next one is."""
    if decl.kind in TABLE_KINDS:
        table = table_layout(decl)
        return table_at(decl) + table.entries_at + table.value_at, table.entry_size
    return 0, decl.layout.size


def index_count(decl: MapDecl) -> int:
    """Indices that an entry may have: 0 up to this."""
    return table_layout(decl).slots if decl.kind in TABLE_KINDS else decl.capacity


def map_bytes(decl: MapDecl) -> int:
    """Bytes of one copy of a map."""
    match decl.kind:
        case MapKind.HASH | MapKind.LRU:
            return table_layout(decl).nbytes
        case MapKind.LPM:
            return lpm_layout(decl).nbytes
        case MapKind.BLOOM:
            return decl.capacity * BLOOM_BLOCK
        case MapKind.EVENTS:
            return RING_RECORDS + decl.capacity * decl.layout.size
        case MapKind.ARRAY | MapKind.COUNTER | MapKind.HISTOGRAM:
            return decl.capacity * decl.layout.size


TABLE_KINDS: Final = frozenset({MapKind.HASH, MapKind.LRU, MapKind.LPM})
"""Kinds whose entries come and go: an index is −1 or one that a look-up found."""
PER_WORKER_KINDS: Final = frozenset({MapKind.COUNTER, MapKind.HISTOGRAM, MapKind.EVENTS})
"""Kinds of which each worker has a copy."""
