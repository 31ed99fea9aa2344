"""Counters of workers as values: one worker's, their sum, and JSON.

The counters themselves are written by csrc/worker.c. This file must not know: threads, ports.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nmjit._verdict import VERDICTS


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Packets and bytes since the worker was made, all as of one batch boundary.

    `verdict_packets` and `verdict_bytes` are indexed by verdict number. A dropped packet is counted by its verdict, and
    besides where another reason dropped it: `redirect_unbound`, `full_dropped`. `mirrored` copies were made for ports,
    `mirror_dropped` found no room. `rx_refused` counts slots of packets that the port could not show to a filter.
    `pending` packets are filtered and wait for room at their destination.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    rx_refused: int = 0
    batches: int = 0
    verdict_packets: tuple[int, ...] = (0,) * len(VERDICTS)
    verdict_bytes: tuple[int, ...] = (0,) * len(VERDICTS)
    tx_packets: int = 0
    redirect_unbound: int = 0
    mirrored: int = 0
    mirror_dropped: int = 0
    full_dropped: int = 0
    backpressure: int = 0
    pending: int = 0

    @classmethod
    def of(cls, counters: Mapping[str, Any]) -> WorkerStats:
        """From what `_engine.Worker.stats` gives."""
        plain: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in counters.items()
        }
        return cls(**plain)

    def __add__(self, other: WorkerStats) -> WorkerStats:
        """Counter by counter."""
        summed: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            mine, its = getattr(self, name), getattr(other, name)
            summed[name] = tuple(map(sum, zip(mine, its, strict=True))) if isinstance(mine, tuple) else mine + its
        return WorkerStats(**summed)

    def packets(self) -> dict[str, int]:
        """Packets by verdict name."""
        return {verdict.name: count for verdict, count in zip(VERDICTS, self.verdict_packets, strict=True)}

    def to_json(self) -> str:
        """One JSON object; verdicts by name."""
        plain = asdict(self)
        for key in ("verdict_packets", "verdict_bytes"):
            plain[key] = {verdict.name: count for verdict, count in zip(VERDICTS, plain[key], strict=True)}
        return json.dumps(plain, separators=(",", ":"), sort_keys=True)


def total(workers: Iterable[WorkerStats]) -> WorkerStats:
    """The sum over workers."""
    return sum(workers, start=WorkerStats())
