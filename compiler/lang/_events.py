"""Events: records from filters to user space, none lost without being counted.

This file must not know: packets, shared memory, workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Generic, TypeVar, cast, final

from nmjit._rate import RateLimit
from nmjit._struct import place_record
from nmjit._values import ValueSpec

R = TypeVar("R")


@final
class Events(Generic[R]):
    """A queue of at most `capacity` records of one `@struct` class, filled by filters and read by user space.

    `emitted` = records read + `dropped` + those that wait, of which `len` tells the number. TypeError where `record` is
    no class made by `@struct`, ValueError where `capacity` is less than 1.
    """

    def __init__(self, record: type[R], capacity: int) -> None:
        self._spec = ValueSpec(record, "an Events queue")
        if self._spec.record is None or self._spec.record is RateLimit:
            raise TypeError(f"an Events queue holds records of a @struct class, not {record!r}")
        if capacity < 1:
            raise ValueError(f"an Events queue has room for at least one record, not {capacity}")
        self.record: Final = self._spec.record
        self.fields: Final = self._spec.fields
        self.capacity: Final = capacity
        self._waiting: deque[list[int]] = deque()
        self._emitted = self._dropped = 0

    def emit(self, record: R) -> None:
        """Put a copy of `record` into the queue, or count a drop where `capacity` records wait.

        TypeError where it is of another class.
        """
        values = self._spec.stored(record)
        self._emitted += 1
        if len(self._waiting) < self.capacity:
            self._waiting.append(values)
        else:
            self._dropped += 1

    def read(self) -> list[R]:
        """The records that wait, the oldest first; they are taken out."""
        records = [cast(R, place_record(self.record, values)) for values in self._waiting]
        self._waiting.clear()
        return records

    @property
    def emitted(self) -> int:
        """Records given to `emit` so far."""
        return self._emitted

    @property
    def dropped(self) -> int:
        """Records that found no room so far."""
        return self._dropped

    def __len__(self) -> int:
        """Number of records that wait."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        return True  # a queue is there whether or not something waits

    def entries(self) -> list[tuple[int, ...]]:
        """The field values of each record that waits, the oldest first."""
        return [tuple(values) for values in self._waiting]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` returned, after a `reset`. ValueError where they are too many or of other shape."""
        taken = [self._spec.wrapped(entry) for entry in entries]
        if len(taken) > self.capacity:
            raise ValueError(f"{len(taken)} records for {self.capacity} places")
        self.reset()
        self._waiting.extend(taken)
        self._emitted = len(taken)

    def reset(self) -> None:
        """Begin anew, with nothing waiting and counters at 0."""
        self._waiting.clear()
        self._emitted = self._dropped = 0

    def __repr__(self) -> str:
        return f"Events({self._spec}, {self.capacity})"
