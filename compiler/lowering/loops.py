"""Loops: written out over constants, real ones over ranges, header iterators and conditions.

What flows round a real loop is found by lowering the body into a scratch function until the kinds of its names no
longer change; then it is lowered for good, with a phi for each name that the body rebinds. This file must not know:
which statements there are; bodies come as functions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from nmjit._headers import MAX_TCP_OPTIONS
from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import BinaryKind, Function, Phi, Predicate, Value
from nmjit.compiler.irtypes import INT
from nmjit.compiler.lowering.join import convert, merge, part_types, same_known, told_by_index, unify
from nmjit.compiler.lowering.parsing import load
from nmjit.compiler.lowering.scope import RANK_OPTION, STAGE_RANKS, Edge, Loop, Scope, State
from nmjit.compiler.lowering.values import Integer, Known, Maybe, Option, Options, Poison, Region, Static, View, rebuild

MAX_UNROLL = 16
"""Most iterations of a range that are written out."""
MAX_UNROLLED_NEST = 64
"""Most iterations that nested written-out loops may have together."""
MAX_NEST = 5
"""Deepest nest of real loops: each is lowered several times over until what flows round it is known."""

Body = Callable[[], None]


@dataclass(slots=True)
class Shape:
    """A loop: `test` yields the points to go on from (stay, leave); `body` runs one turn; `step` moves on to the next.

    `hidden` are names of the loop itself that are forgotten behind it.
    """

    test: Callable[[], tuple[list[Edge], list[Edge]]]
    body: Body
    step: Body
    hidden: tuple[str, ...] = ()


def written_out(
    scope: Scope, items: list[Static], assign: Callable[[Static], None], body: Body
) -> tuple[bool, list[Edge]]:
    """One copy of the body for each item; whether the end is reached without break, and the points of the breaks."""
    loop = Loop()
    scope.frame.loops.append(loop)
    scope.frame.unrolling *= max(1, len(items))
    for item in items:
        assign(item)
        body()
        nexts = loop.continues + ([scope.here()] if scope.reachable else [])
        loop.continues = []
        if not nexts:
            break
        merge(scope, nexts)
    scope.frame.unrolling //= max(1, len(items))
    scope.frame.loops.pop()
    return scope.reachable, loop.breaks


def real(scope: Scope, shape: Shape, assigned: frozenset[str], node: ast.AST) -> tuple[list[Edge], list[Edge]]:
    """A loop in the IR; the points where its test ended it, and those of the breaks.

    `assigned` are the names of the program that a turn may bind.
    """
    if scope.loop_depth == MAX_NEST:
        scope.refuse(node, f"loops nest deeper than {MAX_NEST}", "join two loops into one.")
    entry = scope.here()
    scope.loop_depth += 1
    kinds, alive = _settle(scope, entry, shape, assigned)
    head = scope.builder.block("loop")
    scope.at(entry)
    head_names = dict(entry.state.names)
    phis: dict[str, list[Phi]] = {}
    rows = {name: convert(scope, entry.state.names[name], kind) for name, kind in kinds.items() if kind is not None}
    scope.builder.jump(head)
    scope.builder.position(head)
    for name, kind in kinds.items():
        if kind is None:
            del head_names[name]
            continue
        phis[name] = [
            scope.builder.phi(type_, {entry.block: value})
            for type_, value in zip(part_types(kind), rows[name], strict=True)
        ]
        head_names[name] = told_by_index(scope, rebuild(kind, list(phis[name])))
    scope.state = State(head_names, alive)
    left, loop = _turn(scope, shape)
    scope.loop_depth -= 1
    for edge in loop.continues:
        scope.at(edge)
        for name, kind in kinds.items():
            if kind is not None:
                for phi, value in zip(phis[name], convert(scope, edge.state.names[name], kind), strict=True):
                    phi.incoming[edge.block] = value
        scope.builder.jump(head)
    for edge in (*left, *loop.breaks):
        for name in shape.hidden:
            edge.state.names.pop(name, None)
    return left, loop.breaks


def _turn(scope: Scope, shape: Shape) -> tuple[list[Edge], Loop]:
    """Test, body and step once; `continues` of the result are the ends that go round."""
    loop = Loop()
    stay, leave = shape.test()
    scope.frame.loops.append(loop)
    if stay:
        merge(scope, stay)
        shape.body()
        ends = loop.continues + ([scope.here()] if scope.reachable else [])
        loop.continues = []
        if ends:
            merge(scope, ends)
            shape.step()
            loop.continues = [scope.here()]
    scope.frame.loops.pop()
    return leave, loop


def _settle(
    scope: Scope, entry: Edge, shape: Shape, assigned: frozenset[str]
) -> tuple[dict[str, Static | None], frozenset[int]]:
    """What holds at the head: the kinds of the names that the loop rebinds, and the views that live through a turn.

    A kind is None for a parse result that does not survive the turn.
    """
    kinds: dict[str, Static | None] = {}
    alive = entry.state.alive
    builder = scope.builder
    returns = scope.frame.returns
    kept = None if returns is None else len(returns)
    while True:
        scope.builder = Builder(Function("scratch"))
        scope.builder.position(scope.builder.block("scratch"))
        names = dict(entry.state.names)
        for name, kind in kinds.items():
            if kind is None:
                names.pop(name, None)
            else:
                names[name] = rebuild(kind, [Phi(type_) for type_ in part_types(kind)])
        scope.state = State(dict(names), alive)
        _, loop = _turn(scope, shape)
        if returns is not None:
            del returns[kept:]
        ends = [edge.state for edge in loop.continues]
        varying = {name: kind for name, kind in names.items() if name in assigned or name[0] in "@$"}
        changed = _widen(varying, kinds, ends)
        survivors = alive.intersection(*(state.alive for state in ends))
        if not changed and survivors == alive:
            break
        alive = survivors
    scope.builder = builder
    return kinds, alive


def _widen(names: dict[str, Static], kinds: dict[str, Static | None], ends: list[State]) -> bool:
    """Take in what the ends of a turn hold; whether a kind has changed."""
    changed = False
    for name, at_head in names.items():
        for state in ends:
            at_end = state.names.get(name)
            if at_end is at_head:
                continue
            if name in STAGE_RANKS:
                kind: Static | None = None
            else:
                missing = Poison("may not be assigned here", "assign it before the loop.")
                kind = _without_views(unify(at_head, at_end if at_end is not None else missing))
            if name not in kinds or not _same(kinds[name], kind):
                kinds[name] = kind
                changed = True
                break
    return changed


def _without_views(kind: Static) -> Static:
    """A name bound to a view in the loop can't be read in the next turn: by then the view may be dead, or elsewhere."""
    inner = kind.inner if isinstance(kind, Maybe) else kind
    if isinstance(inner, View | Region | Option | Options):
        cure = "take the view anew in each turn, or keep a field of it."
        return Poison("may hold a view of an earlier turn of the loop", cure)
    return kind


def _same(a: Static | None, b: Static | None) -> bool:
    """Whether two kinds are one, whatever values carry them."""
    if a is None or b is None:
        return a is b
    return same_known(a, b) or (not isinstance(a, Known) and _signature(a) == _signature(b))


def _signature(kind: Static) -> str:
    unused: list[Value] = [_UNUSED] * len(part_types(kind))
    return repr(rebuild(kind, unused))


_UNUSED = Phi(INT)


def counting(
    scope: Scope, start: Value, stop: Value, stride: int, assign: Callable[[Static], None], body: Body
) -> Shape:
    """`for x in range(start, stop, stride)`; start and stop are already computed."""
    counter = scope.hidden_name("counter")
    scope.state.names[counter] = Integer(start)

    def position() -> Value:
        held = scope.state.names[counter]
        assert isinstance(held, Integer)
        return held.value

    def test() -> tuple[list[Edge], list[Edge]]:
        predicate = Predicate.LT if stride > 0 else Predicate.GT
        stay, leave = scope.fork(scope.compare(predicate, position(), stop))
        return [stay], [leave]

    def turn() -> None:
        assign(Integer(position()))
        body()

    def step() -> None:
        scope.state.names[counter] = Integer(scope.add(position(), stride))

    return Shape(test, turn, step, (counter,))


def over_options(scope: Scope, options: Options, assign: Callable[[Static], None], body: Body) -> Shape:
    """`for option in tcp.options`, by the rules of docs/semantics.md, Bytes."""
    cursor, count, stop = (scope.hidden_name(hint) for hint in ("option", "count", "stop"))
    scope.state.names[cursor] = Integer(options.start)
    scope.state.names[count] = Integer(scope.const(0))

    def held(name: str) -> Value:
        static = scope.state.names[name]
        assert isinstance(static, Integer)
        return static.value

    def test() -> tuple[list[Edge], list[Edge]]:
        leave: list[Edge] = []

        def require(condition: Value) -> None:
            stay, out = scope.fork(condition)
            leave.append(out)
            scope.at(stay)

        require(scope.compare(Predicate.LT, held(count), MAX_TCP_OPTIONS))
        start = held(cursor)
        require(scope.compare(Predicate.LT, start, options.end))
        kind = load(scope, start, 0, 1)
        require(scope.compare(Predicate.NE, kind, 0))
        padding, other = scope.fork(scope.compare(Predicate.EQ, kind, 1))
        scope.at(other)
        require(scope.compare(Predicate.LE, scope.add(start, 2), options.end))
        length = load(scope, start, 1, 1)
        require(scope.compare(Predicate.GE, length, 2))
        behind = scope.binary(BinaryKind.ADD, start, length)
        require(scope.compare(Predicate.LE, behind, options.end))
        long = scope.here(Integer(behind))
        scope.at(padding)
        found = merge(scope, [long, scope.here(Integer(scope.add(start, 1)))], "option")
        assert isinstance(found, Integer)
        scope.state.names[stop] = found
        for edge in leave:
            edge.state.names.pop(stop, None)
        return [scope.here()], leave

    def turn() -> None:
        start = held(cursor)
        token = scope.new_token(RANK_OPTION)
        assign(Option(load(scope, start, 0, 1), start, held(stop), token))
        body()

    def step() -> None:
        scope.state.names[cursor] = Integer(held(stop))
        scope.state.names[count] = Integer(scope.add(held(count), 1))
        del scope.state.names[stop]

    return Shape(test, turn, step, (cursor, count, stop))
