"""Slices: a filter's look-ups run ahead, so that the lines they will touch are on their way.

A slice is a function of one packet like the filter's, without effects. Where it says Prefetch it asks for the first
line of the look-up, and notes the place looked up on a list. Once all packets of a group have been through, the list is
gone through: by then the first line is there, and says which one is next.

A list needs no bounds but the group's, for a slice has no loops and so passes each Prefetch once at most; one with a
loop stops noting where its list is full.

This file must not know: how packets are found, what slices are made of (slices.py). Source: design.md section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import llvmlite.ir as ll

from nmjit.compiler import emit_lpm, emit_packet, emit_sketch, emit_table
from nmjit.compiler.emit_int import I1, I64, Number, resize
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.maplayout import CACHE_LINE, GROUP_SLOTS, TABLE_KINDS, lpm_layout, table_layout

_ENTRY_BYTES: Final = 2 * CACHE_LINE
"""How much of a table's entry is prefetched: its key is 64 bytes at most."""
_I16: Final = ll.IntType(16)
_I32: Final = ll.IntType(32)


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def list_arguments(place: int) -> tuple[str, str]:
    """Names of the parameters of a slice that point to a list's places and to their number."""
    return f"places{place}", f"count{place}"


@dataclass(frozen=True, slots=True)
class Slice:
    """The slice of one level, as the batch function calls it. `used` names the arguments that it reads; each of `lists`
    is a map that it notes places of, and the argument that points to it."""

    function: ll.Function
    used: frozenset[str]
    lists: tuple[tuple[MapDecl, str], ...]


@dataclass(frozen=True, slots=True)
class NoteList:
    """Places noted by one Prefetch for the packets of a group: u64 each, and their number, on the stack."""

    decl: MapDecl
    map_argument: str
    places: ll.Value
    count: ll.Value

    @classmethod
    def on_stack(cls, builder: ll.IRBuilder, group: int, decl: MapDecl, map_argument: str) -> NoteList:
        """A list for `group` packets, in the entry block."""
        entry = builder.function.entry_basic_block
        with builder.goto_block(entry):
            builder.position_at_start(entry)
            places = builder.alloca(ll.ArrayType(I64, group), name="places")
            count = builder.alloca(I64, name="count")
        return cls(decl, map_argument, places, count)

    def clear(self, builder: ll.IRBuilder) -> None:
        builder.store(_word(0), self.count)

    def length(self, builder: ll.IRBuilder) -> ll.Value:
        return builder.load(self.count, typ=I64)

    def place(self, builder: ll.IRBuilder, index: ll.Value) -> ll.Value:
        return builder.load(builder.gep(self.places, [index], source_etype=I64), typ=I64, align=8)


def listed(decl: MapDecl) -> bool:
    """Whether a look-up goes on from its first line."""
    return decl.kind in TABLE_KINDS


def place_of(builder: ll.IRBuilder, decl: MapDecl, value: Number) -> ll.Value:
    """What a look-up needs of its place, as an i64: of an address its first bits, at the top."""
    if decl.kind is not MapKind.LPM:
        return resize(builder, value, 64)
    width = lpm_layout(decl).width
    if width > 64:
        wide = resize(builder, value, width)
        return builder.trunc(builder.lshr(wide, ll.Constant(wide.type, width - 64)), I64)
    return builder.shl(resize(builder, value, 64), _word(64 - width))


def note(builder: ll.IRBuilder, places: ll.Value, count: ll.Value, place: ll.Value, most: int | None) -> None:
    """Put `place` on a list, of which `most` are taken where it may get more."""
    known = builder.load(count, typ=I64)
    builder.store(place, builder.gep(places, [known], source_etype=I64), align=8)
    following = builder.add(known, _word(1))
    if most is not None:
        # The last place is written over from there on.
        following = builder.select(builder.icmp_unsigned("<", following, _word(most)), following, known)
    builder.store(following, count)


def first_line(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, place: ll.Value) -> None:
    """Prefetch where a look-up of `place` (`place_of`) begins."""
    match decl.kind:
        case MapKind.HASH | MapKind.LRU:
            address = emit_table.group_address(builder, base, decl, emit_table.group_number(builder, decl, place))
        case MapKind.LPM:
            address = _root_cell(builder, base, decl, place)
        case MapKind.BLOOM:
            address = emit_sketch.block_address(builder, base, decl, place)
        case MapKind.ARRAY | MapKind.COUNTER | MapKind.HISTOGRAM | MapKind.EVENTS:
            address = emit_packet.entry_address(builder, base, decl, place)
    emit_packet.prefetch(builder, address)


def _root_cell(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, place: ll.Value) -> ll.Value:
    return emit_lpm.root_cell(builder, base, decl, emit_lpm.leading(builder, place, lpm_layout(decl).root_bits))


def touch(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, place: ll.Value) -> None:
    """Prefetch where a look-up of `place` goes on, once its first line is there."""
    if decl.kind is MapKind.LPM:
        emit_packet.prefetch(builder, _next_of_lpm(builder, base, decl, place))
        return
    start = _next_of_table(builder, base, decl, place)
    for line in range(0, min(table_layout(decl).entry_size, _ENTRY_BYTES), CACHE_LINE):
        emit_packet.prefetch(builder, emit_packet.byte_address(builder, start, _word(line)))


def _next_of_table(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, place: ll.Value) -> ll.Value:
    """The first entry whose tag agrees, or the group again: a prefetch of what is there costs less than a branch."""
    number = emit_table.group_number(builder, decl, place)
    group = emit_table.group_address(builder, base, decl, number)
    hits = emit_table.matching_tags(builder, group, place)
    way = builder.zext(builder.cttz(hits, ll.Constant(I1, 0)), I64)
    index = builder.add(builder.mul(number, _word(GROUP_SLOTS)), way)
    entry = emit_table.entry_address(builder, base, decl, index)
    return builder.select(builder.icmp_unsigned("!=", hits, ll.Constant(_I16, 0)), entry, group)


def _next_of_lpm(builder: ll.IRBuilder, base: ll.Value, decl: MapDecl, place: ll.Value) -> ll.Value:
    """The node's cell, or the entry's value; where no network is, some address before the first."""
    cell = emit_lpm.load_cell(builder, _root_cell(builder, base, decl, place))
    rest = builder.shl(place, _word(lpm_layout(decl).root_bits))
    node = emit_lpm.node_cell(builder, base, decl, cell, emit_lpm.leading(builder, rest, 8))
    index = builder.sub(builder.zext(cell, I64), _word(1))
    entry = emit_packet.entry_address(builder, base, decl, index)
    return builder.select(emit_lpm.is_child(builder, cell), node, entry)
