"""Maps under several threads, for long, and with processes killed: tests/runtime/stress, built and run.

On demand longer than here: NMJIT_STRESS=1000 multiplies how much each program does.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.runtime.native import STRESS, compile_c

LENGTH = int(os.environ.get("NMJIT_STRESS", "1"))
pytestmark = pytest.mark.timeout(120 if LENGTH == 1 else 0)
SANITIZERS = {
    "tsan": ("-O1", "-g", "-fsanitize=thread"),
    "asan": ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "plain": ("-O2",),
}


@pytest.fixture(scope="module", params=SANITIZERS)
def build(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class _Programs:
    """Stress programs, each built once for each sanitizer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, name: str, build: str, *arguments: str) -> str:
        program = self._folder / f"{name}-{build}"
        if not program.exists():
            compile_c(program, *SANITIZERS[build], STRESS / f"{name}.c")
        timeout = 100 if LENGTH == 1 else None
        ran = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=timeout)
        assert ran.returncode == 0, f"{name} {' '.join(arguments)}:\n{ran.stderr[:4000]}"
        assert not ran.stderr, ran.stderr[:4000]
        return ran.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> _Programs:
    return _Programs(tmp_path_factory.mktemp("stress"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["count", "hash", "lru", "hot"])
def test_workers_on_one_table(programs: _Programs, build: str, kind: str) -> None:
    """No race, no torn value, no lost increment, no view of an entry that became another key's."""
    packets = LENGTH * (5_000 if build == "tsan" else 50_000)
    assert programs.run("threads", build, kind, "3", str(packets)).startswith(kind)


@pytest.mark.parametrize("kind", ["hash", "lru", "shared", "lpm"])
def test_wear(programs: _Programs, kind: str) -> None:
    """Lengths right at every step, nothing left over in the end; also no undefined behaviour on the way."""
    programs.run("wear", "plain", kind, str(LENGTH * 1_000_000))
    programs.run("wear", "asan", kind, str(50_000))


@pytest.mark.parametrize("kind", ["hash", "lru", "one"])
def test_killed_while_writing(programs: _Programs, kind: str) -> None:
    """A process killed at any instant leaves a table that the next one makes consistent, with whole entries."""
    programs.run("kill", "plain", kind, str(LENGTH * 40))
