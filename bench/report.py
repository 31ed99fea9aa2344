"""The benchmark's result as a table (with rich where it is installed) and as JSON rows.

This file must not know how a number was measured.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Final

from nmjit.bench.measure import Result, Row

_HEAD: Final = ("filter", "engine", "layout", "ns", "cycles", "to C", "to C+prefetch", "verdicts")
_LEFT: Final = 3
"""Columns from the left that hold text; numbers are set right."""


def json_rows(result: Result) -> str:
    """A JSON array, one object a row; keys are an interface (docs: README.md)."""
    return json.dumps([_json_row(row) for row in result.rows], indent=2)


def _json_row(row: Row) -> dict[str, object]:
    return {
        "filter": row.filter,
        "engine": row.engine,
        "layout": row.layout,
        "ns": round(row.ns, 3),
        "cycles": round(row.cycles, 3),
        "ratio_to_c": None if row.ratio_to_c is None else round(row.ratio_to_c, 4),
        "packets": row.packets,
        "verdicts": row.verdicts,
    }


def print_result(result: Result) -> None:
    """Prints the table, then what was skipped and the hash of each set of verdicts."""
    cells = [_cells(row) for row in result.rows]
    if importlib.util.find_spec("rich"):
        _print_rich(cells)
    else:
        _print_plain(cells)
    for (filter_, layout), digest in result.hashes.items():
        print(f"{filter_}, {layout}: all engines agree, hash of verdicts {digest:016x}")
    for skip in result.skipped:
        print(f"skipped: {skip.engine} for {skip.filter}: {skip.reason}")


def _cells(row: Row) -> tuple[str, ...]:
    verdicts = ", ".join(f"{name} {count / row.packets:.1%}" for name, count in row.verdicts.items() if count)
    ratios = (row.ratio_to_c, row.ratio_to_prefetch)
    return (
        row.filter,
        row.engine,
        row.layout,
        f"{row.ns:.2f}",
        f"{row.cycles:.1f}",
        *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        verdicts,
    )


def _print_rich(cells: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for index, title in enumerate(_HEAD):
        table.add_column(title, justify="left" if index < _LEFT or title == "verdicts" else "right")
    for index, row in enumerate(cells):
        last = index + 1 == len(cells) or cells[index + 1][0] != row[0] or cells[index + 1][2] != row[2]
        table.add_row(*row, end_section=last)
    Console(width=None if Console().is_terminal else 140).print(table)


def _print_plain(cells: Sequence[tuple[str, ...]]) -> None:
    rows = [_HEAD, *cells]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        padded = (
            text.ljust(width) if column < _LEFT else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(padded).rstrip())
