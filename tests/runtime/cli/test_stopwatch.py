"""stopwatch.py: phases add up to the total, and the process's age is taken from the kernel."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from nmjit.runtime.cli.stopwatch import Stopwatch, process_age_ms, timing_summary


def test_phases_add_up() -> None:
    watch = Stopwatch()
    time.sleep(0.01)
    watch.end("import")
    watch.end("load", at=time.perf_counter())
    phases = dict(watch.phases())
    total = phases.pop("total")
    assert list(phases) == ["start", "import", "load"]
    assert phases["import"] >= 10
    assert sum(phases.values()) == pytest.approx(total, abs=0.01)


def test_age_of_a_young_process() -> None:
    code = "from nmjit.runtime.cli.stopwatch import process_age_ms; print(process_age_ms())"
    start = time.perf_counter()
    age = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    lifetime = (time.perf_counter() - start) * 1e3
    assert 0 <= age <= lifetime + 20  # a clock tick is 10 ms
    assert process_age_ms() > age


def test_summary_is_one_line() -> None:
    assert timing_summary({"start": 12.34, "total": 20.0}) == "timing: start 12.3 ms, total 20.0 ms"
