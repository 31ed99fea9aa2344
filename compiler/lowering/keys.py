"""Keys: a value of a filter as the packed key of a map, and its hash.

Source: lang/_keys.py, lang/_hash.py. A part that is an integer is checked to lie within its width, where CPython raises
too: once all operands of the operation are evaluated. This file must not know: what is done with the key.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from nmjit._ints import Width
from nmjit._keys import KeyPart
from nmjit._struct import StoredKind
from nmjit.compiler.ir import BinaryKind, KeyHash, Load, PackKey, Predicate, Value, Wrap
from nmjit.compiler.irtypes import MapDecl, Scalar
from nmjit.compiler.lowering.records import Wanted, stored_fields, taken
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import Known, Maybe, Static, Tuple, describe


class Key(NamedTuple):
    """The key of one operation. `node` is the operation, at which a check raises; `written` the key's expression."""

    static: Static
    node: ast.AST
    written: ast.expr


def hashed(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> tuple[Value, Value]:
    """The packed key and its hash; OverflowError where an integer part does not fit its width."""
    packed = scope.builder.emit(PackKey(tuple(parts(scope, decl, obj, key)), decl.key))
    return packed, scope.builder.emit(KeyHash(decl, packed))


def parts(scope: Scope, decl: MapDecl, obj: Any, key: Key) -> list[Value]:
    """The parts of the key as integers, each within its width."""
    spec = obj.key_spec
    if isinstance(key.static, Maybe):
        scope.refuse(key.written, f"the key of {decl.name} may be None here", "test for None before.")
    if spec.record is not None:
        return _fields(scope, decl, spec.record, key)
    items = _items(scope, decl, spec.parts_of, key) if spec.is_tuple else (key.static,)
    what = f"part {{}} of the key of {decl.name}" if spec.is_tuple else f"the key of {decl.name}"
    wanted = [Wanted(part.kind, what.format(number)) for number, part in enumerate(spec.parts_of, 1)]
    written = _written(key, len(items))
    values = [taken(scope, *each) for each in zip(wanted, items, written, strict=True)]
    for part, want, value, item, node in zip(spec.parts_of, wanted, values, items, written, strict=True):
        if part.kind is StoredKind.INT:
            _require_width(scope, part, want, (item, value), key, node)
    return values


def _fields(scope: Scope, decl: MapDecl, record: type[Any], key: Key) -> list[Value]:
    """The fields of a struct, which wrapped when they were stored into it."""
    found = stored_fields(scope, key.static, record, key.written)
    if found is None:
        name = record.__name__
        scope.refuse(key.written, f"a key of {decl.name} is a {name}, not {describe(key.static)}", f"write {name}(…).")
    return found


def _items(scope: Scope, decl: MapDecl, declared: tuple[KeyPart, ...], key: Key) -> tuple[Static, ...]:
    """The items of a tuple of as many."""
    match key.static:
        case Tuple(items=items) if len(items) == len(declared):
            return items
        case Known(obj=tuple() as known) if len(known) == len(declared):
            return tuple(Known(item) for item in known)
    names = ", ".join(part.name for part in declared)
    found = describe(key.static)
    if isinstance(key.static, Tuple) or (isinstance(key.static, Known) and isinstance(key.static.obj, tuple)):
        found = "one of another length"
    reason = f"a key of {decl.name} is a tuple of {len(declared)}, this is {found}"
    scope.refuse(key.written, reason, f"write ({names}) in this order.")


def _written(key: Key, count: int) -> list[ast.expr]:
    """The expressions of the items, where they are written out."""
    if isinstance(key.written, ast.Tuple) and len(key.written.elts) == count:
        return key.written.elts
    return [key.written] * count


def _require_width(
    scope: Scope, part: KeyPart, wanted: Wanted, given: tuple[Static, Value], key: Key, written: ast.expr
) -> None:
    item, value = given
    width = part.width
    if isinstance(item, Known):
        if item.obj not in width:
            reason = f"{wanted.what} is a {part.name}, which does not hold {int(item.obj)}"
            scope.refuse(written, reason, f"keep it within {width.minimum} ... {width.maximum}.")
        return
    if isinstance(value, Load | Wrap) and _always_within(value, width):
        return
    inside = scope.binary(
        BinaryKind.AND,
        scope.compare(Predicate.GE, value, width.minimum),
        scope.compare(Predicate.LE, value, width.maximum),
    )
    guard = f"{width.minimum} <= {scope.text(written)} <= {width.maximum}"
    scope.check(inside, key.node, "OverflowError", guard)


def _always_within(value: Load | Wrap, width: Width) -> bool:
    """Whether the op itself keeps to the width: most keys are fields of a header, and need no check to be removed."""
    scalar = Scalar(value.size) if isinstance(value, Load) else value.scalar
    held = Width(8 * scalar.size, scalar.signed)
    return held.minimum in width and held.maximum in width
