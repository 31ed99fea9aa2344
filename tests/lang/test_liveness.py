"""Which views and regions a write kills: "Views that die" in docs/semantics.md, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nmjit import Packet, Region, Tcp, TcpOption, header, u8
from tests.lang.frames import ethernet, ipv4, ipv6, tcp, udp, vlan
from tests.lang.test_headers import view

TCP4 = ethernet(0x8100, vlan(0x0800, ipv4(6, tcp(b"data", data_offset=6))))
"""eth 0-14, vlan 14-18, ipv4 18-38, tcp 38-62, payload 62-66."""
UDP6 = ethernet(0x86DD, ipv6(17, udp(bytes(8) + b"data", destination=4789)))
"""eth 0-14, ipv6 14-54, udp 54-62, vxlan 62-70, payload 70-74."""
NAMES = {TCP4: ("eth", "vlan", "ipv4", "tcp", "payload"), UDP6: ("eth", "ipv6", "udp", "vxlan", "payload")}


@header
class Byte:
    """Any byte."""

    value: u8


def alive(thing: Any) -> bool:
    """Whether a view or region may still be used."""
    try:
        if isinstance(thing, Region):
            len(thing)
        else:
            getattr(thing, thing.__header__.fields[0].name)
    except RuntimeError:
        return False
    return True


def survivors(frame: bytes, write: Callable[[Packet, dict[str, Any]], None]) -> list[str]:
    """Name everything in `frame`, write, and tell what is still alive."""
    pkt = Packet(frame)
    named = {name: view(pkt, name) for name in NAMES[frame]}
    write(pkt, named)
    return [name for name, thing in named.items() if alive(thing)]


@dataclass(frozen=True)
class Steer:
    """Writing `field` of `layer` kills what follows `last`, the innermost survivor."""

    frame: bytes
    layer: str
    field: str
    last: str

    def __str__(self) -> str:
        return f"{self.layer}.{self.field}"


STEERING = [
    Steer(TCP4, "eth", "type", "eth"),
    Steer(TCP4, "vlan", "type", "vlan"),
    *(Steer(TCP4, "ipv4", field, "ipv4") for field in ("version", "ihl", "len", "proto", "frag")),
    Steer(TCP4, "tcp", "dataofs", "tcp"),
    *(Steer(UDP6, "ipv6", field, "ipv6") for field in ("version", "plen", "nh")),
    Steer(UDP6, "udp", "dport", "udp"),
    Steer(TCP4, "eth", "dst", "payload"),
    Steer(TCP4, "vlan", "vlan", "payload"),
    *(Steer(TCP4, "ipv4", field, "payload") for field in ("tos", "id", "flags", "ttl", "chksum")),
    *(Steer(TCP4, "tcp", field, "payload") for field in ("sport", "dport", "flags", "chksum")),
    *(Steer(UDP6, "udp", field, "payload") for field in ("sport", "len", "chksum")),
    Steer(UDP6, "vxlan", "vni", "payload"),
]


@pytest.mark.parametrize("case", STEERING, ids=str)
def test_a_steering_write_kills_what_lies_behind(case: Steer) -> None:
    def write(pkt: Packet, named: dict[str, Any]) -> None:
        header = named[case.layer]
        setattr(header, case.field, getattr(header, case.field))

    names = NAMES[case.frame]
    assert survivors(case.frame, write) == list(names[: names.index(case.last) + 1])


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *((first, None) for first in (0, 13)),
        *((first, "eth") for first in (14, 17)),
        *((first, "vlan") for first in (18, 37)),
        *((first, "ipv4") for first in (38, 61)),
        *((first, "tcp") for first in (62, 65)),
    ],
)
@pytest.mark.parametrize("how", ["index", "slice", "at"])
def test_a_plain_write_kills_what_does_not_lie_wholly_before(first: int, last: str | None, how: str) -> None:
    def write(pkt: Packet, named: dict[str, Any]) -> None:
        match how:
            case "index":
                pkt[first] = pkt[first]
            case "slice":
                pkt[first : first + 1] = pkt[first : first + 1]
            case _:
                found = pkt.at(Byte, first)
                assert found is not None
                found.value = 0

    names = NAMES[TCP4]
    assert survivors(TCP4, write) == list(names[: names.index(last) + 1 if last else 0])


def test_an_empty_write_kills_nothing() -> None:
    def write(pkt: Packet, named: dict[str, Any]) -> None:
        pkt[0:0] = b""

    assert survivors(TCP4, write) == list(NAMES[TCP4])


def test_at_views_outlive_every_write() -> None:
    pkt = Packet(TCP4)
    inner = pkt.at(Tcp, 38)
    assert inner is not None
    pkt[0] = 1
    view(pkt, "eth").type = 0x88B5
    assert inner.dport == 80


def test_parsing_starts_again_at_the_next_naming() -> None:
    pkt = Packet(TCP4)
    vlan_view = view(pkt, "vlan")
    vlan_view.type = 0x86DD
    assert pkt.ipv4 is None
    assert pkt.tcp is None
    assert pkt.payload[0] == 0x45
    vlan_view.type = 0x0800
    assert view(pkt, "tcp").dport == 80


def test_a_header_that_unmakes_itself_stays_usable() -> None:
    pkt = Packet(TCP4)
    ip = view(pkt, "ipv4")
    ip.version = 5
    assert pkt.ipv4 is None
    assert ip.ttl == 64
    ip.version = 4
    assert view(pkt, "ipv4").ttl == 64
    assert view(pkt, "tcp").dport == 80


def test_a_raw_write_is_seen_by_the_next_parse() -> None:
    pkt = Packet(TCP4)
    assert pkt.udp is None
    pkt[27] = 17
    assert pkt.tcp is None
    assert view(pkt, "udp").dport == 80


def test_an_option_dies_by_its_own_bytes() -> None:
    pkt = Packet(TCP4)
    first: TcpOption = next(view(pkt, "tcp").options)
    pkt[59] = 2
    assert first.kind == 1
    pkt[58] = 2
    with pytest.raises(RuntimeError, match="a TCP option died"):
        assert first.kind


def test_options_belong_to_the_header() -> None:
    pkt = Packet(TCP4)
    segment = view(pkt, "tcp")
    pkt[61] = 2
    assert not alive(segment)
    segment = view(pkt, "tcp")
    option = next(segment.options)
    segment.dataofs = 6
    assert (alive(segment), alive(option)) == (True, False)


def test_a_loop_over_options_ends_with_the_header() -> None:
    pkt = Packet(TCP4)
    options = view(pkt, "tcp").options
    assert next(options).kind == 1
    view(pkt, "ipv4").proto = 6
    with pytest.raises(RuntimeError):
        next(options)


@pytest.mark.parametrize(
    "use",
    [
        lambda segment: segment.sport,
        lambda segment: setattr(segment, "sport", 1),
        lambda segment: segment.update_checksum(),
        lambda segment: segment.options,
    ],
    ids=["load", "store", "update_checksum", "options"],
)
def test_every_use_of_a_dead_view_raises(use: Callable[[Any], object]) -> None:
    pkt = Packet(TCP4)
    segment = view(pkt, "tcp")
    pkt[0] = 0
    with pytest.raises(RuntimeError, match=r"pkt\.tcp died"):
        use(segment)


@pytest.mark.parametrize(
    "use",
    [
        len,
        bool,
        bytes,
        lambda region: region[0],
        lambda region: region[0:1],
        lambda region: region.u16(0),
        lambda region: region.u32(0),
        lambda region: region == b"data",
        lambda region: region.startswith(b"d"),
        lambda region: region.find(b"d"),
        lambda region: b"d" in region,
    ],
)
def test_every_use_of_a_dead_region_raises(use: Callable[[Any], object]) -> None:
    pkt = Packet(TCP4)
    payload = pkt.payload
    use(payload)
    pkt[0] = 0
    with pytest.raises(RuntimeError, match=r"pkt\.payload died"):
        use(payload)
