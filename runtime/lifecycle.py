"""States and events of a host, as a table: what may follow what.

A pair that is missing from `TRANSITIONS` is an error of the caller; it changes nothing. This file must not know: ports,
threads, programs. Model: h11's state table.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where a host is in its life."""

    NEW = "new"
    """Nothing is attached."""
    BOUND = "bound"
    """Programs and ports are joined; no worker runs."""
    RUNNING = "running"
    """Workers filter packets."""
    DRAINING = "draining"
    """Workers were told to stop, and finish the batch in hand."""
    FAILED = "failed"
    """A worker met an error; all have ended."""
    CLOSED = "closed"
    """Ports are given back. The end."""


class Event(Enum):
    """What can happen to a host."""

    ATTACH = "attach"
    START = "start"
    STOP = "stop"
    IDLE = "idle"
    """The last worker has ended by itself or because it was told to."""
    FAIL = "fail"
    """The last worker has ended, and at least one with an error."""
    CLOSE = "close"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.NEW, Event.ATTACH): State.BOUND,
    (State.NEW, Event.CLOSE): State.CLOSED,
    (State.BOUND, Event.ATTACH): State.BOUND,
    (State.BOUND, Event.START): State.RUNNING,
    (State.BOUND, Event.CLOSE): State.CLOSED,
    (State.RUNNING, Event.STOP): State.DRAINING,
    (State.RUNNING, Event.IDLE): State.BOUND,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.DRAINING, Event.STOP): State.DRAINING,
    (State.DRAINING, Event.IDLE): State.BOUND,
    (State.DRAINING, Event.FAIL): State.FAILED,
    (State.FAILED, Event.CLOSE): State.CLOSED,
    (State.CLOSED, Event.CLOSE): State.CLOSED,
}


class LifecycleError(RuntimeError):
    """An event came in a state in which it has no meaning; the state is as it was."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"cannot {event.value} a host that is {state.value}")
        self.state = state
        self.event = event


def after(state: State, event: Event) -> State:
    """The state that follows. LifecycleError where the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise LifecycleError(state, event) from None
