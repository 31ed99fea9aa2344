"""What maps hold, for reports: entries by key, as people and JSON write them.

This file must not know: where entries come from, how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeAlias

from nmjit._histogram import bucket_bounds
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.runtime.mapcodec import KeyCodec, ValueCodec

Field: TypeAlias = int | str
MapContents: TypeAlias = dict[int | str, int | dict[str, Field]]
"""Entries by key: integers, or structs by field. Keys and fields that are no integers are text."""


def map_contents(decl: MapDecl, entries: Sequence[tuple[int, ...]]) -> MapContents:
    """What the `entries` of a map say: of dense kinds those that are not all 0, of others all.

    Keys of several parts are joined by commas. A Histogram's are the least values of its buckets, those of Events
    count the records, and a Bloom filter has one, the number of bits that are set.
    """
    match decl.kind:
        case MapKind.ARRAY | MapKind.COUNTER:
            return {i + decl.key_base: _value(decl, entry) for i, entry in enumerate(entries) if any(entry)}
        case MapKind.HISTOGRAM:
            return {bucket_bounds(i, decl.detail)[0]: entry[0] for i, entry in enumerate(entries) if entry[0]}
        case MapKind.EVENTS:
            return {i: _value(decl, entry) for i, entry in enumerate(entries)}
        case MapKind.BLOOM:
            return {"bits": sum(word.bit_count() for entry in entries for word in entry)}
        case MapKind.HASH | MapKind.LRU:
            keys, parts = KeyCodec(decl), len(decl.key)
            return {_text(keys.key_of(entry[:parts])): _value(decl, entry[parts:]) for entry in entries}
        case MapKind.LPM:
            return {_network(decl, *entry[:2]): _value(decl, entry[2:]) for entry in entries}


def plain_maps(maps: Mapping[str, MapContents]) -> dict[str, dict[str, int | dict[str, Field]]]:
    """Maps as JSON has them: keys are text."""
    return {name: {str(key): value for key, value in held.items()} for name, held in maps.items()}


def _value(decl: MapDecl, fields: Sequence[int]) -> int | dict[str, Field]:
    values = ValueCodec(decl)
    if values.bare:
        return fields[0]
    return {name: each if isinstance(each, int) else str(each) for name, each in values.presented(fields).items()}


def _text(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _network(decl: MapDecl, address: int, length: int) -> str:
    match decl.key[0]:
        case 4:
            return str(IPv4Network((address, length)))
        case 16:
            return str(IPv6Network((address, length)))
        case _:
            return f"{_text(KeyCodec(decl).key_of((address,)))}/{length}"
