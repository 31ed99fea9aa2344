"""Protocol headers: how one is declared, every built-in one, and the parse graph that joins them.

A header is a class with annotations; `@header` turns it into a view, whose properties read and write the bytes of a
packet. What is known of its shape is data, `cls.__header__`, and so is the parse graph at the foot of the file: the
parser of `_parse.py` and the compiler's both follow it. Field names are Scapy's where Scapy has one.

This file must not know: packets, parsing, how checksums are computed; a view reaches its bytes by a `FieldAccess`.
Sources: the RFC or standard named beside each header.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, TypeVar, cast

from nmjit._address import Mac
from nmjit._declare import MISSING, Declared, declared_fields, rebuilt
from nmjit._ints import Width, u8, u16, u32
from nmjit._region import TcpOption

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options):  # the run time needs none of it, nor typing_extensions
        return lambda decorator: decorator


T = TypeVar("T")

MAX_FIELD_BYTES: Final = 8
"""Most bytes that an integer field may touch."""


class FieldKind(Enum):
    """What a field's bits stand for, and the Python type that it reads as."""

    INT = "int"
    IPV4 = "IPv4Address"
    IPV6 = "IPv6Address"
    MAC = "Mac"


class FieldSpec(NamedTuple):
    """A field: `bits` wide, its most significant bit `bit` bits behind the header's start, in the order sent."""

    name: str
    bit: int
    bits: int
    kind: FieldKind
    steers: bool
    """Parsing depends on it: writing it through a parsed view kills the views behind."""
    plain: bool
    """A checksum or a length: writing it updates no checksum."""

    @property
    def first_byte(self) -> int:
        """Offset of the first byte that the field touches, from the header's start."""
        return self.bit // 8

    @property
    def end_byte(self) -> int:
        """Offset behind the last byte that the field touches."""
        return -(-(self.bit + self.bits) // 8)

    @property
    def shift(self) -> int:
        """Bits between the field's least significant bit and the end of its last byte."""
        return self.end_byte * 8 - self.bit - self.bits

    def extract(self, word: int) -> int:
        """The field's value in `word`, the bytes first_byte … end_byte as a big endian integer."""
        return word >> self.shift & (1 << self.bits) - 1

    def insert(self, word: int, value: int) -> int:
        """`word` with the field set to `value` modulo 2**bits."""
        mask = (1 << self.bits) - 1
        return word & ~(mask << self.shift) | (value & mask) << self.shift


class HeaderSpec(NamedTuple):
    """The fixed part of a header: its fields in order, its size in bytes, its checksum field where it has one."""

    name: str
    fields: tuple[FieldSpec, ...]
    size: int
    checksum: str | None

    def field(self, name: str) -> FieldSpec:
        """The field called `name`; KeyError where there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


class FieldAccess(Protocol):
    """One header's place in a packet. Each method raises RuntimeError where the view has died."""

    def load(self, field: FieldSpec) -> int: ...

    def store(self, field: FieldSpec, value: int) -> None: ...

    def update_checksum(self) -> None: ...

    def tcp_options(self) -> Iterator[TcpOption]: ...


class View:
    """A header where it lies in a packet. Always true. `Packet` makes them; there is nothing to construct."""

    __slots__ = ("_access",)
    __header__: ClassVar[HeaderSpec]
    _access: FieldAccess

    def __init__(self, *_fields: object, **_named_fields: object) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} is a view of a packet's bytes: name it there, or use pkt.at({name}, offset)")

    def __repr__(self) -> str:
        values = " ".join(f"{field.name}={getattr(self, field.name)}" for field in self.__header__.fields)
        return f"<{type(self).__name__} {values}>"


def place_view(header: type[T], access: FieldAccess) -> T:
    """A view by class `header` of the bytes behind `access`."""
    view = object.__new__(header)
    cast(View, view)._access = access
    return view


class _FieldMarker(NamedTuple):
    """What stands behind the `=` of a field until `@header` reads it; `bits` 0 where the annotation says the width."""

    bits: int
    steers: bool
    plain: bool


def bits(count: int, *, steers: bool = False, plain: bool = False) -> Any:
    """Declares an integer field of `count` bits, 1 … 64: `vni: int = bits(24)`.

    The keywords, as in `FieldSpec`, are for the built-in headers. TypeError where `count` is out of range.
    """
    if not 1 <= count <= 64:
        raise TypeError(f"a field has 1 to 64 bits, not {count}")
    return _FieldMarker(count, steers, plain)


def field(*, steers: bool = False, plain: bool = False) -> Any:
    """Marks a field whose annotation says its width; `steers` and `plain` as in `FieldSpec`."""
    return _FieldMarker(0, steers, plain)


@dataclass_transform(eq_default=False, field_specifiers=(bits, field))
def header(cls: type[T]) -> type[T]:
    """Declares a protocol header: a class with one annotation a field, in the order sent, most significant bit first.

    Annotations: u8 … u64, `int = bits(n)`, IPv4Address, IPv6Address, Mac. `pkt.at(cls, offset)` then views it.
    TypeError where a field has no width, an integer spans more than 8 bytes, an address does not start at a byte, or
    the fields do not fill whole bytes.
    """
    spec = _lay_out(cls.__name__, declared_fields(cls))
    properties: dict[str, object] = {field.name: _FieldProperty(field) for field in spec.fields}
    bases = cls.__bases__ if issubclass(cls, View) else (View, *(base for base in cls.__bases__ if base is not object))
    drop = frozenset(properties) | {"__init__"}
    return cast("type[T]", rebuilt(cls, bases, drop, {"__header__": spec, **properties}))


_ADDRESSES: Final[dict[object, tuple[FieldKind, int]]] = {
    IPv4Address: (FieldKind.IPV4, 32),
    IPv6Address: (FieldKind.IPV6, 128),
    Mac: (FieldKind.MAC, 48),
}
_TYPES: Final[dict[FieldKind, Any]] = {
    FieldKind.INT: int,
    FieldKind.IPV4: IPv4Address,
    FieldKind.IPV6: IPv6Address,
    FieldKind.MAC: Mac,
}
_CHECKSUM_NAMES: Final = frozenset({"chksum", "cksum"})


def _lay_out(name: str, declared: list[Declared]) -> HeaderSpec:
    fields: list[FieldSpec] = []
    bit = 0
    for declaration in declared:
        spec = _field_spec(name, declaration, bit)
        fields.append(spec)
        bit += spec.bits
    if not fields:
        raise TypeError(f"{name}: a header needs at least one field")
    if bit % 8:
        raise TypeError(f"{name}: the fields have {bit} bits in all, which is not a whole number of bytes")
    checksum = next((field.name for field in fields if field.plain and field.name in _CHECKSUM_NAMES), None)
    return HeaderSpec(name, tuple(fields), bit // 8, checksum)


def _field_spec(owner: str, declared: Declared, bit: int) -> FieldSpec:
    where = f"{owner}.{declared.name}"
    marker = declared.default if declared.default is not MISSING else _FieldMarker(0, steers=False, plain=False)
    if not isinstance(marker, _FieldMarker):
        raise TypeError(f"{where}: a header field has no default; only bits(n) may stand behind the '='")
    kind, width = _kind_and_width(where, declared.type, marker)
    spec = FieldSpec(declared.name, bit, width, kind, marker.steers, marker.plain)
    if kind is not FieldKind.INT and bit % 8:
        raise TypeError(f"{where}: an address starts at a whole byte, not {bit} bits behind the header's start")
    if kind is FieldKind.INT and spec.end_byte - spec.first_byte > MAX_FIELD_BYTES:
        raise TypeError(f"{where}: the field touches more than {MAX_FIELD_BYTES} bytes")
    return spec


def _kind_and_width(where: str, annotation: object, marker: _FieldMarker) -> tuple[FieldKind, int]:
    if annotation is int and marker.bits:
        return FieldKind.INT, marker.bits
    if marker.bits:
        raise TypeError(f"{where}: a field of bits({marker.bits}) is annotated int")
    if isinstance(annotation, Width) and not annotation.signed:
        return FieldKind.INT, annotation.bits
    if isinstance(annotation, type) and annotation in _ADDRESSES:
        return _ADDRESSES[annotation]
    known = "u8 … u64, int = bits(n), IPv4Address, IPv6Address or Mac"
    raise TypeError(f"{where}: {annotation!r} is no type of a header field; use {known}")


class _FieldProperty:
    """Reads and writes one field of a view."""

    __slots__ = ("_spec", "_type")

    def __init__(self, spec: FieldSpec) -> None:
        self._spec = spec
        self._type = _TYPES[spec.kind]

    def __get__(self, view: View | None, owner: type) -> object:
        if view is None:
            return self
        value = view._access.load(self._spec)
        return value if self._type is int else self._type(value)

    def __set__(self, view: View, value: object) -> None:
        if not isinstance(value, self._type):
            name = f"{type(view).__name__}.{self._spec.name}"
            raise TypeError(f"{name} takes {self._type.__name__}, not {type(value).__name__}")
        view._access.store(self._spec, int(value))


class ChecksummedView(View):
    """A header that carries a checksum which writes through `pkt.x` keep right."""

    __slots__ = ()

    def update_checksum(self) -> None:
        """Recompute the checksum from the bytes present, up to the end that the IP header declares.

        RuntimeError where the view has died, or came from `pkt.at`, which knows no pseudo-header.
        """
        self._access.update_checksum()


@header
class Eth(View):
    """Ethernet II, IEEE 802.3-2018 section 3.2.6 with `type` as EtherType."""

    dst: Mac
    src: Mac
    type: u16 = field(steers=True)


@header
class Vlan(View):
    """VLAN tag, IEEE 802.1Q-2018 section 9.6; `type` is that of what follows."""

    prio: int = bits(3)
    dei: int = bits(1)
    vlan: int = bits(12)
    type: u16 = field(steers=True)


@header
class Arp(View):
    """ARP for IPv4 over Ethernet, RFC 826."""

    hwtype: u16
    ptype: u16
    hwlen: u8 = field(steers=True)
    plen: u8 = field(steers=True)
    op: u16
    hwsrc: Mac
    psrc: IPv4Address
    hwdst: Mac
    pdst: IPv4Address


@header
class Ipv4(ChecksummedView):
    """IPv4, RFC 791 section 3.1. `ihl` counts 4 bytes, `frag` 8 bytes; `tos` is DSCP and ECN (RFC 2474, RFC 3168)."""

    version: int = bits(4, steers=True)
    ihl: int = bits(4, steers=True)
    tos: u8
    len: u16 = field(steers=True, plain=True)
    id: u16
    flags: int = bits(3)
    frag: int = bits(13, steers=True)
    ttl: u8
    proto: u8 = field(steers=True)
    chksum: u16 = field(plain=True)
    src: IPv4Address
    dst: IPv4Address


@header
class Ipv6(View):
    """IPv6, RFC 8200 section 3. `plen` counts the bytes behind this header."""

    version: int = bits(4, steers=True)
    tc: int = bits(8)
    fl: int = bits(20)
    plen: u16 = field(steers=True, plain=True)
    nh: u8 = field(steers=True)
    hlim: u8
    src: IPv6Address
    dst: IPv6Address


@header
class Icmp(ChecksummedView):
    """ICMP, RFC 792; `id` and `seq` as in echo messages, the second four bytes of any other."""

    type: u8
    code: u8
    chksum: u16 = field(plain=True)
    id: u16
    seq: u16


@header
class Icmp6(ChecksummedView):
    """ICMPv6, RFC 4443 section 2.1."""

    type: u8
    code: u8
    cksum: u16 = field(plain=True)


@header
class Tcp(ChecksummedView):
    """TCP, RFC 9293 section 3.1. `dataofs` counts 4 bytes; `flags` are 9 bits, from NS (RFC 3540) down to FIN."""

    sport: u16
    dport: u16
    seq: u32
    ack: u32
    dataofs: int = bits(4, steers=True)
    reserved: int = bits(3)
    flags: int = bits(9)
    window: u16
    chksum: u16 = field(plain=True)
    urgptr: u16

    @property
    def options(self) -> Iterator[TcpOption]:
        """The options in order, at most 40. Ends before kind 0 and at the first whose length is wrong."""
        return self._access.tcp_options()


@header
class Udp(ChecksummedView):
    """UDP, RFC 768. `len` counts this header too."""

    sport: u16
    dport: u16 = field(steers=True)
    len: u16 = field(plain=True)
    chksum: u16 = field(plain=True)


@header
class Gre(View):
    """GRE, RFC 2784 section 2 and RFC 2890; the bits that these reserve are named as in RFC 1701."""

    chksum_present: int = bits(1, steers=True)
    routing_present: int = bits(1, steers=True)
    key_present: int = bits(1, steers=True)
    seqnum_present: int = bits(1, steers=True)
    strict_route_source: int = bits(1)
    recursion_control: int = bits(3)
    flags: int = bits(5)
    version: int = bits(3, steers=True)
    proto: u16


@header
class Vxlan(View):
    """VXLAN, RFC 7348 section 5."""

    flags: u8
    reserved1: int = bits(24)
    vni: int = bits(24)
    reserved2: u8


@header
class Mpls(View):
    """One MPLS label stack entry, RFC 3032 section 2.1 (`cos` is the traffic class of RFC 5462)."""

    label: int = bits(20)
    cos: int = bits(3)
    s: int = bits(1)
    ttl: u8


class ExtensionLength(NamedTuple):
    """Length in bytes of an IPv6 extension header whose second byte is n: `unit`·n + `constant`."""

    unit: int
    constant: int


LAYERS: Final[dict[str, type[View]]] = {
    "eth": Eth,
    "vlan": Vlan,
    "vlan2": Vlan,
    "arp": Arp,
    "ipv4": Ipv4,
    "ipv6": Ipv6,
    "icmp": Icmp,
    "icmp6": Icmp6,
    "tcp": Tcp,
    "udp": Udp,
    "gre": Gre,
    "vxlan": Vxlan,
    "mpls": Mpls,
}
"""Attribute of Packet to the class of its view."""

ETHERTYPES: Final = {0x0800: "ipv4", 0x86DD: "ipv6", 0x0806: "arp", 0x8847: "mpls", 0x8848: "mpls"}
"""EtherType to layer 3 (IANA, IEEE 802 Numbers)."""
VLAN_TYPES: Final = frozenset({0x8100, 0x88A8})
"""EtherTypes of the customer's and the service provider's tag."""
MAX_VLAN_TAGS: Final = 2
IP_PROTOCOLS: Final[dict[int, dict[int, str]]] = {
    4: {1: "icmp", 6: "tcp", 17: "udp", 47: "gre"},
    6: {58: "icmp6", 6: "tcp", 17: "udp", 47: "gre"},
}
"""IP version and protocol to layer 4 (IANA, Protocol Numbers)."""
IPV6_ROUTING: Final = 43
"""Its byte 3 is the number of segments left (RFC 8200 section 4.4)."""
IPV6_FRAGMENT: Final = 44
"""The 13 high bits of its bytes 2 and 3 are the fragment's offset (RFC 8200 section 4.5)."""
IPV6_EXTENSIONS: Final = {
    0: ExtensionLength(8, 8),
    IPV6_ROUTING: ExtensionLength(8, 8),
    IPV6_FRAGMENT: ExtensionLength(0, 8),
    51: ExtensionLength(4, 8),
    60: ExtensionLength(8, 8),
    135: ExtensionLength(8, 8),
    139: ExtensionLength(8, 8),
    140: ExtensionLength(8, 8),
}
"""Extension headers that are walked (IANA, IPv6 Extension Header Types; 51 is AH, RFC 4302 section 2.2). Any other
protocol ends the walk, ESP (50) and "no next header" (59) without a layer 4."""
MAX_IPV6_EXTENSIONS: Final = 8
VXLAN_PORT: Final = 4789
"""UDP destination port (RFC 7348 section 8)."""
MAX_TCP_OPTIONS: Final = 40
"""Most options in a header: 40 bytes of single-byte ones."""
