"""Results as text for people: verdict counts, rates, the verifier's report.

Works on the same plain data that `--json` prints, so that the two can't differ. This file must not know how the
numbers came about, nor where the text goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH = 11
"""Columns of the label at the left of a line."""
MOST_ENTRIES = 10
"""Entries of a map that a summary shows."""


def run_summary(run: Mapping[str, Any], *, source: str) -> str:
    """What one run did: `run` as docs/json.md has it for `nmjit run`, `source` the capture or port."""
    packets, seconds = run["packets"], run["seconds"]
    lines = [
        f"{run['filter']} on {source}, back end {run['backend']}",
        f"{packets:>{WIDTH},} packets, {run['bytes']:,} bytes in {duration(seconds)}{rate(packets, seconds)}",
    ]
    lines += [
        f"{count:>{WIDTH},} {verdict:<8} {100 * count / packets:5.1f} %"
        for verdict, count in run["verdicts"].items()
        if count
    ]
    lines += [
        f"{fault['count']:>{WIDTH},} of them aborted at line {fault['line']}: {fault['exception']}"
        for fault in run["aborted"]
    ]
    for name, entries in run["maps"].items():
        lines += _map_summary(name, entries)
    return "\n".join(lines)


def _map_summary(name: str, entries: Mapping[str, Any]) -> list[str]:
    """A map's largest entries, most first."""

    def weight(entry: tuple[str, Any]) -> int:
        value = entry[1]
        return max(value.values()) if isinstance(value, dict) else int(value)

    shown = sorted(entries.items(), key=weight, reverse=True)[:MOST_ENTRIES]
    lines = [f"{name}: {len(entries):,} {'entry' if len(entries) == 1 else 'entries'}"]
    for key, value in shown:
        text = ", ".join(f"{field} {n:,}" for field, n in value.items()) if isinstance(value, dict) else f"{value:,}"
        lines.append(f"{key:>{WIDTH}} {text}")
    if len(entries) > len(shown):
        lines.append(f"{'':>{WIDTH}} and {len(entries) - len(shown):,} more (--json has them all)")
    return lines


def interrupted_summary(run: Mapping[str, Any]) -> str:
    """What Ctrl-C prints, in the form tcpdump gave it: one count a line."""
    verdicts = run["verdicts"]
    passed = verdicts["PASS"] + verdicts["TX"] + verdicts["REDIRECT"]
    return "\n".join(
        (
            f"{run['packets']} {_plural('packet', run['packets'])} filtered",
            f"{passed} {_plural('packet', passed)} passed on",
            f"{verdicts['DROP']} {_plural('packet', verdicts['DROP'])} dropped by the filter",
            f"{verdicts['ABORTED']} {_plural('packet', verdicts['ABORTED'])} dropped by an exception",
        )
    )


def report_summary(report: Mapping[str, Any]) -> str:
    """The verifier's report: `report` as docs/json.md has it for `nmjit check`."""
    open_checks = report["open"]
    lines = [
        f"{report['proven']:>{WIDTH},} {_plural('check', report['proven'])} proven: no instruction left",
        f"{len(open_checks):>{WIDTH},} {_plural('check', len(open_checks))} open"
        + (": tested for each packet" if open_checks else ""),
    ]
    lines += [_open_check(check) for check in open_checks]
    lines.append(
        f"{report['worst_case_ops']:>{WIDTH},} operations a packet at worst; "
        f"touches no byte beyond {report['max_packet_byte']:,}; "
        f"maps take {report['maps_bytes']:,} bytes"
    )
    return "\n".join(lines)


def _open_check(check: Mapping[str, Any]) -> str:
    place = f"line {check['line']}, column {check['column']}"
    cure = f"; closed by: {check['guard']}" if check["guard"] else ""
    return f"{'':>{WIDTH}} {place}: {check['exception']}{cure}"


def duration(seconds: float) -> str:
    """Seconds in the unit that leaves one to three digits before the point."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}" if seconds * factor < 1000 else f"{seconds * factor:,.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def rate(packets: int, seconds: float) -> str:
    """Packets a second and time a packet, or nothing where there is nothing to divide by."""
    if not packets or seconds <= 0:
        return ""
    per_second = packets / seconds
    shown = f"{per_second / 1e6:,.2f} million" if per_second >= 1e6 else f"{per_second:,.0f}"
    return f": {shown} packets/s, {duration(seconds / packets)} a packet"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
