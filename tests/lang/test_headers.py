"""Every built-in header on literal bytes, one skeleton for all; then what `@header` accepts and refuses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from nmjit import Mac, Packet, bits, header, i8, u8, u16, u32, u64
from nmjit._headers import LAYERS, FieldKind, FieldSpec, View
from tests.lang.frames import ETH, ethernet, ipv4, ipv6, vlan


@dataclass(frozen=True)
class Case:
    """One header in a frame: `data` up to the header's end, its offset, and every field's value there."""

    layer: str
    data: bytes
    offset: int
    fields: dict[str, Any]

    def __str__(self) -> str:
        return self.layer


CASES = [
    Case(
        "eth",
        bytes.fromhex("02005e100001 02005e100002 88b5"),
        0,
        {"dst": Mac("02:00:5e:10:00:01"), "src": Mac("02:00:5e:10:00:02"), "type": 0x88B5},
    ),
    Case(
        "vlan",
        ethernet(0x8100, bytes.fromhex("b123 88b5")),
        14,
        {"prio": 5, "dei": 1, "vlan": 0x123, "type": 0x88B5},
    ),
    Case(
        "vlan2",
        ethernet(0x88A8, vlan(0x8100, bytes.fromhex("4fff 88b5"))),
        18,
        {"prio": 2, "dei": 0, "vlan": 0xFFF, "type": 0x88B5},
    ),
    Case(
        "arp",
        ethernet(0x0806, bytes.fromhex("0001 0800 06 04 0002 02005e100001 c0000201 02005e100002 c6336402")),
        14,
        {
            "hwtype": 1,
            "ptype": 0x0800,
            "hwlen": 6,
            "plen": 4,
            "op": 2,
            "hwsrc": Mac("02:00:5e:10:00:01"),
            "psrc": IPv4Address("192.0.2.1"),
            "hwdst": Mac("02:00:5e:10:00:02"),
            "pdst": IPv4Address("198.51.100.2"),
        },
    ),
    Case(
        "ipv4",
        ethernet(0x0800, bytes.fromhex("45 b8 0014 1234 6abc 3f fd beef c0000201 c6336402")),
        14,
        {
            "version": 4,
            "ihl": 5,
            "tos": 0xB8,
            "len": 20,
            "id": 0x1234,
            "flags": 3,
            "frag": 0x0ABC,
            "ttl": 63,
            "proto": 253,
            "chksum": 0xBEEF,
            "src": IPv4Address("192.0.2.1"),
            "dst": IPv4Address("198.51.100.2"),
        },
    ),
    Case(
        "ipv6",
        ethernet(
            0x86DD,
            bytes.fromhex("6ab12345 0000 fd 3f 20010db8000000000000000000000001 fe80000000000000a1b2c3d4e5f60718"),
        ),
        14,
        {
            "version": 6,
            "tc": 0xAB,
            "fl": 0x12345,
            "plen": 0,
            "nh": 253,
            "hlim": 63,
            "src": IPv6Address("2001:db8::1"),
            "dst": IPv6Address("fe80::a1b2:c3d4:e5f6:718"),
        },
    ),
    Case(
        "icmp",
        ethernet(0x0800, ipv4(1, bytes.fromhex("08 01 beef 1234 5678"))),
        34,
        {"type": 8, "code": 1, "chksum": 0xBEEF, "id": 0x1234, "seq": 0x5678},
    ),
    Case(
        "icmp6",
        ethernet(0x86DD, ipv6(58, bytes.fromhex("80 01 beef"))),
        54,
        {"type": 128, "code": 1, "cksum": 0xBEEF},
    ),
    Case(
        "tcp",
        ethernet(0x0800, ipv4(6, bytes.fromhex("3039 0050 12345678 9abcdef0 5b52 ffdc beef 1234"))),
        34,
        {
            "sport": 12345,
            "dport": 80,
            "seq": 0x12345678,
            "ack": 0x9ABCDEF0,
            "dataofs": 5,
            "reserved": 5,
            "flags": 0x152,
            "window": 0xFFDC,
            "chksum": 0xBEEF,
            "urgptr": 0x1234,
        },
    ),
    Case(
        "udp",
        ethernet(0x86DD, ipv6(17, bytes.fromhex("3039 0035 0008 beef"))),
        54,
        {"sport": 12345, "dport": 53, "len": 8, "chksum": 0xBEEF},
    ),
    Case(
        "gre",
        ethernet(0x0800, ipv4(47, bytes.fromhex("0db0 6558"))),
        34,
        {
            "chksum_present": 0,
            "routing_present": 0,
            "key_present": 0,
            "seqnum_present": 0,
            "strict_route_source": 1,
            "recursion_control": 5,
            "flags": 22,
            "version": 0,
            "proto": 0x6558,
        },
    ),
    Case(
        "vxlan",
        ethernet(0x0800, ipv4(17, bytes.fromhex("3039 12b5 0010 0000 08 a1b2c3 123456 d7"))),
        42,
        {"flags": 8, "reserved1": 0xA1B2C3, "vni": 0x123456, "reserved2": 0xD7},
    ),
    Case(
        "mpls",
        ethernet(0x8847, bytes.fromhex("12345b40")),
        14,
        {"label": 0x12345, "cos": 5, "s": 1, "ttl": 64},
    ),
]


def view(pkt: Packet, layer: str) -> Any:
    """The view that `layer` names; a test fails here where there is none."""
    found = getattr(pkt, layer)
    assert found is not None, layer
    return found


def another(value: Any) -> Any:
    """A value of the same type, every bit of it changed that any field keeps."""
    match value:
        case IPv4Address():
            return IPv4Address(~int(value) & 2**32 - 1)
        case IPv6Address():
            return IPv6Address(~int(value) & 2**128 - 1)
        case Mac():
            return Mac(~int(value) & 2**48 - 1)
        case _:
            return ~value


def test_every_layer_has_a_case() -> None:
    assert [case.layer for case in CASES] == list(LAYERS)


@pytest.mark.parametrize("case", CASES, ids=str)
class TestBuiltIn:
    def test_reads_every_field(self, case: Case) -> None:
        read = view(Packet(case.data), case.layer)
        spec = LAYERS[case.layer].__header__
        assert {field.name: getattr(read, field.name) for field in spec.fields} == case.fields
        assert {name: type(getattr(read, name)) for name in case.fields} == {n: type(v) for n, v in case.fields.items()}

    def test_is_none_where_a_byte_is_missing(self, case: Case) -> None:
        assert getattr(Packet(case.data[:-1]), case.layer) is None

    def test_at_reads_and_writes_the_same_bytes(self, case: Case) -> None:
        cls = LAYERS[case.layer]
        pkt = Packet(case.data)
        at = pkt.at(cls, case.offset)
        assert at is not None
        for name, value in case.fields.items():
            assert getattr(at, name) == value
            setattr(at, name, another(value))
        header_bytes = case.data[case.offset :]
        assert bytes(pkt) == case.data[: case.offset] + bytes(byte ^ 0xFF for byte in header_bytes)

    def test_a_write_changes_its_own_bits_and_a_checksum(self, case: Case) -> None:
        spec = LAYERS[case.layer].__header__
        for field in spec.fields:
            pkt = Packet(case.data)
            written = view(pkt, case.layer)
            setattr(written, field.name, another(case.fields[field.name]))
            changed = int.from_bytes(bytes(pkt)[case.offset :], "big") ^ int.from_bytes(case.data[case.offset :], "big")
            checksum = mask(spec.size, spec.field(spec.checksum)) if spec.checksum else 0
            assert changed & ~mask(spec.size, field) & ~checksum == 0, field.name
            assert changed & mask(spec.size, field) == mask(spec.size, field), field.name

    def test_spec_fills_the_header(self, case: Case) -> None:
        spec = LAYERS[case.layer].__header__
        assert spec.size == len(case.data) - case.offset
        ends = [field.bit + field.bits for field in spec.fields]
        assert [field.bit for field in spec.fields] == [0, *ends[:-1]]
        assert ends[-1] == spec.size * 8


def mask(size: int, field: FieldSpec) -> int:
    """The bits of `field` in a header of `size` bytes."""
    return (1 << field.bits) - 1 << size * 8 - field.bit - field.bits


def test_steering_and_plain_fields_are_those_of_the_semantics() -> None:
    steering = {layer: {f.name for f in cls.__header__.fields if f.steers} for layer, cls in LAYERS.items()}
    assert {layer: names for layer, names in steering.items() if names} == {
        "eth": {"type"},
        "vlan": {"type"},
        "vlan2": {"type"},
        "arp": {"hwlen", "plen"},
        "ipv4": {"version", "ihl", "len", "proto", "frag"},
        "ipv6": {"version", "plen", "nh"},
        "tcp": {"dataofs"},
        "udp": {"dport"},
        "gre": {"chksum_present", "routing_present", "key_present", "seqnum_present", "version"},
    }
    plain = {f"{layer}.{f.name}" for layer, cls in LAYERS.items() for f in cls.__header__.fields if f.plain}
    assert plain == {
        "ipv4.len", "ipv4.chksum", "ipv6.plen", "icmp.chksum", "icmp6.cksum", "tcp.chksum", "udp.len", "udp.chksum",
    }  # fmt: skip


@header
class Sample:
    """A header of every kind of field."""

    a: u8
    b: int = bits(3)
    c: int = bits(13)
    d: u16
    e: u32
    f: u64
    g: IPv4Address
    h: IPv6Address
    i: Mac


class TestDeclared:
    def test_lays_out_in_order(self) -> None:
        spec = Sample.__header__  # type: ignore[attr-defined]
        assert (spec.name, spec.size, spec.checksum) == ("Sample", 43, None)
        assert [(f.name, f.bit, f.bits) for f in spec.fields] == [
            ("a", 0, 8), ("b", 8, 3), ("c", 11, 13), ("d", 24, 16), ("e", 40, 32), ("f", 72, 64), ("g", 136, 32),
            ("h", 168, 128), ("i", 296, 48),
        ]  # fmt: skip
        assert [f.kind for f in spec.fields[5:]] == [FieldKind.INT, FieldKind.IPV4, FieldKind.IPV6, FieldKind.MAC]
        assert spec.field("c").bits == 13
        with pytest.raises(KeyError):
            spec.field("z")

    def test_views_bytes(self) -> None:
        data = bytes(range(60))
        pkt = Packet(data)
        sample = pkt.at(Sample, 2)
        assert sample is not None
        assert (sample.a, sample.b, sample.c, sample.d) == (2, 0, 0x304, 0x506)
        assert sample.i == Mac(data[39:45])
        sample.b = 0xFF
        assert pkt[3] == 0xE3
        assert Sample.__doc__ == "A header of every kind of field."
        assert repr(sample).startswith("<Sample a=2 b=7 ")

    def test_at_is_none_where_it_does_not_fit(self) -> None:
        pkt = Packet(bytes(50))
        assert pkt.at(Sample, 7) is not None
        assert all(pkt.at(Sample, offset) is None for offset in (-1, 8, 2**70))

    def test_stores_take_the_fields_type(self) -> None:
        sample = Packet(bytes(60)).at(Sample, 0)
        assert sample is not None
        with pytest.raises(TypeError, match=r"Sample\.a takes int, not str"):
            sample.a = "1"  # type: ignore[assignment]
        with pytest.raises(TypeError, match=r"Sample\.i takes Mac, not int"):
            sample.i = 5  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            sample.z = 5  # type: ignore[attr-defined]

    def test_views_are_true_and_not_constructed(self) -> None:
        sample = Packet(bytes(60)).at(Sample, 0)
        assert sample
        assert isinstance(sample, View)
        with pytest.raises(TypeError, match="view of a packet"):
            LAYERS["tcp"]()

    def test_at_takes_headers_only(self) -> None:
        with pytest.raises(TypeError, match="declare it with @header"):
            Packet(ETH).at(int, 0)

    @pytest.mark.parametrize(
        ("annotation", "default", "message"),
        [
            (int, None, r"X\.f: .*int.* no type of a header field"),
            (i8, None, r"X\.f: i8 is no type"),
            (u8, 3, r"X\.f: a header field has no default"),
            (u8, bits(3), r"X\.f: a field of bits\(3\) is annotated int"),
            (int, bits(4), "X: the fields have 12 bits in all"),
            ("nowhere", None, r"X\.f: annotation 'nowhere'"),
        ],
    )
    def test_refuses(self, annotation: Any, default: Any, message: str) -> None:
        body: dict[str, Any] = {"__annotations__": {"first": u8, "f": annotation}}
        if default is not None:
            body["f"] = default
        with pytest.raises(TypeError, match=message):
            header(type("X", (), body))

    def test_refuses_what_no_access_could_load(self) -> None:
        four: dict[str, Any] = {"a": int, "b": u64, "c": int}
        with pytest.raises(TypeError, match=r"X\.b: the field touches more than 8 bytes"):
            header(type("X", (), {"__annotations__": four, "a": bits(4), "c": bits(4)}))
        with pytest.raises(TypeError, match=r"X\.b: an address starts at a whole byte"):
            header(type("X", (), {"__annotations__": {**four, "b": Mac}, "a": bits(4), "c": bits(4)}))
        with pytest.raises(TypeError, match="at least one field"):
            header(type("X", (), {}))

    @pytest.mark.parametrize("count", [0, 65, -1])
    def test_bits_are_1_to_64(self, count: int) -> None:
        with pytest.raises(TypeError, match="1 to 64 bits"):
            bits(count)
