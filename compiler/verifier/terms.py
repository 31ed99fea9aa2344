"""Values as a root and a constant: `%7 = add %3, 14` is the term (%3, 14), and whatever is learnt of one holds of both.

Roots are what the states speak of. All constants share the root ZERO; all readings of one context field share one
root; a Window is its operand, since behind it the two are equal; a Phi that merges one value is that value.

This file must not know: intervals, states.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from nmjit.compiler.ir import BasicBlock, Binary, BinaryKind, Const, Context, ContextField, Op, Phi, Value, Window
from nmjit.compiler.irtypes import INT

ZERO: Final[Value] = Const(0)
"""The root of all integer constants."""
FIELDS: Final[dict[ContextField, Value]] = {which: Context(which) for which in ContextField}
"""The root of every reading of a context field. Like ZERO it is in no block, and known everywhere."""
LENGTH: Final[Value] = FIELDS[ContextField.LENGTH]
ROOM: Final[Value] = FIELDS[ContextField.ROOM]

Term: TypeAlias = tuple[Value, int]
"""The integer `root + offset`. A BOOL or a snapshot is its own root."""


def terms_of(blocks: Iterable[BasicBlock]) -> dict[Value, Term]:
    """The term of each value, given blocks in reverse postorder."""
    terms: dict[Value, Term] = {ZERO: (ZERO, 0)}
    for root in FIELDS.values():
        terms[root] = (root, 0)
    for block in blocks:
        for op in block.ops:
            terms[op] = _term(op, terms)
    return terms


def _term(op: Op, terms: dict[Value, Term]) -> Term:
    match op:
        case Const(value=int(value)) if op.type is INT:
            return (ZERO, value)
        case Context(which=which):
            return (FIELDS[which], 0)
        case Window(a=a):
            return terms[a]
        case Binary(kind=BinaryKind.ADD | BinaryKind.SUB, modulus=None):
            return _sum(op, terms)
        case Phi(incoming=incoming):
            first = next(iter(incoming.values()))
            if all(value is first for value in incoming.values()) and first in terms:
                return terms[first]
    return (op, 0)


def _sum(op: Binary, terms: dict[Value, Term]) -> Term:
    (a, a_offset), (b, b_offset) = terms[op.a], terms[op.b]
    if op.kind is BinaryKind.SUB:
        return (a, a_offset - b_offset) if b is ZERO else (op, 0)
    if b is ZERO:
        return (a, a_offset + b_offset)
    return (b, a_offset + b_offset) if a is ZERO else (op, 0)
