"""Compares two packets field by field: what `assert_packet` says when they are not the same.

Names fields as Scapy does where Scapy is installed, and by the language's own headers where it is not. This file must
not know: pytest, filters, verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nmjit import Packet
from nmjit._headers import LAYERS


@runtime_checkable
class BytesLike(Protocol):
    """A Scapy packet, a bytes object, or anything else with a wire form."""

    def __bytes__(self) -> bytes: ...


AnyPacket: TypeAlias = bytes | bytearray | memoryview | BytesLike


class FieldValue(NamedTuple):
    """One decoded field; `layer` counts repeats, so that the second IP header of a tunnel is `IP 2`."""

    layer: str
    name: str
    value: str


def wire_bytes(packet: AnyPacket) -> bytes:
    """The bytes of `packet`; Scapy fills in lengths and checksums that were left out. TypeError for other things."""
    if not isinstance(packet, bytes | bytearray | memoryview | BytesLike):
        raise TypeError(f"a packet is bytes or a Scapy packet, not {type(packet).__name__}")
    return bytes(packet)


def assert_packet(actual: AnyPacket, expected: AnyPacket) -> None:
    """AssertionError with a table of the fields that differ, unless both packets have the same bytes."""
    __tracebackhide__ = True
    difference = describe_difference(wire_bytes(actual), wire_bytes(expected))
    if difference:
        raise AssertionError(difference)


def describe_difference(actual: bytes, expected: bytes) -> str:
    """A table of the fields in which two packets differ, '' where their bytes are the same."""
    if actual == expected:
        return ""
    first = next((i for i, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b), None)
    place = f"first at byte {first}" if first is not None else "the shorter one is where the longer one begins"
    lines = [f"packets differ: {len(actual)} bytes, expected {len(expected)}; {place}"]
    rows = list(_differing_fields(decode(actual), decode(expected)))
    if not rows:
        return "\n".join([*lines, *_differing_bytes(actual, expected)])
    return "\n".join([*lines, *_table([("layer", "field", "actual", "expected"), *rows])])


def decode(data: bytes) -> list[FieldValue]:
    """The fields of an Ethernet frame in the order sent, by Scapy where it is installed."""
    try:
        from scapy.layers.l2 import Ether
    except ImportError:
        return list(_fields_by_nmjit(data))
    import scapy.layers.all  # noqa: F401  importing it is what teaches Scapy the upper layers

    return list(_fields_by_scapy(Ether(data)))


def _fields_by_scapy(packet: Any) -> Iterator[FieldValue]:
    seen: dict[str, int] = {}
    while packet and packet.name != "NoPayload":
        name = packet.name
        seen[name] = seen.get(name, 0) + 1
        layer = name if seen[name] == 1 else f"{name} {seen[name]}"
        for field in packet.fields_desc:
            yield FieldValue(layer, field.name, str(field.i2repr(packet, packet.getfieldval(field.name))))
        packet = packet.payload


def _fields_by_nmjit(data: bytes) -> Iterator[FieldValue]:
    packet = Packet(data)
    for layer in LAYERS:
        view = getattr(packet, layer)
        if view is not None:
            for field in view.__header__.fields:
                yield FieldValue(layer, field.name, str(getattr(view, field.name)))
    payload = packet.payload
    yield FieldValue("payload", "load", repr(bytes(payload[i] for i in range(len(payload)))))


def _differing_fields(actual: list[FieldValue], expected: list[FieldValue]) -> Iterator[tuple[str, str, str, str]]:
    """Rows of a table: layer, field, both values; '-' where one packet has no such field."""
    left = {(field.layer, field.name): field.value for field in actual}
    right = {(field.layer, field.name): field.value for field in expected}
    for layer, name in dict.fromkeys((*left, *right)):
        a, b = left.get((layer, name), "-"), right.get((layer, name), "-")
        if a != b:
            yield layer, name, a, b


def _differing_bytes(actual: bytes, expected: bytes) -> Iterator[str]:
    """Hex rows of sixteen bytes where the packets differ: for bytes that no field shows."""
    for start in range(0, max(len(actual), len(expected)), 16):
        a, b = actual[start : start + 16], expected[start : start + 16]
        if a != b:
            yield f"  {start:#06x} actual   {a.hex(' ')}"
            yield f"         expected {b.hex(' ')}"


def _table(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    shortened = [tuple(cell if len(cell) <= 60 else f"{cell[:57]}..." for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*shortened, fillvalue="")]
    for row in shortened:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
