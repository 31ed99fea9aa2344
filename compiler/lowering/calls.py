"""Calls: builtins, the package's own functions, methods, and plain functions, which are inlined.

Arguments come evaluated. This file must not know: how they are written, statements.
"""

from __future__ import annotations

import ast
import ipaddress
from collections.abc import Callable, Iterator
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any, Final

import nmjit
from nmjit import Mac, NetworkSet, Port
from nmjit._filter import Filter
from nmjit._headers import View as HeaderView
from nmjit._struct import Record as StructObject
from nmjit.compiler.ir import BinaryKind, Context, ContextField, Predicate, Random, Value
from nmjit.compiler.lowering import comparison, fields, head, mapcalls, maps, numbers, parsing, records, regions, sums
from nmjit.compiler.lowering.constants import constant_items
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.scope import RANDOM_CALLS, RANK_AT, Scope, with_value
from nmjit.compiler.lowering.values import (
    NONE,
    Address,
    AddressKind,
    Boolean,
    Entry,
    HeaderKind,
    Integer,
    Known,
    Maybe,
    Method,
    Option,
    PacketValue,
    Record,
    Region,
    Snapshot,
    Static,
    Tuple,
    VerdictCode,
    View,
    describe,
)

PACKET_METHODS: Final = frozenset({"at", "pull", "push", "u16", "u32"})
REGION_METHODS: Final = frozenset({"u16", "u32", "startswith", "find"})
SNAPSHOT_METHODS: Final = frozenset({"startswith", "find"})

_AT_LOAD: Final = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.ip_address,
    ipaddress.ip_network,
    Mac,
    NetworkSet,
    bytes,
    str,
    frozenset,
    set,
    tuple,
    sorted,
    enumerate,
    zip,
    range,
    reversed,
)
"""Constructors that run when the filter is compiled; their arguments must be known then."""


_CURES: Final[dict[object, str]] = {
    range: "compare instead: low <= x < high; or loop over it with for.",
    enumerate: "count in a variable of your own.",
    zip: "loop over range(…) and index both.",
    sorted: "use min and max.",
    bytes: "take a slice: pkt[i:j].",
}


def apply(scope: Scope, node: ast.Call, callee: Static, arguments: list[Static], keywords: dict[str, Static]) -> Static:
    """`callee(*arguments, **keywords)`."""
    if isinstance(callee, Method):
        return _method(scope, node, callee, arguments, keywords)
    if not isinstance(callee, Known):
        scope.refuse(node, f"{describe(callee)} can't be called", "call a function or a method.")
    function = callee.obj
    for known, builtin in _BUILTINS:
        if function is known:
            _no_keywords(scope, node, keywords)
            return builtin(scope, node, arguments)
    if any(function is known for known in _AT_LOAD):
        return _run_now(scope, node, function, arguments, keywords)
    is_filter = isinstance(function, Filter)
    if isinstance(function, Filter):
        function = function.function
    if isinstance(function, FunctionType) and function.__module__.partition(".")[0] != "nmjit":
        return scope.inline(scope, function, _bind(scope, node, function, arguments, keywords), node, is_filter)
    if function is nmjit.RateLimit:
        return mapcalls.new_rate_limit(scope, node, arguments, keywords)
    if isinstance(function, type) and issubclass(function, StructObject):
        return _construct(scope, node, function, arguments, keywords)
    scope.refuse(
        node,
        f"a filter can't call {getattr(function, '__name__', describe(callee))}",
        "compute it at the top of the module, or call plain functions of your own.",
    )


def _no_keywords(scope: Scope, node: ast.Call, keywords: dict[str, Static]) -> None:
    if keywords:
        scope.refuse(node, f"{scope.text(node.func)} takes no keyword arguments here", "pass them by position.")


def _count(scope: Scope, node: ast.Call, arguments: list[Static], count: int) -> None:
    if len(arguments) != count:
        plural = "" if count == 1 else "s"
        scope.refuse(node, f"{scope.text(node.func)} takes {count} argument{plural}", "mend the call.")


# Builtins


def to_int(scope: Scope, node: ast.Call, arguments: list[Static], *, wide: bool) -> Static:
    """`int(x)`: of a number itself, of an address its integer."""
    _count(scope, node, arguments, 1)
    match arguments[0]:
        case Known(obj=bool() | int() | ipaddress.IPv4Address() | Mac() as obj):
            return Known(int(obj))
        case Known(obj=ipaddress.IPv6Address() as obj) if wide:
            return Known(int(obj))
        case Integer() as number:
            return number
        case Address(kind=kind, value=value) if kind is not AddressKind.IPV6 or wide:
            return Integer(value)
        case Address() | Known(obj=ipaddress.IPv6Address()):
            scope.refuse(
                node,
                "the integer of an IPv6 address has 128 bits, more than a filter's numbers",
                "wrap it, u64(int(ip.src)), or test the address itself: ip.src in NETWORK.",
            )
    return Integer(numbers.as_int(scope, arguments[0], node))


def _len(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 1)
    match arguments[0]:
        case PacketValue():
            return Integer(head.length(scope))
        case Region() as region:
            return Integer(regions.size(scope, regions.use(scope, region, node)))
        case Option() as option:
            fields.require_alive(scope, option.token, node, "TCP option")
            return Integer(regions.size(scope, regions.of_option(option)))
        case Snapshot(size=size):
            return Known(size)
        case Tuple(items=items):
            return Known(len(items))
        case Known(obj=str() | bytes() | tuple() | list() | set() | frozenset() | dict() | nmjit.Array() as obj):
            return Known(len(obj))
        case Known(obj=range() as numbers_) if numbers_.stop.bit_length() < 64 and numbers_.start.bit_length() < 64:
            return Known(len(numbers_))
    if maps.is_map(arguments[0]):
        scope.refuse(node, "how many entries a map has is known only at run time", "ask for a key: key in m.")
    scope.refuse(node, f"{describe(arguments[0])} has no len() here", "use it on the packet, a region or a constant.")


def _min_max(kind: BinaryKind) -> Callable[[Scope, ast.Call, list[Static]], Static]:
    def lower(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
        items = arguments
        if len(arguments) == 1:
            items = constant_items(scope, arguments[0], node.args[0])
        if not items:
            scope.refuse(node, f"{scope.text(node.func)} of nothing", "give it two numbers.")
        return numbers.extremum(scope, node, kind, items)

    return lower


def _abs(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 1)
    return numbers.absolute(scope, node, arguments[0])


def _bool(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 1)
    return comparison.truth(scope, arguments[0], node)


def _any_all(any_of: bool) -> Callable[[Scope, ast.Call, list[Static]], Static]:
    def lower(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
        _count(scope, node, arguments, 1)
        result = scope.const(not any_of)
        for item in constant_items(scope, arguments[0], node):
            value = comparison.bool_value(scope, comparison.truth(scope, item, node))
            result = scope.binary(BinaryKind.OR if any_of else BinaryKind.AND, result, value)
        return Boolean(result)

    return lower


def _now(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 0)
    return Integer(scope.builder.emit(Context(ContextField.NOW)))


def _random(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 0)
    calls = numbers.as_int(scope, scope.state.names[RANDOM_CALLS], node)
    scope.state.names[RANDOM_CALLS] = Integer(scope.add(calls, 1))
    return Integer(scope.builder.emit(Random(calls)))


def _mirror(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 1)
    head.mirror(scope, _port(scope, node, arguments[0]))
    return NONE


def _port(scope: Scope, node: ast.Call, port: Static) -> int:
    if not (isinstance(port, Known) and isinstance(port.obj, Port)):
        scope.refuse(
            node, f"{scope.text(node.func)} takes a Port", "declare it at the top of the module: OUT = Port()."
        )
    return scope.port_index(port.obj)


def _redirect(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    _count(scope, node, arguments, 1)
    index = _port(scope, node, arguments[0])
    return VerdictCode(scope.const(nmjit.REDIRECT.value), scope.const(index))


def _isinstance(scope: Scope, node: ast.Call, arguments: list[Static]) -> Static:
    scope.refuse(node, "a filter can't ask for types", "test for None, or name the header: pkt.ipv4 is not None.")


_BUILTINS: Final[tuple[tuple[object, Callable[[Scope, ast.Call, list[Static]], Static]], ...]] = (
    (len, _len),
    (min, _min_max(BinaryKind.MIN)),
    (max, _min_max(BinaryKind.MAX)),
    (abs, _abs),
    (bool, _bool),
    (any, _any_all(True)),
    (all, _any_all(False)),
    (isinstance, _isinstance),
    (nmjit.now, _now),
    (nmjit.random, _random),
    (nmjit.redirect, _redirect),
    (nmjit.mirror, _mirror),
)
"""Pairs rather than a dict: what is looked up may be any object, hashable or not."""


def _run_now(
    scope: Scope, node: ast.Call, function: Any, arguments: list[Static], keywords: dict[str, Static]
) -> Static:
    given = [*arguments, *keywords.values()]
    if any(map(maps.is_map, given)):
        scope.refuse(node, "what a map holds is known only at run time", "read its entries: m[key].")
    if not all(isinstance(item, Known) for item in given):
        scope.refuse(
            node,
            f"{function.__name__} runs when the filter is compiled, and an argument is known only at run time",
            _CURES.get(function, "use the fields as they are; int(address) gives a number."),
        )
    try:
        result = function(
            *(item.obj for item in arguments if isinstance(item, Known)),
            **{name: item.obj for name, item in keywords.items() if isinstance(item, Known)},
        )
    except Exception as error:
        scope.refuse(node, f"{function.__name__} fails: {error}", "mend the constant.")
    return Known(tuple(result) if isinstance(result, list | Iterator) else result)


def _construct(
    scope: Scope, node: ast.Call, struct: type[StructObject], arguments: list[Static], keywords: dict[str, Static]
) -> Static:
    names = [field.name for field in struct.__struct__]
    if len(arguments) > len(names):
        scope.refuse(node, f"{struct.__name__} has {len(names)} fields", f"they are: {', '.join(names)}.")
    given = dict(zip(names, arguments, strict=False))
    for name, value in keywords.items():
        if name not in names or name in given:
            scope.refuse(
                node, f"{struct.__name__} has no field {name}, or it is given twice", f"its fields: {', '.join(names)}."
            )
        given[name] = value
    items: list[Static] = []
    for field, default in zip(struct.__struct__, struct.__defaults__, strict=True):
        name = field.name
        if name not in given and default is None:
            scope.refuse(node, f"{struct.__name__}.{name} has no default and is not given", "give it a value.")
        item = given[name] if name in given else records.default(field.kind, default)
        records.taken(scope, records.Wanted(field.kind, f"{struct.__name__}.{name}"), item, node)
        items.append(item)
    return Record(struct, tuple(items))


# Plain functions


def _bind(
    scope: Scope, node: ast.Call, function: FunctionType, arguments: list[Static], keywords: dict[str, Static]
) -> dict[str, Static]:
    """Parameters of `function` by name, as CPython binds them."""
    code = function.__code__
    name = function.__name__
    if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        scope.refuse(node, f"{name} takes * or ** parameters", "give the function named parameters.")
    if code.co_freevars:
        scope.refuse(node, f"{name} is a closure", "move it to the top of the module.")
    positional = code.co_varnames[: code.co_argcount]
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if len(arguments) > len(positional):
        scope.refuse(node, f"{name} takes {len(positional)} arguments, {len(arguments)} are given", "mend the call.")
    bound = dict(zip(positional, arguments, strict=False))
    for key, value in keywords.items():
        if key in bound or key not in positional[code.co_posonlyargcount :] + keyword_only:
            scope.refuse(node, f"{name} has no parameter {key}, or it is given twice", "mend the call.")
        bound[key] = value
    defaults = function.__defaults__ or ()
    fallback = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
    fallback.update(function.__kwdefaults__ or {})
    for key in positional + keyword_only:
        if key not in bound:
            if key not in fallback:
                scope.refuse(node, f"{name} needs the argument {key}", "mend the call.")
            bound[key] = Known(fallback[key])
    return bound


# Methods


def _method(
    scope: Scope, node: ast.Call, method: Method, arguments: list[Static], keywords: dict[str, Static]
) -> Static:
    receiver = method.receiver
    if isinstance(receiver, Entry):
        return mapcalls.allow(scope, node, receiver, arguments, keywords)
    _no_keywords(scope, node, keywords)
    if isinstance(receiver, Known) and maps.is_map(receiver):
        return mapcalls.call(scope, node, receiver.obj, method.name, arguments)
    if method.name == "update_checksum":
        _count(scope, node, arguments, 0)
        assert isinstance(receiver, View)
        sums.update_checksum(scope, fields.use(scope, receiver, node))
        return NONE
    if method.name == "at":
        _count(scope, node, arguments, 2)
        return _at(scope, node, arguments[0], arguments[1])
    _count(scope, node, arguments, 1)
    if method.name in ("push", "pull"):
        move = head.push if method.name == "push" else head.pull
        move(scope, node, arguments[0])
        return NONE
    if isinstance(receiver, Known | Snapshot):
        return _bytes_method(scope, node, method, receiver, arguments[0])
    match receiver:
        case Region():
            region = regions.use(scope, receiver, node)
        case Option():
            region = regions.use(scope, regions.of_option(receiver), node)
        case _:
            region = regions.whole_packet(scope)
    if method.name == "startswith":
        return Boolean(regions.starts_with(scope, region, arguments[0], node))
    if method.name == "find":
        return Integer(regions.find(scope, region, arguments[0], node))
    width = 2 if method.name == "u16" else 4
    index = numbers.as_int(scope, arguments[0], node.args[0], missing="AttributeError")
    owner = scope.text(node.func).rpartition(".")[0]
    guard = f"{scope.text(node.args[0])} + {width} <= len({owner})"
    return Integer(regions.load_int(scope, region, index, width, node, guard))


def _bytes_method(scope: Scope, node: ast.Call, method: Method, receiver: Known | Snapshot, wanted: Static) -> Static:
    """`startswith` or `find` of a bytes value."""
    if not (isinstance(wanted, Known) and isinstance(wanted.obj, bytes)):
        scope.refuse(node, f"{method.name} takes a bytes constant here", 'write it as b"…".')
    if isinstance(receiver, Known):
        return Known(getattr(receiver.obj, method.name)(wanted.obj))
    if method.name == "find":
        return Integer(regions.find_in_snapshot(scope, receiver, wanted, node))
    if len(wanted.obj) > receiver.size:
        return Known(False)
    return Boolean(regions.snapshot_holds(scope, receiver, wanted.obj, 0))


def _at(scope: Scope, node: ast.Call, header: Static, offset: Static) -> Static:
    """`pkt.at(Header, offset)`: a view where the fixed part fits in the packet."""
    if not (isinstance(header, Known) and isinstance(header.obj, type) and issubclass(header.obj, HeaderView)):
        scope.refuse(node, "pkt.at takes a header class first", "declare it with @header, or use a built-in one.")
    size = header.obj.__header__.size
    place = numbers.as_int(scope, offset, node.args[1])
    whole = head.packet_end(scope)
    base = head.from_head(scope, place)
    limit = scope.add(base, size)
    starts = scope.compare(Predicate.GE, place, 0)
    fits = scope.binary(BinaryKind.AND, starts, scope.compare(Predicate.LE, limit, whole))
    token = scope.new_token(RANK_AT)
    view = View((HeaderKind(header.obj, None),), scope.const(0), base, limit, whole, token)
    there, absent = scope.fork(fits)
    joined = merge(scope, [with_value(there, view), with_value(absent, NONE)], "at")
    assert isinstance(joined, Maybe)
    return joined


def options_end(scope: Scope, view: View) -> Value:
    """Where the options of a TCP view end: parsing has checked it, except for a view made by pkt.at."""
    if all(kind.layer is not None for kind in view.kinds):
        return view.limit
    words = scope.binary(BinaryKind.SHR, parsing.load(scope, view.base, 12, 1), 4)
    end = scope.binary(BinaryKind.ADD, view.base, scope.binary(BinaryKind.MUL, words, 4))
    return scope.binary(BinaryKind.MIN, end, head.packet_end(scope))
