"""Push, pull and mirror: where the packet begins, and what is done to its bytes.

Offsets go on counting from where the packet began. With the descriptor accessor the bytes stay where they are, and a
push uses the headroom before them. With the netmap accessor a packet starts where its buffer does, so a push that
leaves the buffer moves the bytes up in it, and the packet's address with them; ROOM says how far that can go.

This file must not know: maps, control flow of the filter. Source: docs/semantics.md, "push, pull and mirror"; abi.py.
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

from nmjit.compiler import emit_maps, emit_packet
from nmjit.compiler.emit_frame import I8, I32, Frame
from nmjit.compiler.emit_int import I64
from nmjit.compiler.ir import Binary, BinaryKind, Const, ContextField, Mirror, MoveHead, Value
from nmjit.compiler.irtypes import MAX_PUSH

_VOID: Final = ll.VoidType()


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def move_head(frame: Frame, op: MoveHead) -> None:
    """The packet begins at another offset; what was pushed is zero."""
    builder = frame.builder
    old, head = frame.word(op.old), frame.word(op.head)
    assert frame.head_slot is not None
    if frame.options.paranoid:
        _require_promises(frame, old, head)
    builder.store(head, frame.head_slot)
    pushed = _distance(op.old, op.head)
    if pushed is not None and pushed <= 0:
        return
    if frame.shift_slot is not None:
        _make_room(frame, old, head, frame.shift_slot)
    start = emit_packet.byte_address(builder, frame.packet(), head)
    if pushed is None:
        _zero_up_to(builder, start, builder.sub(old, head))
    else:
        _zero(builder, start, pushed)


def _require_promises(frame: Frame, old: ll.Value, head: ll.Value) -> None:
    builder = frame.builder
    length, room = builder.zext(frame.use("length"), I64), builder.zext(frame.use(ContextField.ROOM.value), I64)
    for small, large in (
        (head, length),
        (builder.sub(length, head), room),
        (builder.sub(old, head), _word(MAX_PUSH)),
    ):
        frame.require(builder.icmp_signed("<=", small, large))
    frame.require(builder.icmp_unsigned("==", old, builder.load(frame.head_slot, typ=I64)))


def _distance(old: Value, head: Value) -> int | None:
    """How much is pushed, where that is plain to see; negative for a pull."""
    if isinstance(old, Const) and isinstance(head, Const):
        return int(old.value) - int(head.value)
    match head:
        case Binary(kind=BinaryKind.SUB, a=a, b=Const(value=value), modulus=None) if a is old:
            return int(value)
        case Binary(kind=BinaryKind.ADD, a=a, b=Const(value=value), modulus=None) if a is old:
            return -int(value)
        case _:
            return None


def _make_room(frame: Frame, old: ll.Value, head: ll.Value, shift_slot: ll.Value) -> None:
    """Move the packet up so far that `head` lies in its buffer."""
    builder = frame.builder
    shift = builder.load(shift_slot, typ=I64)
    missing = builder.neg(builder.add(head, shift))
    with builder.if_then(builder.icmp_signed(">", missing, _word(0))):
        packet = emit_packet.byte_address(builder, frame.packet(), old)
        length = builder.sub(frame.use("length"), builder.trunc(old, I32))
        emit_maps.call_out(frame, "make_room", _VOID, [packet, length, builder.trunc(missing, I32)])
        builder.store(builder.add(shift, missing), shift_slot)


def _zero(builder: ll.IRBuilder, start: ll.Value, size: int) -> None:
    """Clear a known number of bytes, by words; the last one may overlap the one before."""
    width = next(width for width in (8, 4, 2, 1) if width <= size)
    for offset in (*range(0, size - width, width), size - width):
        builder.store(
            ll.Constant(ll.IntType(8 * width), 0), emit_packet.byte_address(builder, start, _word(offset)), align=1
        )


def _zero_up_to(builder: ll.IRBuilder, start: ll.Value, size: ll.Value) -> None:
    """Clear `size` bytes, none where it is not positive."""
    before = builder.block
    clear, done = builder.append_basic_block("clear"), builder.append_basic_block("cleared")
    builder.cbranch(builder.icmp_signed(">", size, _word(0)), clear, done)
    builder.position_at_end(clear)
    place = builder.phi(I64, "place")
    place.add_incoming(_word(0), before)
    builder.store(ll.Constant(I8, 0), emit_packet.byte_address(builder, start, place), align=1)
    following = builder.add(place, _word(1))
    place.add_incoming(following, clear)
    builder.cbranch(builder.icmp_signed("<", following, size), clear, done)
    builder.position_at_end(done)


def mirror(frame: Frame, op: Mirror) -> None:
    """Copy the packet as it is to a bound port."""
    builder = frame.builder
    head = frame.word(op.head)
    start = emit_packet.byte_address(builder, frame.packet(), head)
    length = builder.sub(frame.use("length"), builder.trunc(head, I32))
    index = builder.trunc(frame.use("index"), I32)
    port = builder.trunc(frame.word(op.port), I32)
    emit_maps.call_out(frame, "mirror", _VOID, [frame.use("context"), start, length, index, port])
