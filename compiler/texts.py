"""Texts of source files by name, read once: what was compiled is what messages quote, even if the file changes.

This file must not know: syntax.
"""

from __future__ import annotations

from pathlib import Path

_texts: dict[str, str] = {}


def remember_text(file: str, text: str) -> None:
    """From now on `file` has this text."""
    _texts[file] = text


def source_text(file: str) -> str:
    """The text of `file`, from memory where it has been seen. OSError or UnicodeDecodeError where it can't be read."""
    if file not in _texts:
        _texts[file] = Path(file).read_text(encoding="utf-8")
    return _texts[file]
