"""Finds the headers of a packet: a pure function of its bytes, along the parse graph of `_headers.py`.

The rules, in this order, are "Parsing" in docs/semantics.md. This file must not know: views, writes, checksums.
"""

from __future__ import annotations

from typing import NamedTuple

from nmjit._headers import (
    ETHERTYPES,
    IP_PROTOCOLS,
    IPV6_EXTENSIONS,
    IPV6_FRAGMENT,
    IPV6_ROUTING,
    LAYERS,
    MAX_IPV6_EXTENSIONS,
    MAX_VLAN_TAGS,
    VLAN_TYPES,
    VXLAN_PORT,
    FieldSpec,
)

MIN_IHL = 5
MIN_DATA_OFFSET = 5
ETHERNET_HARDWARE_LENGTH = 6
IPV4_PROTOCOL_LENGTH = 4


class Extent(NamedTuple):
    """Where a header lies, options included: bytes `start` … `stop`-1 of the packet."""

    start: int
    stop: int


class Parse(NamedTuple):
    """What a packet holds."""

    layers: dict[str, Extent]
    """By attribute name of Packet, outermost first; absent ones are left out."""
    payload: Extent
    end: int
    """Where layer 3 ends, in bytes from the packet's start; the packet's length where there is none."""
    routed: bool
    """An IPv6 routing header with segments left was walked: the destination is not yet that of the pseudo-header."""

    @property
    def ip_layer(self) -> str | None:
        """`ipv4`, `ipv6`, or None where there is neither."""
        return next((name for name in ("ipv4", "ipv6") if name in self.layers), None)


def load_field(data: bytes | bytearray, offset: int, field: FieldSpec) -> int:
    """Value of `field` in the header at byte `offset`; all its bytes are in `data`."""
    return field.extract(int.from_bytes(data[offset + field.first_byte : offset + field.end_byte], "big"))


def parse(data: bytes | bytearray) -> Parse:
    """The headers in `data`, which starts with an Ethernet header."""
    parser = _Parser(data)
    ethertype = parser.link()
    if ethertype is not None:
        parser.network(ethertype)
    return Parse(parser.layers, Extent(parser.cursor, parser.end), parser.end, parser.routed)


class _Parser:
    """A walk down one packet. `cursor` stands behind the innermost header found, `end` bounds what may be read."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.layers: dict[str, Extent] = {}
        self.cursor = 0
        self.end = len(data)
        self.routed = False

    def value(self, layer: str, field: str) -> int:
        """A field of the header of kind `layer` at the cursor."""
        return load_field(self.data, self.cursor, LAYERS[layer].__header__.field(field))

    def fits(self, size: int) -> bool:
        """Whether `size` bytes from the cursor on may be read."""
        return self.cursor + size <= self.end

    def take(self, layer: str, size: int | None = None) -> None:
        """Record header `layer` at the cursor, `size` bytes long (its fixed part where not given), and step over it."""
        stop = self.cursor + (LAYERS[layer].__header__.size if size is None else size)
        self.layers[layer] = Extent(self.cursor, stop)
        self.cursor = stop

    def link(self) -> int | None:
        """Ethernet and VLAN tags; the EtherType of layer 3, None where there is no telling."""
        if not self.fits(LAYERS["eth"].__header__.size):
            return None
        ethertype = self.value("eth", "type")
        self.take("eth")
        for layer in ("vlan", "vlan2")[:MAX_VLAN_TAGS]:
            if ethertype not in VLAN_TYPES:
                return ethertype
            if not self.fits(LAYERS[layer].__header__.size):
                return None
            ethertype = self.value(layer, "type")
            self.take(layer)
        return None if ethertype in VLAN_TYPES else ethertype

    def network(self, ethertype: int) -> None:
        """Layer 3 and what it carries."""
        layer = ETHERTYPES.get(ethertype)
        if layer is None or not self.fits(LAYERS[layer].__header__.size):
            return
        match layer:
            case "ipv4":
                self.ipv4()
            case "ipv6":
                self.ipv6()
            case "arp":
                self.arp()
            case _:
                self.take(layer)

    def arp(self) -> None:
        lengths = self.value("arp", "hwlen"), self.value("arp", "plen")
        if lengths == (ETHERNET_HARDWARE_LENGTH, IPV4_PROTOCOL_LENGTH):
            self.take("arp")

    def ipv4(self) -> None:
        size, total = self.value("ipv4", "ihl") * 4, self.value("ipv4", "len")
        if self.value("ipv4", "version") != 4 or size < MIN_IHL * 4 or not self.fits(size) or 0 < total < size:
            return
        protocol, fragment_offset = self.value("ipv4", "proto"), self.value("ipv4", "frag")
        if total:
            self.end = min(self.end, self.cursor + total)
        self.take("ipv4", size)
        if fragment_offset == 0:
            self.transport(4, protocol)

    def ipv6(self) -> None:
        if self.value("ipv6", "version") != 6:
            return
        protocol, length = self.value("ipv6", "nh"), self.value("ipv6", "plen")
        self.take("ipv6")
        if length:
            self.end = min(self.end, self.cursor + length)
        upper = self.extensions(protocol)
        if upper is not None:
            self.transport(6, upper)

    def extensions(self, protocol: int) -> int | None:
        """Walk the extension headers from the cursor; the protocol behind them, None where no layer 4 can follow."""
        for _ in range(MAX_IPV6_EXTENSIONS):
            rule = IPV6_EXTENSIONS.get(protocol)
            if rule is None:
                return protocol
            if not self.fits(8):
                return None
            start = self.cursor
            size = rule.unit * self.data[start + 1] + rule.constant
            if not self.fits(size):
                return None
            self.cursor += size
            if protocol == IPV6_FRAGMENT and int.from_bytes(self.data[start + 2 : start + 4], "big") >> 3:
                return None
            self.routed |= protocol == IPV6_ROUTING and self.data[start + 3] != 0
            protocol = self.data[start]
        return None if protocol in IPV6_EXTENSIONS else protocol

    def transport(self, version: int, protocol: int) -> None:
        """Layer 4, and VXLAN behind UDP."""
        layer = IP_PROTOCOLS[version].get(protocol)
        if layer is None or not self.fits(LAYERS[layer].__header__.size):
            return
        match layer:
            case "tcp":
                size = self.value("tcp", "dataofs") * 4
                if size >= MIN_DATA_OFFSET * 4 and self.fits(size):
                    self.take("tcp", size)
            case "udp":
                port = self.value("udp", "dport")
                self.take("udp")
                if port == VXLAN_PORT and self.fits(LAYERS["vxlan"].__header__.size):
                    self.take("vxlan")
            case "gre":
                self.gre()
            case _:
                self.take(layer)

    def gre(self) -> None:
        optional = sum(self.value("gre", name) for name in ("chksum_present", "key_present", "seqnum_present"))
        size = LAYERS["gre"].__header__.size + 4 * optional
        if not self.value("gre", "version") and not self.value("gre", "routing_present") and self.fits(size):
            self.take("gre", size)
