"""Look-ups, entries, buckets: what the verifier knows of their results, and what it asks of their operands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit._histogram import log_bucket
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import HELD_SLOTS, index_count
from nmjit.compiler.verifier import Interval
from nmjit.compiler.verifier.interval import INFINITE
from tests.compiler.verifier.fragments import analysed, range_of, unsafe

KEY = """
    %0 = now
    %1 = pack %0:4
    %2 = hash @table %1
    %3 = hash @sets %1
"""
U64 = Interval(0, 2**64 - 1)


def _indices(kind: MapKind, capacity: int) -> Interval:
    layout = Layout.of((("", Scalar(8)),))
    return Interval(-1, index_count(MapDecl("any", kind, layout, capacity, key=(4,))) - 1)


@pytest.mark.parametrize(
    ("look_up", "expected"),
    [
        ("mapfind @table %1, %2", _indices(MapKind.HASH, 20)),
        ("mapfind touch @sets %1, %3", Interval(-1, 47)),
        ("mapinsert @sets %1, %3 {%0}", Interval(0, 47)),
        ("mapinsert @table %1, %2 {%0, %0}", _indices(MapKind.HASH, 20)),
        ("hash @table %1", U64),
    ],
)
def test_what_a_look_up_yields(look_up: str, expected: Interval) -> None:
    assert range_of(f"{KEY}%4 = {look_up}\nEND", 4) == expected


def test_an_index_of_a_network_and_its_address() -> None:
    assert range_of("%0 = random %901\n%1 = lpmfind @routes %0\nEND", 1) == _indices(MapKind.LPM, 8)
    assert unsafe("%0 = now\n%1 = lpmfind @routes %0\nEND") == ["not proved: the number is 0 to 4294967295"]


@pytest.mark.parametrize(
    "access", ["%6 = mapload @table[%4].mark", "mapstore @table[%4].mark, %0", "mapadd @table[%4].mark, %0"]
)
@pytest.mark.parametrize(
    ("guard", "safe"),
    [
        ("%5 = cmp ge %4, %901\ncheck %5 site #0", True),
        ("%5 = cmp ne %4, %903\ncheck %5 site #0", True),
        ("%5 = cmp lt %4, %901\ncheck %5 site #0", False),
        ("%5 = cmp ge %4, %903\ncheck %5 site #0", False),
        ("%5 = const bool true", False),
    ],
)
def test_an_entry_is_touched_once_it_was_found(access: str, guard: str, safe: bool) -> None:
    found = unsafe(f"{KEY}%4 = mapfind @table %1, %2\n{guard}\n{access}\nEND")
    assert (not found) is safe


@pytest.mark.parametrize("kept", [True, False])
def test_the_entry_found_or_made(kept: bool) -> None:
    """What setdefault becomes: found, else made, and a check that there was room; other workers may have taken it."""
    check = "check %9 site #0" if kept else ""
    body = f"""
        {KEY}
        %4 = mapfind touch @sets %1, %3
        %5 = cmp ge %4, %901
        branch %5, b2, b1
        b1:
        %6 = mapinsert @sets %1, %3 {{%901}}
        %9 = cmp ge %6, %901
        {check}
        jump b2
        b2:
        %7 = phi int b0: %4, b1: %6
        %8 = mapload @sets[%7].
        END
    """
    assert (not unsafe(body, shared=True)) is kept
    assert not unsafe(body)


def test_an_address_is_loaded_whole() -> None:
    body = f"{KEY}%4 = mapfind @table %1, %2\n%5 = cmp ge %4, %901\ncheck %5 site #0\n%6 = mapload @table[%4].next\nEND"
    assert range_of(body, 7) == Interval(0, 2**128 - 1)
    assert not unsafe(body)


@pytest.mark.parametrize(
    ("index", "amount", "now", "message"),
    [
        ("const int 3", "random %901", "now", ""),
        ("const int 4", "random %901", "now", "the entry is within the 4 of map rates"),
        ("const int 3", "now", "now", "the number is 0 to 4294967295"),
        ("const int 3", "const int -1", "now", "the number is 0 to 4294967295"),
        ("const int 3", "random %901", "const int -1", "the number is 0 to 18446744073709551615"),
    ],
)
def test_taking_tokens(index: str, amount: str, now: str, message: str) -> None:
    found = unsafe(f"%0 = {index}\n%1 = {amount}\n%2 = {now}\n%3 = take @rates[%0] %1, %2\nEND")
    assert len(found) == bool(message)
    assert all(message in each for each in found)


def test_a_bucket_is_within_its_histogram() -> None:
    counted = "%0 = now\n%1 = logbucket 3 %0\nmapadd @sizes[%1]., %902\nEND"
    assert range_of(counted, 1) == Interval(0, 495)
    assert not unsafe(counted)
    finer = counted.replace("logbucket 3", "logbucket 4")
    assert unsafe(finer) == ["not proved: the entry is within the 496 of map sizes"]
    assert len(unsafe("%0 = now\n%2 = sub %0, %902\n%1 = logbucket 3 %2\nEND")) == 1


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(1, 12))
def test_a_range_of_buckets_holds_those_of_all_its_values(a: int, b: int, precision: int) -> None:
    lo, hi = sorted((a, b))
    known = range_of(
        f"""
        %0 = now
        %1 = const int {lo}
        %2 = const int {hi}
        %3 = max %0, %1
        %4 = min %3, %2
        %5 = logbucket {precision} %4
        END
        """,
        5,
    )
    assert known == Interval(log_bucket(lo, precision), log_bucket(hi, precision))
    for value in {lo, hi, (lo + hi) // 2, min(hi, lo + 1), max(lo, hi - 1)}:
        assert known.contains(log_bucket(value, precision))


LOOP = f"""
    {KEY}
    %4 = const int {{rounds}}
    jump b1
    b1:
    %5 = phi int b0: %901, b2: %6
    %10 = cmp lt %5, %4
    branch %10, b2, b3
    b2:
    %6 = add %5, %902
    %7 = pack %5:4
    %8 = hash @sets %7
    %9 = {{look_up}}
    jump b1
    b3:
    {{after}}
    END
"""


@pytest.mark.parametrize(
    ("rounds", "look_up", "after", "accepted"),
    [
        (HELD_SLOTS - 1, "mapinsert @sets %7, %8 {%5}", "", True),
        (HELD_SLOTS + 1, "mapinsert @sets %7, %8 {%5}", "", False),
        (HELD_SLOTS - 2, "mapfind @sets %7, %8", "%20 = mapdelete @sets %1, %3", True),
        (HELD_SLOTS + 1, "mapfind @sets %7, %8", "%20 = mapdelete @sets %1, %3", False),
        (1000, "mapfind @sets %7, %8", "", True),
        (1000, "mapfind @sets %7, %8", "%20 = mapinsert @table %1, %2 {%901, %901}", True),
    ],
)
def test_a_packet_meets_no_more_entries_than_can_be_held(rounds: int, look_up: str, after: str, accepted: bool) -> None:
    _, analysis = analysed(LOOP.format(rounds=rounds, look_up=look_up, after=after))
    assert analysis.accepted is accepted
    if not accepted:
        (refusal,) = analysis.refused
        assert "entries of sets" in refusal.message
        assert refusal.cure


def test_a_found_key_that_is_put_in_counts_once() -> None:
    """As long as nothing deletes it in between."""
    pair = "mapfind @sets %7, %8\n%30 = mapinsert @sets %7, %8 {%5}"
    assert analysed(LOOP.format(rounds=HELD_SLOTS - 1, look_up=pair, after=""))[1].accepted
    emptied = LOOP.format(rounds=HELD_SLOTS - 1, look_up=pair, after="%31 = mapdelete @sets %1, %3")
    assert not analysed(emptied)[1].accepted


def test_unbounded_is_not_a_number_of_entries() -> None:
    """A loop without bound is refused for that alone."""
    _, analysis = analysed(f"""
        {KEY}
        jump b1
        b1:
        %4 = mapinsert @sets %1, %3 {{%0}}
        %5 = cmp ge %4, %901
        branch %5, b1, b2
        b2:
        END
    """)
    assert ["bound" in refusal.message for refusal in analysis.refused] == [True]
    assert all(known.hi < INFINITE for known in analysis.ranges.values())
