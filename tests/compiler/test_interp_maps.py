"""The meaning of the ops about maps and keys, example by example."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nmjit._hash import key_hash, pack_key
from nmjit.compiler.interp import Interpreter, Unsound
from nmjit.compiler.mapstate import EventsState, MapState, new_state, new_states
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.reader import read_function

WORDS = ", ".join(f"word{number}: u32" for number in range(8))
HEAD = f"""filter f {{
  site #0: KeyError at 7:1 ""
  map @out: array[8] base 0 {{: i64}}
  map @flows: lru[16] base 0 key [u16: 2] {{n: u64, s: i8}}
  map @names: hash[2] base 0 key [i16: 2, bool: 1] {{: u16}}
  map @routes: lpm[4] base 0 key [IPv4Address: 4] {{: u16}}
  map @seen: bloom[2] base 0 key [u32: 4] {{{WORDS}}}
  map @limits: array[1] base 0 {{credit: u64, stamp: u64, rate: u64, burst: u64}}
  map @log: events[2] base 0 {{a: u8, b: i16}}
entry:
  %0 = const int 0
  %1 = const int 1
  %2 = const int -2
  %3 = const bool true
"""
TAIL = "  return %0, %0\n}"


class Bench:
    """A straight line of ops over maps that live on; `out(n)` ops store value n for `run` to return."""

    def __init__(self, lines: str) -> None:
        function = read_function(HEAD + lines + TAIL)
        self.maps: Mapping[str, MapState] = new_states(function.maps)
        self._interpreter = Interpreter(function)

    def run(self, now: int = 0) -> list[int]:
        assert self._interpreter.run(bytearray(), PacketInfo(now=now), self.maps) == Outcome(0)
        return [value for (value,) in self.maps["out"].entries()]


def out(place: int, value: int, first: int = 90) -> str:
    """Store value `value` at place `place` of what `Bench.run` returns."""
    number = first + place
    return f"  %{number} = const int {place}\n  mapstore @out[%{number}]., %{value}\n"


def flag(place: int, value: int) -> str:
    return f"  %{70 + place} = wrap u8 %{value}\n" + out(place, 70 + place)


NAME = "  %4 = pack %2:2, %3:1\n  %5 = hash @names %4\n"


def test_pack_takes_each_part_modulo_its_size() -> None:
    bench = Bench(NAME + "  %6 = item %4, %0\n  %7 = item %4, %1\n  %8 = const int 2\n  %9 = item %4, %8\n"
                  + out(0, 6) + out(1, 7) + out(2, 9))  # fmt: skip
    assert bench.run()[:3] == [0xFE, 0xFF, 1]


def test_hash_goes_by_the_seed_of_the_map() -> None:
    lines = NAME + "  %6 = wrap i64 %5\n" + out(0, 6)
    bench, key = Bench(lines), pack_key((-2, 1), (2, 1))
    assert bench.run()[0] % 2**64 == key_hash(key)
    names = bench.maps["names"].decl
    bench.maps = {**bench.maps, "names": new_state(names, seed=5)}
    assert bench.run()[0] % 2**64 == key_hash(key, 5)


def test_insert_find_delete() -> None:
    bench = Bench(
        NAME + "  %6 = const int 65537\n  %7 = mapfind @names %4, %5\n  %8 = mapinsert @names %4, %5 {%6}\n"
        "  %9 = mapinsert @names %4, %5 {%0}\n  %10 = mapfind touch @names %4, %5\n  %11 = mapload @names[%8].\n"
        "  %12 = mapdelete @names %4, %5\n  %13 = mapdelete @names %4, %5\n  %14 = mapload @names[%8].\n"
        + out(0, 7) + out(1, 8) + out(2, 9) + out(3, 10) + out(4, 11) + flag(5, 12) + flag(6, 13) + out(7, 14)
    )  # fmt: skip
    missing, made, again, found, value, deleted, twice, dead = bench.run()
    assert (missing, value, deleted, twice, dead) == (-1, 1, 1, 0, 1)
    assert made == again == found >= 0
    assert bench.maps["names"].entries() == []


def test_an_insertion_without_room() -> None:
    bench = Bench(NAME + "  %6 = mapinsert @names %4, %5 {%0}\n" + out(0, 6))
    bench.maps["names"].load([(1, 0, 5), (2, 0, 6)])
    assert bench.run()[0] == -1
    assert bench.maps["names"].entries() == [(1, 0, 5), (2, 0, 6)]


def test_parts_of_signed_types_come_out_with_their_sign() -> None:
    bench = Bench(NAME + "  %6 = mapinsert @names %4, %5 {%1}\n")
    bench.run()
    assert bench.maps["names"].entries() == [(-2, 1, 1)]


FLOW = "  %4 = const int {0}\n  %5 = pack %4:2\n  %6 = hash @flows %5\n"


def test_a_full_set_gives_up_the_first_that_was_not_touched() -> None:
    def keys(touch: str) -> list[int]:
        bench = Bench(
            FLOW.format(0) + f"  %7 = mapfind {touch} @flows %5, %6\n  %8 = const int 99\n  %9 = pack %8:2\n"
            "  %10 = hash @flows %9\n  %11 = mapinsert @flows %9, %10 {%1, %2}\n"
        )
        bench.maps["flows"].load([(key, 0, 0) for key in range(16)])
        bench.run()
        return [entry[0] for entry in bench.maps["flows"].entries()]

    # Found in this packet, entry 0 is held; entry 1 goes, whether 0 is marked or not.
    assert keys("") == keys("touch") == [0, 99, *range(2, 16)]


def test_what_was_touched_in_an_earlier_packet_has_a_second_chance() -> None:
    touch = Bench(FLOW.format(0) + "  %7 = mapfind touch @flows %5, %6\n")
    insert = Bench(FLOW.format(99) + "  %7 = mapinsert @flows %5, %6 {%1, %2}\n")
    touch.maps["flows"].load([(key, 0, 0) for key in range(16)])
    touch.run()
    insert.maps = {**insert.maps, "flows": touch.maps["flows"]}
    insert.run()
    assert insert.maps["flows"].entries()[:3] == [(0, 0, 0), (99, 1, -2), (2, 0, 0)]


def test_fields_of_entries_wrap() -> None:
    bench = Bench(
        FLOW.format(7) + "  %7 = mapinsert @flows %5, %6 {%2, %1}\n  %8 = const int 127\n  mapadd @flows[%7].s, %8\n"
        "  mapadd @flows[%7].n, %1\n  %9 = mapload @flows[%7].s\n" + out(0, 9)
    )
    assert bench.run()[0] == -128
    assert bench.maps["flows"].entries() == [(7, 2**64 - 1, -128)]


def test_an_entry_that_the_packet_did_not_find() -> None:
    bench = Bench("  mapstore @flows[%0].n, %1\n")
    bench.maps["flows"].load([(key, 0, 0) for key in range(16)])
    with pytest.raises(Unsound, match=r"index 0 .*not of this packet"):
        bench.run()
    bench = Bench(FLOW.format(7) + "  %7 = mapfind @flows %5, %6\n  %8 = mapload @flows[%7].n\n")
    with pytest.raises(Unsound, match="index -1"):
        bench.run()


def test_an_entry_of_the_packet_before() -> None:
    bench = Bench(FLOW.format(7) + "  %7 = mapinsert @flows %5, %6 {%0, %0}\n")
    bench.run()
    place = next(index for index in range(16) if bench.maps["flows"].reached(index))  # type: ignore[attr-defined]
    later = Bench(f"  %4 = const int {place}\n  %5 = mapload @flows[%4].n\n")
    later.maps = {**later.maps, "flows": bench.maps["flows"]}
    with pytest.raises(Unsound, match="not of this packet"):
        later.run()


@pytest.mark.parametrize("op", ["mapfind @names", "mapdelete @names", "mapinsert @names"])
def test_a_hash_of_another_key(op: str) -> None:
    with pytest.raises(Unsound, match="is not the hash"):
        Bench(NAME + f"  %6 = {op} %4, %1{' {%0}' if 'insert' in op else ''}\n").run()


@pytest.mark.parametrize(("address", "value"), [("10.1.2.3", 3), ("10.1.9.9", 2), ("192.0.2.1", 1)])
def test_the_longest_network(address: str, value: int) -> None:
    a, b, c, d = map(int, address.split("."))
    number = a << 24 | b << 16 | c << 8 | d
    bench = Bench(
        f"  %4 = const int {number}\n  %5 = lpmfind @routes %4\n  %6 = mapload @routes[%5].\n"
        "  mapadd @routes[%5]., %1\n" + out(0, 6)
    )
    bench.maps["routes"].load([(0, 0, 1), (0x0A010000, 16, 2), (0x0A010200, 24, 3)])
    assert bench.run()[0] == value
    assert bench.maps["routes"].entries()[value - 1][2] == value + 1


def test_no_network() -> None:
    bench = Bench("  %4 = lpmfind @routes %1\n" + out(0, 4))
    assert bench.run()[0] == -1
    with pytest.raises(Unsound, match="no address of 32 bits"):
        Bench("  %4 = const int 4294967296\n  %5 = lpmfind @routes %4\n").run()


def test_bloom() -> None:
    bench = Bench(
        "  %4 = pack %1:4\n  %5 = hash @seen %4\n  %6 = bloomtest @seen %5\n  %7 = bloomadd @seen %5\n"
        "  %8 = bloomadd @seen %5\n  %9 = bloomtest @seen %5\n" + flag(0, 6) + flag(1, 7) + flag(2, 8) + flag(3, 9)
    )
    assert bench.run()[:4] == [0, 1, 0, 1]
    assert sorted(sum(word.bit_count() for word in block) for block in bench.maps["seen"].entries()) == [0, 8]


def test_log_bucket() -> None:
    bench = Bench("  %4 = const int 1000\n  %5 = logbucket 2 %4\n  %6 = logbucket 2 %1\n" + out(0, 5) + out(1, 6))
    assert bench.run()[:2] == [35, 1]
    with pytest.raises(Unsound, match="-2 is no u64"):
        Bench("  %4 = logbucket 2 %2\n").run()


def test_take() -> None:
    bench = Bench("  %4 = now\n  %5 = const int 3\n  %6 = take @limits[%0] %5, %4\n" + flag(0, 6))
    bench.maps["limits"].load([(4 * 10**9, 0, 2, 4)])
    assert bench.run()[0] == 1
    assert bench.run()[0] == 0
    assert bench.run(now=10**9 - 1)[0] == 0
    assert bench.run(now=10**9)[0] == 1
    assert bench.maps["limits"].entries() == [(0, 10**9, 2, 4)]
    with pytest.raises(Unsound, match="index 1 of 1"):
        Bench("  %4 = take @limits[%1] %1, %0\n").run()
    with pytest.raises(Unsound, match="-2 tokens"):
        Bench("  %4 = take @limits[%0] %2, %0\n").run()


def test_emit() -> None:
    bench = Bench("  emit @log {%2, %2}\n")
    for _ in range(3):
        bench.run()
    log = bench.maps["log"]
    assert isinstance(log, EventsState)
    assert log.entries() == [(254, -2), (254, -2)]
    assert log.dropped == 1
