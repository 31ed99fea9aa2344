"""All engines agree with CPython on generated filters: verdict, port, bytes, maps, exception and its line.

`HYPOTHESIS_PROFILE=deep` runs some 5,400 filters over 40 packets each (20 minutes on one core) and prints what they
reached. A failure prints the filter, the packet and the command that repeats it.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nmjit.compiler.ir import OP_CLASSES
from tests.generators.filters import DEFAULT_SIZE
from tests.properties.engines import Tally
from tests.properties.search import step

SEEDS = st.integers(0, 2**48)
SIZES = st.sampled_from((3, 8, DEFAULT_SIZE, DEFAULT_SIZE, DEFAULT_SIZE, 24))
DEEP = settings().max_examples >= 1000
FILTERS = 5_500 if DEEP else 120


@pytest.mark.slow
@pytest.mark.timeout(3600 if DEEP else 300)
def test_every_engine_agrees_with_cpython(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()

    # A smaller seed is no smaller filter, so there is nothing to shrink; search.py reduces the text instead.
    @settings(max_examples=FILTERS, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(seed=SEEDS, size=SIZES)
    def search(seed: int, size: int) -> None:
        step(seed, tally, size)

    search()
    with capsys.disabled():
        print(f"\n{tally.text()}")
    assert tally.acceptance > 0.6
    assert {kind.__name__ for kind in OP_CLASSES} - tally.ops.keys() <= (
        {"Raise"} if DEEP else {"Raise", "Item", "Find"}
    )
    assert tally.verdicts.keys() == {0, 1, 2, 3, 4}
    assert {"IndexError", "AttributeError", "OverflowError"} <= tally.exceptions.keys()
    if DEEP:
        assert tally.filters >= 5_000
        assert tally.packet_runs >= 200_000
        assert {"ValueError", "ZeroDivisionError", "AssertionError", "KeyError"} <= tally.exceptions.keys()
