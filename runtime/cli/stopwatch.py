"""Where the time between the command and the first packet goes: what `nmjit run --timing` prints.

Linux tells a process's start only in clock ticks (proc(5), /proc/self/stat field 22), so the first phase is known to
about 10 ms, the others to microseconds. This file must not know what the phases do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path


class Stopwatch:
    """Phases in order; each ends where the next begins. Times are milliseconds since the process started."""

    def __init__(self) -> None:
        self._begin = process_age_ms()
        self._clock = time.perf_counter()
        self._phases: dict[str, float] = {"start": self._begin}
        self._last = self._begin

    def end(self, phase: str, at: float | None = None) -> None:
        """Close `phase` now, or at a reading `at` of time.perf_counter()."""
        now = self._begin + ((time.perf_counter() if at is None else at) - self._clock) * 1e3
        self._phases[phase] = now - self._last
        self._last = now

    def phases(self) -> Mapping[str, float]:
        """Milliseconds of each phase, and their sum as `total`."""
        return {**{phase: round(ms, 3) for phase, ms in self._phases.items()}, "total": round(self._last, 3)}


def process_age_ms() -> float:
    """Milliseconds since this process was started, to within a clock tick."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1e3)


def timing_summary(phases: Mapping[str, float]) -> str:
    """One line of all phases."""
    return "timing: " + ", ".join(f"{phase} {ms:.1f} ms" for phase, ms in phases.items())
