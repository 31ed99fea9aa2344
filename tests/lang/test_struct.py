"""@struct: widths, defaults, construction, refusals."""

import pytest

from nmjit import i8, struct, u8, u64
from nmjit._ints import Width


@struct
class Flow:
    """A flow."""

    packets: u64 = 0
    flags: u8 = 7
    drift: i8 = -1


@struct
class Pair:
    a: u8
    b: u8


def test_stores_wrap() -> None:
    flow = Flow()
    flow.packets -= 1
    flow.flags += 250
    flow.drift = 200
    assert (flow.packets, flow.flags, flow.drift) == (2**64 - 1, 1, -56)


def test_construction_takes_positions_names_and_defaults() -> None:
    assert (Flow().packets, Flow().flags, Flow().drift) == (0, 7, -1)
    assert Flow(1, drift=2) == Flow(packets=1, flags=7, drift=2)
    assert Flow(flags=256) == Flow(flags=0)
    assert Flow() != Flow(1)
    assert repr(Pair(1, 2)) == "Pair(a=1, b=2)"
    assert Flow.__doc__ == "A flow."


@pytest.mark.parametrize(
    ("positional", "named", "message"),
    [
        ((1,), {}, "'b' has no default"),
        ((1, 2, 3), {}, "2 fields"),
        ((1, 2), {"a": 1}, "twice"),
        ((1, 2), {"c": 1}, "'c'"),
    ],
)
def test_refuses_wrong_arguments(positional: tuple[int, ...], named: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Pair(*positional, **named)


def test_spec_names_the_widths() -> None:
    spec: tuple[tuple[str, Width], ...] = Flow.__struct__  # type: ignore[attr-defined]
    assert [(name, width.name) for name, width in spec] == [("packets", "u64"), ("flags", "u8"), ("drift", "i8")]


def test_is_mutable_and_closed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Flow())
    with pytest.raises(AttributeError):
        Flow().packet = 1  # type: ignore[attr-defined]


def test_refuses_fields_without_width() -> None:
    with pytest.raises(TypeError, match=r"Bad\.a: .* no declared width"):

        @struct
        class Bad:
            a: int = 0

    with pytest.raises(TypeError, match=r"Worse\.a: the default 'x'"):

        @struct
        class Worse:
            a: u8 = "x"  # type: ignore[assignment]

    with pytest.raises(TypeError, match="at least one field"):

        @struct
        class Empty:
            pass
