"""The meaning of ops, example by example; wide coverage of agreement is in properties/ and passes/."""

from __future__ import annotations

from collections import Counter

import pytest

from nmjit._random import packet_random
from nmjit.compiler.interp import Interpreter, Unsound, run
from nmjit.compiler.ir import OP_CLASSES, Check, Const, Load, Op, Phi, Prefetch, Return
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.reader import read_function
from tests.compiler.ir_strategies import fresh_maps, function_of

INFO = PacketInfo(wire_len=1500, timestamp=11, now=12, port=3, queue=4, seed=99, packet_number=5)
HEAD = """filter f {
  site #0: IndexError at 7:1 ""
  site #1: OverflowError at 8:1 ""
  map @m: array[4] base 0 {a: u8, b: i16}
  table $set: ranges -3..-1, 5..9
  table $list: values 4, -5, 6
entry:
  %0 = const int 0
"""


def computed(lines: str, result: int, packet: bytes = b"") -> int:
    """What value `result` of straight-line ops is: it is stored into a map of signed 16-bit fields and read there."""
    function = read_function(f"{HEAD}{lines}\n  mapstore @m[%0].b, %{result}\n  return %0, %0\n}}")
    maps = fresh_maps(function)
    assert run(function, bytearray(packet), INFO, maps) == Outcome(0)
    return maps["m"].entries()[0][1]


def binary(mnemonic: str, a: int, b: int) -> str:
    return f"  %1 = const int {a}\n  %2 = const int {b}\n  %3 = {mnemonic} %1, %2"


@pytest.mark.parametrize(
    ("mnemonic", "a", "b", "value"),
    [
        ("add", 300, -1, 299),
        ("add mod 8", 300, -1, 43),
        ("sub mod 8", 0, 1, 255),
        ("mul", -7, 6, -42),
        ("floordiv", -7, 2, -4),
        ("floormod", -7, 2, 1),
        ("floormod", 7, -2, -1),
        ("and", -1, 255, 255),
        ("or", 8, 1, 9),
        ("xor", -1, 1, -2),
        ("shl", 3, 4, 48),
        ("shl mod 8", 255, 4, 240),
        ("shr", -7, 1, -4),
        ("min", -7, 1, -7),
        ("max", -7, 1, 1),
    ],
)
def test_binary(mnemonic: str, a: int, b: int, value: int) -> None:
    assert computed(binary(mnemonic, a, b), 3) == value


@pytest.mark.parametrize(
    ("mnemonic", "a", "b"),
    [("floordiv", 1, 0), ("floormod", 1, 0), ("shl", 1, 64), ("shr", 1, -1)],
)
def test_a_broken_obligation_of_arithmetic(mnemonic: str, a: int, b: int) -> None:
    with pytest.raises(Unsound):
        computed(binary(mnemonic, a, b), 3)


def chosen(condition: str) -> bool:
    """Whether the BOOL computed by `condition` (as value 3 of what it names 1 and 2) holds."""
    return computed(f"{condition}\n  %4 = wrap u8 %3", 4) == 1


@pytest.mark.parametrize(("predicate", "holds"), [("eq", 0), ("ne", 1), ("lt", 1), ("le", 1), ("gt", 0), ("ge", 0)])
def test_compare(predicate: str, holds: int) -> None:
    assert chosen(binary(f"cmp {predicate}", -1, 2**64)) is bool(holds)


def test_bools_and_bytes() -> None:
    assert chosen("  %1 = const bool true\n  %2 = not %1\n  %3 = xor %1, %2")
    assert chosen('  %1 = const bytes2 "0800"\n  %2 = const bytes2 "0800"\n  %3 = cmp eq %1, %2')
    assert not chosen('  %1 = const bytes2 "0800"\n  %2 = const bytes2 "0801"\n  %3 = cmp eq %1, %2')


def test_select() -> None:
    lines = "  %1 = const int 5\n  %2 = cmp lt %1, %0\n  %3 = select %2, %1, %0"
    assert computed(lines, 3) == 0


@pytest.mark.parametrize(
    ("scalar", "a", "value"), [("u8", -1, 255), ("i8", 128, -128), ("i8", 127, 127), ("i16", 2**64 - 1, -1)]
)
def test_wrap(scalar: str, a: int, value: int) -> None:
    assert computed(f"  %1 = const int {a}\n  %2 = wrap {scalar} %1", 2) == value


@pytest.mark.parametrize(("a", "holds"), [(-4, 0), (-3, 1), (-1, 1), (0, 0), (5, 1), (9, 1), (10, 0)])
def test_in_set(a: int, holds: int) -> None:
    assert computed(f"  %1 = const int {a}\n  %2 = inset %1, $set\n  %3 = wrap u8 %2", 3) == holds


def test_lookup_and_item() -> None:
    assert computed("  %1 = const int 1\n  %2 = lookup %1, $list", 2) == -5
    assert computed('  %1 = const int 1\n  %2 = const bytes2 "0aff"\n  %3 = item %2, %1', 3) == 255
    for op in ("lookup %1, $list", "item %2, %1"):
        with pytest.raises(Unsound, match="index -1 of"):
            computed(f'  %1 = const int -1\n  %2 = const bytes2 "0aff"\n  %3 = {op}', 3)


@pytest.mark.parametrize(
    ("which", "value"),
    [("length", 3), ("wirelength", 1500), ("timestamp", 11), ("now", 12), ("port", 3), ("queue", 4)],
)
def test_context(which: str, value: int) -> None:
    assert computed(f"  %1 = {which}", 1, b"abc") == value


def test_the_wire_length_is_at_least_the_length() -> None:
    function = read_function(f"{HEAD}  %1 = wirelength\n  mapstore @m[%0].b, %1\n  return %0, %0\n}}")
    maps = fresh_maps(function)
    run(function, bytearray(60), PacketInfo(), maps)
    assert maps["m"].entries()[0] == (0, 60)


def test_random() -> None:
    lines = "  %1 = const int 2\n  %2 = random %1\n  %3 = const int 32767\n  %4 = and %2, %3"
    assert computed(lines, 4) == packet_random(99, 5, 2) & 32767


def test_loads() -> None:
    packet = bytes(range(1, 20))
    assert computed("  %1 = const int 4\n  %2 = load 2 be %1 + -2", 2, packet) == 0x0304
    assert computed("  %1 = const int 4\n  %2 = load 2 le %1 + -2", 2, packet) == 0x0403
    item = "  %1 = const int 2\n  %2 = loadbytes 3 %1 + 16\n  %3 = item %2, %0"
    with pytest.raises(Unsound, match="3 bytes at 18 of 19"):
        computed(item, 3, packet)
    assert computed(item.replace("+ 16", "+ 14"), 3, packet) == 17
    with pytest.raises(Unsound, match="1 bytes at -1 of 19"):
        computed("  %1 = load 1 be %0 + -1", 1, packet)


@pytest.mark.parametrize(
    ("needle", "start", "end", "value"),
    [("0102", 0, 6, 0), ("0102", 1, 6, 2), ("0102", 1, 4, -1), ("", 2, 2, 0), ("09", 0, 6, -1)],
)
def test_find(needle: str, start: int, end: int, value: int) -> None:
    lines = f'  %1 = const int {start}\n  %2 = const int {end}\n  %3 = find "{needle}" in %1, %2'
    assert computed(lines, 3, bytes([1, 2, 0, 1, 2, 0])) == value


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 1), (0, 7)])
def test_find_outside_the_packet(start: int, end: int) -> None:
    with pytest.raises(Unsound):
        computed(f'  %1 = const int {start}\n  %2 = const int {end}\n  %3 = find "" in %1, %2', 3, bytes(6))


def test_stores_wrap_and_stay() -> None:
    packet = bytearray(6)
    lines = """  %1 = const int -2
  %2 = const bytes2 "abcd"
  store 2 be %0 + 0, %1
  store 1 le %0 + 2, %1
  storebytes %0 + 4, %2
  %3 = const int 5
  store 2 le %3 + 0, %1
  return %0, %0
}"""
    with pytest.raises(Unsound, match="2 bytes at 5 of 6"):
        run(read_function(HEAD + lines), packet, INFO, {})
    assert packet == bytes.fromhex("fffefe00abcd")


def test_maps_wrap_at_their_fields() -> None:
    lines = """  %1 = const int 3
  %2 = const int 40000
  mapstore @m[%1].a, %2
  mapstore @m[%1].b, %2
  mapadd @m[%1].a, %2
  %3 = mapload @m[%1].b
  mapadd @m[%0].b, %3
  %4 = const int 4
  mapadd @m[%4].b, %3
  return %0, %0
}"""
    function = read_function(HEAD + lines)
    maps = fresh_maps(function)
    with pytest.raises(Unsound, match="index 4 of 4"):
        run(function, bytearray(), INFO, maps)
    assert maps["m"].entries() == [(0, 40000 - 65536), (0, 0), (0, 0), (40000 * 2 % 256, 40000 - 65536)]


def ended(lines: str) -> Outcome:
    return run(read_function(HEAD + lines + "\n}"), bytearray(), INFO, {})


def test_ends() -> None:
    assert ended("  return %0, %0") == Outcome(0, -1, None, 0)
    assert ended("  %1 = const int 4\n  %2 = const int 3\n  return %1, %2") == Outcome(4, 3)
    assert ended("  %1 = const int 2\n  return %1, %1") == Outcome(2, -1)
    assert ended("  raise site #0") == Outcome(0, -1, "IndexError", 7)
    assert ended("  %1 = const bool false\n  check %1 site #0\n  return %0, %0") == Outcome(0, -1, "IndexError", 7)
    with pytest.raises(Unsound, match="verdict 5"):
        ended("  %1 = const int 5\n  return %1, %0")


@pytest.mark.parametrize(("value", "raises"), [(2**64 - 1, 0), (2**64, 1), (-(2**63), 0), (-(2**63) - 1, 1)])
def test_window(value: int, raises: int) -> None:
    outcome = ended(f"  %1 = const int {value}\n  %2 = window %1 site #1\n  return %0, %0")
    assert outcome == (Outcome(0, -1, "OverflowError", 8) if raises else Outcome(0))


SWAP = """  %1 = const int 1
  %2 = const int 2
  jump loop
loop:
  %3 = phi int entry: %1, loop: %4
  %4 = phi int entry: %2, loop: %3
  %5 = phi int entry: %0, loop: %6
  %6 = add %5, %1
  %7 = cmp lt %6, %2
  branch %7, loop, out
out:
  return %3, %4"""


def test_all_phis_are_read_before_any_is_set() -> None:
    assert ended(SWAP) == Outcome(2)


def test_a_hang_is_cut_off() -> None:
    with pytest.raises(Unsound, match="more than 100 ops"):
        run(read_function(HEAD + "  jump on\non:\n  jump on\n}"), bytearray(), INFO, {}, limit=100)


def test_reached_counts_what_ran_up_to_the_failed_check() -> None:
    lines = "  %1 = const bool false\n  check %1 site #0\n  %2 = load 1 be %0 + 0\n  return %0, %0\n}"
    reached: Counter[type[Op]] = Counter()
    run(read_function(HEAD + lines), bytearray(1), INFO, {}, reached=reached)
    assert reached == {Const: 2, Check: 1}
    reached.clear()
    run(read_function(HEAD + SWAP + "\n}"), bytearray(), INFO, {}, reached=reached)
    assert reached[Phi] == 6
    assert reached[Return] == 1
    assert reached[Load] == 0


def test_generated_functions_reach_every_class_of_op() -> None:
    reached: Counter[type[Op]] = Counter()
    for seed in range(250):
        function = function_of(seed)
        Interpreter(function).run(bytearray(90), INFO, fresh_maps(function), reached=reached)
    assert set(OP_CLASSES) - reached.keys() == {Prefetch}


def test_an_interpreter_keeps_nothing_between_packets() -> None:
    function = function_of(3)
    interpreter, first = Interpreter(function), bytearray(90)
    once = interpreter.run(first, INFO, fresh_maps(function))
    second = bytearray(90)
    assert interpreter.run(second, INFO, fresh_maps(function)) == once
    assert first == second
