"""Truth, comparison and membership of values.

Two values that can never be equal are refused rather than compared: such a test is a mistake. This file must not know:
how operands are written or evaluated.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, Final

from nmjit import Verdict
from nmjit.compiler.ir import BinaryKind, Predicate, Value
from nmjit.compiler.lowering import maps, regions
from nmjit.compiler.lowering.head import length
from nmjit.compiler.lowering.join import convert, items_of, lift, merge
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.scope import Edge, Scope, with_value
from nmjit.compiler.lowering.values import (
    Address,
    Boolean,
    Entry,
    Integer,
    Known,
    Maybe,
    Member,
    Option,
    Options,
    PacketValue,
    Region,
    Snapshot,
    Static,
    Tuple,
    Union,
    VerdictCode,
    View,
    describe,
    is_none,
)

PREDICATES: Final[dict[type[ast.cmpop], Predicate]] = {
    ast.Eq: Predicate.EQ,
    ast.NotEq: Predicate.NE,
    ast.Lt: Predicate.LT,
    ast.LtE: Predicate.LE,
    ast.Gt: Predicate.GT,
    ast.GtE: Predicate.GE,
}
_OPERATORS: Final[dict[Predicate, Callable[[Any, Any], Any]]] = {
    Predicate.EQ: operator.eq,
    Predicate.NE: operator.ne,
    Predicate.LT: operator.lt,
    Predicate.LE: operator.le,
    Predicate.GT: operator.gt,
    Predicate.GE: operator.ge,
}
_EQUALITY: Final = frozenset({Predicate.EQ, Predicate.NE})


def truth(scope: Scope, static: Static, node: ast.AST) -> Static:
    """`bool(static)`: a Known bool or a Boolean."""
    match static:
        case Known(obj=obj):
            return _known_truth(scope, obj, node)
        case Boolean():
            return static
        case Integer(value=value):
            return Boolean(scope.compare(Predicate.NE, value, 0))
        case Maybe(present=present, inner=inner):
            inner_truth = truth(scope, inner, node)
            return Boolean(scope.binary(BinaryKind.AND, present, bool_value(scope, inner_truth)))
        case Region(start=start, end=end):
            regions.use(scope, static, node)
            return Boolean(scope.compare(Predicate.LT, start, end))
        case Option():
            regions.use(scope, regions.of_option(static), node)
            return Known(True)
        case View() | Snapshot() | Address() | Entry() | Union():
            return Known(True)
        case Tuple(items=items):
            return Known(bool(items))
        case PacketValue():
            return Boolean(scope.compare(Predicate.NE, length(scope), 0))
        case VerdictCode():
            _refuse_verdict_truth(scope, node)
        case Options():
            scope.refuse(node, "tcp.options has no truth value", "loop over it: for option in tcp.options.")
        case _:
            scope.refuse(node, f"{describe(static)} has no truth value here", "compare it with something.")
    raise AssertionError(static)


def _known_truth(scope: Scope, obj: Any, node: ast.AST) -> Known:
    if isinstance(obj, Verdict):
        _refuse_verdict_truth(scope, node)
    if maps.is_map(Known(obj)):
        scope.refuse(node, "how many entries a map has is known only at run time", "ask for a key: key in m.")
    try:
        return Known(bool(obj))
    except Exception as error:  # an object of the user's, whose __bool__ may do anything
        scope.refuse(node, f"{describe(Known(obj))} has no truth value: {error}", "compare it with something.")


def _refuse_verdict_truth(scope: Scope, node: ast.AST) -> None:
    scope.refuse(node, "a Verdict is neither true nor false", "compare it: verdict == DROP.")


def bool_value(scope: Scope, static: Static) -> Value:
    """The BOOL of a Boolean or of a Known bool."""
    if isinstance(static, Known):
        return scope.const(bool(static.obj))
    assert isinstance(static, Boolean)
    return static.value


def negated(scope: Scope, static: Static) -> Static:
    """`not static` of a Boolean or of a Known bool."""
    if isinstance(static, Known):
        return Known(not static.obj)
    return Boolean(scope.builder.logical_not(bool_value(scope, static)))


def identity(scope: Scope, node: ast.expr, left: Static, right: Static, *, negate: bool) -> Static:
    """`left is right`, which is for None alone."""
    if not (is_none(left) or is_none(right)):
        scope.refuse(node, "`is` compares identity, which compiled code does not have", "write ==.")
    other = left if is_none(right) else right
    if isinstance(other, Maybe):
        return Boolean(other.present if negate else scope.builder.logical_not(other.present))
    return Known(is_none(other) is not negate)


def compare(scope: Scope, node: ast.AST, predicate: Predicate, a: Static, b: Static) -> Static:
    """`a predicate b`: a Known bool or a Boolean."""
    a, b = (regions.of_option(static) if isinstance(static, Option) else static for static in (a, b))
    if isinstance(a, Known) and isinstance(b, Known):
        return _compare_known(scope, node, predicate, a, b)
    if isinstance(a, Union):
        return _by_option(scope, node, predicate, a, b, lambda option: compare(scope, node, predicate, option, b))
    if isinstance(b, Union):
        return _by_option(scope, node, predicate, b, a, lambda option: compare(scope, node, predicate, a, option))
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        return _compare_maybe(scope, node, predicate, a, b)
    if isinstance(a, Region):
        return _compare_region(scope, node, predicate, a, b)
    if isinstance(b, Region):
        return _compare_region(scope, node, predicate, b, a)
    equality = predicate in _EQUALITY
    match lift(a), lift(b):
        case (Integer() | Boolean(), Integer() | Boolean()):
            return Boolean(scope.compare(predicate, as_int(scope, a, node), as_int(scope, b, node)))
        case (Address(kind=k), Address(kind=j)) if k is j:
            return Boolean(scope.compare(predicate, _first(scope, a), _first(scope, b)))
        case (VerdictCode(), VerdictCode()) if equality:
            return Boolean(scope.compare(predicate, _first(scope, a), _first(scope, b)))
        case (Member(enum=e), Member(enum=f)) if equality and e is f:
            return Boolean(scope.compare(predicate, _first(scope, a), _first(scope, b)))
        case (Snapshot(size=n), Snapshot(size=m)) if equality:
            if n != m:
                return Known(predicate is Predicate.NE)
            return Boolean(scope.compare(predicate, _first(scope, a), _first(scope, b)))
        case (Tuple(items=xs), Tuple(items=ys)) if equality and len(xs) == len(ys):
            return _compare_tuples(scope, node, predicate, a, b)
        case (Snapshot(), Known(obj=bytes())) | (Known(obj=bytes()), Snapshot()) if equality:
            return Known(predicate is Predicate.NE)  # empty, or longer than any snapshot
    _refuse_comparison(scope, node, predicate, a, b)
    raise AssertionError(a, b)


def _first(scope: Scope, static: Static) -> Value:
    """The first of the IR values that carry `static`."""
    return convert(scope, static, lift(static))[0]


def _refuse_comparison(scope: Scope, node: ast.AST, predicate: Predicate, a: Static, b: Static) -> None:
    if predicate not in _EQUALITY:
        scope.refuse(node, f"{describe(a)} and {describe(b)} have no order in a filter", "compare two ints.")
    if is_none(a) or is_none(b):
        scope.refuse(node, "a value is compared with None by ==", "write `is None` or `is not None`.")
    if type(a) is type(b) and not isinstance(a, Known | Address | Tuple | Member):
        scope.refuse(node, f"{describe(a)} can't be compared in a filter", "compare its fields, or single bytes of it.")
    scope.refuse(node, f"{describe(a)} and {describe(b)} can never be equal", _cure_of_comparison(a, b))


def _cure_of_comparison(a: Static, b: Static) -> str:
    for address, other in ((a, b), (b, a)):
        if isinstance(address, Address | Union) and isinstance(other, Known):
            if isinstance(other.obj, str):
                name = address.kind.type_name if isinstance(address, Address) else "IPv4Address"
                return f"write {name}({other.obj!a})."
            if hasattr(other.obj, "network_address"):
                return "test membership: address in NETWORK."
            if isinstance(other.obj, int):
                return "write int(address), or make the constant an address."
    if isinstance(lift(a), VerdictCode) or isinstance(lift(b), VerdictCode):
        return "compare it with DROP, PASS, TX, REDIRECT or ABORTED."
    return "compare two values of one type."


def _compare_known(scope: Scope, node: ast.AST, predicate: Predicate, a: Known, b: Known) -> Static:
    if predicate in _EQUALITY and (a.obj is None or b.obj is None):
        return Known((a.obj is b.obj) is (predicate is Predicate.EQ))  # a rule's empty field, say
    if predicate in _EQUALITY and not _may_be_equal(a, b):
        _refuse_comparison(scope, node, predicate, a, b)
    try:
        return Known(bool(_OPERATORS[predicate](a.obj, b.obj)))
    except Exception:  # no order, or an object of the user's, whose == may do anything
        _refuse_comparison(scope, node, predicate, a, b)
        raise


def _compare_maybe(scope: Scope, node: ast.AST, predicate: Predicate, a: Static, b: Static) -> Static:
    """None equals only None; an order with None raises TypeError."""
    if predicate not in _EQUALITY:
        for static in (a, b):
            if isinstance(static, Maybe):
                scope.check(static.present, node, "TypeError", "neither side is None")
        return compare(scope, node, predicate, *(s.inner if isinstance(s, Maybe) else s for s in (a, b)))
    maybe, other = (a, b) if isinstance(a, Maybe) else (b, a)
    assert isinstance(maybe, Maybe)
    if is_none(other):
        _refuse_comparison(scope, node, predicate, a, b)
    there, absent = scope.fork(maybe.present)
    scope.at(there)
    inner = (maybe.inner, other) if isinstance(a, Maybe) else (other, maybe.inner)
    result = compare(scope, node, predicate, *inner)
    edges = [scope.here(result)]
    scope.at(absent)
    both_none = scope.builder.logical_not(other.present) if isinstance(other, Maybe) else scope.const(False)
    equal = Boolean(both_none)
    edges.append(scope.here(equal if predicate is Predicate.EQ else negated(scope, equal)))
    joined = merge(scope, edges, "compared")
    assert joined is not None
    return joined


def _compare_tuples(scope: Scope, node: ast.AST, predicate: Predicate, a: Static, b: Static) -> Static:
    equal = scope.const(True)
    for x, y in zip(items_of(a), items_of(b), strict=True):
        item = compare(scope, node, Predicate.EQ, x, y)
        equal = scope.binary(BinaryKind.AND, equal, bool_value(scope, item))
    return Boolean(equal if predicate is Predicate.EQ else scope.builder.logical_not(equal))


def _compare_region(scope: Scope, node: ast.AST, predicate: Predicate, region: Region, other: Static) -> Static:
    regions.use(scope, region, node)
    if isinstance(other, Region) and predicate in _EQUALITY:
        scope.refuse(
            node, "two runs of packet bytes of unknown length can't be compared", "take slices of constant length."
        )
    if predicate not in _EQUALITY or not isinstance(other, Snapshot | Known) or not _is_bytes(other):
        _refuse_comparison(scope, node, predicate, region, other)
    assert isinstance(other, Snapshot | Known)
    equal = regions.equals(scope, region, other, node)
    return Boolean(equal if predicate is Predicate.EQ else scope.builder.logical_not(equal))


def _is_bytes(static: Snapshot | Known) -> bool:
    return isinstance(static, Snapshot) or isinstance(static.obj, bytes)


def _by_option(
    scope: Scope, node: ast.AST, predicate: Predicate, union: Union, other: Static, run: Callable[[Static], Static]
) -> Static:
    """`run` for each kind that a Union may have, in a branch of its own; a kind that can't match is unequal."""
    equality = predicate in _EQUALITY
    if equality and not any(_may_be_equal(option, other) for option in union.options):
        _refuse_comparison(scope, node, predicate, union, other)

    def one(option: Static) -> Static:
        return Known(predicate is Predicate.NE) if equality and not _may_be_equal(option, other) else run(option)

    return for_each_option(scope, union, one)


def for_each_option(scope: Scope, union: Union, run: Callable[[Static], Static]) -> Static:
    """What `run` yields for the kind that a Union has at run time; each kind in a branch of its own."""
    edges: list[Edge] = []
    last = len(union.options) - 1
    for index, option in enumerate(union.options):
        rest = None
        if index < last:
            this, rest = scope.fork(scope.compare(Predicate.EQ, union.tag, index))
            scope.at(this)
        value = run(option)
        edges.append(scope.here(value))
        if rest is not None:
            scope.at(rest)
    joined = merge(scope, edges, "kind")
    assert joined is not None
    return joined


def _may_be_equal(a: Static, b: Static) -> bool:
    """Whether == between values of these kinds is a question at all."""
    if isinstance(a, Known) and isinstance(b, Known):
        return a.obj is not None and b.obj is not None and _types_may_be_equal(a.obj, b.obj)
    if isinstance(a, Union) or isinstance(b, Union):
        union, other = (a, b) if isinstance(a, Union) else (b, a)
        assert isinstance(union, Union)
        return any(_may_be_equal(option, other) for option in union.options)
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        return _may_be_equal(*(s.inner if isinstance(s, Maybe) else s for s in (a, b)))
    match lift(a), lift(b):
        case (Integer() | Boolean(), Integer() | Boolean()):
            return True
        case (Address(kind=k), Address(kind=j)):
            return k is j
        case (Member(enum=e), Member(enum=f)):
            return e is f
        case (Snapshot() | Region(), Known(obj=bytes())) | (Known(obj=bytes()), Snapshot() | Region()):
            return True
        case (Tuple(items=xs), Tuple(items=ys)):
            return len(xs) == len(ys)
        case x, y:
            return type(x) is type(y) and not isinstance(x, Known)


def _types_may_be_equal(a: Any, b: Any) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return True
    if isinstance(a, set | frozenset) and isinstance(b, set | frozenset):
        return True
    return isinstance(a, type(b)) or isinstance(b, type(a))


def may_be_member(item: Static, member: object) -> bool:
    """Whether `item == member` is a question at all, for a member of a constant collection."""
    return member is not None and _may_be_equal(item, Known(member))


def equal_to_any(scope: Scope, node: ast.AST, item: Static, candidates: list[Static]) -> Static:
    """Whether `item` equals one of `candidates`."""
    found = scope.const(False)
    for candidate in candidates:
        equal = compare(scope, node, Predicate.EQ, item, candidate)
        found = scope.binary(BinaryKind.OR, found, bool_value(scope, equal))
    return Boolean(found)


def where_present(scope: Scope, maybe: Maybe, run: Callable[[Static], Static], otherwise: bool, hint: str) -> Static:
    """`run` of what a Maybe holds, or the constant `otherwise`."""
    there, absent = scope.fork(maybe.present)
    scope.at(there)
    value = run(maybe.inner)
    joined = merge(scope, [scope.here(value), with_value(absent, Known(otherwise))], hint)
    assert joined is not None
    return joined
