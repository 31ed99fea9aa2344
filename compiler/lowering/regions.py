"""Runs of packet bytes: single bytes, slices, comparison and search (docs/semantics.md, Bytes).

This file must not know: names, how a run was found.
"""

from __future__ import annotations

import ast

from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    ByteOrder,
    Const,
    Find,
    Item,
    Load,
    LoadBytes,
    Predicate,
    Store,
    StoreBytes,
    Value,
    Window,
)
from nmjit.compiler.irtypes import MAX_SNAPSHOT
from nmjit.compiler.lowering.fields import require_alive
from nmjit.compiler.lowering.head import from_head, head, length, packet_end
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.scope import RANK_AT, RANK_RAW, Scope, with_value
from nmjit.compiler.lowering.values import Boolean, Known, Option, Region, Snapshot, Static, describe

_WHOLE = 0
"""Token of the packet itself, which never dies."""


def whole_packet(scope: Scope) -> Region:
    """The packet's bytes as a region."""
    return Region(head(scope), packet_end(scope), _WHOLE, is_bytes=False)


def of_option(option: Option) -> Region:
    """The bytes of a TCP option, kind byte first."""
    return Region(option.start, option.end, option.token, is_bytes=False)


def use(scope: Scope, region: Region, node: ast.AST) -> Region:
    """`region`, refused where it may be dead."""
    if region.token != _WHOLE:
        require_alive(scope, region.token, node, "slice" if region.is_bytes else "region")
    return region


def size(scope: Scope, region: Region) -> Value:
    """len(region)."""
    if region.token == _WHOLE:
        return length(scope)
    return scope.binary(BinaryKind.SUB, region.end, region.start)


def load_int(scope: Scope, region: Region, index: Value, width: int, node: ast.AST, index_text: str) -> Value:
    """Big endian integer of `width` bytes at `index`; IndexError unless they lie in the region."""
    last = index if width == 1 else scope.add(index, width - 1)
    _check_index(scope, region, index, last, node, index_text)
    return scope.builder.emit(Load(_offset(scope, region, index), 0, width, ByteOrder.BIG))


def _check_index(scope: Scope, region: Region, first: Value, last: Value, node: ast.AST, text: str) -> None:
    bound = _bound(scope, region)
    inside = scope.binary(
        BinaryKind.AND,
        scope.compare(Predicate.GE, first, 0),
        scope.compare(Predicate.LT, _to_bound(scope, region, last), bound),
    )
    scope.check(inside, node, "IndexError", text)


def _bound(scope: Scope, region: Region) -> Value:
    """What an index into the region stays below, once `_to_bound` has moved it. Of the packet it is the offset of its
    end, since that is what accesses are proved against."""
    return packet_end(scope) if region.token == _WHOLE else size(scope, region)


def _to_bound(scope: Scope, region: Region, index: Value) -> Value:
    return from_head(scope, index) if region.token == _WHOLE else index


def _offset(scope: Scope, region: Region, index: Value) -> Value:
    if region.token == _WHOLE:
        return from_head(scope, index)
    return scope.binary(BinaryKind.ADD, region.start, index)


def slice_of(scope: Scope, region: Region, start: Value, stop: Value, node: ast.AST, guard: str) -> Static:
    """`region[start:stop]`: a snapshot where its length is known and at most 64, else a long slice."""
    bound = _bound(scope, region)
    inside = scope.binary(
        BinaryKind.AND,
        scope.compare(Predicate.GE, start, 0),
        scope.binary(
            BinaryKind.AND,
            scope.compare(Predicate.LE, start, stop),
            scope.compare(Predicate.LE, _to_bound(scope, region, stop), bound),
        ),
    )
    scope.check(inside, node, "IndexError", guard)
    first = _offset(scope, region, start)
    known = constant_distance(start, stop)
    if known is not None and 0 <= known <= MAX_SNAPSHOT:
        if known == 0:
            return Known(b"")
        return Snapshot(known, scope.builder.emit(LoadBytes(first, 0, known)))
    return Region(first, _offset(scope, region, stop), scope.new_token(RANK_RAW), is_bytes=True)


def constant_distance(start: Value, stop: Value) -> int | None:
    """stop − start where that is known from the ops that made them, as in `p[i : i + 4]`."""
    base, offset = _split(stop)
    other, other_offset = _split(start)
    if base is other or (isinstance(base, Const) and isinstance(other, Const)):
        return offset - other_offset
    return None


def _split(value: Value) -> tuple[Value, int]:
    """(x, c) where value is x + c; for a constant its own value as c."""
    total = 0
    while True:
        match value:
            case Const(value=int() as number):
                return value, total + number
            case Window(a=inner):
                value = inner
            case Binary(kind=BinaryKind.ADD, a=a, b=Const(value=int() as c), modulus=None):
                value, total = a, total + c
            case Binary(kind=BinaryKind.ADD, a=Const(value=int() as c), b=b, modulus=None):
                value, total = b, total + c
            case _:
                return value, total


def equals(scope: Scope, region: Region, other: Known | Snapshot, node: ast.AST) -> Value:
    """Whether the region's bytes are `other`."""
    use(scope, region, node)
    if isinstance(other, Snapshot):
        return _matches(scope, region, other, other.size, Predicate.EQ)
    data = _constant(scope, other, node)
    if not data:
        return scope.compare(Predicate.EQ, size(scope, region), 0)
    return _matches(scope, region, other, len(data), Predicate.EQ)


def starts_with(scope: Scope, region: Region, prefix: Static, node: ast.AST) -> Value:
    """Whether the region's first bytes are `prefix`."""
    use(scope, region, node)
    if isinstance(prefix, Snapshot):
        return _matches(scope, region, prefix, prefix.size, Predicate.GE)
    data = _constant(scope, prefix, node)
    if not data:
        return scope.const(True)
    return _matches(scope, region, Known(data), len(data), Predicate.GE)


def _matches(scope: Scope, region: Region, data: Known | Snapshot, count: int, length_is: Predicate) -> Value:
    """Whether len(region) compares so with `count`, and the first `count` bytes are those of `data`."""
    fits, short = scope.fork(scope.compare(length_is, size(scope, region), count))
    scope.at(fits)
    start = region.start
    equal = scope.const(True)
    for first in range(0, count, MAX_SNAPSHOT):
        part = min(MAX_SNAPSHOT, count - first)
        here = scope.builder.emit(LoadBytes(start, first, part))
        wanted = data.value if isinstance(data, Snapshot) else scope.const(data.obj[first : first + part])
        equal = scope.binary(BinaryKind.AND, equal, scope.compare(Predicate.EQ, here, wanted))
    joined = merge(scope, [scope.here(Boolean(equal)), with_value(short, Known(False))], "matched")
    assert isinstance(joined, Boolean)
    return joined.value


def find(scope: Scope, region: Region, needle: Static, node: ast.AST) -> Value:
    """Offset of the first occurrence of the constant `needle`, −1 where there is none."""
    use(scope, region, node)
    data = _constant(scope, needle, node)
    start = scope.binary(BinaryKind.MIN, region.start, region.end)
    return scope.builder.emit(Find(start, region.end, data))


def find_in_snapshot(scope: Scope, snapshot: Snapshot, needle: Static, node: ast.AST) -> Value:
    """Offset of the first occurrence of the constant `needle`, −1 where there is none."""
    data = _constant(scope, needle, node)
    found = scope.const(-1)
    for offset in reversed(range(snapshot.size - len(data) + 1)):
        equal = snapshot_holds(scope, snapshot, data, offset)
        found = scope.builder.select(equal, scope.const(offset), found)
    return found


def snapshot_holds(scope: Scope, snapshot: Snapshot, data: bytes, offset: int) -> Value:
    """Whether the constant `data`, which fits there, lies at `offset` of a snapshot."""
    equal = scope.const(True)
    for index, byte in enumerate(data, offset):
        item = scope.builder.emit(Item(snapshot.value, scope.const(index)))
        equal = scope.binary(BinaryKind.AND, equal, scope.compare(Predicate.EQ, item, byte))
    return equal


def _constant(scope: Scope, static: Static, node: ast.AST) -> bytes:
    if isinstance(static, Known) and isinstance(static.obj, bytes):
        return static.obj
    scope.refuse(
        node,
        f"a bytes constant is wanted here, this is {describe(static)}",
        'write it as b"…".',
    )


def store_byte(scope: Scope, index: Value, value: Value, node: ast.AST, index_text: str) -> None:
    """`pkt[index] = value`, modulo 256."""
    _check_index(scope, whole_packet(scope), index, index, node, index_text)
    scope.builder.emit(Store(from_head(scope, index), 0, 1, value, ByteOrder.BIG))
    _kill_from(scope, index, node)


def store_bytes(scope: Scope, start: Value, stop: Value, data: Static, node: ast.AST, guard: str) -> None:
    """`pkt[start:stop] = data`; the lengths must be known, and alike."""
    known = constant_distance(start, stop)
    have = len(data.obj) if isinstance(data, Known) and isinstance(data.obj, bytes) else None
    have = data.size if isinstance(data, Snapshot) else have
    if known is None or have is None or known != have:
        scope.refuse(
            node,
            f"a slice of {'unknown length' if known is None else f'{known} bytes'} takes as many bytes, "
            f"not {describe(data) if have is None else f'{have}'}",
            "write a slice with constant bounds, pkt[i : i + 4], and bytes of that length.",
        )
    inside = scope.binary(
        BinaryKind.AND,
        scope.compare(Predicate.GE, start, 0),
        scope.compare(Predicate.LE, from_head(scope, stop), packet_end(scope)),
    )
    scope.check(inside, node, "IndexError", guard)
    if have:
        value = data.value if isinstance(data, Snapshot) else scope.const(data.obj)  # type: ignore[union-attr]
        scope.builder.emit(StoreBytes(from_head(scope, start), 0, value))
        _kill_from(scope, start, node)


def _kill_from(scope: Scope, start: Value, node: ast.AST) -> None:
    """A plain write: only a view that surely lies before it stays good, which is known of the Ethernet header alone."""
    line = scope.frame.source.span(node).line
    behind_eth = isinstance(start, Const) and isinstance(start.value, int) and start.value >= 14
    scope.kill(0 if behind_eth else RANK_AT, line)
