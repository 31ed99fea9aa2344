"""@filter keeps the function and stays callable."""

import pytest

from nmjit import DROP, PASS, Filter, Packet, Verdict, filter


@filter
def short(pkt: Packet) -> Verdict:
    """Drops what has no Ethernet header."""
    return PASS if pkt.eth else DROP


def test_calls_the_function() -> None:
    assert short(Packet(bytes(14))) == PASS
    assert short(Packet(bytes(13))) == DROP


def test_keeps_what_a_back_end_needs() -> None:
    assert isinstance(short, Filter)
    assert short.name == "short"
    assert short.__doc__ == "Drops what has no Ethernet header."
    assert short.function(Packet(b"")) == DROP
    assert short.__wrapped__ is short.function  # type: ignore[attr-defined]
    assert repr(short) == "<filter short>"


def test_exceptions_come_through() -> None:
    @filter
    def bad(pkt: Packet) -> Verdict:
        return PASS if pkt[99] else DROP

    with pytest.raises(IndexError):
        bad(Packet(b""))


@pytest.mark.parametrize("thing", [len, Packet, 3, short])
def test_stands_on_functions_only(thing: object) -> None:
    with pytest.raises(TypeError, match="stands on a function"):
        filter(thing)  # type: ignore[arg-type]
