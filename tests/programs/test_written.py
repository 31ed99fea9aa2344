"""Captures that programs leave, read again by Scapy and compared with what Scapy makes of the same packets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import PcapReader, PcapWriter

from nmjit.runtime.offline import RunResult, run_capture
from tests.programs.everywhere import ENGINES, program
from tests.programs.traffic import ether, ip

Step = Callable[[Packet], "Packet | None"]
"""What a program makes of a packet; None where it drops it."""

NOPS = [IPOption_NOP()] * 4
START = 1_700_000_000
"""Seconds since 1970 at which the first packet came."""
PACKETS = (
    ether() / ip() / TCP(sport=9, dport=80) / Raw(b"to the web"),
    ether() / ip("203.0.113.7", "198.18.0.1") / UDP(sport=9, dport=9),
    ether()
    / Dot1Q(vlan=10)
    / IP(src="198.18.0.1", dst="198.18.0.2", ttl=2, options=b"\x01\x01\x01\x00")
    / TCP(dport=22),
    ether() / Dot1Q(vlan=11) / IP(src="198.18.0.1", dst="198.18.0.2", ttl=1) / UDP(dport=53),
    ether() / IP(src="198.18.0.1", dst="198.18.0.2", ttl=0),
    ether() / IPv6(src="2001:db8:bad::7", dst="2001:db8::1", hlim=1) / TCP(dport=80),
    *(ether() / IP(src="198.18.0.1", dst="198.18.0.2", ttl=2 + i, id=257 * i) / UDP(dport=80) for i in range(254)),
)


def accept_all(packet: Packet) -> Packet | None:
    return packet


def port_filter(packet: Packet) -> Packet | None:
    return None if packet.haslayer(TCP) and packet[TCP].dport == 80 else packet


def acl(packet: Packet) -> Packet | None:
    source = packet[IP].src if packet.haslayer(IP) else packet[IPv6].src
    return None if source.startswith(("203.0.113.", "2001:db8:bad:")) else packet


def mac_swap(packet: Packet) -> Packet | None:
    packet.src, packet.dst = packet.dst, packet.src
    return packet


def router(packet: Packet) -> Packet | None:
    if not packet.haslayer(IP):
        return packet
    if packet[IP].ttl <= 1:
        return None
    packet[IP].ttl -= 1
    del packet[IP].chksum
    packet.dst, packet.src = "02:00:00:00:00:02", "02:00:00:00:00:01"
    return packet


def vlan_filter(packet: Packet) -> Packet | None:
    return None if packet.haslayer(Dot1Q) and packet[Dot1Q].vlan == 11 else packet


def vlan_rewrite(packet: Packet) -> Packet | None:
    """The tag's type comes from the layer before it."""
    tag = Dot1AD(vlan=100) if packet.haslayer(Dot1Q) else Dot1Q(vlan=10)
    return Ether(src=packet.src, dst=packet.dst) / tag / packet.payload


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PACKETS, a second apart, each said to have been 5 bytes longer on the wire."""
    path = tmp_path_factory.mktemp("written") / "in.pcap"
    with PcapWriter(str(path)) as writer:
        for number, packet in enumerate(PACKETS):
            whole = Ether(bytes(packet))
            whole.time, whole.wirelen = START + number, len(whole) + 5
            writer.write(whole)
    return path


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [accept_all, acl, mac_swap, port_filter, router, vlan_filter, vlan_rewrite])
def test_written_packets_are_those_that_scapy_makes(step: Step, engine: str, capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.pcap"
    result = _run(step.__name__, engine, capture, target)
    changed = [(number, step(Ether(bytes(packet)))) for number, packet in enumerate(PACKETS)]
    expected = [(number, bytes(packet)) for number, packet in changed if packet is not None]
    with PcapReader(str(target)) as reader:
        written = [(packet.time - START, packet) for packet in reader]
    assert [(time, bytes(packet)) for time, packet in written] == expected
    assert all(packet.wirelen == len(packet) + 5 for _, packet in written)
    assert result.packets - result.verdicts["DROP"] == len(expected)


def test_verdict_chooses_what_is_written(capture: Path, tmp_path: Path) -> None:
    run_capture(program("router", "jit"), capture, tmp_path / "out.pcap", verdict="DROP")
    with PcapReader(str(tmp_path / "out.pcap")) as reader:
        assert [packet[IP].ttl for packet in reader] == [1, 0]


def _run(name: str, engine: str, source: Path, target: Path) -> RunResult:
    return run_capture(program(name, engine), source, target, backend=ENGINES[engine][0])
