"""What each program must do to a packet, in terms of dissect.py and the standard library alone.

The access list comes from the benchmark's own statement of it. This file must not know: nmjit's Packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network

from nmjit.bench.acl_rules import RULES, Rule
from nmjit.bench.filters import ROUTER_MACS
from tests.programs.dissect import Dissection, dissect

Model = Callable[[bytes], tuple[str, bytes]]
"""A packet to a verdict's name and the bytes that are left."""

BLOCKED = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.66", "2001:db8:bad::/48", "100::/64")),
)
ADMITTED = {1, 10, 20, *range(100, 200)}
REQUESTS = tuple(
    method + b" /" for method in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH")
)


def pass_all(data: bytes) -> tuple[str, bytes]:
    return "PASS", data


def _drop_where(matches: Callable[[Dissection], bool]) -> Model:
    return lambda data: ("DROP" if matches(dissect(data)) else "PASS", data)


def _to_port_80(packet: Dissection) -> bool:
    return packet.layer4 is not None and packet.layer4.name == "tcp" and packet.layer4.dport == 80


def _from_blocked(packet: Dissection) -> bool:
    return packet.ip is not None and any(packet.ip.src in network for network in BLOCKED)


def _is_request(packet: Dissection) -> bool:
    if packet.layer4 is None or packet.layer4.name != "tcp":
        return False
    content = packet.layer4.payload
    return content.startswith(REQUESTS) and content.count(b"\r\nHost: blocked.example\r\n") > 0


def _is_denied(packet: Dissection) -> bool:
    decisive = next((rule for rule in RULES if matches(rule, packet)), None)
    return decisive is not None and decisive.action.value == "DROP"


def matches(rule: Rule, packet: Dissection) -> bool:
    """Whether a rule of the access list holds for a packet."""
    ip, layer4 = packet.ip, packet.layer4
    if ip is None or not rule.applies_to(ip.src.version):
        return False
    if rule.protocol is not None and (layer4 is None or layer4.name != rule.protocol.value):
        return False
    if rule.ports is not None and (layer4 is None or layer4.dport not in range(rule.ports[0], rule.ports[1] + 1)):
        return False
    return all(net is None or address in net for address, net in ((ip.src, rule.src), (ip.dst, rule.dst)))


def _outside_vlans(packet: Dissection) -> bool:
    if not packet.types or (not packet.vlans and packet.types[0] in (0x8100, 0x88A8)):
        return True
    vlan = packet.vlans[0] if packet.vlans else 0
    return (vlan or 1) not in ADMITTED


def mac_swap(data: bytes) -> tuple[str, bytes]:
    return ("DROP", data) if len(data) < 14 else ("TX", data[6:12] + data[:6] + data[12:])


def router(data: bytes) -> tuple[str, bytes]:
    ip = dissect(data).ip
    if ip is None or ip.src.version != 4:
        return "PASS", data
    ttl, old_sum = data[ip.start + 8], int.from_bytes(data[ip.start + 10 : ip.start + 12], "big")
    if ttl < 2:
        return "DROP", data
    total = (old_sum ^ 0xFFFF) + ((ttl << 8 | data[ip.start + 9]) ^ 0xFFFF) + ((ttl - 1) << 8 | data[ip.start + 9])
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    routed = bytearray(data)
    routed[:12] = b"".join(ROUTER_MACS)
    routed[ip.start + 8] = ttl - 1
    routed[ip.start + 10 : ip.start + 12] = (total ^ 0xFFFF).to_bytes(2, "big")
    return "TX", bytes(routed)


def counts(packets: list[bytes]) -> dict[str, Counter[int]]:
    """What protocol_counter's maps hold in the end."""
    dissected = [dissect(packet) for packet in packets]
    types = (packet.types[-1] for packet in dissected if packet.types)
    return {
        "ETHERTYPES": Counter(kind if kind >= 1536 else 0 for kind in types),
        "PROTOCOLS": Counter(packet.ip.protocol for packet in dissected if packet.ip is not None),
    }


MODELS: dict[str, Model] = {
    "accept_all": pass_all,
    "acl": _drop_where(_is_denied),
    "block_list": _drop_where(_from_blocked),
    "http_match": _drop_where(_is_request),
    "mac_swap": mac_swap,
    "port_filter": _drop_where(_to_port_80),
    "protocol_counter": pass_all,
    "router": router,
    "vlan_filter": _drop_where(_outside_vlans),
}
