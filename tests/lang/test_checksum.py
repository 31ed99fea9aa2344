"""The Internet checksum, against the numbers of the RFCs and against Scapy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from nmjit._checksum import checksum, fold, pseudo_header, update, words


def test_example_of_rfc_1071_section_3() -> None:
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert sum(words(data)) == 0x2DDF0
    assert fold(0x2DDF0) == 0xDDF2
    assert checksum(data) == 0x220D


def test_example_of_rfc_1624_section_4() -> None:
    assert update(0xDD2F, [0x5555], [0x3285]) == 0x0000


@pytest.mark.parametrize(("data", "expected"), [(b"", []), (b"\x01", [0x100]), (b"\x01\x02\x03", [0x102, 0x300])])
def test_odd_byte_is_a_high_half(data: bytes, expected: list[int]) -> None:
    assert words(data) == expected


@given(st.binary(max_size=100))
def test_agrees_with_scapy(data: bytes) -> None:
    assert checksum(data) == scapy_checksum(data)


@given(st.binary(min_size=6, max_size=60), st.integers(0, 27), st.binary(min_size=2, max_size=6))
def test_update_agrees_with_a_new_sum(data: bytes, word: int, change: bytes) -> None:
    """The one's complement has two zeros; equation 3 gives the one that a new sum over non-zero data gives."""
    data = b"\x45" + data[1:] + bytes(len(data) & 1)
    change = change[: len(change) & ~1]
    start = 2 + word * 2 % max(len(data) - 2 - len(change), 1) & ~1
    changed = data[:start] + change + data[start + len(change) :]
    assert update(checksum(data), words(data[start : start + len(change)]), words(change)) == checksum(changed)


def test_no_change_is_computed_all_the_same() -> None:
    assert update(0x1234, [7], [7]) == 0x1234
    assert update(0xFFFF, [7], [7]) == 0x0000
    assert update(0xFFFF, [0xFFFF], [0]) == 0xFFFF


def test_pseudo_header_counts_the_whole_length() -> None:
    assert pseudo_header(bytes(4), bytes(4), 17, 0x1_0002) == 17 + 1 + 2
    assert pseudo_header(b"\x01\x02" + bytes(14), bytes(15) + b"\x03", 58, 8) == 0x102 + 3 + 58 + 8
