"""The C of runtime/csrc, built apart from the extension: as a library for ctypes, and as stress programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.conftest import ROOT

CSRC = ROOT / "runtime/csrc"
STRESS = ROOT / "tests/runtime/stress"
MAP_SOURCES = tuple(
    CSRC / name
    for name in ("table.c", "table_shared.c", "table_read.c", "table_recover.c", "lpm.c", "gate.c", "events.c", "ops.c")
)
_FLAGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{CSRC}", f"-I{ROOT / 'kernel/uapi'}")


def compile_c(target: Path, *arguments: str | Path) -> Path:
    """Build `target` from the maps' sources and what `arguments` add; skips the test without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    command = [compiler, *_FLAGS, *arguments, *MAP_SOURCES, "-o", target]
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if made.returncode and "cannot find" in made.stderr and "san" in made.stderr:
        pytest.skip("the compiler has no such sanitizer here")
    assert made.returncode == 0, made.stderr
    return target
