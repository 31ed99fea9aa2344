"""The meaning of every op, run in Python with exact integers: the definition that compiled code is held to.

A function is compiled once to closures, one an op, over a list of registers; `Interpreter.run` then takes packet after
packet. Ops that are not checks trust their obligations nowhere: each is tested, and `Unsound` tells of a verifier or a
pass that called something proven which was not.

This file must not know: Python source, the verifier, passes, LLVM.
"""

from __future__ import annotations

import operator
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from nmjit._random import packet_random
from nmjit.compiler.abi import ABORTED
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
    MapAdd,
    MapLoad,
    MapStore,
    Not,
    Op,
    Phi,
    Predicate,
    Raise,
    Random,
    Return,
    Select,
    Site,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import VOID, WINDOW_MAX, WINDOW_MIN, Bytes, Scalar, StoredField
from nmjit.compiler.outcome import LAST_VERDICT, REDIRECT, Outcome, PacketInfo

DEFAULT_LIMIT: Final = 1_000_000
"""Ops that one packet may take before it counts as hung."""
_MAX_PORT: Final = 2**15 - 1


class Unsound(Exception):
    """An op ran whose obligation did not hold, or a packet ran over the limit: a bug of ours, never of the filter."""


class _Raised(Exception):
    """The filter raised at `site`."""

    def __init__(self, site: Site) -> None:
        self.site = site


class _Frame:
    """All that one packet's ops see: registers, packet bytes and their number, maps by name, surroundings."""

    __slots__ = ("info", "length", "maps", "packet", "regs")

    def __init__(self, regs: list[Any], packet: bytearray, info: PacketInfo, maps: Mapping[str, bytearray]) -> None:
        self.regs = regs  # what a register holds follows from its op's type: int, bool or bytes
        self.packet = packet
        self.length = len(packet)
        self.info = info
        self.maps = maps


@dataclass(frozen=True, slots=True)
class _Edge:
    """A way to go: the block to run next, and the phis to set on the way, all read before any is written."""

    target: int
    sources: tuple[int, ...]
    destinations: tuple[int, ...]


_Step = Callable[[_Frame], None]
_Finish = Callable[[_Frame], _Edge | Outcome]


@dataclass(frozen=True, slots=True)
class _Code:
    """A block: a step for each op but phis, constants (which lie in registers from the start) and the terminator."""

    steps: tuple[_Step, ...]
    finish: _Finish
    kinds: tuple[type[Op], ...]
    terminator: type[Op]
    constants: int
    phis: int
    cost: int


class Interpreter:
    """A function made ready to run any number of packets. It keeps no state between them."""

    def __init__(self, function: Function) -> None:
        compiler = _Compiler(function)
        self._codes = [compiler.block(block) for block in function.blocks]
        self._registers = compiler.registers()

    def run(
        self,
        packet: bytearray,
        info: PacketInfo,
        maps: Mapping[str, bytearray],
        *,
        limit: int = DEFAULT_LIMIT,
        reached: Counter[type[Op]] | None = None,
    ) -> Outcome:
        """How the packet ends. `packet` and `maps` are changed in place.

        `maps` has for every map of the function one copy's bytes, laid out by its `MapDecl`, in the machine's byte
        order. `limit` is the number of ops allowed; `reached`, where given, gains one for each op run, by its class.
        Raises Unsound where an op's obligation does not hold or the limit is passed.
        """
        frame = _Frame(self._registers.copy(), packet, info, maps)
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
        except _Raised as raised:
            return Outcome(ABORTED, -1, raised.site.exception, raised.site.line)


def run(
    function: Function,
    packet: bytearray,
    info: PacketInfo,
    maps: Mapping[str, bytearray],
    *,
    limit: int = DEFAULT_LIMIT,
    reached: Counter[type[Op]] | None = None,
) -> Outcome:
    """One packet through `function`: `Interpreter.run`, for a function that runs once."""
    return Interpreter(function).run(packet, info, maps, limit=limit, reached=reached)


def _run_counted(code: _Code, frame: _Frame, reached: Counter[type[Op]]) -> None:
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

    def __init__(self, function: Function) -> None:
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
        def finish(frame: _Frame) -> Outcome:
            verdict, port = frame.regs[verdict_register], frame.regs[port_register]
            if not 0 <= verdict <= LAST_VERDICT or not -1 <= port <= _MAX_PORT:
                raise Unsound(f"return of verdict {verdict}, port {port}")
            return Outcome(verdict, port if verdict == REDIRECT else -1)

        return finish

    # Ops with a value

    def _value(self, op: Op) -> _Step:
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
                return self._apply(op, lambda x: _wrapped(x, scalar), a)
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
            case MapLoad():
                return self._map_load(op)
        raise AssertionError(f"no meaning for {type(op).__name__}")

    def _apply(self, op: Op, function: Callable[..., Any], *operands: Value) -> _Step:
        """Set the register of `op` to what `function` makes of the operands."""
        result, registers = self._register[op], [self._register[operand] for operand in operands]
        match registers:
            case [a]:

                def step(frame: _Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(regs[a])

            case [a, b]:

                def step(frame: _Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(regs[a], regs[b])

            case _:

                def step(frame: _Frame) -> None:
                    regs = frame.regs
                    regs[result] = function(*[regs[register] for register in registers])

        return step

    def _binary(self, op: Binary) -> _Step:
        exact = _BINARY[op.kind]
        if op.modulus is None:
            return self._apply(op, exact, op.a, op.b)
        mask = (1 << op.modulus) - 1
        return self._apply(op, lambda x, y: exact(x, y) & mask, op.a, op.b)

    def _window(self, op: Window) -> _Step:
        result, a, site = self._register[op], self._register[op.a], op.site

        def step(frame: _Frame) -> None:
            value = frame.regs[a]
            if not WINDOW_MIN <= value <= WINDOW_MAX:
                raise _Raised(site)
            frame.regs[result] = value

        return step

    def _context(self, op: Context, which: ContextField) -> _Step:
        result, read = self._register[op], _CONTEXT[which]

        def step(frame: _Frame) -> None:
            frame.regs[result] = read(frame)

        return step

    def _random(self, op: Random) -> _Step:
        result, call = self._register[op], self._register[op.call]

        def step(frame: _Frame) -> None:
            info, regs = frame.info, frame.regs
            regs[result] = packet_random(info.seed, info.packet_number, regs[call])

        return step

    def _load(self, op: Load) -> _Step:
        result, span, order = self._register[op], self._span(op, op.base, op.displacement, op.size), _ORDER[op.order]

        def step(frame: _Frame) -> None:
            frame.regs[result] = int.from_bytes(frame.packet[span(frame)], order)

        return step

    def _load_bytes(self, op: LoadBytes) -> _Step:
        result, span = self._register[op], self._span(op, op.base, op.displacement, op.size)

        def step(frame: _Frame) -> None:
            frame.regs[result] = bytes(frame.packet[span(frame)])

        return step

    def _find(self, op: Find) -> _Step:
        result, first, last = self._register[op], self._register[op.start], self._register[op.end]

        def step(frame: _Frame) -> None:
            start, end = frame.regs[first], frame.regs[last]
            if not 0 <= start <= end <= frame.length:
                raise Unsound(f"{_where(op)}: bytes {start} … {end} of {frame.length}")
            at = frame.packet.find(op.needle, start, end)
            frame.regs[result] = at if at < 0 else at - start

        return step

    def _map_load(self, op: MapLoad) -> _Step:
        result, name, (field, span) = self._register[op], op.map.name, self._entry(op)
        signed = field.scalar.signed

        def step(frame: _Frame) -> None:
            frame.regs[result] = int.from_bytes(frame.maps[name][span(frame)], sys.byteorder, signed=signed)

        return step

    # Ops without

    def _effect(self, op: Op) -> _Step:
        match op:
            case Store():
                return self._store(op)
            case StoreBytes():
                return self._store_bytes(op)
            case MapStore():
                return self._map_store(op)
            case MapAdd():
                return self._map_add(op)
            case Check():
                return self._check(op)
        raise AssertionError(f"no meaning for {type(op).__name__}")

    def _store(self, op: Store) -> _Step:
        value, span = self._register[op.value], self._span(op, op.base, op.displacement, op.size)
        size, mask, order = op.size, (1 << 8 * op.size) - 1, _ORDER[op.order]

        def step(frame: _Frame) -> None:
            frame.packet[span(frame)] = (frame.regs[value] & mask).to_bytes(size, order)

        return step

    def _store_bytes(self, op: StoreBytes) -> _Step:
        assert isinstance(op.value.type, Bytes)
        value, span = self._register[op.value], self._span(op, op.base, op.displacement, op.value.type.size)

        def step(frame: _Frame) -> None:
            frame.packet[span(frame)] = frame.regs[value]

        return step

    def _map_store(self, op: MapStore) -> _Step:
        value, name, (field, span) = self._register[op.value], op.map.name, self._entry(op)

        def step(frame: _Frame) -> None:
            frame.maps[name][span(frame)] = _encoded(frame.regs[value], field.scalar)

        return step

    def _map_add(self, op: MapAdd) -> _Step:
        value, name, (field, span) = self._register[op.value], op.map.name, self._entry(op)

        def step(frame: _Frame) -> None:
            memory, place = frame.maps[name], span(frame)
            memory[place] = _encoded(int.from_bytes(memory[place], sys.byteorder) + frame.regs[value], field.scalar)

        return step

    def _check(self, op: Check) -> _Step:
        condition, site = self._register[op.condition], op.site

        def step(frame: _Frame) -> None:
            if not frame.regs[condition]:
                raise _Raised(site)

        return step

    # Places

    def _span(self, op: Op, base: Value, displacement: int, size: int) -> Callable[[_Frame], slice]:
        """The packet bytes that `op` touches."""
        register = self._register[base]

        def span(frame: _Frame) -> slice:
            start = frame.regs[register] + displacement
            if start < 0 or start + size > frame.length:
                raise Unsound(f"{_where(op)}: {size} bytes at {start} of {frame.length}")
            return slice(start, start + size)

        return span

    def _entry(self, op: MapLoad | MapStore | MapAdd) -> tuple[StoredField, Callable[[_Frame], slice]]:
        """The field that `op` touches, and the map's bytes that hold it."""
        register, field = self._register[op.index], op.map.layout.field(op.field)
        stride, offset, size, capacity = op.map.layout.size, field.offset, field.scalar.size, op.map.capacity

        def span(frame: _Frame) -> slice:
            start = _inside(frame.regs[register], capacity, op) * stride + offset
            return slice(start, start + size)

        return field, span


def _where(op: Op) -> str:
    return f"{type(op).__name__} of line {op.line}"


def _inside(index: int, size: int, op: Op) -> int:
    """`index`, which must lie in 0 … size−1."""
    if not 0 <= index < size:
        raise Unsound(f"{_where(op)}: index {index} of {size}")
    return index


def _wrapped(value: int, scalar: Scalar) -> int:
    bits = 8 * scalar.size
    value &= (1 << bits) - 1
    return value - (1 << bits) if scalar.signed and value >> (bits - 1) else value


def _encoded(value: int, scalar: Scalar) -> bytes:
    return (value & ((1 << 8 * scalar.size) - 1)).to_bytes(scalar.size, sys.byteorder)


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
_CONTEXT: Final[Mapping[ContextField, Callable[[_Frame], int]]] = {
    ContextField.LENGTH: lambda frame: frame.length,
    ContextField.WIRE_LENGTH: lambda frame: max(frame.length, frame.info.wire_len),
    ContextField.TIMESTAMP: lambda frame: frame.info.timestamp,
    ContextField.NOW: lambda frame: frame.info.now,
    ContextField.PORT: lambda frame: frame.info.port,
    ContextField.QUEUE: lambda frame: frame.info.queue,
}
_ORDER: Final[Mapping[ByteOrder, Literal["big", "little"]]] = {ByteOrder.BIG: "big", ByteOrder.LITTLE: "little"}
