"""Packed keys and their hash: pinned values, since other processes reckon with them, and how well it spreads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit._hash import fold, group_of, key_hash, pack_key, tag_of, unpack_key

SIZES = st.lists(st.sampled_from([1, 2, 4, 6, 8, 16]), min_size=1, max_size=4)


@given(SIZES, st.data())
def test_packs_back_to_back_and_unpacks(sizes: list[int], data: st.DataObject) -> None:
    parts = tuple(data.draw(st.integers(0, 2 ** (8 * size) - 1)) for size in sizes)
    packed = pack_key(parts, sizes)
    whole = 0
    for part, size in zip(reversed(parts), reversed(sizes), strict=True):
        whole = whole << 8 * size | part
    assert int.from_bytes(packed, "little") == whole
    assert len(packed) == -(-sum(sizes) // 8) * 8
    assert unpack_key(packed, sizes) == parts


def test_parts_are_taken_modulo_their_size() -> None:
    assert pack_key((-1, 257), (2, 1)) == bytes([0xFF, 0xFF, 1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("words", "seed", "expected"),
    [
        ((0,), 0, 0xB98B148F3731BB98),
        ((1,), 0, 0x7F2A7DF971E2BF49),
        ((1, 2), 0, 0xBA80507E63A8CA07),
        ((1, 2, 3), 7, 0x1D7EFB3F63124E08),
    ],
)
def test_hash_values_are_pinned(words: tuple[int, ...], seed: int, expected: int) -> None:
    assert key_hash(b"".join(word.to_bytes(8, "little") for word in words), seed) == expected


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_fold_is_both_halves_of_the_product(a: int, b: int) -> None:
    high, low = divmod(a * b, 2**64)
    assert fold(a, b) == high ^ low


def sequential(number: int) -> bytes:
    """Neighbouring IPv4 addresses."""
    return pack_key((0x0A00_0000 + number,), (4,))


def strided(number: int) -> bytes:
    """Addresses that differ in their first byte and a half alone, as networks do."""
    return pack_key((number << 20,), (4,))


def tuples(number: int) -> bytes:
    """Five-tuples between two hosts that differ in the source port."""
    return pack_key((0xC0000201, 0xC6336402, number, 443, 6), (4, 4, 2, 2, 1))


def ipv6(number: int) -> bytes:
    """Hosts of one network."""
    return pack_key((0x20010DB8 << 96 | number,), (16,))


@pytest.mark.parametrize("key", [sequential, strided, tuples, ipv6])
def test_groups_and_tags_are_evenly_filled(key: Callable[[int], bytes]) -> None:
    count = 4096
    hashes = [key_hash(key(number)) for number in range(count)]
    assert len(set(hashes)) == count
    for cells, chosen in ((256, [group_of(hashed, 256) for hashed in hashes]), (128, [tag_of(h) for h in hashes])):
        expected = count / cells
        filled = Counter(chosen)
        assert len(filled) <= cells
        chi = sum((filled[cell] - expected) ** 2 for cell in filled) / expected + (cells - len(filled)) * expected
        deviation = (2 * (cells - 1)) ** 0.5
        assert chi < cells - 1 + 5 * deviation, (cells, chi)


def test_groups_and_tags_are_independent() -> None:
    hashes = [key_hash(sequential(number)) for number in range(8192)]
    pairs = Counter((group_of(hashed, 16), tag_of(hashed) & 15) for hashed in hashes)
    assert len(pairs) == 256
    assert max(pairs.values()) < 2 * 8192 / 256


def test_every_bit_of_a_key_changes_half_of_the_hash() -> None:
    generator = random.Random(5)
    for size in (8, 16, 24, 64):
        for bit in range(0, 8 * size, 3):
            flips = 0
            for _ in range(40):
                key = generator.randbytes(size)
                other = (int.from_bytes(key, "little") ^ 1 << bit).to_bytes(size, "little")
                flips += (key_hash(key) ^ key_hash(other)).bit_count()
            assert 24 < flips / 40 < 40, (size, bit)


def test_seeds_give_other_hashes() -> None:
    assert len({key_hash(sequential(1), seed) for seed in range(1000)}) == 1000


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1))
def test_groups_and_tags_are_in_range(hashed: int, groups: int) -> None:
    assert group_of(hashed, groups) == (hashed >> 32) * groups // 2**32 < groups
    assert 0x80 <= tag_of(hashed) <= 0xFF
