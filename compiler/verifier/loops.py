"""Natural loops and how they nest, and the blocks in the order in which to visit them.

This file must not know: states, what ops compute.
Source: F. Bourdoncle, "Efficient chaotic iteration strategies with widenings", 1993: the nested order visited here.
"""

from __future__ import annotations

from typing import TypeAlias

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import BasicBlock, Function
from nmjit.compiler.record import record


@record
class Loop:
    """A natural loop: `latches` are the blocks that lead back to `header`, `items` its blocks in reverse postorder.

    An inner loop is one item, in the place of its header.
    """

    header: BasicBlock
    latches: tuple[BasicBlock, ...]
    blocks: frozenset[BasicBlock]
    items: tuple[Item, ...]


Item: TypeAlias = BasicBlock | Loop


@record
class Flow:
    """A function's control flow. `order` is reverse postorder; `irreducible` are headers of loops that can
    be entered in two ways, or are the function's entry itself."""

    order: tuple[BasicBlock, ...]
    predecessors: dict[BasicBlock, list[BasicBlock]]
    tree: DominatorTree
    items: tuple[Item, ...]
    headers: frozenset[BasicBlock]
    irreducible: tuple[BasicBlock, ...]

    @classmethod
    def of(cls, function: Function) -> Flow:
        """The flow of the blocks that the entry reaches. Where it is irreducible, `items` and `headers` are empty."""
        order = tuple(function.reverse_postorder())
        tree = DominatorTree.of(function)
        predecessors: dict[BasicBlock, list[BasicBlock]] = {block: [] for block in order}
        for block in order:
            for successor in block.successors():
                predecessors[successor].append(block)
        latches, irreducible = _latches(order, tree)
        if irreducible:
            return cls(order, predecessors, tree, (), frozenset(), tuple(irreducible))
        bodies = {header: _body(header, tails, predecessors) for header, tails in latches.items()}
        items = _nest(order, latches, bodies)
        return cls(order, predecessors, tree, items, frozenset(latches), ())


def _latches(
    order: tuple[BasicBlock, ...], tree: DominatorTree
) -> tuple[dict[BasicBlock, list[BasicBlock]], list[BasicBlock]]:
    """The sources of the edges that lead back, by target; and the targets that do not dominate such a source."""
    number = {block: place for place, block in enumerate(order)}
    latches: dict[BasicBlock, list[BasicBlock]] = {}
    irreducible = []
    for block in order:
        for successor in block.successors():
            if number[successor] <= number[block]:
                if tree.dominates(successor, block) and successor is not order[0]:
                    latches.setdefault(successor, []).append(block)
                else:
                    irreducible.append(successor)
    return latches, irreducible


def _body(
    header: BasicBlock, latches: list[BasicBlock], predecessors: dict[BasicBlock, list[BasicBlock]]
) -> frozenset[BasicBlock]:
    """All blocks from which a latch can be reached without passing the header, and the header."""
    body = {header}
    work = list(latches)
    while work:
        block = work.pop()
        if block not in body:
            body.add(block)
            work.extend(predecessors[block])
    return frozenset(body)


def _nest(
    blocks: tuple[BasicBlock, ...],
    latches: dict[BasicBlock, list[BasicBlock]],
    bodies: dict[BasicBlock, frozenset[BasicBlock]],
    outer: BasicBlock | None = None,
) -> tuple[Item, ...]:
    """The items of a region: `blocks` in reverse postorder, of which `outer` is the header that encloses the rest."""
    items: list[Item] = []
    placed: set[BasicBlock] = set()
    for block in blocks:
        if block in placed:
            continue
        if block in latches and block is not outer:
            body = bodies[block]
            inside = tuple(other for other in blocks if other in body)
            items.append(Loop(block, tuple(latches[block]), body, _nest(inside, latches, bodies, block)))
            placed |= body
        else:
            items.append(block)
    return tuple(items)
