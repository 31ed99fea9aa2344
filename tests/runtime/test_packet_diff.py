"""packet_diff.py: equal packets are silent, others name the fields that differ, with Scapy and without."""

from __future__ import annotations

import sys

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from nmjit.runtime.packet_diff import assert_packet, describe_difference, wire_bytes

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
"""With both addresses: Scapy would ask the network for one that is left out."""


def frame(**fields: int) -> Packet:
    return ETHERNET / IP(src="192.0.2.1", dst="192.0.2.2", **fields) / TCP(dport=80) / b"hello"


@pytest.fixture
def no_scapy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.layers.l2", None)


def test_equal_packets_say_nothing() -> None:
    assert_packet(frame(ttl=9), bytes(frame(ttl=9)))


def test_differing_fields_are_named_with_scapys_names() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_packet(frame(ttl=63), frame(ttl=64))
    head, titles, *rows = str(caught.value).splitlines()
    assert head == "packets differ: 59 bytes, expected 59; first at byte 22"
    assert titles.split() == ["layer", "field", "actual", "expected"]
    assert [row.split()[:2] for row in rows] == [["IP", "ttl"], ["IP", "chksum"]]
    assert rows[0].split()[2:] == ["63", "64"]


@pytest.mark.usefixtures("no_scapy")
def test_without_scapy_the_languages_headers_serve() -> None:
    rows = describe_difference(bytes(frame(ttl=63)), bytes(frame(ttl=64))).splitlines()[2:]
    assert [row.split()[:2] for row in rows] == [["ipv4", "ttl"], ["ipv4", "chksum"]]


@pytest.mark.usefixtures("no_scapy")
def test_payload_without_scapy() -> None:
    one, two = bytes(ETHERNET / Raw(b"abc")), bytes(ETHERNET / Raw(b"abd"))
    assert describe_difference(one, two).splitlines()[2].split() == ["payload", "load", "b'abc'", "b'abd'"]


def test_a_layer_that_one_packet_lacks_shows_dashes() -> None:
    plain, tagged = ETHERNET / IP() / UDP(), ETHERNET / Dot1Q(vlan=7) / IP() / UDP()
    rows = [row.split() for row in describe_difference(bytes(plain), bytes(tagged)).splitlines()[2:]]
    assert ["802.1Q", "vlan", "-", "7"] in rows


def test_repeated_layers_are_counted() -> None:
    one, two = (bytes(ETHERNET / IP() / IP(ttl=ttl) / UDP()) for ttl in (5, 6))
    assert "IP 2" in describe_difference(one, two)


@pytest.mark.usefixtures("no_scapy")
def test_bytes_that_no_field_shows_are_shown_in_hex() -> None:
    padded = bytes(ETHERNET / IP() / UDP())
    difference = describe_difference(padded + b"\x00", padded + b"\x01")
    assert "first at byte 42" in difference
    assert "actual" in difference
    assert "expected" in difference


def test_a_prefix_is_told_as_one() -> None:
    whole = bytes(frame())
    assert "the shorter one is where the longer one begins" in describe_difference(whole, whole[:20])


@pytest.mark.parametrize("thing", ["text", 5, None])
def test_what_is_no_packet_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match="a packet is bytes or a Scapy packet"):
        wire_bytes(thing)  # type: ignore[arg-type]
