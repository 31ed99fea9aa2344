"""Hash tables in line: packed keys, their hash, and the look-up, specialised to one map's layout.

A look-up compares a group's sixteen tags with the key's at once, then the keys of those that agree, mostly one. It
takes no lock. An entry's tag is written after its key and value, and the fence keeps their loads behind the tag's. It
ends after each group once, whatever another writer does.

This file must not know: ops, blocks of the filter, when a look-up must call out (emit_maps.py).
Source: maplayout.py; lang/_hash.py; "Swiss tables" (Abseil's design notes) for tags compared at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import llvmlite.ir as ll

from nmjit._hash import FIRST, SECOND
from nmjit.compiler.emit_int import I1, I64
from nmjit.compiler.emit_packet import byte_address, store_release
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.maplayout import GROUP, GROUP_SLOTS, HELD, HELD_SIZE, HELD_SLOTS, TABLE, table_layout

_I8: Final = ll.IntType(8)
_I16: Final = ll.IntType(16)
_I32: Final = ll.IntType(32)
_I128: Final = ll.IntType(128)
_TAGS: Final = ll.VectorType(_I8, GROUP_SLOTS)
_LIKELY: Final = (1_000, 1)


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def pack_words(builder: ll.IRBuilder, parts: Sequence[ll.Value]) -> tuple[ll.Value, ...]:
    """The words of a packed key; each part is an iN of its own size."""
    words: list[ll.Value] = [_word(0)] * (-(-sum(part.type.width for part in parts) // 64))
    start = 0
    for part in parts:
        width: int = part.type.width
        for place in range(start // 64, -(-(start + width) // 64)):
            words[place] = builder.or_(words[place], _shifted(builder, part, start - 64 * place))
        start += width
    return tuple(words)


def _shifted(builder: ll.IRBuilder, part: ll.Value, places: int) -> ll.Value:
    """`part` that many bits up, or down where negative, cut to a word."""
    if places < 0:
        part = builder.lshr(part, ll.Constant(part.type, -places))
    word = builder.trunc(part, I64) if part.type.width > 64 else part
    word = builder.zext(word, I64) if word.type.width < 64 else word
    return builder.shl(word, _word(places)) if places > 0 else word


def seed(builder: ll.IRBuilder, table: ll.Value) -> ll.Value:
    """The seed of the keys' hash, which never changes."""
    loaded = builder.load(byte_address(builder, table, _word(TABLE.offset("seed"))), typ=I64, align=8)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def key_hash(builder: ll.IRBuilder, words: Sequence[ll.Value], seed: ll.Value) -> ll.Value:
    """`lang/_hash.py`'s function of the same name."""
    value = seed
    for even in range(0, len(words), 2):
        odd = words[even + 1] if even + 1 < len(words) else _word(0)
        first = builder.xor(builder.xor(words[even], _word(FIRST)), value)
        value = _fold(builder, first, builder.xor(odd, _word(SECOND)))
    return _fold(builder, builder.xor(value, _word(SECOND)), _word(FIRST))


def _fold(builder: ll.IRBuilder, a: ll.Value, b: ll.Value) -> ll.Value:
    product = builder.mul(builder.zext(a, _I128), builder.zext(b, _I128))
    upper = builder.trunc(builder.lshr(product, ll.Constant(_I128, 64)), I64)
    return builder.xor(upper, builder.trunc(product, I64))


def group_number(builder: ll.IRBuilder, decl: MapDecl, hashed: ll.Value) -> ll.Value:
    """The group that a hash belongs to."""
    scaled = builder.mul(builder.lshr(hashed, _word(32)), _word(table_layout(decl).groups))
    return builder.lshr(scaled, _word(32))


def group_address(builder: ll.IRBuilder, table: ll.Value, decl: MapDecl, group: ll.Value) -> ll.Value:
    start = byte_address(builder, table, _word(table_layout(decl).groups_at))
    return byte_address(builder, start, builder.mul(group, _word(GROUP.size)))


def entry_address(builder: ll.IRBuilder, table: ll.Value, decl: MapDecl, index: ll.Value) -> ll.Value:
    """Address of an entry, where its key begins."""
    layout = table_layout(decl)
    start = byte_address(builder, table, _word(layout.entries_at))
    return byte_address(builder, start, builder.mul(index, _word(layout.entry_size)))


def matching_tags(builder: ll.IRBuilder, group: ll.Value, hashed: ll.Value) -> ll.Value:
    """Which of a group's entries have the key's tag, as the bits of an i16."""
    low = builder.trunc(hashed, _I8)
    tag = builder.or_(low, ll.Constant(_I8, 0x80))
    one = builder.insert_element(ll.Constant(_TAGS, ll.Undefined), tag, ll.Constant(_I32, 0))
    lanes = ll.Constant(ll.VectorType(_I32, GROUP_SLOTS), [0] * GROUP_SLOTS)
    wanted = builder.shuffle_vector(one, ll.Constant(_TAGS, ll.Undefined), lanes)
    tags = builder.load(byte_address(builder, group, _word(GROUP.offset("tags"))), typ=_TAGS, align=16)
    return builder.bitcast(builder.icmp_unsigned("==", tags, wanted), _I16)


def find(
    builder: ll.IRBuilder, table: ll.Value, decl: MapDecl, words: Sequence[ll.Value], hashed: ll.Value
) -> tuple[ll.Value, ll.Value, ll.Block, ll.Block]:
    """Look a key up in a HASH or LRU. The builder is left in the block of a key found.

    Returns the entry's index and its group's address, good in that block, then that block and the one, still open, in
    which a key is known to be absent.
    """
    layout, append = table_layout(decl), builder.append_basic_block
    before = builder.block
    probe, candidate, reject = append("table.probe"), append("table.candidate"), append("table.reject")
    found, missed = append("table.found"), append("table.missed")
    first = group_number(builder, decl, hashed)
    builder.branch(probe)

    builder.position_at_end(probe)
    number = builder.phi(I64, "group")
    number.add_incoming(first, before)
    group = group_address(builder, table, decl, number)
    hits = matching_tags(builder, group, hashed)
    builder.fence("acquire")
    some = builder.icmp_unsigned("!=", hits, ll.Constant(_I16, 0))
    builder.cbranch(some, candidate, missed)

    builder.position_at_end(candidate)
    left = builder.phi(_I16, "left")
    left.add_incoming(hits, probe)
    place = builder.zext(builder.cttz(left, ll.Constant(I1, 1)), I64)
    index = builder.or_(builder.mul(number, _word(GROUP_SLOTS)), place)
    same = _same_key(builder, entry_address(builder, table, decl, index), words)
    builder.cbranch(same, found, reject).set_weights(_LIKELY)

    builder.position_at_end(reject)
    fewer = builder.and_(left, builder.sub(left, ll.Constant(_I16, 1)))
    left.add_incoming(fewer, reject)
    builder.cbranch(builder.icmp_unsigned("!=", fewer, ll.Constant(_I16, 0)), candidate, missed)

    absent = missed
    if decl.kind is MapKind.HASH:
        absent = append("table.absent")
        builder.position_at_end(missed)
        further = builder.add(number, _word(1))
        further = builder.select(
            builder.icmp_unsigned("==", further, _word(layout.groups)), _word(0), further, name="further"
        )
        overflow = builder.load(byte_address(builder, group, _word(GROUP.offset("overflow"))), typ=_I32, align=4)
        onward = builder.and_(
            builder.icmp_unsigned("!=", overflow, ll.Constant(_I32, 0)), builder.icmp_unsigned("!=", further, first)
        )
        number.add_incoming(further, missed)
        builder.cbranch(onward, probe, absent).set_weights(_LIKELY[::-1])
    builder.position_at_end(found)
    return index, group, found, absent


def _same_key(builder: ll.IRBuilder, entry: ll.Value, words: Sequence[ll.Value]) -> ll.Value:
    """Whether the entry's key is `words`. All are compared: words that differ behind a tag that agrees are rare."""
    different: ll.Value = _word(0)
    for place, word in enumerate(words):
        stored = builder.load(byte_address(builder, entry, _word(8 * place)), typ=I64, align=8)
        different = builder.or_(different, builder.xor(stored, word))
    return builder.icmp_unsigned("==", different, _word(0))


def touch(builder: ll.IRBuilder, group: ll.Value, index: ll.Value) -> None:
    """Mark an entry of an LRU set as used. One that is marked is not written: its line stays clean."""
    address = byte_address(builder, group, _word(GROUP.offset("referenced")))
    marks = builder.load(address, typ=_I16, align=2)
    place = builder.trunc(builder.and_(index, _word(GROUP_SLOTS - 1)), _I16)
    mark = builder.shl(ll.Constant(_I16, 1), place)
    with builder.if_then(builder.icmp_unsigned("==", builder.and_(marks, mark), ll.Constant(_I16, 0))):
        builder.store(builder.or_(marks, mark), address, align=2)


def held_address(builder: ll.IRBuilder, table: ll.Value, decl: MapDecl, worker: ll.Value) -> ll.Value:
    """What the worker's packet has touched (maplayout.HELD)."""
    offset = builder.mul(builder.zext(worker, I64), _word(HELD_SIZE))
    return byte_address(builder, byte_address(builder, table, _word(table_layout(decl).held_at)), offset)


def release_held(builder: ll.IRBuilder, held: ll.Value) -> None:
    """A packet starts: nothing is held. What the one before did with its entries comes before."""
    address = byte_address(builder, held, _word(HELD.offset("count")))
    store_release(builder, ll.Constant(_I32, 0), address)


def hold(builder: ll.IRBuilder, held: ll.Value, index: ll.Value) -> None:
    """Note an entry, unless as many as there is room for are noted."""
    address = byte_address(builder, held, _word(HELD.offset("count")))
    count = builder.load(address, typ=_I32, align=4)
    with builder.if_then(builder.icmp_unsigned("<", count, ll.Constant(_I32, HELD_SLOTS)), likely=True):
        slots = byte_address(builder, held, _word(HELD.offset("slots")))
        place = builder.gep(slots, [builder.zext(count, I64)], source_etype=_I32)
        builder.store(builder.trunc(index, _I32), place, align=4)
        builder.store(builder.add(count, ll.Constant(_I32, 1)), address, align=4)
