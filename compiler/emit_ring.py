"""Records to user space: one written at the head of the worker's own ring, or counted as dropped.

The worker alone writes the head, user space alone the tail; a record is there once the head says so.

This file must not know: ops. Source: maplayout.py (RING); Linux's Documentation/core-api/circular-buffers.rst for the
order of the accesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import llvmlite.ir as ll

from nmjit.compiler.emit_int import I64
from nmjit.compiler.emit_packet import byte_address, store_release
from nmjit.compiler.irtypes import MapDecl, StoredField
from nmjit.compiler.maplayout import RING, RING_RECORDS

_USUAL: Final = (1_000, 1)


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def emit(builder: ll.IRBuilder, ring: ll.Value, decl: MapDecl, fields: Sequence[tuple[ll.Value, StoredField]]) -> None:
    """Append a record of `fields`, each an iN of the field's size."""
    append = builder.append_basic_block
    fits, full, done = append("ring.fits"), append("ring.full"), append("ring.done")
    head = builder.load(_place(builder, ring, "head"), typ=I64, align=8)
    tail = builder.load_atomic(_place(builder, ring, "tail"), "acquire", 8, typ=I64)
    room = builder.icmp_unsigned("<", builder.sub(head, tail), _word(decl.capacity))
    builder.cbranch(room, fits, full).set_weights(_USUAL)

    builder.position_at_end(fits)
    records = byte_address(builder, ring, _word(RING_RECORDS))
    slot = builder.urem(head, _word(decl.capacity))
    record = byte_address(builder, records, builder.mul(slot, _word(decl.layout.size)))
    for value, field in fields:
        builder.store(
            value, byte_address(builder, record, _word(field.offset)), align=min(field.scalar.size, decl.layout.align)
        )
    _publish(builder, ring, "head", head)
    builder.branch(done)

    builder.position_at_end(full)
    dropped = builder.load(_place(builder, ring, "dropped"), typ=I64, align=8)
    _publish(builder, ring, "dropped", dropped)
    builder.branch(done)
    builder.position_at_end(done)


def _place(builder: ll.IRBuilder, ring: ll.Value, name: str) -> ll.Value:
    return byte_address(builder, ring, _word(RING.offset(name)))


def _publish(builder: ll.IRBuilder, ring: ll.Value, name: str, count: ll.Value) -> None:
    """One more, for user space to see behind all that was written before."""
    store_release(builder, builder.add(count, _word(1)), _place(builder, ring, name))
