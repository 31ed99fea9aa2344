"""Maps whose entries come and go: look-up, insertion and deletion in HashMap, LruHashMap and LpmTrie.

An entry found is an index of which the ops before have shown that it is none below 0. The definition of each kind is
in lang/; docs/semantics.md, Maps, says what is touched. This file must not know: how a map is named or a key written.
"""

from __future__ import annotations

from typing import Any

from nmjit.compiler.ir import (
    BloomTest,
    LpmFind,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Predicate,
    Value,
)
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.keys import Key, hashed, parts
from nmjit.compiler.lowering.scope import Scope, with_value
from nmjit.compiler.lowering.values import Integer

BARE = ""
"""Field name of an entry that is a bare integer."""


def find(scope: Scope, decl: MapDecl, obj: Any, key: Key, *, touch: bool) -> Value:
    """Index of the entry of `key`, below 0 where there is none."""
    if decl.kind is MapKind.LPM:
        [address] = parts(scope, decl, obj, key)
        return scope.builder.emit(LpmFind(decl, address))
    packed, hash_ = hashed(scope, decl, obj, key)
    return scope.builder.emit(MapFind(decl, packed, hash_, touch))


def is_entry(scope: Scope, index: Value) -> Value:
    """Whether a look-up has found an entry."""
    return scope.compare(Predicate.GE, index, 0)


def holds(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> Value:
    """Whether the key is in a table or a Bloom filter."""
    if decl.kind is MapKind.BLOOM:
        return scope.builder.emit(BloomTest(decl, hashed(scope, decl, obj, key)[1]))
    return is_entry(scope, find(scope, decl, obj, key, touch=False))


def require(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> Value:
    """Index of the entry of `key`; KeyError where there is none."""
    index = find(scope, decl, obj, key, touch=True)
    guard = f"{scope.text(key.written)} in {decl.name}"
    scope.check(is_entry(scope, index), key.node, "KeyError", guard)
    return index


def store(scope: Scope, decl: MapDecl, obj: Any, key: Key, values: list[Value]) -> None:
    """`m[key] = …`: into the entry that is there, else into a new one; MapFull where there is no room."""
    scope.map_writes += 1
    packed, hash_ = hashed(scope, decl, obj, key)
    index = scope.builder.emit(MapFind(decl, packed, hash_, touch=True))
    there, missing = scope.fork(is_entry(scope, index), expected=True)
    scope.at(there)
    overwrite(scope, decl, index, values)
    there = scope.here()
    scope.at(missing)
    _insert(scope, decl, packed, hash_, values, key)
    merge(scope, [there, scope.here()], "stored")


def overwrite(scope: Scope, decl: MapDecl, index: Value, values: list[Value]) -> None:
    """Set all fields of an entry."""
    scope.map_writes += 1
    for field, value in zip(decl.layout.fields, values, strict=True):
        scope.builder.emit(MapStore(decl, index, field.name, value))


def set_default(scope: Scope, decl: MapDecl, obj: Any, key: Key, values: list[Value]) -> Value:
    """Index of the entry of `key`, made of `values` where it is missing; MapFull where there is no room."""
    scope.map_writes += 1
    packed, hash_ = hashed(scope, decl, obj, key)
    index = scope.builder.emit(MapFind(decl, packed, hash_, touch=True))
    there, missing = scope.fork(is_entry(scope, index), expected=True)
    scope.at(missing)
    made = _insert(scope, decl, packed, hash_, values, key)
    joined = merge(scope, [with_value(there, Integer(index)), scope.here(Integer(made))], "entry")
    assert isinstance(joined, Integer)
    return joined.value


def _insert(scope: Scope, decl: MapDecl, packed: Value, hash_: Value, values: list[Value], key: Key) -> Value:
    index = scope.builder.emit(MapInsert(decl, packed, hash_, tuple(values)))
    scope.check(is_entry(scope, index), key.node, "MapFull", f"room in {decl.name}")
    return index


def delete(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> None:
    """`del m[key]`; KeyError where there is none."""
    scope.map_writes += 1
    packed, hash_ = hashed(scope, decl, obj, key)
    was_there = scope.builder.emit(MapDelete(decl, packed, hash_))
    scope.check(was_there, key.node, "KeyError", f"{decl.name}.pop({scope.text(key.written)}, None) in its place")


def discard(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> None:
    """`m.pop(key, None)` whose value nobody wants."""
    scope.map_writes += 1
    packed, hash_ = hashed(scope, decl, obj, key)
    scope.builder.emit(MapDelete(decl, packed, hash_))


def load_bare(scope: Scope, decl: MapDecl, index: Value) -> Value:
    """The integer in entry `index`."""
    return scope.builder.emit(MapLoad(decl, index, BARE))
