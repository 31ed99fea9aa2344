"""Runs tests/compiler/cases/*.case: IR text in, the text that each stage makes of it out, word for word.

    [case NAME]          lines of comment may follow, each with `;`
    filter … { … }       the input
    [STAGE ARGUMENTS]
    filter … { … }       what the stage makes of the text above; more stages may follow

`pytest tests/compiler --update-cases` rewrites the expected texts; read the diff before you commit it. Stages are the
passes by their names (`drop_checks` with the numbers of the sites proved), `read` (print again) and `findings`
(well-formedness findings as notes, those of a slice where it says so).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nmjit.compiler.ir import BasicBlock, Check, Function, Op, Window
from nmjit.compiler.passes import combine_stores, dead_code, drop_checks, fold, gvn, simplify_cfg
from nmjit.compiler.printer import print_function
from nmjit.compiler.reader import read_function
from nmjit.compiler.wellformed import findings

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Section:
    """A heading in brackets, its words, and the text below it."""

    words: list[str]
    text: str


def sections(content: str) -> list[Section]:
    parts = re.split(r"^\[(.+)\]\n", content, flags=re.MULTILINE)
    assert not parts[0].strip(), "text before the first [case]"
    return [Section(words.split(), text) for words, text in zip(parts[1::2], parts[2::2], strict=True)]


def cases(path: Path) -> Iterator[list[Section]]:
    """A case is its own section and those of its stages."""
    group: list[Section] = []
    for section in sections(path.read_text()):
        if section.words[0] == "case" and group:
            yield group
            group = []
        group.append(section)
    yield group


def _pass(run: Callable[[Function], bool]) -> Callable[[Function, list[str]], str]:
    def stage(function: Function, _: list[str]) -> str:
        before = print_function(function)
        changed = run(function)
        after = print_function(function)
        assert changed == (before != after), "run() must say whether it changed the function"
        assert not findings(function)
        return after

    return stage


def _drop_checks(function: Function, numbers: list[str]) -> str:
    sites = [function.sites[int(number)] for number in numbers]
    proven = {op for op in function.ops() if isinstance(op, (Check, Window)) and op.site in sites}
    return _pass(lambda it: drop_checks.run(it, proven))(function, [])


def _findings(function: Function, words: list[str]) -> str:
    notes: dict[Op, list[str]] = {}
    for finding in findings(function, is_slice="slice" in words):
        op = finding.where.ops[0] if isinstance(finding.where, BasicBlock) else finding.where
        prefix = "block: " if isinstance(finding.where, BasicBlock) else ""
        notes.setdefault(op, []).append(prefix + finding.message)
    return print_function(function, notes)


STAGES: dict[str, Callable[[Function, list[str]], str]] = {
    "simplify_cfg": _pass(simplify_cfg.run),
    "fold": _pass(fold.run),
    "gvn": _pass(gvn.run),
    "dead_code": _pass(dead_code.run),
    "combine_stores": _pass(combine_stores.run),
    "drop_checks": _drop_checks,
    "read": lambda function, _: print_function(function),
    "findings": _findings,
}


def outputs(case: list[Section]) -> list[str]:
    """What each stage makes of the text that the stage before it made."""
    texts, text = [], case[0].text
    for section in case[1:]:
        text = STAGES[section.words[0]](read_function(text), section.words[1:])
        texts.append(text)
    return texts


def rewritten(path: Path) -> str:
    """The file with the stages' present outputs."""
    lines: list[str] = []
    for case in cases(path):
        lines.append(f"[{' '.join(case[0].words)}]\n{case[0].text.strip()}\n")
        for section, text in zip(case[1:], outputs(case), strict=True):
            lines.append(f"[{' '.join(section.words)}]\n{text}")
        lines.append("\n")
    return "".join(lines).rstrip("\n") + "\n"


FILES = sorted(FOLDER.glob("*.case"))
ALL = [pytest.param(path, case, id=f"{path.stem}-{case[0].words[1]}") for path in FILES for case in cases(path)]


@pytest.mark.parametrize(("path", "case"), ALL)
def test_case(path: Path, case: list[Section], update_cases: bool) -> None:
    if update_cases:
        path.write_text(rewritten(path))
        return
    assert len(case) > 1, "a case needs a stage"
    for section, text in zip(case[1:], outputs(case), strict=True):
        assert text.strip() == section.text.strip()


def test_every_stage_has_a_case() -> None:
    used = {section.words[0] for path in FILES for case in cases(path) for section in case[1:]}
    assert used == STAGES.keys()
