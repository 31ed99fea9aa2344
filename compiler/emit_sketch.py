"""Bloom filters in line, a block's eight words at once; and the bucket of a value in a log-linear histogram.

This file must not know: ops, blocks of the filter. Source: lang/_bloom.py, lang/_histogram.py.
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

from nmjit._bloom import SALTS, WORD_BITS, WORDS
from nmjit.compiler.emit_int import I1, I64
from nmjit.compiler.emit_packet import byte_address
from nmjit.compiler.irtypes import MapDecl
from nmjit.compiler.maplayout import BLOOM_BLOCK

_I8: Final = ll.IntType(8)
_I32: Final = ll.IntType(32)
_BLOCK: Final = ll.VectorType(_I32, WORDS)
_PAIR: Final = 8
"""Bytes that one indivisible step sets bits in."""


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def _splat(value: int) -> ll.Constant:
    return ll.Constant(_BLOCK, [value] * WORDS)


def block_address(builder: ll.IRBuilder, bloom: ll.Value, decl: MapDecl, hashed: ll.Value) -> ll.Value:
    """The block of a key."""
    number = builder.lshr(builder.mul(builder.lshr(hashed, _word(32)), _word(decl.capacity)), _word(32))
    return byte_address(builder, bloom, builder.mul(number, _word(BLOOM_BLOCK)))


def _masks(builder: ll.IRBuilder, hashed: ll.Value) -> ll.Value:
    """The bit that a key sets in each word."""
    undefined = ll.Constant(_BLOCK, ll.Undefined)
    low = builder.insert_element(undefined, builder.trunc(hashed, _I32), ll.Constant(_I32, 0))
    salted = builder.mul(builder.shuffle_vector(low, undefined, _splat(0)), ll.Constant(_BLOCK, list(SALTS)))
    return builder.shl(_splat(1), builder.lshr(salted, _splat(WORD_BITS - (WORD_BITS - 1).bit_length())))


def _all_set(builder: ll.IRBuilder, words: ll.Value, masks: ll.Value) -> ll.Value:
    missing = builder.icmp_unsigned("!=", builder.and_(words, masks), masks)
    return builder.icmp_unsigned("==", builder.bitcast(missing, _I8), ll.Constant(_I8, 0))


def bloom_test(builder: ll.IRBuilder, bloom: ll.Value, decl: MapDecl, hashed: ll.Value) -> ll.Value:
    """Whether all bits of a key are set, as an i1."""
    block = block_address(builder, bloom, decl, hashed)
    return _all_set(builder, builder.load(block, typ=_BLOCK, align=BLOOM_BLOCK), _masks(builder, hashed))


def bloom_add(builder: ll.IRBuilder, bloom: ll.Value, decl: MapDecl, hashed: ll.Value, shared: bool) -> ll.Value:
    """Set all bits of a key; whether one was not set, as an i1. A block that has them all is not written."""
    block, masks = block_address(builder, bloom, decl, hashed), _masks(builder, hashed)
    words = builder.load(block, typ=_BLOCK, align=BLOOM_BLOCK)
    known, before = _all_set(builder, words, masks), builder.block
    change, done = builder.append_basic_block("bloom.change"), builder.append_basic_block("bloom.done")
    builder.cbranch(known, done, change)
    builder.position_at_end(change)
    if shared:
        new = _set_shared(builder, block, masks)
    else:
        builder.store(builder.or_(words, masks), block, align=BLOOM_BLOCK)
        new = ll.Constant(I1, 1)
    builder.branch(done)
    builder.position_at_end(done)
    result = builder.phi(I1, "new")
    result.add_incoming(ll.Constant(I1, 0), before)
    result.add_incoming(new, change)
    return result


def _set_shared(builder: ll.IRBuilder, block: ll.Value, masks: ll.Value) -> ll.Value:
    """Set the bits while others set theirs; whether one was not set, as this worker found it."""
    pairs = BLOOM_BLOCK // _PAIR
    halves = builder.bitcast(masks, ll.VectorType(I64, pairs))
    new: ll.Value = ll.Constant(I1, 0)
    for place in range(pairs):
        mask = builder.extract_element(halves, ll.Constant(_I32, place))
        address = byte_address(builder, block, _word(_PAIR * place))
        old = builder.atomic_rmw("or", address, mask, "monotonic")
        new = builder.or_(new, builder.icmp_unsigned("!=", builder.and_(old, mask), mask))
    return new


def log_bucket(builder: ll.IRBuilder, value: ll.Value, precision: int) -> ll.Value:
    """`lang/_histogram.py`'s function of the same name, without a branch: the smallest values have exponent 0 too."""
    floor = builder.or_(value, _word(1 << precision))
    exponent = builder.sub(_word(63 - precision), builder.ctlz(floor, ll.Constant(I1, 1)))
    return builder.add(builder.shl(exponent, _word(precision)), builder.lshr(value, exponent))
