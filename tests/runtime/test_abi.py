"""The C structs have the offsets of compiler/abi.py, and the netmap header those of the published API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmjit.compiler.abi import SHARED_STRUCTS, CStruct
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
    constants += IOCTLS
    values += IOCTLS
    builder = cffi.FFI()
    builder.cdef("".join(f"unsigned long long get_{name}(void);" for name in constants))
    bodies = [f"unsigned long long get_{n}(void) {{ return {v}; }}" for n, v in zip(constants, values, strict=True)]
    includes = [str(ROOT / "runtime/csrc"), str(ROOT / "kernel/uapi")]
    builder.set_source("_abi", '#include "abi.h"\n' + "\n".join(bodies), include_dirs=includes)
    return _load(builder.compile(tmpdir=str(folder)))


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
