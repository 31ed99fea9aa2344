"""Statements, and the functions made of them: the filter itself and the helpers inlined into it.

This file must not know: how expressions are computed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Final

from nmjit import Verdict
from nmjit.compiler import subset
from nmjit.compiler.ir import Predicate, Value
from nmjit.compiler.lowering import (
    attributes,
    comparison,
    expressions,
    fields,
    indexing,
    loops,
    maps,
    numbers,
    regions,
    tables,
)
from nmjit.compiler.lowering.constants import constant_items
from nmjit.compiler.lowering.expressions import condition, evaluate
from nmjit.compiler.lowering.join import known_parts, merge
from nmjit.compiler.lowering.numbers import Demand
from nmjit.compiler.lowering.scope import Edge, Frame, Loop, Scope
from nmjit.compiler.lowering.values import (
    NONE,
    Boolean,
    Entry,
    Integer,
    Known,
    Maybe,
    Options,
    PacketValue,
    Poison,
    Static,
    Tuple,
    VerdictCode,
    View,
    describe,
    is_none,
)
from nmjit.compiler.source import function_source

MAX_INLINE_DEPTH = 16
"""Deepest nest of helpers."""


def lower_body(scope: Scope, body: list[ast.stmt]) -> None:
    """The statements in order, as far as they can be reached."""
    for statement in body:
        if not scope.reachable:
            return
        scope.builder.line = statement.lineno
        lower = LOWERED.get(type(statement))
        if lower is None:
            subset.refuse_statement(scope.frame.source, statement)
        lower(scope, statement)


# Assignment


def _assign(scope: Scope, node: ast.Assign) -> None:
    demand = Demand.MODULAR if _stores(scope, node.targets) else Demand.EXACT
    value = evaluate(scope, node.value, demand)
    for target in node.targets:
        assign(scope, target, value)


def _stores(scope: Scope, targets: list[ast.expr]) -> bool:
    """Whether an assignment goes into declared widths alone, so that its value may be computed modularly."""
    return all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)


def _annotated(scope: Scope, node: ast.AnnAssign) -> None:
    if node.value is not None:
        demand = Demand.MODULAR if _stores(scope, [node.target]) else Demand.EXACT
        assign(scope, node.target, evaluate(scope, node.value, demand))


def assign(scope: Scope, target: ast.expr, value: Static) -> None:
    """`target = value`."""
    match target:
        case ast.Name(id=name):
            scope.state.names[name] = value
        case ast.Tuple(elts=elements):
            _unpack(scope, target, elements, value)
        case ast.Attribute():
            _set_attribute(scope, target, evaluate(scope, target.value), value)
        case ast.Subscript():
            _set_item(scope, target, evaluate(scope, target.value), value)
        case _:
            scope.refuse(target, "this can't be assigned to", "assign to a name, a field or an entry.")


def _unpack(scope: Scope, target: ast.Tuple, elements: list[ast.expr], value: Static) -> None:
    if isinstance(value, Tuple):
        items = value.items
    elif isinstance(value, Known) and isinstance(value.obj, tuple):
        items = tuple(Known(item) for item in value.obj)
    else:
        scope.refuse(target, f"{describe(value)} can't be unpacked", "unpack a tuple.")
    if len(items) != len(elements):
        scope.refuse(target, f"{len(items)} values for {len(elements)} names", "give as many names as values.")
    for element, item in zip(elements, items, strict=True):
        assign(scope, element, item)


def _set_attribute(scope: Scope, target: ast.Attribute, owner: Static, value: Static) -> None:
    if isinstance(owner, Maybe):
        scope.check(owner.present, target, "AttributeError", f"{scope.text(target.value)} is not None")
        owner = owner.inner
    if isinstance(owner, View) and all(fields.spec_of(kind, target.attr) is not None for kind in owner.kinds):
        fields.write_field(scope, owner, target.attr, _plain(scope, value, target), target)
    elif isinstance(owner, Entry) and maps.has_field(scope, owner, target.attr):
        maps.write_field(scope, owner, target.attr, value, target)
    else:
        scope.refuse(
            target,
            f"{target.attr} of {describe(owner)} can't be assigned",
            "assign to a field of a header or of a struct.",
        )


def _plain(scope: Scope, value: Static, node: ast.AST) -> Static:
    """A value as a field takes it: a bool as an int, a Maybe without its None."""
    if isinstance(value, Maybe):
        scope.check(value.present, node, "TypeError", "the value is not None")
        value = value.inner
    if isinstance(value, Known) and isinstance(value.obj, bool):
        return Known(int(value.obj))
    if isinstance(value, Boolean):
        return Integer(numbers.as_int(scope, value, node))
    return value


def _set_item(scope: Scope, target: ast.Subscript, owner: Static, value: Static) -> None:
    if isinstance(owner, PacketValue):
        _set_packet_bytes(scope, target, value)
    elif isinstance(owner, Known) and maps.is_map(owner):
        key = evaluate(scope, target.slice)
        maps.write(scope, owner.obj, key, value, target)
    else:
        scope.refuse(target, f"an item of {describe(owner)} can't be assigned", "assign to pkt[i] or to a map's entry.")


def _set_packet_bytes(scope: Scope, target: ast.Subscript, value: Static) -> None:
    whole = regions.whole_packet(scope)
    text = scope.text(target.slice)
    if isinstance(target.slice, ast.Slice):
        bounds = expressions.slice_bounds(scope, target.slice)
        start, stop = indexing.region_bounds(scope, whole, bounds, target.slice)
        regions.store_bytes(scope, start, stop, value, target, f"{text.partition(':')[2] or 'the end'} <= len(pkt)")
        return
    index = _byte_index(scope, target)
    regions.store_byte(scope, index, numbers.as_int(scope, value, target), target, f"0 <= {text} < len(pkt)")


def _byte_index(scope: Scope, target: ast.Subscript) -> Value:
    key = evaluate(scope, target.slice)
    indexing.refuse_negative(scope, key, target.slice)
    return numbers.as_int(scope, key, target.slice, missing="AttributeError")


def _augmented(scope: Scope, node: ast.AugAssign) -> None:
    kind = numbers.OPERATORS.get(type(node.op))
    if kind is None:
        subset.refuse_operator(scope.frame.source, node, node.op)
    modular = Demand.MODULAR if type(node.op) in numbers.MODULAR else Demand.EXACT
    amount_demand = Demand.EXACT if isinstance(node.op, ast.LShift) else modular
    match node.target:
        case ast.Name(id=name) as target:
            old = evaluate(scope, ast.copy_location(ast.Name(name, ast.Load()), target))
            amount = evaluate(scope, node.value)
            scope.state.names[name] = numbers.arithmetic(
                scope, node, kind, (old, target), (amount, node.value), Demand.EXACT
            )
        case ast.Attribute() as target:
            _augment_attribute(scope, node, target, kind, modular, amount_demand)
        case ast.Subscript() as target:
            _augment_item(scope, node, target, kind, modular, amount_demand)


def _augment_attribute(
    scope: Scope, node: ast.AugAssign, target: ast.Attribute, kind: Any, modular: Demand, amount_demand: Demand
) -> None:
    owner = evaluate(scope, target.value)
    if isinstance(owner, Maybe):
        scope.check(owner.present, target, "AttributeError", f"{scope.text(target.value)} is not None")
        owner = owner.inner
    writes = scope.map_writes
    old = attributes.attribute(scope, owner, target)
    amount = evaluate(scope, node.value, amount_demand)
    unchanged = writes == scope.map_writes
    if isinstance(owner, Entry) and isinstance(node.op, ast.Add) and unchanged and maps.adds(scope, owner, target.attr):
        maps.emit_add(scope, owner.map, owner.index, target.attr, numbers.as_int(scope, amount, node))
        return
    result = numbers.arithmetic(scope, node, kind, (old, target), (amount, node.value), modular)
    _set_attribute(scope, target, owner, result)


def _augment_item(
    scope: Scope, node: ast.AugAssign, target: ast.Subscript, kind: Any, modular: Demand, amount_demand: Demand
) -> None:
    owner = evaluate(scope, target.value)
    key_text = scope.text(target.slice)
    if isinstance(owner, PacketValue) and not isinstance(target.slice, ast.Slice):
        index = _byte_index(scope, target)
        old = regions.load_int(scope, regions.whole_packet(scope), index, 1, target, f"0 <= {key_text} < len(pkt)")
        amount = evaluate(scope, node.value, amount_demand)
        result = numbers.arithmetic(scope, node, kind, (Integer(old), target), (amount, node.value), modular)
        regions.store_byte(scope, index, numbers.as_int(scope, result, node), target, f"0 <= {key_text} < len(pkt)")
        return
    if isinstance(owner, PacketValue):
        scope.refuse(target, "a slice can't be added to in place", 'assign to it: pkt[i:j] = b"…".')
    if not (isinstance(owner, Known) and maps.is_map(owner)):
        scope.refuse(target, f"an item of {describe(owner)} can't be assigned", "assign to pkt[i] or to a map's entry.")
    key = evaluate(scope, target.slice)
    writes = scope.map_writes
    decl, index = maps.add(scope, owner.obj, key, target)
    old_value = maps.value_at(scope, decl, index)
    amount = evaluate(scope, node.value, amount_demand)
    unchanged = writes == scope.map_writes
    if isinstance(node.op, ast.Add) and unchanged:
        maps.emit_add(scope, decl, index, tables.BARE, numbers.as_int(scope, amount, node))
        return
    result = numbers.arithmetic(scope, node, kind, (old_value, target), (amount, node.value), modular)
    if unchanged or decl.kind not in maps.GROWING:
        tables.overwrite(scope, decl, index, [numbers.as_int(scope, result, node)])
    else:  # what computed the amount may have deleted the entry: CPython looks the key up again
        maps.write(scope, owner.obj, key, result, target)


# Control


def _if(scope: Scope, node: ast.If) -> None:
    on_true, on_false = condition(scope, node.test)
    ends: list[Edge] = []
    for go, body in ((on_true, node.body), (on_false, node.orelse)):
        if go:
            merge(scope, go)
            lower_body(scope, body)
            if scope.reachable:
                ends.append(scope.here())
    merge(scope, ends)


def _for(scope: Scope, node: ast.For) -> None:
    if not isinstance(node.target, ast.Tuple | ast.Name):
        scope.refuse(node.target, "a loop assigns to names", "write for NAME in …, or for A, B in ….")

    def body() -> None:
        lower_body(scope, node.body)

    def bind(value: Static) -> None:
        assign(scope, node.target, value)

    bounds = _range_call(scope, node.iter)
    if bounds is not None:
        finished, breaks = _for_range(scope, node, bounds, bind, body)
    else:
        iterable = evaluate(scope, node.iter)
        if isinstance(iterable, Maybe) and isinstance(iterable.inner, Options):
            scope.check(iterable.present, node.iter, "TypeError", f"{scope.text(node.iter)} is not None")
            iterable = iterable.inner
        if isinstance(iterable, Options):
            fields.require_alive(scope, iterable.token, node.iter, "header")
            shape = loops.over_options(scope, iterable, bind, body)
            finished, breaks = loops.real(scope, shape, assigned_names(node), node)
        else:
            items = constant_items(scope, iterable, node.iter)
            reached, breaks = loops.written_out(scope, items, bind, body)
            finished = [scope.here()] if reached else []
    _close_loop(scope, node.orelse, finished, breaks)


def _close_loop(scope: Scope, orelse: list[ast.stmt], finished: list[Edge], breaks: list[Edge]) -> None:
    """Go on behind a loop: its `else` runs where no break was taken."""
    ends = list(breaks)
    if finished:
        merge(scope, finished)
        lower_body(scope, orelse)
        if scope.reachable:
            ends.append(scope.here())
    merge(scope, ends)


def _range_call(scope: Scope, node: ast.expr) -> list[Static] | None:
    """The evaluated arguments of a call of the builtin range, None for anything else."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords):
        return None
    callee = evaluate(scope, node.func)
    if not (isinstance(callee, Known) and callee.obj is range and 1 <= len(node.args) <= 3):
        return None
    return [evaluate(scope, argument) for argument in node.args]


def _for_range(
    scope: Scope, node: ast.For, bounds: list[Static], bind: Callable[[Static], None], body: loops.Body
) -> tuple[list[Edge], list[Edge]]:
    start, stop = (Known(0), bounds[0]) if len(bounds) == 1 else bounds[:2]
    stride = bounds[2] if len(bounds) == 3 else Known(1)
    if not (isinstance(stride, Known) and isinstance(stride.obj, int) and stride.obj != 0):
        scope.refuse(node.iter, "the step of a range must be a constant other than 0", "write it as a number.")
    step = int(stride.obj)
    if isinstance(start, Known) and isinstance(stop, Known):
        first, last = (numbers.known_int(scope, bound, node.iter) for bound in (start, stop))
        turns = max(0, -(-(last - first) // step))
        if turns <= loops.MAX_UNROLL and scope.frame.unrolling * turns <= loops.MAX_UNROLLED_NEST:
            items: list[Static] = [Known(number) for number in range(first, last, step)]
            reached, breaks = loops.written_out(scope, items, bind, body)
            return ([scope.here()] if reached else []), breaks
    lower, upper = (numbers.as_int(scope, bound, node.iter) for bound in (start, stop))
    return loops.real(scope, loops.counting(scope, lower, upper, step, bind, body), assigned_names(node), node)


def assigned_names(loop: ast.For | ast.While) -> frozenset[str]:
    """Names that a turn of the loop may bind; all others hold behind a turn what they held before it."""
    names = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(names | {node.name for node in ast.walk(loop) if isinstance(node, ast.MatchAs) and node.name})


def _while(scope: Scope, node: ast.While) -> None:
    shape = loops.Shape(
        lambda: condition(scope, node.test),
        lambda: lower_body(scope, node.body),
        lambda: None,
    )
    finished, breaks = loops.real(scope, shape, assigned_names(node), node)
    _close_loop(scope, node.orelse, finished, breaks)


def _loop_of(scope: Scope) -> Loop:
    return scope.frame.loops[-1]


def _break(scope: Scope, _: ast.Break) -> None:
    _loop_of(scope).breaks.append(scope.here())
    scope.builder.current = None


def _continue(scope: Scope, _: ast.Continue) -> None:
    _loop_of(scope).continues.append(scope.here())
    scope.builder.current = None


def _delete(scope: Scope, node: ast.Delete) -> None:
    for target in node.targets:
        _delete_one(scope, target)


def _delete_one(scope: Scope, target: ast.expr) -> None:
    if isinstance(target, ast.Tuple):
        for item in target.elts:
            _delete_one(scope, item)
        return
    owner = evaluate(scope, target.value) if isinstance(target, ast.Subscript) else NONE
    if not (isinstance(target, ast.Subscript) and isinstance(owner, Known) and maps.is_map(owner)):
        cure = "leave the name alone: it costs nothing."
        scope.refuse(target, "del takes entries out of maps, and nothing else", cure)
    maps.delete(scope, owner.obj, evaluate(scope, target.slice), target)


def _pass(_: Scope, __: ast.Pass) -> None:
    """Nothing."""


def _expression(scope: Scope, node: ast.Expr) -> None:
    match node.value:
        case ast.Call(func=ast.Attribute(value=ast.Name() as name, attr="pop"), args=[key, ast.Constant(value=None)]):
            owner = evaluate(scope, name)
            if isinstance(owner, Known) and maps.has_pop(owner.obj):
                maps.discard(scope, owner.obj, evaluate(scope, key), key)
                return
    evaluate(scope, node.value)


def _assert(scope: Scope, node: ast.Assert) -> None:
    if node.msg is not None and not isinstance(node.msg, ast.Constant):
        scope.refuse(node.msg, "compiled code shows no message of an assert", "leave it out, or write a constant text.")
    on_true, on_false = condition(scope, node.test)
    if not on_false:
        merge(scope, on_true)
        return
    edges = []
    for go, holds in ((on_true, True), (on_false, False)):
        if go:
            merge(scope, go)
            edges.append(scope.here(Known(holds)))
    held = merge(scope, edges, "asserted")
    assert held is not None
    scope.check(comparison.bool_value(scope, held), node, "AssertionError", scope.text(node.test))


def _match(scope: Scope, node: ast.Match) -> None:
    subject = evaluate(scope, node.subject)
    ends: list[Edge] = []
    for case in node.cases:
        on_match, on_miss = _pattern(scope, case.pattern, subject)
        if case.guard is not None and on_match:
            merge(scope, on_match)
            on_match, failed = condition(scope, case.guard)
            on_miss = on_miss + failed
        if on_match:
            merge(scope, on_match)
            lower_body(scope, case.body)
            if scope.reachable:
                ends.append(scope.here())
        if not on_miss:
            break
        merge(scope, on_miss)
    else:
        ends.append(scope.here())
    merge(scope, ends)


def _pattern(scope: Scope, pattern: ast.pattern, subject: Static) -> expressions.Ways:
    """Where the pattern matches, and where it does not."""
    match pattern:
        case ast.MatchValue(value=value):
            outcome = comparison.compare(scope, pattern, Predicate.EQ, subject, evaluate(scope, value))
            return expressions.branch_on_bool(scope, outcome)
        case ast.MatchSingleton(value=None):
            if isinstance(subject, Maybe):
                there, absent = scope.fork(subject.present)
                return [absent], [there]
            return expressions.branch_on_bool(scope, Known(is_none(subject)))
        case ast.MatchOr(patterns=patterns):
            matched: list[Edge] = []
            for alternative in patterns:
                on_match, on_miss = _pattern(scope, alternative, subject)
                matched += on_match
                if not on_miss:
                    return matched, []
                merge(scope, on_miss)
            return matched, [scope.here()]
        case ast.MatchAs(pattern=None, name=name):
            if name is not None:
                scope.state.names[name] = subject
            return [scope.here()], []
        case ast.MatchAs(pattern=ast.pattern() as inner, name=str() as name):
            on_match, on_miss = _pattern(scope, inner, subject)
            for edge in on_match:
                edge.state.names[name] = subject
            return on_match, on_miss
    scope.refuse(pattern, "this pattern is not supported", "match numbers, constants, None, `|` of them, or `_`.")


# Functions


def _return(scope: Scope, node: ast.Return) -> None:
    value = NONE if node.value is None else evaluate(scope, node.value)
    if scope.frame.returns is not None:
        scope.frame.returns.append(scope.here(value))
        scope.builder.current = None
        return
    code, port = _verdict(scope, value, node)
    scope.builder.ret(code, port)


def _verdict(scope: Scope, value: Static, node: ast.Return) -> tuple[Value, Value]:
    match value:
        case VerdictCode(code=code, port=port):
            return code, port
        case Known(obj=Verdict() as verdict):
            number, index = known_parts(scope, verdict)
            return scope.const(number), scope.const(index)
    cure = "return DROP, PASS, TX or redirect(PORT)."
    scope.refuse(node.value or node, f"a filter returns a Verdict, this is {describe(value)}", cure)


def inline(scope: Scope, function: FunctionType, bound: dict[str, Static], node: ast.AST, is_filter: bool) -> Static:
    """A call of a plain function, or of another filter: its body in place of the call."""
    outer = scope.frame
    if function.__code__ in outer.active:
        scope.refuse(node, f"{function.__name__} calls itself", "write a loop with a constant bound.")
    if len(outer.active) >= MAX_INLINE_DEPTH:
        scope.refuse(node, "the calls nest too deep", "flatten the helpers.")
    source, definition = function_source(function)
    if len(definition.decorator_list) > is_filter:
        scope.refuse(
            node, f"{function.__name__} has a decorator, which the compiler can't look through", "remove the decorator."
        )
    subset.check_function(source, definition)
    outer_names = scope.state.names
    hidden = {key: value for key, value in outer_names.items() if key[0] in "@$"}
    local_names = frozenset(function.__code__.co_varnames + function.__code__.co_cellvars)
    frame = Frame(source, function.__name__, function.__globals__, local_names, [], (*outer.active, function.__code__))
    frame.unrolling = outer.unrolling
    scope.frame = frame
    scope.state.names = {**hidden, **bound, **_saved(outer_names, len(outer.active))}
    lower_body(scope, definition.body)
    returns = frame.returns
    assert returns is not None
    if scope.reachable:
        returns.append(scope.here(NONE))
    result = merge(scope, returns, f"{function.__name__}.end")
    scope.frame = outer
    if result is None:
        scope.refuse(node, f"{function.__name__} never returns", "let its loop end.")
    _restore(scope, len(outer.active))
    if isinstance(result, Poison):
        scope.refuse(node, f"what {function.__name__} returns {result.reason}", result.cure)
    return result


def _saved(names: dict[str, Static], depth: int) -> dict[str, Static]:
    """The caller's names under hidden ones, so that merges inside the callee carry them through."""
    return {f"^{depth}.{key}": value for key, value in names.items() if key[0] not in "@$"}


def _restore(scope: Scope, depth: int) -> None:
    prefix = f"^{depth}."
    names = scope.state.names
    hidden = {key: value for key, value in names.items() if key[0] in "@$"}
    saved = {key[len(prefix) :]: value for key, value in names.items() if key.startswith(prefix)}
    scope.state.names = {**hidden, **saved}


LOWERED: Final[Mapping[type[ast.stmt], Callable[[Scope, Any], None]]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.For: _for,
    ast.While: _while,
    ast.Match: _match,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Pass: _pass,
    ast.Delete: _delete,
    ast.Expr: _expression,
    ast.Assert: _assert,
    ast.Return: _return,
}
