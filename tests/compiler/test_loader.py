"""Loading a filter file: the choice of the filter, and constants replaced before the module runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import UnknownConstant, load_filter

HEAD = "from nmjit import *\n"
FILTER = "@filter\ndef f(pkt: Packet) -> Verdict:\n    return PASS\n"


def write(folder: Path, text: str) -> Path:
    file = folder / "some.py"
    file.write_text(text, encoding="utf-8")
    return file


def constant(folder: Path, assignment: str, defines: Mapping[str, str]) -> Any:
    """K of a file with this assignment at its top, once it has run."""
    file = write(folder, f"{HEAD}{assignment}\nTWICE = (K, K)\n{FILTER}")
    names = load_filter(file, defines).function.__globals__
    assert names["TWICE"] == (names["K"], names["K"]), "what follows from the constant follows"
    return names["K"]


@pytest.mark.parametrize(
    ("assignment", "value", "expected"),
    [
        ("K = 5", "7", 7),
        ("K = 5", "-7", -7),
        ("K = 5", "0x10", 16),
        ("K: int = 5", "7", 7),
        ("K = True", "False", False),
        ("K = 0.5", "0.25", 0.25),
        ("K = b'a'", "b'b'", b"b"),
        ("K = (1, 2)", "(3,)", (3,)),
        ("K = 'eth0'", "eth1", "eth1"),
        ("K = 'eth0'", "'eth1'", "eth1"),
        ("K = 'eth0'", "5", "5"),
        ("K = 'eth0'", "", ""),
    ],
)
def test_constant_is_replaced(assignment: str, value: str, expected: Any, tmp_path: Path) -> None:
    found = constant(tmp_path, assignment, {"K": value})
    assert found == expected
    assert type(found) is type(expected)


def test_text_of_the_file_stays_as_it_is(tmp_path: Path) -> None:
    assert constant(tmp_path, "K = 5", {"K": "7"}) == 7
    assert constant(tmp_path, "K = 5", {}) == 5


@pytest.mark.parametrize(
    ("assignment", "value"),
    [("K = 5", "True"), ("K = True", "1"), ("K = 5", "5.0"), ("K = 5", "x"), ("K = 5", ""), ("K = f()", "5")],
)
def test_constant_of_another_type(assignment: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownConstant, match="-D K"):
        constant(tmp_path, f"def f(): return 5\n{assignment}", {"K": value})


def test_only_filter_is_chosen_over_imported_ones(tmp_path: Path) -> None:
    (tmp_path / "loader_test_other.py").write_text(HEAD + FILTER.replace("def f", "def g"))
    file = write(tmp_path, f"from loader_test_other import g\n{HEAD}{FILTER}")
    assert load_filter(file).name == "f"
    assert load_filter(file, name="g").name == "g"


def test_filter_under_two_names(tmp_path: Path) -> None:
    assert load_filter(write(tmp_path, f"{HEAD}{FILTER}g = f\n")).name == "f"


def test_dataclasses_find_their_module(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + HEAD
    file = write(tmp_path, f"{text}@dataclass\nclass Limit:\n    rate: int = 5\nLIMIT = Limit()\n{FILTER}")
    assert load_filter(file).name == "f"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        load_filter(tmp_path / "missing.py")


def test_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# -*- coding: latin-1 -*-\nx = 'ü'".encode("latin-1"))
    with pytest.raises(CompileError, match="no text in UTF-8"):
        load_filter(file)
