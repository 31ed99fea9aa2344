"""Arithmetic in machine registers against the interpreter, at the edges of every range that chooses a width."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from nmjit.compiler.builder import Builder
from nmjit.compiler.emit_int import Range, width_of
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    ByteOrder,
    Compare,
    Function,
    Load,
    Op,
    Predicate,
    Select,
    Store,
    Value,
    Wrap,
)
from nmjit.compiler.irtypes import Scalar
from nmjit.compiler.outcome import PacketInfo
from tests.compiler.batch_runner import compile_function, run_batch
from tests.compiler.natural_ranges import result_range

RANGES = {
    "u8": Range(0, 255),
    "i8": Range(-128, 127),
    "u63": Range(0, 2**63 - 1),
    "u64": Range(0, 2**64 - 1),
    "i64": Range(-(2**63), 2**63 - 1),
    "negative": Range(-(2**63), -1),
    "window": Range(-(2**63), 2**64 - 1),
}
EDGES = [0, 1, 2, 3, 7, 10, 63, 127, 128, 255, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
EDGES += [-value for value in EDGES]
MODULAR = [BinaryKind[name] for name in ["ADD", "SUB", "MUL", "AND", "OR", "XOR", "SHL"]]
CELL = 16
OPERANDS = 3 * CELL


def edges_of(bounds: Range) -> list[int]:
    return sorted({value for value in EDGES if bounds.lo <= value <= bounds.hi})


class Workbench:
    """Builds a function that reads two operands from the packet and stores result after result behind them."""

    def __init__(self) -> None:
        self.function = Function("workbench")
        self.ranges: dict[Op, Range] = {}
        self.builder = Builder(self.function)
        self.builder.position(self.builder.block("entry"))
        self._zero = self.const(0)
        self._place = OPERANDS

    def const(self, value: int) -> Value:
        op = self.builder.const(value)
        self.ranges[op] = Range(value, value)
        return op

    def operand(self, place: int, bounds: Range) -> Value:
        """The operand at `place`: read through whichever wrap its value needs (the third cell says which)."""
        raw = self.emit(Load(self._zero, place * CELL, 16, ByteOrder.LITTLE), Range(0, 2**128 - 1))
        signed = self.emit(
            Wrap(raw, Scalar(8, signed=True)), Range(max(bounds.lo, -(2**63)), min(bounds.hi, 2**63 - 1))
        )
        unsigned = self.emit(Wrap(raw, Scalar(8)), Range(max(bounds.lo, 0), max(bounds.hi, 0)))
        flag = self.emit(Load(self._zero, 2 * CELL + place, 1), Range(0, 255))
        negative = self.builder.emit(Compare(Predicate.NE, flag, self._zero))
        return self.emit(Select(negative, signed, unsigned), bounds)

    def emit(self, op: Op, bounds: Range) -> Value:
        self.builder.emit(op)
        self.ranges[op] = bounds
        return op

    def binary(self, kind: BinaryKind, a: Value, b: Value, modulus: int | None = None) -> Value:
        bounds = result_range(kind, self.ranges[a], self.ranges[b]) if modulus is None else Range(0, 2**modulus - 1)
        return self.emit(Binary(kind, a, b, modulus), bounds)

    def nonzero(self, value: Value) -> Value:
        test = self.builder.emit(Compare(Predicate.EQ, value, self._zero))
        one, bounds = self.const(1), self.ranges[value]
        return self.emit(Select(test, one, value), Range(min(bounds.lo, 1), max(bounds.hi, 1)))

    def store(self, value: Value) -> None:
        self.builder.emit(Store(self._zero, self._place, CELL, value, ByteOrder.LITTLE))
        self._place += CELL

    def finish(self) -> int:
        self.builder.ret(self.const(1), self.const(-1))
        return self._place


def all_operators(bench: Workbench, a: Value, b: Value) -> None:
    amount = bench.binary(BinaryKind.AND, b, bench.const(63))
    divisor = bench.nonzero(b)
    for kind in BinaryKind:
        match kind:
            case BinaryKind.SHL | BinaryKind.SHR:
                right = amount
            case BinaryKind.FLOORDIV | BinaryKind.MOD:
                right = divisor
            case _:
                right = b
        result = bench.binary(kind, a, right)
        bench.store(result)
        bench.store(bench.binary(BinaryKind.SHR, result, bench.const(63)))
        if kind in MODULAR:
            for modulus in (8, 16, 32, 64):
                bench.store(bench.binary(kind, a, right, modulus))
    for divisor_value in (1, 2, 3, 10, 16, 2**32, -1, -2, -7, 2**63, 2**64 - 1):
        for kind in (BinaryKind.FLOORDIV, BinaryKind.MOD):
            bench.store(bench.binary(kind, a, bench.const(divisor_value)))
    for predicate in Predicate:
        holds = bench.builder.emit(Compare(predicate, a, b))
        bench.store(bench.emit(Wrap(holds, Scalar(1)), Range(0, 1)))
    for size, signed in product((1, 2, 4, 8), (False, True)):
        low = -(1 << (8 * size - 1)) if signed else 0
        bench.store(bench.emit(Wrap(a, Scalar(size, signed)), Range(low, low + (1 << 8 * size) - 1)))


def _packets(a_range: Range, b_range: Range, size: int) -> Iterator[bytes]:
    for a, b in product(edges_of(a_range), edges_of(b_range)):
        operands = b"".join((value % 2**128).to_bytes(CELL, "little") for value in (a, b))
        yield (operands + bytes([a < 0, b < 0])).ljust(size, b"\0")


@pytest.mark.parametrize(("left", "right"), list(product(RANGES, RANGES)))
def test_operators_are_exact_at_the_edges(left: str, right: str) -> None:
    bench = Workbench()
    all_operators(bench, bench.operand(0, RANGES[left]), bench.operand(1, RANGES[right]))
    size = bench.finish()
    packets = list(_packets(RANGES[left], RANGES[right], size))
    result = run_batch(compile_function(bench.function, bench.ranges), packets)
    interpreter = Interpreter(bench.function)
    for packet, got in zip(packets, result.packets, strict=True):
        expected = bytearray(packet)
        interpreter.run(expected, PacketInfo(), {})
        assert got == bytes(expected), packet[:OPERANDS]


@pytest.mark.parametrize(
    ("lo", "hi", "width"),
    [
        (0, 2**64 - 1, 64),
        (-1, 2**63 - 1, 64),
        (-1, 2**63, 128),
        (0, 2**64, 128),
        (0, 2**128 - 1, 128),
        (-1, 2**127, 256),
    ],
)
def test_width_follows_range(lo: int, hi: int, width: int) -> None:
    assert width_of(Range(lo, hi)) == width


def test_no_register_is_endless() -> None:
    with pytest.raises(OverflowError, match="no register"):
        width_of(Range(0, 2**300))


@pytest.mark.parametrize("value", [-2, -(2**63), 2**63, 3])
def test_constant_keeps_its_value_in_a_wider_range(value: int) -> None:
    """A wrapped constant was widened by the low end of its range instead of by its value."""
    bench = Workbench()
    wrapped = bench.emit(Wrap(bench.const(value), Scalar(8, signed=value < 0)), RANGES["i64" if value < 0 else "u64"])
    doubled = bench.binary(BinaryKind.MUL, wrapped, bench.const(2))
    bench.store(doubled)
    packet = bytes(bench.finish())
    result = run_batch(compile_function(bench.function, bench.ranges), [packet])
    assert result.packets[0][OPERANDS:] == (2 * value % 2**128).to_bytes(CELL, "little")
