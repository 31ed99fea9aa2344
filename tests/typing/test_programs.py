"""mypy --strict and pyright accept the shipped programs, and both miss a test for None that is taken out."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parents[2] / "programs"
UNGUARDED = {
    "port_filter": ("tcp is not None and ", ""),
    "mac_swap": ("eth is None", "len(pkt) < 14"),
    "router": ("eth is None or ip is None", "eth is None"),
    "vlan_filter": ("eth is None", "len(pkt) < 14"),
    "block_list": ("ip is not None and ", ""),
    "protocol_counter": ("if ip := pkt.ipv4:", "if (ip := pkt.ipv4) or len(pkt):"),
    "acl": ("l4 is not None and ", ""),
}
"""The text of a None check in each program that has one, and what to write instead."""

Findings = dict[str, set[str]]
"""Rules broken, by file name."""


def mypy_findings(folder: Path) -> Findings:
    from mypy import api

    options = ["--strict", "--config-file=", "--no-pretty", "--cache-dir", str(folder / ".cache")]
    output, errors, _ = api.run([*options, *map(str, folder.glob("*.py"))])
    assert errors == ""
    assert re.search(r"^(Found \d+ error|Success)", output, re.MULTILINE), output
    found: Findings = {}
    for name, rule in re.findall(r"(\w+)\.py:\d+: error: .*\[([a-z-]+)\]$", output, re.MULTILINE):
        found.setdefault(name, set()).add(rule)
    return found


def pyright_findings(folder: Path) -> Findings:
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "pythonVersion": "3.10"}')
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    found: Findings = {}
    for finding in report["generalDiagnostics"]:
        found.setdefault(Path(finding["file"]).stem, set()).add(finding["rule"])
    return found


CHECKERS: dict[str, tuple[Callable[[Path], Findings], str]] = {
    "mypy": (mypy_findings, "union-attr"),
    "pyright": (pyright_findings, "reportOptionalMemberAccess"),
}
"""How to ask each checker, and its name for an attribute of what may be None."""


@pytest.mark.parametrize("checker", CHECKERS)
def test_programs_are_accepted_and_missing_checks_found(checker: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    ask, rule = CHECKERS[checker]
    for path in PROGRAMS.glob("[a-z]*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    for name, (guard, instead) in UNGUARDED.items():
        text = (PROGRAMS / f"{name}.py").read_text()
        assert text.count(guard) == 1, name
        (tmp_path / f"unguarded_{name}.py").write_text(text.replace(guard, instead))
    assert ask(tmp_path) == {f"unguarded_{name}": {rule} for name in UNGUARDED}
