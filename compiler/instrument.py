"""The Python back end's copy of a filter: the same function with the language's integer checks written in.

CPython's integers have no window and its shifts no upper limit, so each operator is wrapped in a call that checks;
inside a wrap or a store into a declared width, the modular context of docs/semantics.md, only shift amounts are.
Everything else is left to CPython, which is the definition. This file must not know: the compiler's own lowering.
"""

from __future__ import annotations

import ast
import copy
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any, Final

from nmjit._filter import Filter
from nmjit._ints import Width
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN
from nmjit.compiler.source import function_source
from nmjit.compiler.subset import MAX_ADDRESS_SHIFT, is_address_integer

_WINDOW: Final = "__nmjit_window__"
_SHIFT: Final = "__nmjit_shift__"
_ADDRESS_SHIFT: Final = "__nmjit_address_shift__"
_LIBRARY: Final = ("nmjit._", "ipaddress")
"""Starts of the names of modules whose functions are no helpers of the filter: they run as they are."""
MAX_SHIFT: Final = 63
_MODULAR = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift)


def check_window(value: int) -> int:
    """`value`; OverflowError where no operator may yield it."""
    if not WINDOW_MIN <= value <= WINDOW_MAX:
        raise OverflowError(f"{value} is not within -2**63 ... 2**64-1")
    return value


def check_shift(amount: int) -> int:
    """`amount`; ValueError where no shift may go so far."""
    if not 0 <= amount <= MAX_SHIFT:
        raise ValueError(f"shift by {amount}, not by 0 ... {MAX_SHIFT}")
    return amount


def check_address_shift(amount: int) -> int:
    """`amount`; ValueError where the integer of an address may not be shifted right so far."""
    if not 0 <= amount <= MAX_ADDRESS_SHIFT:
        raise ValueError(f"shift by {amount}, not by 0 ... {MAX_ADDRESS_SHIFT}")
    return amount


class Instrumented:
    """A filter's function with its checks, and the code objects whose lines count as the filter's own."""

    def __init__(self, filter_: Filter) -> None:
        self.codes: set[CodeType] = set()
        self._done: dict[FunctionType, FunctionType] = {}
        function = filter_.function
        assert isinstance(function, FunctionType)
        self.function = self._instrument(function)

    def _instrument(self, function: FunctionType) -> FunctionType:
        known = self._done.get(function)
        if known is not None:
            return known
        source, definition = function_source(function)
        tree = copy.deepcopy(definition)
        tree.decorator_list = []
        tree.body = _Checks(function).statements(tree.body)
        module = ast.fix_missing_locations(ast.Module([tree], []))
        scope: dict[str, Any] = dict(function.__globals__)
        flags = function.__code__.co_flags & 0x1000000  # from __future__ import annotations
        code = compile(module, source.file, "exec", flags=flags, dont_inherit=True, optimize=0)
        [inner] = [
            const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == definition.name
        ]
        result = FunctionType(inner, scope, function.__name__, function.__defaults__)
        result.__kwdefaults__ = function.__kwdefaults__
        self._done[function] = result
        codes = _all_codes(inner)
        self.codes.update(codes)
        names = tuple(dict.fromkeys(name for code in codes for name in code.co_names))
        for name in names:
            if name in scope:
                scope[name] = self._helper(scope[name], names)
        # Behind the search for helpers, which these are not.
        scope |= {_WINDOW: check_window, _SHIFT: check_shift, _ADDRESS_SHIFT: check_address_shift}
        return result

    def _helper(self, named: Any, names: tuple[str, ...]) -> Any:
        """What stands for a global in the copy: a plain function's own copy, a module with such copies in it."""
        plain = named.function if isinstance(named, Filter) else named
        if isinstance(plain, FunctionType) and not plain.__module__.startswith(_LIBRARY):
            return self._instrument(plain)
        if isinstance(named, ModuleType) and not named.__name__.startswith("nmjit"):
            held = {name: value for name, value in vars(named).items() if not isinstance(value, ModuleType)}
            copies = {name: self._helper(held[name], names) for name in names if name in held}
            return SimpleNamespace(**{**vars(named), **copies})
        return named


def _all_codes(code: CodeType) -> list[CodeType]:
    """A code object and those of the generators in it."""
    return [code, *(c for const in code.co_consts if isinstance(const, CodeType) for c in _all_codes(const))]


class _Checks:
    """Rewrites statements and expressions; `modular` says whether an integer's low bits alone are wanted."""

    def __init__(self, function: FunctionType) -> None:
        self._globals = function.__globals__
        self._locals = frozenset(function.__code__.co_varnames + function.__code__.co_cellvars)

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return [self._statement(statement) for statement in body]

    def _statement(self, node: ast.stmt) -> ast.stmt:
        match node:
            case ast.Assign(targets=targets):
                node.value = self._expression(node.value, modular=all(map(_is_store, targets)))
                node.targets = [self._expression(target) for target in targets]
            case ast.AnnAssign(value=ast.expr() as value):
                node.value = self._expression(value, modular=_is_store(node.target))
            case ast.AugAssign():
                return self._augmented(node)
            case _:
                self._fields(node)
        return node

    def _fields(self, node: ast.AST) -> None:
        """Rewrite all that hangs below a node which has no rule of its own."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, name, self._expression(value))
            elif isinstance(value, list):
                setattr(node, name, [self._child(item) for item in value])

    def _child(self, item: Any) -> Any:
        if isinstance(item, ast.stmt):
            return self._statement(item)
        if isinstance(item, ast.expr):
            return self._expression(item)
        if isinstance(item, ast.match_case | ast.comprehension | ast.keyword):
            self._fields(item)
        return item

    def _augmented(self, node: ast.AugAssign) -> ast.stmt:
        """`x += n` of a local becomes `x = check(x + n)`; into a field or an entry it is a wrapping store."""
        if isinstance(node.target, ast.Name):
            old = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            sum_ = ast.copy_location(ast.BinOp(old, node.op, node.value), node)
            return ast.copy_location(ast.Assign([node.target], self._expression(sum_)), node)
        modular = isinstance(node.op, _MODULAR) and not isinstance(node.op, ast.LShift)
        node.value = self._expression(node.value, modular=modular)
        if isinstance(node.op, ast.LShift | ast.RShift):
            node.value = _checked(_SHIFT, node.value, node)
        node.target = self._expression(node.target)
        return node

    def _expression(self, node: ast.expr, modular: bool = False) -> Any:
        match node:
            case ast.BinOp(op=op):
                return self._binary(node, modular and isinstance(op, _MODULAR))
            case ast.UnaryOp(op=ast.USub() | ast.Invert()):
                node.operand = self._expression(node.operand, modular)
                return node if modular else _checked(_WINDOW, node, node)
            case ast.UnaryOp(op=ast.UAdd()):
                node.operand = self._expression(node.operand, modular)
            case ast.IfExp():
                node.test = self._expression(node.test)
                node.body = self._expression(node.body, modular)
                node.orelse = self._expression(node.orelse, modular)
            case ast.Call(func=func, args=[argument]) if not node.keywords and self._is_width(func):
                node.args = [self._expression(argument, modular=True)]
            case _:
                self._fields(node)
        return node

    def _binary(self, node: ast.BinOp, modular: bool) -> ast.expr:
        shift = isinstance(node.op, ast.LShift | ast.RShift)
        node.left = self._expression(node.left, modular)
        node.right = self._expression(node.right, modular and not shift)
        if shift:
            wide = isinstance(node.op, ast.RShift) and is_address_integer(node.left, self._locals, self._globals)
            node.right = _checked(_ADDRESS_SHIFT if wide else _SHIFT, node.right, node)
        return node if modular else _checked(_WINDOW, node, node)

    def _is_width(self, node: ast.expr) -> bool:
        """Whether `node` names u8 … i64."""
        match node:
            case ast.Name(id=name) if name not in self._locals:
                return isinstance(self._globals.get(name), Width)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner not in self._locals:
                return isinstance(getattr(self._globals.get(owner), name, None), Width)
        return False


def _is_store(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute | ast.Subscript)


def _checked(check: str, node: ast.expr, at: ast.expr | ast.stmt) -> ast.expr:
    """`check(node)`, which raises in the line of the operator or statement `at`."""
    function = ast.copy_location(ast.Name(check, ast.Load()), at)
    return ast.copy_location(ast.Call(function, [node], []), at)
