"""Packet bytes, snapshots and map entries as LLVM loads and stores.

Integers in packets lie unaligned and in a byte order of their own; snapshots are little-endian integers of 8 bits a
byte, so that byte i is bits 8i … 8i+7. An access of 3, 5, 6 or 7 bytes is an iN access, which LLVM splits into parts
that stay inside it. The target is little-endian (x86-64, AArch64).

This file must not know: blocks, checks, how a packet was found.
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

from nmjit.compiler import maplayout
from nmjit.compiler.emit_int import Number
from nmjit.compiler.ir import ByteOrder
from nmjit.compiler.irtypes import MapDecl

I8: Final = ll.IntType(8)
I64: Final = ll.IntType(64)
_I32: Final = ll.IntType(32)


def byte_address(builder: ll.IRBuilder, origin: ll.Value, offset: ll.Value) -> ll.Value:
    """origin + offset bytes."""
    return builder.gep(origin, [offset], source_etype=I8)


def load_integer(builder: ll.IRBuilder, address: ll.Value, size: int, order: ByteOrder) -> ll.Value:
    """Unsigned integer of `size` bytes at any alignment; the register may be wider than the field."""
    bits = builder.load(address, typ=ll.IntType(8 * size), align=1)
    return bits if order is ByteOrder.LITTLE else swap_bytes(builder, bits)


def store_integer(builder: ll.IRBuilder, address: ll.Value, bits: ll.Value, order: ByteOrder) -> None:
    """Store an integer of a whole number of bytes at any alignment."""
    if order is ByteOrder.BIG:
        swapped = swap_bytes(builder, bits)
        bits = swapped if swapped.type == bits.type else builder.trunc(swapped, bits.type)
    builder.store(bits, address, align=1)


def swap_bytes(builder: ll.IRBuilder, bits: ll.Value) -> ll.Value:
    """The bytes in the opposite order. LLVM swaps even counts only; odd ones travel in the top of an i64."""
    width: int = bits.type.width
    if width == 8:
        return bits
    if width in (16, 32, 64, 128):
        return builder.bswap(bits)
    raised = builder.shl(builder.zext(bits, I64), ll.Constant(I64, 64 - width))
    return builder.bswap(raised)


def snapshot_byte(builder: ll.IRBuilder, data: ll.Value, index: Number) -> ll.Value:
    """Byte `index` of a snapshot, as an i8."""
    amount = ll.Constant(data.type, 8)
    known = index.known
    if known is not None:
        shifted = builder.lshr(data, ll.Constant(data.type, 8 * known))
    elif data.type.width <= 64:
        place = builder.trunc(index.bits, data.type) if data.type.width < index.bits.type.width else index.bits
        shifted = builder.lshr(data, builder.mul(place, amount))
    else:
        return _spilled_byte(builder, data, index)
    return shifted if data.type == I8 else builder.trunc(shifted, I8)


def _spilled_byte(builder: ll.IRBuilder, data: ll.Value, index: Number) -> ll.Value:
    """By way of the stack: shifts of hundreds of bits by a variable cost more. The slot lies in the entry block, for
    an alloca in a loop would grow the stack at every turn."""
    entry = builder.function.entry_basic_block
    with builder.goto_block(entry):
        builder.position_at_start(entry)
        slot = builder.alloca(data.type)
    builder.store(data, slot, align=1)
    place = index.bits if index.bits.type == I64 else builder.trunc(index.bits, I64)
    return builder.load(byte_address(builder, slot, place), typ=I8, align=1)


def entry_address(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, index: ll.Value) -> ll.Value:
    """Address of the value of entry `index` (an i64) of the map that lies at `base`."""
    first, stride = maplayout.values(decl)
    scaled = builder.mul(index, ll.Constant(I64, stride))
    return byte_address(builder, byte_address(builder, base, ll.Constant(I64, first)) if first else base, scaled)


def store_release(builder: ll.IRBuilder, value: ll.Value, address: ll.Value) -> None:
    """Store an integer at its natural alignment, in one step, behind all that was loaded and stored before."""
    address.type = ll.PointerType(value.type)  # which llvmlite wants to know here
    builder.store_atomic(value, address, "release", value.type.width // 8)


def prefetch(builder: ll.IRBuilder, address: ll.Value) -> None:
    """Ask for the line at `address`, whatever is there: llvm.prefetch(address, 0 for read, locality 3, 1 for data)."""
    kind = ll.FunctionType(ll.VoidType(), [ll.PointerType(), _I32, _I32, _I32])
    existing = builder.module.globals.get("llvm.prefetch.p0")
    function = existing if existing is not None else ll.Function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [address, *(ll.Constant(_I32, n) for n in (0, 3, 1))])
