"""`nmjit check`: the verifier's report on a filter, for people or as JSON."""

from __future__ import annotations

import sys

import click

from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.loader import load_filter
from nmjit.compiler.report import LookUp
from nmjit.compiler.stages import check
from nmjit.runtime.cli.exits import ExitCode, print_json
from nmjit.runtime.cli.options import FilterName, define_option, filter_argument, json_option
from nmjit.runtime.cli.summary import WIDTH, report_summary


@click.command()
@filter_argument
@click.option("--strict", is_flag=True, help="Refuse a filter with open checks.")
@define_option
@json_option
def command(filter_name: FilterName, strict: bool, defines: dict[str, str], as_json: bool) -> int:
    """Verify FILTER and report: checks proven, checks left open with their cure, cost, memory.

    Exit code 0: accepted. 2: refused, or with --strict any check is open.
    """
    try:
        report = check(load_filter(filter_name.path, defines, filter_name.function))
    except CompileError as error:
        return _refuse(error.diagnostics, _nothing_known(error.diagnostics), as_json)
    data = report.to_json()
    if report.refused:
        return _refuse(report.refused, data, as_json)
    if as_json:
        print_json(data)
    else:
        print(f"{filter_name}: accepted")
        print(report_summary(data))
        for lookup in report.lookups:
            print(_shown(lookup))
    if strict and report.open:
        count = len(report.open)
        print(f"nmjit: {filter_name}: {count} open check{'s' * (count > 1)}, refused by --strict", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.DONE


def _shown(lookup: LookUp) -> str:
    place = f"{'':>{WIDTH}} look-up of {lookup.map}, line {lookup.line}"
    return f"{place}: prefetched (level {lookup.level})" if lookup.covered else f"{place}: {lookup.reason}"


def _refuse(diagnostics: tuple[Diagnostic, ...], data: dict[str, object], as_json: bool) -> int:
    if as_json:
        print_json(data)
    for diagnostic in diagnostics:
        print(diagnostic.render(), file=sys.stderr)
    return ExitCode.REFUSED


def _nothing_known(diagnostics: tuple[Diagnostic, ...]) -> dict[str, object]:
    """A report's shape for a filter that was refused before it reached the verifier."""
    return {
        "proven": None,
        "open": [],
        "refused": [diagnostic.to_json() for diagnostic in diagnostics],
        "worst_case_ops": None,
        "max_packet_byte": None,
        "maps_bytes": None,
        "lookups": [],
    }
