"""HashMap and LruHashMap as mappings, in and outside a packet's turn, against a dict and the literal second chance."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nmjit import PASS, HashMap, LruHashMap, MapFull, Packet, RateLimit, Verdict, filter, i8, struct, u8, u16, u32, u64
from nmjit._context import packet_run
from tests.lang.lru_model import Model


@struct
class Flow:
    packets: u64 = 0
    ttl: u8 = 64


@struct
class Pair:
    a: u8
    b: i8 = -1


KINDS: list[Any] = [HashMap, LruHashMap]


@pytest.mark.parametrize("kind", KINDS)
class TestMapping:
    def test_follows_dict(self, kind: Any) -> None:
        m = kind(key=u16, value=u32, capacity=16)
        m[1] = 5
        m[1] += 2**32
        m[2] = -1
        assert (len(m), 1 in m, 3 in m, sorted(m), m[1], m.get(2), m.get(3), m.get(3, 9)) == (
            2, True, False, [1, 2], 5, 2**32 - 1, None, 9,
        )  # fmt: skip
        assert (m.setdefault(1, 77), m.setdefault(4, 2**32 + 3), m.pop(4), m.pop(4, None)) == (5, 3, 3, None)
        del m[2]
        assert (dict(m), dict(m.items()), list(m.values())) == ({1: 5}, {1: 5}, [5])
        m.update({7: 1})
        assert m.popitem()[0] in (1, 7)
        m.clear()
        assert (len(m), list(m), bool(m)) == (0, [], False)

    def test_missing_keys_raise(self, kind: Any) -> None:
        m = kind(u16, u32, 16)
        with pytest.raises(KeyError):
            m[1]
        with pytest.raises(KeyError):
            m[1] += 1
        with pytest.raises(KeyError):
            del m[1]
        assert (len(m), m.failed, m.inserted) == (0, 0, 0)

    def test_structs_are_references(self, kind: Any) -> None:
        m = kind(tuple[IPv4Address, u16], Flow, 16)
        key, given = (IPv4Address(1), 2), Flow(9, 300)
        flow = m.setdefault(key, given)
        given.packets = 100
        flow.packets += 1
        assert (m[key], m.get(key), flow.ttl) == (Flow(10, 44), Flow(10, 44), 44)
        m[key] = Flow(1)
        assert flow == Flow(1)
        assert m.get((IPv4Address(1), 3)) is None

    def test_a_reference_never_changes_its_subject(self, kind: Any) -> None:
        m = kind(u16, Flow, 16)
        with packet_run(0, 0, 0):
            m[1] = Flow(1)
            dead = m[1]
            del m[1]
            m[1] = Flow(2)
            dead.packets += 5
            assert (m[1].packets, dead.packets) == (2, 6)
        for number in range(100, 116):
            m.pop(1, None)
            m[number] = Flow(3)
        assert dead == Flow(6)

    def test_wrong_keys_in_every_operation(self, kind: Any) -> None:
        m = kind(u8, u32, 16)
        operations: list[Any] = [
            lambda key: m[key],
            lambda key: m.__setitem__(key, 1),
            lambda key: m.__delitem__(key),
            lambda key: m.get(key),
            lambda key: m.setdefault(key, 1),
            lambda key: key in m,
        ]
        for operation in operations:
            with pytest.raises(OverflowError):
                operation(256)
            with pytest.raises(TypeError):
                operation("1")

    def test_wrong_values(self, kind: Any) -> None:
        bare, flows = kind(u8, u32, 16), kind(u8, Flow, 16)
        wrong: Any
        for wrong in (Flow(), None, "1"):
            with pytest.raises(TypeError, match="holds int"):
                bare[1] = wrong
        for wrong in (Pair(1), None, 1):
            with pytest.raises(TypeError, match="holds Flow"):
                flows.setdefault(1, wrong)
        assert (len(bare), len(flows)) == (0, 0)

    def test_struct_keys(self, kind: Any) -> None:
        m = kind(Pair, u32, 16)
        m[Pair(1)] = 3
        m[Pair(1, 2)] = 4
        assert (m[Pair(257, 255)], list(m), m.entries()) == (3, list(m), m.entries())
        assert sorted(m.entries()) == [(1, -1, 3), (1, 2, 4)]

    def test_buckets(self, kind: Any) -> None:
        m = kind(IPv4Address, RateLimit, 16)
        with packet_run(0, 0, 10**9):
            assert [m.setdefault(IPv4Address(1), RateLimit(2)).allow() for _ in range(3)] == [True, True, False]
        with packet_run(0, 1, 15 * 10**8):
            assert [m.setdefault(IPv4Address(1), RateLimit(2)).allow() for _ in range(2)] == [True, False]

    def test_contents_move(self, kind: Any) -> None:
        m, other = kind(tuple[u8, i8], Flow, 40), kind(tuple[u8, i8], Flow, 40)
        for number in range(20):
            m[number, -number] = Flow(number)
        other[99, 99] = Flow()
        other.load(m.entries())
        assert other.entries() == m.entries()
        assert (other[3, -3], len(other), other.inserted) == (Flow(3), 20, 20)
        with pytest.raises(ValueError, match="2 key parts and 2 fields"):
            other.load([(1, 2, 3)])
        assert len(other) == 20
        other.reset()
        assert (len(other), other.inserted, other.deleted) == (0, 0, 0)

    def test_is_itself(self, kind: Any) -> None:
        assert kind(u8, u8, 1) != kind(u8, u8, 1)
        assert len({kind(u8, u8, 1), kind(u8, u8, 1)}) == 2
        assert repr(kind(tuple[u8, bool], Flow, 7)) == f"{kind.__name__}(tuple[u8, bool], Flow, 7)"

    def test_refuses_wrong_declarations(self, kind: Any) -> None:
        for declared in (int, str, tuple[int]):
            with pytest.raises(TypeError, match="no type of a key"):
                kind(declared, u8, 1)
        with pytest.raises(TypeError, match="holds u8"):
            kind(u8, bool, 1)
        with pytest.raises(ValueError, match="at least one"):
            kind(u8, u8, 0)


class TestHashMap:
    def test_takes_exactly_its_capacity(self) -> None:
        m = HashMap(u16, u32, 3)
        for number in range(3):
            m[number] = number
        m[1] = 10
        with pytest.raises(MapFull, match="no room for 9 in HashMap"):
            m[9] = 1
        with pytest.raises(MapFull):
            m.setdefault(9, 1)
        assert (dict(m), m.failed, m.inserted, m.evicted) == ({0: 0, 1: 10, 2: 2}, 2, 3, 0)
        del m[0]
        m[9] = 1
        assert (list(m), m.deleted) == ([1, 2, 9], 1)

    def test_dead_entries_do_not_count(self) -> None:
        m = HashMap(u16, u32, 1)
        with packet_run(0, 0, 0):
            for number in range(1000):
                m[number] = 1
                del m[number]
            m[7] = 7
        assert (dict(m), m.failed) == ({7: 7}, 0)


class TestLruHashMap:
    @staticmethod
    def one_set() -> LruHashMap[int, int]:
        m = LruHashMap(u16, u32, 16)
        for number in range(16):
            m[number] = number
        return m

    def test_reading_marks_and_asking_does_not(self) -> None:
        m = self.one_set()  # a store into a new entry leaves it unmarked
        assert (m[0], m.get(1), m.setdefault(2, 0), 3 in m) == (0, 1, 2, True)
        m[4] = 4
        assert [list(m.items()), list(m.values())] != [[], []]
        for number in range(100, 104):
            m[number] = number
        assert set(range(16)) - set(m) == {3, 5, 6, 7}
        assert (len(m), m.evicted, m.inserted) == (16, 4, 20)

    def test_a_packet_keeps_what_it_met(self) -> None:
        m = self.one_set()
        with packet_run(0, 0, 0):
            assert 0 in m
            m[100] = 100
            assert 0 in m
            assert 1 not in m
        m[101] = 101
        assert 2 not in m

    def test_a_packet_that_met_a_whole_set_is_refused(self) -> None:
        m = self.one_set()
        with packet_run(0, 0, 0):
            assert all(number in m for number in range(16))
            with pytest.raises(MapFull):
                m[100] = 1
            assert m.failed == 1
        with packet_run(0, 1, 0):
            m[100] = 1
        assert (0 in m, m.evicted) == (False, 1)

    def test_a_direct_call_of_a_filter_is_a_packets_turn(self) -> None:
        m = self.one_set()

        @filter
        def meets_all(pkt: Packet) -> Verdict:
            assert all(number in m for number in range(16))
            m[100] = 1
            return PASS

        with pytest.raises(MapFull):
            meets_all(Packet(b""))
        m[100] = 1


class _MapMachine(RuleBasedStateMachine):
    """Packets of several operations each; references taken are compared to the end of the run."""

    KEYS = st.integers(0, 59)

    def __init__(self) -> None:
        super().__init__()
        self.packets = 0
        self.references: list[tuple[Flow, list[int]]] = []

    operations = st.lists(
        st.tuples(st.sampled_from(["get", "[]", "in", "=", "+=", "setdefault", "del", "allocate"]), KEYS), max_size=20
    )

    @rule(operations=operations, inside=st.booleans())
    def packet(self, operations: list[tuple[str, int]], inside: bool) -> None:
        if not inside:
            for operation in operations:
                self.model_begins()
                self.operate(*operation)
            return
        self.model_begins()
        self.packets += 1
        with packet_run(0, self.packets, 0):
            for operation in operations:
                self.operate(*operation)

    def model_begins(self) -> None:
        raise NotImplementedError

    def operate(self, what: str, key: int) -> None:
        raise NotImplementedError

    @invariant()
    def references_stay(self) -> None:
        assert [[flow.packets, flow.ttl] for flow, _ in self.references] == [values for _, values in self.references]


class HashMapMachine(_MapMachine):
    CAPACITY = 12

    def __init__(self) -> None:
        super().__init__()
        self.map = HashMap(u16, Flow, self.CAPACITY)
        self.model: dict[int, list[int]] = {}
        self.failed = 0

    def model_begins(self) -> None:
        pass

    def operate(self, what: str, key: int) -> None:
        key %= 20
        there, full = key in self.model, len(self.model) == self.CAPACITY
        match what:
            case "get":
                assert (self.map.get(key) is not None) == there
            case "in":
                assert (key in self.map) == there
            case "[]" | "del" | "+=" if not there:
                with pytest.raises(KeyError):
                    self.map[key] if what != "del" else self.map.__delitem__(key)
            case "[]":
                self.references.append((self.map[key], self.model[key]))
            case "+=":
                self.map[key].packets += 3
                self.model[key][0] += 3
            case "del":
                del self.map[key]
                del self.model[key]
            case _ if not there and full:
                with pytest.raises(MapFull):
                    self.map[key] = Flow()
                self.failed += 1
            case "=" | "allocate":
                self.map[key] = Flow(key, 300)
                self.model.setdefault(key, [0, 0])[:] = [key, 44]
            case _:
                self.references.append((self.map.setdefault(key, Flow(key)), self.model.setdefault(key, [key, 64])))

    @invariant()
    def same(self) -> None:
        assert self.map.entries() == [(key, *values) for key, values in self.model.items()]
        assert list(self.map) == list(self.model)
        assert (self.map.failed, self.map.evicted) == (self.failed, 0)
        assert self.map.inserted - self.map.deleted == len(self.map) == len(self.model)


class LruHashMapMachine(_MapMachine):
    """One set of 16: its choice by the hash is test_tables' and test_hash's matter."""

    def __init__(self) -> None:
        super().__init__()
        self.map = LruHashMap(u16, Flow, 16)
        self.model = Model(1)

    def model_begins(self) -> None:
        self.model.begin_packet()

    def values(self, index: int) -> list[int]:
        return self.model.sets[0][index].values

    def operate(self, what: str, key: int) -> None:
        key %= 30
        index = self.model.find(key, 0, touch=what not in ("in", "del"))
        match what:
            case "in":
                assert (key in self.map) == (index >= 0)
            case "get":
                flow = self.map.get(key)
                assert (flow is not None) == (index >= 0)
                if flow is not None:
                    self.references.append((flow, self.values(index)))
            case "[]" | "del" | "+=" if index < 0:
                with pytest.raises(KeyError):
                    self.map[key] if what != "del" else self.map.__delitem__(key)
            case "[]" | "+=":
                self.map[key].packets += 1
                self.values(index)[0] += 1
            case "del":
                del self.map[key]
                self.model.delete(key, 0)
            case _:
                self.store(what, key, index)

    def store(self, what: str, key: int, index: int) -> None:
        index = self.model.insert(key, 0, [key, 64])
        if index < 0:
            with pytest.raises(MapFull):
                self.map.setdefault(key, Flow(key))
            return
        flow = Flow(key)
        if what == "setdefault":
            flow = self.map.setdefault(key, flow)
            self.references.append((flow, self.values(index)))
        else:
            self.map[key] = flow
            self.values(index)[:] = [key, 64]

    @rule(first=st.integers(0, 29))
    def fill(self, first: int) -> None:
        for number in range(16):
            self.packet([("=", first + number)], inside=True)

    @invariant()
    def same(self) -> None:
        assert self.map.entries() == [(key, *self.values(index)) for key, index in self.model.items()]
        for name in ("inserted", "deleted", "evicted", "failed"):
            assert getattr(self.map, name) == getattr(self.model, name), name


SETTINGS = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestHashMapMachine: Any = HashMapMachine.TestCase
TestHashMapMachine.settings = SETTINGS
TestLruHashMapMachine: Any = LruHashMapMachine.TestCase
TestLruHashMapMachine.settings = SETTINGS
