"""The memory that the benchmark of maps runs over: packets whose keys are set before they are timed.

This file must not know which engines exist, nor what is done with a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nmjit.bench.arena import BATCH_SIZE, STRIDE, Time
from nmjit.bench.state_cases import Case, Keys, Kind

START: Final = 1_700_000_000_000_000_000
"""The clock, in ns, when a case starts."""
EVICTED: Final = 128 << 20
"""Bytes gone through to evict a table: four times the usual last-level cache of one machine."""


@dataclass(frozen=True, slots=True)
class KeyedLayout:
    """How packets and the table lie when a batch is timed.

    `buffers` is how many packets there are. `rekeyed`: they get new keys before each batch, and so stay in the second
    level cache while keys are random. `evicted`: nothing of the table is in a cache when a round starts. `flushed`: no
    header is either.
    """

    name: str
    buffers: int
    packets: int
    rekeyed: bool
    evicted: bool
    flushed: bool


HOT: Final = KeyedLayout("hot", 512, 1 << 14, rekeyed=False, evicted=False, flushed=False)
TABLE: Final = KeyedLayout("table", 512, 1 << 14, rekeyed=True, evicted=True, flushed=False)
COLD: Final = KeyedLayout("cold", 1 << 15, 1 << 15, rekeyed=False, evicted=True, flushed=True)
KEYED_LAYOUTS: Final = (HOT, TABLE, COLD)

PACKET: Final = 64
"""Bytes of a buffer that hold its packet, and a few more."""
_KEYS: Final = {
    Kind.FLOWS: "BENCH_FLOW",
    Kind.ROUTES: "BENCH_DESTINATION",
    Kind.LIMIT: "BENCH_SOURCE",
    Kind.NAT: "BENCH_FLOW",
}


def flow_keys(harness: ModuleType, flows: Keys, protocol: int = 0) -> npt.NDArray[np.uint64]:
    """The key of each flow, two words a row as a packet's bytes are: addresses; ports, protocol, zeros."""
    packed = np.empty((flows.size, 2), dtype=np.uint64)
    ffi = harness.ffi
    numbers = ffi.from_buffer("uint32_t[]", np.ascontiguousarray(flows))
    harness.lib.bench_flow_keys(ffi.from_buffer("uint64_t[]", packed), numbers, flows.size)
    packed[:, 1] |= np.uint64(protocol << 32)
    return packed


class KeyedArena:
    """Buffers with a packet each, and a ring over them. Made by `open_keyed_arena`."""

    def __init__(self, harness: ModuleType, layout: KeyedLayout) -> None:
        """MemoryError where the buffers cannot be had."""
        self.layout = layout
        self.now = START
        """The clock of contexts made from now on."""
        self._ffi: Any = harness.ffi
        self._lib: Any = harness.lib
        self._region = self._ffi.new("struct bench_region *")
        if self._lib.bench_region_open(self._region, layout.buffers, 1):
            raise MemoryError(f"{layout.buffers * STRIDE >> 20} MiB of buffers")
        for buffer in range(layout.buffers):
            address = self._address(buffer)
            self._region.lengths[buffer] = self._lib.bench_keyed_packet(address)
        self._slots = self._ffi.new("struct netmap_slot[]", layout.packets)
        self._exceptions = self._ffi.new("uint64_t[]", 64)
        self._ports = self._ffi.new("int16_t[]", BATCH_SIZE)
        self._sweep = self._ffi.new("uint8_t[]", EVICTED)

    def _address(self, buffer: int) -> Any:
        return self._region.base + buffer * STRIDE

    def close(self) -> None:
        """Releases the buffers."""
        self._lib.bench_region_close(self._region)

    def ring(self) -> Any:
        """A new `struct nmjit_batch` over the ring."""
        batch = self._ffi.new("struct nmjit_batch *")
        batch.slots, batch.base, batch.stride = self._slots, self._region.base, STRIDE
        batch.num_slots, batch.num_bufs, batch.readable = self.layout.packets, self.layout.buffers, STRIDE
        return batch

    def context(self, maps: Sequence[int], ops: int, worker: int = 0) -> tuple[Any, Any]:
        """A new `struct nmjit_ctx` with these map addresses, and the array that must outlive it."""
        array = self._ffi.new("void *[]", max(len(maps), 1))
        for place, address in enumerate(maps):
            array[place] = self._ffi.cast("void *", address)
        context = self._ffi.new("struct nmjit_ctx *")
        context.exceptions, context.ports, context.maps = self._exceptions, self._ports, array
        context.now = context.timestamp = self.now
        context.ops = self._ffi.cast("void *", ops)
        context.worker = worker
        return context, array

    def shuffle(self, seed: int, case: Case, keys: Keys) -> None:
        """Writes the ring in a new order, and gives buffer n the key `keys[n]`."""
        self._lib.bench_keyed_ring(self._slots, self.layout.packets, self._region, seed)
        for buffer in range(self.layout.buffers):
            self._lib.bench_set_key(self._address(buffer), self._what(case), int(keys[buffer]))

    def ring_keys(self, keys: Keys) -> Keys:
        """The key of each slot in turn, where buffer n has the key `keys[n]`."""
        order: Keys = keys[[slot.buf_idx for slot in self._slots]]
        return order

    def packets(self) -> bytes:
        """The packets of all buffers as they are now."""
        whole = np.frombuffer(self._ffi.buffer(self._region.base, self.layout.buffers * STRIDE), dtype=np.uint8)
        return whole.reshape(-1, STRIDE)[:, :PACKET].tobytes()

    def _what(self, case: Case) -> int:
        return int(getattr(self._lib, _KEYS[case.kind]))

    def prepare(self) -> None:
        """Evicts what the layout wants evicted."""
        if self.layout.evicted:
            self._lib.bench_evict(self._sweep, EVICTED)
        if self.layout.flushed:
            self._lib.bench_region_flush(self._region)

    def run_keyed(self, address: int, context: Any, case: Case, keys: Keys) -> tuple[Time, bytes]:
        """Runs an engine over packets with `keys`, set batch by batch outside the time; and the verdicts."""
        verdicts = self._ffi.new("uint8_t[]", len(keys))
        engine = self._ffi.cast("nmjit_batch_fn", address)
        pointer = self._ffi.from_buffer("uint32_t[]", keys)
        what = self._what(case)
        time = self._lib.bench_keyed_run(engine, self.ring(), context, verdicts, pointer, what, len(keys), BATCH_SIZE)
        return Time(time.ns, time.cycles), bytes(self._ffi.buffer(verdicts))

    def run_ring(self, address: int, context: Any) -> tuple[Time, bytes]:
        """Runs an engine once over the whole ring as it is; and the verdicts."""
        packets = self.layout.packets
        verdicts = self._ffi.new("uint8_t[]", packets)
        engine = self._ffi.cast("nmjit_batch_fn", address)
        time = self._lib.bench_run(engine, self.ring(), context, verdicts, 0, packets, BATCH_SIZE, 1)
        return Time(time.ns, time.cycles), bytes(self._ffi.buffer(verdicts))

    def run_pair(self, address: int, contexts: Sequence[Any], keys: Keys) -> Time:
        """Runs an engine on two threads, each over half of `keys` on a ring of its own; the slower one's time."""
        rings = self._ffi.new("struct nmjit_batch[2]")
        both = self._ffi.new("struct nmjit_ctx[2]")
        half, own = self.layout.packets // 2, self.layout.buffers // 2
        for slot in range(self.layout.packets):  # no buffer is used by both
            worker, place = divmod(slot, half)
            self._slots[slot].buf_idx = worker * own + place % own
        for worker in range(2):
            rings[worker] = self.ring()[0]
            rings[worker].slots = self._slots + worker * half
            rings[worker].num_slots = half
            both[worker] = contexts[worker][0]
        pointer = self._ffi.from_buffer("uint32_t[]", keys)
        engine = self._ffi.cast("nmjit_batch_fn", address)
        time = self._lib.bench_keyed_pair(engine, rings, both, pointer, len(keys), BATCH_SIZE)
        return Time(time.ns, time.cycles)


@contextmanager
def open_keyed_arena(harness: ModuleType, layout: KeyedLayout) -> Iterator[KeyedArena]:
    """An arena whose memory is released at the end of the block."""
    arena = KeyedArena(harness, layout)
    try:
        yield arena
    finally:
        arena.close()
