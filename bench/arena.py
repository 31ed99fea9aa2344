"""The memory that engines run over: packets in 2048-byte buffers, and a netmap ring of slots that name them.

This file must not know which engines exist, nor what is done with a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

STRIDE: Final = 2048
"""Bytes from a buffer to the next, and the bytes of it that may be read."""
BATCH_SIZE: Final = 256
"""Packets in one call of an engine."""
_SITES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Where packets lie when they are visited.

    `buffers` and `slots` are counts. `distinct`: the ring is a permutation of the buffers, else each slot names any
    one. `flush`: header bytes are evicted from the caches before each timing. The first `warm` slots are run untimed.
    """

    name: str
    buffers: int
    slots: int
    distinct: bool
    flush: bool
    warm: int
    rounds: int


HOT: Final = Layout("hot", 512, 1 << 14, distinct=False, flush=False, warm=2048, rounds=41)
COLD: Final = Layout("cold", 1 << 16, 1 << 16, distinct=True, flush=True, warm=4096, rounds=15)
LAYOUTS: Final = (HOT, COLD)


@dataclass(frozen=True, slots=True)
class Time:
    """What a run took, whole: nanoseconds and cycles of the time stamp counter."""

    ns: int
    cycles: int


class Arena:
    """A layout's buffers and ring. Made by `open_arena`, which releases the memory."""

    def __init__(self, harness: ModuleType, layout: Layout, seed: int) -> None:
        """MemoryError where the buffers cannot be had."""
        self.layout = layout
        self._seed = seed
        self._ffi: Any = harness.ffi
        self._lib: Any = harness.lib
        self._region = self._ffi.new("struct bench_region *")
        if self._lib.bench_region_open(self._region, layout.buffers, seed):
            raise MemoryError(f"{layout.buffers * STRIDE >> 20} MiB of buffers")
        self._slots = self._ffi.new("struct netmap_slot[]", layout.slots)
        self._verdicts = self._ffi.new("uint8_t[]", layout.slots)
        self._exceptions = self._ffi.new("uint64_t[]", _SITES)
        self._ports = self._ffi.new("int16_t[]", BATCH_SIZE)
        self._maps = self._ffi.new("void *[]", 64)
        self._batch = self._make_batch()
        self._context = self._make_context()

    def _make_batch(self) -> Any:
        batch = self._ffi.new("struct nmjit_batch *")
        batch.slots, batch.base, batch.stride = self._slots, self._region.base, STRIDE
        batch.num_slots, batch.num_bufs, batch.readable = self.layout.slots, self.layout.buffers, STRIDE
        return batch

    def _make_context(self) -> Any:
        context = self._ffi.new("struct nmjit_ctx *")
        context.exceptions, context.ports, context.maps = self._exceptions, self._ports, self._maps
        context.now = context.timestamp = 1_700_000_000_000_000_000
        return context

    def close(self) -> None:
        """Releases the buffers; the arena is of no use afterwards."""
        self._lib.bench_region_close(self._region)

    def shuffle(self, round_: int) -> None:
        """Writes the ring in an order that no round before had, so that no branch predictor can know it."""
        seed = self._seed * 1_000_003 + round_ + 1
        self._lib.bench_ring_fill(self._slots, self.layout.slots, self._region, seed, self.layout.distinct)

    def restore(self) -> None:
        """Puts back the header bytes that engines wrote."""
        self._lib.bench_region_restore(self._region)

    def flush(self) -> None:
        """Evicts all header bytes from the caches."""
        self._lib.bench_region_flush(self._region)

    def run(self, address: int, first: int, packets: int, passes: int = 1) -> Time:
        """Calls the engine at `address` over `packets` slots from `first` on, cyclically, `passes` times."""
        engine = self._ffi.cast("nmjit_batch_fn", address)
        time = self._lib.bench_run(
            engine, self._batch, self._context, self._verdicts, first, packets, BATCH_SIZE, passes
        )
        return Time(time.ns, time.cycles)

    def verdicts(self, packets: int) -> bytes:
        """The verdicts of the last run's packets, in the order in which they were visited."""
        return bytes(self._ffi.buffer(self._verdicts, packets))

    def verdict_hash(self, packets: int) -> int:
        """A 64-bit hash of `verdicts`."""
        return int(self._lib.bench_hash(self._verdicts, packets))

    def bytes_hash(self, *, whole: bool) -> int:
        """A 64-bit hash of the first bytes of every buffer, of all bytes where `whole`."""
        return int(self._lib.bench_region_hash(self._region, STRIDE if whole else self._region.header_bytes))

    def buffer_of(self, position: int) -> int:
        """Index of the buffer in slot `position`, cyclically."""
        return int(self._slots[position % self.layout.slots].buf_idx)

    def packet(self, buffer: int) -> bytes:
        """The packet in `buffer` as it is now."""
        return bytes(self._ffi.buffer(self._region.base + buffer * STRIDE, self._region.lengths[buffer]))

    def contents(self) -> bytes:
        """All buffers as they are now."""
        return bytes(self._ffi.buffer(self._region.base, self.layout.buffers * STRIDE))


@contextmanager
def open_arena(harness: ModuleType, layout: Layout, seed: int) -> Iterator[Arena]:
    """An arena whose memory is released at the end of the block."""
    arena = Arena(harness, layout, seed)
    try:
        yield arena
    finally:
        arena.close()
