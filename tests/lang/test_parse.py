"""Which headers are found, clause by clause of "Parsing" in docs/semantics.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit._headers import MAX_IPV6_EXTENSIONS
from nmjit._parse import parse
from tests.lang.frames import ethernet, ipv4, ipv6, tcp, udp, vlan

AH = bytes([6, 4]) + bytes(22)
"""An authentication header of 24 bytes: its length counts 4-byte units, less 2 (RFC 4302 section 2.2)."""


def layers(data: bytes) -> list[str]:
    """Names of the headers found, outermost first."""
    return list(parse(data).layers)


def payload(data: bytes) -> tuple[int, int]:
    """First byte of the payload, and the byte behind it."""
    return parse(data).payload


def extension(next_header: int, size: int = 8) -> bytes:
    """An IPv6 extension header of `size` bytes, its other fields 0."""
    return bytes([next_header, size // 8 - 1]) + bytes(size - 2)


IP4 = ipv4(6, tcp())
IP6 = ipv6(6, tcp())


class TestLink:
    def test_without_ethernet_all_is_payload(self) -> None:
        assert layers(bytes(13)) == []
        assert payload(bytes(13)) == (0, 13)
        assert layers(b"") == []

    @pytest.mark.parametrize("ethertype", [0x8100, 0x88A8])
    def test_two_tags_are_parsed(self, ethertype: int) -> None:
        frame = ethernet(ethertype, vlan(ethertype, vlan(0x0800, IP4)))
        assert layers(frame) == ["eth", "vlan", "vlan2", "ipv4", "tcp"]

    def test_a_third_tag_ends_parsing(self) -> None:
        frame = ethernet(0x8100, vlan(0x8100, vlan(0x8100, vlan(0x0800, IP4))))
        assert layers(frame) == ["eth", "vlan", "vlan2"]
        assert payload(frame) == (22, len(frame))

    def test_a_tag_that_does_not_fit_ends_parsing(self) -> None:
        assert layers(ethernet(0x8100, bytes(3))) == ["eth"]
        assert layers(ethernet(0x8100, vlan(0x8100, bytes(3)))) == ["eth", "vlan"]

    def test_unknown_types_are_payload(self) -> None:
        frame = ethernet(0x88B5, b"hello")
        assert (layers(frame), payload(frame)) == (["eth"], (14, 19))


class TestIpv4:
    @pytest.mark.parametrize(
        "packet",
        [
            ipv4(6, tcp(), version=6),
            ipv4(6, tcp(), ihl=4),
            ipv4(6, b"", ihl=6)[:23],
            ipv4(6, tcp(), total=19),
            ipv4(6, tcp(), ihl=6, total=20),
            ipv4(6, b"")[:19],
        ],
        ids=["version", "ihl", "options cut", "total below 20", "total below ihl", "header cut"],
    )
    def test_is_none(self, packet: bytes) -> None:
        frame = ethernet(0x0800, packet)
        assert layers(frame) == ["eth"]
        assert payload(frame) == (14, len(frame))

    def test_options_are_stepped_over(self) -> None:
        found = parse(ethernet(0x0800, ipv4(6, tcp(b"hi"), ihl=15)))
        assert found.layers["ipv4"] == (14, 74)
        assert found.layers["tcp"] == (74, 94)
        assert found.payload == (94, 96)

    def test_total_length_bounds_what_follows(self) -> None:
        padded = ethernet(0x0800, ipv4(17, udp(b"abc"), total=31) + bytes(15))
        assert payload(padded) == (42, 45)
        assert layers(ethernet(0x0800, ipv4(6, tcp(), total=39))) == ["eth", "ipv4"]
        assert layers(ethernet(0x0800, ipv4(6, tcp(), total=20))) == ["eth", "ipv4"]

    def test_total_length_0_and_beyond_mean_to_the_end(self) -> None:
        for total in (0, 0xFFFF):
            frame = ethernet(0x0800, ipv4(6, tcp(b"abc"), total=total))
            assert payload(frame) == (54, 57)

    def test_only_the_first_fragment_has_layer_4(self) -> None:
        assert layers(ethernet(0x0800, ipv4(6, tcp(), fragment=0x2000))) == ["eth", "ipv4", "tcp"]
        assert layers(ethernet(0x0800, ipv4(6, tcp(), fragment=0x2001))) == ["eth", "ipv4"]

    def test_protocols_of_ipv6_are_none_of_ipv4(self) -> None:
        assert layers(ethernet(0x0800, ipv4(58, bytes(8)))) == ["eth", "ipv4"]
        assert layers(ethernet(0x86DD, ipv6(1, bytes(8)))) == ["eth", "ipv6"]


class TestIpv6:
    @pytest.mark.parametrize("packet", [ipv6(6, tcp(), version=4), ipv6(6, b"")[:39]], ids=["version", "header cut"])
    def test_is_none(self, packet: bytes) -> None:
        assert layers(ethernet(0x86DD, packet)) == ["eth"]

    def test_payload_length_bounds_what_follows(self) -> None:
        assert payload(ethernet(0x86DD, ipv6(17, udp(b"abc")) + bytes(9))) == (62, 65)
        assert payload(ethernet(0x86DD, ipv6(17, udp(b"abc"), length=0))) == (62, 65)
        assert layers(ethernet(0x86DD, ipv6(6, tcp(), length=19))) == ["eth", "ipv6"]

    @pytest.mark.parametrize("protocol", [0, 43, 60, 135, 139, 140])
    @pytest.mark.parametrize("size", [8, 24])
    def test_extensions_of_8_byte_units(self, protocol: int, size: int) -> None:
        found = parse(ethernet(0x86DD, ipv6(protocol, extension(6, size) + tcp())))
        assert found.layers["tcp"] == (54 + size, 74 + size)

    def test_authentication_header_counts_4_byte_units(self) -> None:
        assert parse(ethernet(0x86DD, ipv6(51, AH + tcp()))).layers["tcp"] == (78, 98)

    def test_fragment_header_has_8_bytes_whatever_its_second(self) -> None:
        first = bytes([6, 0xFF, 0x00, 0x07]) + bytes(4)
        later = bytes([6, 0x00, 0x00, 0x08]) + bytes(4)
        assert parse(ethernet(0x86DD, ipv6(44, first + tcp()))).layers["tcp"] == (62, 82)
        frame = ethernet(0x86DD, ipv6(44, later + tcp()))
        assert (layers(frame), payload(frame)) == (["eth", "ipv6"], (62, 82))

    @pytest.mark.parametrize("protocol", [50, 59, 253])
    def test_other_protocols_end_the_walk(self, protocol: int) -> None:
        frame = ethernet(0x86DD, ipv6(0, extension(protocol) + tcp()))
        assert (layers(frame), payload(frame)) == (["eth", "ipv6"], (62, 82))

    @pytest.mark.parametrize(("count", "found"), [(MAX_IPV6_EXTENSIONS, True), (MAX_IPV6_EXTENSIONS + 1, False)])
    def test_at_most_eight(self, count: int, found: bool) -> None:
        frame = ethernet(0x86DD, ipv6(60, extension(60) * (count - 1) + extension(6) + tcp()))
        assert ("tcp" in layers(frame)) == found
        assert payload(frame)[0] == 54 + 8 * MAX_IPV6_EXTENSIONS + 20 * found

    def test_extension_must_fit_the_payload_length(self) -> None:
        packet = ipv6(0, extension(6, 16) + tcp(), length=15)
        assert (layers(ethernet(0x86DD, packet)), payload(ethernet(0x86DD, packet))) == (["eth", "ipv6"], (54, 69))
        assert payload(ethernet(0x86DD, ipv6(0, extension(6)[:7]))) == (54, 61)

    @pytest.mark.parametrize(("left", "routed"), [(0, False), (1, True)])
    def test_segments_left_are_noticed(self, left: int, routed: bool) -> None:
        routing = bytes([6, 0, 4, left]) + bytes(4)
        assert parse(ethernet(0x86DD, ipv6(43, routing + tcp()))).routed == routed


class TestOthers:
    @pytest.mark.parametrize(("position", "value"), [(4, 8), (5, 16)])
    def test_arp_is_ipv4_over_ethernet(self, position: int, value: int) -> None:
        arp = bytearray(bytes.fromhex("0001080006040001") + bytes(20))
        assert layers(ethernet(0x0806, bytes(arp))) == ["eth", "arp"]
        arp[position] = value
        assert layers(ethernet(0x0806, bytes(arp))) == ["eth"]

    def test_mpls_is_the_outermost_entry(self) -> None:
        for ethertype in (0x8847, 0x8848):
            frame = ethernet(ethertype, bytes(4) + IP4)
            assert (layers(frame), payload(frame)) == (["eth", "mpls"], (18, len(frame)))

    def test_tcp_options_must_fit(self) -> None:
        assert parse(ethernet(0x0800, ipv4(6, tcp(b"x", data_offset=7)))).layers["tcp"] == (34, 62)
        assert layers(ethernet(0x0800, ipv4(6, tcp(data_offset=4)))) == ["eth", "ipv4"]
        assert layers(ethernet(0x0800, ipv4(6, tcp(data_offset=6)[:23]))) == ["eth", "ipv4"]

    @pytest.mark.parametrize(("flags", "size"), [(0x00, 4), (0x80, 8), (0x20, 8), (0x10, 8), (0xB0, 16)])
    def test_gre_has_four_bytes_for_each_flag(self, flags: int, size: int) -> None:
        frame = ethernet(0x0800, ipv4(47, bytes([flags, 0, 8, 0]) + bytes(12)))
        assert parse(frame).layers["gre"] == (34, 34 + size)
        assert layers(frame[: 34 + size - 1]) == ["eth", "ipv4"]

    @pytest.mark.parametrize("start", [b"\x40\x00", b"\x00\x01"], ids=["routing", "version 1"])
    def test_other_gre_is_none(self, start: bytes) -> None:
        assert layers(ethernet(0x0800, ipv4(47, start + bytes(14)))) == ["eth", "ipv4"]

    def test_vxlan_is_behind_its_port(self) -> None:
        assert layers(ethernet(0x0800, ipv4(17, udp(bytes(8), destination=4789)))) == ["eth", "ipv4", "udp", "vxlan"]
        assert layers(ethernet(0x0800, ipv4(17, udp(bytes(7), destination=4789)))) == ["eth", "ipv4", "udp"]
        assert layers(ethernet(0x0800, ipv4(17, udp(bytes(8), destination=4790)))) == ["eth", "ipv4", "udp"]

    def test_nothing_is_parsed_through_tunnels(self) -> None:
        assert layers(ethernet(0x0800, ipv4(4, IP4))) == ["eth", "ipv4"]
        assert layers(ethernet(0x86DD, ipv6(41, IP6))) == ["eth", "ipv6"]


@given(st.sampled_from([0x0800, 0x86DD, 0x0806, 0x8100, 0x8847]), st.binary(max_size=120))
def test_any_bytes_parse_and_headers_lie_inside_in_order(ethertype: int, rest: bytes) -> None:
    found = parse(ethernet(ethertype, rest))
    last = 0
    for start, stop in found.layers.values():
        assert last <= start < stop
        last = stop
    assert last <= found.payload.start <= found.payload.stop == found.end <= 14 + len(rest)
