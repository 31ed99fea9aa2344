"""How a refusal is told: a place, a reason, a cure, and the line with a caret under it.

This file must not know where source comes from; it is handed the text of the line at fault.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One refusal. `line`, `column` and `end_column` count from 1, `end_column` exclusive; line 0 is the whole file.

    `reason` says what is wrong, `cure` what to write instead; each is one sentence. `excerpt` is the source line.
    """

    file: str
    line: int
    column: int
    end_column: int
    reason: str
    cure: str
    excerpt: str = ""

    def render(self) -> str:
        """The message as the terminal shows it: place and reason, excerpt, caret, cure."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        lines = [f"{place}: {self.reason}"]
        if self.excerpt:
            text = self.excerpt.rstrip()
            width = max(1, min(self.end_column, len(text) + 1) - self.column)
            pad = "".join("\t" if char == "\t" else " " for char in text[: self.column - 1])
            lines += [f"    {text}", f"    {pad}{'^' * width}"]
        if self.cure:
            lines.append(f"  instead: {self.cure}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, str | int]:
        """Plain data for `--json`; the keys are documented in docs/json.md."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "reason": self.reason,
            "cure": self.cure,
            "excerpt": self.excerpt.strip(),
        }


class CompileError(Exception):
    """A filter that is refused; `diagnostics` has at least one entry, in source order."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(diagnostic.render() for diagnostic in diagnostics))
        self.diagnostics = diagnostics
