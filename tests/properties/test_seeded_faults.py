"""The agreement search has teeth: each fault of faults.py is caught within a fixed budget, and without it nothing is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from tests.properties.engines import Tally
from tests.properties.faults import FAULTS, Fault
from tests.properties.search import Found, step

BUDGET = range(100)
"""Seeds searched."""
SIZE = 10


def first_caught(fault: AbstractContextManager[Any]) -> int | None:
    """The first seed at which the search finds a difference, None where it finds none."""
    with fault:
        for seed in BUDGET:
            try:
                step(seed, Tally(), SIZE, thorough=True, level=0)
            except Found:
                return seed
    return None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_fault_is_caught(fault: Fault) -> None:
    assert first_caught(fault()) is not None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_caught_without_a_fault() -> None:
    assert first_caught(nullcontext()) is None
