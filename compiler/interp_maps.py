"""The meaning of the ops about maps and their keys, for interp.py: each becomes a step over numbered registers.

Here operands are read, obligations tested and values wrapped to their fields; what a map then does is its state's
matter (mapstate.py). This file must not know: packets, control flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from nmjit._hash import key_hash, pack_key
from nmjit._histogram import log_bucket
from nmjit.compiler.interp_frame import Frame, Step, Unsound, where, wrapped
from nmjit.compiler.ir import (
    BloomAdd,
    BloomTest,
    EventEmit,
    KeyHash,
    LogBucket,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Op,
    PackKey,
    RateTake,
    Value,
)
from nmjit.compiler.irtypes import MapDecl, Scalar

Registers: TypeAlias = Mapping[Op, int]
"""The register of each value."""
_Meaning: TypeAlias = Callable[..., Any]
"""What an op makes of the frame and its operands."""


def map_step(op: Op, registers: Registers) -> Step:
    """What `op` does to a frame."""
    match op:
        case EventEmit():
            return _effect(registers, op.values, _emit(op))
        case MapStore():
            return _effect(registers, (op.index, op.value), _store(op))
        case MapAdd():
            return _effect(registers, (op.index, op.value), _add(op))
    return _value(registers[op], registers, op.operands(), _meaning(op))


def _value(result: int, registers: Registers, operands: Sequence[Value], meaning: _Meaning) -> Step:
    sources = [registers[operand] for operand in operands]

    def step(frame: Frame) -> None:
        regs = frame.regs
        regs[result] = meaning(frame, *[regs[source] for source in sources])

    return step


def _effect(registers: Registers, operands: Sequence[Value], meaning: _Meaning) -> Step:
    sources = [registers[operand] for operand in operands]

    def step(frame: Frame) -> None:
        regs = frame.regs
        meaning(frame, *[regs[source] for source in sources])

    return step


def _meaning(op: Op) -> _Meaning:
    """The op's value, as a function of the frame and its operands in order."""
    match op:
        case PackKey(sizes=sizes):
            return lambda frame, *parts: pack_key(parts, sizes)
        case KeyHash():
            name = op.map.name
            return lambda frame, key: key_hash(key, frame.maps[name].seed)
        case LogBucket(precision=precision):
            return lambda frame, a: log_bucket(_word(op, a), precision)
        case MapLoad():
            return _load(op)
        case MapFind():
            return _find(op)
        case MapInsert():
            return _insert(op)
        case MapDelete():
            return _delete(op)
        case LpmFind():
            return _longest(op)
        case BloomTest():
            name = op.map.name
            return lambda frame, hashed: frame.maps[name].test(_word(op, hashed))
        case BloomAdd():
            name = op.map.name
            return lambda frame, hashed: frame.maps[name].add(_word(op, hashed))
        case RateTake():
            return _take(op)
    raise AssertionError(f"no meaning for {type(op).__name__}")


# Entries


def _field(decl: MapDecl, name: str) -> tuple[int, Scalar]:
    """Place of the field among the map's fields, and its type."""
    field = decl.layout.field(name)
    return decl.layout.fields.index(field), field.scalar


def _load(op: MapLoad) -> _Meaning:
    name, (place, _) = op.map.name, _field(op.map, op.field)

    def load(frame: Frame, index: int) -> int:
        value: int = _reached(frame.maps[name], index, op).read(index, place)
        return value

    return load


def _store(op: MapStore) -> _Meaning:
    name, (place, scalar) = op.map.name, _field(op.map, op.field)

    def store(frame: Frame, index: int, value: int) -> None:
        _reached(frame.maps[name], index, op).write(index, place, wrapped(value, scalar))

    return store


def _add(op: MapAdd) -> _Meaning:
    name, (place, scalar) = op.map.name, _field(op.map, op.field)

    def add(frame: Frame, index: int, value: int) -> None:
        state = _reached(frame.maps[name], index, op)
        state.write(index, place, wrapped(state.read(index, place) + value, scalar))

    return add


def _take(op: RateTake) -> _Meaning:
    name = op.map.name

    def take(frame: Frame, index: int, amount: int, now: int) -> bool:
        state = _reached(frame.maps[name], index, op)
        if amount >> 32:
            raise Unsound(f"{where(op)}: {amount} tokens at once")
        taken: bool = state.take(index, amount, _word(op, now))
        return taken

    return take


def _reached(state: Any, index: int, op: Op) -> Any:
    """`state`, of which the packet may touch entry `index`."""
    if not state.reached(index):
        raise Unsound(f"{where(op)}: index {index} of {state.decl.capacity}, or not of this packet")
    return state


# Keys


def _find(op: MapFind) -> _Meaning:
    name, touch = op.map.name, op.touch

    def find(frame: Frame, key: bytes, hashed: int) -> int:
        index: int = _hashed(frame.maps[name], key, hashed, op).find(key, hashed, touch)
        return index

    return find


def _insert(op: MapInsert) -> _Meaning:
    name, scalars = op.map.name, [field.scalar for field in op.map.layout.fields]

    def insert(frame: Frame, key: bytes, hashed: int, *values: int) -> int:
        entry = [wrapped(value, scalar) for value, scalar in zip(values, scalars, strict=True)]
        index: int = _hashed(frame.maps[name], key, hashed, op).insert(key, hashed, entry)
        return index

    return insert


def _delete(op: MapDelete) -> _Meaning:
    name = op.map.name

    def delete(frame: Frame, key: bytes, hashed: int) -> bool:
        deleted: bool = _hashed(frame.maps[name], key, hashed, op).delete(key, hashed)
        return deleted

    return delete


def _hashed(state: Any, key: bytes, hashed: int, op: Op) -> Any:
    """`state`, under whose seed the key has this hash."""
    if key_hash(key, state.seed) != hashed:
        raise Unsound(f"{where(op)}: {hashed} is not the hash of {key.hex()}")
    return state


def _longest(op: LpmFind) -> _Meaning:
    name, width = op.map.name, 8 * op.map.key[0]

    def longest(frame: Frame, address: int) -> int:
        if address >> width:
            raise Unsound(f"{where(op)}: {address} is no address of {width} bits")
        index: int = frame.maps[name].longest(address)
        return index

    return longest


# Others


def _emit(op: EventEmit) -> _Meaning:
    name, scalars = op.map.name, [field.scalar for field in op.map.layout.fields]

    def emit(frame: Frame, *values: int) -> None:
        frame.maps[name].emit(tuple(wrapped(value, scalar) for value, scalar in zip(values, scalars, strict=True)))

    return emit


def _word(op: Op, value: int) -> int:
    """`value`, which must be a u64."""
    if value >> 64:
        raise Unsound(f"{where(op)}: {value} is no u64")
    return value
