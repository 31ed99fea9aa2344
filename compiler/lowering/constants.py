"""Python objects that are known when the filter is compiled: which of them a filter may use, and iteration over them.

This file must not know: where such an object was named.
"""

from __future__ import annotations

import ast
from ipaddress import IPv6Address
from typing import Any, Final

from nmjit import Array, Bloom, Counter, Events, HashMap, Histogram, LpmTrie, LruHashMap
from nmjit.compiler.irtypes import MapKind
from nmjit.compiler.lowering.numbers import Demand, in_window
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import Known, Region, Snapshot, Static, Tuple, describe

KINDS: Final[dict[type[Any], MapKind]] = {
    Array: MapKind.ARRAY,
    Counter: MapKind.COUNTER,
    Histogram: MapKind.HISTOGRAM,
    HashMap: MapKind.HASH,
    LruHashMap: MapKind.LRU,
    LpmTrie: MapKind.LPM,
    Bloom: MapKind.BLOOM,
    Events: MapKind.EVENTS,
}
"""What the IR calls the classes of maps."""
MAX_ITEMS: Final = 1024
"""Most items of a constant that a loop is written out for."""
MAX_OPS: Final = 60_000
"""Most ops of one filter: past it, written-out loops have grown beyond what a compiler should be asked."""


def admit(scope: Scope, node: ast.AST, obj: Any, demand: Demand) -> Known:
    """`obj` as a value at `node`, refused where compiled code would take it for something else."""
    if isinstance(obj, int) and not in_window(obj):
        if demand is Demand.MODULAR:
            return Known(obj & (1 << 64) - 1)
        if demand is Demand.EXACT or obj.bit_length() > 128:
            scope.refuse(
                node,
                "this number lies outside -2**63 ... 2**64-1, the integers of a filter",
                "use a smaller number, or split it in two.",
            )
    refuse_scope_id(scope, node, obj)
    return Known(obj)


def refuse_scope_id(scope: Scope, node: ast.AST, obj: object) -> None:
    """Refuse an IPv6 address with a scope id, which no packet carries."""
    if isinstance(obj, IPv6Address) and obj.scope_id is not None:
        scope.refuse(
            node, f"the address {obj} has a scope id, which packets do not carry", "leave out the part from %."
        )


def constant_items(scope: Scope, iterable: Static, node: ast.AST) -> list[Static]:
    """The items of a constant or of a tuple, for a loop that is written out."""
    if sum(len(block.ops) for block in scope.builder.function.blocks) > MAX_OPS:
        scope.refuse(node, "the loops over constants make this filter too large", "use smaller constants.")
    match iterable:
        case Tuple(items=items):
            return list(items)
        case Known(obj=tuple() | list() | range() | bytes() as constant):
            _refuse_too_long(scope, constant, node)
            return [Known(item) for item in constant]
        case Known(obj=set() | frozenset()):
            scope.refuse(
                node, "a set has no order to loop in", "make it a tuple at the top of the module: tuple(sorted(SET))."
            )
        case Known(obj=obj) if type(obj) in KINDS:
            cure = "loop over it from outside, through the live map."
            scope.refuse(node, "a filter sees the entries of a map one by one, under keys", cure)
        case Region() | Snapshot():
            scope.refuse(
                node, "a loop does not run over bytes of the packet", "loop over range(…) and index: payload[i]."
            )
    scope.refuse(
        node,
        f"{describe(iterable)} is no constant to iterate over",
        "iterate over a tuple of the module, range(…) or tcp.options.",
    )


def _refuse_too_long(scope: Scope, constant: tuple[Any, ...] | list[Any] | range | bytes, node: ast.AST) -> None:
    if isinstance(constant, range):
        count = max(0, -(-(constant.stop - constant.start) // constant.step))  # len() fails on a very long one
    else:
        count = len(constant)
    if count > MAX_ITEMS:
        scope.refuse(
            node,
            f"a constant of {count} items is too long to loop over; {MAX_ITEMS} are the limit",
            "test membership with `in`, or put networks in a NetworkSet.",
        )
