"""The restricted subset: which nodes a filter may hold, and what is said of the others.

`check_function` walks a whole function before lowering, so that a construct in a branch that is never taken is refused
all the same. This file must not know: types, IR.
"""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from nmjit.compiler.errors import CompileError
from nmjit.compiler.source import SourceText

ADMITTED_STATEMENTS: frozenset[type[ast.stmt]] = frozenset({
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.While, ast.Match, ast.Break, ast.Continue, ast.Pass,
    ast.Return, ast.Assert, ast.Expr,
})  # fmt: skip
ADMITTED_EXPRESSIONS: frozenset[type[ast.expr]] = frozenset({
    ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Compare,
    ast.Tuple, ast.Set, ast.List, ast.Subscript, ast.Slice, ast.Call, ast.GeneratorExp,
})  # fmt: skip

_STATEMENTS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Try: ("try is not supported: an exception ends the packet", "test the condition first, with an if."),
    ast.With: ("with is not supported", "open files and the like at the top of the module."),
    ast.Raise: ("raise is not supported", "return a verdict, or use assert to end the packet."),
    ast.Global: ("a filter can't rebind globals", "keep state in a map: Array, Counter."),
    ast.Nonlocal: ("closures are not supported", "pass values as arguments."),
    ast.Delete: ("del is not supported on this", "leave the name alone; it costs nothing."),
    ast.Import: ("import inside a filter is not supported", "import at the top of the module."),
    ast.ImportFrom: ("import inside a filter is not supported", "import at the top of the module."),
    ast.FunctionDef: ("a function inside a function is not supported", "move it to the top of the module."),
    ast.ClassDef: ("a class inside a function is not supported", "move it to the top of the module."),
    ast.AsyncFunctionDef: ("async is not supported", "write a plain function."),
    ast.AsyncFor: ("async is not supported", "write a plain for."),
    ast.AsyncWith: ("async is not supported", "write plain code."),
}
_EXPRESSIONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("lambda is not supported", "write a function at the top of the module."),
    ast.ListComp: ("a list comprehension is not supported", "loop, or use any(...) or all(...) over a constant."),
    ast.SetComp: ("a set comprehension is not supported", "build the set at the top of the module."),
    ast.DictComp: ("a dict comprehension is not supported", "build constants at the top of the module."),
    ast.GeneratorExp: ("a generator is supported only inside any(...) and all(...)", "write a loop."),
    ast.Dict: ("a dict is not supported in a filter", "use match, or a map of nmjit."),
    ast.List: ("a list is not supported in a filter", "use a tuple: (a, b)."),
    ast.Set: ("a set is supported only behind `in`", "use it as `x in {1, 2}`, or build it at the top of the module."),
    ast.JoinedStr: ("an f-string is not supported in a filter", "filters have no use for text; return a verdict."),
    ast.Await: ("await is not supported", "write plain code."),
    ast.Yield: ("yield is not supported", "return a verdict."),
    ast.YieldFrom: ("yield is not supported", "return a verdict."),
    ast.Starred: ("* is not supported here", "write the items one by one."),
    ast.Slice: ("a slice stands only inside [ ]", "write pkt[i:j]."),
}
_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Div: ("/ gives a float, and filters have no floats", "use //, which rounds down."),
    ast.Pow: ("** is not supported", "multiply, or shift: 1 << n."),
    ast.MatMult: ("@ is not supported", "use integer operators."),
}


def _refuse(source: SourceText, node: ast.AST, reason: str, cure: str) -> NoReturn:
    raise CompileError(source.diagnostic(node, reason, cure))


def refuse_statement(source: SourceText, node: ast.stmt) -> NoReturn:
    """End the compilation: this statement is outside the subset."""
    name = type(node).__name__
    _refuse(source, node, *_STATEMENTS.get(type(node), (f"{name} is not supported in a filter", "write plain code.")))


def refuse_expression(source: SourceText, node: ast.expr) -> NoReturn:
    """End the compilation: this expression is outside the subset, or stands where it can't."""
    name = type(node).__name__
    _refuse(source, node, *_EXPRESSIONS.get(type(node), (f"{name} is not supported in a filter", "write plain code.")))


def refuse_operator(source: SourceText, node: ast.AST, operator: ast.operator) -> NoReturn:
    """End the compilation: this operator is outside the subset."""
    _refuse(source, node, *_OPERATORS[type(operator)])


def refuse_constant(source: SourceText, node: ast.Constant) -> NoReturn:
    """End the compilation: a constant of a type that filters do not have."""
    kind = type(node.value).__name__
    _refuse(source, node, f"filters have no values of type {kind}", "use integers; scale if you need fractions.")


def refuse_object_attribute(source: SourceText, node: ast.Attribute, obj: Any) -> NoReturn:
    """End the compilation: an attribute of an object that may change from one Python to the next, or during a run."""
    kind = type(obj).__name__
    _refuse(
        source,
        node,
        f"{node.attr} of a {kind} is not supported in a filter",
        "take it at the top of the module, into a constant.",
    )


def check_function(source: SourceText, node: ast.FunctionDef) -> None:
    """Refuse the first node of the body that is outside the subset, wherever it stands."""
    for statement in node.body:
        for child in ast.walk(statement):
            if isinstance(child, ast.stmt) and type(child) not in ADMITTED_STATEMENTS:
                refuse_statement(source, child)
            if isinstance(child, ast.expr) and type(child) not in ADMITTED_EXPRESSIONS:
                refuse_expression(source, child)
            if isinstance(child, ast.BinOp | ast.AugAssign) and type(child.op) in _OPERATORS:
                refuse_operator(source, child, child.op)
            if isinstance(child, ast.Constant):
                _check_constant(source, child)




def _check_constant(source: SourceText, node: ast.Constant) -> None:
    if isinstance(node.value, float | complex) or node.value is ...:
        refuse_constant(source, node)
