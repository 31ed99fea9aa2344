"""The agreement search has teeth: in a fixed budget each fault of faults.py is caught, and without it nothing is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from tests.properties.engines import Effort, Tally
from tests.properties.faults import FAULTS, Fault
from tests.properties.search import Found, step

BUDGET = 250
"""Seeds searched for a fault."""
EFFORTS = {"lowering": Effort.LOWERED, "verifier": Effort.ALL_FAST, "emit": Effort.ALL_FAST}
"""By stage: the engines that could tell. Those before it can't, and those behind it would only take longer."""
STARTS = {
    "emit: overflow untested": 250,
    "lowering: divisor unchecked": 170,
    "lowering: UDP checksum 0 updated": 150,
    "lowering: no pseudo-header under UDP": 105,
    "emit: last byte of a needle not compared": 345,
    "combine_stores: halves exchanged": 75,
    "combine_stores: moved over a check": 70,
}
"""Where to start, for faults that take long from 0 on; a hint that saves time and nothing else."""


def first_caught(fault: AbstractContextManager[Any], start: int, effort: Effort) -> int | None:
    """The first seed from `start` on at which the search finds a difference, None where it finds none."""
    with fault:
        for seed in range(start, start + BUDGET):
            try:
                step(seed, Tally(), effort=effort)
            except Found:
                return seed
    return None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "fault"), FAULTS.items(), ids=FAULTS)
def test_fault_is_caught(name: str, fault: Fault) -> None:
    effort = EFFORTS.get(name.partition(":")[0], Effort.INTERPRETED)
    seed = first_caught(fault(), STARTS.get(name, 0), effort)
    assert seed is not None
    step(seed, Tally(), effort=effort)  # it was the fault: without it the same step passes


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_caught_without_a_fault() -> None:
    assert first_caught(nullcontext(), 0, Effort.LOWERED) is None
