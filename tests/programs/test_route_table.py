"""route_table with a table as large as a backbone's, against a search through the prefixes by length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from random import Random

import pytest
from scapy.layers.inet import IP, UDP

from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import load_filter
from tests.programs.everywhere import PROGRAMS, run_everywhere
from tests.programs.traffic import ether

COUNT, SAMPLES = 100_000, 2_000
LENGTHS = (8, 12, 16, 16, 18, 20, 20, 22, 22, 23, *(24,) * 12, 26, 28, 30, 32)
"""Of prefixes, about as often as in the Internet."""
Table = Mapping[IPv4Network, int]
"""The last two bytes of the next hop's address, by prefix."""


def _generated(rng: Random) -> Table:
    """Prefixes nested in one another; no default route."""
    table: dict[IPv4Network, int] = {}
    while len(table) < COUNT:
        length = rng.choice(LENGTHS)
        bits = rng.getrandbits(length - 1)
        if rng.random() < 0.5:  # much of it in a small part
            bits = 10 << (length - 8) | rng.getrandbits(length - 8)
        table[IPv4Network((bits << (32 - length), length))] = rng.getrandbits(16)
    return table


def _destinations(table: Table, rng: Random) -> Iterator[IPv4Address]:
    """Anywhere, and at and beside the borders of prefixes."""
    networks = rng.sample(list(table), SAMPLES // 4)
    for network in networks:
        yield IPv4Address(rng.getrandbits(32))
        yield from (network[0], network[-1], IPv4Address((int(network[-1]) + 1) % 2**32))


def _hop(table: Table, address: IPv4Address) -> int | None:
    """By the longest prefix that contains the address."""
    prefixes = (IPv4Network((int(address) >> host << host, 32 - host)) for host in range(33))
    return next((table[prefix] for prefix in prefixes if prefix in table), None)


@pytest.mark.slow
def test_longest_of_100_000_prefixes_decides(tmp_path: Path) -> None:
    rng = Random(37)
    table, path = _generated(rng), tmp_path / "routes.txt"
    path.write_text("".join(f"{net} 02:00:00:00:{hop >> 8:02x}:{hop & 255:02x}\n" for net, hop in table.items()))
    addresses = list(_destinations(table, rng))
    whole = bytearray(bytes(ether() / IP(src="192.0.2.1", dst="0.0.0.0", ttl=9) / UDP(chksum=0)))
    packets = [bytes(whole[:30] + address.packed + whole[34:]) for address in addresses]
    outcome = run_everywhere("route_table", packets, {"ROUTES": str(path), "CAPACITY": str(COUNT)})
    hops = [_hop(table, address) for address in addresses]
    seen = [int.from_bytes(r.data[4:6], "big") if r.verdict.name == "TX" else None for r in outcome.results]
    assert seen == hops
    assert 100 < hops.count(None) < len(hops) // 2
    assert sum(packets for _, _, _, packets in outcome.maps["TABLE"]) == len(hops) - hops.count(None)


def test_last_of_two_lines_for_a_prefix_holds(tmp_path: Path) -> None:
    path = tmp_path / "routes.txt"
    path.write_text("# none\n\n10.0.0.0/8 02:00:00:00:00:07  # old\n10.0.0.0/8 02:00:00:00:00:08\n")
    packets = [bytes(ether() / IP(src="192.0.2.1", dst=dst, ttl=2)) for dst in ("10.1.1.1", "11.1.1.1")]
    first, second = run_everywhere("route_table", packets, {"ROUTES": str(path)}).results
    assert first.data[:6].hex(":") == "02:00:00:00:00:08"
    assert second.verdict.name == "DROP"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("10.0.0.1/8 02:00:00:00:00:07", "10.0.0.1/8 has host bits set"),
        ("10.0.0.0/8 02:00:00", "'02:00:00' is not a MAC address"),
        ("10.0.0.0/8", "not enough values to unpack"),
    ],
)
def test_bad_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "routes.txt"
    path.write_text(f"# routes\n{line}\n")
    with pytest.raises(CompileError) as caught:
        load_filter(PROGRAMS / "route_table.py", {"ROUTES": str(path)})
    assert f"{path}:2: {message}" in str(caught.value)
