"""Parsing as IR: what `pkt.tcp` and its like cost, written once at the first naming and remembered in the state.

Each stage yields one Static and is kept under "@STAGE". The parse graph itself is data in lang/_headers.py; the rules
are those of docs/semantics.md, Parsing, and lang/_parse.py is their definition. Stages are pure: a merge may forget
one, and the next naming writes it again. This file must not know: statements, writes.
"""

from __future__ import annotations

from collections.abc import Callable

from nmjit import _headers as headers
from nmjit.compiler.ir import (
    BinaryKind,
    ByteOrder,
    InSet,
    Load,
    Predicate,
    RangeTable,
    Value,
)
from nmjit.compiler.irtypes import BOOL, INT
from nmjit.compiler.lowering.head import behind_head, has, head, packet_end
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.scope import HEADER_RANKS, RANK_PAYLOAD, STAGE_RANKS, Edge, Scope, with_value
from nmjit.compiler.lowering.values import (
    NONE,
    Boolean,
    HeaderKind,
    Integer,
    Known,
    Maybe,
    Region,
    Static,
    Tuple,
    View,
)


def load(scope: Scope, base: Value, displacement: int, size: int) -> Value:
    """Big endian integer of `size` bytes at `base + displacement`."""
    return scope.builder.emit(Load(base, displacement, size, ByteOrder.BIG))


def in_set(scope: Scope, value: Value, table: RangeTable) -> Value:
    """Whether `value` lies in one of the ranges of `table`."""
    return scope.builder.emit(InSet(value, table))


def layer(scope: Scope, name: str) -> Static:
    """`pkt.NAME` for a built-in header: a view, or None."""
    if name in ("vlan", "vlan2"):
        return _item(stage(scope, "@link"), ("vlan", "vlan2").index(name))
    found = stage(scope, f"@{name}")
    return _item(found, 0) if isinstance(found, Tuple) else found


def payload(scope: Scope) -> Region:
    """`pkt.payload`."""
    region = stage(scope, "@payload")
    assert isinstance(region, Region)
    return region


def stage(scope: Scope, name: str) -> Static:
    """What stage `name` yields here, parsed now unless every path to this point has."""
    known = scope.state.names.get(name)
    if known is None:
        known = _STAGES[name](scope)
        scope.state.names[name] = known
    return known


def integer(scope: Scope, static: Static) -> Value:
    """The value of an Integer or of a Known int."""
    return scope.const(static.obj) if isinstance(static, Known) else _integer(static)


def present(scope: Scope, static: Static) -> tuple[Value, View | None]:
    """Whether a header is there, and its view unless it can't be."""
    if isinstance(static, Maybe):
        assert isinstance(static.inner, View)
        return static.present, static.inner
    if isinstance(static, View):
        return scope.const(True), static
    return scope.const(False), None


def _integer(static: Static) -> Value:
    assert isinstance(static, Integer | Boolean)
    return static.value


def _item(static: Static, index: int) -> Static:
    assert isinstance(static, Tuple)
    return static.items[index]


def _view(scope: Scope, name: str, token: int, base: Value, limit: Value, end: Value) -> View:
    return View((HeaderKind(headers.LAYERS[name], name),), scope.const(0), base, limit, end, token)


def _size(name: str) -> int:
    return headers.LAYERS[name].__header__.size


def _fits(scope: Scope, start: Value, size: int, end: Value) -> Value:
    return scope.compare(Predicate.LE, scope.add(start, size), end)


class _Gate:
    """Conditions that must all hold, one after the other; `failed` collects the points where one does not."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.failed: list[Edge] = []

    def require(self, condition: Value, otherwise: Static = NONE) -> None:
        """Go on only where `condition` holds; the whole yields `otherwise` where it does not."""
        holds, fails = self.scope.fork(condition, expected=True)
        self.failed.append(with_value(fails, otherwise))
        self.scope.at(holds)

    def close(self, value: Static, hint: str) -> Static:
        """Where the paths meet again: `value` on this one, what was said with `require` on the others."""
        joined = merge(self.scope, [self.scope.here(value), *self.failed], hint)
        assert joined is not None
        return joined


def _parse_eth(scope: Scope) -> Static:
    token = scope.new_token(HEADER_RANKS["eth"])
    whole, size = packet_end(scope), _size("eth")
    gate = _Gate(scope)
    gate.require(has(scope, size))
    limit = integer(scope, behind_head(scope, size))
    return gate.close(_view(scope, "eth", token, head(scope), limit, whole), "eth")


def _parse_link(scope: Scope) -> Static:
    """(vlan, vlan2, type or −1, offset behind Ethernet and tags, the packet's start where there is no Ethernet)."""
    tokens = [scope.new_token(HEADER_RANKS[name]) for name in ("vlan", "vlan2")]
    whole = packet_end(scope)

    def found(tags: int, ethertype: Static) -> Tuple:
        views: list[Static] = []
        for index, name in enumerate(("vlan", "vlan2")):
            start = _size("eth") + index * _size(name)
            base, limit = (integer(scope, behind_head(scope, at)) for at in (start, start + _size(name)))
            views.append(_view(scope, name, tokens[index], base, limit, whole) if index < tags else NONE)
        return Tuple((*views, ethertype, behind_head(scope, 14 + 4 * tags)))

    ends: list[Edge] = []
    there, nothing = scope.fork(has(scope, _size("eth")), expected=True)
    scope.at(there)
    ethertype = load(scope, head(scope), 12, 2)
    usual = scope.builder.range_table(
        "ip", [(t, t) for t, name in headers.ETHERTYPES.items() if name in ("ipv4", "ipv6")]
    )
    untagged, other = scope.fork(in_set(scope, ethertype, usual), expected=True)
    scope.at(untagged)
    ends.append(scope.here(found(0, Integer(ethertype))))
    scope.at(other)
    vlan_types = scope.builder.range_table("vlan", [(t, t) for t in headers.VLAN_TYPES])
    for tags in range(headers.MAX_VLAN_TAGS + 1):
        tagged, plain = scope.fork(in_set(scope, ethertype, vlan_types), expected=False)
        scope.at(plain)
        ends.append(scope.here(found(tags, Integer(ethertype))))
        scope.at(tagged)
        if tags == headers.MAX_VLAN_TAGS:
            break
        fits, cut = scope.fork(has(scope, 18 + 4 * tags), expected=True)
        scope.at(cut)
        ends.append(scope.here(found(tags, Known(-1))))
        scope.at(fits)
        ethertype = load(scope, head(scope), 16 + 4 * tags, 2)
    ends.append(scope.here(found(headers.MAX_VLAN_TAGS, Known(-1))))
    scope.at(nothing)
    ends.append(scope.here(Tuple((NONE, NONE, Known(-1), behind_head(scope, 0)))))
    joined = merge(scope, ends, "link")
    assert joined is not None
    return joined


def _is_type(scope: Scope, link: Static, name: str) -> Value:
    numbers = [(number, number) for number, found in headers.ETHERTYPES.items() if found == name]
    ethertype = integer(scope, _item(link, 2))
    if len(numbers) == 1:
        return scope.compare(Predicate.EQ, ethertype, numbers[0][0])
    return in_set(scope, ethertype, scope.builder.range_table(name, numbers))


def _parse_arp(scope: Scope) -> Static:
    link = stage(scope, "@link")
    token = scope.new_token(HEADER_RANKS["arp"])
    base, whole = integer(scope, _item(link, 3)), packet_end(scope)
    gate = _Gate(scope)
    gate.require(_is_type(scope, link, "arp"))
    gate.require(_fits(scope, base, _size("arp"), whole))
    gate.require(scope.compare(Predicate.EQ, load(scope, base, 4, 2), 0x0604))
    return gate.close(_view(scope, "arp", token, base, scope.add(base, _size("arp")), whole), "arp")


def _parse_mpls(scope: Scope) -> Static:
    link = stage(scope, "@link")
    token = scope.new_token(HEADER_RANKS["mpls"])
    base, whole = integer(scope, _item(link, 3)), packet_end(scope)
    gate = _Gate(scope)
    gate.require(_is_type(scope, link, "mpls"))
    gate.require(_fits(scope, base, _size("mpls"), whole))
    return gate.close(_view(scope, "mpls", token, base, scope.add(base, _size("mpls")), whole), "mpls")


def _parse_ipv4(scope: Scope) -> Static:
    """(view, proto, frag); the latter two −1 where there is no view."""
    link = stage(scope, "@link")
    token = scope.new_token(HEADER_RANKS["ipv4"])
    base, whole = integer(scope, _item(link, 3)), packet_end(scope)
    nothing = Tuple((NONE, Known(-1), Known(-1)))
    gate = _Gate(scope)
    gate.require(_is_type(scope, link, "ipv4"), nothing)
    gate.require(_fits(scope, base, _size("ipv4"), whole), nothing)
    first = load(scope, base, 0, 1)
    version_4_ihl_5 = scope.builder.range_table("ipv4", [(0x45, 0x4F)])
    gate.require(in_set(scope, first, version_4_ihl_5), nothing)
    ihl = scope.binary(BinaryKind.AND, first, 15)
    limit = scope.binary(BinaryKind.ADD, base, scope.binary(BinaryKind.MUL, ihl, 4))
    end = _declared_end(scope, base, load(scope, base, 2, 2), 0, whole)
    gate.require(scope.compare(Predicate.LE, limit, end), nothing)
    protocol = load(scope, base, 9, 1)
    fragment = scope.binary(BinaryKind.AND, load(scope, base, 6, 2), 0x1FFF)
    view = _view(scope, "ipv4", token, base, limit, end)
    return gate.close(Tuple((view, Integer(protocol), Integer(fragment))), "ipv4")


def _declared_end(scope: Scope, base: Value, declared: Value, header: int, whole: Value) -> Value:
    """End of layer 3: base + header + declared cut to what is there; declared 0 means to the end."""
    end = scope.binary(BinaryKind.MIN, scope.add(scope.add(base, declared), header), whole)
    return scope.builder.select(scope.compare(Predicate.EQ, declared, 0), whole, end)


def _parse_ipv6(scope: Scope) -> Static:
    """(view, next header); the latter −1 where there is no view."""
    link = stage(scope, "@link")
    token = scope.new_token(HEADER_RANKS["ipv6"])
    base, whole = integer(scope, _item(link, 3)), packet_end(scope)
    nothing = Tuple((NONE, Known(-1)))
    gate = _Gate(scope)
    gate.require(_is_type(scope, link, "ipv6"), nothing)
    gate.require(_fits(scope, base, _size("ipv6"), whole), nothing)
    gate.require(
        in_set(scope, load(scope, base, 0, 1), scope.builder.range_table("ipv6", [(0x60, 0x6F)])),
        nothing,
    )
    end = _declared_end(scope, base, load(scope, base, 4, 2), _size("ipv6"), whole)
    next_header = load(scope, base, 6, 1)
    view = _view(scope, "ipv6", token, base, scope.add(base, _size("ipv6")), end)
    return gate.close(Tuple((view, Integer(next_header))), "ipv6")


def _parse_transport(scope: Scope) -> Static:
    """(protocol or −1, offset behind layer 3, its end, whether IPv6, whether a routing header has segments left)."""
    link = stage(scope, "@link")
    ipv4 = stage(scope, "@ipv4")
    there, view = present(scope, _item(ipv4, 0))
    assert view is not None
    is_v4, is_not_v4 = scope.fork(there, expected=True)
    scope.at(is_v4)
    whole_datagram = scope.compare(Predicate.EQ, integer(scope, _item(ipv4, 2)), 0)
    protocol = scope.builder.select(whole_datagram, integer(scope, _item(ipv4, 1)), scope.const(-1))
    ends = [scope.here(_transport(protocol, view.limit, view.end, is_ipv6=False))]

    scope.at(is_not_v4)
    ipv6 = stage(scope, "@ipv6")
    there, view = present(scope, _item(ipv6, 0))
    assert view is not None
    is_v6, neither = scope.fork(there, expected=True)
    scope.at(neither)
    offset = integer(scope, _item(link, 3))
    ends.append(scope.here(_transport(scope.const(-1), offset, packet_end(scope), is_ipv6=False)))
    scope.at(is_v6)
    ends.append(_walk_extensions(scope, view, integer(scope, _item(ipv6, 1))))
    joined = merge(scope, ends, "transport")
    assert joined is not None
    return joined


_NOT_ROUTED = Known(False)


def _transport(
    protocol: Value,
    offset: Value,
    end: Value,
    is_ipv6: bool,
    routed: Static = _NOT_ROUTED,
) -> Tuple:
    return Tuple((Integer(protocol), Integer(offset), Integer(end), Known(is_ipv6), routed))


def _walk_extensions(scope: Scope, view: View, next_header: Value) -> Edge:
    """The IPv6 extension headers as a loop; the point behind it, yielding what `_parse_transport` does."""
    builder = scope.builder
    extensions = builder.range_table("ipv6ext", [(number, number) for number in headers.IPV6_EXTENSIONS])
    head = builder.block("extension")
    entry = scope.here()
    start, none_routed, none_walked = view.limit, scope.const(False), scope.const(0)
    builder.jump(head)
    builder.position(head)
    protocol = builder.phi(INT, {entry.block: next_header})
    offset = builder.phi(INT, {entry.block: start})
    routed = builder.phi(BOOL, {entry.block: none_routed})
    walked = builder.phi(INT, {entry.block: none_walked})
    is_extension, last = scope.fork(in_set(scope, protocol, extensions), expected=False)
    ends = [with_value(last, _transport(protocol, offset, view.end, True, Boolean(routed)))]

    scope.at(is_extension)
    gate = _Gate(scope)
    cut = _transport(scope.const(-1), offset, view.end, True, Boolean(routed))
    gate.require(scope.compare(Predicate.LT, walked, headers.MAX_IPV6_EXTENSIONS), cut)
    gate.require(_fits(scope, offset, 8, view.end), cut)
    behind = scope.binary(BinaryKind.ADD, offset, _extension_length(scope, protocol, offset))
    gate.require(scope.compare(Predicate.LE, behind, view.end), cut)
    is_fragment = scope.compare(Predicate.EQ, protocol, headers.IPV6_FRAGMENT)
    fragment_offset = scope.binary(BinaryKind.SHR, load(scope, offset, 2, 2), 3)
    later = scope.binary(BinaryKind.AND, is_fragment, scope.compare(Predicate.NE, fragment_offset, 0))
    gate.require(builder.logical_not(later), _transport(scope.const(-1), behind, view.end, True, Boolean(routed)))
    is_routing = scope.compare(Predicate.EQ, protocol, headers.IPV6_ROUTING)
    segments_left = scope.compare(Predicate.NE, load(scope, offset, 3, 1), 0)
    active = scope.binary(BinaryKind.AND, is_routing, segments_left)
    following = load(scope, offset, 0, 1)
    latch = builder.current
    assert latch is not None
    for phi, value in (
        (protocol, following),
        (offset, behind),
        (routed, scope.binary(BinaryKind.OR, routed, active)),
        (walked, scope.add(walked, 1)),
    ):
        phi.incoming[latch] = value
    builder.jump(head)
    merge_value = merge(scope, [*ends, *gate.failed], "walked")
    assert merge_value is not None
    return scope.here(merge_value)


def _extension_length(scope: Scope, protocol: Value, offset: Value) -> Value:
    """Length in bytes of the extension header `protocol` at `offset`, by its second byte."""
    counted = load(scope, offset, 1, 1)
    rules = headers.IPV6_EXTENSIONS
    usual = rules[headers.IPV6_ROUTING]
    result = scope.add(scope.binary(BinaryKind.MUL, counted, usual.unit), usual.constant)
    for number, rule in rules.items():
        if rule != usual:
            other = scope.add(scope.binary(BinaryKind.MUL, counted, rule.unit), rule.constant)
            result = scope.builder.select(scope.compare(Predicate.EQ, protocol, number), other, result)
    return result


def _layer4(name: str) -> Callable[[Scope], Static]:
    """The parser of a layer-4 header: right protocol over the right IP, fixed part within the end, its own rules."""
    versions = {v: number for v, by in headers.IP_PROTOCOLS.items() for number, found in by.items() if found == name}

    def parse(scope: Scope) -> Static:
        transport = stage(scope, "@transport")
        token = scope.new_token(HEADER_RANKS[name])
        protocol, base, end = (integer(scope, _item(transport, index)) for index in range(3))
        gate = _Gate(scope)
        gate.require(scope.compare(Predicate.EQ, protocol, next(iter(versions.values()))))
        if len(versions) == 1:
            over_ipv6 = boolean(scope, _item(transport, 3))
            gate.require(over_ipv6 if 6 in versions else scope.builder.logical_not(over_ipv6))
        gate.require(_fits(scope, base, _size(name), end))
        limit = scope.add(base, _size(name))
        if name == "tcp":
            limit = _tcp_limit(scope, gate, base, end)
        elif name == "gre":
            limit = _gre_limit(scope, gate, base, end)
        return gate.close(_view(scope, name, token, base, limit, end), name)

    return parse


def boolean(scope: Scope, static: Static) -> Value:
    """The value of a Boolean or of a Known bool."""
    return scope.const(static.obj) if isinstance(static, Known) else _integer(static)


def _tcp_limit(scope: Scope, gate: _Gate, base: Value, end: Value) -> Value:
    words = scope.binary(BinaryKind.SHR, load(scope, base, 12, 1), 4)
    gate.require(scope.compare(Predicate.GE, words, 5))
    limit = scope.binary(BinaryKind.ADD, base, scope.binary(BinaryKind.MUL, words, 4))
    gate.require(scope.compare(Predicate.LE, limit, end))
    return limit


def _gre_limit(scope: Scope, gate: _Gate, base: Value, end: Value) -> Value:
    bits = load(scope, base, 0, 2)
    routing_or_version = scope.binary(BinaryKind.AND, bits, 0x4007)
    gate.require(scope.compare(Predicate.EQ, routing_or_version, 0))
    limit = scope.add(base, _size("gre"))
    for flag in (15, 13, 12):  # checksum, key, sequence number: four bytes each
        there = scope.binary(BinaryKind.AND, scope.binary(BinaryKind.SHR, bits, flag), 1)
        limit = scope.binary(BinaryKind.ADD, limit, scope.binary(BinaryKind.MUL, there, 4))
    gate.require(scope.compare(Predicate.LE, limit, end))
    return limit


def _parse_vxlan(scope: Scope) -> Static:
    there, udp = present(scope, layer(scope, "udp"))
    token = scope.new_token(HEADER_RANKS["vxlan"])
    if udp is None:
        return NONE
    gate = _Gate(scope)
    gate.require(there)
    gate.require(scope.compare(Predicate.EQ, load(scope, udp.base, 2, 2), headers.VXLAN_PORT))
    gate.require(_fits(scope, udp.limit, _size("vxlan"), udp.end))
    limit = scope.add(udp.limit, _size("vxlan"))
    return gate.close(_view(scope, "vxlan", token, udp.limit, limit, udp.end), "vxlan")


def _parse_payload(scope: Scope) -> Static:
    transport = stage(scope, "@transport")
    start, end = integer(scope, _item(transport, 1)), integer(scope, _item(transport, 2))
    for name in ("arp", "mpls", "tcp", "udp", "icmp", "icmp6", "gre", "vxlan"):
        there, view = present(scope, layer(scope, name))
        if view is not None:
            start = scope.builder.select(there, view.limit, start)
    start = scope.binary(BinaryKind.MIN, start, end)
    return Region(start, end, scope.new_token(RANK_PAYLOAD), is_bytes=False)


_STAGES: dict[str, Callable[[Scope], Static]] = {
    "@eth": _parse_eth,
    "@link": _parse_link,
    "@arp": _parse_arp,
    "@mpls": _parse_mpls,
    "@ipv4": _parse_ipv4,
    "@ipv6": _parse_ipv6,
    "@transport": _parse_transport,
    "@tcp": _layer4("tcp"),
    "@udp": _layer4("udp"),
    "@icmp": _layer4("icmp"),
    "@icmp6": _layer4("icmp6"),
    "@gre": _layer4("gre"),
    "@vxlan": _parse_vxlan,
    "@payload": _parse_payload,
}
assert _STAGES.keys() == STAGE_RANKS.keys()
