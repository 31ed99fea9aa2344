"""Packets whose head moves: what must be shown of a move, and of accesses in front of where the packet arrived."""

from __future__ import annotations

import pytest

from tests.compiler.verifier.fragments import analysed, unsafe

ROOM = "%10 = room\n"


def push(old: str, head: str, size: int, number: int, check: bool = True) -> str:
    """The ops of `push(size)` as lowering writes them; %`number` to %`number`+3 are new values."""
    n = number
    checked = f"check %{n + 3} site #0" if check else ""
    return f"""
        %{n} = const int {size}
        %{n + 1} = sub %900, {old}
        %{n + 2} = add %{n + 1}, %{n}
        %{n + 3} = cmp le %{n + 2}, %10
        {checked}
        {head} = sub {old}, %{n}
        movehead {old}, {head}
    """


def test_a_push_behind_its_check() -> None:
    _, analysis = analysed(ROOM + push("%901", "%1", 4, 20) + "END")
    assert analysis.accepted
    assert (analysis.headroom, analysis.resizes) == (4, True)


def test_a_push_without_check_has_no_room() -> None:
    assert len(unsafe(ROOM + push("%901", "%1", 4, 20, check=False) + "END")) == 1


@pytest.mark.parametrize(("size", "safe"), [(128, True), (129, False)])
def test_how_much_is_pushed_at_once(size: int, safe: bool) -> None:
    assert (not unsafe(ROOM + push("%901", "%1", size, 20) + "END")) is safe


def test_a_check_of_too_little_room() -> None:
    body = ROOM + push("%901", "%1", 4, 20)
    assert unsafe(body.replace("%21, %20\n", "%21, %902\n") + "END")


@pytest.mark.parametrize(("displacement", "safe"), [(-5, False), (-4, True), (-1, True), (0, False)])
def test_what_was_pushed_may_be_written(displacement: int, safe: bool) -> None:
    body = ROOM + push("%901", "%1", 4, 20)
    assert (not unsafe(f"{body}\nstore 1 be %901 + {displacement}, %902\nEND")) is safe


def test_only_what_was_pushed_on_every_way() -> None:
    body = f"""
        {ROOM}
        %2 = random %901
        %3 = cmp gt %2, %902
        branch %3, b1, b2
        b1:
        {push("%901", "%1", 4, 20)}
        jump b2
        b2:
    """
    assert len(unsafe(body + "store 1 be %901 + -4, %902\nEND")) == 1
    behind = body + "%5 = phi int b0: %901, b1: %1\n"
    assert not unsafe(behind + "%6 = cmp gt %900, %902\ncheck %6 site #0\nstore 1 be %5 + 0, %902\nEND")
    assert unsafe(behind + "%6 = cmp gt %900, %902\ncheck %6 site #0\nstore 1 be %5 + -1, %902\nEND")


def test_a_phi_that_may_be_no_head() -> None:
    """%7 merges the head and a number below it."""
    body = f"""
        {ROOM}
        {push("%901", "%1", 4, 20)}
        %2 = random %901
        %3 = cmp gt %2, %902
        %4 = sub %1, %902
        branch %3, b1, b2
        b1:
        jump b2
        b2:
        %7 = phi int b0: %1, b1: %OTHER
        %8 = const int 3
        %9 = cmp ge %900, %8
        check %9 site #0
        store 1 be %7 + 0, %902
        END
    """
    assert not unsafe(body.replace("%OTHER", "%1"))
    assert len(unsafe(body.replace("%OTHER", "%4"))) == 1


def test_a_pull_needs_no_room_but_bytes() -> None:
    body = "%0 = const int 14\n%1 = cmp ge %900, %0\n{check}\nmovehead %901, %0\nEND"
    _, analysis = analysed(body.format(check="check %1 site #0"))
    assert analysis.accepted
    assert (analysis.headroom, analysis.resizes) == (0, True)
    assert len(unsafe(body.format(check=""))) == 1


LOOP = f"""
    {ROOM}
    %2 = const int {{rounds}}
    jump b1
    b1:
    %3 = phi int b0: %901, b2: %5
    %4 = phi int b0: %901, b2: %1
    %6 = cmp lt %3, %2
    branch %6, b2, b3
    b2:
    {push("%4", "%1", 64, 20)}
    %5 = add %3, %902
    jump b1
    b3:
    {{access}}
    END
"""


@pytest.mark.parametrize(("rounds", "headroom", "accepted"), [(3, 256, True), (15, 1024, True), (16, 1024, False)])
def test_pushes_of_a_loop_add_up(rounds: int, headroom: int, accepted: bool) -> None:
    """With one round to spare: the bound is that of the head at the loop's own test."""
    _, analysis = analysed(LOOP.format(rounds=rounds, access=""))
    assert analysis.accepted is accepted
    assert analysis.headroom == headroom
    if not accepted:
        assert [refusal.message for refusal in analysis.refused] == [
            "a packet may push 1,088 bytes in all, more than 1,024"
        ]


def test_the_head_of_a_loop_is_one() -> None:
    check = "%7 = cmp ge %900, %902\ncheck %7 site #0\n"
    assert not unsafe(LOOP.format(rounds=3, access=f"{check}%8 = load 1 be %4 + 0"))
    assert unsafe(LOOP.format(rounds=3, access=f"{check}%8 = load 1 be %4 + -1"))


def test_a_copy_begins_within_the_packet() -> None:
    assert not unsafe("mirror %901, %902\nEND")
    assert unsafe("mirror %903, %902\nEND")
    assert unsafe("mirror %902, %902\nEND")
    assert not unsafe(ROOM + push("%901", "%1", 4, 20) + "mirror %1, %902\nEND")


def test_a_filter_that_moves_no_head_needs_none() -> None:
    _, analysis = analysed("%0 = load 1 be %901 + 0\nEND")
    assert (analysis.headroom, analysis.resizes) == (0, False)
