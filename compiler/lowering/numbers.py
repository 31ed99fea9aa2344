"""Integers: arithmetic with its checks.

A number is computed *exactly*, each result checked against the language's window, or *modularly*, inside a wrap or a
store, where only the low 64 bits matter (docs/semantics.md, Integers). This file must not know: names, calls, packets.
"""

from __future__ import annotations

import ast
from enum import Enum, auto
from typing import Final

from nmjit.compiler.ir import BinaryKind, Const, Predicate, Value
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN
from nmjit.compiler.lowering.join import to_integer
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import Address, Boolean, Integer, Known, Maybe, Static, Union, describe
from nmjit.compiler.subset import MAX_ADDRESS_SHIFT, is_address_integer


class Demand(Enum):
    """What the surroundings want of an integer."""

    EXACT = auto()
    MODULAR = auto()
    """Its low 64 bits."""
    WIDE = auto()
    """Exact, and `int(ipv6)` is welcome: the operand of `>>` or `&`."""


OPERATORS: Final[dict[type[ast.operator], BinaryKind]] = {
    ast.Add: BinaryKind.ADD,
    ast.Sub: BinaryKind.SUB,
    ast.Mult: BinaryKind.MUL,
    ast.FloorDiv: BinaryKind.FLOORDIV,
    ast.Mod: BinaryKind.MOD,
    ast.BitAnd: BinaryKind.AND,
    ast.BitOr: BinaryKind.OR,
    ast.BitXor: BinaryKind.XOR,
    ast.LShift: BinaryKind.SHL,
    ast.RShift: BinaryKind.SHR,
}
MODULAR: Final = frozenset({ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift})
"""Operators that a wrap reaches through."""
_MODULAR_KINDS: Final = frozenset(OPERATORS[operator] for operator in MODULAR)
_BITWISE: Final = frozenset({BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR})
MAX_SHIFT: Final = 63


def as_int(scope: Scope, static: Static, node: ast.AST, missing: str = "TypeError") -> Value:
    """The integer that `static` is; a bool counts as 0 or 1. A None raises `missing`, as CPython does there."""
    match static:
        case Integer(value=value):
            return value
        case Boolean(value=value):
            return to_integer(scope, value)
        case Known(obj=int() as number):
            return scope.const(int(number))
        case Maybe(present=present, inner=inner):
            scope.check(present, node, missing, f"{scope.text(node)} is not None")
            return as_int(scope, inner, node, missing)
        case Address() | Union():
            scope.refuse(node, f"an int is wanted here, this is {describe(static)}", "write int(address).")
        case _:
            scope.refuse(node, f"an int is wanted here, this is {describe(static)}", "give it an int.")


def in_window(number: int) -> bool:
    """Whether a filter's integers take this value."""
    return WINDOW_MIN <= number <= WINDOW_MAX


Operand = tuple[Static, ast.AST]
"""A value and the node that yielded it."""


def arithmetic(
    scope: Scope, node: ast.expr | ast.stmt, kind: BinaryKind, left: Operand, right: Operand, demand: Demand
) -> Static:
    """`left kind right` at `node`."""
    (a, a_node), (b, b_node) = left, right
    if kind in _BITWISE and (both := _both_bools(scope, a, b)):
        return Boolean(scope.binary(kind, *both))
    x, y = as_int(scope, a, a_node), as_int(scope, b, b_node)
    if kind is BinaryKind.SHR and is_address_integer(a_node, scope.frame.local_names, scope.frame.globals):
        return Integer(window(scope, _wide_shift(scope, x, y, node, scope.text(b_node)), node))
    if kind in (BinaryKind.FLOORDIV, BinaryKind.MOD):
        guard = f"{scope.text(b_node)} != 0"
        scope.check(scope.compare(Predicate.NE, y, 0), node, "ZeroDivisionError", guard)
    elif kind in (BinaryKind.SHL, BinaryKind.SHR):
        below = scope.compare(Predicate.GE, y, 0)
        fits = scope.binary(BinaryKind.AND, below, scope.compare(Predicate.LE, y, MAX_SHIFT))
        scope.check(fits, node, "ValueError", f"0 <= {scope.text(b_node)} <= {MAX_SHIFT}")
    if demand is Demand.MODULAR and kind in _MODULAR_KINDS:
        return Integer(scope.builder.binary(kind, x, y, 64))
    result = window(scope, scope.binary(kind, x, y), node)
    return known_integer(result) if isinstance(a, Known) and isinstance(b, Known) else Integer(result)


def _wide_shift(scope: Scope, value: Value, amount: Value, node: ast.AST, text: str) -> Value:
    """`value >> amount` by up to 127 bits, in steps that a shift of the IR can take."""
    below = scope.compare(Predicate.GE, amount, 0)
    fits = scope.binary(BinaryKind.AND, below, scope.compare(Predicate.LE, amount, MAX_ADDRESS_SHIFT))
    scope.check(fits, node, "ValueError", f"0 <= {text} <= {MAX_ADDRESS_SHIFT}")
    for _ in range(-(-MAX_ADDRESS_SHIFT // MAX_SHIFT)):
        step = scope.binary(BinaryKind.MIN, amount, MAX_SHIFT)
        value = scope.binary(BinaryKind.SHR, value, step)
        amount = scope.binary(BinaryKind.SUB, amount, step)
    return value


def _both_bools(scope: Scope, a: Static, b: Static) -> tuple[Value, Value] | None:
    values = []
    for static in (a, b):
        if isinstance(static, Boolean):
            values.append(static.value)
        elif isinstance(static, Known) and isinstance(static.obj, bool):
            values.append(scope.const(static.obj))
        else:
            return None
    return values[0], values[1]


def known_integer(value: Value) -> Static:
    """A Known where the builder has folded, so that a constant expression can index a constant."""
    if isinstance(value, Const) and isinstance(value.value, int):
        return Known(value.value)
    return Integer(value)


def window(scope: Scope, value: Value, node: ast.AST) -> Value:
    """`value`, checked to lie where the result of an operator must."""
    text = scope.text(node)
    return scope.builder.window(value, scope.site(node, "OverflowError", f"{text} within -2**63 ... 2**64-1"))


def negate(scope: Scope, node: ast.UnaryOp, a: Static, demand: Demand) -> Static:
    """`-a`."""
    return arithmetic(scope, node, BinaryKind.SUB, (Known(0), node), (a, node.operand), demand)


def invert(scope: Scope, node: ast.UnaryOp, a: Static, demand: Demand) -> Static:
    """`~a`."""
    x = as_int(scope, a, node.operand)
    if demand is Demand.MODULAR:
        return Integer(scope.builder.binary(BinaryKind.XOR, x, scope.const(-1), 64))
    result = window(scope, scope.binary(BinaryKind.XOR, x, -1), node)
    return known_integer(result) if isinstance(a, Known) else Integer(result)


def extremum(scope: Scope, node: ast.AST, kind: BinaryKind, items: list[Static]) -> Static:
    """`min(…)` or `max(…)` of ints."""
    known = [item.obj for item in items if isinstance(item, Known) and isinstance(item.obj, int)]
    if len(known) == len(items):
        return Known(min(known) if kind is BinaryKind.MIN else max(known))
    result = as_int(scope, items[0], node)
    for item in items[1:]:
        result = scope.binary(kind, result, as_int(scope, item, node))
    return Integer(result)


def absolute(scope: Scope, node: ast.expr, item: Static) -> Static:
    """`abs(item)`."""
    value = as_int(scope, item, node)
    negated = scope.binary(BinaryKind.SUB, scope.const(0), value)
    result = window(scope, scope.binary(BinaryKind.MAX, value, negated), node)
    return known_integer(result) if isinstance(item, Known) else Integer(result)


def known_int(scope: Scope, static: Static, node: ast.AST) -> int:
    """The int that a Known is."""
    if isinstance(static, Known) and isinstance(static.obj, int):
        return int(static.obj)
    scope.refuse(node, f"an int is wanted here, this is {describe(static)}", "give it an int.")
