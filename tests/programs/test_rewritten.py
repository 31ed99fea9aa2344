"""What programs make of packets, read by Scapy: checksums that it computes alike, tunnels and tags."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from nmjit import Filter
from nmjit.compiler.loader import load_filter
from nmjit.runtime.program import Program
from tests.programs.everywhere import ENGINES, PROGRAMS, program, run_everywhere
from tests.programs.rewriting import siphash, sums_hold
from tests.programs.sessions import sessions
from tests.programs.traffic import HERE, THERE, ether, ip

VIP = "192.0.2.10"
BACKENDS = [f"10.9.0.{number}" for number in range(1, 9)]


@pytest.mark.parametrize("name", ["load_balancer", "route_table", "syn_guard"])
def test_checksums_are_those_that_scapy_computes(name: str) -> None:
    results = run_everywhere(name, sessions()).results
    pairs = [(frame.data, result) for frame, result in zip(sessions(), results, strict=True)]
    sent = [result.data for data, result in pairs if result.verdict.name == "TX" and sums_hold(data)][:100]
    assert len(sent) >= 20
    assert all(sums_hold(data) for data in sent)


# load_balancer


def _clients(count: int) -> list[bytes]:
    rng = Random(31)
    ends = [(str(IPv4Address(rng.getrandbits(32))), rng.randrange(1024, 65536)) for _ in range(count)]
    return [bytes(ether() / IP(src=a, dst=VIP, tos=8) / TCP(sport=port, dport=443) / Raw(b"x")) for a, port in ends]


def _targets(packets: list[bytes], backends: list[str]) -> list[str]:
    results = program("load_balancer", "jit", {"BACKENDS": ",".join(backends)}).run_packets(packets)
    return [Ether(result.data)[IP].dst for result in results]


def test_a_tunnel_holds_what_came() -> None:
    packets = _clients(50)
    for data, result in zip(packets, run_everywhere("load_balancer", packets).results, strict=True):
        outer = Ether(result.data)
        assert (outer.src, outer.dst, outer.type) == (THERE, "02:00:00:00:00:02", 0x0800)
        assert (outer[IP].src, outer[IP].proto, outer[IP].ttl, outer[IP].tos) == ("192.0.2.1", 4, 64, 8)
        assert (str(outer[IP].flags), outer[IP].frag, outer[IP].len) == ("DF", 0, len(result.data) - 14)
        assert bytes(outer[IP].payload) == data[14:]


def test_backends_share_connections_evenly() -> None:
    shares = Counter(_targets(_clients(2_000), BACKENDS))
    assert set(shares) == set(BACKENDS)
    assert all(190 <= share <= 310 for share in shares.values()), shares


def test_few_connections_move_when_a_backend_goes() -> None:
    packets = _clients(2_000)
    before, after = _targets(packets, BACKENDS), _targets(packets, BACKENDS[:3] + BACKENDS[4:])
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert BACKENDS[3] not in after
    needless = len(moved) - before.count(BACKENDS[3])
    assert needless < 0.10 * len(packets), f"{needless} moved that could have stayed"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_known_connection_stays_while_its_backend_does(engine: str) -> None:
    """As after a replacement, which keeps the map: one connection is with a backend that went."""
    first, second = _clients(2)
    chosen = _targets([first, second], BACKENDS)
    other = next(name for name in BACKENDS if name not in chosen)
    filter_ = load_filter(PROGRAMS / "load_balancer.py", {"BACKENDS": ",".join(BACKENDS)})
    known, backend = _globals(filter_, "CONNECTIONS"), _globals(filter_, "Backend")
    for data, name in ((first, other), (second, "10.99.99.99")):
        packet = Ether(data)
        known[IPv4Address(packet[IP].src), packet.sport, packet.dport, 6] = backend(IPv4Address(name))
    name, paranoid = ENGINES[engine]
    results = Program.load(filter_, backend=name, paranoid=paranoid, use_cache=False).run_packets([first, second])
    assert [Ether(result.data)[IP].dst for result in results] == [other, chosen[1]]


def _globals(filter_: Filter, name: str) -> Any:
    """Something of the module that a filter stands in."""
    return filter_.function.__globals__[name]


# decapsulate, vlan_rewrite, syn_guard


def test_tunnels_come_off() -> None:
    inner4, inner6 = ip("10.0.0.1", "10.0.0.2") / TCP(dport=80), ip("2001:db8::1", "2001:db8::2") / UDP(dport=53)
    outer, inner = ip("203.0.113.1", "192.0.2.1"), Ether(src=THERE, dst=HERE) / ip() / UDP(dport=9)
    gue4, gue6 = Raw(b"\x00\x04\x00\x00"), Raw(b"\x00\x29\x00\x00")
    tunnels = [
        (outer / inner4, inner4, 0x0800),
        (outer / inner6, inner6, 0x86DD),
        (outer / UDP(dport=6080) / gue4 / inner4, inner4, 0x0800),
        (outer / UDP(dport=6080) / gue6 / inner6, inner6, 0x86DD),
        (outer / UDP(dport=6080) / Raw(bytes(inner4)), inner4, 0x0800),
        (outer / UDP(dport=6080) / Raw(bytes(inner6)), inner6, 0x86DD),
    ]
    packets = [bytes(ether() / tunnel) for tunnel, _, _ in tunnels]
    packets.append(bytes(ether() / outer / UDP(dport=4789) / VXLAN(flags=8, vni=5) / inner))
    outcome = run_everywhere("decapsulate", packets)
    expected = [bytes(Ether(src=HERE, dst=THERE, type=kind) / content) for _, content, kind in tunnels]
    assert [result.data for result in outcome.results] == [*expected, bytes(inner)]
    assert outcome.maps["TAKEN"] == [(2,), (4,), (1,)]


def test_a_service_tag_goes_on_and_off_again() -> None:
    customer = ether() / Dot1Q(vlan=7, prio=5, id=1) / ip() / UDP()
    (tagged,) = run_everywhere("vlan_rewrite", [bytes(customer)]).results
    assert tagged.data == bytes(ether() / Dot1AD(vlan=100, prio=5, id=1) / customer[Dot1Q])
    (back,) = run_everywhere("vlan_rewrite", [tagged.data]).results
    assert back.data == bytes(customer)


def test_native_frames_get_a_tag_and_lose_it() -> None:
    plain = bytes(ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP())
    defines = {"NATIVE": "20", "STRIPPED": "20"}
    (tagged,) = run_everywhere("vlan_rewrite", [plain], defines).results
    assert Ether(tagged.data)[Dot1Q].vlan == 20
    (back,) = run_everywhere("vlan_rewrite", [tagged.data], defines).results
    assert back.data == plain


def test_the_models_siphash_is_that_of_the_paper() -> None:
    """SipHash: a fast short-input PRF, appendix A."""
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def test_an_answer_to_a_syn_has_neither_options_nor_data() -> None:
    syn = TCP(sport=9, dport=80, flags="S", seq=2**32 - 1, options=[("MSS", 9)]) / Raw(b"early")
    (result,) = run_everywhere("syn_guard", [bytes(ether() / ip("198.18.0.1", "192.0.2.9") / syn)]).results
    answer = Ether(result.data)
    assert (answer.src, answer.dst, answer[IP].src, answer[IP].dst) == (THERE, HERE, "192.0.2.9", "198.18.0.1")
    assert (answer[TCP].flags, answer[TCP].ack, answer[TCP].dataofs, answer[IP].len) == ("SA", 0, 5, 40)
