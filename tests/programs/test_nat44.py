"""nat44 in conversations whose answers go to the port that it gave out, against an account of who has which.

Ports are given out at random: the account takes the one it sees, and says whether it was free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, ip_network
from random import Random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from nmjit.runtime.program import Frame, PacketResult
from tests.programs.dissect import Dissection, dissect
from tests.programs.everywhere import program, run_everywhere
from tests.programs.rewriting import ipv4_of, patched, ports_of, sums_hold
from tests.programs.sessions import everything
from tests.programs.simulations import Row, Rows
from tests.programs.traffic import ether

INSIDE = ip_network("10.0.0.0/8")
PUBLIC = IPv4Address("198.51.100.7")
REMOTE = "203.0.113.80"
FORWARDS = {(80, 6): (IPv4Address("10.0.0.80"), 8080), (53, 17): (IPv4Address("10.0.0.53"), 5353)}
DEFINES = {"PUBLIC": str(PUBLIC), "FORWARD": "tcp:80=10.0.0.80:8080,udp:53=10.0.0.53:5353"}

End = tuple[IPv4Address, int]
Remote = tuple[int, int, int, int]
"""Remote address and port, public port, protocol."""


@dataclass
class Account:
    """Which inside end each remote end talks to by each public port."""

    holders: dict[Remote, End] = field(default_factory=dict)
    ports: dict[tuple[int, int, int, int, int], int] = field(default_factory=dict)

    def judge(self, data: bytes, result: PacketResult) -> None:
        """AssertionError where that is not what should have become of a packet."""
        assert (result.verdict.name, result.data.hex()) == self._expected(data, result.data), Frame(data)

    def _expected(self, data: bytes, seen: bytes) -> tuple[str, str]:
        packet = dissect(data)
        ip, l4 = ipv4_of(packet), ports_of(packet)
        outward = ip is not None and ip.src in INSIDE and ip.dst not in INSIDE
        if ip is None or not (outward or ip.dst == PUBLIC):
            return "PASS", data.hex()
        if l4 is None or (outward and ip.dst == PUBLIC):
            return "DROP", data.hex()
        if outward:
            port = self._port_of(packet, int.from_bytes(seen[l4.start : l4.start + 2], "big"))
            changes = {ip.start + 12: PUBLIC.packed, l4.start: port.to_bytes(2, "big")}
            return "PASS", patched(data, packet, changes).hex()
        inner = self._holder(packet)
        if inner is None:
            return "DROP", data.hex()
        changes = {ip.start + 16: inner[0].packed, l4.start + 2: inner[1].to_bytes(2, "big")}
        return "PASS", patched(data, packet, changes).hex()

    def _port_of(self, packet: Dissection, seen: int) -> int:
        """The public port of an outward connection, which for a new one is what was seen."""
        ip, l4 = packet.ip, packet.layer4
        assert ip is not None
        assert l4 is not None
        assert isinstance(ip.src, IPv4Address)
        key = (int(ip.src), int(ip.dst), l4.sport, l4.dport, ip.protocol)
        if key not in self.ports:
            remote = (int(ip.dst), l4.dport, seen, ip.protocol)
            assert seen >= 1024
            assert remote not in self.holders
            self.ports[key], self.holders[remote] = seen, (ip.src, l4.sport)
        return self.ports[key]

    def _holder(self, packet: Dissection) -> End | None:
        ip, l4 = packet.ip, packet.layer4
        assert ip is not None
        assert l4 is not None
        remote = (int(ip.src), l4.sport, l4.dport, ip.protocol)
        forward = FORWARDS.get((l4.dport, ip.protocol))
        if remote not in self.holders and forward is not None:
            self.holders[remote] = forward
            self.ports[int(forward[0]), int(ip.src), forward[1], l4.sport, ip.protocol] = l4.dport
        return self.holders.get(remote)

    def maps(self) -> Rows:
        """The rows of OUTWARD and INWARD."""
        inward: list[Row] = [(*remote, int(address), port) for remote, (address, port) in self.holders.items()]
        return {"OUTWARD": [(*key, port) for key, port in self.ports.items()], "INWARD": inward}


def _answer(sent: Packet, payload: bytes) -> Packet:
    """From where `sent` went, to where it came from."""
    layer = UDP if sent.haslayer(UDP) else TCP
    ports = {"sport": sent[layer].dport, "dport": sent[layer].sport}
    return ether() / IP(src=sent[IP].dst, dst=sent[IP].src) / layer(**ports) / Raw(payload)


def _uninvited(rng: Random) -> Packet:
    """To PUBLIC from who was not asked, or from inside by mistake."""
    source = rng.choice((*(f"203.0.113.{host}" for host in range(1, 9)), "10.0.0.5"))
    sport, dport = rng.randrange(2_000, 2_003), rng.choice((80, 80, 53, 53, 81, rng.randrange(65536)))
    layer4 = rng.choice((TCP(sport=sport, dport=dport), UDP(sport=sport, dport=dport), UDP(dport=dport), ICMP()))
    return ether() / IP(src=source, dst=str(PUBLIC)) / layer4


@cache
def conversations() -> tuple[Frame, ...]:
    """All that there is, with answers to what comes out of nat44 and with uninvited packets between."""
    rng, nat, frames = Random(29), program("nat44", "python", DEFINES), []
    for frame in everything():
        frames.append(frame)
        pending = [frame.data, *([bytes(_uninvited(rng))] if rng.random() < 0.2 else [])]
        while pending:
            data = pending.pop()
            if data is not frame.data:
                frames.append(Frame(data, frame.timestamp))
            result = nat.run(data)
            translated = result.verdict.name == "PASS" and result.data != data
            if translated and len(data) < 1000 and ports_of(dissect(data)) and rng.random() < 0.7:
                sent = Ether(result.data)
                if sent.haslayer(TCP) or sent.haslayer(UDP):
                    pending.append(bytes(_answer(sent, rng.randbytes(rng.randrange(50)))))
    return tuple(frames)


def test_answers_find_their_way_back() -> None:
    outcome, account = run_everywhere("nat44", conversations(), DEFINES), Account()
    for frame, result in zip(conversations(), outcome.results, strict=True):
        account.judge(frame.data, result)
    for name, rows in account.maps().items():
        assert sorted(outcome.maps[name]) == sorted(rows), name
    ports = {port for (_, _, port, _) in account.holders}
    assert len(ports) > 150
    assert {(80, 6), (53, 17)} <= {(port, protocol) for (_, _, port, protocol) in account.holders}
    assert set(outcome.verdicts) == {"PASS", "DROP"}


def test_checksums_are_those_that_scapy_computes() -> None:
    results = run_everywhere("nat44", conversations(), DEFINES).results
    pairs = [(frame.data, result.data) for frame, result in zip(conversations(), results, strict=True)]
    changed = [after for before, after in pairs if before != after and sums_hold(before)][:300]
    assert len(changed) > 200
    assert all(sums_hold(after) for after in changed)


def test_who_finds_no_free_port_is_dropped() -> None:
    """With a single port, each remote end can talk to one inside end at a time."""
    sources = [("10.0.0.1", 5), ("10.0.0.2", 5), ("10.0.0.1", 6), ("10.0.0.1", 5)]
    packets = [ether() / IP(src=a, dst=REMOTE) / UDP(sport=port, dport=7) for a, port in sources]
    packets.append(ether() / IP(src="10.0.0.2", dst=REMOTE) / UDP(sport=5, dport=8))
    packets.append(ether() / IP(src="10.0.0.2", dst=REMOTE) / TCP(sport=5, dport=7))
    outcome = run_everywhere("nat44", [bytes(packet) for packet in packets], {"FIRST_PORT": "65535"})
    assert outcome.verdicts == ["PASS", "DROP", "DROP", "PASS", "PASS", "PASS"]
    assert {Ether(result.data).sport for result in outcome.results if result.verdict.name == "PASS"} == {65535}
