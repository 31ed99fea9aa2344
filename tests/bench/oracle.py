"""The benchmark's filters in ordinary Python over `nmjit.Packet`, the definition that the C peers are held to."""

from __future__ import annotations

from collections.abc import Callable

from nmjit import DROP, PASS, TX, Icmp, Icmp6, Ipv4, Ipv6, Mac, Packet, Tcp, Udp, Verdict
from nmjit.bench.acl_rules import RULES, Protocol, Rule
from nmjit.bench.filters import ACCEPT, ACL, PORT80, ROUTER, ROUTER_MACS

VERDICTS = {"DROP": DROP, "PASS": PASS}


def accept(pkt: Packet) -> Verdict:
    return PASS


def port80(pkt: Packet) -> Verdict:
    tcp = pkt.tcp
    return DROP if tcp is not None and tcp.dport == 80 else PASS


def acl(pkt: Packet) -> Verdict:
    ip = pkt.ipv4 or pkt.ipv6
    if ip is None:
        return PASS
    return next((VERDICTS[rule.action.value] for rule in RULES if _matches(rule, pkt, ip)), PASS)


def router(pkt: Packet) -> Verdict:
    ip, eth = pkt.ipv4, pkt.eth
    if ip is None or eth is None:
        return PASS
    if ip.ttl <= 1:
        return DROP
    ip.ttl -= 1
    eth.dst, eth.src = (Mac(mac) for mac in ROUTER_MACS)
    return TX


def _matches(rule: Rule, pkt: Packet, ip: Ipv4 | Ipv6) -> bool:
    if rule.protocol is not None and _layer4(rule.protocol, pkt) is None:
        return False
    if rule.src is not None and ip.src not in rule.src:
        return False
    if rule.dst is not None and ip.dst not in rule.dst:
        return False
    if rule.ports is None:
        return True
    header = pkt.tcp or pkt.udp
    assert header is not None
    return rule.ports[0] <= header.dport <= rule.ports[1]


def _layer4(protocol: Protocol, pkt: Packet) -> Tcp | Udp | Icmp | Icmp6 | None:
    match protocol:
        case Protocol.TCP:
            return pkt.tcp
        case Protocol.UDP:
            return pkt.udp
        case Protocol.ICMP:
            return pkt.icmp or pkt.icmp6


ORACLES: dict[str, Callable[[Packet], Verdict]] = {
    ACCEPT.name: accept,
    PORT80.name: port80,
    ACL.name: acl,
    ROUTER.name: router,
}
