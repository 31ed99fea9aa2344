"""Runs tests/compiler/refused/cases/*.case: filters that must be refused, and what is said of each, word for word.

    [case NAME [:FILTER] [-D KEY=VALUE]]
    the file `filter.py` from its second line on; the first is PRELUDE
    [refused]
    the message, as the terminal shows it

`pytest tests/compiler --update-cases` rewrites the messages; read the diff before you commit it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import UnknownConstant, load_filter
from nmjit.compiler.pipeline import verify_filter
from tests.compiler.test_cases import Section, cases

FOLDER = Path(__file__).parent / "cases"
PRELUDE = "from ipaddress import *; from nmjit import *\n"
NEEDS_3_11 = {"try_star"}
FILES = sorted(FOLDER.glob("*.case"))
ALL = [pytest.param(path, case, id=f"{path.stem}-{case[0].words[1]}") for path in FILES for case in cases(path)]


def message(file: Path, defines: Mapping[str, str], name: str | None) -> str:
    """What the user is told. Nothing but a refusal may come out of a filter."""
    try:
        report = verify_filter(load_filter(file, defines, name)).report
    except CompileError as error:
        return str(error)
    except UnknownConstant as error:
        return str(error)
    return "\n".join(diagnostic.render() for diagnostic in report.refused)


def refusal(case: list[Section]) -> str:
    """Writes `filter.py` to the present folder and yields what is said of it."""
    file = Path("filter.py")
    file.write_text(PRELUDE + case[0].text, encoding="utf-8")
    words = case[0].words[2:]
    defines = dict(word.split("=", 1) for word in words if "=" in word)
    name = next((word[1:] for word in words if word.startswith(":")), None)
    return message(file, defines, name)


def rewritten(path: Path) -> str:
    parts = [
        f"[{' '.join(case[0].words)}]\n{case[0].text.strip()}\n[refused]\n{refusal(case)}\n" for case in cases(path)
    ]
    return "\n".join(parts)


@pytest.mark.parametrize(("path", "case"), ALL)
def test_refusal(
    path: Path, case: list[Section], update_cases: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if update_cases:
        if case == next(cases(path)):  # once a file
            path.write_text(rewritten(path))
        return
    assert [section.words for section in case[1:]] == [["refused"]]
    told = refusal(case)
    assert told, "the filter is accepted"
    assert told.strip() == case[1].text.strip()
