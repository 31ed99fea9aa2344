"""Ethernet addresses."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import Mac

ADDRESS = 0x0200_5E10_00FF


@pytest.mark.parametrize("form", ["02:00:5e:10:00:ff", "02-00-5E-10-00-FF", ADDRESS, bytes.fromhex("02005e1000ff")])
def test_every_form_gives_the_same_address(form: str | int | bytes) -> None:
    assert Mac(form) == Mac(ADDRESS)
    assert int(Mac(form)) == ADDRESS
    assert str(Mac(form)) == "02:00:5e:10:00:ff"
    assert repr(Mac(form)) == "Mac('02:00:5e:10:00:ff')"
    assert Mac(form).packed == ADDRESS.to_bytes(6, "big")


@pytest.mark.parametrize(
    "form",
    [
        "",
        "02:00:5e:10:00",
        "02:00:5e:10:00:ff:00",
        "2:0:5e:10:0:ff",
        "02:00-5e:10:00:ff",
        "0g:00:00:00:00:00",
        "+2:00:00:00:00:00",
        -1,
        2**48,
        b"12345",
        b"1234567",
    ],
)
def test_refuses_what_is_no_address(form: str | int | bytes) -> None:
    with pytest.raises(ValueError, match="address"):
        Mac(form)


def test_refuses_other_types() -> None:
    with pytest.raises(TypeError, match="float"):
        Mac(1.0)  # type: ignore[arg-type]


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_orders_and_hashes_as_the_integer(a: int, b: int) -> None:
    assert (Mac(a) < Mac(b), Mac(a) <= Mac(b), Mac(a) == Mac(b)) == (a < b, a <= b, a == b)
    assert len({Mac(a), Mac(b)}) == len({a, b})
    assert Mac(str(Mac(a))) == Mac(a)


def test_is_no_integer_and_immutable() -> None:
    assert Mac(5) != 5
    with pytest.raises(TypeError):
        assert Mac(5) < 6
    with pytest.raises(AttributeError):
        Mac(5)._value = 6
    assert pickle.loads(pickle.dumps(Mac(5))) == Mac(5)
