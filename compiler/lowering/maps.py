"""Maps in a filter: how a map object becomes a declaration, and reading and writing its entries.

The definition of each kind is lang/_maps.py. This file must not know: where a map's memory lies.
"""

from __future__ import annotations

import ast
from typing import Any

from nmjit import Array, Counter
from nmjit.compiler.ir import BinaryKind, MapAdd, MapLoad, MapStore, Predicate, Value
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import Entry, Integer, Known, Maybe, Record, Static, describe

MapObject = Array[Any] | Counter[Any]
BARE = ""
"""Field name of an entry that is a bare integer."""


def declaration(name: str, obj: MapObject) -> MapDecl:
    """The IR's declaration of a map object that the module calls `name`."""
    members = tuple((field.name, Scalar(field.width.bits // 8, field.width.signed)) for field in obj.fields)
    kind = MapKind.COUNTER if isinstance(obj, Counter) else MapKind.ARRAY
    return MapDecl(name, kind, Layout.of(members), obj.capacity, obj.key_base)


def declared(scope: Scope, obj: MapObject, node: ast.AST) -> MapDecl:
    """The declaration of `obj`, made at its first use."""
    known = scope.declared.maps.get(id(obj))
    if known is None:
        name = next((name for name, value in scope.frame.globals.items() if value is obj), None)
        if name is None:
            scope.refuse(node, "this map has no name", "assign it to a name at the top of the module.")
        if name in scope.declared.map_objects:
            scope.refuse(node, f"two maps of this filter are called {name}", "rename the one in the other module.")
        known = declaration(name, obj)
        scope.declared.maps[id(obj)] = known
        scope.declared.map_objects[name] = obj
    return known


def _index(scope: Scope, decl: MapDecl, key: Static, node: ast.Subscript) -> Value:
    exception = "KeyError" if decl.kind is MapKind.COUNTER else "IndexError"
    value = as_int(scope, key, node.slice, missing="KeyError" if decl.kind is MapKind.COUNTER else "AttributeError")
    index = value if decl.key_base == 0 else scope.add(value, -decl.key_base)
    inside = scope.binary(
        BinaryKind.AND, scope.compare(Predicate.GE, index, 0), scope.compare(Predicate.LT, index, decl.capacity)
    )
    first, last = decl.key_base, decl.key_base + decl.capacity - 1
    scope.check(inside, node, exception, f"{first} <= {scope.text(node.slice)} <= {last}")
    return index


def _is_bare(decl: MapDecl) -> bool:
    return decl.layout.fields[0].name == BARE


def read(scope: Scope, obj: MapObject, key: Static, node: ast.Subscript) -> Static:
    """`m[key]`: an int, or a reference to a struct."""
    decl = declared(scope, obj, node)
    index = _index(scope, decl, key, node)
    if _is_bare(decl):
        return Integer(scope.builder.emit(MapLoad(decl, index, BARE)))
    return Entry(decl, index)


def write(scope: Scope, obj: MapObject, key: Static, value: Static, node: ast.Subscript) -> None:
    """`m[key] = value`, wrapped."""
    decl = declared(scope, obj, node)
    if _is_bare(decl):
        if isinstance(value, Maybe):
            scope.refuse(node, f"the value stored is {describe(value)}", "test for None before.")
        index = _index(scope, decl, key, node)
        _emit_write(scope, MapStore(decl, index, BARE, as_int(scope, value, node)))
        return
    assert isinstance(obj, Array)
    if isinstance(value, Record) and value.struct is obj._record:
        items = [as_int(scope, item, node) for item in value.items]
    elif isinstance(value, Entry) and value.map.layout == decl.layout and _same_struct(scope, value.map, obj):
        items = [scope.builder.emit(MapLoad(value.map, value.index, f.name)) for f in decl.layout.fields]
    else:
        wanted = obj._record.__name__ if obj._record is not None else "int"
        scope.refuse(node, f"this Array holds {wanted}, not {describe(value)}", f"store a {wanted}(…).")
    index = _index(scope, decl, key, node)
    for field, item in zip(decl.layout.fields, items, strict=True):
        _emit_write(scope, MapStore(decl, index, field.name, item))


def _emit_write(scope: Scope, op: MapStore | MapAdd) -> None:
    scope.map_writes += 1
    scope.builder.emit(op)


def _same_struct(scope: Scope, decl: MapDecl, obj: MapObject) -> bool:
    other = scope.declared.map_objects[decl.name]
    return isinstance(obj, Array) and isinstance(other, Array) and other._record is obj._record


def add(scope: Scope, obj: MapObject, key: Static, node: ast.Subscript) -> tuple[MapDecl, Value]:
    """Where `m[key] += n` adds: the entry is found, and read, before n is evaluated."""
    decl = declared(scope, obj, node)
    if not _is_bare(decl):
        scope.refuse(node, "a struct has no +=", "add to one of its fields: m[key].field += n.")
    return decl, _index(scope, decl, key, node)


def emit_add(scope: Scope, decl: MapDecl, index: Value, field: str, amount: Value) -> None:
    """One indivisible addition to a field of an entry."""
    _emit_write(scope, MapAdd(decl, index, field, amount))


def read_field(scope: Scope, entry: Entry, name: str) -> Static:
    """`entry.name`."""
    return Integer(scope.builder.emit(MapLoad(entry.map, entry.index, name)))


def write_field(scope: Scope, entry: Entry, name: str, value: Static, node: ast.AST) -> None:
    """`entry.name = value`, wrapped."""
    number = as_int(scope, value, node, missing="AttributeError")
    _emit_write(scope, MapStore(entry.map, entry.index, name, number))


def has_field(entry: Entry, name: str) -> bool:
    """Whether the struct has a field of that name."""
    return name != BARE and any(field.name == name for field in entry.map.layout.fields)


def is_map(static: Static) -> bool:
    """Whether `static` is a map object."""
    return isinstance(static, Known) and isinstance(static.obj, Array | Counter)
