"""One abstract state: what holds at one point of the program, for every packet that gets there.

A state narrows the intervals that values had where they were defined, and orders values by differences: `bound of v, w
is k` says v + k ≤ w. Of all w the packet's length is the one that matters. Everything is said of roots (terms.py).

States form a tree along the dominators. A state is made from its parent by `fork`, changed while its block is walked,
and then left alone, so that later merges may compare it with others below the same parent: `touched_since`.

This file must not know: what any op means, blocks' order, obligations.
Source: difference bounds: A. Miné, "The Octagon Abstract Domain", 2006, of which this is a sparse part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias, TypeGuard

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import BasicBlock, Binary, BinaryKind, Find, Op, Select, Value
from nmjit.compiler.irtypes import BOOL
from nmjit.compiler.record import record
from nmjit.compiler.verifier.interval import EITHER, INFINITE, TOP, Interval
from nmjit.compiler.verifier.terms import ZERO, Term

_SEARCH: Final = 40
"""Roots visited by one search for a bound; beyond that a bound is not found."""
_SEARCH_DOWN: Final = 8
"""Roots visited by one search for values below."""

_EXCLUDED: Final = 8
"""Integers noted for one root that it is not."""
_NOTHING: Final[dict[Value, int]] = {}

Bounds: TypeAlias = dict[Value, int]
"""By w, the largest known k such that v + k ≤ w."""


@record
class Arrival:
    """A way into a merge: the state there, and for each merged value what it is on this way."""

    state: State
    incoming: dict[Value, Value]


Merge: TypeAlias = BasicBlock | Select
"""Where several ways come together: a block with phis, or a Select, whose ways are its condition's truth values."""


class Facts(NamedTuple):
    """What several states have in common and their common ancestor does not say."""

    intervals: dict[Value, Interval]
    bounds: dict[tuple[Value, Value], int]
    """By (low, high), the k of low + k ≤ high."""
    excluded: dict[Value, frozenset[int]]
    arrivals: dict[Merge, tuple[Arrival, ...]]


Selection: TypeAlias = tuple[tuple[Arrival, ...], Facts | None]
"""The ways into a merge that remain once a merged value is known, and what they have in common."""


class Frame:
    """What all states of one function share.

    `ranges` holds, for each root, its interval where it was defined last. `merge_of` gives a merged value its merge;
    `bases` the state from which all ways into a merge descend; `home` the block of a value. `selections` remembers
    what was found out about ways into merges. `heads` has the ops behind a move of the packet's head (heads.py), `sure`
    the insertions that find room (room.py).
    """

    __slots__ = (
        "arrivals", "bases", "heads", "home", "merge_of", "merged", "ranges", "selections", "sure", "terms", "tree",
    )  # fmt: skip

    def __init__(
        self,
        terms: dict[Value, Term],
        home: dict[Value, BasicBlock],
        tree: DominatorTree,
        heads: dict[Op, tuple[Value, ...]],
        sure: frozenset[Op],
    ) -> None:
        self.terms = terms
        self.heads = heads
        self.sure = sure
        self.home = home
        self.tree = tree
        self.ranges: dict[Value, Interval] = {}
        self.merged: dict[Merge, tuple[Value, ...]] = {}
        self.merge_of: dict[Value, Merge] = {}
        self.bases: dict[Merge, State] = {}
        self.arrivals: dict[Merge, tuple[Arrival, ...]] = {}
        self.selections: dict[tuple[tuple[Arrival, ...], Value, Interval], Selection] = {}


class State:
    """Facts at one point. `feasible` turns False where they contradict each other: the point is not reached.

    `ceilings`, `reach` and `reach_down` remember what was asked, until something new is learnt; states that hold the
    same facts share them.
    """

    __slots__ = (
        "arrivals", "below", "ceilings", "excluded", "feasible", "frame", "fuel", "intervals", "parent", "reach",
        "reach_down", "touched", "upper",
    )  # fmt: skip

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.parent: State | None = None
        self.intervals: dict[Value, Interval] = {}
        self.upper: dict[Value, Bounds] = {}
        self.below: dict[Value, tuple[Value, ...]] = {}
        self.excluded: dict[Value, frozenset[int]] = {}
        self.arrivals: dict[Merge, tuple[Arrival, ...]] = {}
        self.touched: dict[Value, None] = {}
        self.ceilings: dict[Value, int] = {}
        self.reach: dict[Value, Bounds] = {}
        self.reach_down: dict[Value, Bounds] = {}
        self.feasible = True
        self.fuel = 0

    def fork(self) -> State:
        """A state that starts with the same facts."""
        child = State.__new__(State)
        child.frame = self.frame
        child.parent = self
        child.intervals = self.intervals.copy()
        child.upper = self.upper.copy()
        child.below = self.below.copy()
        child.excluded = self.excluded.copy()
        child.arrivals = self.arrivals.copy()
        child.touched = {}
        child.ceilings, child.reach, child.reach_down = self.ceilings, self.reach, self.reach_down
        child.feasible = self.feasible
        child.fuel = 0
        return child

    def touched_since(self, ancestor: State) -> dict[Value, None]:
        """Roots of which something was learnt between `ancestor` and here, as the keys: their order is always the same,
        that of a set is not, and an order decides what is found where a search is cut off."""
        touched: dict[Value, None] = {}
        state = self
        while state is not ancestor:
            touched |= state.touched
            assert state.parent is not None
            state = state.parent
        return touched

    # Intervals

    def root_interval(self, root: Value) -> Interval:
        found = self.intervals.get(root)
        if found is None:
            found = self.frame.ranges.get(root)
            if found is None:  # a condition, of which `decide` knows more; or never defined, so say nothing
                found = EITHER if root.type is BOOL else TOP
        return found

    def interval(self, value: Value) -> Interval:
        """The interval of an INT or BOOL value."""
        root, offset = self.frame.terms[value]
        if root is ZERO:
            return Interval(offset, offset)
        found = self.root_interval(root)
        return found.shifted(offset) if offset else found

    def set_interval(self, root: Value, interval: Interval) -> None:
        self.intervals[root] = interval
        self.touched[root] = None
        self.ceilings, self.reach = {}, {}

    def exclude(self, root: Value, value: int) -> None:
        """Note that `root` is not `value`, which its interval may hold. Only the first few are noted."""
        known = self.excluded.get(root, frozenset())
        if value not in known and len(known) < _EXCLUDED:
            self.excluded[root] = known | {value}
            self.touched[root] = None

    def excludes(self, root: Value, value: int) -> bool:
        """Whether `root` is known not to be `value`."""
        return not self.root_interval(root).contains(value) or value in self.excluded.get(root, ())

    def is_not(self, value: Value, constant: int) -> bool:
        """Whether an INT is known not to be `constant`."""
        root, offset = self.frame.terms[value]
        return self.excludes(root, constant - offset)

    # Differences

    def add_bound(self, low: Value, gap: int, high: Value) -> bool:
        """Note low + gap ≤ high of two roots; whether that was news."""
        known = self.upper.get(low)
        if known is None:
            self.upper[low] = {high: gap}
        elif known.get(high, gap - 1) >= gap:
            return False
        else:
            self.upper[low] = {**known, high: gap}
        if known is None or high not in known:
            self.below[high] = (*self.below.get(high, ()), low)
        self.touched[low] = None
        self.ceilings, self.reach, self.reach_down = {}, {}, {}
        return True

    def add_value_bound(self, low: Value, gap: int, high: Value) -> None:
        """Note low + gap ≤ high of two values, where neither is a constant and they have different roots."""
        (low_root, low_offset), (high_root, high_offset) = self.frame.terms[low], self.frame.terms[high]
        if low_root is not high_root:
            self.add_bound(low_root, gap + low_offset - high_offset, high_root)

    def above(self, start: Value) -> Bounds:
        """Bounds from `start` to the roots that a short search reaches, itself with 0. Not to be changed."""
        found = self.reach.get(start)
        if found is None:
            found = self.reach[start] = self._search(start)
        return found

    def _search(self, start: Value) -> Bounds:
        reached: Bounds = {start: 0}
        queue = [start]
        for root in queue:
            base = reached[root]
            for high, gap in self._edges(root):
                known = reached.get(high)
                if known is None or base + gap > known:
                    reached[high] = base + gap
                    if len(queue) < _SEARCH:
                        queue.append(high)
        return reached

    def under(self, start: Value) -> Bounds:
        """By x, gaps such that x + gap ≤ start, for the roots x that a short search reaches. Not to be changed."""
        reached = self.reach_down.get(start)
        if reached is None:
            reached = self.reach_down[start] = {start: 0}
            queue = [start]
            for root in queue:
                base = reached[root]
                for low in self.below.get(root, ()):
                    gap = base + self.upper[low][root]
                    if gap > reached.get(low, gap - 1):
                        reached[low] = gap
                        if len(queue) < _SEARCH_DOWN:
                            queue.append(low)
        return reached

    def gap(self, low: Value, high: Value) -> int | None:
        """The largest k found such that low + k ≤ high holds of these two roots; None where none is known."""
        if low is high:
            return 0
        best = self._plain_gap(low, high)
        by_shape = self._gap_by_shape(low, high)
        return best if by_shape is None or (best is not None and best >= by_shape) else by_shape

    def implies(self, low: Value, gap: int, high: Value) -> bool:
        """Whether low + gap ≤ high holds of these two roots, by all that is known."""
        if low is high:
            return gap <= 0
        if self.root_interval(low).hi + gap <= self.root_interval(high).lo:
            return True
        found = self.gap(low, high)
        return found is not None and found >= gap

    def value_gap(self, low: Value, high: Value) -> int | None:
        """`gap` of two values."""
        (low_root, low_offset), (high_root, high_offset) = self.frame.terms[low], self.frame.terms[high]
        gap = self.gap(low_root, high_root)
        return None if gap is None else gap + high_offset - low_offset

    def _edges(self, root: Value) -> Iterable[tuple[Value, int]]:
        """Roots that one step shows to be above `root`, with the gap."""
        noted = self.upper.get(root, _NOTHING).items()
        if type(root) is not Binary or root.modulus is not None:
            return noted
        if root.kind is BinaryKind.ADD:
            return (*noted, *self._above_sum(root))
        if root.kind is BinaryKind.SUB:
            (a, offset), floor = self.frame.terms[root.a], self.interval(root.b).lo
            if floor != -INFINITE:
                return (*noted, (a, floor - offset))
        return noted

    def _above_sum(self, total: Binary) -> Iterator[tuple[Value, int]]:
        """total = a + b is under a by b's bound, and where b ≤ e − a, under e."""
        for a, b in ((total.a, total.b), (total.b, total.a)):
            a_root, a_offset = self.frame.terms[a]
            ceiling = self.interval(b).hi
            if ceiling != INFINITE:
                yield a_root, -ceiling - a_offset
            b_root, b_offset = self.frame.terms[b]
            for high, gap in self._differences_above(b_root):
                s_root, s_offset = self.frame.terms[high.b]
                if s_root is a_root:
                    end, end_offset = self.frame.terms[high.a]
                    yield end, gap + s_offset - a_offset - b_offset - end_offset
            if type(b_root) is Find and self.root_interval(b_root).lo >= 0:
                start, start_offset = self.frame.terms[b_root.start]
                if start is a_root:
                    end, end_offset = self.frame.terms[b_root.end]
                    yield end, len(b_root.needle) + start_offset - a_offset - b_offset - end_offset

    def _differences_above(self, root: Value) -> Iterator[tuple[Binary, int]]:
        """The exact differences `e − s` noted above `root`, one or two steps up."""
        for high, gap in (*self.upper.get(root, {}).items(), (root, 0)):
            if is_difference(high):
                yield high, gap
            elif high is not root:
                for higher, more in self.upper.get(high, {}).items():
                    if is_difference(higher):
                        yield higher, gap + more

    def _gap_by_shape(self, low: Value, high: Value) -> int | None:
        """A gap that follows from three values at once, by what `low` and `high` are."""
        if type(high) is Binary and high.kind in _SHAPES:
            if _is_sum(high):
                return self._gap_of_sums(low, high) if _is_sum(low) else None
            if is_difference(high):
                return self._gap_to_difference(low, high)
            if high.kind is BinaryKind.MIN:
                return _least(self._gap_to_operand(low, high.a), self._gap_to_operand(low, high.b))
        if type(low) is Binary and low.kind is BinaryKind.MAX:
            return _least(self._gap_from_operand(low.a, high), self._gap_from_operand(low.b, high))
        return None

    def _gap_to_operand(self, low: Value, high: Value) -> int | None:
        root, offset = self.frame.terms[high]
        gap = self._plain_gap(low, root)
        return None if gap is None else gap + offset

    def _gap_from_operand(self, low: Value, high: Value) -> int | None:
        root, offset = self.frame.terms[low]
        gap = self._plain_gap(root, high)
        return None if gap is None else gap - offset

    def _gap_to_difference(self, low: Value, high: Binary) -> int | None:
        """low ≤ end − start where start + k ≤ end, or `low` was found between the two."""
        terms = self.frame.terms
        if type(low) is Find and self.root_interval(low).lo >= 0:
            searched = terms[low.start], terms[low.end]
            if searched == (terms[high.b], terms[high.a]):
                return len(low.needle)
        ceiling = self.root_interval(low).hi
        if ceiling == INFINITE:
            return None
        (start, start_offset), (end, end_offset) = terms[high.b], terms[high.a]
        gap = self._plain_gap(start, end)
        return None if gap is None else gap + end_offset - start_offset - ceiling

    def _gap_of_sums(self, low: Binary, high: Binary) -> int | None:
        """Of a + b and a + c, the gap of b and c."""
        terms = self.frame.terms
        for a, b in ((low.a, low.b), (low.b, low.a)):
            for c, d in ((high.a, high.b), (high.b, high.a)):
                if terms[a] == terms[c]:
                    gap = self._plain_gap(terms[b][0], terms[d][0])
                    return None if gap is None else gap + terms[d][1] - terms[b][1]
        return None

    def _plain_gap(self, low: Value, high: Value) -> int | None:
        """`gap` without rules of shape, so that it asks for no further gap."""
        if low is high:
            return 0
        if low not in self.upper and type(low) is not Binary:
            noted, ceiling = None, self.root_interval(low).hi
        else:
            noted, ceiling = self.above(low).get(high), self._ceiling(low)
        floor = self.root_interval(high).lo
        if floor == -INFINITE or ceiling == INFINITE or (noted is not None and noted >= floor - ceiling):
            return noted
        return floor - ceiling

    def _ceiling(self, low: Value) -> int:
        """The least upper limit of `low` that follows from those of the roots above it."""
        found = self.ceilings.get(low)
        if found is None:
            found = INFINITE
            for root, gap in self.above(low).items():
                limit = self.root_interval(root).hi
                if limit != INFINITE and limit - gap < found:
                    found = limit - gap
            self.ceilings[low] = found
        return found


_SHAPES: Final = frozenset({BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MIN})
"""Binaries that a bound can be shown to lie under by their operands."""


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


def is_difference(root: Value) -> TypeGuard[Binary]:
    """Whether `root` is an exact difference of two values."""
    return type(root) is Binary and root.kind is BinaryKind.SUB and root.modulus is None


def _is_sum(root: Value) -> TypeGuard[Binary]:
    return type(root) is Binary and root.kind is BinaryKind.ADD and root.modulus is None
