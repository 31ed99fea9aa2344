"""What the fixpoint leaves behind: which ops run, what became of their obligations, and the states between blocks.

This file must not know: how any of it comes about.
"""

from __future__ import annotations

from collections.abc import Iterable

from nmjit.compiler.ir import BasicBlock, Op
from nmjit.compiler.verifier.loops import Flow
from nmjit.compiler.verifier.state import Frame, State


class Solution:
    """What holds where. `reached` is the number of ops of a block that can run; `verdicts` whether the obligation of
    each of those that has one always holds (True), never does (False), or neither is known (None).

    `edges` has the state on each way from block to block that can be taken, `out` that at the end of each block.
    """

    __slots__ = ("edges", "flow", "frame", "out", "reached", "verdicts")

    def __init__(self, flow: Flow, frame: Frame) -> None:
        self.flow = flow
        self.frame = frame
        self.reached: dict[BasicBlock, int] = {}
        self.verdicts: dict[Op, bool | None] = {}
        self.edges: dict[tuple[BasicBlock, BasicBlock], State] = {}
        self.out: dict[BasicBlock, State] = {}

    def ops(self) -> Iterable[Op]:
        """Every op that can run."""
        for block in self.flow.order:
            yield from block.ops[: self.reached.get(block, 0)]

    def ways_into(self, header: BasicBlock, sources: Iterable[BasicBlock]) -> dict[BasicBlock, State]:
        """The states on those ways from `sources` to `header` that can be taken."""
        edges = self.edges
        return {source: edges[source, header] for source in sources if (source, header) in edges}
