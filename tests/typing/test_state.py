"""mypy --strict and pyright infer the types of keys and values of maps, and refuse what does not fit them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.typing.test_programs import CHECKERS

DECLARATIONS = '''
"""Every map kind, declared by type objects alone."""
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from nmjit import (
    PASS,
    Array,
    Bloom,
    Events,
    HashMap,
    Histogram,
    LpmTrie,
    LruHashMap,
    Mac,
    MapFull,
    Packet,
    Port,
    RateLimit,
    Verdict,
    filter,
    mirror,
    struct,
    u8,
    u16,
    u32,
    u64,
)

OUT = Port()


@struct
class Flow:
    packets: u64 = 0
    flags: u8 = 0
    source: IPv4Address = IPv4Address(0)
    open: bool = False
    mac: Mac = Mac(0)


@struct
class Pair:
    address: IPv6Address
    port: u16 = 53


FLOWS = HashMap(key=tuple[IPv4Address, u16], value=Flow, capacity=16)
SEEN = LruHashMap(key=IPv4Address, value=u64, capacity=16)
LIMIT = LruHashMap(IPv4Address, RateLimit, 16)
PAIRS = HashMap(key=Pair, value=u32, capacity=4)
ROUTES = LpmTrie(key=IPv4Address, value=Flow, capacity=16)
ROUTES6 = LpmTrie(IPv6Address, u32, 16)
LABELS = LpmTrie(u16, u32, 16)
VENDORS = LpmTrie(Mac, u32, 16)
SIZES = Histogram()
KNOWN = Bloom(key=tuple[IPv4Address, bool], capacity=100, error=0.01)
EVENTS = Events(Flow, 64)
LIMITS = Array(RateLimit, 4)
'''

ACCEPTED = """

@filter
def state(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    flow = FLOWS.setdefault((ip.src, 3), Flow())
    flow.packets += 1
    flow.source = ip.src
    flow.open = True
    if (old := FLOWS.get((ip.src, 1))) and old.open:
        del FLOWS[ip.src, 1]
    SEEN[ip.src] = SEEN.get(ip.src, 0) + 1
    SEEN[ip.src] += 1
    if not LIMIT.setdefault(ip.src, RateLimit(10)).allow() or LIMITS[0].allow(3):
        mirror(OUT)
    PAIRS[Pair(IPv6Address(1))] = 3
    route = ROUTES.get(ip.dst)
    if route is not None:
        route.packets += 1
    total: int = ROUTES6.get(IPv6Address(3), 0) + LABELS.get(7, 1) + VENDORS[Mac(3)]
    ROUTES6[IPv6Address(3)] += total
    SIZES.add(len(pkt))
    if KNOWN.add((ip.src, True)) or (ip.dst, False) in KNOWN:
        EVENTS.emit(Flow(packets=3))
    EVENTS.emit(flow)
    pkt.push(4)
    pkt.pull(4)
    return PASS


def outside() -> None:
    ten = IPv4Network("10.0.0.0/8")
    ROUTES[ten] = Flow()
    ROUTES.update({ten: Flow()})
    del ROUTES[ten]
    ROUTES6.setdefault(IPv6Network("::/0"), 3)
    LABELS[0, 0] = 3
    VENDORS[Mac(0), 24] = 5
    total: int = sum(flow.packets for flow in FLOWS.values())
    keys: list[tuple[IPv4Address, int]] = list(FLOWS)
    networks: list[IPv4Network] = list(ROUTES)
    labels: list[tuple[int, int]] = list(LABELS)
    vendors: list[tuple[Mac, int]] = [network for network, _ in VENDORS.items()]
    buckets: dict[tuple[int, int], int] = dict(SIZES)
    low, high = SIZES.mean_bounds()
    records: list[Flow] = EVENTS.read()
    copies: list[tuple[Port, bytes]] = Packet(b"", room=9).mirrors
    try:
        FLOWS[IPv4Address(1), 2] = Flow()
    except MapFull:
        print(total, keys, networks, labels, vendors, buckets, low + high, records, copies)
    print(SIZES.percentile(99.9) + EVENTS.dropped + FLOWS.failed + SEEN.evicted + ROUTES.inserted)
"""

REFUSED = [
    ("FLOWS[A]", "index", "reportArgumentType"),
    ("FLOWS[A, A]", "index", "reportArgumentType"),
    ("FLOWS.setdefault((A, 1), 3)", "arg-type", "reportArgumentType"),
    ("FLOWS.get((A, 1)).packets", "union-attr", "reportOptionalMemberAccess"),
    ("FLOWS[A, 1].octets", "attr-defined", "reportAttributeAccessIssue"),
    ("SEEN[A].packets", "attr-defined", "reportAttributeAccessIssue"),
    ("SEEN.setdefault(3, 3)", "arg-type", "reportArgumentType"),
    ("LIMIT[A].allow('3')", "arg-type", "reportArgumentType"),
    ("RateLimit('3')", "arg-type", "reportArgumentType"),
    ("PAIRS[A]", "index", "reportArgumentType"),
    ("ROUTES[IPv6Address(1)]", "index", "reportArgumentType"),
    ("ROUTES.get(A).packets", "union-attr", "reportOptionalMemberAccess"),
    ("ROUTES.setdefault(A, Flow())", "arg-type", "reportArgumentType"),
    ("VENDORS[3]", "index", "reportArgumentType"),
    ("SIZES.add('3')", "arg-type", "reportArgumentType"),
    ("KNOWN.add(A)", "arg-type", "reportArgumentType"),
    ("A in KNOWN", "operator", "reportOperatorIssue"),
    ("EVENTS.emit(Pair(IPv6Address(1)))", "arg-type", "reportArgumentType"),
    ("Flow(source=3)", "arg-type", "reportArgumentType"),
    ("mirror(3)", "arg-type", "reportArgumentType"),
    ("Packet(b'').push('3')", "arg-type", "reportArgumentType"),
]
"""An expression over DECLARATIONS and `A`, an address; the rule of mypy, and that of pyright, which it breaks."""


def refused(expression: str) -> str:
    return f"{DECLARATIONS}\n\nA = IPv4Address(1)\nWRONG = {expression}\n"


@pytest.mark.parametrize("checker", CHECKERS)
def test_types_of_keys_and_values_are_inferred(checker: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    (tmp_path / "accepted.py").write_text(DECLARATIONS + ACCEPTED)
    for number, (expression, _, _) in enumerate(REFUSED):
        (tmp_path / f"refused{number}.py").write_text(refused(expression))
    ask, _ = CHECKERS[checker]
    found = ask(tmp_path)
    unused = {"reportUnusedImport", "reportUnusedExpression"}
    rules = {name: broken - unused for name, broken in found.items()}
    place = 1 if checker == "mypy" else 2
    expected = {f"refused{number}": {case[place]} for number, case in enumerate(REFUSED)}
    assert {name: broken & expected.get(name, broken) for name, broken in rules.items() if broken} == expected
