"""Filters as Python source text: a module with constants, maps, headers, helpers and one `@filter` function.

`filter_source(seed, size)` is a pure function. Smaller sizes of one seed are simpler filters, though not parts of the
larger one; `tests/properties/reduce.py` cuts a failing text down. This file must not know: any engine.
"""

from __future__ import annotations

import random
from typing import Final

from tests.generators.declarations import headers, maps
from tests.generators.names import Declarations, Helper, Names
from tests.generators.packets import ADDRESSES4, MACS
from tests.generators.surgery import Surgery

DEFAULT_SIZE: Final = 10
"""Statements in the filter's own body, about."""
FILTER: Final = "generated"
"""Name of the filter in the text."""

_PRELUDE: Final = f"""\
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from nmjit import (
    DROP, PASS, TX, Array, Bloom, Counter, Events, HashMap, Histogram, LpmTrie, LruHashMap, Mac, NetworkSet, Packet,
    Port, RateLimit, Verdict, filter, header, bits, mirror, now, random, redirect, struct,
    i8, i16, i32, i64, u8, u16, u32, u64, Tcp, Udp, Ipv4, Eth, Vlan, Icmp, Mpls, Arp,
)

OUT = Port()
BACK = Port()
PORTS = (22, 80, 443, 8080)
PAIRS = ((1, 2), (6, 80), (17, 53))
SPREAD = frozenset(range(0, 60000, 37)) | {{6, 17, 58}}
NET4 = ip_network("10.0.0.0/8")
NET6 = ip_network("2001:db8::/32")
NETS = NetworkSet(["10.0.0.0/15", "192.168.0.0/16", "8.8.8.8/32", "2001:db8::/33", "fe80::/10"])
HOSTS = ({", ".join(f'IPv4Address("{address}")' for address in ADDRESSES4[:4])})
NETWORKS = (NET4, ip_network("8.8.0.0/16"), ip_network("192.168.1.64/27"))
MACS = {{{", ".join(f'Mac("{mac.to_bytes(6, "big").hex(":")}")' for mac in MACS[:3])}}}


def layer4(pkt: Packet) -> Tcp | Udp | None:
    return pkt.tcp or pkt.udp


def hops(ip: Ipv4 | None, default: int = 7) -> int:
    if ip is None:
        return default
    return ip.ttl
"""


def filter_source(seed: int, size: int = DEFAULT_SIZE, *, stateful: bool = False) -> str:
    """The text of a module with one filter, called FILTER. `stateful`: with maps whose entries come and go."""
    rng = random.Random(f"filter {seed} {size} {stateful}")
    risk = rng.choice((0.0, 0.0, 0.01, 0.03, 0.1) if stateful else (0.0, 0.01, 0.03, 0.08, 0.2))
    module = Declarations()
    parts = [_PRELUDE, _tables(rng, module), maps(rng, module, stateful=stateful), headers(rng, module)]
    for number in range(rng.choice((0, 1, 1, 2, 3)) if size > 3 else 0):
        parts.append(_helper(rng, module, risk, number))
    parts.append(_filter(rng, module, risk, size))
    return "\n\n".join(parts)


def _tables(rng: random.Random, module: Declarations) -> str:
    module.table = rng.choice((1, 3, 4, 16))
    pool = (0, 1, 3, 80, 255, 65535, 2**32, -1, -300)
    return f"TABLE = ({', '.join(str(rng.choice(pool)) for _ in range(module.table))},)"


_ANNOTATIONS: Final = {"int": "int", "bool": "bool", "ipv4": "IPv4Address", "mac": "Mac", "packet": "Packet"}


def _helper(rng: random.Random, module: Declarations, risk: float, number: int) -> str:
    """A function for the filter, and later helpers, to call; it is added to the module's."""
    with_packet = rng.random() < 0.5
    parameters = (["packet"] if with_packet else []) + rng.choices(
        ("int", "int", "int", "bool", "ipv4", "mac"), k=rng.choice((1, 2))
    )
    returns = rng.choice(("int", "int", "int", "verdict")) if with_packet else "int"
    defaults = rng.choice((0, 0, 1)) if parameters[-1] in ("int", "bool") else 0
    writer = Surgery(rng, module, risk, returns)
    writer.has_packet, writer.costly, writer.may_call, writer.may_push = with_packet, 2, number > 0, False
    signature = []
    for place, kind in enumerate(parameters):
        name = "pkt" if kind == "packet" else f"p{place}"
        if kind != "packet":
            writer.names.variables[kind].append(name)
        default = f" = {rng.choice(('3', 'True'))}" if place >= len(parameters) - defaults else ""
        signature.append(f"{name}: {_ANNOTATIONS[kind]}{default}")
    writer.block(rng.choice((1, 2, 5)))
    if not writer.ended:
        writer.put(f"return {writer.verdict()}")
    name = f"helper{number}"
    module.helpers.append(Helper(name, tuple(parameters), defaults, returns, writer.killed))
    result = "Verdict" if returns == "verdict" else "int"
    return "\n".join([f"def {name}({', '.join(signature)}) -> {result}:", *writer.lines])


def _filter(rng: random.Random, module: Declarations, risk: float, size: int) -> str:
    writer = Surgery(rng, module, risk, "verdict")
    writer.costly = max(2, size // 2)
    writer.names = Names()
    while not writer.ended and len(writer.lines) < size:
        writer.block(1 if size < 4 else rng.choice((1, 3, size // 2)))
    if not writer.ended:
        writer.put(f"return {writer.verdict()}")
    return "\n".join(["@filter", f"def {FILTER}(pkt: Packet) -> Verdict:", *writer.lines, ""])
