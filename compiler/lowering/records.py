"""Values of declared types: what the fields of a struct, the entries of a map and the parts of a key take and give.

Source: lang/_struct.py, whose `StoredKind` says what a stored integer stands for. This file must not know: how an
entry was found.
"""

from __future__ import annotations

import ast
from typing import Any, Final, NamedTuple

from nmjit._struct import Record as StructObject
from nmjit._struct import StoredKind, StructSpec
from nmjit._values import ValueSpec
from nmjit.compiler.ir import MapLoad, Predicate, Value
from nmjit.compiler.lowering.join import to_integer
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import (
    Address,
    AddressKind,
    Boolean,
    Entry,
    Integer,
    Known,
    Maybe,
    Record,
    Snapshot,
    Static,
    Union,
    describe,
)

_ADDRESSES: Final = {
    StoredKind.IPV4: AddressKind.IPV4,
    StoredKind.IPV6: AddressKind.IPV6,
    StoredKind.MAC: AddressKind.MAC,
}


class Wanted(NamedTuple):
    """A declared type, and what is of it, for messages: `Flow.packets`, `the key of FLOWS`."""

    kind: StoredKind
    what: str


def given(scope: Scope, kind: StoredKind, value: Value) -> Static:
    """What reading a field yields of which `value` is stored."""
    if kind is StoredKind.INT:
        return Integer(value)
    if kind is StoredKind.BOOL:
        return Boolean(scope.compare(Predicate.NE, value, 0))
    return Address(_ADDRESSES[kind], value)


def default(kind: StoredKind, stored: Any) -> Known:
    """The default of a field, of which `stored` is kept."""
    return Known(kind.present(stored))


def taken(scope: Scope, wanted: Wanted, static: Static, node: ast.AST) -> Value:
    """What is stored for `static`, not wrapped yet. Refused where it is, or may be, of another type."""
    kind = wanted.kind
    match static:
        case Maybe():
            scope.refuse(node, f"{wanted.what} takes {_one(kind)}, and this may be None", "test for None before.")
        case Integer() | Boolean() | Known(obj=int()) if kind is StoredKind.INT:
            return as_int(scope, static, node)
        case Boolean(value=value) if kind is StoredKind.BOOL:
            return to_integer(scope, value)
        case Address(kind=held, value=value) if _ADDRESSES.get(kind) is held:
            return value
        case Known(obj=obj) if kind is not StoredKind.INT and type(obj) is kind.type:
            return scope.const(int(obj))
    scope.refuse(node, f"{wanted.what} takes {_one(kind)}, not {describe(static)}", _cure(kind, static))


def _one(kind: StoredKind) -> str:
    return f"{'an' if kind.value[0] in 'iI' else 'a'} {kind.value}"


def _cure(kind: StoredKind, static: Static) -> str:
    match static:
        case Union():
            return "go by the version first, if ip := pkt.ipv4, and take the address of that header."
        case Address() if kind is StoredKind.INT:
            return "write int(address), or declare it as an address."
        case Snapshot() if kind is StoredKind.INT:
            return "read an integer: pkt[i], pkt.u16(i) or pkt.u32(i)."
        case Known(obj=str() | int() as obj) if kind in _ADDRESSES:
            return f"write {kind.value}({obj!r})."
        case Integer() | Known(obj=int()) if kind is StoredKind.BOOL:
            return "compare it with something: x != 0."
    return f"give it {_one(kind)}."


def struct_of(obj: Any) -> type[StructObject] | None:
    """The class of a map's values, None where they are bare integers or it has none."""
    spec = getattr(obj, "_spec", None)
    return spec.record if isinstance(spec, ValueSpec) else None


def kind_of(scope: Scope, entry: Entry, name: str) -> StoredKind:
    """What field `name` of an entry stands for."""
    fields: StructSpec = scope.declared.map_objects[entry.map.name].fields
    return next(field.kind for field in fields if field.name == name)


def read_field(scope: Scope, entry: Entry, name: str) -> Static:
    """`entry.name`."""
    return given(scope, kind_of(scope, entry, name), scope.builder.emit(MapLoad(entry.map, entry.index, name)))


def stored_fields(scope: Scope, static: Static, struct: type[StructObject], node: ast.AST) -> list[Value] | None:
    """What is stored of an object of class `struct`, new or in a map: one value a field, not wrapped yet.

    None where `static` is no such object.
    """
    match static:
        case Record(struct=cls, items=items) if cls is struct:
            wanted = (Wanted(field.kind, f"{struct.__name__}.{field.name}") for field in struct.__struct__)
            return [taken(scope, want, item, node) for want, item in zip(wanted, items, strict=True)]
        case Entry(map=decl, index=index) if struct_of(scope.declared.map_objects[decl.name]) is struct:
            return [scope.builder.emit(MapLoad(decl, index, field.name)) for field in decl.layout.fields]
    return None
