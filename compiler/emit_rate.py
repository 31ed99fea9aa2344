"""Token buckets in line, exact: the refill is a 128-bit product.

Workers that share a bucket change its credit and its stamp, which lie side by side, in one step of 16 bytes.

This file must not know: ops, how an entry was found. Source: lang/_rate.py.
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

from nmjit._rate import TOKEN
from nmjit.compiler.emit_int import I64
from nmjit.compiler.emit_packet import byte_address
from nmjit.compiler.irtypes import Layout

_I128: Final = ll.IntType(128)
PAIR: Final = 16
"""Bytes of credit and stamp, and what they are aligned to."""
_LIKELY: Final = (1_000, 1)


def take(
    builder: ll.IRBuilder, bucket: ll.Value, layout: Layout, amount: ll.Value, now: ll.Value, shared: bool
) -> ll.Value:
    """Take `amount` tokens (an i64 below 2**32) at time `now`; whether there were so many, as an i1."""
    assert (layout.field("credit").offset, layout.field("stamp").offset) == (0, PAIR // 2), layout
    rate, burst = (_load(builder, bucket, layout.field(name).offset) for name in ("rate", "burst"))
    wanted = builder.mul(amount, ll.Constant(I64, TOKEN))
    most = builder.mul(burst, ll.Constant(I64, TOKEN))
    if shared:
        return _take_shared(builder, bucket, rate, most, wanted, now)
    credit, stamp = _load(builder, bucket, 0), _load(builder, bucket, PAIR // 2)
    allowed, credit, stamp = _taken(builder, credit, stamp, rate, most, wanted, now)
    for offset, value in ((0, credit), (PAIR // 2, stamp)):
        builder.store(value, byte_address(builder, bucket, ll.Constant(I64, offset)), align=8)
    return allowed


def _load(builder: ll.IRBuilder, bucket: ll.Value, offset: int) -> ll.Value:
    return builder.load(byte_address(builder, bucket, ll.Constant(I64, offset)), typ=I64, align=8)


def _taken(
    builder: ll.IRBuilder,
    credit: ll.Value,
    stamp: ll.Value,
    rate: ll.Value,
    most: ll.Value,
    wanted: ll.Value,
    now: ll.Value,
) -> tuple[ll.Value, ll.Value, ll.Value]:
    """`lang/_rate.take` on registers: whether, credit, stamp."""
    later = builder.icmp_unsigned(">", now, stamp)
    product = builder.mul(builder.zext(builder.sub(now, stamp), _I128), builder.zext(rate, _I128))
    refilled = builder.add(builder.zext(credit, _I128), product)
    limit = builder.zext(most, _I128)
    capped = builder.select(builder.icmp_unsigned("<", refilled, limit), refilled, limit)
    credit = builder.select(later, builder.trunc(capped, I64), credit)
    allowed = builder.icmp_unsigned(">=", credit, wanted)
    left = builder.select(allowed, builder.sub(credit, wanted), credit)
    return allowed, left, builder.select(later, now, stamp)


def _take_shared(
    builder: ll.IRBuilder, bucket: ll.Value, rate: ll.Value, most: ll.Value, wanted: ll.Value, now: ll.Value
) -> ll.Value:
    """Compute from a guess of both, and store if the guess still holds; else what is there is the next guess."""
    guess = _pair(builder, _load(builder, bucket, 0), _load(builder, bucket, PAIR // 2))
    before, attempt = builder.block, builder.append_basic_block("take.attempt")
    done = builder.append_basic_block("take.done")
    builder.branch(attempt)
    builder.position_at_end(attempt)
    seen = builder.phi(_I128, "seen")
    seen.add_incoming(guess, before)
    credit = builder.trunc(seen, I64)
    stamp = builder.trunc(builder.lshr(seen, ll.Constant(_I128, 64)), I64)
    allowed, credit, stamp = _taken(builder, credit, stamp, rate, most, wanted, now)
    answer = builder.cmpxchg(bucket, seen, _pair(builder, credit, stamp), "monotonic")
    seen.add_incoming(builder.extract_value(answer, 0), attempt)
    builder.cbranch(builder.extract_value(answer, 1), done, attempt).set_weights(_LIKELY)
    builder.position_at_end(done)
    return allowed


def _pair(builder: ll.IRBuilder, credit: ll.Value, stamp: ll.Value) -> ll.Value:
    upper = builder.shl(builder.zext(stamp, _I128), ll.Constant(_I128, 64))
    return builder.or_(upper, builder.zext(credit, _I128))
