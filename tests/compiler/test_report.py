"""report.py: plain data as docs/json.md has it."""

from __future__ import annotations

import json

from nmjit.compiler.report import LookUp, OpenCheck, Report


def test_a_report_is_plain_data() -> None:
    report = Report(
        proven=3,
        open=(OpenCheck(9, 8, "IndexError", "50 < len(pkt)"),),
        refused=(),
        worst_case_ops=71,
        max_packet_byte=42,
        maps_bytes=4096,
        lookups=(LookUp("FLOWS", 12, True, 0, ""), LookUp("NAMES", 14, False, None, "its memory fits the cache")),
    )
    data = report.to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["lookups"] == [
        {"map": "FLOWS", "line": 12, "covered": True, "level": 0, "reason": ""},
        {"map": "NAMES", "line": 14, "covered": False, "level": None, "reason": "its memory fits the cache"},
    ]
    assert {key for key in data if key != "lookups"} == {
        "proven", "open", "refused", "worst_case_ops", "max_packet_byte", "maps_bytes",
    }  # fmt: skip
