"""From a file to the filter in it: runs the module, with `-D` constants replaced.

This file must not know: how a filter is compiled.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final

import nmjit
from nmjit._filter import Filter
from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.source import SourceText, parse_text, syntax_refusal
from nmjit.compiler.subset import Text

Literal = int | str | bytes | bool | float | tuple[object, ...]
_LITERALS: Final = (int, str, bytes, bool, float, tuple)
_NO_LITERAL: Final = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)


class UnknownConstant(ValueError):
    """A `-D` name that the module does not assign a literal to at its top, or a value of another type."""


def load_filter(path: Path, defines: Mapping[str, str] | None = None, name: str | None = None) -> Filter:
    """Run the file and return its filter, the one called `name` where there are several.

    `defines` replaces the values of top-level `NAME = <literal>` assignments before the module runs: the text is read
    as a literal of the same type, or taken as it stands for a string. CompileError where the file is no Python, fails
    when run, or has no such filter; UnknownConstant for a bad `defines`; OSError where it can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        reason = f"this is no text in UTF-8: {error.reason}"
        raise CompileError(Diagnostic(str(path), 0, 1, 2, reason, "save the file as UTF-8.")) from None
    source = parse_text(str(path), text)
    tree = source.tree
    if defines:
        tree = parse_text(str(path), text).tree
        for key, value in defines.items():
            _define(tree, key, value)
        source = parse_text(str(path), text)
    module = _run(path, source, tree)
    return _choose(source, module, name)


def _define(tree: ast.Module, key: str, value: str) -> None:
    found = [node for node in tree.body if _assigned_name(node) == key]
    if len(found) != 1:
        known = sorted({name for name in map(_assigned_name, tree.body) if name})
        hint = f"; it has {', '.join(known)}" if known else "; it has none"
        raise UnknownConstant(f"-D {key}: the filter file has no one top-level constant of this name{hint}")
    node = found[0]
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    assert node.value is not None
    new = ast.Constant(_literal(key, value, ast.literal_eval(node.value)))  # type: ignore[arg-type]  # tuples may stand
    node.value = ast.copy_location(new, node.value)


def _assigned_name(node: ast.stmt) -> str | None:
    """NAME of a top-level `NAME = <literal>`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            pass
        case _:
            return None
    try:
        literal = ast.literal_eval(value)
    except _NO_LITERAL:
        return None
    return name if isinstance(literal, _LITERALS) else None


def _literal(key: str, value: str, old: Literal) -> Literal:
    """`value` as a literal of the type of `old`; of a string, what stands between quotes or all of it."""
    try:
        new = ast.literal_eval(value)
    except _NO_LITERAL:
        new = None
    if type(new) is type(old):
        return new
    if isinstance(old, str):
        return value
    raise UnknownConstant(f"-D {key}={value}: {key} is of type {type(old).__name__}, give a literal of that type")


def _run(path: Path, source: SourceText, tree: ast.Module) -> ModuleType:
    module = ModuleType(f"nmjit_filter_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up by name
    try:
        code = compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise syntax_refusal(str(path), error) from None
    except Exception as error:  # nests too deep, for one
        raise CompileError(_failure(path, source, error)) from None
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(code, module.__dict__)
    except CompileError:
        raise
    except (Exception, SystemExit) as error:
        raise CompileError(_failure(path, source, error)) from None
    finally:
        with suppress(ValueError):  # the module may have changed the path itself
            sys.path.remove(folder)
    return module


def _failure(path: Path, source: SourceText, error: BaseException) -> Diagnostic:
    """An exception of the module itself, at the line of the module that led to it."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    excerpt = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
    column = len(excerpt) - len(excerpt.lstrip()) + 1
    told = f": {error}" if str(error) else ""
    reason = f"the file fails when it is loaded: {type(error).__name__}{told}"
    text = _missing_name(source, line, error) or (reason, "mend the module: it must run by itself.")
    return Diagnostic(str(path), line, column, len(excerpt.rstrip()) + 1, *text, excerpt)


def _missing_name(source: SourceText, line: int, error: BaseException) -> Text | None:
    """What is said of a name that the package does not have; None where the error is another."""
    names: list[str] = []
    if isinstance(error, ImportError) and error.name == "nmjit":
        imports = [n for n in ast.walk(source.tree) if isinstance(n, ast.ImportFrom) and n.module == "nmjit"]
        names = [alias.name for node in imports if node.lineno <= line for alias in node.names]
    elif isinstance(error, AttributeError) and error.obj is nmjit:
        names = [error.name or ""]
    elif isinstance(error, NameError) and error.name in nmjit.__all__:
        return f"the name {error.name} is not imported", f"write from nmjit import {error.name}."
    for name in names:
        if name != "*" and not hasattr(nmjit, name):
            close = difflib.get_close_matches(name, nmjit.__all__, 1)
            cure = f"do you mean {close[0]}?" if close else f"it has: {', '.join(nmjit.__all__)}."
            return f"nmjit has no name {name}", cure
    return None


def _choose(source: SourceText, module: ModuleType, name: str | None) -> Filter:
    filters = {key: value for key, value in vars(module).items() if isinstance(value, Filter)}
    own = {key: value for key, value in filters.items() if value.function.__code__.co_filename == source.file}
    distinct = {id(value): value for value in (own or filters).values()}
    if name is not None:
        if name in filters:
            return filters[name]
        reason = f"there is no filter {name} in this file"
    elif len(distinct) == 1:
        return next(iter(distinct.values()))
    elif filters:
        reason = "there are several filters in this file"
    else:
        reason = "there is no filter in this file"
    cure = f"name one, as FILE.py:NAME; there are: {', '.join(sorted(filters))}."
    raise CompileError(
        Diagnostic(source.file, 0, 1, 2, reason, cure if filters else "put @filter above a function of one packet.")
    )
