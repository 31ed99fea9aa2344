"""Every cell of the table of states and events."""

from __future__ import annotations

from itertools import product

import pytest

from nmjit.runtime.lifecycle import TRANSITIONS, Event, LifecycleError, State, after

EXPECTED = """
          attach  start    stop      idle   fail    close
new       bound   -        -         -      -       closed
bound     bound   running  -         -      -       closed
running   -       -        draining  bound  failed  -
draining  -       -        draining  bound  failed  -
failed    -       -        -         -      -       closed
closed    -       -        -         -      -       closed
"""
HEADER, *ROWS = [line.split() for line in EXPECTED.strip().splitlines()]
CELLS = {(row[0], event): cell for row in ROWS for event, cell in zip(HEADER, row[1:], strict=True)}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)), ids=lambda each: each.value)
def test_cell(state: State, event: Event) -> None:
    expected = CELLS[state.value, event.value]
    if expected == "-":
        with pytest.raises(LifecycleError, match=f"cannot {event.value} a host that is {state.value}"):
            after(state, event)
    else:
        assert after(state, event) is State(expected)


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for _, state in TRANSITIONS.items()} == set(State) - {State.NEW}
    assert {state for state, _ in TRANSITIONS} == set(State)
