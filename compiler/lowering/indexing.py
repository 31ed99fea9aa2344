"""`x[i]` and `x[i:j]` of packets, regions, snapshots, tuples and maps.

This file must not know: how the owner and the index are evaluated.
"""

from __future__ import annotations

import ast

from nmjit.compiler.ir import BinaryKind, Item, Lookup, Predicate, Value
from nmjit.compiler.lowering import maps, numbers, regions
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import (
    Integer,
    Known,
    Maybe,
    Option,
    PacketValue,
    Region,
    Snapshot,
    Static,
    Tuple,
    describe,
)


def as_region(scope: Scope, value: Static, node: ast.AST) -> Region:
    """The bytes of the packet, a region or an option."""
    match value:
        case Region():
            return regions.use(scope, value, node)
        case Option():
            return regions.use(scope, regions.of_option(value), node)
        case PacketValue():
            return regions.whole_packet(scope)
    scope.refuse(node, f"{describe(value)} can't be sliced", "slice the packet, its payload or a constant.")


def item(scope: Scope, owner: Static, key: Static, node: ast.Subscript) -> Static:
    """`owner[key]`."""
    match owner:
        case PacketValue() | Region() | Option():
            return Integer(_byte(scope, as_region(scope, owner, node), key, node))
        case Snapshot(size=size, value=value):
            return Integer(scope.builder.emit(Item(value, _python_index(scope, key, size, node))))
        case Known(obj=obj) if maps.is_map(owner):
            return maps.read(scope, obj, key, node)
        case Known(obj=tuple() | list() | bytes() as constant):
            return _item_of(scope, owner, [Known(each) for each in constant], key, node)
        case Tuple(items=items):
            return _item_of(scope, owner, list(items), key, node)
    scope.refuse(node, f"{describe(owner)} can't be indexed", "index the packet, a region, a tuple or a map.")


def _byte(scope: Scope, region: Region, key: Static, node: ast.Subscript) -> Value:
    index = numbers.as_int(scope, key, node.slice, missing="AttributeError")
    refuse_negative(scope, key, node.slice)
    guard = f"{scope.text(node.slice)} < len({scope.text(node.value)})"
    return regions.load_int(scope, region, index, 1, node, guard)


def refuse_negative(scope: Scope, key: Static, node: ast.AST) -> None:
    """Refuse an index that counts from the end, as packets do not have."""
    if isinstance(key, Known) and isinstance(key.obj, int) and key.obj < 0:
        scope.refuse(node, "a negative index never lies in a packet", "count from the start, or use len(pkt) - n.")


def _python_index(scope: Scope, key: Static, count: int, node: ast.Subscript) -> Value:
    """Index into something of fixed length; a negative one counts from the end, as in Python."""
    index = numbers.as_int(scope, key, node.slice)
    negative = scope.compare(Predicate.LT, index, 0)
    index = scope.builder.select(negative, scope.add(index, count), index)
    inside = scope.binary(
        BinaryKind.AND, scope.compare(Predicate.GE, index, 0), scope.compare(Predicate.LT, index, count)
    )
    scope.check(inside, node, "IndexError", f"{-count} <= {scope.text(node.slice)} < {count}")
    return index


def _item_of(scope: Scope, owner: Static, items: list[Static], key: Static, node: ast.Subscript) -> Static:
    """An item of a tuple; by an index known only at run time where all of them are constant ints."""
    if isinstance(key, Known) and isinstance(key.obj, int):
        if -len(items) <= key.obj < len(items):
            return items[key.obj]
        reason = f"{describe(owner)} of {len(items)} items has none of number {key.obj}"
        scope.refuse(node, reason, "mend the index.")
    known = [each.obj for each in items if isinstance(each, Known) and isinstance(each.obj, int)]
    if not items or len(known) < len(items) or not all(map(numbers.in_window, known)):
        scope.refuse(
            node,
            "a tuple that holds other things than constant ints is indexed by a value known only at run time",
            "loop over the tuple itself: for item in ITEMS.",
        )
    index = _python_index(scope, key, len(items), node)
    table = scope.builder.value_table("items", [int(each) for each in known])
    return Integer(scope.builder.emit(Lookup(index, table)))


Bounds = tuple[Static | None, Static | None]
"""The evaluated bounds of a slice, None for one that is left out."""


def slice_of(scope: Scope, owner: Static, bounds: Bounds, node: ast.Subscript, written: ast.Slice) -> Static:
    """`owner[i:j]`."""
    known = all(bound is None or isinstance(bound, Known) for bound in bounds)
    if isinstance(owner, Known) and isinstance(owner.obj, bytes | tuple | list) and known:
        lower, upper = (bound.obj if isinstance(bound, Known) else None for bound in bounds)
        if not all(isinstance(bound, int | None) for bound in (lower, upper)):
            scope.refuse(written, "the bounds of a slice are ints", "give it ints.")
        return Known(owner.obj[lower:upper])
    region = as_region(scope, owner, node)
    start, stop = region_bounds(scope, region, bounds, written)
    lower_text = scope.text(written.lower) if written.lower else "0"
    upper_text = scope.text(written.upper) if written.upper else f"len({scope.text(node.value)})"
    guard = f"0 <= {lower_text} <= {upper_text} <= len({scope.text(node.value)})"
    return regions.slice_of(scope, region, start, stop, node, guard)


def region_bounds(scope: Scope, region: Region, bounds: Bounds, written: ast.Slice) -> tuple[Value, Value]:
    """Start and stop as written, or the region's own."""
    values: list[Value | None] = []
    for bound, node in zip(bounds, (written.lower, written.upper), strict=True):
        if bound is None or node is None:
            values.append(None)
            continue
        if isinstance(bound, Maybe):
            scope.refuse(node, "a bound of a slice may be None here", "test for None before.")
        refuse_negative(scope, bound, node)
        values.append(numbers.as_int(scope, bound, node))
    start, stop = values
    return (
        start if start is not None else scope.const(0),
        stop if stop is not None else regions.size(scope, region),
    )
