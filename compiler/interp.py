"""The meaning of every op, run in Python with exact integers: the definition that compiled code is held to.

A function is compiled once to closures, one an op, over a list of registers; `Interpreter.run` then takes packet after
packet. Ops that are not checks trust their obligations nowhere: each is tested, and `Unsound` tells of a verifier or a
pass that called something proven which was not. Ops about maps are in interp_maps.py.

This file must not know: Python source, the verifier, passes, LLVM.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from nmjit._random import packet_random
from nmjit.compiler.abi import ABORTED
from nmjit.compiler.interp_frame import Frame, Raised, Step, where, wrapped
from nmjit.compiler.interp_frame import Unsound as Unsound
from nmjit.compiler.interp_maps import map_step
from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    Branch,
    ByteOrder,
    Check,
    Compare,
    Const,
    Context,
    ContextField,
    Find,
    Function,
    InSet,
    Item,
    Jump,
    Load,
    LoadBytes,
    Lookup,
    Mirror,
    MoveHead,
    Not,
    Op,
    Phi,
    Predicate,
    Prefetch,
    Raise,
    Random,
    Return,
    Select,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import MAX_PUSH, VOID, WINDOW_MAX, WINDOW_MIN, Bytes
from nmjit.compiler.mapstate import FoundState, MapState
from nmjit.compiler.outcome import LAST_VERDICT, REDIRECT, Outcome, PacketInfo

DEFAULT_LIMIT: Final = 1_000_000
"""Ops that one packet may take before it counts as hung."""
_MAX_PORT: Final = 2**15 - 1


@dataclass(frozen=True, slots=True)
class _Edge:
    """A way to go: the block to run next, and the phis to set on the way, all read before any is written."""

    target: int
    sources: tuple[int, ...]
    destinations: tuple[int, ...]


_Finish = Callable[[Frame], _Edge | Outcome]


@dataclass(frozen=True, slots=True)
class _Code:
    """A block: a step for each op but phis, constants (which lie in registers from the start) and the terminator."""

    steps: tuple[Step, ...]
    finish: _Finish
    kinds: tuple[type[Op], ...]
    terminator: type[Op]
    constants: int
    phis: int
    cost: int


class Interpreter:
    """A function made ready to run any number of packets. It keeps no state between them."""

    def __init__(self, function: Function, *, is_slice: bool = False) -> None:
        """`is_slice` where the function is to run ahead of the filter, and may prefetch."""
        compiler = _Compiler(function, is_slice)
        self._codes = [compiler.block(block) for block in function.blocks]
        self._registers = compiler.registers()

    def run(
        self,
        packet: bytearray,
        info: PacketInfo,
        maps: Mapping[str, MapState],
        *,
        limit: int = DEFAULT_LIMIT,
        reached: Counter[type[Op]] | None = None,
    ) -> Outcome:
        """How the packet ends. `packet`, in the end from its head on, and `maps` are changed in place.

        `maps` has the state of every map of the function (of one worker, where each has a copy). `limit` is the number
        of ops allowed; `reached`, where given, gains one for each op run, by its class. Raises Unsound where an op's
        obligation does not hold or the limit is passed.
        """
        frame = Frame(self._registers.copy(), packet, info, maps)
        for state in maps.values():
            if isinstance(state, FoundState):
                state.begin_packet()
        outcome = self._outcome(frame, limit, reached)
        if frame.head != -frame.origin:
            del packet[: frame.head + frame.origin]
        return replace(outcome, mirrors=tuple(frame.mirrors)) if frame.mirrors else outcome

    def _outcome(self, frame: Frame, limit: int, reached: Counter[type[Op]] | None) -> Outcome:
        number, left = 0, limit
        try:
            while True:
                code = self._codes[number]
                left -= code.cost
                if left < 0:
                    raise Unsound(f"more than {limit} ops")
                if reached is None:
                    for step in code.steps:
                        step(frame)
                else:
                    _run_counted(code, frame, reached)
                end = code.finish(frame)
                if type(end) is Outcome:
                    return end
                assert type(end) is _Edge
                if end.sources:
                    _set_phis(end, frame.regs)
                number = end.target
        except Raised as raised:
            return Outcome(ABORTED, -1, raised.site.exception, raised.site.line)


def run(
    function: Function,
    packet: bytearray,
    info: PacketInfo,
    maps: Mapping[str, MapState],
    *,
    limit: int = DEFAULT_LIMIT,
    reached: Counter[type[Op]] | None = None,
) -> Outcome:
    """One packet through `function`: `Interpreter.run`, for a function that runs once."""
    return Interpreter(function).run(packet, info, maps, limit=limit, reached=reached)


def _run_counted(code: _Code, frame: Frame, reached: Counter[type[Op]]) -> None:
    if code.phis:
        reached[Phi] += code.phis
    if code.constants:
        reached[Const] += code.constants
    for kind, step in zip(code.kinds, code.steps, strict=True):
        reached[kind] += 1
        step(frame)
    reached[code.terminator] += 1


def _set_phis(edge: _Edge, regs: list[Any]) -> None:
    values = [regs[source] for source in edge.sources]
    for destination, value in zip(edge.destinations, values, strict=True):
        regs[destination] = value


class _Compiler:
    """Turns ops into closures over register numbers."""

    def __init__(self, function: Function, is_slice: bool) -> None:
        self._is_slice = is_slice
        self._register: dict[Op, int] = {op: number for number, op in enumerate(function.ops())}
        self._number = {block: number for number, block in enumerate(function.blocks)}

    def registers(self) -> list[Any]:
        """The registers as a packet finds them: constants in place, all else unset."""
        return [op.value if isinstance(op, Const) else None for op in self._register]

    def block(self, block: BasicBlock) -> _Code:
        phis = [op for op in block.ops if isinstance(op, Phi)]
        constants = [op for op in block.ops if isinstance(op, Const)]
        stepped = [op for op in block.ops[:-1] if not isinstance(op, Phi | Const)]
        steps = tuple((self._value if op.type is not VOID else self._effect)(op) for op in stepped)
        kinds = tuple(type(op) for op in stepped)
        finish = self._finish(block)
        return _Code(steps, finish, kinds, type(block.ops[-1]), len(constants), len(phis), len(block.ops))

    # Terminators

    def _edge(self, source: BasicBlock, target: BasicBlock) -> _Edge:
        phis = target.phis
        sources = tuple(self._register[phi.incoming[source]] for phi in phis)
        return _Edge(self._number[target], sources, tuple(self._register[phi] for phi in phis))

    def _finish(self, block: BasicBlock) -> _Finish:
        match block.terminator:
            case Jump(target=target):
                edge = self._edge(block, target)
                return lambda frame: edge
            case Branch(condition=condition, then=then, other=other):
                test, if_true, if_false = self._register[condition], self._edge(block, then), self._edge(block, other)
                return lambda frame: if_true if frame.regs[test] else if_false
            case Return(verdict=verdict, port=port):
                return self._return(self._register[verdict], self._register[port])
            case Raise(site=site):
                outcome = Outcome(ABORTED, -1, site.exception, site.line)
                return lambda frame: outcome

    @staticmethod
    def _return(verdict_register: int, port_register: int) -> _Finish:
        def finish(frame: Frame) -> Outcome:
            verdict, port = frame.regs[verdict_register], frame.regs[port_register]
            if not 0 <= verdict <= LAST_VERDICT or not -1 <= port <= _MAX_PORT:
                raise Unsound(f"return of verdict {verdict}, port {port}")
            return Outcome(verdict, port if verdict == REDIRECT else -1)

        return finish

    # Ops with a value

    def _value(self, op: Op) -> Step:
        match op:
            case Binary():
                return self._binary(op)
            case Compare(predicate=predicate, a=a, b=b):
                return self._apply(op, _COMPARE[predicate], a, b)
            case Not(a=a):
                return self._apply(op, operator.not_, a)
            case Select(condition=condition, a=a, b=b):
                return self._apply(op, lambda holds, x, y: x if holds else y, condition, a, b)
            case Wrap(a=a, scalar=scalar):
                return self._apply(op, lambda x: wrapped(x, scalar), a)
            case InSet(a=a, table=table):
                lows, highs = [low for low, _ in table.ranges], [high for _, high in table.ranges]
                return self._apply(op, lambda x: (at := bisect_right(lows, x) - 1) >= 0 and x <= highs[at], a)
            case Lookup(index=index, table=table):
                return self._apply(op, lambda at: table.values[_inside(at, len(table.values), op)], index)
            case Item(data=data, index=index):
                return self._apply(op, lambda octets, at: octets[_inside(at, len(octets), op)], data, index)
            case Window():
                return self._window(op)
            case Context(which=which):
                return self._context(op, which)
            case Random():
                return self._random(op)
            case Load():
                return self._load(op)
            case LoadBytes():
                return self._load_bytes(op)
            case Find():
                return self._find(op)
        return map_step(op, self._register)

    def _apply(self, op: Op, function: Callable[..., Any], *operands: Value) -> Step:
        """Set the register of `op` to what `function` makes of the operands."""
        result, registers = self._register[op], [self._register[operand] for operand in operands]
        match registers:
            case [a]:

                def step(frame: Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(regs[a])

            case [a, b]:

                def step(frame: Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(regs[a], regs[b])

            case _:

                def step(frame: Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(*[regs[register] for register in registers])

        return step

    def _binary(self, op: Binary) -> Step:
        exact = _BINARY[op.kind]
        if op.modulus is None:
            return self._apply(op, exact, op.a, op.b)
        mask = (1 << op.modulus) - 1
        return self._apply(op, lambda x, y: exact(x, y) & mask, op.a, op.b)

    def _window(self, op: Window) -> Step:
        result, a, site = self._register[op], self._register[op.a], op.site

        def step(frame: Frame) -> None:
            value = frame.regs[a]
            if not WINDOW_MIN <= value <= WINDOW_MAX:
                raise Raised(site)
            frame.regs[result] = value

        return step

    def _context(self, op: Context, which: ContextField) -> Step:
        result, read = self._register[op], _CONTEXT[which]

        def step(frame: Frame) -> None:
            frame.regs[result] = read(frame)

        return step

    def _random(self, op: Random) -> Step:
        result, call = self._register[op], self._register[op.call]

        def step(frame: Frame) -> None:
            info, regs = frame.info, frame.regs
            regs[result] = packet_random(info.seed, info.packet_number, regs[call])

        return step

    def _load(self, op: Load) -> Step:
        result, span, order = self._register[op], self._span(op, op.base, op.displacement, op.size), _ORDER[op.order]

        def step(frame: Frame) -> None:
            frame.regs[result] = int.from_bytes(frame.packet[span(frame)], order)

        return step

    def _load_bytes(self, op: LoadBytes) -> Step:
        result, span = self._register[op], self._span(op, op.base, op.displacement, op.size)

        def step(frame: Frame) -> None:
            frame.regs[result] = bytes(frame.packet[span(frame)])

        return step

    def _find(self, op: Find) -> Step:
        result, first, last = self._register[op], self._register[op.start], self._register[op.end]

        def step(frame: Frame) -> None:
            start, end = frame.regs[first], frame.regs[last]
            if not frame.head <= start <= end <= frame.length:
                raise Unsound(f"{where(op)}: bytes {start} … {end} of {_extent(frame)}")
            at = frame.packet.find(op.needle, start + frame.origin, end + frame.origin)
            frame.regs[result] = at if at < 0 else at - start - frame.origin

        return step

    # Ops without

    def _effect(self, op: Op) -> Step:
        match op:
            case Store():
                return self._store(op)
            case StoreBytes():
                return self._store_bytes(op)
            case Check():
                return self._check(op)
            case MoveHead():
                return self._move_head(op)
            case Mirror():
                return self._mirror(op)
            case Prefetch():
                return self._prefetch(op)
        return map_step(op, self._register)

    def _store(self, op: Store) -> Step:
        value, span = self._register[op.value], self._span(op, op.base, op.displacement, op.size)
        size, mask, order = op.size, (1 << 8 * op.size) - 1, _ORDER[op.order]

        def step(frame: Frame) -> None:
            frame.packet[span(frame)] = (frame.regs[value] & mask).to_bytes(size, order)

        return step

    def _store_bytes(self, op: StoreBytes) -> Step:
        assert isinstance(op.value.type, Bytes)
        value, span = self._register[op.value], self._span(op, op.base, op.displacement, op.value.type.size)

        def step(frame: Frame) -> None:
            frame.packet[span(frame)] = frame.regs[value]

        return step

    def _check(self, op: Check) -> Step:
        condition, site = self._register[op.condition], op.site

        def step(frame: Frame) -> None:
            if not frame.regs[condition]:
                raise Raised(site)

        return step

    def _move_head(self, op: MoveHead) -> Step:
        old_register, head_register = self._register[op.old], self._register[op.head]

        def step(frame: Frame) -> None:
            old, head = frame.regs[old_register], frame.regs[head_register]
            if old != frame.head:
                raise Unsound(f"{where(op)}: the packet begins at {frame.head}, not {old}")
            if not 0 <= frame.length - head <= _CONTEXT[ContextField.ROOM](frame) or old - head > MAX_PUSH:
                raise Unsound(f"{where(op)}: from {old} to {head} of {frame.length}")
            grown = max(0, -head - frame.origin)
            frame.packet[:0] = bytes(grown)
            frame.origin += grown
            frame.head = head
            if head < old:
                frame.packet[head + frame.origin : old + frame.origin] = bytes(old - head)

        return step

    def _mirror(self, op: Mirror) -> Step:
        head_register, port_register = self._register[op.head], self._register[op.port]

        def step(frame: Frame) -> None:
            head, port = frame.regs[head_register], frame.regs[port_register]
            if head != frame.head or not 0 <= port <= _MAX_PORT:
                raise Unsound(f"{where(op)}: from {head}, where the packet begins at {frame.head}, to port {port}")
            frame.mirrors.append((port, bytes(frame.packet[head + frame.origin :])))

        return step

    def _prefetch(self, op: Prefetch) -> Step:
        is_slice = self._is_slice

        def step(frame: Frame) -> None:
            if not is_slice:
                raise Unsound(f"{where(op)}: in no slice")

        return step

    # Places

    def _span(self, op: Op, base: Value, displacement: int, size: int) -> Callable[[Frame], slice]:
        """The packet bytes that `op` touches."""
        register = self._register[base]

        def span(frame: Frame) -> slice:
            start = frame.regs[register] + displacement
            if start < frame.head or start + size > frame.length:
                raise Unsound(f"{where(op)}: {size} bytes at {start} of {_extent(frame)}")
            start += frame.origin
            return slice(start, start + size)

        return span


def _extent(frame: Frame) -> str:
    return f"{frame.head} … {frame.length}" if frame.head else str(frame.length)


def _inside(index: int, size: int, op: Op) -> int:
    """`index`, which must lie in 0 … size−1."""
    if not 0 <= index < size:
        raise Unsound(f"{where(op)}: index {index} of {size}")
    return index


def _divided(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def divide(a: int, b: int) -> int:
        if b == 0:
            raise Unsound("division by zero")
        return function(a, b)

    return divide


def _shifted(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def shift(a: int, b: int) -> int:
        if not 0 <= b <= 63:
            raise Unsound(f"shift by {b}")
        return function(a, b)

    return shift


_BINARY: Final[Mapping[BinaryKind, Callable[[int, int], int]]] = {
    BinaryKind.ADD: operator.add,
    BinaryKind.SUB: operator.sub,
    BinaryKind.MUL: operator.mul,
    BinaryKind.FLOORDIV: _divided(operator.floordiv),
    BinaryKind.MOD: _divided(operator.mod),
    BinaryKind.AND: operator.and_,
    BinaryKind.OR: operator.or_,
    BinaryKind.XOR: operator.xor,
    BinaryKind.SHL: _shifted(operator.lshift),
    BinaryKind.SHR: _shifted(operator.rshift),
    BinaryKind.MIN: min,
    BinaryKind.MAX: max,
}
_COMPARE: Final[Mapping[Predicate, Callable[[Any, Any], bool]]] = {
    Predicate.EQ: operator.eq,
    Predicate.NE: operator.ne,
    Predicate.LT: operator.lt,
    Predicate.LE: operator.le,
    Predicate.GT: operator.gt,
    Predicate.GE: operator.ge,
}
_CONTEXT: Final[Mapping[ContextField, Callable[[Frame], int]]] = {
    ContextField.LENGTH: lambda frame: frame.length,
    ContextField.ROOM: lambda frame: max(frame.length, frame.info.room),
    ContextField.WIRE_LENGTH: lambda frame: max(frame.length, frame.info.wire_len),
    ContextField.TIMESTAMP: lambda frame: frame.info.timestamp,
    ContextField.NOW: lambda frame: frame.info.now,
    ContextField.PORT: lambda frame: frame.info.port,
    ContextField.QUEUE: lambda frame: frame.info.queue,
}
_ORDER: Final[Mapping[ByteOrder, Literal["big", "little"]]] = {ByteOrder.BIG: "big", ByteOrder.LITTLE: "little"}
