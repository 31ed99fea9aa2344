"""The CPython back end's checks: window and shifts, in the filter and in its helpers, at the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmjit._filter import Filter
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.loader import load_filter
from nmjit.compiler.lowering import lower_filter
from nmjit.compiler.mapstate import new_states
from nmjit.compiler.outcome import Outcome, PacketInfo

HEAD = "from nmjit import *\n\n@filter\ndef f(pkt: Packet) -> Verdict:\n"
IPV6 = bytes(12) + b"\x86\xdd" + b"\x60" + bytes(6) + b"\x40" + bytes.fromhex("20010db8000000010000000000000002") * 2


def outcomes(filter_: Filter, packet: bytes) -> tuple[Outcome, Outcome]:
    """What CPython and the interpreter make of a packet."""
    lowered = lower_filter(filter_)
    maps = new_states(lowered.function.maps)
    for name, state in maps.items():
        state.load(lowered.maps[name].entries())
    info = PacketInfo(wire_len=len(packet))
    here = Interpreter(lowered.function).run(bytearray(packet), info, maps)
    return CPythonBackend(filter_, lowered.port_objects).run(bytearray(packet), info), here


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


MAPS = """from nmjit import *
COUNTS = HashMap(key=u8, value=u64, capacity=1)
COUNTS[0] = 1
LIMITS = Array(RateLimit, 1)
SIZES = Histogram()
OUT, TAP = Port(), Port()
@filter
def f(pkt: Packet) -> Verdict:
"""


def with_maps(folder: Path, body: str) -> Filter:
    path = folder / "f.py"
    path.write_text(MAPS + "".join(f"    {line}\n" for line in body.splitlines()) + "    return PASS\n")
    return load_filter(path)


@pytest.mark.parametrize(
    ("body", "exception", "line"),
    [
        ("x = COUNTS[\n  5]", "KeyError", 9),
        ("x = (len(pkt),\n  COUNTS[5])", "KeyError", 10),
        ("COUNTS[\n  5] += 1", "KeyError", 9),
        ("COUNTS[5] = \\\n  1", "MapFull", 9),
        ("COUNTS[len(pkt)\n  + 300] = 4", "OverflowError", 9),
        ("x = len(pkt) + 300 \\\n  in COUNTS", "OverflowError", 9),
        ("x = COUNTS.setdefault(\n  5, 1)", "MapFull", 9),
        ("x = (COUNTS\n  .setdefault(5, 1))", "MapFull", 10),
        ("x = (COUNTS.get(\n  len(pkt) - 100))", "OverflowError", 9),
        ("del COUNTS[0], \\\n  COUNTS[0]", "KeyError", 10),
        ("del (COUNTS[0],\n  COUNTS[1])", "KeyError", 10),
        ("del COUNTS[len(pkt) << 62]", "OverflowError", 9),
        ("SIZES.add(\n  -len(pkt))", "OverflowError", 9),
        ("LIMITS[0] = RateLimit(\n  len(pkt) - 54)", "OverflowError", 9),
        ("x = (LIMITS[0]\n  .allow(len(pkt) - 100))", "OverflowError", 10),
        ("pkt.pull(\n  99)", "IndexError", 9),
        ("for i in range(600):\n  pkt.push(128)", "IndexError", 10),
        ("x = (pkt\n  .u16(99))", "IndexError", 10),
        ("x = (pkt.tcp\n  .sport)", "AttributeError", 10),
        ("pkt.pull(1)\nassert pkt.tcp, 'text'", "AssertionError", 10),
    ],
)
def test_operations_of_maps_raise_at_their_line(tmp_path: Path, body: str, exception: str, line: int) -> None:
    expected = Outcome(0, -1, exception, line)
    assert outcomes(with_maps(tmp_path, body), IPV6) == (expected, expected)


def test_mirrors_are_kept_when_the_filter_fails_behind_them(tmp_path: Path) -> None:
    body = "mirror(TAP)\npkt.pull(50)\npkt[0] = 7\nmirror(OUT)\nmirror(TAP)\npkt.pull(5)"
    short = b"\x07" + IPV6[51:]
    expected = Outcome(0, -1, "IndexError", 14, ((0, IPV6), (1, short), (0, short)))
    assert outcomes(with_maps(tmp_path, body), IPV6) == (expected, expected)


def test_room_bounds_what_is_pushed(tmp_path: Path) -> None:
    lowered = lower_filter(filter_ := with_maps(tmp_path, "pkt.push(4)"))
    for room, expected in ((57, Outcome(0, -1, "IndexError", 9)), (58, Outcome(2))):
        info = PacketInfo(wire_len=len(IPV6), room=room)
        here, there = bytearray(IPV6), bytearray(IPV6)
        assert CPythonBackend(filter_).run(there, info) == expected
        assert Interpreter(lowered.function).run(here, info, {}) == expected
        assert here == there == (bytes(4) + IPV6 if room == 58 else IPV6)


def test_a_helper_that_only_a_generator_calls_is_the_filters_own_code(tmp_path: Path) -> None:
    path = tmp_path / "generator.py"
    path.write_text(
        "from nmjit import *\nA = Array(u8, 4)\n\ndef entry(i: int) -> int:\n    n = A[i]\n    return n\n\n"
        "@filter\ndef f(pkt: Packet) -> Verdict:\n"
        "    return PASS if all(entry(len(pkt) * x) for x in (1, 2)) else DROP\n"
    )
    assert CPythonBackend(load_filter(path)).run(bytearray(60), PacketInfo(wire_len=60)) == Outcome(
        0, -1, "IndexError", 5
    )
