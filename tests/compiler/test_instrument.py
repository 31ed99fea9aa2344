"""The CPython back end's checks: window and shifts, in the filter and in its helpers, at the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmjit._filter import Filter
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.loader import load_filter
from nmjit.compiler.lowering import lower_filter
from nmjit.compiler.outcome import Outcome, PacketInfo

HEAD = "from nmjit import *\n\n@filter\ndef f(pkt: Packet) -> Verdict:\n"
IPV6 = bytes(12) + b"\x86\xdd" + b"\x60" + bytes(6) + b"\x40" + bytes.fromhex("20010db8000000010000000000000002") * 2


def outcomes(filter_: Filter, packet: bytes) -> tuple[Outcome, Outcome]:
    """What CPython and the interpreter make of a packet."""
    interpreter = Interpreter(lower_filter(filter_).function)
    info = PacketInfo(wire_len=len(packet))
    return CPythonBackend(filter_).run(bytearray(packet), info), interpreter.run(bytearray(packet), info, {})


def written(folder: Path, body: str) -> Filter:
    path = folder / "f.py"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in body.splitlines()))
    return load_filter(path)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = len(pkt) << 63\nreturn PASS", Outcome(0, -1, "OverflowError", 5)),
        ("x = u8(len(pkt) << 63)\nreturn PASS", Outcome(2)),
        ("x = 1\nx = x << (len(pkt) + 10)\nreturn PASS", Outcome(0, -1, "ValueError", 6)),
        ("x = len(pkt) >> (len(pkt) + 10)\nreturn PASS", Outcome(0, -1, "ValueError", 5)),
        ("x = 2 ** 3 if False else 1\nreturn PASS", None),
        ("x = -len(pkt)\nx -= 2 ** 0 * 9\nreturn PASS", None),
        ("x = 2 * (1 << 62) + len(pkt)\nx += 1 << 63\nreturn PASS", Outcome(0, -1, "OverflowError", 6)),
        ("assert len(pkt) == 0, 'text'\nreturn PASS", Outcome(0, -1, "AssertionError", 5)),
    ],
)  # fmt: skip
def test_checks_of_the_language(tmp_path: Path, body: str, expected: Outcome | None) -> None:
    if expected is None:  # ** is refused
        with pytest.raises(Exception, match=r"\*\* is not supported"):
            lower_filter(written(tmp_path, body))
        return
    assert outcomes(written(tmp_path, body), IPV6) == (expected, expected)


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("int(ip.src) >> 64 == 0x20010DB800000001", 1),
        ("int(ip.src) >> 127 == 0", 1),
        ("int(ip.src) >> ip.hlim == 0x20010DB800000001", 1),
        ("u32(int(ip.src) >> 96) == 0x20010DB8", 1),
        ("int(ip.src) >> (ip.hlim + 64) == 0", 0),
    ],
)
def test_the_upper_half_of_an_ipv6_address_can_be_had(tmp_path: Path, test: str, verdict: int) -> None:
    filter_ = written(tmp_path, f"ip = pkt.ipv6\nif ip is not None and {test}:\n    return DROP\nreturn PASS")
    first, second = outcomes(filter_, IPV6)
    assert first == second
    assert first.verdict == verdict
    assert first.exception == (None if verdict else "ValueError")


def test_a_helper_of_another_module_raises_at_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helpers_of_the_test.py").write_text("\n\ndef inverse(x: int) -> int:\n    return 10 // (x - x)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "f.py"
    path.write_text("import helpers_of_the_test as h\n" + HEAD + "    return PASS if h.inverse(len(pkt)) else DROP\n")
    expected = Outcome(0, -1, "ZeroDivisionError", 4)
    assert outcomes(load_filter(path), IPV6) == (expected, expected)
