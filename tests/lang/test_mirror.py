"""mirror() copies the packet of the filter that runs."""

from __future__ import annotations

import pytest

from nmjit import DROP, PASS, Packet, Port, Verdict, filter, mirror
from nmjit._context import packet_run

OUT, TAP = Port(), Port("tap", optional=True)


@filter
def copies_twice(pkt: Packet) -> Verdict:
    mirror(OUT)
    pkt[0] = 0xFF
    pkt.push(2)
    mirror(TAP)
    return PASS


@filter
def calls_another(pkt: Packet) -> Verdict:
    mirror(OUT)
    copies_twice(Packet(b"abc"))
    mirror(OUT)
    return DROP


def test_copies_are_the_bytes_at_the_call() -> None:
    pkt = Packet(b"abc")
    assert copies_twice(pkt) == PASS
    assert pkt.mirrors == [(OUT, b"abc"), (TAP, b"\0\0\xffbc")]
    pkt[0] = 7
    assert pkt.mirrors[1] == (TAP, b"\0\0\xffbc")


def test_each_call_copies_its_own_packet() -> None:
    pkt = Packet(b"xyz")
    calls_another(pkt)
    assert pkt.mirrors == [(OUT, b"xyz"), (OUT, b"xyz")]


def test_a_back_end_names_the_packet() -> None:
    pkt = Packet(b"abc")
    with packet_run(0, 0, 0, pkt):
        mirror(TAP)
    assert pkt.mirrors == [(TAP, b"abc")]


def test_outside_a_filter_there_is_nothing_to_copy() -> None:
    with pytest.raises(RuntimeError, match="no filter is running"):
        mirror(OUT)
    with packet_run(0, 0, 0), pytest.raises(RuntimeError, match="no filter is running"):
        mirror(OUT)


def test_takes_a_port() -> None:
    with packet_run(0, 0, 0, Packet(b"")), pytest.raises(TypeError, match="takes a Port, not int"):
        mirror(3)  # type: ignore[arg-type]
