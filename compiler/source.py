"""From a function object to its text and syntax tree.

The text is read from the file that the function was compiled from, or is in memory for a filter that a test keeps in a
string (`parse_text`). This file must not know which nodes the language admits.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from types import FunctionType
from typing import Final

from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.texts import remember_text, source_text

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
"""What ends a line for Python; str.splitlines knows more."""


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
        """Where `node` stands; of a node over several lines the part on its first. Of a `def`, its head."""
        if not isinstance(node, ast.stmt | ast.expr | ast.pattern | ast.keyword | ast.arg) or not node.lineno:
            return Span(0, 1, 2)
        text = self.lines[node.lineno - 1]
        start = _characters(text, node.col_offset)
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            return Span(node.lineno, start + 1, _characters(text, node.end_col_offset) + 1)
        return Span(node.lineno, start + 1, len(text.rstrip()) + 1)

    def diagnostic(self, node: ast.AST, reason: str, cure: str) -> Diagnostic:
        """A refusal of `node`."""
        span = self.span(node)
        excerpt = self.lines[span.line - 1] if span.line else ""
        return Diagnostic(self.file, span.line, span.column, span.end_column, reason, cure, excerpt)


_parsed: Final[dict[str, SourceText]] = {}
"""Trees by file name: a helper that is inlined at ten places is parsed once."""


def parse_text(file: str, text: str) -> SourceText:
    """Parse `text`, to be known as `file` from now on. CompileError where it is no Python."""
    text = text.removeprefix("\ufeff")
    remember_text(file, text)
    try:
        tree = ast.parse(text, file)
    except SyntaxError as error:
        raise syntax_refusal(file, error) from None
    except (RecursionError, MemoryError):
        raise _file_refusal(file, "the code nests too deep", "flatten it, or split it into functions.") from None
    except ValueError as error:  # a NUL byte in the text, on some versions of Python
        raise _file_refusal(file, f"this is no Python: {error}", "give a Python file.") from None
    source = SourceText(file, tuple(_LINE_END.split(text)), tree)
    _parsed[file] = source
    return source


def syntax_refusal(file: str, error: SyntaxError) -> CompileError:
    """What is said of a text that is no Python."""
    excerpt = (error.text or "").rstrip("\r\n") if error.lineno else ""
    column = max(1, error.offset or 1)
    end = error.end_offset if error.end_offset and error.end_lineno == error.lineno else column + 1
    reason = f"this is no Python: {error.msg}"
    end = max(end, column + 1)
    return CompileError(Diagnostic(file, error.lineno or 0, column, end, reason, "mend it here.", excerpt))


def _file_refusal(file: str, reason: str, cure: str) -> CompileError:
    return CompileError(Diagnostic(file, 0, 1, 2, reason, cure))


def read_source(file: str) -> SourceText:
    """The parsed text of `file`, from memory where it has been seen. OSError where it can't be read.

    CompileError where it is no Python, or not text in UTF-8.
    """
    known = _parsed.get(file)
    if known is not None:
        return known
    try:
        return parse_text(file, source_text(file))
    except UnicodeDecodeError as error:
        raise _file_refusal(file, f"this is no text in UTF-8: {error.reason}", "save the file as UTF-8.") from None


def function_source(function: FunctionType) -> tuple[SourceText, ast.FunctionDef]:
    """Text and tree of `function`. CompileError where it has no source file or is not a `def` (a lambda, `exec`)."""
    code = function.__code__
    try:
        source = read_source(code.co_filename)
    except OSError:
        reason = f"the source of {function.__name__} can't be read"
        raise _file_refusal(code.co_filename, reason, "keep filters and their helpers in files.") from None
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            if code.co_firstlineno in (first, node.lineno):
                return source, node
    line = code.co_firstlineno
    excerpt = source.lines[line - 1] if line <= len(source.lines) else ""
    name = "a lambda" if code.co_name == "<lambda>" else code.co_name
    column = len(excerpt) - len(excerpt.lstrip()) + 1
    reason = f"{name} is not a plain function"
    cure = "write it with def at the top of its module."
    raise CompileError(Diagnostic(source.file, line, column, len(excerpt.rstrip()) + 1, reason, cure, excerpt))


def _characters(line: str, utf8_offset: int) -> int:
    """ast counts bytes of UTF-8; people count characters."""
    return len(line.encode()[:utf8_offset].decode(errors="replace"))
