"""Watches a long run for the person in front of it: a progress line on a terminal, and a Ctrl-C that ends cleanly.

A run calls the monitor between batches; the monitor answers whether to go on. This file must not know what runs.
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_SECONDS: Final = 0.7
"""A run shorter than this shows no progress line; rich costs 40 ms to load and would be most of a short run."""


class Monitor:
    """Context manager around a run; `monitor(done, total)`, in bytes, is True while the run should go on.

    From __enter__ to __exit__ SIGINT asks the run to stop at the next batch instead of raising. `interrupted` says
    whether that happened; a second Ctrl-C raises KeyboardInterrupt, for a run that does not ask.
    """

    def __init__(self, title: str, *, terminal: bool | None = None) -> None:
        self.interrupted = False
        self.first_call: float | None = None
        """time.perf_counter() of the first call: the end of the first batch."""
        self._title = title
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._start = time.perf_counter()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._old_handler: Any = None

    def __enter__(self) -> Monitor:
        self._old_handler = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._old_handler)
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, done: int, total: int) -> bool:
        now = time.perf_counter()
        if self.first_call is None:
            self.first_call = now
        if self._terminal and now - self._start > QUIET_SECONDS:
            self._show(done, total)
        return not self.interrupted

    def _show(self, done: int, total: int) -> None:
        if self._progress is None:
            self._progress = _progress_line()
            self._progress.start()
            self._task = self._progress.add_task(self._title, total=total)
        assert self._task is not None
        self._progress.update(self._task, completed=done, total=total)

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


def _progress_line() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
