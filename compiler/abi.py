"""The structs that compiled code shares with C, as data: the one home of their offsets.

`runtime/csrc/abi.h` declares the same structs; a test compares every offset through cffi. All integers are in the
machine's byte order, all offsets and sizes in bytes. Sources: design.md section 2; `struct netmap_slot` of the netmap
API, version 14.

This file must not know: ops, LLVM, where packets come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

BATCH_SYMBOL: Final = "nmjit_batch"
"""Name of the compiled function: uint32_t (const struct nmjit_batch *, struct nmjit_ctx *)."""
PREFETCH_DISTANCE: Final = 12
"""Packets between the one that runs and the one whose header bytes are prefetched (bench/prefetch measures it)."""
ABORTED: Final = 0
"""Verdict of a packet whose filter raised; lang/_verdict.py has them all."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a C struct; `size` in bytes, `pointer` where it is an address."""

    name: str
    size: int
    pointer: bool = False


@dataclass(frozen=True, slots=True)
class CStruct:
    """A C struct whose members lie in order, each at its natural alignment."""

    name: str
    members: tuple[Member, ...]

    def offset(self, name: str) -> int:
        """Byte offset of member `name`; KeyError where there is none."""
        end = 0
        for member in self.members:
            end = -(-end // member.size) * member.size
            if member.name == name:
                return end
            end += member.size
        raise KeyError(name)

    @property
    def size(self) -> int:
        """sizeof the struct, tail padding included."""
        last, align = self.members[-1], max(member.size for member in self.members)
        return -(-(self.offset(last.name) + last.size) // align) * align


def _pointer(name: str) -> Member:
    return Member(name, 8, pointer=True)


NETMAP_SLOT: Final = CStruct(
    "netmap_slot", (Member("buf_idx", 4), Member("len", 2), Member("flags", 2), Member("ptr", 8))
)
"""A slot of a netmap ring. The packet lies at base + buf_idx * stride."""

DESCRIPTOR: Final = CStruct(
    "nmjit_descriptor", (Member("offset", 8), Member("timestamp", 8), Member("len", 4), Member("wire_len", 4))
)
"""A packet that lies anywhere: base + offset; CLOCK_REALTIME ns; bytes present; bytes on the wire."""

BATCH: Final = CStruct(
    "nmjit_batch",
    (
        _pointer("slots"),
        _pointer("base"),
        Member("stride", 8),
        Member("num_slots", 4),
        Member("head", 4),
        Member("count", 4),
        Member("num_bufs", 4),
        Member("readable", 4),
        Member("port", 2),
        Member("queue", 2),
        Member("headroom", 4),
        Member("reserved", 4),
    ),
)
"""Where packets lie. `slots` is an array of `num_slots` netmap_slot or nmjit_descriptor, by the function's accessor;
the batch is slots head, head+1 … (cyclic), `count` of them, count ≤ num_slots. `stride` is the bytes from a buffer to
the next, `num_bufs` their number (a larger buf_idx is read as buffer 0 with length 0); slots behind the
batch may be looked at, to prefetch their packets. `readable` bytes from a packet's
start may be read whatever its length; a slot's len beyond it counts as `readable` (netmap accessor only). `headroom`
bytes before each packet's start belong to it too, at least `Artifact.headroom` with the descriptor accessor."""

CONTEXT: Final = CStruct(
    "nmjit_ctx",
    (
        _pointer("verdicts"),
        _pointer("exceptions"),
        _pointer("maps"),
        Member("now", 8),
        Member("timestamp", 8),
        Member("seed", 8),
        Member("packet_number", 8),
        _pointer("sites"),
        _pointer("ports"),
        _pointer("new_len"),
        _pointer("head_offset"),
        _pointer("mirrors"),
        _pointer("mirror_bytes"),
        Member("mirror_room", 8),
        Member("mirror_used", 8),
        Member("mirror_capacity", 4),
        Member("mirror_count", 4),
        Member("mirror_lost", 8),
        _pointer("ops"),
        Member("worker", 4),
        Member("reserved", 4),
    ),
)
"""What a batch works on. `verdicts`: u8[count], written for every packet. `exceptions`: u64[number of sites], bumped.
`maps`: void *[number of maps], base addresses. `now` and `timestamp`: ns clocks read once for the batch (netmap
accessor; descriptors carry their own time). `packet_number`: the worker's number of the batch's first packet.
`sites`: u16[count] or NULL: 1 + site number of an ABORTED packet (left alone for others). `ports`: i16[count], bound
port of a REDIRECT or −1, written for every packet of filters that redirect, else unused. `new_len`: u32[count] and
`head_offset`: i32[count], for every packet of filters that push or pull: bytes in the end, and where they begin,
counted from the packet's address; else unused. `mirrors`: nmjit_mirror[mirror_capacity], of which the first
`mirror_count` are taken, their copies in the first `mirror_used` of `mirror_room` bytes at `mirror_bytes`; copies
beyond either are counted in `mirror_lost`. `ops`: what compiled code calls out of line. `worker`: its number."""

MIRROR: Final = CStruct(
    "nmjit_mirror",
    (Member("packet", 4), Member("port", 4), Member("offset", 8), Member("len", 4), Member("reserved", 4)),
)
"""A copy that a packet (its index in the batch) made for a bound port: `len` bytes at mirror_bytes + offset."""

OPS: Final = CStruct("nmjit_ops", tuple(_pointer(name) for name in ("find", "insert", "remove", "make_room", "mirror")))
"""Functions of `runtime/csrc/ops.h`, called for what is too long or too rare to be emitted inline:

    int64_t find(void *map, const uint64_t *key, uint64_t hash, uint32_t worker, uint32_t flags)
    int64_t insert(void *map, const uint64_t *key, uint64_t hash, const void *value, uint32_t worker, uint32_t flags)
    int64_t remove(void *map, const uint64_t *key, uint64_t hash, uint32_t worker, uint32_t flags)
    void make_room(uint8_t *packet, uint32_t length, uint32_t bytes)      moves the packet up by that many bytes
    void mirror(struct nmjit_ctx *, const uint8_t *bytes, uint32_t length, uint32_t packet, uint32_t port)

`map` is the start of a table (maplayout.TABLE); the result is an entry's index or −1."""
FLAG_TOUCH: Final = 1
"""Mark the entry as used."""
FLAG_HOLD: Final = 2
"""Note the entry in the worker's `held`: the packet may insert into, or delete from, this map later."""
FLAG_SHARED: Final = 4
"""Other workers use the map at the same time."""

SHARED_STRUCTS: Final = (NETMAP_SLOT, DESCRIPTOR, BATCH, CONTEXT, MIRROR, OPS)


class AccessorKind(Enum):
    """How the batch function finds its packets."""

    NETMAP = "netmap"
    """`slots` is netmap_slot[]: rings of this process or of the kernel, consumed in place."""
    DESCRIPTOR = "descriptor"
    """`slots` is nmjit_descriptor[]: captures and packets handed over by an application."""


@dataclass(frozen=True, slots=True)
class Accessor:
    """What the code is specialised to: kind, and for NETMAP the stride in bytes (0 where it is read at run time)."""

    kind: AccessorKind
    stride: int = 0
