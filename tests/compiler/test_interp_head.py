"""Packets whose head moves, copies of packets, and slices, in the interpreter."""

from __future__ import annotations

import pytest

from nmjit.compiler.interp import Interpreter, Unsound
from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.reader import read_function

HEAD = """filter f {
  site #0: IndexError at 7:1 ""
  map @names: hash[2] base 0 key [8] {: u16}
entry:
  %0 = const int 0
  %1 = const int 1
  %2 = const int -2
  %3 = const int 3
"""


def run(lines: str, packet: bytes, room: int = MAX_PACKET, *, is_slice: bool = False) -> tuple[Outcome, bytes]:
    end = "" if "raise" in lines else "  return %0, %0\n"
    interpreter = Interpreter(read_function(f"{HEAD}{lines}{end}}}"), is_slice=is_slice)
    data = bytearray(packet)
    return interpreter.run(data, PacketInfo(room=room), {}), bytes(data)


def test_push_grows_the_packet_by_zeros() -> None:
    lines = "  movehead %0, %2\n  store 1 be %2 + 0, %3\n  %4 = load 1 be %0 + 1\n  store 1 be %0 + 0, %4\n"
    assert run(lines, b"abc") == (Outcome(0), b"\3\0bbc")


def test_pull_leaves_the_rest() -> None:
    assert run("  movehead %0, %1\n", b"abc") == (Outcome(0), b"bc")
    assert run("  movehead %0, %3\n", b"abc") == (Outcome(0), b"")


def test_a_push_behind_a_pull_clears_what_was_pulled() -> None:
    assert run("  movehead %0, %3\n  movehead %3, %2\n", b"abcd") == (Outcome(0), b"\0\0\0\0\0d")
    assert run("  movehead %0, %2\n  movehead %2, %1\n", b"abcd") == (Outcome(0), b"bcd")
    assert run("  movehead %0, %2\n  movehead %2, %0\n", b"abcd") == (Outcome(0), b"abcd")


def test_the_head_stays_moved_where_the_filter_raises() -> None:
    assert run("  movehead %0, %2\n  raise site #0\n", b"a") == (Outcome(0, -1, "IndexError", 7), b"\0\0a")


def test_find_behind_a_push() -> None:
    lines = '  movehead %0, %2\n  %4 = length\n  %5 = find "62" in %2, %4\n  store 1 be %2 + 0, %5\n'
    assert run(lines, b"abc")[1] == b"\3\0abc"


@pytest.mark.parametrize(
    "lines",
    [
        "  %4 = load 1 be %0 + -1\n",
        "  movehead %0, %1\n  %4 = load 1 be %0 + 0\n",
        "  movehead %0, %2\n  %4 = load 1 be %2 + -1\n",
        '  movehead %0, %1\n  %4 = find "" in %0, %1\n',
        "  movehead %0, %2\n  %4 = load 2 be %0 + 2\n",
        "  movehead %1, %2\n",
        "  %4 = const int 4\n  movehead %0, %4\n",
        "  %4 = const int -129\n  movehead %0, %4\n",
        "  mirror %1, %0\n",
        "  mirror %0, %2\n",
        "  prefetch @names %0\n",
    ],
)
def test_broken_obligations(lines: str) -> None:
    with pytest.raises(Unsound):
        run(lines, b"abc")


def test_room() -> None:
    assert run("  movehead %0, %2\n", b"abc", room=5)[1] == b"\0\0abc"
    with pytest.raises(Unsound, match="from 0 to -2 of 3"):
        run("  movehead %0, %2\n", b"abc", room=4)
    assert run("  %4 = room\n  store 1 be %0 + 0, %4\n", b"abc", room=5)[1] == b"\5bc"
    assert run("  %4 = room\n  store 1 be %0 + 0, %4\n", b"abc", room=1)[1] == b"\3bc"


def test_mirrors_are_copies_in_order() -> None:
    lines = "  mirror %0, %1\n  store 1 be %0 + 0, %3\n  movehead %0, %2\n  mirror %2, %3\n"
    outcome, packet = run(lines, b"abc")
    assert outcome == Outcome(0, mirrors=((1, b"abc"), (3, b"\0\0\3bc")))
    assert packet == b"\0\0\3bc"


def test_mirrors_made_before_an_exception() -> None:
    outcome, _ = run("  mirror %0, %1\n  raise site #0\n", b"abc")
    assert outcome == Outcome(0, -1, "IndexError", 7, ((1, b"abc"),))


def test_a_slice_may_prefetch() -> None:
    assert run("  prefetch @names %0\n", b"abc", is_slice=True) == (Outcome(0), b"abc")
