"""Merging points of the program: one kind for several values, phis for what flows.

`unify` finds the kind that covers two values; `merge` joins edges; `convert` writes, at the end of an edge, what turns
a value into that kind. A name that has no common kind becomes `Poison`: it may be assigned anew, but not read.
This file must not know: syntax trees.
"""

from __future__ import annotations

from enum import Enum, Flag
from functools import reduce
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from nmjit import Mac, Verdict
from nmjit.compiler.ir import BasicBlock, Phi, Predicate, Value, Wrap
from nmjit.compiler.irtypes import BOOL, INT, MAX_SNAPSHOT, Bytes, Scalar, Type
from nmjit.compiler.lowering.scope import STAGE_RANKS, Edge, Scope, State
from nmjit.compiler.lowering.values import (
    NONE,
    Address,
    AddressKind,
    Boolean,
    Entry,
    Integer,
    Known,
    Maybe,
    Member,
    Method,
    Option,
    Options,
    PacketValue,
    Poison,
    Record,
    Region,
    Snapshot,
    Static,
    Tuple,
    Union,
    VerdictCode,
    View,
    describe,
    is_none,
    parts,
    placeholder,
    rebuild,
)
from nmjit.compiler.maplayout import TABLE_KINDS

UNASSIGNED = Poison("may not be assigned here", "assign it on every path that leads here.")


def merge(scope: Scope, edges: list[Edge], hint: str = "join") -> Static | None:
    """Go on where all of `edges` meet; the value that they yield, if they do. No edge: the place is unreachable."""
    if not edges:
        return None
    if len(edges) == 1:
        scope.at(edges[0])
        return edges[0].value
    target = scope.builder.block(hint)
    shapes = _common_names([edge.state for edge in edges])
    joined_value = reduce(unify, [edge.value or NONE for edge in edges]) if edges[0].value is not None else None
    tokens = _Tokens(scope, edges)
    columns: dict[str, list[list[Value]]] = {}
    value_rows: list[list[Value]] = []
    for edge in edges:
        scope.at(edge)
        for name, shape in shapes.items():
            columns.setdefault(name, []).append(convert(scope, edge.state.names[name], shape))
        if joined_value is not None and edge.value is not None:
            value_rows.append(convert(scope, edge.value, joined_value))
        assert scope.builder.current is edge.block
        scope.builder.jump(target)
    scope.builder.position(target)
    blocks = [edge.block for edge in edges]
    alive = frozenset.intersection(*(edge.state.alive for edge in edges))
    scope.state = State({}, alive)
    for name, shape in shapes.items():
        statics = [edge.state.names[name] for edge in edges]
        scope.state.names[name] = _joined(scope, shape, statics, blocks, columns[name], tokens)
    if joined_value is None:
        return None
    return _joined(scope, joined_value, [edge.value or NONE for edge in edges], blocks, value_rows, tokens)


def _common_names(states: list[State]) -> dict[str, Static]:
    """The kind that each name has after the merge. A parse result that some edge lacks is forgotten."""
    shapes: dict[str, Static] = {}
    for name in dict.fromkeys(name for state in states for name in state.names):
        if name in STAGE_RANKS:
            if all(name in state.names for state in states):
                shapes[name] = reduce(unify, [state.names[name] for state in states])
            continue
        for state in states:
            state.names.setdefault(name, UNASSIGNED)
        shapes[name] = reduce(unify, [state.names[name] for state in states])
    return shapes


def _joined(
    scope: Scope,
    shape: Static,
    statics: list[Static],
    blocks: list[BasicBlock],
    rows: list[list[Value]],
    tokens: _Tokens,
) -> Static:
    """`shape` carried by phis, or the value itself where all edges agree on it."""
    if all(static is statics[0] for static in statics):
        return statics[0]
    types = part_types(shape)
    values: list[Value] = []
    for index, kind in enumerate(types):
        column = [row[index] for row in rows]
        if all(value is column[0] for value in column):
            values.append(column[0])
        else:
            values.append(scope.builder.phi(kind, dict(zip(blocks, column, strict=True))))
    return tokens.settle(told_by_index(scope, rebuild(shape, values)), statics)


def told_by_index(scope: Scope, joined: Static) -> Static:
    """A table's entry or None, told by its index, which is below 0 for None: of two phis side by side, nobody could see
    that where the one says `present` the other is an entry."""
    match joined:
        case Maybe(inner=Entry(map=decl, index=index) as inner) if decl.kind in TABLE_KINDS:
            return Maybe(scope.compare(Predicate.GE, index, 0), inner)
        case Tuple(items=items):
            return Tuple(tuple(told_by_index(scope, item) for item in items))
        case _:
            return joined


class _Tokens:
    """Gives a joined view a token that is alive only where each of the views that it may be was alive on its edge."""

    def __init__(self, scope: Scope, edges: list[Edge]) -> None:
        self._scope = scope
        self._alive = [edge.state.alive for edge in edges]

    def settle(self, joined: Static, sources: list[Static]) -> Static:
        """`joined` with a token of its own where it needs one; `sources` are its values on the edges."""
        match joined:
            case View() | Region() | Options() | Option():
                return self._settle_one(joined, sources)
            case Maybe(present=present, inner=inner):
                inners = [s.inner if isinstance(s, Maybe) else s for s in sources]
                return Maybe(present, self.settle(inner, inners))
            case Tuple(items=items):
                columns = [[items_of(source)[i] for source in sources] for i in range(len(items))]
                return Tuple(tuple(self.settle(item, column) for item, column in zip(items, columns, strict=True)))
            case _:
                return joined

    def _settle_one(self, joined: _Leased, sources: list[Static]) -> Static:
        scope = self._scope
        held = [
            (source.token, alive)
            for source, alive in zip(sources, self._alive, strict=True)
            if isinstance(source, View | Region | Options | Option)
        ]
        found = {token for token, _ in held}
        usable = all(token in alive for token, alive in held)
        if len(found) == 1 and (not usable or found <= scope.state.alive):
            return joined
        token = scope.new_token(max(scope.ranks[token] for token in found))
        if not usable:
            scope.state.alive -= {token}
            killers = (scope.killers.get(t) for t in sorted(found))
            scope.killers[token] = next(filter(None, killers), "a write before it")
        return _with_token(joined, token)


_Leased: TypeAlias = View | Region | Options | Option


def _with_token(static: _Leased, token: int) -> Static:
    match static:
        case View(kinds=k, tag=t, base=b, limit=limit, end=e):
            return View(k, t, b, limit, e, token)
        case Region(start=s, end=e, is_bytes=is_bytes):
            return Region(s, e, token, is_bytes)
        case Options(start=s, end=e):
            return Options(s, e, token)
        case Option(kind=k, start=s, end=e):
            return Option(k, s, e, token)


def lift(static: Static) -> Static:
    """The kind that a Known object has once it may vary; its parts are not to be used."""
    if not isinstance(static, Known):
        return static
    unused = Phi(INT)
    match static.obj:
        case bool():
            return Boolean(unused)
        case int():
            return Integer(unused)
        case IPv4Address():
            return Address(AddressKind.IPV4, unused)
        case IPv6Address():
            return Address(AddressKind.IPV6, unused)
        case Mac():
            return Address(AddressKind.MAC, unused)
        case Enum() as member if not isinstance(member, Flag):
            return Member(type(member), unused)
        case Verdict():
            return VerdictCode(unused, unused)
        case bytes() as data if 1 <= len(data) <= MAX_SNAPSHOT:
            return Snapshot(len(data), unused)
        case tuple() as items:
            return Tuple(tuple(Known(item) for item in items))
        case _:
            return static


def same_known(a: Static, b: Static) -> bool:
    """Whether both are Known, and one may stand for the other."""
    return isinstance(a, Known) and isinstance(b, Known) and _same_object(a.obj, b.obj)


def _same_object(a: object, b: object) -> bool:
    if a is b:
        return True
    if isinstance(a, tuple) and isinstance(b, tuple) and type(a) is type(b) and len(a) == len(b):
        return all(map(_same_object, a, b))
    return type(a) is type(b) and type(a) in _BY_VALUE and a == b


_BY_VALUE = frozenset({int, bool, str, bytes, IPv4Address, IPv6Address, Mac})
"""Types of which equal objects can't be told apart; a Verdict is not among them, since it may have a port."""


def unify(a: Static, b: Static) -> Static:
    """The kind that covers both; Poison where there is none."""
    if a is b or same_known(a, b):
        return a
    if isinstance(a, Poison) or isinstance(b, Poison):
        return a if isinstance(a, Poison) else b
    if is_none(a) or is_none(b):
        other = b if is_none(a) else a
        inner = other.inner if isinstance(other, Maybe) else lift(other)
        return _mixed(a, b) if isinstance(inner, Known) else Maybe(Phi(BOOL), inner)
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        inner = unify(a.inner if isinstance(a, Maybe) else a, b.inner if isinstance(b, Maybe) else b)
        return inner if isinstance(inner, Poison) else Maybe(Phi(BOOL), inner)
    return _unify_present(lift(a), lift(b))


def _unify_present(a: Static, b: Static) -> Static:
    """`unify` of two values neither of which can be None."""
    match a, b:
        case (Integer() | Boolean(), Integer() | Boolean()):
            return Boolean(a.value) if isinstance(a, Boolean) and isinstance(b, Boolean) else Integer(a.value)
        case (Address(kind=k), Address(kind=j)) if k is j:
            return a
        case (Member(enum=e), Member(enum=f)) if e is f:
            return a
        case (VerdictCode(), VerdictCode()) | (Options(), Options()) | (Option(), Option()):
            return a
        case (PacketValue(), PacketValue()):
            return a
        case (Snapshot(size=n), Snapshot(size=m)) if n == m:
            return a
        case (Region(is_bytes=p), Region(is_bytes=q)) if p == q:
            return a
        case (Entry(map=m), Entry(map=n)) if m is n:
            return a
        case (View(), View()):
            return View(tuple(dict.fromkeys(a.kinds + b.kinds)), a.tag, a.base, a.limit, a.end, a.token)
        case (Record(struct=s), Record(struct=t)) if s is t:
            items = tuple(unify(i, j) for i, j in zip(a.items, b.items, strict=True))
            return next((item for item in items if isinstance(item, Poison)), Record(s, items))
        case (Tuple(items=x), Tuple(items=y)) if len(x) == len(y):
            items = tuple(unify(i, j) for i, j in zip(x, y, strict=True))
            return next((item for item in items if isinstance(item, Poison)), Tuple(items))
        case (Union(options=options), _):
            extra = b.options if isinstance(b, Union) else (b,)
            return Union(a.tag, reduce(_with_option, extra, options))
        case (_, Union(options=options)):
            return Union(b.tag, reduce(_with_option, (a,), options))
        case (Address(), Address()):
            return Union(Phi(INT), (a, b))
        case _:
            return _mixed(a, b)


def _with_option(options: tuple[Static, ...], extra: Static) -> tuple[Static, ...]:
    return options if _option_index(options, extra) is not None else (*options, lift(extra))


def _option_index(options: tuple[Static, ...], value: Static) -> int | None:
    lifted = lift(value)
    for index, option in enumerate(options):
        if isinstance(option, Address) and isinstance(lifted, Address) and option.kind is lifted.kind:
            return index
    return None


def _mixed(a: Static, b: Static) -> Poison:
    if isinstance(a, Known) and isinstance(b, Known) and type(a.obj) is type(b.obj):
        return Poison(
            f"is one of several constants of type {type(a.obj).__name__}, and which one is known only at run time",
            "choose between results: write the whole expression on each path.",
        )
    return Poison(
        f"is {describe(a)} on one path and {describe(b)} on another",
        "give the two values two names, or make them of one type.",
    )


def part_types(shape: Static) -> tuple[Type, ...]:
    """The IR types of the parts of a value of this kind."""
    match shape:
        case Boolean():
            return (BOOL,)
        case Snapshot(size=size):
            return (Bytes(size),)
        case Maybe(inner=inner):
            return (BOOL, *part_types(inner))
        case Union(options=options):
            return (INT, *(kind for option in options for kind in part_types(option)))
        case Tuple(items=items) | Record(items=items):
            return tuple(kind for item in items for kind in part_types(item))
        case Method(receiver=receiver):
            return part_types(receiver)
        case _:
            return (INT,) * len(parts(shape))


def convert(scope: Scope, value: Static, shape: Static) -> list[Value]:
    """The parts of `value` as one of kind `shape`; what it takes is written at the end of the current block."""
    if isinstance(shape, Known | PacketValue | Poison):
        return []
    if isinstance(shape, Maybe):
        if is_none(value):
            return [scope.const(False), *_placeholders(scope, shape.inner)]
        if isinstance(value, Maybe):
            return [value.present, *convert(scope, value.inner, shape.inner)]
        return [scope.const(True), *convert(scope, value, shape.inner)]
    if isinstance(shape, Union):
        return _convert_to_union(scope, value, shape)
    if isinstance(shape, Tuple | Record):
        return [
            part
            for item, item_shape in zip(items_of(value), shape.items, strict=True)
            for part in convert(scope, item, item_shape)
        ]
    if isinstance(shape, Integer) and isinstance(value, Known):
        return [scope.const(int(value.obj))]  # True among numbers is 1
    if isinstance(value, Known):
        return [scope.const(part) for part in known_parts(scope, value.obj)]
    if isinstance(shape, Integer) and isinstance(value, Boolean):
        return [to_integer(scope, value.value)]
    if isinstance(shape, View) and isinstance(value, View):
        return [_retag(scope, value, shape), value.base, value.limit, value.end]
    return list(parts(value))


def to_integer(scope: Scope, value: Value) -> Value:
    """0 or 1 for a BOOL."""
    return scope.builder.emit(Wrap(value, Scalar(1)))


def known_parts(scope: Scope, obj: object) -> list[int | bool | bytes]:
    """The constants that carry a Known object."""
    match obj:
        case bool() | bytes():
            return [obj]
        case int():
            return [int(obj)]
        case Enum():
            return [list(type(obj)).index(obj)]
        case IPv4Address() | IPv6Address() | Mac():
            return [int(obj)]
        case Verdict():
            return [obj.value, -1 if obj.port is None else scope.port_index(obj.port)]
        case _:
            raise AssertionError(f"{obj!r} has no parts")


def items_of(value: Static) -> tuple[Static, ...]:
    """The items of a tuple or a record, run-time or Known."""
    if isinstance(value, Tuple | Record):
        return value.items
    assert isinstance(value, Known)
    return tuple(Known(item) for item in value.obj)


def _placeholders(scope: Scope, shape: Static) -> list[Value]:
    if isinstance(shape, Entry):
        return [scope.const(-1 if shape.map.kind in TABLE_KINDS else 0)]
    return [scope.const(placeholder(kind)) for kind in part_types(shape)]


def _convert_to_union(scope: Scope, value: Static, shape: Union) -> list[Value]:
    held = value if isinstance(value, Union) else None
    if held is not None and len(held.options) == len(shape.options):
        return list(parts(held))
    result: list[Value] = []
    if held is None:
        index = _option_index(shape.options, value)
        assert index is not None
        result.append(scope.const(index))
        for i, option in enumerate(shape.options):
            result += convert(scope, value, option) if i == index else _placeholders(scope, option)
        return result
    result.append(held.tag)
    for i, option in enumerate(shape.options):
        result += list(parts(held.options[i])) if i < len(held.options) else _placeholders(scope, option)
    return result


def _retag(scope: Scope, value: View, shape: View) -> Value:
    """The tag of `value` among the headers of `shape`."""
    if value.kinds == shape.kinds[: len(value.kinds)]:
        return value.tag
    numbers = [shape.kinds.index(kind) for kind in value.kinds]
    tag = scope.const(numbers[-1])
    for index, number in reversed(list(enumerate(numbers[:-1]))):
        tag = scope.builder.select(scope.compare(Predicate.EQ, value.tag, index), scope.const(number), tag)
    return tag
