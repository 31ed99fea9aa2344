"""Attributes: headers and surroundings of the packet, fields of headers and entries, and those of constants.

This file must not know: how the owner is written or evaluated.
"""

from __future__ import annotations

import ast
from enum import Enum
from types import ModuleType
from typing import Any, Final

from nmjit._headers import LAYERS, Tcp
from nmjit.compiler import subset
from nmjit.compiler.ir import Context, ContextField
from nmjit.compiler.lowering import calls, fields, head, mapcalls, maps, parsing, records, regions
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import (
    Address,
    AddressKind,
    Entry,
    Integer,
    Known,
    Maybe,
    Method,
    Option,
    Options,
    PacketValue,
    Record,
    Region,
    Snapshot,
    Static,
    Union,
    View,
    describe,
)

_CONTEXT: Final = {
    "timestamp": ContextField.TIMESTAMP,
    "port": ContextField.PORT,
    "queue": ContextField.QUEUE,
    "room": ContextField.ROOM,
}


def attribute(scope: Scope, owner: Static, node: ast.Attribute) -> Static:
    """`owner.attr`."""
    name = node.attr
    match owner:
        case Maybe(present=present, inner=inner):
            _require_attribute(scope, inner, node)
            scope.check(present, node, "AttributeError", f"{scope.text(node.value)} is not None")
            return attribute(scope, inner, node)
        case PacketValue():
            return _packet_attribute(scope, node)
        case View():
            return _view_attribute(scope, owner, node)
        case Entry() if maps.has_field(scope, owner, name):
            return records.read_field(scope, owner, name)
        case Entry() if maps.is_rate(scope, owner) and name in mapcalls.RATE_FIELDS:
            return records.read_field(scope, owner, name)
        case Entry() if maps.is_rate(scope, owner) and name in mapcalls.RATE_METHODS:
            return Method(owner, name)
        case Option(kind=kind):
            fields.require_alive(scope, owner.token, node, "TCP option")
            if name == "kind":
                return Integer(kind)
            if name == "length":
                return Integer(regions.size(scope, regions.of_option(owner)))
            return _method(scope, owner, node, calls.REGION_METHODS)
        case Region():
            return _method(scope, owner, node, calls.REGION_METHODS)
        case Snapshot():
            return _method(scope, owner, node, calls.SNAPSHOT_METHODS)
        case Known(obj=obj):
            return _known_attribute(scope, obj, node)
    _refuse_attribute(scope, owner, node)
    raise AssertionError(owner)


def _require_attribute(scope: Scope, owner: Static, node: ast.Attribute) -> None:
    """Refuse a name that `owner` can't have before a check for None is written for it."""
    if isinstance(owner, View) and not _has_attribute(owner, node.attr):
        _refuse_attribute(scope, owner, node)


def _has_attribute(view: View, name: str) -> bool:
    return all(fields.spec_of(kind, name) is not None or hasattr(kind.header, name) for kind in view.kinds)


def _refuse_attribute(scope: Scope, owner: Static, node: ast.Attribute) -> None:
    reason, cure = f"{describe(owner)} has no attribute {node.attr} in a filter", "mend the spelling."
    match owner:
        case View(kinds=[first, *rest]):
            common = [f.name for f in first.header.__header__.fields if all(fields.spec_of(k, f.name) for k in rest)]
            cure = f"{'both have' if rest else 'it has'}: {', '.join(common)}."
        case Entry():
            names = maps.field_names(scope, owner) or sorted(mapcalls.RATE_FIELDS | mapcalls.RATE_METHODS)
            cure = f"it has: {', '.join(names)}."
        case Known(obj=None):
            cure = "test for None before."
        case Address(kind=AddressKind.MAC):
            cure = "compare it with a Mac, or compute with int(address)."
        case Address() | Union():
            cure = "put the networks that you mean into a NetworkSet and test `in`, or compute with int(address)."
        case Record():
            cure = "store it in a map first, and use the entry."
        case Integer():
            cure = "use the operators; an int is just a number here."
    scope.refuse(node, reason, cure)


def _packet_attribute(scope: Scope, node: ast.Attribute) -> Static:
    name = node.attr
    if name in LAYERS:
        return parsing.layer(scope, name)
    if name == "payload":
        return parsing.payload(scope)
    if name == "wire_len":
        return Integer(head.wire_length(scope))
    if name in _CONTEXT:
        return Integer(scope.builder.emit(Context(_CONTEXT[name])))
    if name in calls.PACKET_METHODS:
        return Method(PacketValue(), name)
    known = sorted({*LAYERS, *_CONTEXT, *calls.PACKET_METHODS, "payload", "wire_len"})
    scope.refuse(node, f"the packet has no attribute {name}", f"it has: {', '.join(known)}.")


def _view_attribute(scope: Scope, view: View, node: ast.Attribute) -> Static:
    name = node.attr
    if all(fields.spec_of(kind, name) is not None for kind in view.kinds):
        return fields.read_field(scope, view, name, node)
    if name == "options" and all(kind.header is Tcp for kind in view.kinds):
        fields.use(scope, view, node)
        return Options(scope.add(view.base, Tcp.__header__.size), calls.options_end(scope, view), view.token)
    if name == "update_checksum" and all(hasattr(kind.header, name) for kind in view.kinds):
        if all(kind.layer is not None for kind in view.kinds):
            return Method(view, name)
        scope.refuse(
            node,
            "a view that pkt.at gave knows no pseudo-header: its checksum can't be recomputed",
            "use the view that the packet gives: pkt.tcp, pkt.udp, pkt.ipv4 …",
        )
    _refuse_attribute(scope, view, node)
    raise AssertionError(view)


def _method(scope: Scope, owner: Static, node: ast.Attribute, admitted: frozenset[str]) -> Static:
    if node.attr in admitted:
        return Method(owner, node.attr)
    names = sorted(admitted | {"kind", "length"} if isinstance(owner, Option) else admitted)
    scope.refuse(node, f"{describe(owner)} has no method {node.attr} in a filter", f"it has: {', '.join(names)}.")


def _known_attribute(scope: Scope, obj: Any, node: ast.Attribute) -> Static:
    """An attribute of a module, a class, an enum member or another constant, read now."""
    if isinstance(obj, bytes) and node.attr in calls.SNAPSHOT_METHODS:
        return Method(Known(obj), node.attr)
    if obj is None:
        _refuse_attribute(scope, Known(None), node)
    plain = isinstance(obj, ModuleType | type | Enum | int | tuple) or hasattr(type(obj), "__dataclass_fields__")
    if maps.is_map(Known(obj)):
        if node.attr not in mapcalls.method_names(obj):
            mapcalls.refuse_attribute(scope, node, obj)
        return Method(Known(obj), node.attr)
    if not plain:
        subset.refuse_object_attribute(scope.frame.source, node, obj)
    try:
        return Known(getattr(obj, node.attr))
    except Exception:  # a property of the user's may raise anything
        owner = getattr(obj, "__name__", describe(Known(obj)))
        scope.refuse(node, f"{owner} has no attribute {node.attr}", "mend the spelling.")
