"""Builds what the benchmark runs: the harness (a cffi extension), the C engines (shared objects), the C readers.

Everything is cached under one directory, by a hash of the sources and the command that makes it, so a second run builds
nothing. The structs shared with C are written from `compiler/abi.py`, and from nowhere else.

This file must not know what is measured.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import cffi

from nmjit.bench.acl_c import acl_header
from nmjit.bench.acl_rules import RULES
from nmjit.compiler.abi import BATCH_SYMBOL, SHARED_STRUCTS, CStruct

SOURCES: Final = Path(__file__).resolve().parent / "csrc"
FLAGS: Final = ("-O3", "-march=native", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
HARNESS: Final = "_nmjit_bench_harness"


class Unavailable(Exception):
    """An engine or tool that this machine lacks; the message is the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: the name that reports show, and the commands to try in order."""

    name: str
    commands: tuple[str, ...]

    def find(self) -> str:
        """The first command that exists; Unavailable where none does."""
        for command in self.commands:
            if path := shutil.which(command):
                return path
        raise Unavailable(f"{' or '.join(self.commands)} not found")


GCC: Final = Compiler("gcc", ("gcc",))
CLANG: Final = Compiler("clang", ("clang-19", "clang"))


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds into `cache`, an absolute directory; see `open_builder`."""

    cache: Path

    def shared_object(
        self,
        source: str,
        compiler: Compiler,
        defines: Sequence[str] = (),
        libraries: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> Path:
        """`csrc/<source>` as a shared object; Unavailable with the compiler's last line where it does not build."""
        options = (*(f"-D{define}" for define in defines), *flags, "-fPIC", "-shared")
        return self._compile(source, compiler, options, tuple(f"-l{library}" for library in libraries), ".so")

    def program(self, source: str, compiler: Compiler) -> Path:
        """`csrc/<source>` as an executable; raises as `shared_object`."""
        return self._compile(source, compiler, (), (), "")

    def harness(self) -> ModuleType:
        """The cffi module of harness.h and the shared structs: `.ffi` and `.lib`."""
        found = self.cache / f"harness-{self._key('harness', FLAGS, sys.version)}"
        made = next(iter(found.glob(f"{HARNESS}*.so")), None) if found.is_dir() else None
        return _import_extension(made or self._build_harness(found))

    def _build_harness(self, target: Path) -> Path:
        ffi = cffi.FFI()
        ffi.cdef(abi_declarations() + _harness_declarations())
        ffi.set_source(
            HARNESS,
            '#include "harness.h"\n#include "keyed.h"\n#include "traffic.h"',
            sources=[str(SOURCES / name) for name in ("harness.c", "keyed.c", "traffic.c")],
            include_dirs=[str(SOURCES), str(self._generated())],
            extra_compile_args=["-O3", "-march=native", "-std=gnu11"],
        )
        with tempfile.TemporaryDirectory(dir=self.cache) as work:
            try:
                ffi.compile(tmpdir=work)
            except cffi.VerificationError as error:
                raise Unavailable(f"harness: {_first_error(str(error))}") from None
            target.mkdir(exist_ok=True)
            made = next(Path(work).glob(f"{HARNESS}*.so"))
            return made.replace(target / made.name)

    def _compile(
        self, source: str, compiler: Compiler, options: tuple[str, ...], libraries: tuple[str, ...], suffix: str
    ) -> Path:
        command = (compiler.find(), *FLAGS, *options, f"-I{SOURCES}", f"-I{self._generated()}", str(SOURCES / source))
        target = self.cache / f"{Path(source).stem}-{compiler.name}-{self._key(*command, *libraries)}{suffix}"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=self.cache) as work:
                made = Path(work) / "made"
                done = subprocess.run([*command, *libraries, "-o", str(made)], capture_output=True, text=True)
                if done.returncode:
                    raise Unavailable(f"{source} with {compiler.name}: {_first_error(done.stderr)}")
                made.replace(target)
        return target

    def _generated(self) -> Path:
        """The directory with the headers that Python writes, named by their contents."""
        headers = {"bench_abi.h": abi_header(), "acl_rules.h": acl_header(RULES)}
        digest = hashlib.sha256("".join(headers.values()).encode()).hexdigest()[:16]
        directory = self.cache / f"include-{digest}"
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in headers.items():
            if not (directory / name).exists():
                partial = directory / f"{name}.{os.getpid()}"
                partial.write_text(text)
                partial.replace(directory / name)
        return directory

    def _key(self, *parts: object) -> str:
        """A name for a build: its command, every source file and header, and the CPU that -march=native means."""
        digest = hashlib.sha256(repr(parts).encode())
        digest.update((abi_header() + acl_header(RULES)).encode())
        for path in sorted(SOURCES.iterdir()):
            digest.update(path.read_bytes())
        digest.update(_cpu_model().encode())
        return digest.hexdigest()[:16]


def open_builder(cache: Path) -> Builder:
    """A builder over `cache`, which is made where it is missing; OSError where it cannot be."""
    cache.mkdir(parents=True, exist_ok=True)
    return Builder(cache.resolve())


def function_address(path: Path, prepare: str | None = None) -> int:
    """Loads a shared object for good and gives the address of its `nmjit_batch`.

    `prepare` names a function without arguments to call first: it returns NULL, or the reason for Unavailable.
    """
    library = ctypes.CDLL(str(path))
    if prepare is not None:
        call = getattr(library, prepare)
        call.restype = ctypes.c_char_p
        if complaint := call():
            raise Unavailable(complaint.decode())
    address = ctypes.cast(getattr(library, BATCH_SYMBOL), ctypes.c_void_p).value
    assert address is not None
    return address


def abi_declarations() -> str:
    """The shared structs as C, members at natural alignment, pointers as `void *`."""
    return "\n".join(_struct_declaration(struct) for struct in SHARED_STRUCTS) + "\n"


def abi_header() -> str:
    """bench_abi.h: the structs, and an assertion for each offset that `compiler/abi.py` states."""
    checks = [
        f"_Static_assert(offsetof(struct {struct.name}, {member.name}) == {struct.offset(member.name)}, "
        f'"{member.name}");'
        for struct in SHARED_STRUCTS
        for member in struct.members
    ]
    head = "/* Written by bench/build.py from compiler/abi.py. */\n#pragma once\n"
    head += "#include <stddef.h>\n#include <stdint.h>\n"
    return "\n".join([head, abi_declarations(), *checks, ""])


def _struct_declaration(struct: CStruct) -> str:
    members = (
        f"\tvoid *{member.name};" if member.pointer else f"\tuint{8 * member.size}_t {member.name};"
        for member in struct.members
    )
    return "\n".join([f"struct {struct.name} {{", *members, "};"])


def _harness_declarations() -> str:
    texts = ((SOURCES / name).read_text() for name in ("harness.h", "keyed.h"))
    return "".join(text.split("/* cffi: */")[1].split("/* cffi end */")[0] for text in texts)


def _import_extension(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(HARNESS, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines() or ["no message"]
    return lines[0]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return "".join(line for line in lines if line.startswith(("model name", "flags")))
