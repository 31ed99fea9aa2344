"""Claims of the verifier made testable: a function that raises `Claim` wherever an Analysis of it turns out wrong.

Every range becomes two Checks behind its value, every proven check raises `Claim` instead of its own exception, and
every block called unreachable raises it at once. Accesses are tested by the interpreter itself.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import Check, Compare, Const, Function, Op, Phi, Predicate, Site, Window
from nmjit.compiler.irtypes import MAX_PACKET, MapDecl
from nmjit.compiler.mapstate import DenseState, Entry
from nmjit.compiler.outcome import PacketInfo
from nmjit.compiler.verifier import Analysis
from tests.compiler.ir_strategies import LIMITS, fresh_maps


def with_claims(function: Function, analysis: Analysis) -> Function:
    """`function`, changed in place."""
    for block in function.blocks:
        phis = [op for op in block.ops if isinstance(op, Phi)]
        rest = [op for op in block.ops if not isinstance(op, Phi)]
        ops: list[Op] = [*phis]
        if block in analysis.unreachable:
            never = Const(False)
            ops += [never, Check(never, Site("Claim", 0, 0, f"{block.label} unreachable"))]
        for phi in phis:
            ops += _range_claims(phi, analysis)
        for op in rest:
            if op in analysis.proven:
                assert isinstance(op, Check | Window)
                op.site = Site("Claim", 1, 0, f"{op.site.line} proven")
            ops += [op, *_range_claims(op, analysis)]
        block.ops = ops
    function.sites = [op.site for op in function.ops() if hasattr(op, "site")]
    return function


def _range_claims(op: Op, analysis: Analysis) -> Iterator[Op]:
    known = analysis.ranges.get(op)
    if known is None or not known.is_bounded:
        return
    for predicate, bound in ((Predicate.GE, known.lo), (Predicate.LE, known.hi)):
        limit = Const(bound)
        holds = Compare(predicate, op, limit)
        yield limit
        yield holds
        yield Check(holds, Site("Claim", 2, 0, f"{predicate} {bound}"))


def assert_claims_hold(claiming: Function, packets: Iterator[bytes], seed: int) -> int:
    """Run packets through a function made by `with_claims`; the number of those that came to a verdict."""
    interpreter, verdicts = Interpreter(claiming), 0
    generator = random.Random(seed)
    for packet in packets:
        info = PacketInfo(
            len(packet) + generator.choice((0, 0, 1, 1000)),
            generator.choice((0, 2**64 - 1)),
            generator.getrandbits(64),
            generator.choice((0, 65535)),
            generator.choice((0, 7)),
            generator.getrandbits(64),
            generator.getrandbits(20),
            generator.choice((MAX_PACKET, len(packet) + 20)),
        )
        maps = fresh_maps(claiming)
        for state in maps.values():
            if isinstance(state, DenseState) and state.decl is not LIMITS:  # rates have limits of their own
                state.load(_random_entries(state.decl, generator))
        outcome = interpreter.run(bytearray(packet), info, maps)
        assert outcome.exception != "Claim", (seed, packet.hex(), outcome)
        verdicts += outcome.exception is None
    return verdicts


def _random_entries(decl: MapDecl, generator: random.Random) -> list[Entry]:
    return [
        tuple(
            generator.getrandbits(8 * field.scalar.size) - (field.scalar.signed << 8 * field.scalar.size - 1)
            for field in decl.layout.fields
        )
        for _ in range(decl.capacity)
    ]
