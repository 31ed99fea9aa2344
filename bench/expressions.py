"""libpcap expressions that decide as the C filters do, on well-formed traffic.

libpcap's `vlan` moves the offsets of all that follows, so a filter that must hold behind none, one and two tags names
its expression three times. What an expression cannot say (IPv6 extension headers, headers cut short) does not occur in
the benchmark's traffic; the agreement check would tell.

Source: pcap-filter(7).
"""

from __future__ import annotations

from collections.abc import Sequence

from nmjit.bench.acl_rules import Action, Protocol, Rule


def behind_tags(expression: str) -> str:
    """`expression`, whatever the number of VLAN tags up to two."""
    return f"({expression}) or (vlan and (({expression}) or (vlan and ({expression}))))"


def acl_expression(rules: Sequence[Rule]) -> str:
    """Matches the packets that first-match evaluation of `rules` denies."""
    denied = ""
    for rule in reversed(rules):
        match = _match(rule)
        if rule.action is Action.DENY:
            denied = f"{match} or ({denied})" if denied else match
        elif denied:
            denied = f"(not {match}) and ({denied})"
    return denied


def _match(rule: Rule) -> str:
    parts = []
    if rule.protocol is not None:
        parts.append(_protocol(rule))
    if rule.src is not None:
        parts.append(f"{_family(rule.src.version)} src net {rule.src}")
    if rule.dst is not None:
        parts.append(f"{_family(rule.dst.version)} dst net {rule.dst}")
    if rule.ports is not None:
        low, high = rule.ports
        parts.append(f"dst port {low}" if low == high else f"dst portrange {low}-{high}")
    return f"({' and '.join(parts)})" if parts else "(ip or ip6)"


def _protocol(rule: Rule) -> str:
    """The protocol's header is present: libpcap looks for later fragments itself only where a port is asked for."""
    assert rule.protocol is not None
    name = rule.protocol.value
    if rule.ports is not None:
        return name
    over_ipv4 = f"(ip proto \\{name} and ip[6:2] & 0x1fff = 0)"
    over_ipv6 = "icmp6" if rule.protocol is Protocol.ICMP else f"ip6 proto \\{name}"
    sides = [side for version, side in ((4, over_ipv4), (6, over_ipv6)) if rule.applies_to(version)]
    return f"({' or '.join(sides)})"


def _family(version: int) -> str:
    """Without it libpcap would look into ARP too."""
    return "ip" if version == 4 else "ip6"
