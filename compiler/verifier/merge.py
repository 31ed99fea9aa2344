"""Where ways come together: what the states at the end of all of them have in common.

Only facts that the common ancestor of the states lacks are compared, so a merge costs what was learnt since the ways
parted. A fact is kept where it speaks of values that every way has: those of blocks above the merge, and the values
merged here, which stand for their incoming values.

This file must not know: conditions, the order of blocks, widening.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nmjit.compiler.ir import BasicBlock, Value
from nmjit.compiler.irtypes import INT
from nmjit.compiler.verifier.interval import INFINITE, Interval, hull
from nmjit.compiler.verifier.state import Arrival, Bounds, Facts, Frame, Merge, State
from nmjit.compiler.verifier.terms import LENGTH, ZERO


def common_facts(
    frame: Frame, merge: Merge, arrivals: Sequence[Arrival], hoped: Collection[tuple[Value, Value]] = ()
) -> Facts:
    """What holds behind `merge` when it is reached on one of `arrivals`, of which there is at least one.

    `hoped` names pairs (low, high) whose bound is looked for besides those that the states themselves suggest.
    """
    base = frame.bases[merge]
    states = [arrival.state for arrival in arrivals]
    first, *others = (state.touched_since(base) for state in states)
    touched = (root for root in first if all(root in other for other in others))
    visible = [root for root in touched if _is_visible(frame, merge, root)]
    intervals = _common_intervals(states, base, visible)
    bounds = _common_bounds(frame, merge, states, base, visible)
    for value in frame.merged[merge]:
        intervals[value] = hull(arrival.state.interval(arrival.incoming[value]) for arrival in arrivals)
    _bound_merged(frame, merge, arrivals, bounds)
    for pair in hoped:
        if pair not in bounds:
            _bound_pair(frame, arrivals, pair, bounds)
    news = {pair: gap for pair, gap in bounds.items() if pair in hoped or not _is_implied(base, intervals, pair, gap)}
    excluded = _common_exclusions(frame, merge, arrivals, base, visible)
    return Facts(intervals, news, excluded, _common_arrivals(frame, merge, states))


def _is_implied(base: State, intervals: dict[Value, Interval], pair: tuple[Value, Value], gap: int) -> bool:
    """Whether the intervals alone say as much as the bound does."""
    low, high = pair
    ceiling = (intervals.get(low) or base.root_interval(low)).hi
    return ceiling + gap <= (intervals.get(high) or base.root_interval(high)).lo


def _is_visible(frame: Frame, merge: Merge, root: Value) -> bool:
    """Whether `root` has the same value behind the merge as on every way into it."""
    home = frame.home.get(root)
    if home is None or not isinstance(merge, BasicBlock):
        return True
    return home is not merge and frame.tree.dominates(home, merge)


def _common_intervals(states: list[State], base: State, roots: list[Value]) -> dict[Value, Interval]:
    found = {}
    for root in roots:
        common = hull(state.root_interval(root) for state in states)
        if common != base.root_interval(root):
            found[root] = common
    return found


def _common_bounds(
    frame: Frame, merge: Merge, states: list[State], base: State, roots: list[Value]
) -> dict[tuple[Value, Value], int]:
    bounds: dict[tuple[Value, Value], int] = {}
    for low in roots:
        before = base.upper.get(low, {})
        for high, gap in states[0].upper.get(low, {}).items():
            if before.get(high) != gap and _is_visible(frame, merge, high):
                _note(bounds, low, high, [_noted_gap(state, low, high) for state in states])
    return bounds


def _noted_gap(state: State, low: Value, high: Value) -> int | None:
    noted = state.upper.get(low, {}).get(high)
    return noted if noted is not None else state.gap(low, high)


def _common_exclusions(
    frame: Frame, merge: Merge, arrivals: Sequence[Arrival], base: State, roots: list[Value]
) -> dict[Value, frozenset[int]]:
    """What values are not; of merged ones, 0 alone, for the sake of divisions."""
    found = {}
    for root in roots:
        suggested = arrivals[0].state.excluded.get(root)
        if suggested:
            common = {value for value in suggested if all(arrival.state.excludes(root, value) for arrival in arrivals)}
            if common - base.excluded.get(root, frozenset()):
                found[root] = frozenset(common)
    for merged in frame.merged[merge]:
        if merged.type is INT and all(_is_not_zero(arrival, merged) for arrival in arrivals):
            found[merged] = frozenset({0})
    return found


def _is_not_zero(arrival: Arrival, merged: Value) -> bool:
    return arrival.state.is_not(arrival.incoming[merged], 0)


def _common_arrivals(frame: Frame, merge: Merge, states: list[State]) -> dict[Merge, tuple[Arrival, ...]]:
    """Narrowed ways into earlier merges that all states agree on."""
    first, *others = states
    return {
        earlier: ways
        for earlier, ways in first.arrivals.items()
        if all(state.arrivals.get(earlier) is ways for state in others)
        and all(_is_visible(frame, merge, value) for value in frame.merged[earlier])
    }


# Bounds of the merged values


def _bound_merged(
    frame: Frame, merge: Merge, arrivals: Sequence[Arrival], bounds: dict[tuple[Value, Value], int]
) -> None:
    """Bounds that each merged INT has to values above the merge, and to the other merged INTs."""
    merged = [value for value in frame.merged[merge] if value.type is INT]
    states = [arrival.state for arrival in arrivals]
    for value in merged:
        reaches = [_above_incoming(arrival, value) for arrival in arrivals]
        ceilings = [arrival.state.interval(arrival.incoming[value]).hi for arrival in arrivals]
        highs = dict.fromkeys((LENGTH, *(high for reach in reaches for high in reach)))
        for high in highs:
            if high is not ZERO and _is_visible(frame, merge, high):
                gaps = (
                    _gap_to(state, reach, ceiling, high)
                    for state, reach, ceiling in zip(states, reaches, ceilings, strict=True)
                )
                _note(bounds, value, high, gaps)
        for other in merged:
            if other is not value:
                gaps = (
                    _gap_to_incoming(arrival, reach, value, other)
                    for arrival, reach in zip(arrivals, reaches, strict=True)
                )
                _note(bounds, value, other, gaps)
        _bound_below(frame, merge, arrivals, value, bounds)


def _above_incoming(arrival: Arrival, value: Value) -> Bounds:
    """By w, k such that the incoming value + k ≤ w."""
    root, offset = arrival.state.frame.terms[arrival.incoming[value]]
    reach = arrival.state.above(root)
    return {high: gap - offset for high, gap in reach.items()} if offset else reach


def _gap_to(state: State, reach: Bounds, ceiling: int, high: Value) -> int | None:
    """How far a value with bounds `reach` and upper limit `ceiling` is under `high`."""
    gap = reach.get(high)
    floor = state.root_interval(high).lo
    if floor == -INFINITE or ceiling == INFINITE:
        return gap
    return floor - ceiling if gap is None else max(gap, floor - ceiling)


def _gap_to_incoming(arrival: Arrival, reach: Bounds, low: Value, high: Value) -> int | None:
    """How far what comes in for `low` is under what comes in for `high`."""
    state, incoming = arrival.state, arrival.incoming
    root, offset = state.frame.terms[incoming[high]]
    gap = _gap_to(state, reach, state.interval(incoming[low]).hi, root)
    return None if gap is None else gap + offset


def _bound_below(
    frame: Frame, merge: Merge, arrivals: Sequence[Arrival], value: Value, bounds: dict[tuple[Value, Value], int]
) -> None:
    """Bounds from values above the merge to `value`."""
    reaches = []
    for arrival in arrivals:
        root, offset = frame.terms[arrival.incoming[value]]
        reaches.append((arrival.state, arrival.state.under(root), offset, arrival.state.root_interval(root).lo))
    for low in dict.fromkeys(low for _, reach, _, _ in reaches for low in reach):
        if low is not ZERO and _is_visible(frame, merge, low):
            gaps = (_gap_from(state, low, reach.get(low), offset, floor) for state, reach, offset, floor in reaches)
            _note(bounds, low, value, gaps)


def _gap_from(state: State, low: Value, noted: int | None, offset: int, floor: int) -> int | None:
    """How far `low` is under a root + offset of which a bound may be noted, and whose least value is `floor`."""
    ceiling = state.root_interval(low).hi
    if floor != -INFINITE and ceiling != INFINITE and (noted is None or noted < floor - ceiling):
        noted = floor - ceiling
    return None if noted is None else noted + offset


def _bound_pair(
    frame: Frame, arrivals: Sequence[Arrival], pair: tuple[Value, Value], bounds: dict[tuple[Value, Value], int]
) -> None:
    """The bound between two roots, each standing for its incoming value where it is merged here."""
    gaps: list[int | None] = []
    for arrival in arrivals:
        (low, low_offset), (high, high_offset) = (
            frame.terms[arrival.incoming[root]] if root in arrival.incoming else (root, 0) for root in pair
        )
        gap = arrival.state.gap(low, high)
        gaps.append(None if gap is None else gap + high_offset - low_offset)
    _note(bounds, *pair, gaps)


def _note(bounds: dict[tuple[Value, Value], int], low: Value, high: Value, gaps: Iterable[int | None]) -> None:
    """Note the least of `gaps`, of which there is at least one, unless one is not known."""
    least = INFINITE
    for gap in gaps:
        if gap is None:
            return
        if gap < least:
            least = gap
    bounds[low, high] = least
