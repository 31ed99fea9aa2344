"""A wrong engine ends the benchmark: by a verdict, by a byte, in the first check and in a timed round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from nmjit.bench import run
from nmjit.bench.agreement import Disagreement, Runnable, check_agreement, check_round
from nmjit.bench.arena import HOT, Arena, open_arena
from nmjit.bench.build import GCC, Builder, function_address
from nmjit.bench.engines import Engine, Role, load_c
from nmjit.bench.filters import ACCEPT, Filter

SMALL = replace(HOT, slots=1024, buffers=64, warm=256)
WRONG = Path(__file__).with_name("wrong_engine.c")


@pytest.fixture
def arena(harness: ModuleType) -> Iterator[Arena]:
    with open_arena(harness, SMALL, seed=1) as made:
        made.shuffle(0)
        yield made


def wrong(builder: Builder, verdict: int = 0, byte: int = -1) -> int:
    defines = ("WRONG_AT=5", f"WRONG_VERDICT={verdict}", f"WRONG_BYTE={byte}")
    return function_address(builder.shared_object(str(WRONG), GCC, defines))


def right(builder: Builder) -> Runnable:
    return Runnable("c-gcc", load_c(ACCEPT, builder, compiler=GCC))


def test_right_engines_agree(arena: Arena, builder: Builder) -> None:
    same = Runnable("same", wrong(builder))
    assert check_agreement(arena, [right(builder), same], "accept-all") == arena.verdict_hash(SMALL.slots)


def test_wrong_verdict_names_the_packet(arena: Arena, builder: Builder) -> None:
    buffer = arena.buffer_of(SMALL.slots - 100 + 5)
    with pytest.raises(Disagreement, match=rf"c-gcc says 2 and bad says 1 for packet 5 \(buffer {buffer}\)"):
        check_agreement(arena, [right(builder), Runnable("bad", wrong(builder, verdict=1))], "accept-all")


@pytest.mark.parametrize("byte", [0, 127, 2047])
def test_wrong_byte_names_the_offset(arena: Arena, builder: Builder, byte: int) -> None:
    buffer = arena.buffer_of(SMALL.slots - 100)
    with pytest.raises(Disagreement, match=f"other bytes in buffer {buffer}, at offset {byte} "):
        check_agreement(arena, [right(builder), Runnable("bad", wrong(builder, byte=byte))], "accept-all")


def test_round_names_the_first_packet(arena: Arena) -> None:
    with pytest.raises(Disagreement, match="a says 2 and b says 1 for packet 2 "):
        check_round(arena, 0, ("a", bytes([2, 2, 2, 2])), ("b", bytes([2, 2, 1, 1])))


def _load_wrong(filter_: Filter, builder: Builder) -> int:
    return wrong(builder, verdict=3)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_command_exits_1(monkeypatch: pytest.MonkeyPatch, builder: Builder, as_json: list[str]) -> None:
    engines = (Engine("c-gcc", Role.C, partial(load_c, compiler=GCC)), Engine("bad", Role.OURS, _load_wrong))
    monkeypatch.setattr(run, "ENGINES", engines)
    options = ["--cache", str(builder.cache), "--filter", "accept-all", "--layout", "hot", "--rounds", "1", *as_json]
    outcome = CliRunner().invoke(run.main, options)
    assert outcome.exit_code == 1
    assert "engines disagree: accept-all, hot: c-gcc says 2 and bad says 3 for packet 5" in outcome.output
