"""`in`: collections, ranges, networks, and bytes within bytes.

This file must not know: how operands are written or evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from nmjit import NetworkSet
from nmjit.compiler.ir import BinaryKind, InSet, Predicate, Value
from nmjit.compiler.lowering import maps, regions
from nmjit.compiler.lowering.comparison import equal_to_any, for_each_option, may_be_member, where_present
from nmjit.compiler.lowering.constants import refuse_scope_id
from nmjit.compiler.lowering.join import lift
from nmjit.compiler.lowering.numbers import as_int
from nmjit.compiler.lowering.scope import Scope
from nmjit.compiler.lowering.values import (
    Address,
    AddressKind,
    Boolean,
    Integer,
    Known,
    Maybe,
    Option,
    PacketValue,
    Region,
    Snapshot,
    Static,
    Tuple,
    Union,
    describe,
)

_CURE = "use a set, a tuple, a range, a network, a NetworkSet or bytes of the packet."
_KINDS: Final = {4: AddressKind.IPV4, 6: AddressKind.IPV6}
_Networks = IPv4Network | IPv6Network | NetworkSet


def contains(scope: Scope, node: ast.AST, item: Static, container: Static, written: ast.expr) -> Static:
    """`item in container`, the item `written` so: a Known bool or a Boolean."""
    match container:
        case Region() | Option():
            region = regions.of_option(container) if isinstance(container, Option) else container
            return Boolean(scope.compare(Predicate.GE, regions.find(scope, region, item, node), 0))
        case Snapshot():
            return Boolean(scope.compare(Predicate.GE, regions.find_in_snapshot(scope, container, item, node), 0))
        case PacketValue():
            scope.refuse(node, "`in` does not search a packet", 'search its payload, or all of it: b"…" in pkt[:].')
        case Tuple(items=candidates):
            return equal_to_any(scope, node, item, list(candidates))
        case Known(obj=obj) if maps.is_map(container):
            return Boolean(maps.contains(scope, obj, item, node, written))
        case Known(obj=obj):
            return _in_known(scope, node, item, obj)
    scope.refuse(node, f"`in` does not work on {describe(container)}", _CURE)


def _in_known(scope: Scope, node: ast.AST, item: Static, obj: Any) -> Static:
    if isinstance(obj, IPv4Network | IPv6Network | NetworkSet):
        return _in_networks(scope, node, item, obj)
    if isinstance(item, Maybe):
        has_none = isinstance(obj, tuple | list | set | frozenset) and None in obj
        return where_present(scope, item, lambda inner: _in_known(scope, node, inner, obj), has_none, "contained")
    if isinstance(obj, range):
        return _in_range(scope, node, item, obj)
    if isinstance(obj, tuple | list | set | frozenset):
        return _in_collection(scope, node, item, list(obj))
    if isinstance(item, Known) and isinstance(obj, str | bytes):
        try:
            return Known(item.obj in obj)
        except TypeError as error:
            scope.refuse(node, str(error), _CURE)
    cure = 'make it a network: ip_network("…").' if isinstance(obj, str) else _CURE
    scope.refuse(node, f"`in` does not work on {describe(Known(obj))}", cure)


def _in_range(scope: Scope, node: ast.AST, item: Static, obj: range) -> Static:
    value = as_int(scope, item, node)
    if isinstance(item, Known):
        return Known(item.obj in obj)
    if not obj:
        return Known(False)
    low, high = min(obj[0], obj[-1]), max(obj[0], obj[-1])
    inside = _in_ranges(scope, value, [(low, high)])
    if abs(obj.step) == 1:
        return Boolean(inside)
    offset = scope.binary(BinaryKind.SUB, value, low)
    on_step = scope.compare(Predicate.EQ, scope.binary(BinaryKind.MOD, offset, abs(obj.step)), 0)
    return Boolean(scope.binary(BinaryKind.AND, inside, on_step))


def _in_ranges(scope: Scope, value: Value, ranges: Iterable[tuple[int, int]]) -> Value:
    return scope.builder.emit(InSet(value, scope.builder.range_table("set", ranges)))


def _in_collection(scope: Scope, node: ast.AST, item: Static, members: list[Any]) -> Static:
    lifted = lift(item)
    if isinstance(lifted, Address | Union) and any(isinstance(m, IPv4Network | IPv6Network) for m in members):
        scope.refuse(
            node,
            "an address is never an element of a tuple or set of networks",
            "put the networks in a NetworkSet: NetworkSet([...]) contains every address of its networks.",
        )
    alike = [member for member in members if may_be_member(item, member)]
    if not alike:
        if members:
            scope.refuse(
                node, f"{describe(item)} can never be in this collection", "compare with values of the same type."
            )
        return Known(False)
    for member in alike:
        refuse_scope_id(scope, node, member)
    match lifted:
        case _ if isinstance(item, Known):
            return Known(any(item.obj == member for member in alike))
        case Integer() | Boolean():
            return Boolean(_in_ranges(scope, as_int(scope, item, node), [(int(m), int(m)) for m in alike]))
        case Address(value=value):
            return Boolean(_in_ranges(scope, value, [(int(m), int(m)) for m in alike]))
    return equal_to_any(scope, node, item, [Known(member) for member in alike])


def _in_networks(scope: Scope, node: ast.AST, item: Static, obj: _Networks) -> Static:
    match item:
        case Maybe(present=present, inner=inner):
            missing = "TypeError" if isinstance(obj, NetworkSet) else "AttributeError"
            scope.check(present, node, missing, "the address is not None")
            return _in_networks(scope, node, inner, obj)
        case Union():
            return for_each_option(scope, item, lambda option: _in_one_network(scope, node, option, obj))
        case Known(obj=IPv4Address() | IPv6Address() as address):
            return Known(address in obj)
        case Address(kind=kind, value=value) if kind is not AddressKind.MAC:
            ranges = _ranges(scope, node, kind, obj)
            return Boolean(_in_ranges(scope, value, ranges)) if ranges else Known(False)
    scope.refuse(
        node, f"a network contains IP addresses, not {describe(item)}", "test a field such as ip.src or ip.dst."
    )


def _in_one_network(scope: Scope, node: ast.AST, option: Static, obj: _Networks) -> Static:
    """`option in obj` for one kind that a Union may have; the other kind of address is not in a single network."""
    if not isinstance(obj, NetworkSet) and isinstance(option, Address) and option.kind is not _KINDS[obj.version]:
        return Known(False)
    return _in_networks(scope, node, option, obj)


def _ranges(scope: Scope, node: ast.AST, kind: AddressKind, obj: _Networks) -> tuple[tuple[int, int], ...]:
    """The addresses of this kind that `obj` contains."""
    if isinstance(obj, NetworkSet):
        return obj.ranges4 if kind is AddressKind.IPV4 else obj.ranges6
    if kind is not _KINDS[obj.version]:
        version = 10 - obj.version
        scope.refuse(
            node,
            f"an IPv{version} address is never in the IPv{obj.version} network {obj}",
            f"test it against an IPv{version} network, or put both kinds into a NetworkSet.",
        )
    return ((int(obj.network_address), int(obj.broadcast_address)),)
