"""Maps in files: kept across restarts, locked while in use, refused where they do not fit, read by other processes."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.runtime.errors import MapFileError
from nmjit.runtime.mapfile import HEADER_BYTES
from nmjit.runtime.maps import CounterView, LpmView, TableView, live_map, open_map

COUNT = Layout.of((("", Scalar(8)),))
PAIR = Layout.of((("a", Scalar(8)), ("b", Scalar(8))))
FLOWS = MapDecl("flows", MapKind.HASH, PAIR, 100, key=(4, 2), key_types=("IPv4Address", "u16"))
SEEN = MapDecl("seen", MapKind.LRU, PAIR, 100, key=(8,), key_types=("u64",))
ROUTES = MapDecl("routes", MapKind.LPM, COUNT, 100, key=(4,), key_types=("IPv4Address",))
COUNTS = MapDecl("counts", MapKind.COUNTER, COUNT, 256)


def test_contents_outlive_the_map(tmp_path: Path) -> None:
    flows, routes = live_map(FLOWS, pin=tmp_path, seed=5), live_map(ROUTES, pin=tmp_path)
    assert isinstance(flows, TableView)
    assert isinstance(routes, LpmView)
    flows[(IPv4Address(1), 2)] = {"a": 3, "b": 4}
    routes[IPv4Network("10.0.0.0/8")] = 7
    routes[IPv4Network("10.1.1.128/25")] = 8
    del flows, routes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flows.map", "routes.map"]
    again, paths = live_map(FLOWS, pin=tmp_path, seed=6), live_map(ROUTES, pin=tmp_path)
    assert isinstance(again, TableView)
    assert isinstance(paths, LpmView)
    assert (again.entries(), again.seed) == ([(1, 2, 3, 4)], 5)
    assert (paths[IPv4Address("10.1.1.129")], paths[IPv4Address("10.1.1.1")]) == (8, 7)


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    view = live_map(FLOWS, pin=tmp_path)
    with pytest.raises(MapFileError, match=rf"flows.map: in use by process {os.getpid()}"):
        live_map(FLOWS, pin=tmp_path)
    del view
    live_map(FLOWS, pin=tmp_path)


@pytest.mark.parametrize(
    ("decl", "says"),
    [
        (replace(FLOWS, kind=MapKind.LRU), "kind hash, declared lru"),
        (replace(FLOWS, capacity=99), "capacity 100, declared 99"),
        (replace(FLOWS, layout=COUNT), r"value \(a: u64, b: u64\), declared \(u64\)"),
        (replace(FLOWS, key_types=("u32", "u16")), r"key \(IPv4Address, u16\), declared \(u32, u16\)"),
    ],
)
def test_another_map_is_refused(tmp_path: Path, decl: MapDecl, says: str) -> None:
    live_map(FLOWS, pin=tmp_path)
    before = (tmp_path / "flows.map").read_bytes()
    with pytest.raises(MapFileError, match=says):
        live_map(decl, pin=tmp_path)
    assert (tmp_path / "flows.map").read_bytes() == before


def _patch(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    ("at", "data", "says"),
    [
        (0, b"not", "not the file of a map"),
        (8, struct.pack("<I", 9), "written with layout 9"),
        (60, b"!", "damaged: its header"),
        (HEADER_BYTES + 8, b"\7", "damaged: not a table of this shape"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, at: int, data: bytes, says: str) -> None:
    live_map(FLOWS, pin=tmp_path)
    path = tmp_path / "flows.map"
    _patch(path, at, data)
    with pytest.raises(MapFileError, match=says):
        live_map(FLOWS, pin=tmp_path)
    with pytest.raises(MapFileError, match=says):
        open_map(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    live_map(FLOWS, pin=tmp_path)
    path = tmp_path / "flows.map"
    for size in (HEADER_BYTES + 4096, 50, 0):
        os.truncate(path, size)
        with pytest.raises(MapFileError):
            live_map(FLOWS, pin=tmp_path)


def test_more_workers_find_what_fewer_counted(tmp_path: Path) -> None:
    view = live_map(COUNTS, 1, pin=tmp_path)
    assert isinstance(view, CounterView)
    view[5] = 9
    del view
    wide = live_map(COUNTS, 3, pin=tmp_path)
    assert isinstance(wide, CounterView)
    assert (wide[5], wide.segment.copies) == (9, 3)
    wide.segment.copy(2).cast("Q")[5] = 4
    del wide
    narrow = live_map(COUNTS, 1, pin=tmp_path)
    assert isinstance(narrow, CounterView)
    assert narrow[5] == 13


def test_another_process_reads_live(tmp_path: Path) -> None:
    view = live_map(FLOWS, pin=tmp_path)
    assert isinstance(view, TableView)
    reader = open_map(tmp_path / "flows.map")
    assert isinstance(reader, TableView)
    view[(IPv4Address(9), 9)] = {"a": 1}
    assert reader.entries() == [(9, 9, 1, 0)]
    for write in (
        lambda: reader.update({(IPv4Address(9), 9): {"a": 2}}),
        lambda: reader[(IPv4Address(9), 9)].update(a=2),
        reader.clear,
        lambda: reader.load([]),
    ):
        with pytest.raises(TypeError, match="only be read"):
            write()
    memory = live_map(replace(FLOWS, name="m"))
    assert isinstance(memory, TableView)
    memory[(IPv4Address(1), 1)] = {"b": 5}
    other = open_map(f"/proc/self/fd/{memory.segment.memory.fileno()}")
    assert other.entries() == [(1, 1, 0, 5)]


WRITER = """
import random, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from ipaddress import IPv4Network
from tests.runtime.test_mapfile import SEEN, ROUTES
from nmjit.runtime.maps import live_map
folder, chance = Path(sys.argv[1]), random.Random()
seen, routes = live_map(SEEN, pin=folder), live_map(ROUTES, pin=folder)
print("ready", flush=True)
while True:
    key = chance.randrange(400)
    seen[key] = {"a": key, "b": ~key}
    length = chance.choice([16, 20, 24, 28, 32])
    network = IPv4Network((chance.getrandbits(6) << 26 >> 32 - length << 32 - length, length))
    if chance.random() < 0.5 and len(routes) < 90:
        routes[network] = length
    elif network in routes:
        del routes[network]
"""


@pytest.mark.slow
def test_killed_processes_leave_files_that_the_next_one_uses(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    for turn in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), root], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.05 + 0.013 * turn)
            child.send_signal(signal.SIGKILL)
        seen, routes = live_map(SEEN, pin=tmp_path), live_map(ROUTES, pin=tmp_path)
        assert isinstance(seen, TableView)
        assert isinstance(routes, LpmView)
        entries = seen.entries()
        assert len(entries) == len(seen) > 0
        assert all(a in (key, 0) and b in (2**64 - 1 - key, 0) for key, a, b in entries)
        _check_routes(routes)
        del seen, routes


def _check_routes(routes: LpmView) -> None:
    """Each address finds the longest of the networks that are listed."""
    networks: dict[Any, int] = dict(routes.items())
    for number in range(64):
        address = IPv4Address(number << 26)
        longest = max((n for n in networks if address in n), key=lambda n: n.prefixlen, default=None)
        assert routes.get(address) == (None if longest is None else longest.prefixlen)
