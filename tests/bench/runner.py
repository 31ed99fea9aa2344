"""Runs packets through the batch function at an address, in a region of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nmjit.bench.arena import STRIDE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch left: a verdict for each packet, and each packet's bytes."""

    verdicts: list[int]
    packets: list[bytes]


def run_packets(
    harness: Any, address: int, packets: Sequence[bytes], *, beyond: int = 0, readable: int = STRIDE
) -> Outcome:
    """One batch, a buffer for each packet; the bytes of a buffer behind its packet are `beyond`."""
    ffi = harness.ffi
    memory = ffi.new("uint8_t[]", bytes([beyond]) * (STRIDE * len(packets)))
    slots = ffi.new("struct netmap_slot[]", len(packets))
    for index, packet in enumerate(packets):
        ffi.memmove(memory + index * STRIDE, packet, len(packet))
        slots[index].buf_idx, slots[index].len = index, len(packet)
    verdicts = run_slots(harness, address, slots, memory, len(packets), readable=readable)
    view = ffi.buffer(memory)
    left = [bytes(view[i * STRIDE : i * STRIDE + len(packet)]) for i, packet in enumerate(packets)]
    return Outcome(verdicts, left)


def run_slots(
    harness: Any, address: int, slots: Any, memory: Any, num_bufs: int, *, head: int = 0, readable: int = STRIDE
) -> list[int]:
    """One batch of all slots from `head` on, cyclically; the verdicts in that order."""
    ffi = harness.ffi
    verdicts = ffi.new("uint8_t[]", len(slots))
    batch = ffi.new("struct nmjit_batch *")
    batch.slots, batch.base, batch.stride = slots, memory, STRIDE
    batch.num_slots = batch.count = len(slots)
    batch.head, batch.num_bufs, batch.readable = head, num_bufs, readable
    context = ffi.new("struct nmjit_ctx *")
    context.verdicts = verdicts
    ffi.cast("nmjit_batch_fn", address)(batch, context)
    return list(verdicts)
