"""From a function object to its text and syntax tree.

The text is read from the file that the function was compiled from, or from memory for a filter that a test keeps in a
string (`register_text`). This file must not know which nodes the language admits.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import FunctionType

from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.texts import remember_text, source_text


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one source line, 1-based columns in characters, end exclusive."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class SourceText:
    """One file's name, text and tree."""

    file: str
    lines: tuple[str, ...]
    tree: ast.Module

    def span(self, node: ast.AST) -> Span:
        """Where `node` stands; of a node over several lines the part on its first."""
        line = getattr(node, "lineno", 0)
        if not line:
            return Span(0, 1, 2)
        text = self.lines[line - 1]
        start = _characters(text, node.col_offset)  # type: ignore[attr-defined]
        if node.end_lineno == line:  # type: ignore[attr-defined]
            return Span(line, start + 1, _characters(text, node.end_col_offset) + 1)  # type: ignore[attr-defined]
        return Span(line, start + 1, len(text.rstrip()) + 1)

    def diagnostic(self, node: ast.AST, reason: str, cure: str) -> Diagnostic:
        """A refusal of `node`."""
        span = self.span(node)
        excerpt = self.lines[span.line - 1] if span.line else ""
        return Diagnostic(self.file, span.line, span.column, span.end_column, reason, cure, excerpt)


_texts: dict[str, SourceText] = {}
"""Trees by file name: a helper that is inlined at ten places is parsed once."""


def parse_text(file: str, text: str) -> SourceText:
    """Parse `text`, to be known as `file` from now on. CompileError where it is no Python."""
    remember_text(file, text)
    try:
        tree = ast.parse(text, file)
    except SyntaxError as error:
        line = (error.text or "").rstrip("\n")
        column = error.offset or 1
        raise CompileError(
            Diagnostic(file, error.lineno or 0, column, column + 1, f"{error.msg}", "write valid Python.", line)
        ) from None
    except ValueError as error:  # a NUL byte in the text
        raise CompileError(Diagnostic(file, 0, 1, 2, f"{error}", "write valid Python.")) from None
    source = SourceText(file, tuple(text.splitlines()), tree)
    _texts[file] = source
    return source


def read_source(file: str) -> SourceText:
    """The parsed text of `file`, from memory where it has been seen. OSError where it can't be read."""
    known = _texts.get(file)
    return known if known is not None else parse_text(file, source_text(file))


def function_source(function: FunctionType) -> tuple[SourceText, ast.FunctionDef]:
    """Text and tree of `function`. CompileError where it has no source file or is not a `def` (a lambda, `exec`)."""
    code = function.__code__
    try:
        source = read_source(code.co_filename)
    except OSError:
        raise CompileError(
            Diagnostic(
                code.co_filename,
                0,
                1,
                2,
                f"the source of {function.__name__} can't be read",
                "keep filters and their helpers in files.",
            )
        ) from None
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            if code.co_firstlineno in (first, node.lineno):
                return source, node
    raise CompileError(
        Diagnostic(
            source.file,
            code.co_firstlineno,
            1,
            2,
            f"{function.__name__} is not a plain function",
            "write it with def at the top of its module.",
            source.lines[code.co_firstlineno - 1] if code.co_firstlineno <= len(source.lines) else "",
        )
    )


def _characters(line: str, utf8_offset: int) -> int:
    """ast counts bytes of UTF-8; people count characters."""
    return len(line.encode()[:utf8_offset].decode(errors="replace"))
