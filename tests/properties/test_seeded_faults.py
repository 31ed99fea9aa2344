"""The agreement search has teeth: in a fixed budget each seeded fault is caught, and without it nothing is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from tests.properties.engines import Effort, Tally
from tests.properties.faults import FAULTS, Fault
from tests.properties.map_faults import HARMLESS, MAP_FAULTS
from tests.properties.search import Found, Step, step

BUDGET = 250
"""Seeds searched for a fault."""
FLOWS = 40
"""Packets for each filter with state, by which faults of maps are searched for."""
EFFORTS = {
    "lowering": Effort.LOWERED, "verifier": Effort.EMITTED, "emit": Effort.EMITTED, "holding": Effort.EMITTED,
    "runtime": Effort.EMITTED,
}  # fmt: skip
"""By stage: the engines that could tell. Those before it can't, and those behind it would only take longer."""
STARTS = {
    "lowering: divisor unchecked": 340,
    "lowering: UDP checksum 0 updated": 340,
    "lowering: no pseudo-header under UDP": 340,
    "gvn: load merged across a store": 130,
    "combine_stores: halves exchanged": 90,
    "combine_stores: moved over a check": 205,
    "emit: arithmetic shift made logical": 45,
    "emit: last byte of a needle not compared": 365,
    "emit: bits of a Bloom filter by other salts": 260,
    "gvn: a look-up that marks gives way to one that does not": 1040,
    "dead_code: look-ups that mark deleted": 655,
}
"""Where to start, for faults that take long from 0 on; a hint that saves time and nothing else."""


def first_caught(
    fault: AbstractContextManager[Any], start: int, effort: Effort, flows: int = 0, budget: int = BUDGET
) -> Step | None:
    """The first step from seed `start` on at which the search finds a difference, None where it finds none."""
    with fault:
        for seed in range(start, start + budget):
            wanted = Step(seed, flows=flows)
            try:
                step(wanted, Tally(), effort=effort)
            except Found:
                return wanted
    return None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "fault"), (FAULTS | MAP_FAULTS).items(), ids=FAULTS | MAP_FAULTS)
def test_fault_is_caught(name: str, fault: Fault) -> None:
    effort = EFFORTS.get(name.partition(":")[0], Effort.OPTIMISED)
    caught = first_caught(fault(), STARTS.get(name, 0), effort, FLOWS if name in MAP_FAULTS else 0)
    assert caught is not None, f"{name} in {BUDGET} filters"
    step(caught, Tally(), effort=effort)  # it was the fault: without it the same step passes


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", HARMLESS.values(), ids=HARMLESS)
def test_what_has_no_meaning_is_not_noticed(fault: Fault) -> None:
    assert first_caught(fault(), 0, Effort.EMITTED, FLOWS, budget=30) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("flows", [0, FLOWS])
def test_nothing_is_caught_without_a_fault(flows: int) -> None:
    assert first_caught(nullcontext(), 0, Effort.LOWERED, flows) is None
