"""holding.py: when a packet must hold what it has met of a table."""

from __future__ import annotations

import textwrap

import pytest

from nmjit.compiler.holding import holding
from nmjit.compiler.reader import read_function
from nmjit.compiler.wellformed import findings

HEAD = """
  map @flows: lru [32] base 0 key [u32: 4] { : u64 }
  map @names: hash [32] base 0 key [u32: 4] { : u64 }
b0:
  %900 = const int 0
  %901 = const int -1
  %1 = now
  %2 = timestamp
  %3 = pack %1:4
  %4 = pack %2:4
  %5 = hash @flows %3
  %6 = hash @flows %4
  %7 = hash @names %3
  %8 = hash @names %4
"""
END = "return %900, %901"


def held(body: str) -> frozenset[str]:
    function = read_function("filter f {" + HEAD + textwrap.dedent(body).replace("END", END) + "\n}")
    assert not findings(function)
    return holding(function)


def set_default(key: str, number: int, *, condition: str = "cmp ge %{index}, %900", swap: bool = False) -> str:
    """Find `key`, and where that misses put it in; goes on in block d`number`. New values from %`number`0 on."""
    hashed, index = {"%3": "%5", "%4": "%6"}[key], number * 10
    made, done = (f"m{number}", f"d{number}")
    ways = f"{made}, {done}" if swap else f"{done}, {made}"
    return f"""
        %{index} = mapfind touch @flows {key}, {hashed}
        %{index + 1} = {condition.format(index=index)}
        branch %{index + 1}, {ways}
        {made}:
        %{index + 2} = mapinsert @flows {key}, {hashed} {{%900}}
        jump {done}
        {done}:
    """


@pytest.mark.parametrize(
    ("condition", "swap"),
    [
        ("cmp ge %{index}, %900", False),
        ("cmp ne %{index}, %901", False),
        ("cmp gt %{index}, %901", False),
        ("cmp lt %{index}, %900", True),
        ("cmp eq %{index}, %901", True),
    ],
)
def test_one_assignment_holds_nothing(condition: str, swap: bool) -> None:
    assert held(set_default("%3", 1, condition=condition, swap=swap) + "END") == frozenset()


def test_an_insertion_behind_another_key() -> None:
    assert held(set_default("%3", 1) + set_default("%4", 2) + "END") == {"flows"}


def test_an_insertion_of_the_same_key() -> None:
    """While the key is in, nothing is put in; while it is not, nothing of it is held."""
    assert held(set_default("%3", 1) + set_default("%3", 2) + "END") == frozenset()


def test_an_insertion_behind_a_hit_alone() -> None:
    body = """
        %10 = mapfind @flows %3, %5
        %11 = cmp ge %10, %900
        branch %11, {ways}
        b1:
        %12 = mapinsert @flows %4, %6 {{%900}}
        jump b2
        b2:
        END
    """
    assert held(body.format(ways="b1, b2")) == {"flows"}
    assert held(body.format(ways="b2, b1")) == frozenset()


@pytest.mark.parametrize("order", ["find first", "insert first"])
def test_only_what_comes_before(order: str) -> None:
    find, insert = "%10 = mapfind @flows %3, %5", "%11 = mapinsert @flows %4, %6 {%900}"
    first, second = (find, insert) if order == "find first" else (insert, find)
    assert held(f"{first}\n{second}\nEND") == ({"flows"} if order == "find first" else frozenset())


def test_a_hash_gives_up_only_what_was_deleted() -> None:
    insert = "%11 = mapinsert @names %4, %8 {%900}\nEND"
    assert held("%10 = mapfind @names %3, %7\n" + insert) == frozenset()
    assert held("%10 = mapinsert @names %3, %7 {%900}\n" + insert) == frozenset()
    assert held("%10 = mapdelete @names %3, %7\n" + insert) == {"names"}
    assert held("%10 = mapdelete @names %4, %8\n" + insert) == {"names"}


def test_a_deletion_that_found_nothing() -> None:
    body = """
        %10 = mapdelete @names %3, %7
        branch %10, b2, b1
        b1:
        %11 = mapinsert @names %4, %8 {%900}
        jump b2
        b2:
        END
    """
    assert held(body) == frozenset()
    assert held(body.replace("b2, b1", "b1, b2")) == {"names"}


MERGED = """
    %30 = const bool true
    %31 = const bool false
    %10 = mapfind @flows %3, %5
    %11 = cmp ge %10, %900
    branch %11, b1, b2
    b1:
    jump b3
    b2:
    jump b3
    b3:
    %12 = phi bool b1: %30, b2: %31
    branch %12, {ways}
    b4:
    %13 = mapinsert @flows %4, %6 {{%900}}
    jump b5
    b5:
    END
"""


@pytest.mark.parametrize(("ways", "holds"), [("b5, b4", False), ("b4, b5", True)])
def test_a_miss_that_was_noted(ways: str, holds: bool) -> None:
    """What `e = m.get(k)` and `if e is None` become."""
    assert (held(MERGED.format(ways=ways)) == {"flows"}) is holds


def test_a_note_that_may_be_of_either() -> None:
    body = MERGED.format(ways="b5, b4").replace("b1: %30, b2: %31", "b1: %31, b2: %31")
    assert held(body) == {"flows"}


def test_tables_are_told_apart() -> None:
    assert held("%10 = mapfind @flows %3, %5\n%11 = mapinsert @names %4, %8 {%900}\nEND") == frozenset()


def test_the_next_round_has_another_key() -> None:
    body = """
        jump b1
        b1:
        %9 = phi int b0: %900, d1: %99
        {key}
        {pair}
        %98 = const int 1
        %99 = add %9, %98
        %97 = cmp lt %99, %1
        branch %97, b1, b2
        b2:
        END
    """
    pair = set_default("%3", 1)
    varying = pair.replace("%3", "%80").replace("%5", "%81")
    assert held(body.format(key="%80 = pack %9:4\n%81 = hash @flows %80", pair=varying)) == {"flows"}
