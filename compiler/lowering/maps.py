"""Maps in a filter: how a map object becomes a declaration, and reading and writing its entries.

The definition of each kind is in lang/; what each takes part in is the table of docs/semantics.md, Maps. Entries that
come and go are the matter of tables.py, methods that of mapcalls.py. This file must not know: where memory lies.
"""

from __future__ import annotations

import ast
from typing import Any, Final

from nmjit import RateLimit
from nmjit._struct import StoredKind
from nmjit.compiler.ir import BinaryKind, MapAdd, MapStore, Predicate, Value
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.lowering import tables
from nmjit.compiler.lowering.constants import KINDS
from nmjit.compiler.lowering.keys import Key
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.records import Wanted, kind_of, stored_fields, struct_of, taken
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.tables import BARE, overwrite
from nmjit.compiler.lowering.values import Entry, Integer, Known, Maybe, Record, Static, describe

MapObject = Any
"""A map of the module, of a class in KINDS."""
GROWING: Final = frozenset({MapKind.HASH, MapKind.LRU})
"""Kinds into which a filter puts keys, and from which it deletes them."""
_TABLES: Final = GROWING | {MapKind.LPM}
_KEYED: Final = _TABLES | {MapKind.BLOOM}
_INDEXED: Final = frozenset({MapKind.ARRAY, MapKind.COUNTER})
_NO_ENTRIES: Final = {
    MapKind.HISTOGRAM: "count a value with add: {name}.add(value).",
    MapKind.BLOOM: "use {name}.add(key), and `key in {name}`.",
    MapKind.EVENTS: "send a record with emit: {name}.emit(…).",
}


def is_map(static: Static) -> bool:
    """Whether `static` is a map object."""
    return isinstance(static, Known) and type(static.obj) in KINDS


def declaration(name: str, obj: MapObject) -> MapDecl:
    """The IR's declaration of a map object that the module calls `name`."""
    kind = KINDS[type(obj)]
    members = tuple((field.name, Scalar(field.width.bits // 8, field.width.signed)) for field in obj.fields)
    spec = obj.key_spec if kind in _KEYED else None
    return MapDecl(
        name,
        kind,
        Layout.of(members),
        obj.capacity,
        obj.key_base if kind in _INDEXED else 0,
        spec.sizes if spec is not None else (),
        obj.detail if kind is MapKind.HISTOGRAM else 0,
        spec.names if spec is not None else (),
        tuple(field.kind.value for field in obj.fields),
    )


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


def with_entries(scope: Scope, obj: MapObject, node: ast.AST) -> MapDecl:
    """The declaration of a map that has entries for a filter to read and write; refused where it has none."""
    decl = declared(scope, obj, node)
    if decl.kind in _NO_ENTRIES:
        cure = _NO_ENTRIES[decl.kind].format(name=decl.name)
        scope.refuse(node, f"a filter reaches no single entry of {describe(Known(obj))}", cure)
    return decl


def is_bare(decl: MapDecl) -> bool:
    """Whether the map's values are integers."""
    return decl.layout.fields[0].name == BARE


def _index(scope: Scope, decl: MapDecl, key: Key) -> Value:
    """Index into an Array or a Counter; IndexError or KeyError where it has no such entry."""
    exception = "KeyError" if decl.kind is MapKind.COUNTER else "IndexError"
    missing = "KeyError" if decl.kind is MapKind.COUNTER else "AttributeError"
    value = as_int(scope, key.static, key.written, missing=missing)
    index = value if decl.key_base == 0 else scope.add(value, -decl.key_base)
    inside = scope.binary(
        BinaryKind.AND, scope.compare(Predicate.GE, index, 0), scope.compare(Predicate.LT, index, decl.capacity)
    )
    first, last = decl.key_base, decl.key_base + decl.capacity - 1
    scope.check(inside, key.node, exception, f"{first} <= {scope.text(key.written)} <= {last}")
    return index


def entry(scope: Scope, decl: MapDecl, obj: MapObject, key: Key) -> Value:
    """Index of the entry of `key`, which is there, or its exception has been raised."""
    if decl.kind in _TABLES:
        return tables.require(scope, decl, obj, key)
    return _index(scope, decl, key)


def value_at(scope: Scope, decl: MapDecl, index: Value) -> Static:
    """What a reader of an entry is given: an int, or a reference to a struct."""
    return Integer(tables.load_bare(scope, decl, index)) if is_bare(decl) else Entry(decl, index)


def read(scope: Scope, obj: MapObject, key: Static, node: ast.Subscript) -> Static:
    """`m[key]`."""
    decl = with_entries(scope, obj, node)
    return value_at(scope, decl, entry(scope, decl, obj, Key(key, node, node.slice)))


def write(scope: Scope, obj: MapObject, key: Static, value: Static, node: ast.Subscript) -> None:
    """`m[key] = value`, wrapped."""
    decl = with_entries(scope, obj, node)
    if decl.kind is MapKind.LPM:
        change = f"{decl.name}[key] += n." if is_bare(decl) else f"{decl.name}[key].field = …"
        cure = f"fill it from outside; in a filter, change the entry that an address finds: {change}"
        scope.refuse(node, "a filter puts no networks into an LpmTrie", cure)
    if decl.kind in _TABLES:
        values = stored_values(scope, decl, obj, value, node)
        tables.store(scope, decl, obj, Key(key, node, node.slice), values)
        return
    if is_bare(decl):
        _refuse_none(scope, value, node)
        index = _index(scope, decl, Key(key, node, node.slice))
        overwrite(scope, decl, index, [as_int(scope, value, node)])
        return
    values = stored_values(scope, decl, obj, value, node)
    overwrite(scope, decl, _index(scope, decl, Key(key, node, node.slice)), values)


def _refuse_none(scope: Scope, value: Static, node: ast.AST) -> None:
    if isinstance(value, Maybe):
        scope.refuse(node, f"the value stored is {describe(value)}", "test for None before.")


def stored_values(scope: Scope, decl: MapDecl, obj: MapObject, value: Static, node: ast.AST) -> list[Value]:
    """What the fields of an entry that holds `value` are, not wrapped yet. Refused where it is no value of the map."""
    _refuse_none(scope, value, node)
    struct = struct_of(obj)
    if struct is None:
        if isinstance(value, Record | Entry):
            scope.refuse(node, f"{decl.name} holds ints, not {describe(value)}", "store one of its fields.")
        return [as_int(scope, value, node)]
    found = stored_fields(scope, value, struct, node)
    if found is None:
        kind = describe(Known(obj)).partition(" ")[2]
        scope.refuse(
            node, f"this {kind} holds {struct.__name__}, not {describe(value)}", f"store a {struct.__name__}(…)."
        )
    return found


def delete(scope: Scope, obj: MapObject, key: Static, node: ast.Subscript) -> None:
    """`del m[key]`."""
    decl = declared(scope, obj, node)
    if decl.kind not in GROWING:
        cure = "store 0 in it." if decl.kind in _INDEXED else "do so from outside, through the live map."
        scope.refuse(node, f"a filter deletes nothing from {describe(Known(obj))}", cure)
    tables.delete(scope, decl, obj, Key(key, node, node.slice))


def has_pop(obj: object) -> bool:
    """Whether `obj` is a map from which a filter can take entries."""
    return KINDS.get(type(obj)) in GROWING


def discard(scope: Scope, obj: MapObject, key: Static, node: ast.expr) -> None:
    """`m.pop(key, None)`, a statement."""
    tables.discard(scope, declared(scope, obj, node), obj, Key(key, node, node))


def contains(scope: Scope, obj: MapObject, key: Static, node: ast.AST, written: ast.expr) -> Value:
    """`key in m`, which touches nothing."""
    decl = declared(scope, obj, node)
    if decl.kind not in _KEYED:
        cure = "read the entry: every key is present." if decl.kind in _INDEXED else "ask from outside."
        scope.refuse(node, f"`in` does not work on {describe(Known(obj))}", cure)
    return tables.holds(scope, decl, obj, Key(key, node, written))


def add(scope: Scope, obj: MapObject, key: Static, node: ast.Subscript) -> tuple[MapDecl, Value]:
    """Where `m[key] += n` adds: the entry is found, and read, before n is evaluated."""
    decl = with_entries(scope, obj, node)
    if not is_bare(decl):
        scope.refuse(node, "a struct has no +=", "add to one of its fields: m[key].field += n.")
    return decl, entry(scope, decl, obj, Key(key, node, node.slice))


def emit_add(scope: Scope, decl: MapDecl, index: Value, field: str, amount: Value) -> None:
    """One indivisible addition to a field of an entry."""
    scope.map_writes += 1
    scope.builder.emit(MapAdd(decl, index, field, amount))


def write_field(scope: Scope, reference: Entry, name: str, value: Static, node: ast.AST) -> None:
    """`entry.name = value`, wrapped."""
    scope.map_writes += 1
    wanted = Wanted(kind_of(scope, reference, name), f"the field {name}")
    if isinstance(value, Maybe):
        scope.check(value.present, node, "TypeError", "the value stored is not None")
        value = value.inner
    number = taken(scope, wanted, value, node)
    scope.builder.emit(MapStore(reference.map, reference.index, name, number))


def has_field(scope: Scope, reference: Entry, name: str) -> bool:
    """Whether a filter may read and write a field of that name."""
    return name in field_names(scope, reference)


def field_names(scope: Scope, reference: Entry) -> list[str]:
    """The fields of the entry that a filter may read and write; a RateLimit's are its own."""
    if is_rate(scope, reference):
        return []
    return [field.name for field in reference.map.layout.fields]


def is_rate(scope: Scope, reference: Entry) -> bool:
    """Whether the entry is a RateLimit."""
    return struct_of(scope.declared.map_objects[reference.map.name]) is RateLimit


def adds(scope: Scope, reference: Entry, name: str) -> bool:
    """Whether `entry.name += n` is an addition of integers."""
    return has_field(scope, reference, name) and kind_of(scope, reference, name) is StoredKind.INT
