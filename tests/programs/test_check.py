"""What `nmjit check` says of each program: nothing left open, and the cost that its docstring names."""

from __future__ import annotations

import ast

import pytest

from nmjit.compiler.loader import load_filter
from nmjit.compiler.pipeline import verify_filter
from nmjit.compiler.report import Report
from tests.programs.everywhere import NAMES, PROGRAMS


def report_of(name: str) -> Report:
    return verify_filter(load_filter(PROGRAMS / f"{name}.py")).report


def cost(report: Report) -> str:
    """The sentence that a docstring has for this report."""
    operations = f"{report.worst_case_ops:,} operation{'s' * (report.worst_case_ops != 1)}"
    depth = f"touches no byte beyond {report.max_packet_byte:,}" if report.max_packet_byte else "reads no byte"
    return f"Cost: at most {operations} a packet; {depth}."


@pytest.mark.parametrize("name", NAMES)
def test_no_check_is_left_open(name: str) -> None:
    report = report_of(name)
    assert (report.open, report.refused) == ((), ())


@pytest.mark.parametrize("name", NAMES)
def test_docstring_says_what_it_costs(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text())) or ""
    assert cost(report_of(name)) in docstring.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_docstring_says_what_it_drops(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text())) or ""
    assert "Drops " in docstring
