"""The restricted subset: which nodes a filter may hold, and what is said of the others.

`check_function` walks a whole function before lowering, so that a construct in a branch that is never taken is refused
all the same. This file must not know: types, IR.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NoReturn

from nmjit.compiler.errors import CompileError
from nmjit.compiler.source import SourceText

ADMITTED_STATEMENTS: Final[frozenset[type[ast.stmt]]] = frozenset({
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.While, ast.Match, ast.Break, ast.Continue, ast.Pass,
    ast.Return, ast.Assert, ast.Expr, ast.Delete,
})  # fmt: skip
ADMITTED_EXPRESSIONS: Final[frozenset[type[ast.expr]]] = frozenset({
    ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Compare,
    ast.Tuple, ast.Set, ast.List, ast.Subscript, ast.Slice, ast.Call, ast.GeneratorExp,
})  # fmt: skip
ADMITTED_PATTERNS: Final[frozenset[type[ast.pattern]]] = frozenset({
    ast.MatchValue, ast.MatchSingleton, ast.MatchOr, ast.MatchAs,
})  # fmt: skip

Text = tuple[str, str]
"""Reason and cure."""
_PLAIN: Final = "write plain code."
_TOP: Final = "move it to the top of the module."
REFUSED_STATEMENTS: Final[dict[str, Text]] = {
    "Try": ("try is not supported: an exception ends the packet", "test the condition first, with an if."),
    "TryStar": ("try is not supported: an exception ends the packet", "test the condition first, with an if."),
    "With": ("with is not supported in a filter", "open files and the like at the top of the module."),
    "Raise": ("raise is not supported in a filter", "return a verdict, or end the packet with an assert."),
    "Global": ("a filter can't rebind globals", "keep state in a map: Array, HashMap, Counter …"),
    "Nonlocal": ("closures are not supported", "pass values as arguments."),
    "Import": ("import inside a filter is not supported", "import at the top of the module."),
    "ImportFrom": ("import inside a filter is not supported", "import at the top of the module."),
    "FunctionDef": ("a function inside a function is not supported", _TOP),
    "ClassDef": ("a class inside a function is not supported", _TOP),
    "TypeAlias": ("a type alias inside a function is not supported", _TOP),
    "AsyncFunctionDef": ("async is not supported in a filter", "write a plain function at the top of the module."),
    "AsyncFor": ("async is not supported in a filter", "write a plain for."),
    "AsyncWith": ("async is not supported in a filter", _PLAIN),
}
REFUSED_EXPRESSIONS: Final[dict[str, Text]] = {
    "Lambda": ("lambda is not supported in a filter", "write a function at the top of the module."),
    "ListComp": ("a list comprehension is not supported", "write a loop, or any(...) or all(...) over a constant."),
    "SetComp": ("a set comprehension is not supported", "build the set at the top of the module."),
    "DictComp": ("a dict comprehension is not supported", "build constants at the top of the module."),
    "GeneratorExp": ("a generator is supported only as any(...) and all(...)", "write a loop."),
    "Dict": ("a dict is not supported in a filter", "use match, or a HashMap at the top of the module."),
    "List": ("a list is supported only behind `in`", "write a tuple: (a, b)."),
    "Set": ("a set is supported only behind `in`", "build it at the top of the module, or write `x in {1, 2}`."),
    "JoinedStr": ("an f-string is not supported in a filter", "leave it out: compiled code shows no text."),
    "TemplateStr": ("a t-string is not supported in a filter", "leave it out: compiled code shows no text."),
    "FormattedValue": ("an f-string is not supported in a filter", "leave it out: compiled code shows no text."),
    "Interpolation": ("a t-string is not supported in a filter", "leave it out: compiled code shows no text."),
    "Await": ("await is not supported in a filter", _PLAIN),
    "Yield": ("yield is not supported in a filter", "return a verdict."),
    "YieldFrom": ("yield is not supported in a filter", "return a verdict."),
    "Starred": ("* is not supported here", "write the items one by one."),
    "Slice": ("a slice stands only inside [ ] of its own", "take one slice at a time: pkt[i:j]."),
}
REFUSED_PATTERNS: Final[dict[str, Text]] = {
    "MatchSequence": ("a pattern of several items is not supported", "match one value, or compare with if."),
    "MatchMapping": ("a pattern of a dict is not supported", "match one value, or compare with if."),
    "MatchClass": ("a pattern of a class is not supported", "match one value, or test for None with if."),
    "MatchStar": ("a pattern of several items is not supported", "match one value, or compare with if."),
}
REFUSED_OPERATORS: Final[dict[str, Text]] = {
    "Div": ("/ gives a float, and filters have no floats", "use //, which rounds down."),
    "Pow": ("** is not supported in a filter", "multiply, or shift: 1 << n."),
    "MatMult": ("@ is not supported in a filter", "use an operator of integers."),
}

MAX_ADDRESS_SHIFT = 127
"""Largest amount by which the integer of an address is shifted right."""


def is_address_integer(node: ast.AST, local_names: Collection[str], global_names: Mapping[str, object]) -> bool:
    """Whether `node` is written `int(…)`: behind it `>>` takes as many bits as an IPv6 address has."""
    match node:
        case ast.Call(func=ast.Name(id="int"), args=[_], keywords=[]):
            return "int" not in local_names and global_names.get("int", int) is int
    return False


def _refuse(source: SourceText, node: ast.AST, text: Text) -> NoReturn:
    raise CompileError(source.diagnostic(node, *text))


def refuse_statement(source: SourceText, node: ast.stmt) -> NoReturn:
    """End the compilation: this statement is outside the subset."""
    _refuse(source, node, _text(REFUSED_STATEMENTS, node))


def refuse_expression(source: SourceText, node: ast.expr) -> NoReturn:
    """End the compilation: this expression is outside the subset, or stands where it can't."""
    _refuse(source, node, _text(REFUSED_EXPRESSIONS, node))


def refuse_pattern(source: SourceText, node: ast.pattern) -> NoReturn:
    """End the compilation: this pattern of a match is outside the subset."""
    default = ("this pattern is not supported", "match numbers, constants, None, `|` of them, or `_`.")
    _refuse(source, node, REFUSED_PATTERNS.get(type(node).__name__, default))


def refuse_operator(source: SourceText, node: ast.AST, operator: ast.operator) -> NoReturn:
    """End the compilation: this operator is outside the subset."""
    _refuse(source, node, REFUSED_OPERATORS[type(operator).__name__])


def _text(table: dict[str, Text], node: ast.AST) -> Text:
    """By name, since the running Python may lack a class, or have one that came after this table."""
    name = type(node).__name__
    return table.get(name, (f"{name} is not supported in a filter", _PLAIN))


def refuse_object_attribute(source: SourceText, node: ast.Attribute, obj: Any) -> NoReturn:
    """End the compilation: an attribute of an object that may change from one Python to the next, or during a run."""
    reason = f"{node.attr} of an object of type {type(obj).__name__} is not supported in a filter"
    _refuse(source, node, (reason, "take it at the top of the module, into a constant."))


def check_function(source: SourceText, node: ast.FunctionDef) -> None:
    """Refuse the first node of the body, in the order of the text, that is outside the subset."""
    for statement in node.body:
        for child in _nodes(statement):
            match child:
                case ast.stmt() if type(child) not in ADMITTED_STATEMENTS:
                    refuse_statement(source, child)
                case ast.expr() if type(child) not in ADMITTED_EXPRESSIONS:
                    refuse_expression(source, child)
                case ast.pattern() if type(child) not in ADMITTED_PATTERNS:
                    refuse_pattern(source, child)
                case ast.BinOp(op=kind) | ast.AugAssign(op=kind) if type(kind).__name__ in REFUSED_OPERATORS:
                    refuse_operator(source, child, kind)
                case ast.Constant(value=value) if value is ...:
                    _refuse(source, child, ("... does nothing in a filter", "write pass, or return a verdict."))
                case ast.Constant(value=value) if isinstance(value, float | complex):
                    reason = f"filters have no values of type {type(value).__name__}"
                    _refuse(source, child, (reason, "use integers; scale if you need fractions."))


def _nodes(root: ast.AST) -> Iterator[ast.AST]:
    """`root` and what hangs below it, in the order of the text; annotations, which nobody evaluates, are left out."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.AnnAssign):
            children.remove(node.annotation)
        stack += reversed(children)
