"""Packet: bytes, surroundings, payload, options; and what a checksum does when a field is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import Ipv4, Mac, Packet, Tcp, Udp
from tests.lang.frames import ethernet, ipv4, ipv6, tcp, udp
from tests.lang.test_headers import view

FRAME = ethernet(0x0800, ipv4(17, udp(b"hello")))


class TestBytes:
    def test_surroundings(self) -> None:
        pkt = Packet(FRAME, wire_len=1500, timestamp=7, port=1, queue=2)
        assert (len(pkt), pkt.wire_len, pkt.timestamp, pkt.port, pkt.queue) == (len(FRAME), 1500, 7, 1, 2)
        assert Packet(FRAME).wire_len == len(FRAME)
        with pytest.raises(ValueError, match="wire_len"):
            Packet(FRAME, wire_len=len(FRAME) - 1)
        with pytest.raises(AttributeError):
            pkt.port = 3  # type: ignore[misc]

    def test_takes_a_copy(self) -> None:
        data = bytearray(FRAME)
        pkt = Packet(data)
        pkt[0] = 9
        assert data == FRAME
        assert bytes(pkt) == b"\x09" + FRAME[1:]

    @given(st.integers(-70, 70), st.integers(-70, 70))
    def test_slices_are_bytes_or_an_index_error(self, i: int, j: int) -> None:
        pkt = Packet(FRAME)
        if 0 <= i <= j <= len(FRAME):
            assert pkt[i:j] == FRAME[i:j]
        else:
            with pytest.raises(IndexError):
                pkt[i:j]

    def test_omitted_bounds_and_steps(self) -> None:
        pkt = Packet(FRAME)
        assert (pkt[:14], pkt[40:], pkt[:]) == (FRAME[:14], FRAME[40:], FRAME)
        with pytest.raises(TypeError, match="no step"):
            pkt[::2]

    @pytest.mark.parametrize(("index", "size"), [(-1, 1), (47, 1), (-1, 2), (46, 2), (-1, 4), (44, 4)])
    def test_reads_outside_raise(self, index: int, size: int) -> None:
        pkt = Packet(FRAME)
        assert len(pkt) == 47
        with pytest.raises(IndexError):
            _ = pkt[index] if size == 1 else pkt.u16(index) if size == 2 else pkt.u32(index)

    def test_reads_are_big_endian(self) -> None:
        pkt = Packet(bytes(range(8)))
        assert (pkt[7], pkt.u16(6), pkt.u32(4)) == (7, 0x0607, 0x04050607)

    def test_stores(self) -> None:
        pkt = Packet(bytes(8))
        pkt[1] = 0x1FF
        pkt[2:4] = b"ab"
        pkt[8:8] = b""
        assert bytes(pkt) == b"\x00\xffab" + bytes(4)
        for index in (-1, 8):
            with pytest.raises(IndexError):
                pkt[index] = 1
        with pytest.raises(IndexError):
            pkt[6:9] = b"abc"
        with pytest.raises(ValueError, match="keeps the packet's length"):
            pkt[2:4] = b"a"
        with pytest.raises(TypeError, match="takes int"):
            pkt[0] = b"a"  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="takes bytes"):
            pkt[0:1] = 1  # type: ignore[call-overload]


class TestPayload:
    def test_stops_at_the_end_of_layer_3(self) -> None:
        payload = Packet(FRAME + bytes(13)).payload
        assert payload == b"hello"
        assert payload != b"help"
        assert (len(payload), payload[0], payload[1:3], bytes(payload)) == (5, ord("h"), b"el", b"hello")
        assert (payload.u16(3), payload.u32(1)) == (int.from_bytes(b"lo", "big"), int.from_bytes(b"ello", "big"))
        assert payload.startswith(b"hel")
        assert not payload.startswith(b"el")
        assert (payload.find(b"l"), payload.find(b"x"), payload.find(b"")) == (2, -1, 0)
        assert b"llo" in payload
        assert b"oll" not in payload
        assert list(payload) == list(b"hello")

    def test_is_false_when_empty(self) -> None:
        empty = Packet(ethernet(0x0800, ipv4(17, udp()) + bytes(18))).payload
        assert not empty
        assert len(empty) == 0
        assert Packet(FRAME).payload

    def test_reads_outside_raise(self) -> None:
        payload = Packet(FRAME + bytes(13)).payload
        for index in (-1, 5):
            with pytest.raises(IndexError):
                payload[index]
        for outside in (slice(-1, 2), slice(0, 6), slice(3, 2)):
            with pytest.raises(IndexError):
                payload[outside]
        with pytest.raises(IndexError):
            payload.u16(4)
        with pytest.raises(IndexError):
            payload.u32(2)


class TestTcpOptions:
    @staticmethod
    def options(raw: bytes) -> list[tuple[int, int, bytes]]:
        """Kind, length and bytes of each option of a TCP header that ends behind `raw`."""
        assert len(raw) % 4 == 0
        segment = tcp(data_offset=5 + len(raw) // 4)[:20] + raw + b"\x02\x04data"
        found = view(Packet(ethernet(0x0800, ipv4(6, segment))), "tcp").options
        return [(option.kind, option.length, bytes(option)) for option in found]

    def test_yields_each(self) -> None:
        maximum, scale = bytes.fromhex("020405b4"), bytes.fromhex("030307")
        assert self.options(maximum + b"\x01" + scale) == [(2, 4, maximum), (1, 1, b"\x01"), (3, 3, scale)]

    def test_stops_before_kind_0(self) -> None:
        assert self.options(bytes.fromhex("01000101")) == [(1, 1, b"\x01")]

    @pytest.mark.parametrize("bad", ["0801", "0800", "0803", "08ff"])
    def test_stops_at_a_wrong_length(self, bad: str) -> None:
        assert self.options(b"\x01\x01" + bytes.fromhex(bad)) == [(1, 1, b"\x01")] * 2

    def test_stops_where_the_length_byte_is_missing(self) -> None:
        assert self.options(b"\x01\x01\x01\x08") == [(1, 1, b"\x01")] * 3

    def test_at_most_40(self) -> None:
        assert len(self.options(b"\x01" * 40)) == 40
        assert self.options(b"") == []

    def test_of_a_header_inside_another(self) -> None:
        pkt = Packet(ethernet(0x88B5, tcp(data_offset=6)))
        inner = pkt.at(Tcp, 14)
        assert inner is not None
        assert [option.kind for option in inner.options] == [1, 1, 1, 1]
        cut = Packet(ethernet(0x88B5, tcp(data_offset=15)[:22])).at(Tcp, 14)
        assert cut is not None
        assert len(list(cut.options)) == 2


class TestChecksums:
    """Bit-exact cases; test_scapy.py has the general agreement."""

    def test_a_write_of_the_same_value_is_not_elided(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(6, tcp())))
        ip, segment = view(pkt, "ipv4"), view(pkt, "tcp")
        ip.chksum = segment.chksum = 0xFFFF
        ip.ttl = 64
        segment.window = 0
        assert (ip.chksum, segment.chksum) == (0, 0)

    def test_plain_fields_update_nothing(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(17, udp(b"abc", checksum=7))))
        view(pkt, "udp").len = 9
        view(pkt, "udp").chksum = 8
        view(pkt, "ipv4").len = 30
        view(pkt, "ipv4").chksum = 5
        assert (view(pkt, "udp").chksum, view(pkt, "ipv4").chksum) == (8, 5)

    def test_udp_over_ipv4_without_a_sum_stays_without(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(17, udp(b"abc", checksum=0))))
        view(pkt, "udp").sport = 1
        view(pkt, "ipv4").src = IPv4Address("10.0.0.1")
        assert view(pkt, "udp").chksum == 0

    def test_udp_over_ipv6_with_0_is_updated(self) -> None:
        pkt = Packet(ethernet(0x86DD, ipv6(17, udp(b"abc", checksum=0))))
        view(pkt, "udp").sport = 1001
        assert view(pkt, "udp").chksum == 0xFFFE

    def test_udp_never_sends_a_computed_0(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(17, udp(checksum=1))))
        view(pkt, "udp").sport = 1001
        assert view(pkt, "udp").chksum == 0xFFFF

    def test_tcp_does(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(6, tcp())))
        segment = view(pkt, "tcp")
        segment.chksum = 1
        segment.sport += 1
        assert segment.chksum == 0

    def test_addresses_reach_layer_4_that_was_never_named(self) -> None:
        pkt = Packet(ethernet(0x86DD, ipv6(58, bytes.fromhex("8000ffff 0000 0000"))))
        view(pkt, "ipv6").src = IPv6Address("2001:db8::2")
        assert view(pkt, "icmp6").cksum == 0xFFFE

    def test_icmp_has_no_pseudo_header(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(1, bytes.fromhex("08000007 00000000"))))
        view(pkt, "ipv4").src = IPv4Address("10.0.0.1")
        assert view(pkt, "icmp").chksum == 7
        view(pkt, "icmp").seq = 1
        assert view(pkt, "icmp").chksum == 6

    @pytest.mark.parametrize(("left", "updated"), [(0, True), (1, False)])
    def test_a_destination_with_segments_left_is_skipped(self, left: int, updated: bool) -> None:
        routing = bytes([17, 0, 4, left]) + bytes(4)
        pkt = Packet(ethernet(0x86DD, ipv6(43, routing + udp(checksum=0x1234))))
        view(pkt, "ipv6").dst = IPv6Address("2001:db8::9")
        assert (view(pkt, "udp").chksum != 0x1234) == updated
        view(pkt, "ipv6").src = IPv6Address("2001:db8::9")
        assert view(pkt, "udp").chksum == 0x1234 - 8 - 7 * updated

    def test_protocol_is_of_no_pseudo_header(self) -> None:
        pkt = Packet(ethernet(0x86DD, ipv6(17, udp(checksum=0x1234))))
        view(pkt, "ipv6").nh = 17
        assert view(pkt, "udp").chksum == 0x1234

    def test_writes_by_at_and_raw_are_plain(self) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(17, udp(checksum=0x1234))))
        ip, datagram = pkt.at(Ipv4, 14), pkt.at(Udp, 34)
        assert ip is not None
        assert datagram is not None
        ip.src = IPv4Address("10.0.0.1")
        datagram.sport = 9
        pkt[34] = 7
        assert (ip.chksum, datagram.chksum) == (0, 0x1234)
        with pytest.raises(RuntimeError, match="no pseudo-header"):
            ip.update_checksum()

    def test_layer_2_covers_nothing(self) -> None:
        pkt = Packet(FRAME)
        view(pkt, "eth").dst = Mac("ff:ff:ff:ff:ff:ff")
        assert bytes(pkt) == b"\xff" * 6 + FRAME[6:]

    def test_update_checksum_leaves_a_segment_routed_packet_alone(self) -> None:
        routing = bytes([17, 0, 4, 1]) + bytes(4)
        pkt = Packet(ethernet(0x86DD, ipv6(43, routing + udp(checksum=0x1234))))
        view(pkt, "udp").update_checksum()
        assert view(pkt, "udp").chksum == 0x1234

    @pytest.mark.parametrize(("layer", "protocol", "segment"), [("udp", 17, udp(b"abc")), ("tcp", 6, tcp(b"abc"))])
    def test_only_udp_replaces_a_computed_0(self, layer: str, protocol: int, segment: bytes) -> None:
        pkt = Packet(ethernet(0x0800, ipv4(protocol, segment)))
        written = view(pkt, layer)
        written.sport = 0
        written.update_checksum()
        written.sport = written.chksum
        written.update_checksum()
        assert written.chksum == (0xFFFF if layer == "udp" else 0)
