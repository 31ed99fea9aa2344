"""Live maps over shared memory: each kind as a mapping, against the mapping in lang where there is one."""

from __future__ import annotations

import ctypes
import random
import threading
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

import nmjit
from nmjit._address import Mac
from nmjit._bloom import Bloom, block_count
from nmjit._hashmaps import HashMap, LruHashMap, MapFull
from nmjit._histogram import Histogram, bucket_count
from nmjit._lpm import LpmTrie
from nmjit._rate import RateLimit
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import RING_RECORDS, map_bytes
from nmjit.runtime._engine import Gate
from nmjit.runtime.maps import (
    ArrayView,
    BloomView,
    CounterView,
    Entry,
    EventsView,
    HistogramView,
    LpmView,
    TableView,
    live_map,
)

BARE = MapDecl("bare", MapKind.ARRAY, Layout.of((("", Scalar(2, signed=True)),)), 3)
RECORDS = MapDecl("flows", MapKind.ARRAY, Layout.of((("octets", Scalar(4)), ("address", Scalar(16)))), 2)
COUNTS = MapDecl("counts", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 5, key_base=-2)
COUNT = Layout.of((("", Scalar(8)),))
FLOW = Layout.of((("packets", Scalar(8)), ("octets", Scalar(4, signed=True))))
FLOWS = MapDecl("flows", MapKind.HASH, FLOW, 50, key=(4, 2), key_types=("IPv4Address", "i16"))
SEEN = MapDecl("seen", MapKind.LRU, COUNT, 40, key=(8,), key_types=("u64",))
ROUTES = MapDecl("routes", MapKind.LPM, COUNT, 100, key=(4,), key_types=("IPv4Address",))
DELAYS = MapDecl("delays", MapKind.HISTOGRAM, COUNT, bucket_count(4), detail=4)
EVENTS = MapDecl("events", MapKind.EVENTS, FLOW, 4)


def test_array_of_integers() -> None:
    view = live_map(BARE)
    assert isinstance(view, ArrayView)
    assert dict(view) == {0: 0, 1: 0, 2: 0}
    view[1] = -5
    view[2] = 0x1_8000
    assert view.entries() == [(0,), (-5,), (-0x8000,)]
    assert (ctypes.c_int16 * 3).from_address(view.address(0))[1] == -5
    assert view.address(0) == view.address(1)
    for key in (-1, 3):
        with pytest.raises(IndexError):
            view[key]
        with pytest.raises(IndexError):
            view[key] = 1
    with pytest.raises(TypeError, match="bare does not hold dict"):
        view[0] = {"x": 1}
    with pytest.raises(ValueError, match="3 entries"):
        view.load([(1,)])


def test_array_of_records_is_live() -> None:
    view = live_map(RECORDS)
    assert isinstance(view, ArrayView)
    entry = view[1]
    assert isinstance(entry, Entry)
    view[1] = {"octets": 2**32 + 7, "address": 2**128 - 1}
    assert dict(entry) == {"octets": 7, "address": 2**128 - 1}
    ctypes.c_uint32.from_address(view.address(0) + RECORDS.layout.size).value = 9
    assert entry["octets"] == 9
    entry["octets"] += 1
    assert view.entries() == [(0, 0), (10, 2**128 - 1)]
    with pytest.raises(KeyError):
        entry["packets"]
    with pytest.raises(TypeError):
        del entry["octets"]
    with pytest.raises(TypeError):
        view[0] = 5
    copy = live_map(RECORDS)
    copy.load(view.entries())
    assert copy.entries() == view.entries()


def test_counter_sums_its_copies() -> None:
    view = live_map(COUNTS, workers=3)
    assert isinstance(view, CounterView)
    for worker, count in enumerate((1, 2, 2**64 - 1)):
        (ctypes.c_uint64 * 5).from_address(view.address(worker))[4] = count
    assert (view[2], view[-2], list(view), len(view), 2 in view, -2 in view, 9 in view) == (
        2,
        0,
        [2],
        1,
        True,
        False,
        False,
    )
    assert view.address(1) % 64 == 0
    for key in (-3, 3):
        with pytest.raises(KeyError):
            view[key]
    view.load([(n,) for n in range(5)])
    assert view.entries() == [(n,) for n in range(5)]


def test_counter_is_set_in_one_copy() -> None:
    view = live_map(COUNTS, workers=2)
    assert isinstance(view, CounterView)
    (ctypes.c_uint64 * 5).from_address(view.address(1))[0] = 7
    view[-2] += 3
    assert (view[-2], (ctypes.c_uint64 * 5).from_address(view.address(1))[0]) == (10, 0)
    del view[-2]
    assert not view
    assert view.to_numpy()["value"].tolist() == [0] * 5


def _table(decl: MapDecl, **options: Any) -> TableView:
    view = live_map(decl, **options)
    assert isinstance(view, TableView)
    return view


def test_hash_map_as_a_mapping() -> None:
    view = _table(FLOWS)
    key = (IPv4Address("192.0.2.1"), -5)
    with pytest.raises(KeyError):
        view[key]
    view[key] = {"packets": 2**64 + 1, "octets": -7}
    entry = view[key]
    assert isinstance(entry, Entry)
    entry["packets"] += 1
    entry.octets -= 1
    assert entry.snapshot() == {"packets": 2, "octets": -8}
    assert (entry.packets, list(view), len(view), key in view) == (2, [key], 1, True)
    assert view.setdefault(key, {"packets": 9})["packets"] == 2
    view[key] = {"octets": 1}
    assert dict(view.items()) == {key: {"packets": 2, "octets": 1}}
    assert view.entries() == [(int(key[0]), -5, 2, 1)]
    del view[key]
    with pytest.raises(KeyError):
        entry["packets"]
    with pytest.raises(KeyError):
        del view[key]
    assert (view.inserted, view.deleted, view.failed) == (1, 1, 0)


def test_keys_and_values_of_another_form_are_refused() -> None:
    view = _table(FLOWS)
    with pytest.raises(TypeError, match="IPv4Address"):
        view[(1, 2)]
    with pytest.raises(OverflowError):
        view[(IPv4Address(1), 2**15)]
    with pytest.raises(TypeError, match="does not hold int"):
        view[(IPv4Address(1), 1)] = 3
    with pytest.raises(KeyError):
        view[(IPv4Address(1), 1)] = {"nothing": 3}
    with pytest.raises(AttributeError):
        _ = view.setdefault((IPv4Address(1), 1), {}).nothing
    assert len(view) == 1


def test_a_full_hash_map_counts_what_it_refuses() -> None:
    view = _table(FLOWS)
    for number in range(50):
        view[(IPv4Address(number), 0)] = {"packets": number}
    with pytest.raises(MapFull, match="flows"):
        view[(IPv4Address(50), 0)] = {}
    assert (len(view), view.failed) == (50, 1)
    del view[(IPv4Address(3), 0)]
    view[(IPv4Address(50), 0)] = {}
    view.clear()
    assert (len(view), view.entries(), view.deleted) == (0, [], 51)
    view.reset()
    assert (view.deleted, view.failed) == (0, 0)


def test_struct_and_rate_limit_values() -> None:
    rate = Layout.of(tuple((name, Scalar(8)) for name in ("credit", "stamp", "rate", "burst")))
    view = _table(MapDecl("rates", MapKind.HASH, rate, 4, key=(6,), key_types=("Mac",)))
    view[Mac("02:00:00:00:00:01")] = RateLimit(5, 7)
    assert view[Mac("02:00:00:00:00:01")].burst == 7
    with pytest.raises(TypeError, match="RateLimit"):
        _table(FLOWS)[(IPv4Address(1), 1)] = RateLimit(1)


def test_entries_travel_between_lang_and_memory() -> None:
    flows: Any = HashMap(tuple[IPv4Address, nmjit.i16], nmjit.u64, 50)
    seen: Any = LruHashMap(nmjit.u64, nmjit.u64, 40)
    for number in range(45):
        flows[(IPv4Address(number * 77), -number)] = number
        seen[number * number] = number
    there = _table(MapDecl("flows", MapKind.HASH, COUNT, 50, key=(4, 2), key_types=("IPv4Address", "i16")))
    there.load(flows.entries())
    assert sorted(there.entries()) == sorted(flows.entries())
    lru = _table(SEEN)
    lru.load(seen.entries())
    assert lru.entries() == seen.entries()
    back: Any = LruHashMap(nmjit.u64, nmjit.u64, 40)
    back.load(lru.entries())
    assert back.entries() == seen.entries()
    with pytest.raises(MapFull):
        there.load([(number, 0, 0) for number in range(51)])
    with pytest.raises(ValueError, match="3 numbers"):
        there.load([(1, 2)])


@pytest.mark.parametrize(("address", "network"), [(IPv4Address, IPv4Network), (IPv6Address, IPv6Network)])
def test_lpm_agrees_with_lang(address: Any, network: Any) -> None:
    width, chance = (32, random.Random(4)) if address is IPv4Address else (128, random.Random(6))
    decl = MapDecl("r", MapKind.LPM, COUNT, 300, key=(width // 8,), key_types=(address.__name__,))
    view, model = live_map(decl), LpmTrie(address, nmjit.u64, 300)
    assert isinstance(view, LpmView)
    networks = []
    for number in range(300):
        length = chance.choice([8, 16, 17, 24, 25, 30, width])
        first = chance.getrandbits(10) << width - 10 | chance.getrandbits(3) << width - length
        networks.append(network((first >> width - length << width - length, length)))
        view[networks[-1]] = model[networks[-1]] = number
    for _ in range(60):
        gone = networks.pop(chance.randrange(len(networks)))
        assert (gone in view) == (gone in model)
        if gone in model:
            del view[gone], model[gone]
    assert view.entries() == model.entries()
    assert list(view) == list(model)
    for _ in range(2000):
        one = address(chance.getrandbits(10) << width - 10 | chance.getrandbits(4) << width - 26)
        assert view.get(one) == model.get(one)
    there = live_map(decl)
    there.load(view.entries())
    assert there.entries() == model.entries()


def test_lpm_keys() -> None:
    view = live_map(ROUTES)
    assert isinstance(view, LpmView)
    view[IPv4Network("10.0.0.0/8")] = 1
    view[IPv4Address("10.1.1.1")] += 4
    assert view[IPv4Network("10.0.0.0/8")] == 5
    for missing in (IPv4Network("10.0.0.0/9"), IPv4Address("11.0.0.0")):
        assert missing not in view
        with pytest.raises(KeyError):
            view[missing]
    with pytest.raises(KeyError):
        view[IPv4Address("11.0.0.0")] = 1
    with pytest.raises(TypeError):
        del view[IPv4Address("10.0.0.0")]
    with pytest.raises(TypeError):
        view.setdefault(IPv4Address("10.0.0.0"), 1)
    with pytest.raises(ValueError, match="no network"):
        view.load([(1, 8, 0)])
    pairs = live_map(MapDecl("p", MapKind.LPM, COUNT, 9, key=(2,), key_types=("u16",)))
    assert isinstance(pairs, LpmView)
    pairs[(0x1200, 8)] = 3
    assert (pairs[0x12FF], list(pairs)) == (3, [(0x1200, 8)])
    with pytest.raises(ValueError, match="no network"):
        pairs[(0x1234, 8)] = 1


def test_histogram_agrees_with_lang() -> None:
    view, model, chance = live_map(DELAYS, workers=2), Histogram(4), random.Random(1)
    assert isinstance(view, HistogramView)
    with pytest.raises(ValueError, match="nothing was counted"):
        view.percentile(50)
    for _ in range(300):
        value = chance.getrandbits(chance.randrange(1, 65))
        view.add(value)
        model.add(value)
    (ctypes.c_uint64 * DELAYS.capacity).from_address(view.address(1))[0] += 2
    model.add(0)
    model.add(0)
    assert dict(view) == dict(model)
    assert (view.count, view.entries(), len(view)) == (model.count, model.entries(), len(model))
    for share in (0, 0.5, 50, 99.9, 100):
        assert view.percentile(share) == model.percentile(share)
    with pytest.raises(KeyError):
        view[(3, 4)]
    with pytest.raises(OverflowError):
        view.add(2**64)
    view.reset()
    assert view.count == 0


def test_bloom_agrees_with_lang() -> None:
    model: Any = Bloom(IPv4Address, 100, 0.01)
    blocks = block_count(100, 0.01)
    words = Layout.of(tuple((f"word{n}", Scalar(4)) for n in range(8)))
    view = live_map(MapDecl("b", MapKind.BLOOM, words, blocks, key=(4,), key_types=("IPv4Address",)))
    assert isinstance(view, BloomView)
    for number in range(0, 200, 2):
        assert view.add(IPv4Address(number)) == model.add(IPv4Address(number))
    assert view.entries() == model.entries()
    for number in range(400):
        assert (IPv4Address(number) in view) == (IPv4Address(number) in model)
    entries = view.entries()
    view.reset()
    assert IPv4Address(0) not in view
    view.load(entries)
    assert view.entries() == entries


def _emit(view: EventsView, worker: int, row: tuple[int, int]) -> None:
    """As compiled code does."""
    ring = (ctypes.c_uint64 * (map_bytes(EVENTS) // 8)).from_address(view.address(worker))
    if ring[0] - ring[8] == EVENTS.capacity:
        ring[1] += 1
        return
    at = RING_RECORDS // 8 + ring[0] % EVENTS.capacity * FLOW.size // 8
    ring[at], ring[at + 1] = row
    ring[0] += 1


def test_events_are_read_or_counted() -> None:
    view = live_map(EVENTS, workers=2)
    assert isinstance(view, EventsView)
    for number in range(6):
        _emit(view, 0, (number, number))
    _emit(view, 1, (100, 2**32 - 1))
    assert (len(view), view.emitted, view.delivered, view.dropped) == (5, 7, 0, 2)
    assert view.entries()[-1] == (100, -1)
    first = view.read(1)
    assert [(event.packets, event["octets"]) for event in first] == [(0, 0)]
    rest = view.read()
    assert [event["packets"] for event in rest] == [1, 2, 3, 100]
    _emit(view, 0, (9, 9))
    assert [dict(event) for event in view.read()] == [{"packets": 9, "octets": 9}]
    assert (view.emitted, view.delivered, view.dropped, len(view), bool(view)) == (8, 6, 2, 0, True)
    with pytest.raises(ValueError, match="room for 4"):
        view.load([(0, 0)] * 5)


def test_a_million_entries_as_one_array() -> None:
    numpy = pytest.importorskip("numpy")
    view = _table(MapDecl("big", MapKind.HASH, FLOW, 200_000, key=(4, 2), key_types=("IPv4Address", "u16")))
    view.load((number, number % 65536, number * 2, -number) for number in range(200_000))
    array = view.to_numpy()
    assert array.dtype.names == ("key0", "key1", "packets", "octets")
    assert len(array) == 200_000
    assert (array["packets"] == array["key0"].astype(numpy.uint64) * 2).all()
    assert (array["octets"] == -array["key0"].astype(numpy.int64)).all()


def test_the_gate_is_one_writer_at_a_time() -> None:
    gate = Gate()
    view = live_map(COUNTS, gate=gate)
    assert isinstance(view, CounterView)

    def add() -> None:
        for _ in range(2000):
            with gate:
                view[0] += 1  # raises the gate again, within

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert view[0] == 6000


def test_workers_beyond_what_fits_are_refused() -> None:
    for workers in (0, 65):
        with pytest.raises(ValueError, match="1 to 64 workers"):
            live_map(COUNTS, workers)


def test_views_are_mappings() -> None:
    assert all(isinstance(live_map(decl), Mapping) for decl in (BARE, COUNTS, FLOWS, SEEN, ROUTES, DELAYS))
