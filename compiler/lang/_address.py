"""Ethernet addresses. IP addresses are the objects of the standard `ipaddress` module; it has nothing for EUI-48.

This file must not know: packets, headers. Source: IEEE 802-2014, section 8 (EUI-48; hexadecimal representation).
"""

from __future__ import annotations

from functools import total_ordering
from typing import final

_OCTETS = 6
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@final
@total_ordering
class Mac:
    """An EUI-48 address: immutable, hashable, ordered as the integer whose most significant octet is sent first.

    Takes `"02:00:00:00:00:01"` (or with dashes), six bytes in the order sent, or an integer of 48 bits. ValueError
    where the text, the length or the range is wrong, TypeError for anything else.
    """

    __slots__ = ("_value",)
    _value: int

    def __init__(self, address: str | bytes | int, /) -> None:
        match address:
            case str():
                value = int.from_bytes(_parse(address), "big")
            case bytes():
                if len(address) != _OCTETS:
                    raise ValueError(f"a MAC address has {_OCTETS} bytes, not {len(address)}")
                value = int.from_bytes(address, "big")
            case int():
                if not 0 <= address < 1 << 8 * _OCTETS:
                    raise ValueError(f"{address:#x} is not a 48-bit address")
                value = int(address)
            case _:
                raise TypeError(f"a MAC address is made from str, bytes or int, not {type(address).__name__}")
        object.__setattr__(self, "_value", value)

    @property
    def packed(self) -> bytes:
        """The six bytes in the order sent."""
        return self._value.to_bytes(_OCTETS, "big")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Mac is immutable: cannot set {name!r}")

    def __int__(self) -> int:
        return self._value

    def __str__(self) -> str:
        return self.packed.hex(":")

    def __repr__(self) -> str:
        return f"Mac({str(self)!r})"

    def __hash__(self) -> int:
        return hash((Mac, self._value))

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Mac) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._value < other._value if isinstance(other, Mac) else NotImplemented

    def __reduce__(self) -> tuple[type[Mac], tuple[int]]:
        return Mac, (self._value,)


def _parse(text: str) -> bytes:
    for separator in ":-":
        parts = text.split(separator)
        if len(parts) == _OCTETS and all(len(part) == 2 and _HEX_DIGITS.issuperset(part) for part in parts):
            return bytes(int(part, 16) for part in parts)
    raise ValueError(f"{text!r} is not a MAC address such as 02:00:00:00:00:01")
