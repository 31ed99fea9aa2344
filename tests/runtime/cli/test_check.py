"""check.py: the report as text and JSON, and its exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.cli.conftest import CLOSED, FLOATS, FLOATS_LINE, OPEN_CHECK_LINE, TELNET, Ended

Nmjit = Callable[..., Ended]
Write = Callable[[str], Path]


def test_report_as_json(nmjit: Nmjit, filter_file: Write) -> None:
    ended = nmjit("check", filter_file(TELNET), "--json")
    assert (ended.code, ended.err) == (0, "")
    report = ended.json
    assert [(check["line"], check["exception"], check["guard"]) for check in report["open"]] == [
        (OPEN_CHECK_LINE, "IndexError", "50 < len(pkt)")
    ]
    assert report["refused"] == []
    assert report["worst_case_ops"] > 0
    assert report["max_packet_byte"] > 50
    assert report["maps_bytes"] == 0


def test_report_as_text(nmjit: Nmjit, filter_file: Write) -> None:
    ended = nmjit("check", filter_file(TELNET))
    assert ended.code == 0
    assert f"line {OPEN_CHECK_LINE}, column 8: IndexError; closed by: 50 < len(pkt)" in ended.out


STATEFUL = """\
from nmjit import PASS, HashMap, filter, u32, u64

NAMES = HashMap(u32, u64, 1 << 18)
FEW = HashMap(u32, u64, 100)

@filter
def main(pkt):
    if len(pkt) > 40 and pkt.u32(20) in FEW:
        return PASS
    if len(pkt) > 40 and pkt.u32(30) in NAMES:
        NAMES[pkt.u32(34)] += 1
    return PASS
"""


def test_look_ups_are_told_of(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(STATEFUL)
    shown = nmjit("check", path).out.splitlines()[-3:]
    assert [line.strip() for line in shown] == [
        "look-up of FEW, line 8: its memory fits the cache",
        "look-up of NAMES, line 10: prefetched (level 0)",
        "look-up of NAMES, line 11: prefetched (level 0)",
    ]
    assert nmjit("check", path, "--json").json["lookups"] == [
        {"map": "FEW", "line": 8, "covered": False, "level": None, "reason": "its memory fits the cache"},
        {"map": "NAMES", "line": 10, "covered": True, "level": 0, "reason": ""},
        {"map": "NAMES", "line": 11, "covered": True, "level": 0, "reason": ""},
    ]


def test_the_guard_that_is_named_closes_the_check(nmjit: Nmjit, filter_file: Write) -> None:
    assert nmjit("check", filter_file(CLOSED), "--strict", "--json").json["open"] == []


def test_strict_refuses_open_checks(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(TELNET)
    ended = nmjit("check", path, "--strict")
    assert (ended.code, ended.err) == (2, f"nmjit: {path}: 1 open check, refused by --strict\n")
    assert nmjit("check", filter_file(CLOSED), "--strict").code == 0


def test_a_refused_filter_as_json(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(FLOATS)
    ended = nmjit("check", path, "--json")
    assert ended.code == 2
    (refused,) = ended.json["refused"]
    assert (refused["file"], refused["line"]) == (str(path), FLOATS_LINE)
    assert refused["reason"]
    assert refused["cure"]
    assert ended.json["proven"] is None


def test_a_refused_filter_as_text(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(FLOATS)
    ended = nmjit("check", path)
    assert (ended.code, ended.out) == (2, "")
    head, excerpt, caret, cure = ended.err.splitlines()
    assert head.startswith(f"{path}:{FLOATS_LINE}:")
    assert excerpt.endswith(FLOATS.splitlines()[FLOATS_LINE - 1])
    assert set(caret.strip()) == {"^"}
    assert cure.startswith("  instead: ")


def test_a_constant_is_replaced(nmjit: Nmjit, filter_file: Write) -> None:
    assert nmjit("check", filter_file(TELNET), "-D", "PORT=80").code == 0


@pytest.mark.parametrize("define", ["NOPE=1", "PORT=telnet"])
def test_a_constant_that_can_not_be_replaced_is_wrong_usage(nmjit: Nmjit, filter_file: Write, define: str) -> None:
    ended = nmjit("check", filter_file(TELNET), "-D", define)
    assert ended.code == 2
    assert ended.err.startswith(f"nmjit: -D {define.split('=')[0]}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 +", "invalid syntax"),
        ("import nmjit", "no filter"),
        ("1 // 0", "ZeroDivisionError"),
        ("raise SystemExit(5)", "SystemExit"),
        (TELNET + TELNET.replace("def telnet", "def other"), "several filters"),
        ("\0", "null byte"),
    ],
)
def test_a_file_that_is_no_filter_is_refused(nmjit: Nmjit, filter_file: Write, text: str, reason: str) -> None:
    ended = nmjit("check", filter_file(text))
    assert ended.code == 2
    assert reason in ended.err
    assert "Traceback" not in ended.err


def test_one_of_several_filters_is_chosen_by_name(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(TELNET + TELNET.replace("def telnet", "def other"))
    assert nmjit("check", f"{path}:other").code == 0
