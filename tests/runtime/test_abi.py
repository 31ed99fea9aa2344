"""The C structs have the offsets of compiler/abi.py and compiler/maplayout.py, and netmap's those of its API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmjit.compiler import maplayout
from nmjit.compiler.abi import FLAG_HOLD, FLAG_SHARED, FLAG_TOUCH, SHARED_STRUCTS, CStruct
from tests.runtime.conftest import ROOT

cffi = pytest.importorskip("cffi")

IOCTLS = {
    "NIOCCTRL": 0xC0586997,
    "NIOCTXSYNC": 0x6994,
    "NIOCRXSYNC": 0x6995,
    "NIOCGINFO": 0xC03C6991,
    "NIOCREGIF": 0xC03C6992,
    "NIOCCONFIG": 0xC1106996,
}
MAP_STRUCTS = (maplayout.TABLE, maplayout.GROUP, maplayout.HELD, maplayout.LPM, maplayout.RING)
NUMBERS = {
    "TABLE_GROUP": maplayout.GROUP_SLOTS,
    "TABLE_WORKERS": maplayout.MAX_WORKERS,
    "TABLE_HELD": maplayout.HELD_SLOTS,
    "TABLE_TOUCH": FLAG_TOUCH,
    "TABLE_HOLD": FLAG_HOLD,
    "TABLE_SHARED": FLAG_SHARED,
    "LPM_NODE_CELLS": maplayout.LPM_NODE_CELLS,
    "LPM_CHILD": maplayout.LPM_CHILD,
    "GATE_WORKERS": maplayout.MAX_WORKERS,
    "sizeof(struct nmjit_held)": maplayout.HELD_SIZE,
    "sizeof(((struct nmjit_held *)0)->slots)": 4 * maplayout.HELD_SLOTS,
    "offsetof(struct nmjit_ring, records)": maplayout.RING_RECORDS,
}
"""What C calls it: what Python says."""
INCLUDES = "".join(f'#include "{name}.h"\n' for name in ("abi", "events", "gate", "lpm", "ops", "table"))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the C compiler says of every struct and member that abi.py names."""
    folder = tmp_path_factory.mktemp("abi")
    constants = [f"size_of_{s.name}" for s in SHARED_STRUCTS]
    values = [f"sizeof(struct {s.name})" for s in SHARED_STRUCTS]
    for struct in SHARED_STRUCTS:
        for member in struct.members:
            constants += [f"{kind}_{struct.name}_{member.name}" for kind in ("offset", "bytes")]
            values.append(f"offsetof(struct {struct.name}, {member.name})")
            values.append(f"sizeof(((struct {struct.name} *)0)->{member.name})")
    for struct in MAP_STRUCTS:
        for name in _map_members(struct):
            constants.append(f"offset_{struct.name}_{name}")
            values.append(f"offsetof(struct {struct.name}, {name})")
    constants += [f"number_{i}" for i in range(len(NUMBERS))]
    values += NUMBERS
    constants += [f"size_of_{s.name}" for s in MAP_STRUCTS]
    values += [f"sizeof(struct {s.name})" for s in MAP_STRUCTS]
    constants += IOCTLS
    values += IOCTLS
    builder = cffi.FFI()
    builder.cdef("".join(f"unsigned long long get_{name}(void);" for name in constants))
    bodies = [f"unsigned long long get_{n}(void) {{ return {v}; }}" for n, v in zip(constants, values, strict=True)]
    includes = [str(ROOT / "runtime/csrc"), str(ROOT / "kernel/uapi")]
    builder.set_source("_abi", INCLUDES + "\n".join(bodies), include_dirs=includes)
    return _load(builder.compile(tmpdir=str(folder)))


def _map_members(struct: CStruct) -> list[str]:
    return [member.name for member in struct.members if not member.name.startswith("unused")]


def _load(path: str) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("_abi", Path(path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lib


@pytest.mark.parametrize("struct", SHARED_STRUCTS, ids=lambda struct: struct.name)
def test_every_offset_agrees(native: Any, struct: CStruct) -> None:
    for member in struct.members:
        assert getattr(native, f"get_offset_{struct.name}_{member.name}")() == struct.offset(member.name), member
        assert getattr(native, f"get_bytes_{struct.name}_{member.name}")() == member.size, member
    assert getattr(native, f"get_size_of_{struct.name}")() == struct.size


@pytest.mark.parametrize("name", IOCTLS)
def test_ioctl_numbers(native: Any, name: str) -> None:
    assert getattr(native, f"get_{name}")() == IOCTLS[name]


@pytest.mark.parametrize("struct", MAP_STRUCTS, ids=lambda struct: struct.name)
def test_every_offset_of_a_map_agrees(native: Any, struct: CStruct) -> None:
    for name in _map_members(struct):
        assert getattr(native, f"get_offset_{struct.name}_{name}")() == struct.offset(name), name


@pytest.mark.parametrize("struct", [maplayout.TABLE, maplayout.GROUP, maplayout.LPM], ids=lambda struct: struct.name)
def test_sizes_of_heads(native: Any, struct: CStruct) -> None:
    assert getattr(native, f"get_size_of_{struct.name}")() == struct.size


@pytest.mark.parametrize(("number", "name"), tuple(enumerate(NUMBERS)))
def test_numbers_of_maps(native: Any, number: int, name: str) -> None:
    assert getattr(native, f"get_number_{number}")() == NUMBERS[name]
