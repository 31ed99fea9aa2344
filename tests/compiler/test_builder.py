"""Blocks, phis, folding, and the tables and sites that a builder keeps once."""

from __future__ import annotations

import pytest

from nmjit.compiler.builder import Builder, fold_binary, fold_compare
from nmjit.compiler.ir import BinaryKind, Const, Function, Jump, Predicate, Window
from nmjit.compiler.irtypes import BOOL, INT
from nmjit.compiler.printer import print_function
from nmjit.compiler.wellformed import findings


def opened() -> tuple[Function, Builder]:
    function = Function("f")
    builder = Builder(function)
    builder.position(builder.block("entry"))
    return function, builder


def test_blocks_join_the_function_when_positioned_and_never_share_a_label() -> None:
    function, builder = opened()
    first, second = builder.block("then"), builder.block("then")
    assert [block.label for block in function.blocks] == ["entry"]
    builder.jump(second)
    builder.position(second)
    assert first.label != second.label
    assert function.blocks == [function.entry, second]


def test_labels_of_a_function_that_has_blocks_are_taken() -> None:
    function, _ = opened()
    assert Builder(function).block("entry").label == "entry.1"


def test_a_terminator_closes_the_block() -> None:
    function, builder = opened()
    builder.jump(builder.block("next"))
    assert builder.current is None
    with pytest.raises(AssertionError):
        builder.const(1)
    with pytest.raises(AssertionError):
        builder.position(function.entry)


def test_ops_carry_the_current_line() -> None:
    _, builder = opened()
    builder.line = 7
    assert builder.const(1).line == 7
    assert builder.phi(INT, {}).line == 7


def test_phis_stand_before_other_ops_also_in_a_closed_block() -> None:
    function, builder = opened()
    header = builder.block("header")
    start = builder.const(0)
    builder.jump(header)
    builder.position(header)
    step = builder.const(1)
    builder.jump(header)
    first = builder.phi(INT, {function.entry: start, header: step}, header)
    second = builder.phi(INT, {function.entry: step}, header)
    assert header.ops[:3] == [first, second, step]


def test_constants_fold() -> None:
    _, builder = opened()
    seven, three = builder.const(-7), builder.const(3)
    folded = builder.binary(BinaryKind.FLOORDIV, seven, three)
    assert isinstance(folded, Const)
    assert folded.value == -3
    compared = builder.compare(Predicate.LT, seven, three)
    assert isinstance(compared, Const)
    assert compared.value is True
    negated = builder.logical_not(compared)
    assert isinstance(negated, Const)
    assert negated.value is False
    assert builder.select(negated, seven, three) is three
    site = builder.site("OverflowError", 1, 1, "")
    assert builder.window(three, site) is three


def test_what_must_raise_does_not_fold() -> None:
    _, builder = opened()
    zero, big = builder.const(0), builder.const(2**64)
    assert not isinstance(builder.binary(BinaryKind.FLOORDIV, big, zero), Const)
    assert not isinstance(builder.binary(BinaryKind.SHL, zero, big), Const)
    assert isinstance(builder.window(big, builder.site("OverflowError", 1, 1, "")), Window)


def test_a_check_of_true_is_not_written_and_one_of_false_is() -> None:
    function, builder = opened()
    site = builder.site("AssertionError", 1, 1, "")
    builder.check(builder.const(True), site)
    assert len(function.entry.ops) == 1
    builder.check(builder.const(False), site)
    assert len(function.entry.ops) == 3


def test_sites_and_tables_are_kept_once() -> None:
    function, builder = opened()
    assert builder.site("IndexError", 3, 4, "g") is builder.site("IndexError", 3, 4, "g")
    assert builder.site("IndexError", 3, 5, "g") is not builder.site("IndexError", 3, 4, "g")
    assert [site.column for site in function.sites] == [4, 5]
    table = builder.range_table("ports", [(80, 80), (5, 9), (1, 4), (7, 12)])
    assert table.ranges == ((1, 12), (80, 80))
    assert builder.range_table("others", [(1, 12), (80, 80)]) is table
    assert builder.range_table("ports", [(1, 2)]).name == "ports.1"
    assert builder.value_table("ports", (3, 1)).values == (3, 1)
    assert len({table.name for table in function.tables}) == len(function.tables) == 3


@pytest.mark.parametrize(
    ("kind", "a", "b", "modulus", "value"),
    [
        (BinaryKind.ADD, 2**64 - 1, 1, 64, 0),
        (BinaryKind.SUB, 0, 1, 8, 255),
        (BinaryKind.SHL, 1, 63, 32, 0),
        (BinaryKind.MOD, -7, 3, None, 2),
        (BinaryKind.SHR, -7, 1, None, -4),
        (BinaryKind.MIN, -7, 1, None, -7),
        (BinaryKind.SHR, 1, 64, None, None),
        (BinaryKind.SHL, 1, -1, None, None),
        (BinaryKind.MOD, 1, 0, None, None),
    ],
)
def test_fold_binary(kind: BinaryKind, a: int, b: int, modulus: int | None, value: int | None) -> None:
    assert fold_binary(kind, a, b, modulus) == value


def test_bools_fold_to_bools() -> None:
    assert fold_binary(BinaryKind.XOR, True, True, None) is False


def test_fold_compare_of_bytes() -> None:
    assert fold_compare(Predicate.EQ, b"ab", b"ab")
    assert not fold_compare(Predicate.NE, b"ab", b"ab")
    assert fold_compare(Predicate.NE, b"ab", b"ac")


def test_a_function_written_with_it_is_well_formed() -> None:
    function, builder = opened()
    then, other, after = builder.block("then"), builder.block("else"), builder.block("after")
    one, two = builder.const(1), builder.const(2)
    builder.branch(builder.const(True), then, other)
    for block in (then, other):
        builder.position(block)
        builder.jump(after)
    builder.position(after)
    value = builder.phi(INT, {then: one, other: two})
    builder.phi(BOOL, {then: builder.const(True), other: builder.const(True)})
    builder.ret(value, value)
    assert [finding.message for finding in findings(function)] == [
        "the value from then is not defined there",
        "the value from else is not defined there",
    ], print_function(function)
    assert isinstance(then.terminator, Jump)
