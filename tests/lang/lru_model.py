"""The second chance read literally from docs/semantics.md, "Maps": sets of ways as a list of lists, no cleverness.

It shares no code with nmjit but the choice of the set, which the caller makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Way:
    """A place of a set; free where `key` is None."""

    key: object = None
    values: list[int] = field(default_factory=list)
    referenced: bool = False
    held: bool = False


class Model:
    """Sets of 16 ways with a hand each. Each operation says which way, counted over all sets, −1 for none."""

    def __init__(self, sets: int) -> None:
        self.sets = [[Way() for _ in range(16)] for _ in range(sets)]
        self.hands = [0] * sets
        self.inserted = self.deleted = self.evicted = self.failed = 0

    def begin_packet(self) -> None:
        for ways in self.sets:
            for way in ways:
                way.held = False

    def find(self, key: object, number: int, touch: bool) -> int:
        for place, way in enumerate(self.sets[number]):
            if way.key == key:
                way.held = True
                way.referenced = way.referenced or touch
                return number * 16 + place
        return -1

    def insert(self, key: object, number: int, values: list[int]) -> int:
        found = self.find(key, number, touch=False)
        if found >= 0:
            return found
        ways = self.sets[number]
        free = [place for place in range(16) if ways[place].key is None and not ways[place].held]
        place = free[0] if free else self.victim(number)
        if place < 0:
            self.failed += 1
            return -1
        ways[place] = Way(key, list(values), referenced=False, held=True)
        self.inserted += 1
        return number * 16 + place

    def victim(self, number: int) -> int:
        for _ in range(3):
            for _ in range(16):
                place = self.hands[number]
                way = self.sets[number][place]
                self.hands[number] = place + 1 if place < 15 else 0
                if way.held:
                    continue
                if way.referenced:
                    way.referenced = False
                else:
                    self.evicted += 1
                    return place
        return -1

    def delete(self, key: object, number: int) -> int:
        found = self.find(key, number, touch=False)
        if found >= 0:
            self.sets[number][found % 16].key = None
            self.deleted += 1
        return found

    def items(self) -> list[tuple[object, int]]:
        """Key and way of each entry."""
        ways = [way for group in self.sets for way in group]
        return [(way.key, index) for index, way in enumerate(ways) if way.key is not None]
