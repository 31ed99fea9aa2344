"""bench.py: finds what the benchmark needs, and hands its arguments and exit code over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from nmjit.runtime.cli import bench
from tests.runtime.cli.conftest import Ended

Nmjit = Callable[..., Ended]


def test_arguments_and_exit_code_are_handed_over(nmjit: Nmjit, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert nmjit("bench", "--layout", "hot", "--json").code == 3
    assert started == [[sys.executable, "-m", "nmjit.bench", "--layout", "hot", "--json"]]


def test_without_a_compiler_there_is_nothing_to_compare_with(nmjit: Nmjit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "which", lambda _: None)
    ended = nmjit("bench")
    assert ended.code == 3
    assert "sudo apt-get install gcc" in ended.err


def test_without_cffi_the_extra_is_named(nmjit: Nmjit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda _: None)
    ended = nmjit("bench", "--json")
    assert ended.code == 3
    assert ended.json["error"]["kind"] == "not supported"
    assert "nmjit[bench]" in ended.err


def test_its_own_help_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from nmjit.runtime.cli import main; main()", "bench", "--help"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--layout" in done.stdout
