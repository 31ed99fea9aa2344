"""Times whole commands, interleaved, and watches their memory.

Peaks are sampled from /proc/PID/status every few milliseconds: `getrusage` of a child counts the parent's pages from
before exec, and file pages, which are the page cache's and not the program's. Source: proc_pid_status(5).

This file must not know what a command does.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

_SAMPLE_SECONDS: Final = 0.004


class CommandFailed(Exception):
    """A command ended with another status than 0; the message is the command and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `environment` is added to this process's own."""

    name: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds from spawn to exit; peak bytes resident that belong to no file."""

    seconds: float
    peak_anonymous: int


@dataclass(frozen=True, slots=True)
class CommandTimes:
    """The runs of one command: median seconds, largest peak."""

    name: str
    seconds: float
    peak_anonymous: int


def interleave(commands: Sequence[Command], rounds: int) -> list[CommandTimes]:
    """Runs each command once a round, the order rotating; raises CommandFailed."""
    runs: list[list[Usage]] = [[] for _ in commands]
    for round_ in range(rounds):
        for turn in range(len(commands)):
            index = (turn + round_) % len(commands)
            runs[index].append(run(commands[index]))
    return [
        CommandTimes(command.name, median(use.seconds for use in uses), max(use.peak_anonymous for use in uses))
        for command, uses in zip(commands, runs, strict=True)
    ]


def run(command: Command) -> Usage:
    """Runs one command to its end, its output discarded; raises CommandFailed."""
    environment: Mapping[str, str] = {**os.environ, **dict(command.environment)}
    start = time.perf_counter()
    with subprocess.Popen(
        command.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        peak = 0
        while (status := _wait(process)) is None:
            peak = max(peak, _anonymous_bytes(process.pid))
        seconds = time.perf_counter() - start
        assert process.stderr is not None
        said = process.stderr.read()
    if status:
        raise CommandFailed(f"{command.name}: status {status}: {said.strip()[-300:]}")
    return Usage(seconds, peak)


def _wait(process: subprocess.Popen[str]) -> int | None:
    """The exit status, or None after one sample interval; wakes at once when the process ends."""
    try:
        return process.wait(_SAMPLE_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _anonymous_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    kib = (int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return 1024 * sum(kib)
