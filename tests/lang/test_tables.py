"""The tables behind the keyed maps, each against a model that shares no code with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nmjit._tables import HashTable, LpmTable, LruTable
from tests.lang.lru_model import Model

KEYS = st.integers(0, 9)


def key_of(number: int) -> bytes:
    return number.to_bytes(8, "little")


class HashTableMachine(RuleBasedStateMachine):
    """Against a dict; of slots only what the definition promises is asked."""

    CAPACITY, SLOTS = 4, 7

    def __init__(self) -> None:
        super().__init__()
        self.table = HashTable(self.CAPACITY, self.SLOTS)
        self.model: dict[bytes, int] = {}
        self.contents: dict[bytes, list[int]] = {}
        self.met: dict[int, list[int]] = {}  # index to its values' list, of entries that the packet met
        self.tally = {"inserted": 0, "deleted": 0, "evicted": 0, "failed": 0}

    def note(self, index: int) -> None:
        self.met[index] = self.table.values[index]

    @rule(number=KEYS, touch=st.booleans())
    def find(self, number: int, touch: bool) -> None:
        index = self.table.find(key_of(number), number, touch)
        assert index == self.model.get(key_of(number), -1)
        if index >= 0:
            self.note(index)

    @rule(number=KEYS, value=st.integers(0, 99))
    def insert(self, number: int, value: int) -> None:
        key = key_of(number)
        index = self.table.insert(key, number, [value])
        if key in self.model:
            assert index == self.model[key]
        elif len(self.model) == self.CAPACITY:
            assert index == -1
            self.tally["failed"] += 1
            return
        elif index < 0:
            assert len(set(self.met) | set(self.model.values())) == self.SLOTS
            self.tally["failed"] += 1
            return
        else:
            assert 0 <= index < self.SLOTS
            assert index not in self.model.values()
            assert index not in self.met
            self.model[key], self.contents[key] = index, [value]
            self.tally["inserted"] += 1
        self.note(index)

    @rule(number=KEYS)
    def delete(self, number: int) -> None:
        key = key_of(number)
        index = self.table.delete(key, number)
        assert index == self.model.pop(key, -1)
        if index >= 0:
            del self.contents[key]
            self.tally["deleted"] += 1
            self.note(index)

    @rule()
    def begin_packet(self) -> None:
        self.table.begin_packet()
        self.met.clear()

    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.tally["deleted"] += len(self.model)
        self.model.clear()
        self.contents.clear()
        self.met.clear()

    @invariant()
    def same(self) -> None:
        assert list(self.table.items()) == list(self.model.items())
        assert {key: self.table.values[index] for key, index in self.model.items()} == self.contents
        assert all(self.table.values[index] is values for index, values in self.met.items())
        assert len(self.table) == len(self.model)
        assert {name: getattr(self.table, name) for name in self.tally} == self.tally


class LruTableMachine(RuleBasedStateMachine):
    """Against the literal second chance: the same way for every operation, the same marks and hands in effect."""

    SETS = 2
    NUMBERS = st.integers(0, 39)

    def __init__(self) -> None:
        super().__init__()
        self.table = LruTable(17)
        self.model = Model(self.SETS)

    def place(self, number: int) -> tuple[bytes, int, int]:
        """Key, hash and set of a number."""
        group = number % self.SETS
        return key_of(number), (group << 63) | number, group

    @rule(number=NUMBERS, touch=st.booleans())
    def find(self, number: int, touch: bool) -> None:
        key, hashed, group = self.place(number)
        assert self.table.find(key, hashed, touch) == self.model.find(key, group, touch)

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=24), packets=st.booleans())
    def insert(self, numbers: list[int], packets: bool) -> None:
        for number in numbers:
            key, hashed, group = self.place(number)
            assert self.table.insert(key, hashed, [number]) == self.model.insert(key, group, [number])
            if packets:
                self.begin_packet()

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        key, hashed, group = self.place(number)
        assert self.table.delete(key, hashed) == self.model.delete(key, group)

    @rule()
    def begin_packet(self) -> None:
        self.table.begin_packet()
        self.model.begin_packet()

    @precondition(lambda self: len(self.table) > 20)
    @rule()
    def clear(self) -> None:
        self.table.clear()
        deleted = self.model.deleted + len(self.model.items())
        counters = self.model.inserted, self.model.evicted, self.model.failed
        self.model = Model(self.SETS)
        self.model.deleted = deleted
        self.model.inserted, self.model.evicted, self.model.failed = counters

    @invariant()
    def same(self) -> None:
        assert list(self.table.items()) == self.model.items()
        ways = [way for group in self.model.sets for way in group]
        assert all(self.table.values[index] == ways[index].values for _, index in self.table.items())
        assert len(self.table) == len(self.model.items())
        for name in ("inserted", "deleted", "evicted", "failed"):
            assert getattr(self.table, name) == getattr(self.model, name)


class LpmTableMachine(RuleBasedStateMachine):
    """Against all networks tried one by one, written out as strings of bits."""

    WIDTH, CAPACITY = 5, 6
    NETWORKS = st.text("01", max_size=5)

    def __init__(self) -> None:
        super().__init__()
        self.table = LpmTable(self.WIDTH, self.CAPACITY)
        self.model: dict[str, list[int]] = {}
        self.inserted = self.deleted = self.failed = 0

    def network(self, bits: str) -> tuple[int, int]:
        return int(bits.ljust(self.WIDTH, "0"), 2), len(bits)

    @rule(bits=NETWORKS, value=st.integers(0, 99))
    def insert(self, bits: str, value: int) -> None:
        index = self.table.insert(*self.network(bits), [value])
        if bits not in self.model and len(self.model) == self.CAPACITY:
            assert index == -1
            self.failed += 1
            return
        self.inserted += bits not in self.model
        values = self.model.setdefault(bits, [value])
        assert 0 <= index < self.CAPACITY
        assert self.table.values[index] == values

    @rule(bits=NETWORKS)
    def delete(self, bits: str) -> None:
        found = self.table.delete(*self.network(bits)) >= 0
        assert found == (self.model.pop(bits, None) is not None)
        self.deleted += found

    @precondition(lambda self: len(self.model) > 4)
    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.deleted += len(self.model)
        self.model.clear()

    @invariant()
    def same(self) -> None:
        for address in range(1 << self.WIDTH):
            text = f"{address:05b}"
            best = max((bits for bits in self.model if text.startswith(bits)), key=len, default=None)
            index = self.table.longest(address)
            assert (None if index < 0 else self.table.values[index]) == (None if best is None else self.model[best])
        expected = sorted((*self.network(bits), values) for bits, values in self.model.items())
        assert [(first, length, self.table.values[i]) for first, length, i in self.table.items()] == expected
        assert all((self.table.find(first, length) == i) for first, length, i in self.table.items())
        assert (len(self.table), self.table.inserted) == (len(self.model), self.inserted)
        assert (self.table.deleted, self.table.failed) == (self.deleted, self.failed)


SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHashTable: Any = HashTableMachine.TestCase
TestHashTable.settings = SETTINGS
TestLruTable: Any = LruTableMachine.TestCase
TestLruTable.settings = SETTINGS
TestLpmTable: Any = LpmTableMachine.TestCase
TestLpmTable.settings = SETTINGS


def full_set() -> LruTable:
    """A table of one set whose entries 0 … 15 lie in that order, none of them held or referenced."""
    table = LruTable(16)
    for number in range(16):
        assert table.insert(key_of(number), 0, [number]) == number
    table.begin_packet()
    return table


class TestSecondChance:
    def test_the_hand_goes_round(self) -> None:
        table = full_set()
        taken = []
        for number in range(100, 120):
            taken.append(table.insert(key_of(number), 0, [0]))
            table.begin_packet()
        assert taken == [*range(16), 0, 1, 2, 3]

    def test_a_touched_entry_is_passed_over_once(self) -> None:
        table = full_set()
        table.find(key_of(0), 0, touch=True)
        table.find(key_of(1), 0, touch=False)
        table.begin_packet()
        assert table.insert(key_of(100), 0, [0]) == 1
        table.begin_packet()
        for number in range(101, 115):
            table.insert(key_of(number), 0, [0])
            table.begin_packet()
        assert table.insert(key_of(200), 0, [0]) == 0

    def test_all_touched_means_the_first(self) -> None:
        table = full_set()
        for number in range(16):
            table.find(key_of(number), 0, touch=True)
        table.begin_packet()
        assert table.insert(key_of(100), 0, [0]) == 0

    def test_held_ways_keep_their_marks(self) -> None:
        table = full_set()
        table.find(key_of(0), 0, touch=True)
        assert table.insert(key_of(100), 0, [0]) == 1
        table.begin_packet()
        for number in range(101, 115):  # ways 2 … 15
            table.insert(key_of(number), 0, [0])
        table.begin_packet()
        assert table.insert(key_of(200), 0, [0]) == 1  # way 0 was passed over while held, and is still referenced

    def test_a_packet_that_holds_the_set_fails(self) -> None:
        table = full_set()
        for number in range(16):
            table.find(key_of(number), 0, touch=False)
        assert table.insert(key_of(100), 0, [0]) == -1
        assert (table.failed, table.evicted, len(table)) == (1, 0, 16)
        table.begin_packet()
        assert table.insert(key_of(100), 0, [0]) == 0

    def test_a_deleted_way_is_free_in_the_next_packet(self) -> None:
        table = full_set()
        assert table.delete(key_of(5), 0) == 5
        assert table.insert(key_of(100), 0, [0]) == 0
        table.begin_packet()
        assert table.insert(key_of(101), 0, [0]) == 5

    def test_a_new_entry_does_not_inherit_a_mark(self) -> None:
        table = full_set()
        table.find(key_of(2), 0, touch=True)
        table.delete(key_of(2), 0)
        table.begin_packet()
        assert table.insert(key_of(100), 0, [0]) == 2
        table.begin_packet()
        taken = []
        for number in range(101, 104):
            taken.append(table.insert(key_of(number), 0, [0]))
            table.begin_packet()
        assert taken == [0, 1, 2]

    @pytest.mark.parametrize(("capacity", "slots"), [(1, 16), (16, 16), (17, 32), (1000, 1008)])
    def test_sets_are_rounded_up(self, capacity: int, slots: int) -> None:
        assert len(LruTable(capacity).values) == slots


def test_old_values_stay_with_those_who_kept_them() -> None:
    tables: list[HashTable | LruTable] = [HashTable(1, 1), LruTable(16)]
    for table in tables:
        index = table.insert(key_of(1), 0, [11])
        kept = table.values[index]
        table.delete(key_of(1), 0)
        table.begin_packet()
        assert table.insert(key_of(2), 0, [22]) == index
        kept[0] += 1
        assert (kept, table.values[index]) == ([12], [22])


@pytest.mark.parametrize(("address", "length"), [(1, 31), (1 << 32, 32), (0, 33), (0, -1), (-1, 32), (1, 0)])
def test_an_lpm_table_refuses_what_is_no_network(address: int, length: int) -> None:
    with pytest.raises(ValueError, match="no network of 32-bit addresses"):
        LpmTable(32, 1).insert(address, length, [0])
