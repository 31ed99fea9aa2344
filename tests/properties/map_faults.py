"""Faults of what maps, push and mirror took, seeded by hand as in faults.py: `MAP_FAULTS` names them.

`HARMLESS` are faults of what has no meaning: nothing may be noticed of them. This file must not know: how a fault is
found.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final
from unittest.mock import patch

import llvmlite.ir as ll

from nmjit._bloom import SALTS
from nmjit.compiler import (
    emit_frame,
    emit_head,
    emit_lpm,
    emit_maps,
    emit_rate,
    emit_ring,
    emit_sketch,
    emit_slices,
    emit_table,
    pipeline,
)
from nmjit.compiler.abi import CStruct, Member
from nmjit.compiler.builder import Builder
from nmjit.compiler.emit_int import I64
from nmjit.compiler.ir import (
    BinaryKind,
    EventEmit,
    KeyHash,
    LogBucket,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    Mirror,
    MoveHead,
    Op,
    PackKey,
    RateTake,
)
from nmjit.compiler.lowering import head, tables
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.maplayout import GROUP
from nmjit.compiler.passes import dead_code, gvn, memory_states
from nmjit.runtime.maps import LpmView
from tests.properties.faults import Fault, _each_op, _without_checks_for

_ONE: Final = ll.Constant(I64, 1)


# Lowering


def _untouched(_: Builder, op: Op) -> None:
    if type(op) is MapFind:
        op.touch = False


def _part_of_a_bit(builder: Builder, op: Op) -> None:
    if type(op) is PackKey and op.sizes[0] > 1:
        op.parts = (builder.binary(BinaryKind.AND, op.parts[0], builder.const(1)), *op.parts[1:])


def _one_token(builder: Builder, op: Op) -> None:
    if type(op) is RateTake:
        op.amount = builder.const(1)


def _first_port(builder: Builder, op: Op) -> None:
    if type(op) is Mirror:
        op.port = builder.const(0)


def _last_field_lost(_: Builder, op: Op) -> None:
    if type(op) is EventEmit and len(op.values) > 1:
        op.values = (*op.values[:-1], op.values[0])


def _fewer_buckets(_: Builder, op: Op) -> None:
    if type(op) is LogBucket:
        op.precision -= 1


def _stores_keep_old_entries() -> AbstractContextManager[Any]:
    return patch.object(tables, "overwrite", lambda scope, decl, index, values: None)


def _views_survive_the_head() -> AbstractContextManager[Any]:
    original = Scope.kill

    def spoiled(self: Scope, above: int, line: int, by: str = "write") -> None:
        if by not in ("push", "pull"):
            original(self, above, line, by)

    return patch.object(Scope, "kill", spoiled)


def _length_of_arrival() -> AbstractContextManager[Any]:
    return patch.object(head, "length", head.packet_end)


# Passes


def _fused_over(kind: type[Op]) -> Fault:
    """GVN takes nothing to be changed by such ops."""
    return lambda: patch.object(memory_states, "_CHANGING", memory_states._CHANGING - {kind})


def _deleted(kind: type[Op]) -> Fault:
    return lambda: patch.object(dead_code, "_ROOTS", dead_code._ROOTS - {kind})


# Emitter


def _tag_of_six_bits() -> AbstractContextManager[Any]:
    original = emit_table.matching_tags

    def spoiled(builder: Any, group: Any, hashed: Any) -> Any:
        return original(builder, group, builder.and_(hashed, ll.Constant(I64, ~0x40 % 2**64)))

    return patch.object(emit_table, "matching_tags", spoiled)


def _no_overflow() -> AbstractContextManager[Any]:
    """Look-ups end with their first group: the count of keys that went past is read where nothing is ever written."""
    members = tuple(
        Member({"overflow": "reserved", "reserved": "overflow"}.get(member.name, member.name), member.size)
        for member in GROUP.members
    )
    return patch.object(emit_table, "GROUP", CStruct(GROUP.name, members))


def _odd_words_swapped() -> AbstractContextManager[Any]:
    original = emit_table.key_hash

    def spoiled(builder: Any, words: Any, seed: Any) -> Any:
        return original(builder, list(words)[::-1], seed)

    return patch.object(emit_table, "key_hash", spoiled)


def _first_word_compared() -> AbstractContextManager[Any]:
    original = emit_table._same_key
    return patch.object(
        emit_table, "_same_key", lambda builder, entry, words: original(builder, entry, list(words)[:1])
    )


def _nodes_backwards() -> AbstractContextManager[Any]:
    original = emit_lpm.node_cell

    def spoiled(builder: Any, lpm: Any, decl: Any, parent: Any, place: Any) -> Any:
        return original(builder, lpm, decl, parent, builder.xor(place, ll.Constant(I64, 128)))

    return patch.object(emit_lpm, "node_cell", spoiled)


def _other_salts() -> AbstractContextManager[Any]:
    return patch.object(emit_sketch, "SALTS", SALTS[::-1])


def _bucket_edge() -> AbstractContextManager[Any]:
    original = emit_sketch.log_bucket

    def spoiled(builder: Any, value: Any, precision: int) -> Any:
        edge = builder.icmp_unsigned("==", value, ll.Constant(I64, 1 << precision))
        return original(builder, builder.sub(value, builder.zext(edge, I64)), precision)

    return patch.object(emit_sketch, "log_bucket", spoiled)


def _refilled_without_limit() -> AbstractContextManager[Any]:
    original = emit_rate._taken

    def spoiled(builder: Any, credit: Any, stamp: Any, rate: Any, most: Any, wanted: Any, now: Any) -> Any:
        return original(builder, credit, stamp, rate, ll.Constant(I64, 2**63), wanted, now)

    return patch.object(emit_rate, "_taken", spoiled)


def _clock_stands() -> AbstractContextManager[Any]:
    """The clock of a bucket is not moved."""
    original = emit_rate._taken

    def spoiled(builder: Any, credit: Any, stamp: Any, rate: Any, most: Any, wanted: Any, now: Any) -> Any:
        allowed, left, _ = original(builder, credit, stamp, rate, most, wanted, now)
        return allowed, left, stamp

    return patch.object(emit_rate, "_taken", spoiled)


def _drops_uncounted() -> AbstractContextManager[Any]:
    original = emit_ring._publish

    def spoiled(builder: Any, ring: Any, name: str, count: Any) -> None:
        if name != "dropped":
            original(builder, ring, name, count)

    return patch.object(emit_ring, "_publish", spoiled)


def _room_short_of_one() -> AbstractContextManager[Any]:
    original = emit_maps.call_out

    def spoiled(frame: Any, name: str, result: Any, arguments: Any) -> Any:
        if name == "make_room":
            packet, length, missing = arguments
            arguments = [packet, length, frame.builder.sub(missing, ll.Constant(missing.type, 1))]
        return original(frame, name, result, arguments)

    return patch.object(emit_maps, "call_out", spoiled)


def _pushed_bytes_kept() -> AbstractContextManager[Any]:
    return patch.object(emit_head, "_zero", lambda builder, start, size: None)


def _mirror_of_arrival() -> AbstractContextManager[Any]:
    """Copies are of the length that the packet arrived with, from where it begins."""
    original = emit_maps.call_out

    def spoiled(frame: Any, name: str, result: Any, arguments: Any) -> Any:
        if name == "mirror":
            context, start, _, *rest = arguments
            arguments = [context, start, frame.use("length"), *rest]
        return original(frame, name, result, arguments)

    return patch.object(emit_maps, "call_out", spoiled)


def _head_not_given_back() -> AbstractContextManager[Any]:
    original = emit_frame.Frame._resized

    def spoiled(self: Any, builder: Any) -> list[Any]:
        found = original(self, builder)
        return [*found[:-1], ll.Constant(found[-1].type, 0)] if found else found

    return patch.object(emit_frame.Frame, "_resized", spoiled)


def _routes_stay() -> AbstractContextManager[Any]:
    """A look-up finds the entry of a network that was taken out."""
    return patch.object(LpmView, "__delitem__", lambda self, key: None)


def _signs_lost() -> AbstractContextManager[Any]:
    original = emit_maps.MapEmitter._stored

    def spoiled(self: Any, value: Any, field: Any) -> Any:
        stored = original(self, value, field)
        return self._builder.and_(stored, ll.Constant(stored.type, 2 ** (stored.type.width - 1) - 1))

    return patch.object(emit_maps.MapEmitter, "_stored", spoiled)


MAP_FAULTS: Final[dict[str, Fault]] = {
    "lowering: look-ups do not touch": _each_op(_untouched),
    "lowering: a part of the key cut": _each_op(_part_of_a_bit),
    "lowering: one token, whatever is asked": _each_op(_one_token),
    "lowering: mirrors to the first port": _each_op(_first_port),
    "lowering: an event's last field is its first": _each_op(_last_field_lost),
    "lowering: a histogram of less precision": _each_op(_fewer_buckets),
    "lowering: a store leaves the old entry": _stores_keep_old_entries,
    "lowering: views outlive push and pull": _views_survive_the_head,
    "lowering: len(pkt) of the packet that arrived": _length_of_arrival,
    "lowering: full maps unnoticed": _without_checks_for("MapFull"),
    "lowering: missing keys unnoticed": _without_checks_for("KeyError"),
    "gvn: look-ups fused over an insertion": _fused_over(MapInsert),
    "gvn: look-ups fused over a deletion": _fused_over(MapDelete),
    "gvn: loads of entries fused over an addition": _fused_over(MapAdd),
    "gvn: loads fused over a push": _fused_over(MoveHead),
    "gvn: hashes of all maps' keys fused": lambda: patch.dict(gvn._KEYS, {KeyHash: lambda op: None}),
    "gvn: loads of all fields fused": lambda: patch.dict(gvn._KEYS, {MapLoad: lambda op: (op.map.name, op.index)}),
    "gvn: a look-up that marks gives way to one that does not": lambda: patch.object(
        gvn, "_find_key", lambda op, marks: (op.map.name, op.key, op.hash)
    ),
    "dead_code: look-ups that mark deleted": lambda: patch.object(dead_code, "_spares", lambda op, filled: False),
    "dead_code: events deleted": _deleted(EventEmit),
    "dead_code: insertions deleted": _deleted(MapInsert),
    "holding: nothing held": lambda: patch.object(pipeline, "holding", lambda function: frozenset()),
    "emit: a tag of six bits": _tag_of_six_bits,
    "emit: overflow of groups missed": _no_overflow,
    "emit: words hashed in the wrong order": _odd_words_swapped,
    "emit: first word of a key compared alone": _first_word_compared,
    "emit: touch omitted": lambda: patch.object(emit_table, "touch", lambda builder, group, index: None),
    "emit: nothing noted as held": lambda: patch.object(emit_table, "hold", lambda builder, held, index: None),
    "emit: held for good": lambda: patch.object(emit_table, "release_held", lambda builder, held: None),
    "emit: nodes of a trie exchanged": _nodes_backwards,
    "emit: bits of a Bloom filter by other salts": _other_salts,
    "emit: edge of a histogram's bucket": _bucket_edge,
    "emit: buckets without a limit": _refilled_without_limit,
    "emit: clock of a bucket stands": _clock_stands,
    "emit: drops of events uncounted": _drops_uncounted,
    "emit: room made one byte short": _room_short_of_one,
    "emit: pushed bytes not cleared": _pushed_bytes_kept,
    "emit: a mirror as long as the packet that arrived": _mirror_of_arrival,
    "emit: where the packet begins not said": _head_not_given_back,
    "emit: upper bit of stored fields lost": _signs_lost,
    "runtime: networks stay when deleted": _routes_stay,
}


def _elsewhere() -> AbstractContextManager[Any]:
    original = emit_slices.place_of
    return patch.object(
        emit_slices, "place_of", lambda builder, decl, value: builder.not_(original(builder, decl, value))
    )


HARMLESS: Final[dict[str, Fault]] = {"slices: other places prefetched": _elsewhere}
