"""monitor.py: Ctrl-C asks a run to stop; progress shows on a terminal only."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from nmjit.runtime.cli import monitor as monitor_module
from nmjit.runtime.cli.monitor import Monitor


def test_a_run_goes_on_until_interrupted() -> None:
    with Monitor("run", terminal=False) as monitor:
        assert monitor(10, 100)
        signal.raise_signal(signal.SIGINT)
        assert not monitor(20, 100)
    assert monitor.interrupted


def test_a_second_interrupt_raises() -> None:
    with Monitor("run", terminal=False):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_old_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="x"), Monitor("run", terminal=False):
        int("x")
    assert signal.getsignal(signal.SIGINT) is before


def test_the_first_call_is_remembered() -> None:
    before = time.perf_counter()
    with Monitor("run", terminal=False) as monitor:
        monitor(1, 2)
        first = monitor.first_call
        monitor(2, 2)
    assert first is not None
    assert before <= first <= time.perf_counter()
    assert monitor.first_call == first


def test_no_terminal_no_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(monitor_module, "QUIET_SECONDS", -1.0)
    with Monitor("run", terminal=False) as monitor:
        monitor(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_long_run_on_a_terminal_shows_its_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monitor_module, "QUIET_SECONDS", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Monitor("traffic.pcap", terminal=True) as monitor:
        monitor(512, 1024)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "traffic.pcap" in shown.err


def test_a_short_run_does_not_load_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)  # an import of it would fail now
    with Monitor("run", terminal=True) as monitor:
        assert monitor(1, 2)
