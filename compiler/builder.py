"""The writer of ops: appends them to blocks, names blocks and tables, and keeps every site and table once.

It folds an op whose operands are all constants, so that lowering need not care whether a number is known; the rest of
the folding is `passes/fold.py`, which shares `fold_binary` and `fold_compare`. A constant is emitted where it is used;
`passes/gvn.py` merges them.

This file must not know: Python source, types of expressions, what the verifier can prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    Branch,
    Check,
    Compare,
    Const,
    Function,
    Jump,
    Not,
    Op,
    Phi,
    Predicate,
    Raise,
    RangeTable,
    Return,
    Select,
    Site,
    Value,
    ValueTable,
    Window,
)
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN, Type

_OpT = TypeVar("_OpT", bound=Op)
_Literal = int | bool | bytes

_TERMINATORS: Final = frozenset((Jump, Branch, Return, Raise))

MAX_SHIFT: Final = 63
"""Largest shift amount that SHL and SHR take."""

_BINARY: Final[Mapping[BinaryKind, Callable[[int, int], int]]] = {
    BinaryKind.ADD: lambda a, b: a + b,
    BinaryKind.SUB: lambda a, b: a - b,
    BinaryKind.MUL: lambda a, b: a * b,
    BinaryKind.FLOORDIV: lambda a, b: a // b,
    BinaryKind.MOD: lambda a, b: a % b,
    BinaryKind.AND: lambda a, b: a & b,
    BinaryKind.OR: lambda a, b: a | b,
    BinaryKind.XOR: lambda a, b: a ^ b,
    BinaryKind.SHL: lambda a, b: a << b,
    BinaryKind.SHR: lambda a, b: a >> b,
    BinaryKind.MIN: min,
    BinaryKind.MAX: max,
}
_COMPARE: Final[Mapping[Predicate, Callable[[int, int], bool]]] = {
    Predicate.EQ: lambda a, b: a == b,
    Predicate.NE: lambda a, b: a != b,
    Predicate.LT: lambda a, b: a < b,
    Predicate.LE: lambda a, b: a <= b,
    Predicate.GT: lambda a, b: a > b,
    Predicate.GE: lambda a, b: a >= b,
}


def fold_binary(kind: BinaryKind, a: int, b: int, modulus: int | None) -> int | None:
    """The value of `a kind b`, a bool where both are bools; None where an obligation of the op does not hold."""
    match kind:
        case BinaryKind.FLOORDIV | BinaryKind.MOD if b == 0:
            return None
        case BinaryKind.SHL | BinaryKind.SHR if not 0 <= b <= MAX_SHIFT:
            return None
    value = _BINARY[kind](a, b)
    return value if modulus is None else value & ((1 << modulus) - 1)


def fold_compare(predicate: Predicate, a: _Literal, b: _Literal) -> bool:
    """Whether `a predicate b` holds. EQ and NE also take two bools or two bytes."""
    if isinstance(a, bytes) or isinstance(b, bytes):
        return (a == b) is (predicate is Predicate.EQ)
    return _COMPARE[predicate](a, b)


class Builder:
    """Writes ops at the end of one block at a time.

    `current` is the block being written, None before the first `position` and after each terminator. `line` is the
    source line (1-based, 0 for none) that new ops get.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.line = 0
        self.current: BasicBlock | None = None
        self._placed = set(function.blocks)
        self._labels = {block.label for block in function.blocks}
        self._table_names = {table.name for table in function.tables}
        self._sites = {site: site for site in function.sites}
        self._ranges = {table.ranges: table for table in function.tables if isinstance(table, RangeTable)}
        self._values = {table.values: table for table in function.tables if isinstance(table, ValueTable)}

    # Blocks

    def block(self, label_hint: str) -> BasicBlock:
        """A new, empty block. It joins the function, at its end, when `position` first names it."""
        return BasicBlock(_fresh(label_hint, self._labels))

    def position(self, block: BasicBlock) -> None:
        """Write at the end of `block`, which must be open."""
        assert not block.ops or not _ends_block(block.ops[-1]), f"block {block.label} is closed"
        if block not in self._placed:
            self._placed.add(block)
            self.function.blocks.append(block)
        self.current = block

    def emit(self, op: _OpT) -> _OpT:
        """Append `op` to the current block, with the current line; a terminator closes the block."""
        assert self.current is not None, "no open block"
        op.line = self.line
        self.current.ops.append(op)
        if _ends_block(op):
            self.current = None
        return op

    # What a function names besides values

    def site(self, exception: str, line: int, column: int, guard: str, file: str = "") -> Site:
        """The site of these facts, numbered in the function when first asked for."""
        site = Site(exception, line, column, guard, file)
        if site not in self._sites:
            self._sites[site] = site
            self.function.sites.append(site)
        return self._sites[site]

    def range_table(self, name_hint: str, ranges: Iterable[tuple[int, int]]) -> RangeTable:
        """The table of these inclusive ranges, which may come in any order, overlap or touch."""
        merged = _merged(ranges)
        if merged not in self._ranges:
            self._ranges[merged] = RangeTable(_fresh(name_hint, self._table_names), merged)
            self.function.tables.append(self._ranges[merged])
        return self._ranges[merged]

    def value_table(self, name_hint: str, values: Iterable[int]) -> ValueTable:
        """The table of these integers in this order."""
        key = tuple(values)
        if key not in self._values:
            self._values[key] = ValueTable(_fresh(name_hint, self._table_names), key)
            self.function.tables.append(self._values[key])
        return self._values[key]

    # Values

    def const(self, value: _Literal) -> Const:
        """An integer, a bool or a bytes constant."""
        return self.emit(Const(value))

    def binary(self, kind: BinaryKind, a: Value, b: Value, modulus: int | None = None) -> Value:
        """`a kind b`, reduced to 0 … 2**modulus−1 where `modulus` is given."""
        if isinstance(a, Const) and isinstance(b, Const):
            assert isinstance(a.value, int)
            assert isinstance(b.value, int)
            value = fold_binary(kind, a.value, b.value, modulus)
            if value is not None:
                return self.const(value)
        return self.emit(Binary(kind, a, b, modulus))

    def compare(self, predicate: Predicate, a: Value, b: Value) -> Value:
        """The BOOL `a predicate b`."""
        if isinstance(a, Const) and isinstance(b, Const):
            return self.const(fold_compare(predicate, a.value, b.value))
        return self.emit(Compare(predicate, a, b))

    def logical_not(self, a: Value) -> Value:
        """The BOOL that holds where `a` does not."""
        return self.const(not a.value) if isinstance(a, Const) else self.emit(Not(a))

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """`a` where `condition` holds, else `b`."""
        if isinstance(condition, Const):
            return a if condition.value else b
        return self.emit(Select(condition, a, b))

    def window(self, a: Value, site: Site) -> Value:
        """`a`, raising at `site` where it lies outside the language's window."""
        if isinstance(a, Const) and isinstance(a.value, int) and WINDOW_MIN <= a.value <= WINDOW_MAX:
            return a
        return self.emit(Window(a, site))

    def phi(self, type_: Type, incoming: Mapping[BasicBlock, Value], block: BasicBlock | None = None) -> Phi:
        """A phi behind those that `block` (by default the current one, else open or closed) already has.

        A loop header's phi is made before its back edge is known: add that to `phi.incoming` later.
        """
        home = block or self.current
        assert home is not None, "no open block"
        phi = Phi(type_, dict(incoming), self.line)
        place = next((index for index, op in enumerate(home.ops) if not isinstance(op, Phi)), len(home.ops))
        home.ops.insert(place, phi)
        return phi

    # Effects and terminators

    def check(self, condition: Value, site: Site) -> None:
        """Raise at `site` unless `condition` holds."""
        if not (isinstance(condition, Const) and condition.value):
            self.emit(Check(condition, site))

    def jump(self, target: BasicBlock) -> None:
        """Close the block: go on at `target`."""
        self.emit(Jump(target))

    def branch(self, condition: Value, then: BasicBlock, other: BasicBlock, expected: bool | None = None) -> None:
        """Close the block: go on at `then` where `condition` holds, else at `other`; `expected` as Branch has it."""
        self.emit(Branch(condition, then, other, expected))

    def ret(self, verdict: Value, port: Value) -> None:
        """Close the block: end the packet with `verdict` and, for REDIRECT, the index `port` (else −1)."""
        self.emit(Return(verdict, port))

    def raise_(self, site: Site) -> None:
        """Close the block: end the packet by the exception of `site`."""
        self.emit(Raise(site))


def _ends_block(op: Op) -> bool:
    return type(op) in _TERMINATORS


def _fresh(hint: str, taken: set[str]) -> str:
    name, number = hint, 1
    while name in taken:
        name, number = f"{hint}.{number}", number + 1
    taken.add(name)
    return name


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same set as sorted, disjoint, non-adjacent inclusive ranges."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return tuple(result)
