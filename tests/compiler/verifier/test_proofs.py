"""What the verifier must be able to prove: the shapes in which filters check before they read."""

from __future__ import annotations

import textwrap

import pytest

from nmjit.compiler.irtypes import MAX_PACKET
from tests.compiler.verifier.fragments import analysed, range_of, unsafe

# Straight checks


@pytest.mark.parametrize(("displacement", "safe"), [(9, True), (10, True), (11, False)])
def test_a_load_at_a_constant_behind_a_length_check(displacement: int, safe: bool) -> None:
    found = unsafe(f"""
        %0 = const int 14
        %1 = cmp ge %900, %0
        branch %1, b1, b2
        b1:
        %2 = load 4 be %901 + {displacement}
        jump b2
        b2:
        END
    """)
    assert (not found) is safe


@pytest.mark.parametrize(
    ("comparison", "true_side"),
    [
        ("cmp ge %900, %1", True),
        ("cmp gt %900, %2", True),
        ("cmp le %1, %900", True),
        ("cmp lt %2, %900", True),
        ("cmp lt %900, %1", False),
        ("cmp le %900, %2", False),
        ("cmp gt %1, %900", False),
        ("cmp ge %2, %900", False),
    ],
)
def test_every_way_to_write_the_check(comparison: str, true_side: bool) -> None:
    targets = "b1, b2" if true_side else "b2, b1"
    template = """
        %0 = load 1 be %901 + 0
        %1 = add %0, {size}
        %2 = sub %1, %902
        %3 = {comparison}
        branch %3, {targets}
        b1:
        %4 = load 4 be %0 + 3
        jump b2
        b2:
        END
    """
    start = "\n%800 = cmp gt %900, %901\ncheck %800 site #0\n%801 = const int 7\n%802 = const int 6\n"
    good = start + textwrap.dedent(template).format(comparison=comparison, targets=targets, size="%801")
    assert not unsafe(good)
    assert len(unsafe(good.replace("%801 = const int 7", "%801 = const int 6"))) == 1


def test_a_check_passes_its_condition_on() -> None:
    ops, analysis = analysed("""
        %0 = const int 20
        %1 = cmp ge %900, %0
        check %1 site #0
        check %1 site #0
        %2 = load 8 be %901 + 12
        END
    """)
    assert not analysis.unsafe
    assert ops[3] in analysis.proven
    assert ops[2] not in analysis.proven
    assert [(check.line, check.column, check.exception, check.guard) for check in analysis.open] == [
        (7, 3, "IndexError", "guard")
    ]


IPV4 = """
    %0 = const int 34
    %1 = cmp ge %900, %0
    branch %1, b1, b9
    b1:
    %2 = const int 14
    %3 = load 1 be %2 + 0
    %4 = const int 15
    %5 = and %3, %4
    %6 = const int 5
    %7 = cmp ge %5, %6
    branch %7, b2, b9
    b2:
    %8 = const int 4
    %9 = mul %5, %8
    %10 = add %2, %9
    %11 = load 2 be %2 + 2
    %12 = add %2, %11
    %13 = min %12, %900
    %14 = const int 20
    %15 = add %10, %14
    %16 = cmp le %15, %13
    branch %16, b3, b9
    b3:
    %17 = load 2 be %10 + {displacement}
    jump b9
    b9:
    END
"""


def test_a_header_behind_options_up_to_the_total_length() -> None:
    assert not unsafe(IPV4.format(displacement=18))
    assert len(unsafe(IPV4.format(displacement=19))) == 1
    assert range_of(IPV4.format(displacement=0), 12) == (34, 74)  # the offset of layer 4
    assert analysed(IPV4.format(displacement=18))[1].max_packet_byte == 94


def test_and_of_conditions_refines_both() -> None:
    body = """
        %0 = load 1 be %901 + 0
        %1 = const int 9
        %2 = cmp le %0, %1
        %3 = cmp gt %0, %902
        %4 = {kind} %2, %3
        %5 = {negation} %4
        branch %5, {targets}
        b1:
        %6 = const int 1
        %7 = add %0, %6
        %8 = item %9, %7
        jump b2
        b2:
        END
    """
    start = '\n%800 = cmp gt %900, %901\ncheck %800 site #0\n%9 = const bytes11 "00112233445566778899aa"\n'
    safe = start + textwrap.dedent(body).format(kind="and", negation="not", targets="b2, b1")
    assert not unsafe(safe)
    assert len(unsafe(start + textwrap.dedent(body).format(kind="or", negation="not", targets="b2, b1"))) == 1


def test_membership_refines_to_the_hull() -> None:
    body = """
        %0 = load 2 be %901 + 0
        %1 = inset %0, $ports
        check %1 site #0
        %2 = add %0, %902
        END
    """
    start = "\n%800 = cmp gt %900, %902\ncheck %800 site #0\n"
    assert range_of(start + textwrap.dedent(body), 5) == (11, 41)


def test_divisors_shifts_tables_and_maps() -> None:
    ops, analysis = analysed("""
        %800 = cmp gt %900, %902
        check %800 site #0
        %0 = load 1 be %901 + 0
        %1 = wrap i8 %0
        %2 = cmp ne %1, %901
        check %2 site #0
        %3 = floordiv %900, %1
        %4 = const int 2
        %5 = min %0, %4
        %6 = lookup %5, $small
        %7 = const int 16
        %8 = floormod %0, %7
        mapadd @m[%8].hits, %6
        %9 = shl %902, %8
        %10 = mapload @m[%0].hits
        %11 = shr %0, %900
        %12 = floormod %0, %0
        END
    """)
    assert [access.message for access in analysis.unsafe] == [
        "not proved: the entry is within the 16 of map m",
        "not proved: the shift amount is 0 to 63",
        "not proved: the divisor is not 0",
    ]
    assert analysis.ranges[ops[9]] == (1, 4)


# Regions


def test_an_index_below_a_difference_stays_below_its_end() -> None:
    body = """
        %0 = const int 20
        %1 = cmp ge %900, %0
        check %1 site #0
        %2 = load 1 be %901 + 0
        %3 = load 2 be %901 + 1
        %4 = min %3, %900
        %5 = cmp le %2, %4
        check %5 site #0
        %6 = sub %4, %2
        %7 = load 2 be %901 + 3
        %8 = {index}
        %9 = cmp lt %8, %6
        check %9 site #0
        %10 = add %2, %7
        %11 = load 1 be %10 + {displacement}
        END
    """
    assert not unsafe(body.format(index="add %7, %901", displacement=0))
    assert not unsafe(body.format(index="add %7, %902", displacement=1))
    assert len(unsafe(body.format(index="add %7, %901", displacement=1))) == 1


def test_what_was_found_lies_within_what_was_searched() -> None:
    body = """
        %0 = min %902, %900
        %1 = find "474554" in %0, %900
        %2 = cmp ge %1, %901
        branch %2, b1, b2
        b1:
        %3 = add %0, %1
        %4 = load {size} be %3 + 0
        %5 = sub %900, %0
        %6 = cmp lt %1, %5
        check %6 site #0
        jump b2
        b2:
        END
    """
    _ops, analysis = analysed(body.format(size=3))
    assert not analysis.unsafe
    assert not analysis.open
    assert analysis.max_packet_byte == MAX_PACKET
    assert len(unsafe(body.format(size=4))) == 1


# Merges

PRESENT = """
    %0 = const int 14
    %1 = const bool true
    %2 = const bool false
    %3 = cmp ge %900, %0
    branch %3, b1, b3
    b1:
    %4 = load 2 be %901 + 12
    %5 = const int 34
    %6 = cmp ge %900, %5
    branch %6, b2, b3
    b2:
    jump b3
    b3:
    %7 = phi bool b0: %2, b1: %2, b2: %1
    %8 = phi int b0: %901, b1: %901, b2: %0
    %9 = phi int b0: %901, b1: %902, b2: %902
"""


@pytest.mark.parametrize(("size", "failures"), [(4, 0), (8, 1)])
def test_presence_gives_back_what_was_checked(size: int, failures: int) -> None:
    found = unsafe(
        PRESENT
        + f"""
    branch %7, b4, b5
    b4:
    %10 = load {size} be %8 + 16
    jump b5
    b5:
    END
    """
    )
    assert len(found) == failures


def test_presence_through_a_second_merge_and_a_conjunction() -> None:
    assert not unsafe(
        PRESENT
        + """
    %20 = cmp gt %900, %902
    branch %20, b4, b5
    b4:
    jump b5
    b5:
    %21 = phi bool b3: %2, b4: %7
    %22 = phi int b3: %901, b4: %8
    %23 = cmp ge %900, %902
    %24 = and %21, %23
    branch %24, b6, b7
    b6:
    %25 = load 4 be %22 + 16
    jump b7
    b7:
    END
    """
    )


def test_a_constant_kind_selects_the_ways_that_set_it() -> None:
    body = (
        PRESENT
        + """
    %10 = cmp eq %9, %902
    branch %10, b4, b5
    b4:
    %11 = load {size} be %901 + 12
    jump b5
    b5:
    END
    """
    )
    assert not unsafe(body.format(size=2))
    assert len(unsafe(body.format(size=3))) == 1


def test_a_select_remembers_its_condition() -> None:
    body = """
        %0 = const int 30
        %1 = cmp ge %900, %0
        %2 = select %1, %0, %901
        %3 = cmp {predicate} %2, %901
        branch %3, b1, b2
        b1:
        %4 = load 2 be %901 + 28
        jump b2
        b2:
        END
    """
    assert not unsafe(body.format(predicate="gt"))
    assert len(unsafe(body.format(predicate="ge"))) == 1


def test_merged_offsets_keep_their_distance_to_a_merged_end() -> None:
    body = """
        %0 = const int 60
        %1 = cmp ge %900, %0
        check %1 site #0
        %2 = load 2 be %901 + 0
        %3 = load 2 be %901 + 2
        %4 = min %2, %900
        %5 = min %3, %900
        %6 = load 2 be %901 + 4
        %7 = load 2 be %901 + 6
        %8 = cmp gt %6, %7
        branch %8, b1, b2
        b1:
        %9 = add %6, %0
        %10 = cmp le %9, %4
        check %10 site #0
        jump b3
        b2:
        %11 = add %7, %902
        %12 = add %11, %902
        %13 = cmp le %12, %5
        check %13 site #0
        jump b3
        b3:
        %14 = phi int b1: %6, b2: %7
        %15 = phi int b1: %4, b2: %5
        %16 = add %14, %902
        %17 = cmp lt %16, %15
        check %17 site #0
        %18 = load {size} be %14 + 0
        END
    """
    ops, analysis = analysed(body.format(size=2))
    assert not analysis.unsafe
    assert any(type(op).__name__ == "Check" and op in analysis.proven for op in ops)
    assert len(unsafe(body.format(size=3))) == 1


# What never happens


def test_certain_failures_and_what_is_behind_them() -> None:
    _ops, analysis = analysed("""
        %0 = const int -1
        %1 = cmp le %900, %0
        check %1 site #0
        %2 = load 1 be %901 + 0
        END
    """)
    assert analysis.certain_failures == analysis.open != ()
    assert not analysis.unsafe
    assert not analysis.max_packet_byte


def test_unreachable_code_has_nothing_open() -> None:
    ops, analysis = analysed("""
        %0 = const int -1
        %1 = cmp le %900, %0
        branch %1, b1, b2
        b1:
        %2 = load 8 be %901 + 0
        check %1 site #0
        raise site #0
        b2:
        END
    """)
    assert not analysis.open
    assert not analysis.unsafe
    assert [block.label for block in analysis.unreachable] == ["b1"]
    assert ops[4] in analysis.proven


def test_a_window_is_its_operand_and_narrows_it() -> None:
    ops, analysis = analysed("""
        %800 = const int 16
        %801 = cmp ge %900, %800
        check %801 site #0
        %0 = load 8 be %901 + 0
        %1 = window %0 site #1
        %2 = add %1, %902
        %3 = window %2 site #1
        %4 = cmp ge %0, %900
        %5 = mul %0, %0
        END
    """)
    top = 2**64 - 1
    assert ops[4] in analysis.proven
    assert ops[6] not in analysis.proven
    assert analysis.ranges[ops[5]] == (1, top + 1)
    assert analysis.ranges[ops[6]] == (1, top)
    assert analysis.ranges[ops[8]] == (0, (top - 1) ** 2)
