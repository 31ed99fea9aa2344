"""Lowering: the syntax tree of a filter to SSA, with the type of each value settled on the way.

One pass types and lowers, since the kind of a name depends on the path (a view or None), on the turn of a loop over a
constant and on the call that is being inlined. `lower_filter` is the way in. This package must not know: LLVM, what the
verifier can prove.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any

from nmjit._filter import Filter
from nmjit._verdict import Port
from nmjit.compiler import subset
from nmjit.compiler.builder import Builder
from nmjit.compiler.errors import CompileError
from nmjit.compiler.ir import Function
from nmjit.compiler.lowering import statements
from nmjit.compiler.lowering.scope import HEAD, RANDOM_CALLS, Frame, Scope, State
from nmjit.compiler.lowering.values import PACKET, Known
from nmjit.compiler.source import SourceText, function_source


@dataclass(frozen=True, slots=True)
class Lowered:
    """A filter as IR, with the Python objects of its maps by name; its ports by index, (name, whether optional)."""

    function: Function
    maps: dict[str, Any]
    ports: tuple[tuple[str, bool], ...]
    port_objects: tuple[Port, ...]


def lower_filter(filter_: Filter) -> Lowered:
    """The IR of `filter_`, well-formed and unoptimised. CompileError where it lies outside the language."""
    function = filter_.function
    assert isinstance(function, FunctionType)
    source, definition = function_source(function)
    _check_head(source, definition, function)
    subset.check_function(source, definition)
    result = Function(filter_.name)
    builder = Builder(result)
    builder.position(builder.block("entry"))
    code = function.__code__
    local_names = frozenset(code.co_varnames + code.co_cellvars)
    frame = Frame(source, filter_.name, function.__globals__, local_names, None, (code,))
    state = State({code.co_varnames[0]: PACKET, RANDOM_CALLS: Known(0), HEAD: Known(0)})
    scope = Scope(builder, frame, state, statements.inline)
    try:
        statements.lower_body(scope, definition.body)
    except RecursionError:
        reason = "the code of this filter nests too deep"
        raise CompileError(source.diagnostic(definition, reason, "split it into helpers, or flatten it.")) from None
    if scope.reachable:
        reason = f"a path through {definition.name} ends without a return"
        cure = "return a verdict on every path, for instance `return PASS` at the end."
        raise CompileError(source.diagnostic(definition, reason, cure))
    result.maps = list(scope.declared.maps.values())
    ports = tuple((scope.declared.names_of[id(port)], port.optional) for port in scope.declared.port_objects)
    return Lowered(result, scope.declared.map_objects, ports, tuple(scope.declared.port_objects))


def _check_head(source: SourceText, definition: ast.FunctionDef, function: FunctionType) -> None:
    """Refuse what is not a function of one packet at the top of its module."""
    code = function.__code__
    text: tuple[str, str] | None = None
    owner = function.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>"):
        text = "a filter can't be a method", "define it at the top of its module."
    elif code.co_freevars:
        text = "a filter can't be a closure", "define it at the top of its module."
    elif code.co_argcount != 1 or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS) or code.co_kwonlyargcount:
        text = "a filter takes one argument, the packet", "write def name(pkt: Packet) -> Verdict."
    if text is not None:
        raise CompileError(source.diagnostic(definition, *text))
    for decorator in definition.decorator_list[1:]:
        raise CompileError(source.diagnostic(decorator, "a filter has no other decorator", "leave @filter alone."))
