"""@struct: widths, kinds, defaults, construction, refusals."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from nmjit import Mac, i8, struct, u8, u64
from nmjit._struct import StoredKind, StructSpec


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
    spec: StructSpec = Flow.__struct__  # type: ignore[attr-defined]
    assert [(f.name, f.width.name) for f in spec] == [("packets", "u64"), ("flags", "u8"), ("drift", "i8")]
    assert {f.kind for f in spec} == {StoredKind.INT}


@struct
class Host:
    address: IPv4Address
    address6: IPv6Address = IPv6Address("2001:db8::1")
    mac: Mac = Mac("02:00:00:00:00:01")
    trusted: bool = False


def test_holds_addresses_and_bools_as_integers() -> None:
    host = Host(IPv4Address("192.0.2.1"))
    assert host._values == [0xC0000201, 0x20010DB8 << 96 | 1, 0x0200_0000_0001, 0]  # type: ignore[attr-defined]
    host.trusted, host.mac = True, Mac(7)
    assert (host.address, host.address6) == (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"))
    assert (host.mac, host.trusted is True) == (Mac(7), True)
    expected = "Host(address=IPv4Address('192.0.2.1'), address6=IPv6Address('2001:db8::1'), "
    assert repr(host) == expected + "mac=Mac('00:00:00:00:00:07'), trusted=True)"


def test_spec_names_the_kinds() -> None:
    spec: StructSpec = Host.__struct__  # type: ignore[attr-defined]
    kinds = [StoredKind.IPV4, StoredKind.IPV6, StoredKind.MAC, StoredKind.BOOL]
    assert [f.kind for f in spec] == kinds
    assert [(f.width.bits, f.width.signed) for f in spec] == [(32, False), (128, False), (64, False), (8, False)]
    defaults = Host.__defaults__  # type: ignore[attr-defined]
    assert defaults == (None, 0x20010DB8 << 96 | 1, 0x0200_0000_0001, 0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("address", 7, "Host.address takes IPv4Address, not int"),
        ("address", IPv6Address(7), "Host.address takes IPv4Address, not IPv6Address"),
        ("address6", "::1", "Host.address6 takes IPv6Address, not str"),
        ("mac", 7, "Host.mac takes Mac, not int"),
        ("trusted", 1, "Host.trusted takes bool, not int"),
    ],
)
def test_fields_take_their_own_type(field: str, value: Any, message: str) -> None:
    host = Host(IPv4Address(0))
    with pytest.raises(TypeError, match=message):
        setattr(host, field, value)
    arguments: dict[str, Any] = {"address": IPv4Address(0), field: value}
    with pytest.raises(TypeError, match=message):
        Host(**arguments)
    with pytest.raises(TypeError, match="takes int, not IPv4Address"):
        Flow(IPv4Address(0))  # type: ignore[arg-type]


def test_is_mutable_and_closed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Flow())
    with pytest.raises(AttributeError):
        Flow().packet = 1  # type: ignore[attr-defined]


def test_refuses_fields_without_width() -> None:
    with pytest.raises(TypeError, match=r"Bad\.a: .* no type of a field"):

        @struct
        class Bad:
            a: int = 0

    with pytest.raises(TypeError, match=r"Worse\.a takes int, not str"):

        @struct
        class Worse:
            a: u8 = "x"  # type: ignore[assignment]

    with pytest.raises(TypeError, match="at least one field"):

        @struct
        class Empty:
            pass
