"""push and pull: bytes added to and taken off a packet's front, and everything that dies with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import Eth, Packet, Tcp, Vlan
from tests.lang.frames import ethernet, ipv4, tcp, vlan
from tests.lang.test_headers import view
from tests.lang.test_liveness import NAMES, TCP4, UDP6, alive

MOVES: list[Any] = [
    lambda pkt: pkt.push(1),
    lambda pkt: pkt.pull(1),
    lambda pkt: pkt.push(128),
    lambda pkt: pkt.pull(14),
]


def test_push_adds_zeros_and_pull_takes_off() -> None:
    pkt = Packet(b"abc", wire_len=10)
    pkt.push(2)
    assert (bytes(pkt), len(pkt), pkt.wire_len, pkt[2:4]) == (b"\0\0abc", 5, 12, b"ab")
    pkt.pull(4)
    assert (bytes(pkt), len(pkt), pkt.wire_len) == (b"c", 1, 8)
    pkt.pull(1)
    assert (bytes(pkt), pkt.wire_len) == (b"", 7)


@given(st.binary(max_size=40), st.lists(st.integers(-40, 128).filter(bool), max_size=6))
def test_any_order_of_moves(data: bytes, moves: list[int]) -> None:
    pkt, expected = Packet(data), data
    for move in moves:
        if move < 0 and -move > len(expected):
            with pytest.raises(IndexError):
                pkt.pull(-move)
        elif move < 0:
            pkt.pull(-move)
            expected = expected[-move:]
        else:
            pkt.push(move)
            expected = bytes(move) + expected
        assert bytes(pkt) == expected
        assert pkt.wire_len == len(pkt) == len(expected)


def test_a_packet_has_so_much_room() -> None:
    pkt = Packet(bytes(60), room=64)
    pkt.push(4)
    with pytest.raises(IndexError, match="room of 64"):
        pkt.push(1)
    pkt.pull(3)
    pkt.push(3)
    assert len(pkt) == 64
    largest = Packet(bytes(65_534))
    largest.push(1)
    with pytest.raises(IndexError):
        largest.push(1)


def test_a_refused_move_changes_nothing() -> None:
    pkt = Packet(TCP4, room=len(TCP4))
    segment = view(pkt, "tcp")
    with pytest.raises(IndexError):
        pkt.push(1)
    with pytest.raises(IndexError):
        pkt.pull(len(TCP4) + 1)
    assert (bytes(pkt), segment.dport, pkt.wire_len) == (TCP4, 80, len(TCP4))


@pytest.mark.parametrize(("move", "n"), [("push", 0), ("push", 129), ("push", -1), ("pull", 0), ("pull", 65_536)])
def test_refuses_other_numbers(move: str, n: int) -> None:
    with pytest.raises(ValueError, match=f"{move} .* not {n}"):
        getattr(Packet(bytes(200)), move)(n)


@pytest.mark.parametrize("frame", [TCP4, UDP6])
@pytest.mark.parametrize("move", MOVES)
def test_every_view_and_region_dies(frame: bytes, move: Callable[[Packet], None]) -> None:
    pkt = Packet(frame)
    named = [view(pkt, name) for name in NAMES[frame]]
    at_views = [pkt.at(Eth, 0), pkt.at(Tcp, 38), pkt.at(Vlan, 14)]
    assert all(map(alive, [*named, *at_views]))
    move(pkt)
    assert not any(map(alive, [*named, *at_views]))


@pytest.mark.parametrize("move", MOVES)
def test_every_use_of_a_dead_at_view_raises(move: Callable[[Packet], None]) -> None:
    pkt = Packet(TCP4)
    inner = pkt.at(Tcp, 38)
    assert inner is not None
    options = inner.options
    first = next(options)
    move(pkt)
    uses: list[Callable[[], object]] = [
        lambda: inner.dport,
        lambda: setattr(inner, "dport", 1),
        lambda: inner.options,
        lambda: next(options),
        lambda: first.kind,
    ]
    before = bytes(pkt)
    for use in uses:
        with pytest.raises(RuntimeError, match="died"):
            use()
    assert bytes(pkt) == before


def test_the_next_naming_parses_from_the_new_start() -> None:
    inner = ethernet(0x0800, ipv4(6, tcp(b"data")))
    pkt = Packet(bytes(50) + inner)
    pkt.pull(50)
    segment = view(pkt, "tcp")
    assert (segment.dport, pkt.payload == b"data") == (80, True)
    pkt.push(14)
    view(pkt, "eth").type = 0x8847
    assert (pkt.tcp, pkt.mpls is not None) == (None, True)


def test_a_tag_is_pushed_and_popped() -> None:
    plain = ethernet(0x0800, ipv4(6, tcp(b"data")))
    tagged = ethernet(0x8100, vlan(0x0800, ipv4(6, tcp(b"data"))))
    pkt = Packet(plain)
    addresses = pkt[0:12]
    pkt.push(4)
    pkt[0:12] = addresses
    pkt[12:16] = bytes.fromhex("8100 2005")
    assert bytes(pkt) == tagged
    assert view(pkt, "vlan").vlan == 5
    pkt.pull(4)
    pkt[0:12] = addresses
    assert bytes(pkt) == plain
