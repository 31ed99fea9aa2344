"""Frames written out as bytes, and helpers that put headers together; the raw material of the tests in this folder."""

from __future__ import annotations

ETH = bytes.fromhex("020000000002 020000000001")


def ethernet(ethertype: int, rest: bytes) -> bytes:
    """A frame of one EtherType."""
    return ETH + ethertype.to_bytes(2, "big") + rest


def vlan(ethertype: int, rest: bytes, tag: int = 0x2005) -> bytes:
    """A VLAN tag's four bytes behind its own type, then `rest`."""
    return tag.to_bytes(2, "big") + ethertype.to_bytes(2, "big") + rest


def ipv4(
    protocol: int, rest: bytes, *, ihl: int = 5, version: int = 4, total: int | None = None, fragment: int = 0
) -> bytes:
    """An IPv4 header, options zero and checksum 0, then `rest`."""
    size = max(ihl, 5) * 4
    length = size + len(rest) if total is None else total
    fixed = bytes([version << 4 | ihl, 0]) + length.to_bytes(2, "big") + bytes(2) + fragment.to_bytes(2, "big")
    return fixed + bytes([64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]) + bytes(size - 20) + rest


def ipv6(next_header: int, rest: bytes, *, version: int = 6, length: int | None = None) -> bytes:
    """An IPv6 header, then `rest`."""
    payload = len(rest) if length is None else length
    source, destination = (bytes.fromhex("20010db8" + "00" * 11 + last) for last in ("01", "02"))
    fixed = bytes([version << 4, 0, 0, 0]) + payload.to_bytes(2, "big") + bytes([next_header, 64])
    return fixed + source + destination + rest


def tcp(rest: bytes = b"", *, data_offset: int = 5) -> bytes:
    """A TCP header from port 1000 to 80, options none-or-padding, then `rest`."""
    fixed = (1000).to_bytes(2, "big") + (80).to_bytes(2, "big") + bytes(8) + bytes([data_offset << 4, 0x10])
    return fixed + bytes(6) + b"\x01" * (max(data_offset, 5) * 4 - 20) + rest


def udp(rest: bytes = b"", *, destination: int = 53, checksum: int = 0) -> bytes:
    """A UDP header from port 1000, then `rest`."""
    numbers = (1000, destination, 8 + len(rest), checksum)
    return b"".join(number.to_bytes(2, "big") for number in numbers) + rest
