"""Events: nothing lost that is not counted."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nmjit import Events, RateLimit, struct, u8, u16


@struct
class Alert:
    source: IPv4Address
    port: u16 = 0


@struct
class Other:
    port: u16 = 0


def alert(number: int) -> Alert:
    return Alert(IPv4Address(number), number)


def test_copies_are_read_once_in_order() -> None:
    events = Events(Alert, 4)
    first = alert(1)
    events.emit(first)
    first.port = 99
    events.emit(alert(2))
    assert (len(events), events.read(), len(events), events.read()) == (2, [alert(1), alert(2)], 0, [])
    assert (events.emitted, events.dropped, bool(events)) == (2, 0, True)


def test_drops_are_counted() -> None:
    events = Events(Alert, 2)
    for number in range(5):
        events.emit(alert(number))
    assert (events.emitted, events.dropped, events.read()) == (5, 3, [alert(0), alert(1)])
    events.emit(alert(9))
    assert events.read() == [alert(9)]


def test_contents_move() -> None:
    events, other = Events(Alert, 3), Events(Alert, 3)
    events.emit(alert(7))
    other.load(events.entries())
    assert (other.entries(), other.emitted) == ([(7, 7)], 1)
    with pytest.raises(ValueError, match="4 records for 3 places"):
        other.load([(1, 1)] * 4)
    with pytest.raises(ValueError, match="zip"):
        other.load([(1,)])
    assert other.read() == [alert(7)]
    events.reset()
    assert (events.emitted, events.dropped, events.entries()) == (0, 0, [])


def test_takes_records_of_its_class() -> None:
    events: Any = Events(Alert, 2)
    for wrong in (Other(), 7, None, (IPv4Address(1), 2)):
        with pytest.raises(TypeError, match="holds Alert"):
            events.emit(wrong)
    assert events.emitted == 0


def test_refuses_wrong_declarations() -> None:
    for wrong in (u8, int, str, RateLimit):
        with pytest.raises(TypeError, match="Events queue holds"):
            Events(wrong, 2)
    with pytest.raises(ValueError, match="at least one"):
        Events(Alert, 0)


def test_tells_its_shape() -> None:
    events: Any = Events(Alert, 8)
    assert (events.capacity, events.record, [field.name for field in events.fields]) == (8, Alert, ["source", "port"])
    assert repr(events) == "Events(Alert, 8)"


class EventsMachine(RuleBasedStateMachine):
    CAPACITY = 3

    def __init__(self) -> None:
        super().__init__()
        self.events = Events(Alert, self.CAPACITY)
        self.waiting: list[Alert] = []
        self.delivered = self.emitted = self.dropped = 0

    @rule(number=st.integers(0, 2**16 - 1))
    def emit(self, number: int) -> None:
        self.events.emit(alert(number))
        self.emitted += 1
        if len(self.waiting) < self.CAPACITY:
            self.waiting.append(alert(number))
        else:
            self.dropped += 1

    @rule()
    def read(self) -> None:
        found = self.events.read()
        assert found == self.waiting
        self.delivered += len(found)
        self.waiting = []

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.events) == len(self.waiting)
        assert (self.events.emitted, self.events.dropped) == (self.emitted, self.dropped)
        assert self.events.emitted == self.delivered + self.events.dropped + len(self.events)


TestEventsMachine: Any = EventsMachine.TestCase
TestEventsMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
