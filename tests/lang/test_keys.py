"""Keys of maps as integers and bytes, and back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import Mac, RateLimit, i8, i64, struct, u8, u16, u32, u64
from nmjit._keys import KeySpec


@struct
class Endpoint:
    address: IPv4Address
    port: u16 = 53
    shift: i8 = -1


FLOW: Any = tuple[IPv4Address, IPv6Address, u16, Mac, bool, i8]
V4, V6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")


@pytest.mark.parametrize(
    ("declared", "key", "sizes", "names", "parts"),
    [
        (u16, 7, (2,), ("u16",), (7,)),
        (i64, -1, (8,), ("i64",), (-1,)),
        (bool, True, (1,), ("bool",), (1,)),
        (IPv4Address, V4, (4,), ("IPv4Address",), (0xC0000201,)),
        (IPv6Address, V6, (16,), ("IPv6Address",), (0x20010DB8 << 96 | 1,)),
        (Mac, Mac(5), (6,), ("Mac",), (5,)),
        (tuple[u8], (9,), (1,), ("u8",), (9,)),
        (Endpoint, Endpoint(V4), (4, 2, 1), ("IPv4Address", "u16", "i8"), (0xC0000201, 53, -1)),
        (
            FLOW,
            (V4, V6, 80, Mac(1), False, -128),
            (4, 16, 2, 6, 1, 1),
            ("IPv4Address", "IPv6Address", "u16", "Mac", "bool", "i8"),
            (0xC0000201, 0x20010DB8 << 96 | 1, 80, 1, 0, -128),
        ),
    ],
)
def test_keys_and_their_parts(declared: Any, key: Any, sizes: Any, names: Any, parts: Any) -> None:
    spec = KeySpec(declared)
    assert (spec.sizes, spec.names) == (sizes, names)
    assert spec.parts(key) == parts
    assert spec.unpacked(spec.packed(key)) == parts
    back = spec.key(parts)
    assert (back, type(back)) == (key, type(key))


def test_tells_the_shape() -> None:
    specs = [KeySpec(u8), KeySpec(tuple[u8]), KeySpec(Endpoint)]
    assert [(spec.is_tuple, spec.record) for spec in specs] == [(False, None), (True, None), (False, Endpoint)]
    assert [repr(spec) for spec in specs] == ["u8", "tuple[u8]", "Endpoint"]
    assert [(part.size, part.signed) for part in KeySpec(tuple[Mac, i8]).parts_of] == [(6, False), (1, True)]


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        (u16, "7"),
        (u16, (7,)),
        (u16, V4),
        (IPv4Address, 7),
        (IPv4Address, V6),
        (bool, 1),
        (Mac, "02:00:00:00:00:01"),
        (tuple[u8, u8], (1,)),
        (tuple[u8, u8], [1, 2]),
        (tuple[u8, u8], (1, None)),
        (Endpoint, (V4, 53, -1)),
    ],
)
def test_refuses_keys_of_other_types(declared: Any, key: Any) -> None:
    with pytest.raises(TypeError, match="a key of"):
        KeySpec(declared).parts(key)


@pytest.mark.parametrize(("declared", "key"), [(u8, 256), (u8, -1), (i8, 128), (u64, 2**64), (tuple[u8, u8], (0, 256))])
def test_refuses_integers_beyond_their_width(declared: Any, key: Any) -> None:
    with pytest.raises(OverflowError, match="cannot be part of a key"):
        KeySpec(declared).packed(key)


@pytest.mark.parametrize(
    "declared",
    [int, str, tuple, list[u8], tuple[int, u8], tuple[Endpoint, u8], tuple[()], tuple[u8, ...], None, RateLimit],
)
def test_refuses_types_that_are_no_keys(declared: Any) -> None:
    with pytest.raises(TypeError, match="a key"):
        KeySpec(declared)


def test_keys_have_at_most_64_bytes() -> None:
    assert sum(KeySpec(tuple[IPv6Address, IPv6Address, IPv6Address, IPv6Address]).sizes) == 64
    with pytest.raises(TypeError, match="1 to 64 bytes, not the 65"):
        KeySpec(tuple[IPv6Address, IPv6Address, IPv6Address, IPv6Address, u8])


@given(st.tuples(st.integers(0, 2**32 - 1), st.integers(-128, 127)), st.tuples(st.integers(0, 9), st.integers(-3, 3)))
def test_different_keys_pack_differently(one: tuple[int, int], other: tuple[int, int]) -> None:
    spec = KeySpec(tuple[u32, i8])
    assert (spec.packed(one) == spec.packed(other)) == (one == other)
