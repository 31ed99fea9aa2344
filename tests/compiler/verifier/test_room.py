"""An insertion into an LRU finds room, unless the packet may hold sixteen entries."""

from __future__ import annotations

import pytest

from nmjit.compiler.verifier import Interval
from tests.compiler.verifier.fragments import range_of

KEYS = "%0 = now\n%1 = pack %0:4\n%2 = hash @sets %1\n"
INSERT = "mapinsert @sets %1, %2 {%0}"


@pytest.mark.parametrize(("looked_up", "least"), [(0, 0), (15, 0), (16, -1)])
def test_a_set_has_sixteen_entries(looked_up: int, least: int) -> None:
    finds = "".join(f"%{3 + n} = mapfind @sets %1, %2\n" for n in range(looked_up))
    place = 3 + looked_up
    assert range_of(f"{KEYS}{finds}%{place} = {INSERT}\nEND", place) == Interval(least, 47)


def test_a_loop_may_meet_any_number() -> None:
    body = f"""
        {KEYS}
        jump b1
        b1:
        %3 = {INSERT}
        %4 = cmp ge %3, %901
        branch %4, b1, b2
        b2:
        END
    """
    assert range_of(body, 4) == Interval(-1, 47)
