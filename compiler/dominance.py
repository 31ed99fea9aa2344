"""The dominator tree of a function's blocks: who must have run before whom.

Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", 2001.

This file must not know: ops, except that the last one of a block names its successors.
"""

from __future__ import annotations

from dataclasses import dataclass

from nmjit.compiler.ir import BasicBlock, Function


@dataclass(frozen=True, slots=True)
class DominatorTree:
    """`children` of each reachable block, in reverse postorder; `parent` (immediate dominator) of all but the entry.

    `first` and `last` number the tree's nodes in preorder: a block's subtree is first … last.
    """

    root: BasicBlock
    parent: dict[BasicBlock, BasicBlock]
    children: dict[BasicBlock, list[BasicBlock]]
    first: dict[BasicBlock, int]
    last: dict[BasicBlock, int]

    @classmethod
    def of(cls, function: Function) -> DominatorTree:
        """The tree of the blocks that the entry reaches; every one of them must end in a terminator."""
        order = function.reverse_postorder()
        parent = _immediate_dominators(order)
        children: dict[BasicBlock, list[BasicBlock]] = {block: [] for block in order}
        for block in order[1:]:
            children[parent[block]].append(block)
        first, last = _preorder(order[0], children)
        return cls(order[0], parent, children, first, last)

    def dominates(self, above: BasicBlock, below: BasicBlock) -> bool:
        """Whether every way to `below` leads through `above`; a block dominates itself. Both must be reachable."""
        return self.first[above] <= self.first[below] <= self.last[above]


def _immediate_dominators(order: list[BasicBlock]) -> dict[BasicBlock, BasicBlock]:
    number = {block: index for index, block in enumerate(order)}
    predecessors: list[list[int]] = [[] for _ in order]
    for index, block in enumerate(order):
        for successor in block.successors():
            predecessors[number[successor]].append(index)
    parent = [0] * len(order)
    known = [True] + [False] * (len(order) - 1)
    changed = True
    while changed:
        changed = False
        for index in range(1, len(order)):
            candidates = [other for other in predecessors[index] if known[other]]
            found = candidates[0]
            for other in candidates[1:]:
                found = _meet(parent, found, other)
            if not known[index] or parent[index] != found:
                known[index], parent[index], changed = True, found, True
    return {order[index]: order[parent[index]] for index in range(1, len(order))}


def _meet(parent: list[int], a: int, b: int) -> int:
    """The nearest block above both, by their numbers in reverse postorder."""
    while a != b:
        while a > b:
            a = parent[a]
        while b > a:
            b = parent[b]
    return a


def _preorder(
    root: BasicBlock, children: dict[BasicBlock, list[BasicBlock]]
) -> tuple[dict[BasicBlock, int], dict[BasicBlock, int]]:
    first: dict[BasicBlock, int] = {}
    last: dict[BasicBlock, int] = {}
    stack = [(root, False)]
    while stack:
        block, left = stack.pop()
        if left:
            last[block] = len(first) - 1
        else:
            first[block] = len(first)
            stack.append((block, True))
            stack.extend((child, False) for child in reversed(children[block]))
    return first, last
