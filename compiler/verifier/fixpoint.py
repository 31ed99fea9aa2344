"""Visits blocks until nothing changes: from a function to the states at its edges and what became of its obligations.

Blocks are visited in reverse postorder, loops from the inside out. A loop starts from what holds at its entry, grows
until its body adds nothing (intervals that keep growing are widened to constants of the function, bounds that keep
shrinking are given up), and then shrinks again for a few rounds: a sound state put through the loop stays sound, and
so does one cut down to what the loop can reach in the rounds that it has at most (trips.py).

This file must not know: what ops mean, which obligations matter, messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nmjit.compiler.ir import BasicBlock, Branch, Compare, Const, Jump, Op, Phi, Predicate, Value
from nmjit.compiler.irtypes import BOOL, INT
from nmjit.compiler.verifier.discharge import holds, suppose
from nmjit.compiler.verifier.heads import heads_before
from nmjit.compiler.verifier.interval import EITHER, TOP, Interval
from nmjit.compiler.verifier.loops import Flow, Item, Loop
from nmjit.compiler.verifier.merge import common_facts
from nmjit.compiler.verifier.obligations import BOUND_OPS, obligation_of
from nmjit.compiler.verifier.refine import assume, decide
from nmjit.compiler.verifier.room import sure_insertions
from nmjit.compiler.verifier.solution import Solution
from nmjit.compiler.verifier.state import Arrival, Facts, Frame, State
from nmjit.compiler.verifier.terms import terms_of
from nmjit.compiler.verifier.transfer import after, entry_facts
from nmjit.compiler.verifier.trips import within_rounds

_PATIENCE: Final = 1
"""Rounds of a loop before what grows is widened."""
_COARSE: Final = 2
"""Rounds of a loop before widening no longer stops at the function's constants, only at the ends of machine integers;
one round later it stops nowhere. What trips.py can bound comes back from there, so small steps would gain nothing."""
_LAST_ROUND: Final = 16
"""Rounds of a loop before all that is known of its merged values is given up."""
_MACHINE: Final = sorted({0, *(end for bits in (8, 16, 32, 64) for end in (-(1 << bits - 1), (1 << bits) - 1))})
"""Ends of machine integers."""
_NARROWING: Final = 2
"""Rounds of a loop that is stable, to get back what widening gave up."""
_BOUND_OPS: Final = frozenset(BOUND_OPS)


def solve(flow: Flow, *, shared: bool) -> Solution:
    """The fixpoint for a well-formed function whose flow is reducible; `shared`: other workers use its maps."""
    terms = terms_of(flow.order)
    home = {op: block for block in flow.order for op in block.ops}
    sure = frozenset() if shared else sure_insertions(flow)
    solution = Solution(flow, Frame(terms, home, flow.tree, heads_before(flow, terms), sure))
    solver = _Solver(solution, _thresholds(flow.order))
    solver.visit(flow.items)
    return solution


def _thresholds(blocks: Iterable[BasicBlock]) -> list[int]:
    """Where widening may stop: the constants that values are tested to be equal to, those next to them, and the ends of
    machine integers. Tests of order need none, for what they say comes back as the loop shrinks."""
    found = set(_MACHINE)
    for block in blocks:
        for op in block.ops:
            if type(op) is Compare and (op.predicate is Predicate.EQ or op.predicate is Predicate.NE):
                for value in (op.a, op.b):
                    if type(value) is Const and isinstance(value.value, int):
                        found.update((value.value - 1, value.value, value.value + 1))
    return sorted(found)


class _Solver:
    """One run over one function."""

    __slots__ = ("solution", "thresholds")

    def __init__(self, solution: Solution, thresholds: Sequence[int]) -> None:
        self.solution = solution
        self.thresholds = thresholds

    def visit(self, items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, Loop):
                self._stabilise(item)
            else:
                self._enter(item)

    # Blocks

    def _enter(self, block: BasicBlock) -> None:
        solution = self.solution
        predecessors = solution.flow.predecessors[block]
        if not predecessors:
            state = State(solution.frame)
            entry_facts(state)
            self._walk(block, state)
        elif len(predecessors) == 1:
            self._walk(block, solution.edges.get((predecessors[0], block)))
        else:
            arrivals = self._arrivals(block)
            if not arrivals:
                self._walk(block, None)
                return
            frame = solution.frame
            merged = frame.merged[block]
            if merged:
                frame.arrivals[block] = arrivals
                for value in merged:
                    frame.merge_of[value] = block
            self._walk(block, self._behind(block, common_facts(frame, block, arrivals)))

    def _arrivals(self, block: BasicBlock) -> tuple[Arrival, ...]:
        """The ways into a merge that can be taken. Also makes the merge known to the frame."""
        solution, frame = self.solution, self.solution.frame
        merged = frame.merged.get(block)
        if merged is None:
            merged = tuple(phi for phi in block.phis if frame.terms[phi][0] is phi and phi.type in (INT, BOOL))
            frame.merged[block] = merged
        arrivals = []
        for predecessor in solution.flow.predecessors[block]:
            state = solution.edges.get((predecessor, block))
            if state is not None:
                incoming: dict[Value, Value] = {}
                for phi in merged:
                    assert type(phi) is Phi
                    incoming[phi] = phi.incoming[predecessor]
                arrivals.append(Arrival(state, incoming))
        if arrivals:
            frame.bases[block] = solution.out[solution.flow.tree.parent[block]]
        return tuple(arrivals)

    def _behind(self, block: BasicBlock, facts: Facts) -> State:
        """The state at the start of a merge."""
        frame = self.solution.frame
        state = frame.bases[block].fork()
        for root, interval in facts.intervals.items():
            if frame.home.get(root) is block:
                frame.ranges[root] = interval
            else:
                state.set_interval(root, interval)
        for (low, high), gap in facts.bounds.items():
            state.add_bound(low, gap, high)
        for root, values in facts.excluded.items():
            for value in values:
                state.exclude(root, value)
        state.arrivals.update(facts.arrivals)
        return state

    def _walk(self, block: BasicBlock, state: State | None) -> None:
        """From the state at the start of `block`, None where it is not reached, to those on the edges out of it."""
        solution = self.solution
        for successor in block.successors():
            solution.edges.pop((block, successor), None)
        solution.reached[block] = 0
        if state is None:
            return
        ranges, terms = solution.frame.ranges, solution.frame.terms
        for op in block.ops:
            solution.reached[block] += 1
            if type(op) in _BOUND_OPS:
                self._meet_obligation(state, op)
            if state.feasible:
                after(state, op)
                if terms[op][0] is not op and op.type is INT:
                    ranges[op] = state.interval(op)
            if not state.feasible:
                return
        solution.out[block] = state
        self._leave(block, state)

    def _meet_obligation(self, state: State, op: Op) -> None:
        obligation = obligation_of(op, self.solution.frame.heads.get(op, ()))
        if obligation is not None:
            verdict = holds(state, obligation)
            self.solution.verdicts[op] = verdict
            if verdict is False:
                state.feasible = False
            elif verdict is None:
                suppose(state, obligation)

    def _leave(self, block: BasicBlock, state: State) -> None:
        edges = self.solution.edges
        match block.terminator:
            case Jump(target=target):
                edges[block, target] = state
            case Branch(then=then, other=other) if then is other:
                edges[block, then] = state
            case Branch(condition=condition, then=then, other=other):
                known = decide(state, condition)
                for truth, target in ((True, then), (False, other)):
                    if known is None or known is truth:
                        way = state.fork()
                        assume(way, condition, truth)
                        if way.feasible:
                            edges[block, target] = way

    # Loops

    def _stabilise(self, loop: Loop) -> None:
        solution, frame, header = self.solution, self.solution.frame, loop.header
        for latch in loop.latches:
            solution.edges.pop((latch, header), None)
        arrivals = self._arrivals(header)
        if not arrivals:
            self._skip(loop)
            return
        facts = common_facts(frame, header, arrivals)
        rounds = 0
        while True:
            new = self._round(loop, facts)
            if _says_no_more(facts, new):
                break
            rounds += 1
            facts = self._grown(header, facts, new, rounds)
        for _ in range(_NARROWING):
            less = within_rounds(solution, loop, new)
            if less == facts:
                break
            facts = less
            new = self._round(loop, facts)

    def _skip(self, loop: Loop) -> None:
        """The loop is not reached."""
        for block in loop.blocks:
            self._walk(block, None)

    def _round(self, loop: Loop, facts: Facts) -> Facts:
        """Go through the loop once from `facts` at its header; what then holds at the header."""
        frame, header = self.solution.frame, loop.header
        self._walk(header, self._behind(header, facts))
        self.visit(loop.items[1:])
        return common_facts(frame, header, self._arrivals(header), tuple(facts.bounds))

    def _grown(self, header: BasicBlock, old: Facts, new: Facts, rounds: int) -> Facts:
        """Facts that say no more than `old` nor than `new`; after some rounds less, so that rounds come to an end."""
        merged = set(self.solution.frame.merged[header])
        thresholds = self.thresholds if rounds < _COARSE else (_MACHINE if rounds == _COARSE else ())
        if rounds >= _LAST_ROUND:
            return Facts({value: TOP if value.type is INT else EITHER for value in merged}, {}, {}, {})
        intervals: dict[Value, Interval] = {}
        for root, before in old.intervals.items():
            now = new.intervals.get(root)
            if now is None:
                continue
            if now.within(before):
                intervals[root] = before
            elif rounds < _PATIENCE:
                intervals[root] = before.join(now)
            elif root in merged:
                intervals[root] = before.widen(now, thresholds)
        bounds = {}
        for pair, gap in old.bounds.items():
            now_gap = new.bounds.get(pair)
            if now_gap is not None and (now_gap >= gap or rounds < _PATIENCE):
                bounds[pair] = min(gap, now_gap)
        arrivals = {merge: ways for merge, ways in old.arrivals.items() if new.arrivals.get(merge) is ways}
        excluded = {root: values & new.excluded[root] for root, values in old.excluded.items() if root in new.excluded}
        return Facts(intervals, bounds, excluded, arrivals)


def _says_no_more(facts: Facts, new: Facts) -> bool:
    """Whether `facts` holds wherever `new` does."""
    for root, interval in facts.intervals.items():
        now = new.intervals.get(root)
        if now is None or not now.within(interval):
            return False
    for pair, gap in facts.bounds.items():
        now_gap = new.bounds.get(pair)
        if now_gap is None or now_gap < gap:
            return False
    for root, values in facts.excluded.items():
        if not values <= new.excluded.get(root, frozenset()):
            return False
    return all(new.arrivals.get(merge) is ways for merge, ways in facts.arrivals.items())
