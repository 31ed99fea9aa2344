"""Faults of a compiler, seeded by hand: each is a context manager that makes one stage do one thing wrong.

`FAULTS` names them `stage: what is wrong`. What a fault touches lives in the stage alone, never in `lang`, or CPython
would be wrong alike. Faults of the emitter read no memory that is not theirs, since they run natively. This file must
not know: how a fault is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from nmjit.compiler import builder, emit, emit_find, emit_frame, emit_int, emit_maps, emit_packet, emit_set
from nmjit.compiler.builder import Builder
from nmjit.compiler.emit_int import Number, Range
from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    ByteOrder,
    Check,
    Compare,
    Context,
    ContextField,
    Function,
    Load,
    MapAdd,
    Op,
    Phi,
    Predicate,
    Random,
    RangeTable,
    Select,
    Site,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import MAX_PACKET, Scalar
from nmjit.compiler.lowering import fields, loops, maps, parsing, sums
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.passes import combine_stores, dead_code, drop_checks, fold, gvn, memory_states, simplify_cfg
from nmjit.compiler.verifier import fixpoint, refine, transfer
from nmjit.compiler.verifier.interval import Interval

Fault = Callable[[], AbstractContextManager[Any]]


def _together(*managers: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    stack = ExitStack()
    for manager in managers:
        stack.enter_context(manager)
    return stack


# Lowering


def _each_op(change: Callable[[Builder, Op], None]) -> Fault:
    """Lowering writes every op through Builder.emit; `change` spoils it there."""
    original = Builder.emit

    def spoiled(self: Builder, op: Op) -> Op:
        change(self, op)
        return original(self, op)

    return lambda: patch.object(Builder, "emit", spoiled)


def _little_endian(_: Builder, op: Op) -> None:
    if type(op) is Load and op.size == 2:
        op.order = ByteOrder.LITTLE


def _less_for_at_most(_: Builder, op: Op) -> None:
    if type(op) is Compare and op.predicate is Predicate.LE:
        op.predicate = Predicate.LT


def _half_modulus(_: Builder, op: Op) -> None:
    if type(op) is Binary and op.modulus == 64:
        op.modulus = 32


def _unsigned_wrap(_: Builder, op: Op) -> None:
    if type(op) is Wrap:
        op.scalar = Scalar(op.scalar.size)


def _first_random(builder: Builder, op: Op) -> None:
    if type(op) is Random:
        op.call = builder.const(0)


def _present_length(_: Builder, op: Op) -> None:
    if type(op) is Context and op.which is ContextField.WIRE_LENGTH:
        op.which = ContextField.LENGTH


def _without_checks_for(exception: str) -> Fault:
    original = Builder.check

    def spoiled(self: Builder, condition: Value, site: Site) -> None:
        if site.exception != exception:
            original(self, condition, site)

    return lambda: patch.object(Builder, "check", spoiled)


def _line_after() -> AbstractContextManager[Any]:
    original = Builder.site

    def spoiled(self: Builder, exception: str, line: int, column: int, guard: str, file: str = "") -> Site:
        return original(self, exception, line + 1, column, guard, file)

    return patch.object(Builder, "site", spoiled)


def _set_without_its_last() -> AbstractContextManager[Any]:
    original = Builder.range_table

    def spoiled(self: Builder, name_hint: str, ranges: Iterable[tuple[int, int]]) -> RangeTable:
        kept = sorted(ranges)
        return original(self, name_hint, kept[:-1] if len(kept) > 2 else kept)

    return patch.object(Builder, "range_table", spoiled)


def _parse_results_outlive_writes() -> AbstractContextManager[Any]:
    original = Scope.kill

    def spoiled(self: Scope, above: int, line: int, by: str = "write") -> None:
        parsed = {name: value for name, value in self.state.names.items() if name.startswith("@")}
        original(self, above, line, by)
        self.state.names.update(parsed)
        self.state.alive = frozenset(self.state.alive | self.ranks.keys())

    return patch.object(Scope, "kill", spoiled)


def _checksum_without_fold() -> AbstractContextManager[Any]:
    def spoiled(scope: Scope, total: Value) -> Value:
        return scope.binary(BinaryKind.XOR, total, 0xFFFF)

    return _together(patch.object(fields, "complement", spoiled), patch.object(sums, "complement", spoiled))


def _map_base_of_0() -> AbstractContextManager[Any]:
    original = maps.declaration
    return patch.object(maps, "declaration", lambda name, obj: replace(original(name, obj), key_base=0))


def _length_0_is_short() -> AbstractContextManager[Any]:
    def spoiled(scope: Scope, base: Value, declared: Value, header: int, whole: Value) -> Value:
        return scope.binary(BinaryKind.MIN, scope.add(scope.add(base, declared), header), whole)

    return patch.object(parsing, "_declared_end", spoiled)


def _every_extension_in_8_bytes() -> AbstractContextManager[Any]:
    def spoiled(scope: Scope, protocol: Value, offset: Value) -> Value:
        counted = parsing.load(scope, offset, 1, 1)
        return scope.add(scope.binary(BinaryKind.MUL, counted, 8), 8)

    return patch.object(parsing, "_extension_length", spoiled)


# Passes


def _phi_of_another_way() -> AbstractContextManager[Any]:
    original = simplify_cfg._reroute

    def spoiled(phi: Phi, old: BasicBlock, new: dict[BasicBlock, Value]) -> None:
        wrong = next(iter(phi.incoming.values()))
        original(phi, old, {source: wrong for source in new} if old is not next(iter(phi.incoming)) else new)

    return patch.object(simplify_cfg, "_reroute", spoiled)


def _constant_one_off() -> AbstractContextManager[Any]:
    original = builder.fold_compare
    return patch.object(fold, "fold_compare", lambda predicate, a, b: not original(predicate, a, b))


def _halves_exchanged() -> AbstractContextManager[Any]:
    original = combine_stores._join

    def spoiled(low: Any, high: Any, kept: list[Op | None]) -> Any:
        if isinstance(low, Store) and isinstance(high, Store) and low.size == high.size:
            low, high = (
                Store(low.base, low.displacement, low.size, high.value, low.order),
                Store(high.base, high.displacement, high.size, low.value, high.order),
            )
        return original(low, high, kept)

    return patch.object(combine_stores, "_join", spoiled)


def _all_checks_dropped() -> AbstractContextManager[Any]:
    original = drop_checks.run

    def spoiled(function: Function, proven: Any) -> bool:
        del proven
        return original(function, {op for op in function.ops() if isinstance(op, Check | Window)})

    return patch.object(drop_checks, "run", spoiled)


# Verifier


def _fixpoint_after_one_round() -> AbstractContextManager[Any]:
    return patch.object(fixpoint, "_says_no_more", lambda facts, new: True)


def _at_most_is_less() -> AbstractContextManager[Any]:
    original = refine._order
    return patch.object(refine, "_order", lambda state, low, gap, high: original(state, low, gap + 1, high))


# Emitter


def _zero_extended() -> AbstractContextManager[Any]:
    original = emit_int.resize

    def spoiled(builder: Any, number: Number, width: int) -> Any:
        if number.signed and number.known is None and number.bits.type.width < width:
            number = Number(number.bits, Range(0, (1 << number.bits.type.width) - 1))
        return original(builder, number, width)

    return patch.object(emit_int, "resize", spoiled)


def _logical_shift() -> AbstractContextManager[Any]:
    original = emit_int.binary

    def spoiled(builder: Any, kind: BinaryKind, a: Number, b: Number, modulus: int | None, to: Any) -> Number:
        if kind is BinaryKind.SHR and a.signed:
            amount = emit_int.resize(builder, b, a.bits.type.width)
            return emit_int.refit(builder, Number(builder.lshr(a.bits, amount), a.range), to)
        return original(builder, kind, a, b, modulus, to)

    return patch.object(emit_int, "binary", spoiled)


def _unsigned_comparisons() -> AbstractContextManager[Any]:
    original = emit_int.icmp

    def spoiled(builder: Any, predicate: Predicate, a: Any, b: Any, signed: bool = False) -> Any:
        del signed
        return original(builder, predicate, a, b, signed=False)

    return patch.object(emit_int, "icmp", spoiled)


def _four_bytes_unswapped() -> AbstractContextManager[Any]:
    original = emit_packet.swap_bytes
    return patch.object(
        emit_packet, "swap_bytes", lambda builder, bits: bits if bits.type.width == 32 else original(builder, bits)
    )


def _first_site() -> AbstractContextManager[Any]:
    original = emit_frame.Frame.raise_block
    return patch.object(
        emit_frame.Frame, "raise_block", lambda self, site: original(self, next(iter(self._site_numbers)))
    )


def _first_field() -> AbstractContextManager[Any]:
    original = emit_maps.MapEmitter._emit_access

    def spoiled(self: Any, op: Any) -> None:
        field, op.field = op.field, op.map.layout.fields[0].name
        original(self, op)
        op.field = field

    return patch.object(emit_maps.MapEmitter, "_emit_access", spoiled)


def _range_without_its_end() -> AbstractContextManager[Any]:
    original = emit_set._in_range
    return patch.object(emit_set, "_in_range", lambda builder, key, lo, hi: original(builder, key, lo, max(lo, hi - 1)))


def _needle_without_its_end() -> AbstractContextManager[Any]:
    original = emit_find._FindEmitter._matches

    def spoiled(self: Any, place: Any, begin: int, end: int) -> Any:
        return original(self, place, begin, end - 1 if end - begin > 1 else end)

    return patch.object(emit_find._FindEmitter, "_matches", spoiled)


def _arms_swapped() -> AbstractContextManager[Any]:
    original = emit._FilterEmitter._emit_select

    def spoiled(self: Any, op: Select) -> None:
        op.a, op.b = op.b, op.a
        original(self, op)
        op.a, op.b = op.b, op.a

    return patch.object(emit._FilterEmitter, "_emit_select", spoiled)


def _window_untested() -> AbstractContextManager[Any]:
    original = emit._FilterEmitter._test

    def spoiled(self: Any, op: Any, condition: Any) -> None:
        if not isinstance(op, Window):
            original(self, op, condition)

    return patch.object(emit._FilterEmitter, "_test", spoiled)


def _remainder_short(a: Interval, b: Interval) -> Interval:
    del a
    return Interval(min(0, b.lo + 1), max(0, b.hi - 2))


FAULTS: Final[dict[str, Fault]] = {
    "lowering: two bytes loaded in the wrong order": _each_op(_little_endian),
    "lowering: bounds off by one": _each_op(_less_for_at_most),
    "lowering: wrong modulus": _each_op(_half_modulus),
    "lowering: signed wrap taken as unsigned": _each_op(_unsigned_wrap),
    "lowering: random() not counted": _each_op(_first_random),
    "lowering: wire_len is the length present": _each_op(_present_length),
    "lowering: None check missing": _without_checks_for("AttributeError"),
    "lowering: index check missing": _without_checks_for("IndexError"),
    "lowering: shift amount unchecked": _without_checks_for("ValueError"),
    "lowering: divisor unchecked": _without_checks_for("ZeroDivisionError"),
    "lowering: exception in the next line": _line_after,
    "lowering: a set loses its last range": _set_without_its_last,
    "lowering: a steering write kills nothing": _parse_results_outlive_writes,
    "lowering: checksum without fold": _checksum_without_fold,
    "lowering: UDP checksum 0 updated": lambda: patch.object(fields, "_udp_sum", lambda scope, held, fresh: fresh),
    "lowering: no pseudo-header under UDP": lambda: patch.dict(fields._UNDER, ipv4=("tcp",), ipv6=("tcp", "icmp6")),
    "lowering: keys of a Counter from 0": _map_base_of_0,
    "lowering: IP length 0 ends the datagram": _length_0_is_short,
    "lowering: AH counted in 8 bytes": _every_extension_in_8_bytes,
    "lowering: one TCP option only": lambda: patch.object(loops, "MAX_TCP_OPTIONS", 1),
    "simplify_cfg: phi takes the value of another way": _phi_of_another_way,
    "fold: comparisons of constants inverted": _constant_one_off,
    "gvn: load merged across a store": lambda: patch.object(
        memory_states, "_CHANGING", memory_states._CHANGING - {Store, StoreBytes}
    ),
    "gvn: facts of the context merged": lambda: patch.dict(gvn._KEYS, {Context: lambda op: None}),
    "dead_code: additions to maps deleted": lambda: patch.object(dead_code, "_ROOTS", dead_code._ROOTS - {MapAdd}),
    "combine_stores: halves exchanged": _halves_exchanged,
    "combine_stores: moved over a load of the bytes": lambda: patch.object(
        combine_stores, "_disjoint", lambda pending, base, displacement, size: True
    ),
    "combine_stores: moved over a check": lambda: patch.object(combine_stores, "is_pure", lambda op: True),
    "drop_checks: open checks dropped": _all_checks_dropped,
    "verifier: packets taken to have 60 bytes": lambda: patch.dict(
        transfer.CONTEXT_RANGES, {ContextField.LENGTH: Interval(60, MAX_PACKET)}
    ),
    "verifier: remainder one short": lambda: patch.dict(refine.EXACT, {BinaryKind.MOD: _remainder_short}),
    "verifier: at most taken as less": _at_most_is_less,
    "verifier: loops visited once": _fixpoint_after_one_round,
    "emit: comparison unsigned": _unsigned_comparisons,
    "emit: negative numbers zero-extended": _zero_extended,
    "emit: arithmetic shift made logical": _logical_shift,
    "emit: four bytes not swapped": _four_bytes_unswapped,
    "emit: every exception at the first site": _first_site,
    "emit: every field at offset 0 of its entry": _first_field,
    "emit: last member of a range left out": _range_without_its_end,
    "emit: last byte of a needle not compared": _needle_without_its_end,
    "emit: arms of a select swapped": _arms_swapped,
    "emit: overflow untested": _window_untested,
}
