"""Blocked Bloom filters: nobody forgotten, strangers let in as rarely as was asked for."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nmjit import Bloom, Mac, u8, u16, u32
from nmjit._bloom import SALTS, block_count, block_of, error_rate, masks
from nmjit._hash import key_hash, pack_key


@given(st.integers(0, 2**64 - 1))
def test_a_key_has_one_bit_in_each_word(hashed: int) -> None:
    bits = masks(hashed)
    places = [(hashed % 2**32 * salt % 2**32) // 2**27 for salt in SALTS]
    assert bits == tuple(2**place for place in places)
    assert all(bit.bit_count() == 1 for bit in bits)


def test_salts_are_odd_and_different() -> None:
    assert len(set(SALTS)) == 8
    assert all(salt % 2 and salt < 2**32 for salt in SALTS)


def test_pinned_places() -> None:
    assert [bit.bit_length() - 1 for bit in masks(0x0123_4567_89AB_CDEF)] == [30, 23, 13, 23, 6, 11, 29, 5]
    assert block_of(0x8000_0000_0000_0000, 10) == 5


@pytest.mark.parametrize("error", [0.5, 0.1, 0.01, 0.001, 1e-6, 1e-9])
@pytest.mark.parametrize("keys", [1, 100, 10**6])
def test_the_fewest_blocks_that_do(keys: int, error: float) -> None:
    blocks = block_count(keys, error)
    assert error_rate(keys / blocks) <= error
    assert blocks == 1 or error_rate(keys / (blocks - 1)) > error


@pytest.mark.parametrize(("keys", "error"), [(0, 0.1), (1, 0), (1, 1), (1, 1e-10), (1, -0.1), (1, float("nan"))])
def test_refuses_what_no_filter_can_do(keys: int, error: float) -> None:
    with pytest.raises(ValueError, match=r"Bloom|error rate"):
        block_count(keys, error)
    with pytest.raises(ValueError, match=r"Bloom|error rate"):
        Bloom(u8, keys, error)


@pytest.mark.parametrize("error", [0.1, 0.01])
def test_strangers_are_let_in_as_rarely_as_was_asked_for(error: float) -> None:
    count = 4000
    bloom = Bloom(u32, count, error)
    for number in range(count):
        bloom.add(number)
    assert all(number in bloom for number in range(count))
    wrong = sum(number in bloom for number in range(1 << 20, (1 << 20) + 20_000)) / 20_000
    assert error / 2 < wrong < error * 1.2 + 0.001


def test_says_what_was_certainly_new() -> None:
    bloom = Bloom(key=tuple[IPv4Address, u16], capacity=100, error=0.001)
    key = (IPv4Address(1), 53)
    assert (key in bloom, bloom.add(key), key in bloom, bloom.add(key)) == (False, True, True, False)
    bloom.reset()
    assert (key in bloom, bloom.add(key)) == (False, True)


def test_refuses_other_keys() -> None:
    bloom: Any = Bloom(u8, 10)
    with pytest.raises(OverflowError):
        bloom.add(256)
    with pytest.raises(TypeError):
        assert "1" in bloom
    with pytest.raises(TypeError, match="no type of a key"):
        Bloom(int, 10)


def test_tells_its_shape() -> None:
    bloom = Bloom(Mac, 1000, 0.01)
    assert (bloom.capacity, bloom.keys, bloom.error) == (block_count(1000, 0.01), 1000, 0.01)
    assert (bloom.key_spec.sizes, len(bloom.fields), bloom.fields[0].width.name) == ((6,), 8, "u32")
    assert repr(bloom) == "Bloom(Mac, 1000, 0.01)"


def test_contents_move() -> None:
    bloom, other = Bloom(u16, 50), Bloom(u16, 50)
    for number in range(50):
        bloom.add(number)
    other.load(bloom.entries())
    assert other.entries() == bloom.entries()
    assert all(number in other for number in range(50))
    with pytest.raises(ValueError, match="blocks"):
        other.load(bloom.entries()[1:])
    with pytest.raises(ValueError, match="zip"):
        other.load([(0,) * 7] * bloom.capacity)


class BloomMachine(RuleBasedStateMachine):
    """Against a set of bit positions in the whole filter."""

    def __init__(self) -> None:
        super().__init__()
        self.bloom = Bloom(u16, 20, 0.2)
        self.bits: set[tuple[int, int, int]] = set()

    def positions(self, key: int) -> set[tuple[int, int, int]]:
        hashed = key_hash(pack_key((key,), (2,)))
        block = (hashed >> 32) * self.bloom.capacity // 2**32
        return {(block, word, hashed % 2**32 * salt % 2**32 // 2**27) for word, salt in enumerate(SALTS)}

    @rule(key=st.integers(0, 300))
    def add(self, key: int) -> None:
        assert self.bloom.add(key) == (not self.positions(key) <= self.bits)
        self.bits |= self.positions(key)

    @rule(key=st.integers(0, 300))
    def ask(self, key: int) -> None:
        assert (key in self.bloom) == (self.positions(key) <= self.bits)

    @invariant()
    def same(self) -> None:
        found = set()
        for number, block in enumerate(self.bloom.entries()):
            for place, word in enumerate(block):
                found |= {(number, place, bit) for bit in range(32) if word >> bit & 1}
        assert found == self.bits


TestBloomMachine: Any = BloomMachine.TestCase
TestBloomMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
