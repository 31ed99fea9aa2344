"""The programs' model of a packet against Scapy, on packets that both understand."""

from __future__ import annotations

from ipaddress import ip_address

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from tests.bench import packets as bench_packets
from tests.programs.dissect import dissect
from tests.programs.traffic import built

LAYERS4 = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPv6EchoRequest: "icmp"}


def test_agrees_with_scapy() -> None:
    seen = set()
    for data in (*built(), *bench_packets.built()[:300]):
        packet, ours = Ether(data), dissect(data)
        if packet.haslayer(IPv6) and len(packet[IPv6].payload.layers()) > 1 and packet[IPv6].nh not in (6, 17, 58):
            continue  # Scapy reads headers that extension headers do not lead to
        ip = packet.getlayer(IP) or packet.getlayer(IPv6)
        assert ours.vlans == tuple(_tags(packet)), data.hex()
        assert (ours.ip is None) == (ip is None), data.hex()
        if ours.ip is not None and ip is not None:
            assert (ours.ip.src, ours.ip.dst) == (ip_address(ip.src), ip_address(ip.dst))
        name = next((name for layer, name in LAYERS4.items() if packet.haslayer(layer)), None)
        assert (ours.layer4 and ours.layer4.name) == name, data.hex()
        if ours.layer4 is not None and name in ("tcp", "udp"):
            layer = packet.getlayer(TCP) or packet.getlayer(UDP)
            assert (ours.layer4.dport, ours.layer4.payload) == (layer.dport, _content(layer)), data.hex()
        seen.add((name, ours.ip and ours.ip.src.version, len(ours.vlans)))
    assert len(seen) >= 15, seen


def _tags(packet: Packet) -> list[int]:
    return [layer.vlan for layer in packet.iterpayloads() if type(layer) in (Dot1Q, Dot1AD)]


def _content(layer: Packet) -> bytes:
    return bytes(layer.payload) if layer.payload.name != "Padding" else b""
