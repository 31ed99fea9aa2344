"""Cuts a failing filter down: deletes statements, and puts parts of expressions in place of the whole.

This file must not know: what failing means; it is told by a function.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

MAX_TRIES = 1500
"""Candidates tried in all."""


_COMPOSED = (ast.BinOp, ast.BoolOp, ast.IfExp, ast.Compare, ast.Call, ast.UnaryOp, ast.Subscript)


def reduced(source: str, fails: Callable[[str], bool]) -> str:
    """A smaller text of which `fails` still holds; `source`, in `ast.unparse`'s spelling, where there is none."""
    tries = 0
    best = ast.unparse(ast.parse(source))
    if not fails(best):
        return source
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(best):
            tries += 1
            if tries > MAX_TRIES:
                return best
            if fails(candidate):
                best, progress = candidate, True
                break
    return best


def _blocks(tree: ast.Module) -> list[tuple[list[ast.stmt], bool]]:
    """Every list of statements, and whether it may become empty."""
    found: list[tuple[list[ast.stmt], bool]] = []
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                found.append((statements, name == "orelse" or node is tree))
    return found


def _smaller(source: str) -> Iterator[str]:
    """Texts with one thing less, the largest cuts first."""
    tree = ast.parse(source)
    for number, (block, _) in enumerate(_blocks(tree)):
        for index in range(len(block)):
            changed = copy.deepcopy(tree)
            statements, may_be_empty = _blocks(changed)[number]
            removed = statements.pop(index)
            if not statements and not may_be_empty:
                if isinstance(removed, ast.Pass):
                    continue
                statements.append(ast.Pass())
            yield ast.unparse(changed)
            if isinstance(removed, ast.If | ast.For | ast.While):
                statements[index:index] = removed.body
                yield ast.unparse(changed)
    yield from _simpler_expressions(tree)


def _simpler_expressions(tree: ast.Module) -> Iterator[str]:
    """Texts in which one expression of the functions is one of its own operands, or a small number."""
    for number, node in enumerate(ast.walk(tree)):
        if not isinstance(node, _COMPOSED):
            continue
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        for part in [*parts, ast.Constant(1)]:
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[number]
            text = ast.unparse(_Replace(target, copy.deepcopy(part)).visit(changed))
            if len(text) < len(ast.unparse(tree)):
                yield text


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.expr) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)
