"""The cache key: whatever changes the code changes the text, and what can't be described is not cached."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmjit.compiler.fingerprint import Fingerprint
from nmjit.compiler.loader import load_filter

HEAD = """
import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from nmjit import *

"""
BODY = """

def helper(x: int, y: int = 1) -> int:
    return x + y

@filter
def f(pkt: Packet) -> Verdict:
    return DROP if helper(len(pkt)) and use(VALUE) else PASS

def use(value: object) -> bool:
    return value is not None
"""


def written(folder: Path, value: str, body: str = BODY) -> Path:
    path = folder / "f.py"
    path.write_text(f"{HEAD}VALUE = {value}\n{body}")
    return path


def fingerprint(folder: Path, value: str, body: str = BODY) -> Fingerprint:
    return Fingerprint(load_filter(written(folder, value, body)))


VALUES = [
    "1",
    "2",
    "True",
    "'text'",
    "b'bytes'",
    "(1, 2)",
    "(1, (2,))",
    "frozenset({1, 2})",
    "range(5)",
    "IPv4Address('192.0.2.1')",
    "IPv4Address('192.0.2.2')",
    "ip_network('192.0.2.0/24')",
    "Mac('02:00:00:00:00:01')",
    "NetworkSet(['192.0.2.0/24'])",
    "NetworkSet(['192.0.2.0/25'])",
    "DROP",
    "u8",
    "i8",
    "enum.Enum('E', {'A': 1})",
    "enum.Enum('E', {'A': 2})",
    "enum.Enum('E', {'A': 1}).A",
    "dataclass(frozen=True)(type('Rule', (), {'__annotations__': {'port': int}}))(80)",
    "dataclass(frozen=True)(type('Rule', (), {'__annotations__': {'port': int}}))(81)",
    "Array(u64, 4)",
    "Array(u64, 8)",
    "Array(u32, 4)",
    "Counter(u8)",
    "Counter(i8)",
    "Array(RateLimit, 4)",
    "Array(struct(type('S', (), {'__annotations__': dict.fromkeys(('credit', 'stamp', 'rate', 'burst'), u64)})), 4)",
    "HashMap(key=u16, value=u64, capacity=4)",
    "HashMap(key=u16, value=u64, capacity=8)",
    "HashMap(key=i16, value=u64, capacity=4)",
    "HashMap(key=u16, value=u32, capacity=4)",
    "HashMap(key=tuple[u16], value=u64, capacity=4)",
    "HashMap(key=tuple[u8, u8], value=u64, capacity=4)",
    "HashMap(key=struct(type('S', (), {'__annotations__': {'a': u8}})), value=u64, capacity=4)",
    "HashMap(key=struct(type('S', (), {'__annotations__': {'a': u16}})), value=u64, capacity=4)",
    "HashMap(key=u16, value=struct(type('S', (), {'__annotations__': {'a': u8}})), capacity=4)",
    "HashMap(key=u16, value=struct(type('S', (), {'__annotations__': {'a': bool}})), capacity=4)",
    "LruHashMap(key=u16, value=u64, capacity=4)",
    "LpmTrie(key=IPv4Address, value=u64, capacity=4)",
    "LpmTrie(key=u32, value=u64, capacity=4)",
    "Histogram()",
    "Histogram(3)",
    "Bloom(key=u16, capacity=100)",
    "Bloom(key=u32, capacity=100)",
    "Bloom(key=u16, capacity=100, error=0.001)",
    "Events(struct(type('S', (), {'__annotations__': {'a': u8}})), 4)",
    "Events(struct(type('S', (), {'__annotations__': {'a': u16}})), 4)",
    "RateLimit",
    "Port()",
    "Port(optional=True)",
    "header(type('H', (), {'__annotations__': {'a': u8}}))",
    "header(type('H', (), {'__annotations__': {'a': u16}}))",
    "struct(type('S', (), {'__annotations__': {'a': u8}, 'a': 1}))",
    "struct(type('S', (), {'__annotations__': {'a': u8}, 'a': 2}))",
]


def test_every_constant_has_a_text_of_its_own(tmp_path: Path) -> None:
    texts: dict[str, str] = {}
    for value in VALUES:
        text = fingerprint(tmp_path, value).text
        assert text is not None, value
        described = "\n".join(line for line in text.splitlines() if not line.startswith("def "))
        assert described not in texts, (value, texts.get(described))
        texts[described] = value


def test_one_text_for_one_filter(tmp_path: Path) -> None:
    assert fingerprint(tmp_path, "{3, 1, 2}").text == fingerprint(tmp_path, "{3, 1, 2}").text


@pytest.mark.parametrize("change", [("x + y", "x - y"), ("y: int = 1", "y: int = 2"), ("\n@filter", "\n\n@filter")])
def test_the_text_of_the_code_counts(tmp_path: Path, change: tuple[str, str]) -> None:
    assert fingerprint(tmp_path, "1").text != fingerprint(tmp_path, "1", BODY.replace(*change)).text


@pytest.mark.parametrize("value", ["object()", "(1, object())", "1.5", "lambda: 1"])
def test_what_cannot_be_described_is_not_cached(tmp_path: Path, value: str) -> None:
    text = fingerprint(tmp_path, value).text
    assert text is None or "lambda" in value  # a lambda is described by its file and line


def test_what_a_map_holds_is_no_part_of_the_code(tmp_path: Path) -> None:
    filter_ = load_filter(written(tmp_path, "HashMap(key=u32, value=u64, capacity=8)"))
    empty = Fingerprint(filter_)
    empty.maps["VALUE"][5] = 7
    assert Fingerprint(filter_).text == empty.text


def test_maps_and_ports_are_found_by_name(tmp_path: Path) -> None:
    found = fingerprint(tmp_path, "Array(u64, 4)")
    assert list(found.maps) == ["VALUE"]
    assert list(fingerprint(tmp_path, "Port()").ports) == ["VALUE"]
