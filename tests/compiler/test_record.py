"""`record`, and what the ops made with it keep of dataclasses."""

from __future__ import annotations

from typing import ClassVar

import pytest

from nmjit.compiler.ir import OP_CLASSES, Binary, BinaryKind, Const, Op
from nmjit.compiler.record import record


@record
class Pair:
    """Two of something."""

    kind: ClassVar[str] = "pair"
    first: int
    second: int = 2


def test_fields_are_set_by_position_and_by_name() -> None:
    assert (Pair(5).first, Pair(5).second) == (5, 2)
    assert (Pair(second=7, first=6).first, Pair(6, 7).second) == (6, 7)
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]


def test_there_are_slots_and_no_more() -> None:
    pair = Pair(1)
    with pytest.raises(AttributeError):
        pair.third = 3  # type: ignore[attr-defined]
    assert (Pair.kind, Pair.__doc__) == ("pair", "Two of something.")


def test_equality_is_identity() -> None:
    pair = Pair(1)
    assert pair == pair
    assert pair != Pair(1)
    assert len({pair, Pair(1)}) == 2


def test_patterns_take_fields_apart() -> None:
    match Pair(3, 4):
        case Pair(first, second=second):
            assert (first, second) == (3, 4)


def test_an_op_has_no_other_attributes() -> None:
    for kind in OP_CLASSES:
        assert "__dict__" not in dir(kind), kind


def test_the_repr_of_an_op_leaves_its_operands_out() -> None:
    value: Op = Const(3)
    for _ in range(200):
        value = Binary(BinaryKind.ADD, value, value, line=4)
    assert repr(value) == "Binary(kind=<BinaryKind.ADD: 'add'>, modulus=None, line=4)"
