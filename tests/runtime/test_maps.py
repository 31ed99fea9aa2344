"""Live maps over shared memory: arrays of integers and records, counters summed over workers."""

from __future__ import annotations

import ctypes

import pytest

from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.runtime.maps import ArrayView, CounterView, Entry, live_map

BARE = MapDecl("bare", MapKind.ARRAY, Layout.of((("", Scalar(2, signed=True)),)), 3)
RECORDS = MapDecl("flows", MapKind.ARRAY, Layout.of((("octets", Scalar(4)), ("address", Scalar(16)))), 2)
COUNTS = MapDecl("counts", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 5, key_base=-2)


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
    with pytest.raises(ValueError, match="shorter"):
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
