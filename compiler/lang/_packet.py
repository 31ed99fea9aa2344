"""A packet over bytes: what a filter is given when CPython runs it, and the definition of what compiled code does.

Parsing is lazy and its result is remembered until a write may have changed it. Views and regions live on leases;
a write ends those that it may have made wrong. Writes through parsed views keep checksums right, by RFC 1624.
The rules are "Views that die", "Writes and checksums" and "push, pull and mirror" in docs/semantics.md.

This file must not know: what verdicts mean, maps, rings, how packets arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar, cast, final, overload

from nmjit._checksum import WORD, checksum, pseudo_header, update, words
from nmjit._headers import (
    IP_PROTOCOLS,
    LAYERS,
    MAX_TCP_OPTIONS,
    Arp,
    Eth,
    FieldSpec,
    Gre,
    Icmp,
    Icmp6,
    Ipv4,
    Ipv6,
    Mpls,
    Tcp,
    Udp,
    View,
    Vlan,
    Vxlan,
    place_view,
)
from nmjit._ints import u8
from nmjit._parse import Parse, load_field, parse
from nmjit._region import Lease, Region, TcpOption, checked_offset, checked_slice
from nmjit._verdict import Port

H = TypeVar("H")
V = TypeVar("V", bound=View)
R = TypeVar("R", bound=Region)

MAX_PACKET: Final = 65_535
"""Most bytes of a packet."""
MAX_PUSH: Final = 128
"""Most bytes that one `push` adds."""
_WITH_PSEUDO_HEADER: Final = {"ipv4": ("tcp", "udp"), "ipv6": ("tcp", "udp", "icmp6")}
_ADDRESS_FIELDS: Final = frozenset({"src", "dst"})
_CHECKSUMS: Final = {
    layer: header.__header__.field(header.__header__.checksum)
    for layer, header in LAYERS.items()
    if header.__header__.checksum is not None
}
_PROTOCOLS: Final = {
    (ip_layer, layer): protocol
    for ip_layer, version in (("ipv4", 4), ("ipv6", 6))
    for protocol, layer in IP_PROTOCOLS[version].items()
}


@final
class Packet:
    """One packet, from its Ethernet header on. Takes a copy of `data`.

    `wire_len` is the whole length in bytes, at least that of `data`, which it is where not given; `timestamp` is
    CLOCK_REALTIME in ns; `port` and `queue` are the indices by which the packet came in. `room` is the most bytes that
    it may have after a `push`.

    Each header attribute is a view of the outermost such header, or None where there is none or it does not fit.
    Use of a view or region that a write, `push` or `pull` has killed raises RuntimeError. `mirrors` holds the copies
    that `mirror` made, in order, each with its port.
    """

    __slots__ = (
        "_at_leases", "_data", "_leases", "_named", "_parse", "_port", "_queue", "_room", "_timestamp", "_wire_len",
        "mirrors",
    )  # fmt: skip

    def __init__(
        self,
        data: bytes | bytearray,
        *,
        wire_len: int | None = None,
        timestamp: int = 0,
        port: int = 0,
        queue: int = 0,
        room: int = MAX_PACKET,
    ) -> None:
        if wire_len is not None and wire_len < len(data):
            raise ValueError(f"wire_len {wire_len} is less than the {len(data)} bytes present")
        self._data = bytearray(data)
        self._wire_len = len(data) if wire_len is None else wire_len
        self._timestamp = timestamp
        self._port = port
        self._queue = queue
        self._room = max(room, len(data))
        self.mirrors: Final[list[tuple[Port, bytes]]] = []
        self._parse: Parse | None = None
        self._named: dict[str, View | Region] = {}
        self._leases: list[Lease] = []
        self._at_leases: list[Lease] = []

    # Surroundings

    @property
    def wire_len(self) -> int:
        """Bytes on the wire; more than `len(pkt)` where the capture or the buffer cut the packet short."""
        return self._wire_len

    @property
    def room(self) -> int:
        """Most bytes that the packet may have after a push: 65,535 offline, the size of the buffer on a ring."""
        return self._room

    @property
    def timestamp(self) -> int:
        """Time of arrival, CLOCK_REALTIME in ns."""
        return self._timestamp

    @property
    def port(self) -> int:
        """Index of the port of arrival."""
        return self._port

    @property
    def queue(self) -> int:
        """Index of the receive queue."""
        return self._queue

    # Headers

    @property
    def eth(self) -> Eth | None:
        """Ethernet header."""
        return self._view("eth", Eth)

    @property
    def vlan(self) -> Vlan | None:
        """First VLAN tag."""
        return self._view("vlan", Vlan)

    @property
    def vlan2(self) -> Vlan | None:
        """Second VLAN tag."""
        return self._view("vlan2", Vlan)

    @property
    def arp(self) -> Arp | None:
        """ARP for IPv4 over Ethernet."""
        return self._view("arp", Arp)

    @property
    def ipv4(self) -> Ipv4 | None:
        """IPv4 header."""
        return self._view("ipv4", Ipv4)

    @property
    def ipv6(self) -> Ipv6 | None:
        """IPv6 header."""
        return self._view("ipv6", Ipv6)

    @property
    def icmp(self) -> Icmp | None:
        """ICMP header, over IPv4."""
        return self._view("icmp", Icmp)

    @property
    def icmp6(self) -> Icmp6 | None:
        """ICMPv6 header, over IPv6."""
        return self._view("icmp6", Icmp6)

    @property
    def tcp(self) -> Tcp | None:
        """TCP header."""
        return self._view("tcp", Tcp)

    @property
    def udp(self) -> Udp | None:
        """UDP header."""
        return self._view("udp", Udp)

    @property
    def gre(self) -> Gre | None:
        """GRE header, version 0 without routing."""
        return self._view("gre", Gre)

    @property
    def vxlan(self) -> Vxlan | None:
        """VXLAN header, behind UDP port 4789."""
        return self._view("vxlan", Vxlan)

    @property
    def mpls(self) -> Mpls | None:
        """Outermost MPLS label stack entry."""
        return self._view("mpls", Mpls)

    def at(self, header: type[H], offset: int) -> H | None:
        """A view of the bytes at `offset` as `header`, a class made by `@header`; None where they do not fit.

        Nothing else is checked. Writes through it update no checksum. TypeError where `header` is no such class.
        """
        if not issubclass(header, View):
            raise TypeError(f"{header.__name__} is no header: declare it with @header")
        if not 0 <= offset <= len(self._data) - header.__header__.size:
            return None
        lease = Lease(f"the {header.__name__} at {offset}", offset, offset + header.__header__.size)
        self._at_leases.append(lease)
        return place_view(header, _AtAccess(self, lease))

    @property
    def payload(self) -> Region:
        """The bytes behind the innermost header found, up to the end of layer 3. Never None; false when empty."""
        if "payload" not in self._named:
            start, stop = self._parsed().payload
            self._named["payload"] = self._region(Region, "pkt.payload", start, stop)
        return cast(Region, self._named["payload"])

    # Head

    def push(self, n: int) -> None:
        """Add `n` zero bytes in front. Kills every view and region; the next naming parses from the new start.

        ValueError unless 1 ≤ n ≤ 128, IndexError where the packet has no room for them.
        """
        if not 1 <= n <= MAX_PUSH:
            raise ValueError(f"push adds 1 … {MAX_PUSH} bytes, not {n}")
        if len(self._data) + n > self._room:
            raise IndexError(f"{n} more bytes than {len(self._data)} exceed the packet's room of {self._room}")
        self._move_head()
        self._data[:0] = bytes(n)
        self._wire_len += n

    def pull(self, n: int) -> None:
        """Take `n` bytes off the front. Kills every view and region; the next naming parses from the new start.

        ValueError unless 1 ≤ n ≤ 65,535, IndexError where the packet has fewer bytes.
        """
        if not 1 <= n <= MAX_PACKET:
            raise ValueError(f"pull takes 1 … {MAX_PACKET} bytes, not {n}")
        if n > len(self._data):
            raise IndexError(f"{n} bytes of {len(self._data)}")
        self._move_head()
        del self._data[:n]
        self._wire_len -= n

    def _move_head(self) -> None:
        """End every lease: the bytes are about to lie elsewhere."""
        for lease in self._at_leases:
            lease.alive = False
        self._at_leases = []
        self._kill(self._leases)

    # Bytes

    def __len__(self) -> int:
        return len(self._data)

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    @overload
    def __getitem__(self, key: int) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> bytes: ...

    def __getitem__(self, key: int | slice) -> int | bytes:
        """One byte as an integer, or a copy of some; IndexError where they do not all lie in the packet."""
        if isinstance(key, slice):
            start, stop = checked_slice(key, len(self._data))
            return bytes(self._data[start:stop])
        return self._data[checked_offset(key, 1, len(self._data))]

    @overload
    def __setitem__(self, key: int, value: int) -> None: ...

    @overload
    def __setitem__(self, key: slice, value: bytes) -> None: ...

    def __setitem__(self, key: int | slice, value: int | bytes) -> None:
        """Store a byte (modulo 256) or a run of them, plainly. Kills what does not lie wholly before it.

        IndexError as for reading; ValueError where a run has another length than its slice.
        """
        if isinstance(key, slice):
            if not isinstance(value, bytes):
                raise TypeError(f"a slice of a packet takes bytes, not {type(value).__name__}")
            start, stop = checked_slice(key, len(self._data))
            if len(value) != stop - start:
                raise ValueError(f"{len(value)} bytes for a slice of {stop - start}: a store keeps the packet's length")
            self._data[start:stop] = value
            written = len(value)
        else:
            if not isinstance(value, int):
                raise TypeError(f"a byte of a packet takes int, not {type(value).__name__}")
            start, written = checked_offset(key, 1, len(self._data)), 1
            self._data[start] = u8(value)
        if written:
            self._kill_from(start)

    def u16(self, index: int) -> int:
        """The big endian integer in the two bytes at `index`; IndexError where they do not lie in the packet."""
        return self._big_endian(index, 2)

    def u32(self, index: int) -> int:
        """The big endian integer in the four bytes at `index`; IndexError where they do not lie in the packet."""
        return self._big_endian(index, 4)

    def __repr__(self) -> str:
        return f"<Packet {len(self._data)} bytes: {' '.join(self._parsed().layers) or 'nothing known'}>"

    # For views

    def _big_endian(self, index: int, size: int) -> int:
        offset = checked_offset(index, size, len(self._data))
        return int.from_bytes(self._data[offset : offset + size], "big")

    def _parsed(self) -> Parse:
        if self._parse is None:
            self._parse = parse(self._data)
        return self._parse

    def _view(self, layer: str, header: type[V]) -> V | None:
        if layer not in self._named:
            extent = self._parsed().layers.get(layer)
            if extent is None:
                return None
            lease = self._grant(f"pkt.{layer}", *extent)
            self._named[layer] = place_view(header, _ParsedAccess(self, layer, lease))
        return cast(V, self._named[layer])

    def _region(self, kind: type[R], what: str, start: int, stop: int) -> R:
        return kind(self._data, start, stop, self._grant(what, start, stop))

    def _grant(self, what: str, start: int, stop: int) -> Lease:
        lease = Lease(what, start, stop)
        self._leases.append(lease)
        return lease

    def _kill_from(self, first: int) -> None:
        """End the leases on bytes at or behind `first`, the first byte of a plain write."""
        self._kill([lease for lease in self._leases if lease.stop > first])

    def _kill_behind(self, start: int) -> None:
        """End the leases of what lies behind the header at `start`, of which a steering field was written."""
        self._kill([lease for lease in self._leases if lease.start > start])

    def _kill(self, leases: list[Lease]) -> None:
        for lease in leases:
            lease.alive = False
        self._leases = [lease for lease in self._leases if lease.alive]
        self._named = {}
        self._parse = None

    def _replace(self, offset: int, field: FieldSpec, value: int) -> None:
        """Store `value` modulo the field's width in the header at `offset`."""
        start, stop = offset + field.first_byte, offset + field.end_byte
        word = field.insert(int.from_bytes(self._data[start:stop], "big"), value)
        self._data[start:stop] = word.to_bytes(stop - start, "big")

    def _options(self, start: int, stop: int, lease: Lease) -> Iterator[TcpOption]:
        """TCP options in the bytes `start` … `stop`-1, as long as the header's lease lasts."""
        for _ in range(MAX_TCP_OPTIONS):
            lease.require()
            if start >= stop or (kind := self._data[start]) == 0:
                return
            length = 1 if kind == 1 else self._data[start + 1] if start + 1 < stop else 0
            if length < (1 if kind == 1 else 2) or start + length > stop:
                return
            yield self._region(TcpOption, "a TCP option", start, start + length)
            start += length


class _AtAccess:
    """Place of a view that `pkt.at` gave: plain stores, no death before push or pull."""

    __slots__ = ("_lease", "_packet")

    def __init__(self, packet: Packet, lease: Lease) -> None:
        self._packet = packet
        self._lease = lease

    def load(self, field: FieldSpec) -> int:
        self._lease.require()
        return load_field(self._packet._data, self._lease.start, field)

    def store(self, field: FieldSpec, value: int) -> None:
        self._lease.require()
        self._packet._replace(self._lease.start, field, value)
        self._packet._kill_from(self._lease.start + field.first_byte)

    def update_checksum(self) -> None:
        raise RuntimeError("a view that pkt.at gave knows no pseudo-header: its checksum cannot be recomputed")

    def tcp_options(self) -> Iterator[TcpOption]:
        size = self.load(Tcp.__header__.field("dataofs")) * 4
        stop = min(self._lease.start + size, len(self._packet))
        return self._packet._options(self._lease.stop, stop, self._lease)


class _ParsedAccess:
    """Place of a view that `pkt.<layer>` gave: stores keep checksums right, steering fields kill what lies behind."""

    __slots__ = ("_layer", "_lease", "_packet")

    def __init__(self, packet: Packet, layer: str, lease: Lease) -> None:
        self._packet = packet
        self._layer = layer
        self._lease = lease

    def load(self, field: FieldSpec) -> int:
        self._lease.require()
        return load_field(self._packet._data, self._lease.start, field)

    def store(self, field: FieldSpec, value: int) -> None:
        self._lease.require()
        covering = [] if field.plain else self._covering(field)
        start = self._lease.start + (field.first_byte & ~1)
        stop = self._lease.start + field.end_byte + (field.end_byte & 1)
        before = words(self._packet._data[start:stop])
        self._packet._replace(self._lease.start, field, value)
        after = words(self._packet._data[start:stop])
        for layer, offset in covering:
            self._update(layer, offset, before, after)
        if field.steers:
            self._packet._kill_behind(self._lease.start)

    def update_checksum(self) -> None:
        self._lease.require()
        parsed = self._packet._parsed()
        start, stop = self._lease.start, self._lease.stop if self._layer == "ipv4" else parsed.end
        initial = 0
        if (ip_layer := parsed.ip_layer) and self._layer in _WITH_PSEUDO_HEADER[ip_layer]:
            if parsed.routed:
                return
            initial = self._pseudo_header(ip_layer, parsed, stop - start)
        field = _CHECKSUMS[self._layer]
        self._packet._replace(start, field, 0)
        computed = checksum(self._packet._data[start:stop], initial)
        self._packet._replace(start, field, _never_zero(computed) if self._layer == "udp" else computed)

    def tcp_options(self) -> Iterator[TcpOption]:
        self._lease.require()
        return self._packet._options(self._lease.start + Tcp.__header__.size, self._lease.stop, self._lease)

    def _covering(self, field: FieldSpec) -> list[tuple[str, int]]:
        """Headers whose checksum covers `field` of this one: layer and offset of each."""
        parsed = self._packet._parsed()
        found = [(self._layer, self._lease.start)] if self._layer in _CHECKSUMS else []
        if self._layer not in _WITH_PSEUDO_HEADER or field.name not in _ADDRESS_FIELDS:
            return found
        if parsed.routed and field.name == "dst":
            return found
        layers = (layer for layer in _WITH_PSEUDO_HEADER[self._layer] if layer in parsed.layers)
        return found + [(layer, parsed.layers[layer].start) for layer in layers]

    def _update(self, layer: str, offset: int, before: list[int], after: list[int]) -> None:
        field = _CHECKSUMS[layer]
        old = load_field(self._packet._data, offset, field)
        if layer == "udp" and old == 0 and self._packet._parsed().ip_layer == "ipv4":
            return  # the sender computed none (RFC 768)
        new = update(old, before, after)
        self._packet._replace(offset, field, _never_zero(new) if layer == "udp" else new)

    def _pseudo_header(self, ip_layer: str, parsed: Parse, length: int) -> int:
        offset = parsed.layers[ip_layer].start
        source, destination = (
            self._packet._data[offset + field.first_byte : offset + field.end_byte]
            for field in map(LAYERS[ip_layer].__header__.field, ("src", "dst"))
        )
        return pseudo_header(source, destination, _PROTOCOLS[ip_layer, self._layer], length)


def _never_zero(computed: int) -> int:
    """How UDP sends a checksum: 0 means that there is none, so 0xFFFF stands for 0 (RFC 768)."""
    return computed or WORD
