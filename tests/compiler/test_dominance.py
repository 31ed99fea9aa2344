"""Dominators by the algorithm against dominators by their definition."""

from __future__ import annotations

from hypothesis import given

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import BasicBlock, Function
from nmjit.compiler.reader import read_function
from tests.compiler.ir_strategies import functions


def reached_without(function: Function, left_out: BasicBlock) -> set[BasicBlock]:
    """Blocks that the entry reaches on ways that avoid `left_out`."""
    seen: set[BasicBlock] = set()
    waiting = [function.entry]
    while waiting:
        block = waiting.pop()
        if block not in seen and block is not left_out:
            seen.add(block)
            waiting.extend(block.successors())
    return seen


@given(functions())
def test_a_block_dominates_what_cannot_be_reached_without_it(function: Function) -> None:
    tree = DominatorTree.of(function)
    for above in function.blocks:
        others = reached_without(function, above)
        for below in function.blocks:
            assert tree.dominates(above, below) == (below not in others)


@given(functions())
def test_parents_and_children_are_one_tree(function: Function) -> None:
    tree = DominatorTree.of(function)
    assert tree.root is function.entry
    assert {child: block for block, children in tree.children.items() for child in children} == tree.parent
    for block, parent in tree.parent.items():
        assert tree.dominates(parent, block)
        assert not tree.dominates(block, parent)


def test_a_loop_that_is_entered_in_two_places() -> None:
    function = read_function(
        """filter f {
        entry:
          %0 = const bool true
          branch %0, a, b
        a:
          branch %0, b, out
        b:
          branch %0, a, out
        out:
          %1 = const int 1
          return %1, %1
        }"""
    )
    tree = DominatorTree.of(function)
    assert {block.label: parent.label for block, parent in tree.parent.items()} == dict.fromkeys("ab", "entry") | {
        "out": "entry"
    }
