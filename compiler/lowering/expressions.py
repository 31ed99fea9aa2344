"""Expressions: each admitted node to the IR that computes it, in CPython's order of evaluation.

`evaluate` yields a value, `condition` goes different ways for true and false. `LOWERED` is the table of admitted nodes;
what is not in it is refused by subset.py. This file must not know: statements.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from typing import Any, Final

import nmjit
from nmjit._ints import Width
from nmjit.compiler import subset
from nmjit.compiler.ir import Const, Value, Wrap
from nmjit.compiler.irtypes import Scalar
from nmjit.compiler.lowering import attributes, calls, comparison, indexing, membership, numbers
from nmjit.compiler.lowering.constants import admit, constant_items
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.numbers import Demand
from nmjit.compiler.lowering.scope import Edge, Scope, with_value
from nmjit.compiler.lowering.values import (
    NONE,
    Boolean,
    Integer,
    Known,
    Maybe,
    Poison,
    Region,
    Static,
    Tuple,
    is_none,
)

_NOT_ASSIGNED: Final = Poison("is not assigned here", "assign it before.")


def evaluate(scope: Scope, node: ast.expr, demand: Demand = Demand.EXACT) -> Static:
    """The value of `node`."""
    scope.builder.line = node.lineno
    lower = LOWERED.get(type(node))
    if lower is None:
        subset.refuse_expression(scope.frame.source, node)
    value = lower(scope, node, demand)
    return admit(scope, node, value.obj, demand) if isinstance(value, Known) else value


def integer(scope: Scope, node: ast.expr, demand: Demand = Demand.EXACT) -> Value:
    """The int that `node` is."""
    return numbers.as_int(scope, evaluate(scope, node, demand), node)


def _constant(_: Scope, node: ast.Constant, __: Demand) -> Static:
    return Known(node.value)


def _name(scope: Scope, node: ast.Name, _: Demand) -> Static:
    name = node.id
    if name in scope.frame.local_names:
        value = scope.state.names.get(name, _NOT_ASSIGNED)
        if isinstance(value, Poison):
            scope.refuse(node, f"{name} {value.reason}", value.cure)
        return value
    if name in scope.frame.globals:
        return Known(scope.frame.globals[name])
    if hasattr(builtins, name):
        return Known(getattr(builtins, name))
    if name in nmjit.__all__:
        scope.refuse(node, f"the name {name} is not imported", f"write from nmjit import {name}.")
    scope.refuse(node, f"the name {name} is not defined", "define it at the top of the module, or mend its spelling.")


def _attribute(scope: Scope, node: ast.Attribute, _: Demand) -> Static:
    return attributes.attribute(scope, evaluate(scope, node.value), node)


def _binary(scope: Scope, node: ast.BinOp, demand: Demand) -> Static:
    kind = numbers.OPERATORS.get(type(node.op))
    if kind is None:
        subset.refuse_operator(scope.frame.source, node, node.op)
    operands = demand if demand is Demand.MODULAR and type(node.op) in numbers.MODULAR else Demand.EXACT
    left_demand: Demand = operands
    right_demand: Demand = operands
    if operands is Demand.EXACT and isinstance(node.op, ast.RShift | ast.BitAnd):
        left_demand = Demand.WIDE
        right_demand = Demand.WIDE if isinstance(node.op, ast.BitAnd) else Demand.EXACT
    if isinstance(node.op, ast.LShift):
        right_demand = Demand.EXACT
    left = evaluate(scope, node.left, left_demand)
    right = evaluate(scope, node.right, right_demand)
    return numbers.arithmetic(scope, node, kind, (left, node.left), (right, node.right), operands)


def _unary(scope: Scope, node: ast.UnaryOp, demand: Demand) -> Static:
    if isinstance(node.op, ast.Not):
        return _as_value(scope, node)
    inner_demand = demand if demand is Demand.MODULAR else Demand.EXACT
    operand = evaluate(scope, node.operand, inner_demand)
    if isinstance(node.op, ast.USub):
        return numbers.negate(scope, node, operand, inner_demand)
    if isinstance(node.op, ast.Invert):
        return numbers.invert(scope, node, operand, inner_demand)
    return numbers.known_integer(numbers.as_int(scope, operand, node.operand))


def _bool_op(scope: Scope, node: ast.BoolOp, _: Demand) -> Static:
    """`a and b`, `a or b` as values: the operand that decided."""
    wants = isinstance(node.op, ast.Or)
    decided: list[Edge] = []
    for operand in node.values[:-1]:
        value = evaluate(scope, operand)
        on_true, on_false = branch_on(scope, operand, value)
        stop, go = (on_true, on_false) if wants else (on_false, on_true)
        decided += [with_value(edge, _narrowed(value, truthy=wants)) for edge in stop]
        if not go:
            break
        merge(scope, go)
    else:
        last = evaluate(scope, node.values[-1])
        decided.append(scope.here(last))
    result = merge(scope, decided)
    assert result is not None
    return _readable(scope, result, node)


def _readable(scope: Scope, value: Static, node: ast.AST) -> Static:
    if isinstance(value, Poison):
        scope.refuse(node, f"this expression {value.reason}", value.cure)
    return value


def _narrowed(value: Static, *, truthy: bool) -> Static:
    """What `value` is, once it is known to be true (or false)."""
    if isinstance(value, Maybe):
        if truthy:
            return value.inner
        if not isinstance(value.inner, Integer | Boolean | Region | Tuple):
            return NONE
    return value


def _conditional(scope: Scope, node: ast.IfExp, demand: Demand) -> Static:
    edges = []
    for go, arm in zip(condition(scope, node.test), (node.body, node.orelse), strict=True):
        if go:
            merge(scope, go)
            value = evaluate(scope, arm, demand)
            edges.append(scope.here(value))
    result = merge(scope, edges)
    assert result is not None
    return _readable(scope, result, node)


def _walrus(scope: Scope, node: ast.NamedExpr, _: Demand) -> Static:
    value = evaluate(scope, node.value)
    scope.state.names[node.target.id] = value
    return value


def _as_value(scope: Scope, node: ast.expr) -> Static:
    """A condition as a bool."""
    edges = []
    for go, holds in zip(condition(scope, node), (True, False), strict=True):
        if go:
            merge(scope, go)
            edges.append(scope.here(Known(holds)))
    result = merge(scope, edges, "bool")
    assert result is not None
    return result


def _compare(scope: Scope, node: ast.Compare, _: Demand) -> Static:
    if len(node.ops) > 1:
        return _as_value(scope, node)
    left = evaluate(scope, node.left)
    right = _operand(scope, node.ops[0], node.comparators[0])
    return _compared(scope, node, node.ops[0], left, right, node.left)


def _operand(scope: Scope, operator: ast.cmpop, node: ast.expr) -> Static:
    """The right side of a comparison; a set display is welcome behind `in`."""
    if isinstance(operator, ast.In | ast.NotIn) and isinstance(node, ast.Set | ast.List):
        return _display(scope, node)
    return evaluate(scope, node)


def _compared(
    scope: Scope, node: ast.expr, operator: ast.cmpop, left: Static, right: Static, written: ast.expr
) -> Static:
    """One comparison, its left side `written` so: a Known bool or a Boolean."""
    match operator:
        case ast.Is() | ast.IsNot():
            return comparison.identity(scope, node, left, right, negate=isinstance(operator, ast.IsNot))
        case ast.In():
            return membership.contains(scope, node, left, right, written)
        case ast.NotIn():
            return comparison.negated(scope, membership.contains(scope, node, left, right, written))
    return comparison.compare(scope, node, comparison.PREDICATES[type(operator)], left, right)


def _tuple(scope: Scope, node: ast.Tuple, _: Demand) -> Static:
    return _display(scope, node)


def _display(scope: Scope, node: ast.Tuple | ast.Set | ast.List) -> Static:
    items = tuple(evaluate(scope, element) for element in node.elts)
    known = tuple(item.obj for item in items if isinstance(item, Known))
    return Known(known) if len(known) == len(items) else Tuple(items)


def _subscript(scope: Scope, node: ast.Subscript, _: Demand) -> Static:
    owner = evaluate(scope, node.value)
    if isinstance(owner, Maybe):
        scope.check(owner.present, node, "TypeError", f"{scope.text(node.value)} is not None")
        owner = owner.inner
    if isinstance(node.slice, ast.Slice):
        return indexing.slice_of(scope, owner, slice_bounds(scope, node.slice), node, node.slice)
    return indexing.item(scope, owner, evaluate(scope, node.slice), node)


def slice_bounds(scope: Scope, node: ast.Slice) -> indexing.Bounds:
    """The bounds of a slice, evaluated in order."""
    if node.step is not None:
        scope.refuse(node.step, "a slice has no step here", "take the bytes one by one.")
    lower = None if node.lower is None else evaluate(scope, node.lower)
    upper = None if node.upper is None else evaluate(scope, node.upper)
    return lower, upper


# Conditions

Ways = tuple[list[Edge], list[Edge]]
"""The points to go on from where a condition holds, and where it does not."""


def condition(scope: Scope, node: ast.expr) -> Ways:
    """Evaluate `node` for its truth alone, with short circuit."""
    scope.builder.line = node.lineno
    match node:
        case ast.BoolOp(op=operator, values=operands):
            return _all_or_any(scope, operands, isinstance(operator, ast.Or))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            on_true, on_false = condition(scope, operand)
            return on_false, on_true
        case ast.Compare(ops=[_, _, *_]):
            return _chained(scope, node)
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as operator], comparators=[right]):
            value = evaluate(scope, left)
            outcome = _compared(scope, node, operator, value, evaluate(scope, right), left)
            on_true, on_false = branch_on_bool(scope, outcome)
            present, absent = (on_false, on_true) if isinstance(operator, ast.Is) else (on_true, on_false)
            _narrow(left, value, present, absent)
            return on_true, on_false
        case _:
            return branch_on(scope, node, evaluate(scope, node))


def _all_or_any(scope: Scope, operands: list[ast.expr], any_of: bool) -> Ways:
    decided: list[Edge] = []
    for operand in operands:
        on_true, on_false = condition(scope, operand)
        stop, go = (on_true, on_false) if any_of else (on_false, on_true)
        decided += stop
        if not go:
            return (decided, []) if any_of else ([], decided)
        merge(scope, go)
    last = [scope.here()]
    return (decided, last) if any_of else (last, decided)


def _chained(scope: Scope, node: ast.Compare) -> Ways:
    left, left_node = evaluate(scope, node.left), node.left
    failed: list[Edge] = []
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        right = _operand(scope, operator, right_node)
        on_true, on_false = branch_on_bool(scope, _compared(scope, node, operator, left, right, left_node))
        failed += on_false
        if not on_true:
            return [], failed
        merge(scope, on_true)
        left, left_node = right, right_node
    return [scope.here()], failed


def branch_on(scope: Scope, node: ast.expr, value: Static) -> Ways:
    """Go by the truth of `value`, which `node` yielded; a name is narrowed on the way where it is not None."""
    on_true, on_false = branch_on_bool(scope, comparison.truth(scope, value, node))
    if isinstance(value, Maybe):
        _narrow(node, value, on_true, on_false if is_none(_narrowed(value, truthy=False)) else [])
    return on_true, on_false


def _narrow(node: ast.expr, value: Static, present: list[Edge], absent: list[Edge]) -> None:
    """Record in the states behind a test what the tested name is there."""
    name = node.target.id if isinstance(node, ast.NamedExpr) else node.id if isinstance(node, ast.Name) else None
    if name is None or not isinstance(value, Maybe):
        return
    for edge in present:
        edge.state.names[name] = value.inner
    for edge in absent:
        edge.state.names[name] = NONE


def branch_on_bool(scope: Scope, value: Static) -> Ways:
    """Go by a bool."""
    if isinstance(value, Known):
        return ([scope.here()], []) if value.obj else ([], [scope.here()])
    assert isinstance(value, Boolean)
    on_true, on_false = scope.fork(value.value)
    return [on_true], [on_false]


# Calls that say how their argument is to be evaluated; all others are in calls.py


def _call(scope: Scope, node: ast.Call, demand: Demand) -> Static:
    callee = evaluate(scope, node.func)
    for keyword in node.keywords:
        if keyword.arg is None:
            scope.refuse(keyword.value, "** in a call is not supported", "name the arguments.")
    function = callee.obj if isinstance(callee, Known) else None
    if isinstance(function, Width):
        return _wrap(scope, node, function)
    if (function is any or function is all) and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
        return _any_or_all(scope, node.args[0], any_of=function is any)
    arguments = [evaluate(scope, argument) for argument in node.args]
    keywords = {keyword.arg: evaluate(scope, keyword.value) for keyword in node.keywords if keyword.arg is not None}
    if function is int and not keywords:
        return calls.to_int(scope, node, arguments, wide=demand is not Demand.EXACT)
    return calls.apply(scope, node, callee, arguments, keywords)


def _wrap(scope: Scope, node: ast.Call, width: Width) -> Static:
    if len(node.args) != 1 or node.keywords:
        scope.refuse(node, f"{width.name} takes one argument", f"write {width.name}(value).")
    operand = evaluate(scope, node.args[0], Demand.MODULAR)
    value = numbers.as_int(scope, operand, node.args[0], missing="AttributeError")
    if isinstance(value, Const) and isinstance(value.value, int):
        return Known(width(value.value))
    return Integer(scope.builder.emit(Wrap(value, Scalar(width.bits // 8, width.signed))))


def _any_or_all(scope: Scope, node: ast.GeneratorExp, *, any_of: bool) -> Static:
    """`any(test for x in CONSTANT)`: the tests one after the other, until one decides."""
    [loop, *more] = node.generators
    if more or loop.is_async or not isinstance(loop.target, ast.Name):
        scope.refuse(node, "this generator is too rich", "use one `for NAME in CONSTANT`, or write a loop.")
    items = constant_items(scope, evaluate(scope, loop.iter), loop.iter)
    name = loop.target.id
    outer = scope.state.names.pop(name, None)
    visible = scope.frame.local_names
    scope.frame.local_names = visible | {name}
    decided: list[Edge] = []
    undecided = [scope.here()]
    for item in items:
        if not undecided:
            break
        merge(scope, undecided)
        scope.state.names[name] = item
        skipped: list[Edge] = []
        passed = _filtered(scope, loop.ifs, skipped)
        on_true, on_false = condition(scope, node.elt) if passed else ([], [])
        decided += on_true if any_of else on_false
        undecided = (on_false if any_of else on_true) + skipped
    scope.frame.local_names = visible
    for edge in (*decided, *undecided):
        edge.state.names.pop(name, None)
        if outer is not None:
            edge.state.names[name] = outer
    ends = []
    for edges, value in ((decided, any_of), (undecided, not any_of)):
        if edges:
            merge(scope, edges)
            ends.append(scope.here(Known(value)))
    result = merge(scope, ends, "anyall")
    assert result is not None
    return result


def _filtered(scope: Scope, tests: list[ast.expr], skipped: list[Edge]) -> bool:
    """Go on where all `if`s of a generator hold; whether that can be."""
    for test in tests:
        on_true, on_false = condition(scope, test)
        skipped += on_false
        if not on_true:
            return False
        merge(scope, on_true)
    return True


LOWERED: Final[Mapping[type[ast.expr], Callable[[Scope, Any, Demand], Static]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _bool_op,
    ast.IfExp: _conditional,
    ast.NamedExpr: _walrus,
    ast.Compare: _compare,
    ast.Tuple: _tuple,
    ast.Subscript: _subscript,
    ast.Call: _call,
}
"""Nodes that stand for themselves; Set, List, Slice and GeneratorExp are lowered where they are welcome."""
