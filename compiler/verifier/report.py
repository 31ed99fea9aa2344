"""What the verifier found out about a function: `verify`, and the Analysis that it returns, with its exact messages.

`nmjit check` prints the report and nothing else; `passes/drop_checks.py` removes what is proven; the emitter chooses
machine widths by `ranges`.

This file must not know: how anything is proved, how a report is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nmjit.compiler.ir import (
    BasicBlock,
    Check,
    Const,
    Find,
    Function,
    Load,
    LoadBytes,
    MoveHead,
    Op,
    Raise,
    Site,
    Store,
    StoreBytes,
    Window,
)
from nmjit.compiler.irtypes import INT, MAX_PACKET, WINDOW_MAX, WINDOW_MIN
from nmjit.compiler.maplayout import HELD_SLOTS
from nmjit.compiler.record import record
from nmjit.compiler.verifier.cost import Cost, cost_of, meetings_of
from nmjit.compiler.verifier.fixpoint import solve
from nmjit.compiler.verifier.interval import Interval, constant
from nmjit.compiler.verifier.loops import Flow
from nmjit.compiler.verifier.obligations import InBounds, obligation_of
from nmjit.compiler.verifier.solution import Solution

MAX_OPS: Final = 1_000_000
"""Most ops that one packet may cost in the worst case."""
MAX_BITS: Final = 256
"""Widest integer that code can be made for, in bits; a product of two values of the language's window needs 130."""
MAX_HEADROOM: Final = 1_024
"""Most bytes that one packet may push in front of itself."""
_WINDOW: Final = Interval(WINDOW_MIN, WINDOW_MAX)
_UNSIGNED: Final = Interval(0, (1 << MAX_BITS) - 1)
_SIGNED: Final = Interval(-(1 << MAX_BITS - 1), (1 << MAX_BITS - 1) - 1)
_UNBOUNDED: Final = "this loop has no bound that can be shown"
_UNBOUNDED_CURE: Final = (
    "loop over range(N) with a constant N, or make the condition compare a counter that grows each time with a constant"
)
_PUSHES: Final = "a packet may push {most:,} bytes in all, more than {limit:,}"
_PUSHES_CURE: Final = "push less, or in a loop of fewer rounds"
_MEETS: Final = "one packet may find, make or delete {most:,} entries of {map}, more than {limit}"
_MEETS_CURE: Final = "look fewer keys up, in loops of fewer rounds"
_TOO_LARGE: Final = "numbers of this line may grow beyond what a filter can hold"
_TOO_LARGE_CURE: Final = "limit them, with min(…) or by masking with &"


class OpenCheck(NamedTuple):
    """A place that may raise at run time. `guard` is the condition that, tested before it, would close it."""

    line: int
    column: int
    exception: str
    guard: str


class Refusal(NamedTuple):
    """Why the function cannot be accepted, where (line, 1-based, 0 where none is known), and what to do about it."""

    line: int
    message: str
    cure: str


class UnsafeAccess(NamedTuple):
    """An op whose obligation is not proved and has no test at run time: a bug of the compiler, or a refusal."""

    op: Op
    line: int
    message: str


@record
class Analysis:
    """The result of `verify`.

    ranges              of every INT, its interval where it is defined; the whole window where that is never reached
    proven              Checks and Windows that never raise, those never reached among them
    proven_sites        places of the source that may not raise although the language lets them: those of the
                        function's sites that are not open. A place counts once, however often loops and helpers
                        written out repeat it, and only if none of its copies may raise; so does one whose test a
                        pass has removed before. With the places of `open` these are all places.
    open                places that may raise, sorted, each once
    certain_failures    those of them that raise whenever they are reached, sorted
    refused             reasons to refuse the function, sorted
    unsafe              ops whose obligation is not proved, in program order
    worst_case_ops      ops that one packet can cost at most; loops without bound count once
    max_packet_byte     1 + the deepest packet byte that may be touched
    headroom            bytes in front of where the packet arrived that it may push, at most
    resizes             whether it may push or pull at all
    returns             how often each loop goes back to its header at most each time it is entered, by its header
    unreachable         blocks that no packet reaches
    """

    ranges: dict[Op, Interval]
    proven: frozenset[Op]
    proven_sites: int
    open: tuple[OpenCheck, ...]
    certain_failures: tuple[OpenCheck, ...]
    refused: tuple[Refusal, ...]
    unsafe: tuple[UnsafeAccess, ...]
    worst_case_ops: int
    max_packet_byte: int
    headroom: int
    resizes: bool
    returns: dict[BasicBlock, int]
    unreachable: frozenset[BasicBlock]

    @property
    def accepted(self) -> bool:
        """Whether the function may be compiled."""
        return not self.refused and not self.unsafe


def verify(function: Function, *, shared: bool = False) -> Analysis:
    """Everything that holds of `function`, which must be well-formed; with `shared`, while other workers use its maps.

    Raises nothing: bad news is in the Analysis.
    """
    flow = Flow.of(function)
    if flow.irreducible:
        return _refused_unseen(function, flow)
    solution = solve(flow, shared=shared)
    cost = cost_of(solution)
    live = list(solution.ops())
    raising = [op for op in live if isinstance(op, Check | Window | Raise) and solution.verdicts.get(op) is not True]
    certain = [op for op in raising if solution.verdicts.get(op) is False or isinstance(op, Raise)]
    kept = set(raising)
    ranges = _ranges(function, solution, set(live))
    moves = [op for op in live if isinstance(op, MoveHead)]
    return Analysis(
        ranges=ranges,
        proven=frozenset(op for op in function.ops() if isinstance(op, Check | Window) and op not in kept),
        proven_sites=_others(function, raising),
        open=_open(op.site for op in raising),
        certain_failures=_open(op.site for op in certain),
        refused=tuple(sorted({*_refusals(cost), *_too_large(ranges), *_too_many(solution), *_too_far(moves, ranges)})),
        unsafe=tuple(_unsafe(solution, live)),
        worst_case_ops=cost.worst_case,
        max_packet_byte=_reach(solution, live),
        headroom=min(MAX_HEADROOM, max((_pushed(op, ranges) for op in moves), default=0)),
        resizes=bool(moves),
        returns={loop.header: returns for loop, returns in cost.returns.items() if returns is not None},
        unreachable=frozenset(block for block in function.blocks if not solution.reached.get(block)),
    )


def _refused_unseen(function: Function, flow: Flow) -> Analysis:
    """Of a function that cannot be visited loop by loop nothing is proved."""
    refused = {Refusal(_line(block), _UNBOUNDED, _UNBOUNDED_CURE) for block in flow.irreducible}
    raising = [op for op in function.ops() if isinstance(op, Check | Window | Raise)]
    return Analysis(
        ranges={op: _unseen(op) for op in function.ops() if op.type is INT},
        proven=frozenset(),
        proven_sites=0,
        open=_open(op.site for op in raising),
        certain_failures=(),
        refused=tuple(sorted(refused)),
        unsafe=(),
        worst_case_ops=0,
        max_packet_byte=MAX_PACKET,
        headroom=0,
        resizes=any(isinstance(op, MoveHead) for op in function.ops()),
        returns={},
        unreachable=frozenset(),
    )


def _ranges(function: Function, solution: Solution, live: set[Op]) -> dict[Op, Interval]:
    known = solution.frame.ranges  # which lacks a Window that always raises
    return {op: known[op] if op in live and op in known else _unseen(op) for op in function.ops() if op.type is INT}


def _unseen(op: Op) -> Interval:
    """The interval of an INT of which nothing was found out."""
    return constant(op.value) if isinstance(op, Const) and isinstance(op.value, int) else _WINDOW


def _open(sites: Iterable[Site]) -> tuple[OpenCheck, ...]:
    return tuple(sorted({OpenCheck(site.line, site.column, site.exception, site.guard) for site in sites}))


def _others(function: Function, raising: Iterable[Check | Window | Raise]) -> int:
    """Places of the function's sites other than those of `raising`."""
    return len({_place(site) for site in function.sites} - {_place(op.site) for op in raising})


def _place(site: Site) -> tuple[str, int, int, str]:
    return site.file, site.line, site.column, site.exception


def _refusals(cost: Cost) -> Iterator[Refusal]:
    for loop, returns in cost.returns.items():
        if returns is None:
            yield Refusal(_line(loop.header), _UNBOUNDED, _UNBOUNDED_CURE)
    if cost.worst_case > MAX_OPS:
        yield Refusal(
            0,
            f"one packet may cost {cost.worst_case:,} operations, more than {MAX_OPS:,}",
            "let the loops run fewer times, or nest them less deeply",
        )


def _too_large(ranges: dict[Op, Interval]) -> Iterator[Refusal]:
    """Of values that no register holds. Windows stop most, so these grow in a loop of which no bound is known."""
    for op, known in ranges.items():
        if not (known.within(_UNSIGNED) or known.within(_SIGNED)):
            yield Refusal(op.line, _TOO_LARGE, _TOO_LARGE_CURE)


def _too_many(solution: Solution) -> Iterator[Refusal]:
    """Of tables of which a packet may meet more entries than a worker has places to note."""
    for name, most, first in meetings_of(solution):
        if most > HELD_SLOTS:
            yield Refusal(first.line, _MEETS.format(most=most, map=name, limit=HELD_SLOTS), _MEETS_CURE)


def _too_far(moves: Iterable[MoveHead], ranges: dict[Op, Interval]) -> Iterator[Refusal]:
    for op in moves:
        pushed = _pushed(op, ranges)
        if pushed > MAX_HEADROOM:
            yield Refusal(op.line, _PUSHES.format(most=pushed, limit=MAX_HEADROOM), _PUSHES_CURE)


def _pushed(op: MoveHead, ranges: dict[Op, Interval]) -> int:
    """How far in front of where it arrived the packet may begin, in bytes."""
    return max(0, -ranges[op.head].lo)


def _line(block: BasicBlock) -> int:
    """The source line of a loop's header, of its condition where it has one."""
    lines = [op.line for op in reversed(block.ops) if op.line]
    return lines[0] if lines else 0


def _unsafe(solution: Solution, live: Iterable[Op]) -> Iterator[UnsafeAccess]:
    for op in live:
        if not isinstance(op, Check | Window) and solution.verdicts.get(op, True) is not True:
            yield UnsafeAccess(op, op.line, f"not proved: {obligation_of(op)}")


def _reach(solution: Solution, live: Iterable[Op]) -> int:
    """How deep accesses may go, in bytes from the packet's start."""
    deepest = 0
    for op in live:
        if isinstance(op, Find):
            deepest = max(deepest, solution.frame.ranges[op.end].hi)
        elif isinstance(op, Load | LoadBytes | Store | StoreBytes):
            access = obligation_of(op)
            assert isinstance(access, InBounds)
            deepest = max(deepest, solution.frame.ranges[access.base].hi + access.displacement + access.size)
    return min(deepest, MAX_PACKET)
