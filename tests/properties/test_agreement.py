"""All engines agree with CPython on generated filters: verdict, port, bytes, maps, exception and its line.

`HYPOTHESIS_PROFILE=deep` runs some 5,400 filters over 40 packets each, and 500 filters with state over 1,000 each (20
minutes on one core for either), and prints what they reached. A failure prints the filter, the packet and the command
that repeats it.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nmjit.compiler.ir import OP_CLASSES
from tests.generators.filters import DEFAULT_SIZE
from tests.properties.engines import Tally
from tests.properties.search import Step, step

SEEDS = st.integers(0, 2**48)
SIZES = st.sampled_from((3, 8, DEFAULT_SIZE, DEFAULT_SIZE, DEFAULT_SIZE, 24))
DEEP = settings().max_examples >= 1000
FILTERS = 5_500 if DEEP else 120
STATEFUL, FLOWS = (500, 1_000) if DEEP else (90, 50)
"""Filters with state, and packets for each."""
NO_STATE = {
    "PackKey", "KeyHash", "MapFind", "MapInsert", "MapDelete", "LpmFind", "BloomTest", "BloomAdd", "LogBucket",
    "RateTake", "EventEmit",
}  # fmt: skip
"""Ops that filters without such maps have no use for."""
SELDOM = {"Raise", "Item", "Find", "MapAdd", "Mirror"}


def missing(tally: Tally) -> set[str]:
    """Ops that nothing ran, Prefetch apart, which stands in slices only."""
    return {kind.__name__ for kind in OP_CLASSES} - tally.ops.keys() - {"Prefetch"}


@pytest.mark.slow
@pytest.mark.timeout(3600 if DEEP else 300)
def test_every_engine_agrees_with_cpython(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    # A smaller seed is no smaller filter, so there is nothing to shrink; search.py reduces the text instead.
    @settings(max_examples=FILTERS, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(seed=SEEDS, size=SIZES)
    def search(seed: int, size: int) -> None:
        step(Step(seed, size), tally)

    search()
    with capsys.disabled():
        print(f"\n{tally.text()}")
    assert tally.acceptance > 0.6
    assert missing(tally) <= NO_STATE | ({"Raise"} if DEEP else SELDOM)
    assert tally.verdicts.keys() == {0, 1, 2, 3, 4}
    assert {"IndexError", "AttributeError"} <= tally.exceptions.keys()
    if DEEP:
        assert tally.filters >= 5_000
        assert tally.packet_runs >= 200_000
        assert {
            "ValueError",
            "ZeroDivisionError",
            "AssertionError",
            "KeyError",
            "OverflowError",
        } <= tally.exceptions.keys()


@pytest.mark.slow
@pytest.mark.timeout(3600 if DEEP else 300)
def test_every_engine_keeps_the_same_state(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    @settings(max_examples=STATEFUL, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(seed=SEEDS, size=SIZES)
    def search(seed: int, size: int) -> None:
        step(Step(seed, size, FLOWS), tally)

    search()
    with capsys.disabled():
        print(f"\n{tally.text()}")
    assert tally.acceptance > 0.6
    assert missing(tally) <= ({"Raise"} if DEEP else SELDOM | {"BloomTest", "BloomAdd", "LogBucket", "StoreBytes"})
    assert {"KeyError", "MapFull"} <= tally.exceptions.keys()
    if DEEP:
        assert tally.packet_runs >= 200_000
