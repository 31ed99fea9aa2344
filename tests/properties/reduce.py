"""Cuts a failing filter down: deletes statements, and puts parts of expressions in place of the whole, while it still fails.

This file must not know: what failing means; it is told by a function.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

MAX_TRIES = 1500
"""Candidates tried in all."""


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


def _smaller(source: str) -> Iterator[str]:
    """Texts with one thing less, the largest cuts first."""
    tree = ast.parse(source)
    bodies = [(node, field) for node in ast.walk(tree) for field in ("body", "orelse") if isinstance(getattr(node, field, None), list)]
    for number, (node, field) in enumerate(bodies):
        del node
        for index in range(len(getattr(bodies[number][0], field))):
            changed = copy.deepcopy(tree)
            owner = [n for n in ast.walk(changed) for f in ("body", "orelse") if isinstance(getattr(n, f, None), list)][number]
            statements: list[ast.stmt] = getattr(owner, field)
            removed = statements.pop(index)
            if not statements and field == "body" and not isinstance(owner, ast.Module):
                if isinstance(removed, ast.Pass):
                    continue
                statements.append(ast.Pass())
            yield ast.unparse(ast.fix_missing_locations(changed))
            inner = getattr(removed, "body", None)
            if isinstance(removed, ast.If | ast.For | ast.While) and isinstance(inner, list):
                statements[index:index] = inner
                yield ast.unparse(ast.fix_missing_locations(changed))
    yield from _simpler_expressions(tree)


def _simpler_expressions(tree: ast.Module) -> Iterator[str]:
    """Texts in which one expression of the functions is one of its own operands, or a small number."""
    for number, node in enumerate(ast.walk(tree)):
        if not isinstance(node, ast.BinOp | ast.BoolOp | ast.IfExp | ast.Compare | ast.Call | ast.UnaryOp | ast.Subscript):
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
