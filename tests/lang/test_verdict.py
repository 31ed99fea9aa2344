"""Verdicts and ports."""

import pytest

from nmjit import ABORTED, DROP, PASS, REDIRECT, TX, Port, redirect
from nmjit._verdict import VERDICTS


def test_numbers_are_those_of_xdp() -> None:
    assert [(v.name, v.value) for v in VERDICTS] == [
        ("ABORTED", 0), ("DROP", 1), ("PASS", 2), ("TX", 3), ("REDIRECT", 4),
    ]  # fmt: skip


def test_no_verdict_is_an_integer() -> None:
    numbers: list[object] = [verdict.value for verdict in VERDICTS]
    assert all(verdict not in numbers and int not in type(verdict).__mro__ for verdict in VERDICTS)
    assert len({ABORTED, DROP, PASS, TX, REDIRECT}) == 5


def test_redirect_carries_its_port_and_equals_by_number() -> None:
    out, other = Port(), Port("other", optional=True)
    assert redirect(out).port is out
    assert redirect(out) == REDIRECT == redirect(other)
    assert redirect(out) != PASS
    assert hash(redirect(out)) == hash(REDIRECT)
    assert PASS.port is None
    assert (repr(redirect(other)), repr(PASS)) == ("redirect(Port('other', optional=True))", "PASS")


def test_redirect_takes_a_port() -> None:
    with pytest.raises(TypeError, match="Port"):
        redirect("eth1")  # type: ignore[arg-type]


def test_ports_differ_by_identity() -> None:
    assert Port("a") != Port("a")
    assert (Port().optional, Port(optional=True).optional, Port("a").name) == (False, True, "a")
