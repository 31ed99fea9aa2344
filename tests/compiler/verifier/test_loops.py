"""Loops: what stays true all the way round, and how often they go round."""

from __future__ import annotations

import pytest

from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.verifier import Analysis
from nmjit.compiler.verifier.report import MAX_BITS
from tests.compiler.verifier.fragments import analysed, unsafe


def test_a_counted_walk_keeps_its_offset_below_the_end() -> None:
    """Extension headers of IPv6: each is shown to fit before the offset moves on."""
    body = """
        %0 = const int 54
        %1 = const int 8
        %2 = cmp ge %900, %0
        check %2 site #0
        jump b1
        b1:
        %3 = phi int b0: %901, b4: %20
        %4 = phi int b0: %0, b4: %13
        %5 = cmp lt %3, %1
        branch %5, b2, b5
        b2:
        %6 = add %4, %1
        %7 = cmp le %6, %900
        branch %7, b3, b5
        b3:
        %8 = load 1 be %4 + {displacement}
        %9 = mul %8, %1
        %10 = add %9, %1
        %13 = add %4, %10
        %14 = cmp le %13, %900
        branch %14, b4, b5
        b4:
        %20 = add %3, %902
        jump b1
        b5:
        %21 = load 1 be %4 + -1
        END
    """
    ops, analysis = analysed(body.format(displacement=7))
    assert not analysis.unsafe
    assert not analysis.refused
    assert analysis.ranges[ops[5]] == (0, 8)
    assert len(unsafe(body.format(displacement=8))) == 1


def test_a_loop_over_a_region_needs_no_check() -> None:
    body = """
        %0 = const int {limit}
        %1 = cmp le %900, %0
        check %1 site #0
        jump b1
        b1:
        %2 = phi int b0: %901, b2: %4
        %3 = cmp {predicate} %2, %900
        branch %3, b2, b3
        b2:
        %5 = load 1 be %2 + 0
        %4 = add %2, %902
        jump b1
        b3:
        END
    """
    for predicate in ("lt", "ne"):
        ops, analysis = analysed(body.format(limit=1500, predicate=predicate))
        assert analysis.accepted, predicate
        assert analysis.ranges[ops[4]] == (0, 1500)
        assert analysis.worst_case_ops == 4 + (2 + 3) * (1500 + 1) + 1
    longest = analysed(body.format(limit=4_000_000_000, predicate="lt"))[1]
    assert longest.accepted
    assert longest.worst_case_ops == 4 + (2 + 3) * (MAX_PACKET + 1) + 1
    assert len(unsafe(body.format(limit=1500, predicate="le"))) == 1


@pytest.mark.parametrize(
    ("start", "condition", "step", "rounds"),
    [
        ("%0 = const int 100", "gt %5, %901", "sub %5, %902", 100),
        ("%0 = const int 100", "ge %5, %901", "sub %5, %902", 101),
        ("%0 = const int 100", "gt %5, %901", "shr %5, %902", 7),
        ("%0 = const int 100", "gt %5, %901", "floordiv %5, %1", 7),
        ("%0 = const int -100", "lt %5, %901", "add %5, %1", 34),
    ],
)
def test_bounds_of_loops(start: str, condition: str, step: str, rounds: int) -> None:
    _, analysis = analysed(f"""
        {start}
        %1 = const int 3
        jump b1
        b1:
        %5 = phi int b0: %0, b2: %7
        %6 = cmp {condition}
        branch %6, b2, b3
        b2:
        %7 = {step}
        jump b1
        b3:
        END
    """)
    assert not analysis.refused
    assert analysis.worst_case_ops == 2 + 4 * (rounds + 1) + 1


def test_an_unbounded_loop_is_refused() -> None:
    _, analysis = analysed("""
        jump b1
        b1:
        %5 = phi int b0: %900, b1: %5
        %6 = cmp gt %5, %901
        branch %6, b1, b2
        b2:
        END
    """)
    (refusal,) = analysis.refused
    assert refusal.message == "this loop has no bound that can be shown"
    assert refusal.cure == (
        "loop over range(N) with a constant N, or make the condition compare a counter that grows each time with a "
        "constant"
    )


def test_a_loop_with_two_entries_is_refused() -> None:
    _, analysis = analysed("""
        %0 = cmp gt %900, %902
        branch %0, b1, b2
        b1:
        jump b2
        b2:
        jump b1
    """)
    assert [refusal.message for refusal in analysis.refused] == ["this loop has no bound that can be shown"]
    assert not analysis.proven


def test_nested_loops_multiply() -> None:
    _, analysis = analysed("""
        %0 = const int 1000
        jump b1
        b1:
        %1 = phi int b0: %901, b4: %7
        %2 = cmp lt %1, %0
        branch %2, b2, b5
        b2:
        %3 = phi int b1: %901, b3: %5
        %4 = cmp lt %3, %0
        branch %4, b3, b4
        b3:
        %5 = add %3, %902
        jump b2
        b4:
        %7 = add %1, %902
        jump b1
        b5:
        END
    """)
    assert analysis.worst_case_ops == 2 + 1001 * (2 + 1001 * 4 + 2) + 1
    assert [refusal.message for refusal in analysis.refused] == [
        "one packet may cost 4,012,011 operations, more than 1,000,000"
    ]


# What loops add up

SUM = """
    %0 = const int {rounds}
    %1 = const int 64
    %2 = cmp ge %900, %1
    check %2 site #0
    %3 = load 1 be %901 + 0
    %4 = load 1 be %901 + 1
    jump b1
    b1:
    %10 = phi int b0: %901, {latches}
    %11 = phi int b0: %1, {sums}
    %12 = cmp lt %10, %0
    branch %12, b2, b9
    b2:
    {body}
    b9:
    END
"""


def summed(rounds: int, latches: str, sums: str, body: str) -> tuple[tuple[int, int], Analysis]:
    """The range of a sum that starts at 64, at the header of a loop."""
    ops, analysis = analysed(SUM.format(rounds=rounds, latches=latches, sums=sums, body=body))
    return analysis.ranges[ops[8]], analysis


def test_a_sum_is_bounded_by_the_rounds() -> None:
    body = """
    %13 = add %11, %3
    %14 = add %10, %902
    jump b1
    """
    assert summed(100, "b2: %14", "b2: %13", body)[0] == (64, 64 + 100 * 255)
    assert summed(100, "b2: %14", "b2: %13", body.replace("add %11", "sub %11"))[0] == (64 - 100 * 255, 64)


def test_a_sum_in_a_window_needs_no_check() -> None:
    body = """
    %13 = add %11, %3
    %15 = window %13 site #1
    %14 = add %10, %902
    jump b1
    """
    found, analysis = summed(100, "b2: %14", "b2: %15", body)
    assert found == (64, 64 + 100 * 255)
    assert [check.exception for check in analysis.open] == ["IndexError"]
    assert analysis.proven_sites == 1


def test_a_sum_over_ways_back_that_differ() -> None:
    """`continue` in the middle, and an addition on one way of a branch."""
    body = """
    %14 = add %10, %902
    %15 = cmp lt %3, %4
    branch %15, b3, b4
    b3:
    %16 = add %11, %902
    jump b1
    b4:
    %17 = cmp eq %3, %4
    branch %17, b5, b6
    b5:
    %18 = sub %11, %4
    jump b6
    b6:
    %19 = phi int b4: %11, b5: %18
    %20 = select %17, %3, %901
    %21 = add %19, %20
    jump b1
    """
    assert summed(10, "b3: %14, b6: %14", "b3: %16, b6: %21", body)[0] == (64 - 10 * 255, 64 + 10 * 255)


def test_a_sum_carried_through_two_loops() -> None:
    body = """
    %30 = const int 7
    jump b3
    b3:
    %31 = phi int b2: %901, b4: %34
    %32 = phi int b2: %11, b4: %35
    %33 = cmp lt %31, %30
    branch %33, b4, b5
    b4:
    %34 = add %31, %902
    %35 = add %32, %3
    jump b3
    b5:
    %36 = add %10, %902
    jump b1
    """
    assert summed(10, "b5: %36", "b5: %32", body)[0] == (64, 64 + 10 * 7 * 255)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("%13 = and %11, %3", (0, 64)),
        ("%20 = mul %11, %3\n%21 = add %20, %4\n%22 = const int 127\n%13 = and %21, %22", (0, 127)),
        ("%20 = add %11, %3\n%21 = const int 500\n%13 = min %20, %21", (64, 500)),
        ("%20 = sub %11, %3\n%13 = max %20, %902", (1, 64)),
    ],
)
def test_what_keeps_itself_small_needs_no_rounds(step: str, expected: tuple[int, int]) -> None:
    body = f"""
    {step}
    %14 = add %10, %902
    jump b1
    """
    assert summed(90_000, "b2: %14", "b2: %13", body)[0] == expected


def test_numbers_that_double_too_often_are_refused() -> None:
    body = """
    %13 = add %11, %11
    %14 = add %10, %902
    jump b1
    """
    analysis = summed(1000, "b2: %14", "b2: %13", body)[1]
    assert not analysis.accepted
    (refusal,) = analysis.refused
    assert refusal.message == "numbers of this line may grow beyond what a filter can hold"
    assert MAX_BITS == 256
