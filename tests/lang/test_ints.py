"""Wrapping into the declared widths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit._ints import Width, i8, i16, i32, i64, u8, u16, u32, u64

WIDTHS: tuple[Width, ...] = (u8, u16, u32, u64, i8, i16, i32, i64)  # type: ignore[assignment]  # int to type checkers


@pytest.mark.parametrize(
    ("width", "value", "wrapped"),
    [
        (u8, 256, 0),
        (u8, -1, 255),
        (u16, 0x12345, 0x2345),
        (u32, -1, 2**32 - 1),
        (u64, 2**64 + 7, 7),
        (i8, 128, -128),
        (i8, -129, 127),
        (i16, 0xFFFF, -1),
        (i32, 2**31, -(2**31)),
        (i64, 2**63 - 1, 2**63 - 1),
        (u8, True, 1),
    ],
)
def test_wraps_in_twos_complement(width: Width, value: int, wrapped: int) -> None:
    assert width(value) == wrapped
    assert type(width(value)) is int


@given(st.sampled_from(WIDTHS), st.integers(-(2**130), 2**130))
def test_result_is_in_range_and_congruent(width: Width, value: int) -> None:
    assert width(value) in width
    assert (width(value) - value) % 2**width.bits == 0


@given(st.sampled_from(WIDTHS), st.data())
def test_leaves_members_alone(width: Width, data: st.DataObject) -> None:
    value = data.draw(st.integers(width.minimum, width.maximum))
    assert width(value) == value


def test_names_and_attributes() -> None:
    assert [width.name for width in WIDTHS] == ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"]
    assert [repr(width) for width in WIDTHS] == [width.name for width in WIDTHS]
    assert [(width.bits, width.signed) for width in WIDTHS[:2]] == [(8, False), (16, False)]


@pytest.mark.parametrize("value", [1.0, "1", None])
def test_takes_integers_only(value: object) -> None:
    with pytest.raises((TypeError, AttributeError)):
        u8(value)  # type: ignore[call-overload]
