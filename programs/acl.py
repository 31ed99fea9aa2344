"""An access list of 16 rules over IPv4 and IPv6: of source, destination, protocol and destination port.

The first rule that matches decides. Drops what a DROP rule decides; passes the rest, and all that is not IP. A rule of
a protocol holds only where that header is there and whole, so not for later fragments; ICMP is ICMPv6 over IPv6.

The list is data. Loops over it are written out when the filter is compiled, and what a rule leaves open costs nothing.
Cost: at most 398 operations a packet; touches no byte beyond 18,507.
"""

from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from ipaddress import ip_network as net
from typing import NamedTuple

from nmjit import DROP, PASS, Ipv4, Ipv6, Packet, Verdict, filter


class Protocol(Enum):
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


TCP, UDP, ICMP = Protocol


class Rule(NamedTuple):
    """What is None matches anything; `ports` are the first and last of TCP or UDP."""

    verdict: Verdict
    protocol: Protocol | None = None
    src: IPv4Network | IPv6Network | None = None
    dst: IPv4Network | IPv6Network | None = None
    ports: tuple[int, int] = (0, 65535)


RULES = (
    Rule(DROP, src=net("203.0.113.0/24")),
    Rule(DROP, src=net("2001:db8:bad::/48")),
    Rule(PASS, TCP, dst=net("10.0.0.0/8"), ports=(80, 80)),
    Rule(PASS, TCP, dst=net("10.0.0.0/8"), ports=(443, 443)),
    Rule(DROP, TCP, ports=(23, 23)),
    Rule(DROP, TCP, ports=(135, 139)),
    Rule(PASS, UDP, src=net("10.0.0.0/8"), ports=(53, 53)),
    Rule(DROP, UDP, ports=(1900, 1900)),
    Rule(DROP, ICMP, dst=net("192.168.0.0/16")),
    Rule(PASS, TCP, dst=net("192.168.10.0/24"), ports=(22, 22)),
    Rule(DROP, TCP, dst=net("192.168.0.0/16"), ports=(22, 22)),
    Rule(PASS, TCP, src=net("2001:db8:10::/48"), ports=(443, 443)),
    Rule(DROP, UDP, dst=net("2001:db8:20::/64"), ports=(1024, 65535)),
    Rule(DROP, TCP, dst=net("2001:db8::/32"), ports=(1, 1023)),
    Rule(DROP, UDP, src=net("172.16.0.0/12"), dst=net("10.0.0.0/8"), ports=(5000, 5999)),
    Rule(DROP, src=net("172.16.0.0/12"), dst=net("192.168.0.0/16")),
)


def rules_of(version: int) -> tuple[Rule, ...]:
    """The rules that a packet of IP `version` can match."""
    return tuple(r for r in RULES if all(n is None or n.version == version for n in (r.src, r.dst)))


RULES4, RULES6 = rules_of(4), rules_of(6)


@filter
def acl(pkt: Packet) -> Verdict:
    if ip := pkt.ipv4:
        return first_match(RULES4, pkt, ip)
    if ip6 := pkt.ipv6:
        return first_match(RULES6, pkt, ip6)
    return PASS


def first_match(rules: tuple[Rule, ...], pkt: Packet, ip: Ipv4 | Ipv6) -> Verdict:
    for rule in rules:
        if (
            (rule.protocol is None or has_layer4(rule, pkt))
            and (rule.src is None or ip.src in rule.src)
            and (rule.dst is None or ip.dst in rule.dst)
        ):
            return rule.verdict
    return PASS


def has_layer4(rule: Rule, pkt: Packet) -> bool:
    if rule.protocol == ICMP:
        return pkt.icmp is not None or pkt.icmp6 is not None
    l4 = pkt.tcp if rule.protocol == TCP else pkt.udp
    return l4 is not None and rule.ports[0] <= l4.dport <= rule.ports[1]
