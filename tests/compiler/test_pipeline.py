"""pipeline.py and stages.py: what a filter with look-ups, pushes or a fault in it comes to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmjit._filter import Filter
from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import load_filter
from nmjit.compiler.maplayout import map_bytes
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.pipeline import compile_filter, finish, verify_filter
from nmjit.compiler.stages import check, dump
from nmjit.runtime.host import LIVE_ACCESSOR

FLOWS = """\
from nmjit import PASS, HashMap, LruHashMap, filter, u32, u64

FLOWS = LruHashMap(u32, u32, 1 << 18)
NAMES = HashMap(u32, u64, 1 << 18)
FEW = HashMap(u32, u64, 100)

@filter
def main(pkt):
    if len(pkt) < 40:
        return PASS
    if pkt.u32(20) in FEW:
        return PASS
    mark = FLOWS.setdefault(pkt.u32(30), 0)
    if mark in NAMES:
        NAMES[mark] += 1
    return PASS
"""
LINES = {"FEW": 11, "FLOWS": 13, "NAMES": 14}
PUSH = """\
from nmjit import DROP, PASS, filter

@filter
def main(pkt):
    if len(pkt) > 60:
        pkt.push(8)
        pkt[0] = 1
    elif len(pkt) > 20:
        pkt.push(100)
        pkt.push(20)
    if len(pkt) < 20:
        return DROP
    pkt[19] = 2
    return PASS
"""


@pytest.fixture
def filter_(request: pytest.FixtureRequest, tmp_path: Path) -> Filter:
    path = tmp_path / "filter.py"
    path.write_text(request.param)
    return load_filter(path)


@pytest.mark.parametrize("filter_", [FLOWS], indirect=True)
def test_what_is_said_of_look_ups(filter_: Filter) -> None:
    report = check(filter_)
    assert {(each.map, each.line, each.level, each.reason) for each in report.lookups} == {
        ("FEW", LINES["FEW"], None, "its memory fits the cache"),
        ("FLOWS", LINES["FLOWS"], 0, ""),
        ("NAMES", LINES["NAMES"], 1, ""),
    }


@pytest.mark.parametrize("filter_", [FLOWS], indirect=True)
def test_the_memory_of_maps_is_their_layout_s(filter_: Filter) -> None:
    verified = verify_filter(filter_)
    assert verified.report.maps_bytes == sum(map_bytes(decl) for decl in verified.function.maps)
    assert verified.report.maps_bytes > 18 * 2**18


@pytest.mark.parametrize("filter_", [FLOWS], indirect=True)
def test_options_choose_the_slices(filter_: Filter) -> None:
    assert len(finish(verify_filter(filter_)).slices.functions) == 2
    assert not finish(verify_filter(filter_), EmitOptions(slices=False)).slices.functions
    assert not finish(verify_filter(filter_), EmitOptions(slice_bytes=1 << 40)).slices.functions


@pytest.mark.parametrize("filter_", [FLOWS], indirect=True)
def test_a_dump_has_the_slices_last(filter_: Filter) -> None:
    text = dump(filter_, "ir", LIVE_ACCESSOR)
    names = [line.split()[1] for line in text.splitlines() if line.startswith("filter ")]
    assert names == ["main", "main_slice0", "main_slice1"]
    main, first, second = text.split("\nfilter ")
    assert "prefetch" not in main
    assert "prefetch @FLOWS" in first
    assert "prefetch @NAMES" in second


@pytest.mark.parametrize("filter_", [FLOWS], indirect=True)
def test_an_artifact_tells_what_check_does(filter_: Filter) -> None:
    artifact = compile_filter(filter_, LIVE_ACCESSOR)
    assert json.loads(artifact.report) == check(filter_).to_json()
    assert (artifact.headroom, artifact.resizes) == (0, False)


@pytest.mark.parametrize("filter_", [PUSH], indirect=True)
def test_an_artifact_says_how_much_is_pushed(filter_: Filter) -> None:
    artifact = compile_filter(filter_, LIVE_ACCESSOR)
    assert (artifact.headroom, artifact.resizes) == (120, True)


@pytest.mark.parametrize("filter_", [PUSH.replace("pkt.push(100)", "pkt.push(128);" * 8)], indirect=True)
def test_a_filter_that_pushes_too_much(filter_: Filter) -> None:
    report = check(filter_)
    assert report.refused
    assert all("more than 1,024" in diagnostic.reason and diagnostic.line for diagnostic in report.refused)
    assert all(diagnostic.cure for diagnostic in report.refused)
    with pytest.raises(CompileError, match="more than 1,024"):
        compile_filter(filter_, LIVE_ACCESSOR)
