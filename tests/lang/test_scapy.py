"""Agreement with Scapy, which shares no code with us: fields read, and checksums after writes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from nmjit import Mac, Packet
from nmjit._headers import LAYERS, FieldKind, FieldSpec
from tests.lang.test_headers import view

CLASSES = {
    "eth": Ether, "vlan": Dot1Q, "arp": ARP, "ipv4": IP, "ipv6": IPv6, "icmp": ICMP, "icmp6": ICMPv6EchoRequest,
    "tcp": TCP, "udp": UDP, "gre": GRE, "vxlan": VXLAN, "mpls": MPLS,
}  # fmt: skip
MACS: dict[str, Any] = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}
IPS: dict[str, Any] = {"dst": "198.51.100.2", "src": "192.0.2.1"}
NOT_IN_SCAPY = {"vxlan": {"reserved1"}}  # conditional there, on the flags of extensions

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
IP4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IP6 = st.integers(0, 2**128 - 1).map(IPv6Address)
MAC = st.integers(0, 2**48 - 1).map(Mac)
DATA = st.binary(max_size=40)


@st.composite
def segments(draw: st.DrawFn, version: int) -> Any:
    """A layer-4 header of Scapy with data."""
    kinds = ["tcp", "udp", "icmp" if version == 4 else "icmp6"]
    layer: Any
    match draw(st.sampled_from(kinds)):
        case "tcp":
            several = [("NOP", None), ("WScale", 7), ("Timestamp", (1, 2))]
            options = draw(st.sampled_from([[], [("MSS", 1460)], several]))
            layer = TCP(
                sport=draw(U16), dport=draw(U16), seq=draw(U32), ack=draw(U32), reserved=draw(st.integers(0, 7)),
                flags=draw(st.integers(0, 511)), window=draw(U16), urgptr=draw(U16), options=options,
            )  # fmt: skip
        case "udp":
            layer = UDP(sport=draw(U16), dport=draw(U16.filter(lambda port: port != 4789)))
        case "icmp":
            layer = ICMP(type=8, code=draw(U8), id=draw(U16), seq=draw(U16))
        case _:
            layer = ICMPv6EchoRequest(code=draw(U8), id=draw(U16), seq=draw(U16))
    return layer / Raw(draw(DATA))


@st.composite
def frames(draw: st.DrawFn) -> Any:
    """A frame that Scapy completes: lengths, checksums and the types that join the layers."""
    frame = Ether(dst=str(draw(MAC)), src=str(draw(MAC)))
    for _ in range(draw(st.integers(0, 2))):
        frame /= Dot1Q(prio=draw(st.integers(0, 7)), dei=draw(st.integers(0, 1)), vlan=draw(st.integers(0, 4095)))
    if draw(st.booleans()):
        ip = IP(src=str(draw(IP4)), dst=str(draw(IP4)), tos=draw(U8), id=draw(U16), ttl=draw(U8), flags="DF")
        return frame / ip / draw(segments(4))
    label = draw(st.integers(0, 2**20 - 1))
    frame /= IPv6(src=str(draw(IP6)), dst=str(draw(IP6)), tc=draw(U8), fl=label, hlim=draw(U8))
    for extension in draw(st.lists(st.sampled_from([IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt]), max_size=2)):
        frame /= extension()
    return frame / draw(segments(6))


def scapy_value(layer: Any, field: FieldSpec) -> Any:
    """A field as Scapy reads it, in our types."""
    value = layer.getfieldval(field.name)
    match field.kind:
        case FieldKind.INT:
            return int(value)
        case FieldKind.IPV4:
            return IPv4Address(value)
        case FieldKind.IPV6:
            return IPv6Address(value)
        case FieldKind.MAC:
            return Mac(value)


def assert_reads_as_scapy(data: bytes, names: list[str]) -> None:
    """Every field of the first header of each kind in `names` reads as Scapy dissects it."""
    pkt, dissected = Packet(data), Ether(data)
    for name in names:
        ours, theirs = view(pkt, name), dissected[CLASSES[name]]
        for field in LAYERS[name].__header__.fields:
            if field.name not in NOT_IN_SCAPY.get(name, ()):
                assert getattr(ours, field.name) == scapy_value(theirs, field), f"{name}.{field.name}"


def present(pkt: Packet) -> list[str]:
    return [name for name in LAYERS if name != "vlan2" and getattr(pkt, name) is not None]


@given(frames())
def test_fields_read_as_scapy_reads_them(frame: Any) -> None:
    data = bytes(frame)
    names = present(Packet(data))
    assert {"eth"} < set(names)
    assert {"tcp", "udp", "icmp", "icmp6"} & set(names)
    assert_reads_as_scapy(data, names)
    beyond = 4 if "icmp6" in names else 0  # echo's identifier and sequence number, which icmp6 leaves to the payload
    assert bytes(Packet(data).payload)[beyond:] == bytes(frame[Raw].load)


@given(MAC, IP4, MAC, IP4, U16)
def test_arp_reads_as_scapy_reads_it(hwsrc: Mac, psrc: IPv4Address, hwdst: Mac, pdst: IPv4Address, op: int) -> None:
    arp = ARP(op=op, hwsrc=str(hwsrc), psrc=str(psrc), hwdst=str(hwdst), pdst=str(pdst))
    assert_reads_as_scapy(bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=str(hwsrc)) / arp), ["eth", "arp"])


@given(st.integers(0, 2**20 - 1), st.integers(0, 7), U8)
def test_mpls_reads_as_scapy_reads_it(label: int, cos: int, ttl: int) -> None:
    frame = Ether(**MACS, type=0x8847) / MPLS(label=label, cos=cos, s=1, ttl=ttl)
    assert_reads_as_scapy(bytes(frame / IP()), ["eth", "mpls"])


@given(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2**24 - 1))
def test_tunnels_read_as_scapy_reads_them(key: int, sequence: int, vni: int) -> None:
    outer = Ether(**MACS) / IP(**IPS)
    gre = bytes(outer / GRE(key_present=key, seqnum_present=sequence, proto=0x0800) / IP(**IPS))
    assert_reads_as_scapy(gre, ["eth", "ipv4", "gre"])
    assert Packet(gre).payload[0] == 0x45
    vxlan = outer / UDP(sport=1, dport=4789) / VXLAN(vni=vni) / Ether(**MACS)
    assert_reads_as_scapy(bytes(vxlan), ["eth", "ipv4", "udp", "vxlan"])


VALUES = {FieldKind.IPV4: IP4, FieldKind.IPV6: IP6, FieldKind.MAC: MAC}
SUMS = ("icmp", "icmp6", "tcp", "udp", "ipv4")


def with_new_sums(data: bytes) -> bytes:
    """`data` with every checksum computed by Scapy."""
    frame = Ether(data)
    for name in SUMS:
        if CLASSES[name] in frame:
            field = LAYERS[name].__header__.checksum
            assert field is not None
            delattr(frame[CLASSES[name]], field)
    return bytes(frame)


@given(frames(), st.data())
def test_checksums_stay_right_through_writes(frame: Any, data: st.DataObject) -> None:
    pkt = Packet(bytes(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(present(pkt)))
        written = view(pkt, name)
        fields = [f for f in LAYERS[name].__header__.fields if not f.steers and not f.plain and f.name != "type"]
        field = data.draw(st.sampled_from(fields))
        values = VALUES.get(field.kind, st.integers(0, 2**field.bits - 1))
        setattr(written, field.name, data.draw(values))
    assert bytes(pkt) == with_new_sums(bytes(pkt))


@given(frames(), st.data())
def test_update_checksum_computes_what_scapy_computes(frame: Any, data: st.DataObject) -> None:
    right = bytes(frame)
    pkt = Packet(right + bytes(data.draw(st.integers(0, 18))))
    for name in (name for name in SUMS if getattr(pkt, name) is not None):
        field = LAYERS[name].__header__.checksum
        assert field is not None
        setattr(view(pkt, name), field, data.draw(U16))
        view(pkt, name).update_checksum()
    assert pkt[: len(right)] == right


@pytest.mark.parametrize("field", ["version", "ihl", "proto", "frag"])
def test_steering_fields_are_covered_too(field: str) -> None:
    pkt = Packet(bytes(Ether(**MACS) / IP(**IPS) / UDP()))
    ip = view(pkt, "ipv4")
    before = ip.chksum
    setattr(ip, field, getattr(ip, field) + 1)
    assert ip.chksum != before
    total = sum(pkt.u16(offset) for offset in range(14, 34, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
