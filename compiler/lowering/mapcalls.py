"""Methods of maps and of their entries: get, setdefault, add, emit and allow; and RateLimit, which only they take.

This file must not know: how arguments are evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final

from nmjit import RateLimit
from nmjit._rate import LIMIT, TOKEN
from nmjit.compiler.ir import (
    BinaryKind,
    BloomAdd,
    Const,
    Context,
    ContextField,
    EventEmit,
    LogBucket,
    Predicate,
    RateTake,
    Value,
)
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.lowering import maps, tables
from nmjit.compiler.lowering.constants import KINDS
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.keys import Key, hashed
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.records import stored_fields, struct_of
from nmjit.compiler.lowering.scope import Scope, with_value
from nmjit.compiler.lowering.values import (
    NONE,
    Boolean,
    Entry,
    Integer,
    Known,
    Maybe,
    Poison,
    Record,
    Static,
    describe,
    is_none,
)

RATE_METHODS: Final = frozenset({"allow"})
RATE_FIELDS: Final = frozenset({"rate", "burst"})
"""What may be read of a RateLimit in a map."""

Arguments = list[Static]
_Lower = Callable[[Scope, ast.Call, MapDecl, Any, Arguments], Static]


def method_names(obj: Any) -> frozenset[str]:
    """Methods of a map that a filter may call."""
    return frozenset(name for kind, name in _METHODS if kind is KINDS[type(obj)])


def call(scope: Scope, node: ast.Call, obj: Any, name: str, arguments: Arguments) -> Static:
    """`m.name(…)`."""
    decl = maps.declared(scope, obj, node)
    fewest, most, lower = _METHODS[decl.kind, name]
    if not fewest <= len(arguments) <= most:
        count = str(most) if fewest == most else f"{fewest} or {most}"
        scope.refuse(node, f"{scope.text(node.func)} takes {count} argument{'s' * (most > 1)}", "mend the call.")
    return lower(scope, node, decl, obj, arguments)


def _key(node: ast.Call, static: Static) -> Key:
    return Key(static, node, node.args[0])


def _get(scope: Scope, node: ast.Call, decl: MapDecl, obj: Any, arguments: Arguments) -> Static:
    """`m.get(key)`: the entry or None; `m.get(key, default)`."""
    default = arguments[1] if len(arguments) > 1 else NONE
    index = tables.find(scope, decl, obj, _key(node, arguments[0]), touch=True)
    found = tables.is_entry(scope, index)
    if not maps.is_bare(decl):
        if not is_none(default):
            cure = f"write {decl.name}.get(key), and test for None."
            scope.refuse(node.args[1], "get of a map of structs has no default", cure)
        return Maybe(found, Entry(decl, index))
    there, missing = scope.fork(found)
    scope.at(there)
    value = Integer(tables.load_bare(scope, decl, index))
    joined = merge(scope, [scope.here(value), with_value(missing, _default(scope, node, decl, default))], "got")
    assert joined is not None
    assert not isinstance(joined, Poison), joined
    return joined


def _default(scope: Scope, node: ast.Call, decl: MapDecl, default: Static) -> Static:
    inner = default.inner if isinstance(default, Maybe) else default
    if is_none(inner) or isinstance(inner, Integer | Boolean) or (isinstance(inner, Known) and _is_int(inner.obj)):
        return default
    scope.refuse(node.args[1], f"{decl.name} holds ints, the default is {describe(default)}", "give it an int.")


def _is_int(obj: object) -> bool:
    return isinstance(obj, int)


def _setdefault(scope: Scope, node: ast.Call, decl: MapDecl, obj: Any, arguments: Arguments) -> Static:
    """`m.setdefault(key, value)`: the entry, made with `value` where it is missing."""
    key, value = arguments
    values = maps.stored_values(scope, decl, obj, value, node.args[1])
    index = tables.set_default(scope, decl, obj, _key(node, key), values)
    return maps.value_at(scope, decl, index)


def _count(scope: Scope, node: ast.Call, decl: MapDecl, _: Any, arguments: Arguments) -> Static:
    """`histogram.add(value)`."""
    value = as_int(scope, arguments[0], node.args[0], missing="AttributeError")
    _require_range(scope, node, value, 0, 2**64 - 1, scope.text(node.args[0]))
    bucket = scope.builder.emit(LogBucket(value, decl.detail))
    maps.emit_add(scope, decl, bucket, tables.BARE, scope.const(1))
    return NONE


def _require_range(scope: Scope, node: ast.AST, value: Value, low: int, high: int, text: str) -> None:
    if isinstance(value, Const) and low <= int(value.value) <= high:
        return
    inside = scope.binary(
        BinaryKind.AND, scope.compare(Predicate.GE, value, low), scope.compare(Predicate.LE, value, high)
    )
    scope.check(inside, node, "OverflowError", f"{low} <= {text} <= {high}")


def _remember(scope: Scope, node: ast.Call, decl: MapDecl, obj: Any, arguments: Arguments) -> Static:
    """`bloom.add(key)`: whether it was certainly new."""
    _, hash_ = hashed(scope, decl, obj, _key(node, arguments[0]))
    return Boolean(scope.builder.emit(BloomAdd(decl, hash_)))


def _emit(scope: Scope, node: ast.Call, decl: MapDecl, obj: Any, arguments: Arguments) -> Static:
    """`events.emit(record)`."""
    [record] = arguments
    struct = struct_of(obj)
    assert struct is not None
    values = stored_fields(scope, record, struct, node.args[0])
    if values is None:
        name = struct.__name__
        scope.refuse(node.args[0], f"{decl.name} takes a {name}, not {describe(record)}", f"emit a {name}(…).")
    scope.builder.emit(EventEmit(decl, tuple(values)))
    return NONE


_METHODS: Final[dict[tuple[MapKind, str], tuple[int, int, _Lower]]] = {
    (MapKind.HASH, "get"): (1, 2, _get),
    (MapKind.LRU, "get"): (1, 2, _get),
    (MapKind.LPM, "get"): (1, 2, _get),
    (MapKind.HASH, "setdefault"): (2, 2, _setdefault),
    (MapKind.LRU, "setdefault"): (2, 2, _setdefault),
    (MapKind.HISTOGRAM, "add"): (1, 1, _count),
    (MapKind.BLOOM, "add"): (1, 1, _remember),
    (MapKind.EVENTS, "emit"): (1, 1, _emit),
}
"""Fewest and most arguments, and how the call is lowered."""


def refuse_attribute(scope: Scope, node: ast.Attribute, obj: Any) -> None:
    """End the compilation: a map's attribute that a filter can't use, with what to write instead."""
    kind, name = KINDS[type(obj)], node.attr
    what = describe(Known(obj))
    usable = sorted(method_names(obj))
    if name in ("keys", "values", "items", "popitem"):
        cure = "loop over it from outside, through the live map."
    elif name == "pop" and kind in (MapKind.HASH, MapKind.LRU):
        cure = "read the entry first; then del m[key], or m.pop(key, None) on a line of its own."
    elif name in ("get", "setdefault") and kind in (MapKind.ARRAY, MapKind.COUNTER):
        cure = "read the entry, m[key]: every key is present."
    elif usable:
        cure = f"it has: {', '.join(usable)}."
    else:
        cure = "read and write entries: m[key]."
    scope.refuse(node, f"{name} of {what} is not supported in a filter", cure)


def new_rate_limit(scope: Scope, node: ast.Call, arguments: Arguments, keywords: dict[str, Static]) -> Static:
    """`RateLimit(rate, burst)`, to be stored in a map."""
    bound = dict(zip(("rate", "burst"), arguments, strict=False))
    doubtful = [name for name in keywords if name not in ("rate", "burst") or name in bound]
    bound |= keywords
    if doubtful or len(arguments) > 2 or "rate" not in bound:
        scope.refuse(node, "RateLimit takes a rate and a burst", "write RateLimit(rate) or RateLimit(rate, burst).")
    if is_none(bound.get("burst", NONE)):
        bound["burst"] = bound["rate"]
    for name, given in bound.items():
        if isinstance(given, Maybe):
            scope.refuse(node, f"the {name} of a RateLimit may be None here", "test for None before.")
        if isinstance(given, Known) and _is_int(given.obj) and not 1 <= given.obj < LIMIT:
            scope.refuse(node, f"a {name} of {int(given.obj)} is not within 1 ... 2**32-1", "give it another.")
    rate, burst = (as_int(scope, bound[name], node) for name in ("rate", "burst"))
    for name, value in (("rate", rate), ("burst", burst)):
        _require_range(scope, node, value, 1, LIMIT - 1, f"{name} of {scope.text(node)}")
    credit = scope.binary(BinaryKind.MUL, burst, TOKEN)
    return Record(RateLimit, (Integer(credit), Known(0), Integer(rate), Integer(burst)))


def allow(scope: Scope, node: ast.Call, limit: Entry, arguments: Arguments, keywords: dict[str, Static]) -> Static:
    """`limit.allow(n)`: whether n tokens could be taken."""
    given = [*arguments, *(value for name, value in keywords.items() if name == "n")]
    if len(given) > 1 or len(given) < len(arguments) + len(keywords):
        scope.refuse(node, "allow takes the number of tokens", "write allow() or allow(n).")
    written = node.args[0] if node.args else node.keywords[0].value if node.keywords else node
    amount = as_int(scope, given[0] if given else Known(1), written, missing="AttributeError")
    _require_range(scope, node, amount, 0, LIMIT - 1, scope.text(written))
    now = scope.builder.emit(Context(ContextField.NOW))
    return Boolean(scope.builder.emit(RateTake(limit.map, limit.index, amount, now)))
