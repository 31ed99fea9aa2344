"""The access list of the benchmark: 16 rules as data, in the order in which they are tried.

First match wins; a packet that no rule matches passes. `programs/acl.py` states the same list for users, `acl_c.py`
makes C of it, `expressions.py` a libpcap expression; all engines are held to one verdict for each packet.

Addresses are those of documentation and private use (RFC 1918, RFC 3849, RFC 5737). This file must not know how a rule
is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final


class Action(Enum):
    """What a rule does with a packet that it matches: the verdict's name."""

    ALLOW = "PASS"
    DENY = "DROP"


class Protocol(Enum):
    """A layer-4 header that must be present and well formed; ICMP is ICMPv6 over IPv6."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the list. None matches anything; without a network a rule holds for IPv4 and IPv6 alike.

    `ports` is the inclusive range of destination ports and asks for a protocol that has ports.
    """

    action: Action
    protocol: Protocol | None = None
    src: IPv4Network | IPv6Network | None = None
    dst: IPv4Network | IPv6Network | None = None
    ports: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """ValueError where ports lack a protocol that has them, or the two networks are of different versions."""
        if self.ports is not None and self.protocol not in (Protocol.TCP, Protocol.UDP):
            raise ValueError(f"{self}: ports need tcp or udp")
        if self.src is not None and self.dst is not None and self.src.version != self.dst.version:
            raise ValueError(f"{self}: networks of both versions")

    def applies_to(self, version: int) -> bool:
        """Whether a packet of IP `version` (4 or 6) can match."""
        return all(network is None or network.version == version for network in (self.src, self.dst))


def _network(text: str | None) -> IPv4Network | IPv6Network | None:
    return None if text is None else ip_network(text)


def _rule(
    action: Action,
    protocol: Protocol | None = None,
    src: str | None = None,
    dst: str | None = None,
    ports: tuple[int, int] | None = None,
) -> Rule:
    return Rule(action, protocol, _network(src), _network(dst), ports)


RULES: Final[tuple[Rule, ...]] = (
    _rule(Action.DENY, src="203.0.113.0/24"),
    _rule(Action.DENY, src="2001:db8:bad::/48"),
    _rule(Action.ALLOW, Protocol.TCP, dst="10.0.0.0/8", ports=(80, 80)),
    _rule(Action.ALLOW, Protocol.TCP, dst="10.0.0.0/8", ports=(443, 443)),
    _rule(Action.DENY, Protocol.TCP, ports=(23, 23)),
    _rule(Action.DENY, Protocol.TCP, ports=(135, 139)),
    _rule(Action.ALLOW, Protocol.UDP, src="10.0.0.0/8", ports=(53, 53)),
    _rule(Action.DENY, Protocol.UDP, ports=(1900, 1900)),
    _rule(Action.DENY, Protocol.ICMP, dst="192.168.0.0/16"),
    _rule(Action.ALLOW, Protocol.TCP, dst="192.168.10.0/24", ports=(22, 22)),
    _rule(Action.DENY, Protocol.TCP, dst="192.168.0.0/16", ports=(22, 22)),
    _rule(Action.ALLOW, Protocol.TCP, src="2001:db8:10::/48", ports=(443, 443)),
    _rule(Action.DENY, Protocol.UDP, dst="2001:db8:20::/64", ports=(1024, 65535)),
    _rule(Action.DENY, Protocol.TCP, dst="2001:db8::/32", ports=(1, 1023)),
    _rule(Action.DENY, Protocol.UDP, src="172.16.0.0/12", dst="10.0.0.0/8", ports=(5000, 5999)),
    _rule(Action.DENY, src="172.16.0.0/12", dst="192.168.0.0/16"),
)
