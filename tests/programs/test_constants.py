"""Constants that -D replaces: each program with other values, and what is said of values that can't be."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet, Raw

from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import UnknownConstant, load_filter
from tests.programs.everywhere import PROGRAMS, run_everywhere
from tests.programs.traffic import ether, ip


def verdicts(name: str, packets: list[Packet], **defines: str) -> list[str]:
    return run_everywhere(name, [bytes(packet) for packet in packets], defines).verdicts


def test_port() -> None:
    packets = [ether() / ip() / TCP(dport=port) for port in (80, 443)]
    assert verdicts("port_filter", packets, PORT="443") == ["PASS", "DROP"]


def test_next_hop() -> None:
    defines = {"NEXT_HOP": "0a:00:00:00:00:0a", "OWN": "0a:00:00:00:00:0b"}
    (result,) = run_everywhere("router", [bytes(ether() / IP(src="10.0.0.1", dst="10.0.0.2"))], defines).results
    assert result.data[:12].hex(":") == "0a:00:00:00:00:0a:0a:00:00:00:00:0b"


def test_vlans_and_pvid() -> None:
    packets = [ether() / Dot1Q(vlan=vlan) / ip() for vlan in (0, 1, 7, 8, 9, 4094)] + [ether() / ip()]
    admitted = verdicts("vlan_filter", packets, VLANS="7-8,4094", PVID="0")
    assert admitted == ["DROP", "DROP", "PASS", "PASS", "DROP", "PASS", "DROP"]
    admitted = verdicts("vlan_filter", packets, VLANS="7-8,4094", PVID="8")
    assert admitted == ["PASS", "DROP", "PASS", "PASS", "DROP", "PASS", "PASS"]


def test_networks_of_conntrack_and_syn_guard() -> None:
    packets = [
        ether() / ip(src, dst) / TCP(flags="S") for src, dst in (("192.168.1.1", "10.0.0.1"), ("10.0.0.1", "9.0.0.1"))
    ]
    assert verdicts("conntrack", packets, INSIDE="10.0.0.0/8") == ["DROP", "PASS"]
    assert verdicts("conntrack", packets, INSIDE="192.168.0.0/16") == ["PASS", "PASS"]
    assert verdicts("syn_guard", packets, PROTECTED="9.0.0.0/8") == ["PASS", "TX"]


def test_other_end_of_tunnels() -> None:
    packets = [ether() / ip("192.0.2.9", dst) / ip("10.0.0.1", "10.0.0.2") for dst in ("192.0.2.1", "192.0.2.7")]
    for endpoint, taken in (("192.0.2.1", 0), ("192.0.2.7", 1)):
        results = run_everywhere("decapsulate", [bytes(packet) for packet in packets], {"ENDPOINT": endpoint}).results
        assert [len(result.data) for result in results] == [34 if number == taken else 54 for number in range(2)]


def test_block_list_of_ten_thousand(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    lines = [f"10.{i // 256}.{i % 256}.0/25  # no. {i}\n" for i in range(10_000)]
    path.write_text("".join([*lines, "\n2001:db8:7::/48\n"]))
    sources4 = ("10.0.0.127", "10.0.0.128", "10.39.15.5", "10.39.16.0", "192.0.2.1")
    packets = [ether() / ip(source, "198.18.0.2") / UDP() for source in sources4]
    packets += [ether() / ip(source, "2001:db8::1") / UDP() for source in ("2001:db8:7::9", "2001:db8:8::")]
    decided = verdicts("block_list", packets, BLOCKLIST=str(path))
    assert decided == ["DROP", "PASS", "DROP", "PASS", "PASS", "DROP", "PASS"]


def test_host_and_path() -> None:
    requests = (
        b"GET /track/1 HTTP/1.1\r\nHost: ads.example\r\n\r\n",
        b"GET /news HTTP/1.1\r\nHost: ads.example\r\n\r\n",
        b"GET /track/1 HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    )
    packets = [ether() / ip() / TCP(dport=80) / Raw(request) for request in requests]
    assert verdicts("http_match", packets, HOST="ads.example", PATH="/track") == ["DROP", "PASS", "PASS"]


@pytest.mark.parametrize(
    ("name", "defines", "message"),
    [
        ("vlan_filter", {"VLANS": "10,4095"}, "VLAN 4095 is outside 1 … 4094"),
        ("vlan_filter", {"VLANS": "ten"}, "invalid literal"),
        ("router", {"OWN": "02:00:00"}, "'02:00:00' is not a MAC address"),
        ("vlan_rewrite", {"SERVICE": "4095"}, "VLAN 4095 is outside 1 … 4094"),
        ("conntrack", {"INSIDE": "10.0.0.1/8"}, "10.0.0.1/8 has host bits set"),
        ("nat44", {"FORWARD": "tcp:80"}, "'tcp:80' is not like tcp:80=10.0.0.2:8080"),
        ("nat44", {"FORWARD": "tcp:1=10.0.0.2:1,sctp:80=10.0.0.2:80"}, "'sctp:80=10.0.0.2:80' is not like"),
        ("nat44", {"FORWARD": "tcp:65536=10.0.0.2:80"}, "65536 is no u16"),
        ("load_balancer", {"BACKENDS": "10.0.0.1,10.0.0"}, "Expected 4 octets in '10.0.0'"),
        ("block_list", {"BLOCKLIST": "no/such/file"}, "No such file or directory: 'no/such/file'"),
    ],
)
def test_bad_value_is_refused_where_it_is_used(name: str, defines: dict[str, str], message: str) -> None:
    with pytest.raises(CompileError, match="the file fails when it is loaded") as caught:
        load_filter(PROGRAMS / f"{name}.py", defines)
    assert message in str(caught.value)


def test_bad_line_of_a_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_text("192.0.2.0/24\n192.0.2.1/24\n")
    with pytest.raises(CompileError) as caught:
        load_filter(PROGRAMS / "block_list.py", {"BLOCKLIST": str(path)})
    assert f"{path}:2: 192.0.2.1/24 has host bits set" in str(caught.value)


@pytest.mark.parametrize("defines", [{"PORT": "http"}, {"PORTS": "80"}])
def test_wrong_type_and_unknown_name_are_refused(defines: dict[str, str]) -> None:
    with pytest.raises(UnknownConstant):
        load_filter(PROGRAMS / "port_filter.py", defines)
