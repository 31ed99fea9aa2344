"""From a file to the filter in it: runs the module, with `-D` constants replaced.

This file must not know: how a filter is compiled.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from nmjit._filter import Filter
from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.source import SourceText, parse_text


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
        raise CompileError(Diagnostic(str(path), 0, 1, 2, f"not a text file: {error}", "give a Python file.")) from None
    source = parse_text(str(path), text)
    tree = ast.parse(text, str(path))
    for key, value in (defines or {}).items():
        _define(tree, key, value)
    module = _run(path, source, tree)
    return _choose(source, module, name)


def _define(tree: ast.Module, key: str, value: str) -> None:
    found = [node for node in tree.body if _assigned_name(node) == key]
    if len(found) != 1:
        known = sorted(name for name in map(_assigned_name, tree.body) if name)
        hint = f"; it has {', '.join(known)}" if known else "; it has none"
        raise UnknownConstant(f"-D {key}: the filter file has no one top-level constant of this name{hint}")
    node = found[0]
    assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    old = ast.literal_eval(node.value)
    new = _literal(key, value, old)
    node.value = ast.copy_location(ast.Constant(new), node.value)


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
    except (ValueError, TypeError, SyntaxError):
        return None
    return name if isinstance(literal, int | str | bytes | bool) else None


def _literal(key: str, value: str, old: int | str | bytes) -> int | str | bytes:
    if isinstance(old, str):
        return value
    try:
        new = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        new = None
    if type(new) is not type(old):
        raise UnknownConstant(f"-D {key}={value}: {key} is {type(old).__name__}, give a literal of that type")
    assert isinstance(new, int | bytes)
    return new


def _run(path: Path, source: SourceText, tree: ast.Module) -> ModuleType:
    module = ModuleType(f"nmjit_filter_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up by name
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)
    except CompileError:
        raise
    except Exception as error:
        raise CompileError(_failure(path, source, error)) from None
    finally:
        sys.path.remove(folder)
    return module


def _failure(path: Path, source: SourceText, error: Exception) -> Diagnostic:
    """An exception of the module itself, at the line of the module that led to it."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    excerpt = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
    column = len(excerpt) - len(excerpt.lstrip()) + 1
    reason = f"the file fails when it is loaded: {type(error).__name__}: {error}"
    return Diagnostic(str(path), line, column, len(excerpt) + 1, reason, "mend the module.", excerpt)


def _choose(source: SourceText, module: ModuleType, name: str | None) -> Filter:
    filters = {key: value for key, value in vars(module).items() if isinstance(value, Filter)}
    own = {key: value for key, value in filters.items() if value.function.__code__.co_filename == source.file}
    if name is not None:
        if name in filters:
            return filters[name]
        reason = f"there is no filter {name} in this file"
    elif len(own or filters) == 1:
        return next(iter((own or filters).values()))
    elif filters:
        reason = f"the file has several filters: {', '.join(sorted(filters))}"
    else:
        reason = "there is no filter in this file"
    cure = "name one of them: FILE.py:NAME." if filters else "put @filter above a function of one packet."
    raise CompileError(Diagnostic(source.file, 0, 1, 2, reason, cure))
