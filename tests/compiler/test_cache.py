"""The object cache: what is found again, and what must not be."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nmjit.compiler import cache
from nmjit.compiler.cache import CachedObject, ObjectCache, cache_directory, entry_key
from tests.compiler.test_artifact import ARTIFACT

KEY = entry_key({"source": "pass"})
ENTRY = CachedObject(ARTIFACT, b"\x7fELF" + bytes(range(256)))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "nmjit"


def the_file(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


def test_stored_entry_is_found(directory: Path) -> None:
    ObjectCache(directory).store(KEY, ENTRY)
    assert ObjectCache(directory).load(KEY) == ENTRY
    assert ObjectCache(directory).load(entry_key({"source": "drop"})) is None


def test_files_are_private(directory: Path) -> None:
    ObjectCache(directory).store(KEY, ENTRY)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert the_file(directory).stat().st_mode & 0o077 == 0


def test_without_directory_nothing_is_kept() -> None:
    nowhere = ObjectCache(None)
    nowhere.store(KEY, ENTRY)
    assert nowhere.load(KEY) is None


@pytest.mark.parametrize("size", [0, 1, len(cache.MAGIC) + 10, len(cache.MAGIC) + 40, -1])
def test_truncated_entry_is_absent_and_replaced(directory: Path, size: int) -> None:
    store = ObjectCache(directory)
    store.store(KEY, ENTRY)
    content = the_file(directory).read_bytes()
    the_file(directory).write_bytes(content[:size])
    assert store.load(KEY) is None
    store.store(KEY, ENTRY)
    assert store.load(KEY) == ENTRY


def test_any_altered_byte_makes_it_absent(directory: Path) -> None:
    store = ObjectCache(directory)
    store.store(KEY, ENTRY)
    content = the_file(directory).read_bytes()
    for place in range(0, len(content), 37):
        altered = bytearray(content)
        altered[place] ^= 0x10
        the_file(directory).write_bytes(altered)
        assert store.load(KEY) is None, place


def test_entry_of_another_version_is_absent(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(ARTIFACT), "to_json", lambda self: '{"name": "older"}')
    ObjectCache(directory).store(KEY, ENTRY)
    assert ObjectCache(directory).load(KEY) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_directory_that_others_may_write_is_not_trusted(directory: Path, mode: int) -> None:
    store = ObjectCache(directory)
    store.store(KEY, ENTRY)
    directory.chmod(mode)
    assert store.load(KEY) is None
    before = the_file(directory).stat().st_mtime_ns
    store.store(KEY, ENTRY)
    assert the_file(directory).stat().st_mtime_ns == before


def test_file_that_others_may_write_is_not_trusted(directory: Path) -> None:
    store = ObjectCache(directory)
    store.store(KEY, ENTRY)
    the_file(directory).chmod(0o606)
    assert store.load(KEY) is None


def test_entries_of_another_user_are_not_trusted(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectCache(directory)
    store.store(KEY, ENTRY)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert store.load(KEY) is None


def test_longest_unused_entries_go_first(directory: Path) -> None:
    keys = [entry_key({"source": str(number)}) for number in range(4)]
    unbound = ObjectCache(directory)
    for age, key in enumerate(keys):
        unbound.store(key, ENTRY)
        os.utime(next(directory.glob(f"{key}*")), (1000 + age, 1000 + age))
    size = the_size(directory, keys[0])
    assert unbound.load(keys[0]) == ENTRY  # used just now
    newest = entry_key({"source": "newest"})
    ObjectCache(directory, limit=3 * size).store(newest, ENTRY)
    kept = {key for key in [*keys, newest] if unbound.load(key)}
    assert kept == {keys[0], keys[3], newest}


def the_size(directory: Path, key: str) -> int:
    return next(directory.glob(f"{key}*")).stat().st_size


def test_unwritable_place_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = ObjectCache(blocked / "nmjit")
    store.store(KEY, ENTRY)
    assert store.load(KEY) is None


def test_failed_write_leaves_no_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    ObjectCache(directory).store(KEY, ENTRY)
    assert list(directory.iterdir()) == []


def _store_many(directory: Path, fill: int) -> None:
    store = ObjectCache(directory, limit=200_000)
    for _ in range(60):
        store.store(KEY, CachedObject(replace(ARTIFACT, report=str(fill)), bytes([fill]) * 30_000))


def test_processes_never_see_half_an_entry(directory: Path) -> None:
    _store_many(directory, 0)
    writers = [multiprocessing.Process(target=_store_many, args=(directory, fill)) for fill in (1, 2)]
    for writer in writers:
        writer.start()
    seen = 0
    while any(writer.is_alive() for writer in writers):
        found = ObjectCache(directory).load(KEY)
        assert found is not None
        assert found.image == bytes([int(found.artifact.report)]) * 30_000
        seen += 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen > 0


def test_key_tells_parts_apart() -> None:
    assert entry_key({"a": "1", "b": "2"}) == entry_key({"b": "2", "a": "1"})
    others = [{"a": "12", "b": ""}, {"a": "1", "b": "3"}, {"a": "1"}, {"a": '1", "b": "2'}]
    assert len({entry_key(parts) for parts in [{"a": "1", "b": "2"}, *others]}) == 5


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/home/user/.cache/nmjit"),
        ({"XDG_CACHE_HOME": "/var/cache"}, "/var/cache/nmjit"),
        ({"XDG_CACHE_HOME": ""}, "/home/user/.cache/nmjit"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/user/.cache/nmjit"),
    ],
)
def test_directory_follows_xdg(environment: dict[str, str], expected: str) -> None:
    assert cache_directory(environment, Path("/home/user")) == Path(expected)
