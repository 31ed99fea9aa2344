"""Every class of node of the running Python is lowered, or refused with words of its own, or a part of such a node."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

import pytest

from nmjit.compiler import subset
from nmjit.compiler.lowering import comparison, expressions, numbers, statements

PARTS = {
    "Load", "Store", "Del", "And", "Or", "Not", "Invert", "UAdd", "USub", "Is", "IsNot", "In", "NotIn",
    "arguments", "arg", "keyword", "alias", "withitem", "match_case", "comprehension", "ExceptHandler", "TypeIgnore",
    "Module", "Interactive", "Expression", "FunctionType", "TypeVar", "ParamSpec", "TypeVarTuple",
}  # fmt: skip
"""Handled with the node that they are part of, or never inside a function."""
WELCOME_IN_PLACES = {ast.Set, ast.List, ast.Slice, ast.GeneratorExp}
"""Lowered where they are welcome, refused elsewhere."""


def leaves(cls: type[ast.AST]) -> Iterator[type[ast.AST]]:
    """Concrete node classes; the names that ast keeps for code of Python 3.7 are no longer made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        children = cls.__subclasses__()
    if not children:
        yield cls
    for child in children:
        if child.__module__ in ("ast", "_ast") and not issubclass(child, ast.Constant) and child.__base__ is cls:
            yield from leaves(child)
        elif child is ast.Constant:
            yield child


OLD = {"slice", "Index", "ExtSlice", "Suite", "AugLoad", "AugStore", "Param"}
ALL = sorted({cls for cls in leaves(ast.AST) if cls.__name__ not in OLD}, key=lambda cls: cls.__name__)


def test_the_list_is_of_this_python() -> None:
    assert {ast.For, ast.Constant, ast.MatchStar, ast.Add, ast.Lambda} <= set(ALL)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_lowered_or_refused(cls: type[ast.AST]) -> None:
    name = cls.__name__
    if name in PARTS:
        return
    if issubclass(cls, ast.stmt):
        assert (cls in subset.ADMITTED_STATEMENTS) is (cls in statements.LOWERED)
        assert (cls in subset.ADMITTED_STATEMENTS) is (name not in subset.REFUSED_STATEMENTS)
    elif issubclass(cls, ast.expr):
        lowered = cls in expressions.LOWERED or cls in WELCOME_IN_PLACES
        assert (cls in subset.ADMITTED_EXPRESSIONS) is lowered
        assert (cls in expressions.LOWERED) is (name not in subset.REFUSED_EXPRESSIONS)
    elif issubclass(cls, ast.pattern):
        assert (cls in subset.ADMITTED_PATTERNS) is (name not in subset.REFUSED_PATTERNS)
    elif issubclass(cls, ast.operator):
        assert (cls in numbers.OPERATORS) is (name not in subset.REFUSED_OPERATORS)
    else:
        assert issubclass(cls, ast.cmpop)
        assert cls in comparison.PREDICATES
