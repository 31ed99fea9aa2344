"""Array and Counter against their definitions."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nmjit import Array, Counter, RateLimit, i8, struct, u8, u16, u32, u64


@struct
class Flow:
    packets: u64 = 0
    ttl: u8 = 64


@struct
class Place:
    where: IPv4Address
    known: bool = True


class TestArray:
    def test_is_a_mapping_of_its_indices(self) -> None:
        array = Array(u16, 3)
        array[1] = 0x1_0005
        array[2] -= 1
        assert dict(array) == {0: 0, 1: 5, 2: 0xFFFF}
        assert (len(array), list(array), 2 in array, 3 in array, -1 in array) == (3, [0, 1, 2], True, False, False)

    @pytest.mark.parametrize("index", [-1, 3, 2**64])
    def test_refuses_other_keys(self, index: int) -> None:
        array = Array(u8, 3)
        with pytest.raises(IndexError):
            array[index]
        with pytest.raises(IndexError):
            array[index] = 1

    def test_structs_are_live_references_and_copied_in(self) -> None:
        array = Array(Flow, 2)
        entry = array[0]
        entry.packets += 3
        assert array[0].packets == 3
        given_flow = Flow(9, 1)
        array[0] = given_flow
        given_flow.packets = 100
        assert (array[0], entry.packets, array[1]) == (Flow(9, 1), 9, Flow(0, 64))

    def test_entries_load_and_reset(self) -> None:
        array, bare = Array(Flow, 2), Array(i8, 2)
        reference = array[1]
        array.load([(1, 2), (3, 260)])
        bare.load([(127,), (128,)])
        assert array.entries() == [(1, 2), (3, 4)]
        assert bare.entries() == [(127,), (-128,)]
        assert reference.packets == 3
        array.reset()
        bare.reset()
        assert array.entries() == [(0, 64)] * 2
        assert bare.entries() == [(0,)] * 2
        assert reference.packets == 0

    @pytest.mark.parametrize("entries", [[], [(1,)], [(1, 2)] * 2, [(1,)] * 3])
    def test_load_wants_the_same_shape(self, entries: list[tuple[int, ...]]) -> None:
        with pytest.raises(ValueError, match="needs 2 entries of 1"):
            Array(u8, 2).load(entries)

    def test_refuses_wrong_values(self) -> None:
        with pytest.raises(TypeError, match="holds int"):
            Array(u8, 1)[0] = Flow()  # type: ignore[assignment]
        with pytest.raises(TypeError, match="holds Flow"):
            Array(Flow, 1)[0] = 1  # type: ignore[assignment]
        with pytest.raises(TypeError, match="u8 … i64"):
            Array(int, 1)
        with pytest.raises(ValueError, match="at least one"):
            Array(u8, 0)

    def test_tells_its_shape(self) -> None:
        array = Array(Flow, 5)
        assert (array.capacity, array.key_base) == (5, 0)
        assert [(field.name, field.width.bits) for field in array.fields] == [("packets", 64), ("ttl", 8)]
        assert [field.name for field in Array(u32, 1).fields] == [""]
        records: list[Any] = [array.record, Array(u32, 1).record]
        assert records == [Flow, None]

    def test_holds_buckets_that_are_empty_at_first(self) -> None:
        array = Array(RateLimit, 2)
        assert [array[0].allow(), array[0].allow(0), array[0].rate] == [False, True, 0]
        array[0] = RateLimit(3)
        assert [array[0].allow(3), array[0].burst, array[1].burst] == [True, 3, 0]

    def test_holds_addresses(self) -> None:
        array = Array(Place, 1)
        assert array[0] == Place(IPv4Address(0))
        array[0].where = IPv4Address(7)
        assert array.entries() == [(7, 1)]


class TestCounter:
    def test_missing_keys_read_as_0(self) -> None:
        counter = Counter(u8)
        assert counter[7] == 0
        assert (len(counter), list(counter), 7 in counter) == (0, [], False)

    def test_counts_and_wraps(self) -> None:
        counter = Counter(u16)
        counter[65535] += 2
        counter[3] -= 1
        assert dict(counter) == {3: 2**64 - 1, 65535: 2}
        counter[3] += 1
        assert dict(counter) == {65535: 2}

    @pytest.mark.parametrize(("key", "first", "last"), [(u8, 0, 255), (i8, -128, 127), (bool, 0, 1), (u16, 0, 65535)])
    def test_keys_are_those_of_the_type(self, key: Any, first: int, last: int) -> None:
        counter = Counter(key)
        counter[first] += 1
        counter[last] += 2
        assert (counter.capacity, counter.key_base) == (last - first + 1, first)
        entries = counter.entries()
        assert len(entries) == counter.capacity
        assert {index: count for index, (count,) in enumerate(entries) if count} == {0: 1, len(entries) - 1: 2}
        for outside in (first - 1, last + 1):
            with pytest.raises(KeyError):
                counter[outside]
            with pytest.raises(KeyError):
                counter[outside] += 1

    def test_bool_keys_come_back_as_bools(self) -> None:
        counter = Counter(bool)
        counter[5 > 4] += 1
        assert list(counter) == [True]
        assert isinstance(next(iter(counter)), bool)

    def test_load_and_reset(self) -> None:
        counter, other = Counter(i8), Counter(i8)
        counter[-128] += 5
        other.load(counter.entries())
        assert dict(other) == {-128: 5}
        other.reset()
        assert dict(other) == {}

    @pytest.mark.parametrize("key", [u32, int, str])
    def test_refuses_other_key_types(self, key: Any) -> None:
        with pytest.raises(TypeError, match="key is u8"):
            Counter(key)


def test_maps_are_themselves() -> None:
    maps = {Array(u8, 1), Array(u8, 1), Counter(u8)}
    assert len(maps) == 3


class DenseMachine(RuleBasedStateMachine):
    """Both kinds against plain lists and dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.array, self.counter = Array(Flow, 3), Counter(i8)
        self.model = [[0, 64] for _ in range(3)]
        self.counts: dict[int, int] = {}
        self.references = [self.array[index] for index in range(3)]

    @rule(index=st.integers(0, 2), packets=st.integers(-5, 2**65), ttl=st.integers(0, 300))
    def store(self, index: int, packets: int, ttl: int) -> None:
        self.array[index] = Flow(packets, ttl)
        self.model[index] = [packets % 2**64, ttl % 256]

    @rule(index=st.integers(0, 2), by=st.integers(-300, 300), reference=st.booleans())
    def add(self, index: int, by: int, reference: bool) -> None:
        entry = self.references[index] if reference else self.array[index]
        entry.ttl += by
        self.model[index][1] = (self.model[index][1] + by) % 256

    @rule(key=st.integers(-128, 127), by=st.integers(-3, 3))
    def count(self, key: int, by: int) -> None:
        self.counter[key] += by
        self.counts[key] = (self.counts.get(key, 0) + by) % 2**64

    @rule()
    def move_and_reset(self) -> None:
        contents, counts = self.array.entries(), self.counter.entries()
        self.array.reset()
        self.counter.reset()
        assert (self.array[1], dict(self.counter)) == (Flow(), {})
        self.array.load(contents)
        self.counter.load(counts)

    @invariant()
    def same(self) -> None:
        assert [[entry.packets, entry.ttl] for entry in self.array.values()] == self.model
        assert self.references == list(self.array.values())
        assert dict(self.counter) == {key: number for key, number in self.counts.items() if number}
        assert list(self.counter) == sorted(self.counter)


TestDense: Any = DenseMachine.TestCase
TestDense.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
