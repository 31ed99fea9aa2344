"""summary.py: what people read; the numbers come from the JSON."""

from __future__ import annotations

from typing import Any

import pytest

from nmjit.runtime.cli.summary import duration, interrupted_summary, rate, report_summary, run_summary

RUN: dict[str, Any] = {
    "filter": "acl",
    "backend": "jit",
    "packets": 20_000,
    "bytes": 1_234_567,
    "seconds": 0.002,
    "verdicts": {"ABORTED": 3, "DROP": 4997, "PASS": 15_000, "TX": 0, "REDIRECT": 0},
    "aborted": [{"line": 31, "exception": "IndexError", "count": 3}],
    "maps": {},
}
REPORT: dict[str, Any] = {
    "proven": 41,
    "open": [{"line": 31, "column": 14, "exception": "IndexError", "guard": "len(pkt) > 20"}],
    "refused": [],
    "worst_case_ops": 312,
    "max_packet_byte": 74,
    "maps_bytes": 4096,
}


def test_run_summary_shows_counts_rates_and_the_line_of_each_exception() -> None:
    assert run_summary(RUN, source="t.pcap").splitlines() == [
        "acl on t.pcap, back end jit",
        "     20,000 packets, 1,234,567 bytes in 2 ms: 10.00 million packets/s, 100 ns a packet",
        "          3 ABORTED    0.0 %",
        "      4,997 DROP      25.0 %",
        "     15,000 PASS      75.0 %",
        "          3 of them aborted at line 31: IndexError",
    ]


def test_run_summary_shows_the_largest_entries_of_each_map() -> None:
    maps = {"PROTOCOLS": {str(key): key * 1000 for key in range(1, 13)}, "FLOWS": {"3": {"packets": 7, "octets": 900}}}
    lines = run_summary({**RUN, "maps": maps}, source="t.pcap").splitlines()
    assert lines[6:9] == ["PROTOCOLS: 12 entries", "         12 12,000", "         11 11,000"]
    assert lines[16:] == [
        "          3 3,000",
        "            and 2 more (--json has them all)",
        "FLOWS: 1 entry",
        "          3 packets 7, octets 900",
    ]


def test_run_summary_of_an_empty_capture_divides_by_nothing() -> None:
    empty = {
        **RUN,
        "packets": 0,
        "bytes": 0,
        "seconds": 0.0,
        "verdicts": dict.fromkeys(RUN["verdicts"], 0),
        "aborted": [],
    }
    assert run_summary(empty, source="t.pcap").splitlines() == [
        "acl on t.pcap, back end jit",
        "          0 packets, 0 bytes in 0 ns",
    ]


def test_report_summary_shows_each_open_check_with_its_guard() -> None:
    assert report_summary(REPORT).splitlines() == [
        "         41 checks proven: no instruction left",
        "          1 check open: tested for each packet",
        "            line 31, column 14: IndexError; closed by: len(pkt) > 20",
        "        312 operations a packet at worst; touches no byte beyond 74; maps take 4,096 bytes",
    ]


def test_interrupted_summary_is_tcpdumps() -> None:
    one = {**RUN, "packets": 1, "verdicts": {"ABORTED": 0, "DROP": 0, "PASS": 0, "TX": 1, "REDIRECT": 0}}
    assert interrupted_summary(one).splitlines() == [
        "1 packet filtered",
        "1 packet passed on",
        "0 packets dropped by the filter",
        "0 packets dropped by an exception",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (96.4e-9, "96 ns"), (1.5e-6, "1.5 µs"), (0.0123, "12.3 ms"), (3.0, "3 s"), (4321.0, "4,321 s")],
)
def test_duration_picks_the_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_slow_rate_is_told_in_packets() -> None:
    assert rate(1000, 2.0) == ": 500 packets/s, 2 ms a packet"


def test_rate_of_nothing_is_silent() -> None:
    assert rate(0, 1.0) == rate(5, 0.0) == ""
