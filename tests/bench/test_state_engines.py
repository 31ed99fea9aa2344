"""Every engine of the benchmark of maps against models in plain Python, packet by packet; wrong engines end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from nmjit.bench import state
from nmjit.bench.agreement import Disagreement
from nmjit.bench.build import GCC, Builder, Unavailable, function_address
from nmjit.bench.engines import Role
from nmjit.bench.state_arena import HOT, START, TABLE, KeyedArena, KeyedLayout, flow_keys, open_keyed_arena
from nmjit.bench.state_cases import Case, Contents, Keys, Kind, Routes, Translations
from nmjit.bench.state_engines import PAIR_ENGINES, STATE_ENGINES, Loaded, StateEngine
from nmjit.bench.state_measure import StateRow, make_contents, measure_case, measure_pair
from tests.bench import state_models
from tests.bench.state_models import Flows, Limit, Model

SIZE = 512
LAYOUT = KeyedLayout("small", 256, 512, rekeyed=True, evicted=False, flushed=False)
SMALL_HOT = replace(HOT, buffers=256, packets=1024)
SMALL_TABLE = replace(TABLE, buffers=256, packets=1024, evicted=False)
ONCE = KeyedLayout("once", 512, 512, rekeyed=False, evicted=False, flushed=True)
CASES = {kind: Case(f"small-{kind.value}", kind, SIZE) for kind in Kind}
WRONG = Path(__file__).with_name("wrong_engine.c")
NAMES = [engine.name for engine in STATE_ENGINES]


def model_of(contents: Contents, kind: Kind) -> Model:
    match contents:
        case Routes():
            return state_models.router(contents)
        case Translations():
            return state_models.nat(contents)
        case None:
            return Flows() if kind is Kind.FLOWS else Limit()


def load(engine: StateEngine, case: Case, builder: Builder, contents: Contents) -> Loaded:
    try:
        return engine.load(case, builder, contents)
    except Unavailable as error:
        pytest.skip(str(error))


def keys_of(case: Case, count: int, contents: Contents, seed: int) -> Keys:
    """Some that the table knows, and some that it does not."""
    generator = np.random.default_rng(seed)
    if isinstance(contents, Routes):
        near = contents.networks[generator.integers(0, contents.networks.size, count)]
        return np.where(generator.random(count) < 0.8, near + np.uint32(3), case.keys(count, generator)).astype(
            np.uint32
        )
    beyond = SIZE // 4 if case.kind is Kind.NAT else 0
    return generator.integers(0, SIZE + beyond, count, dtype=np.uint32)


def expected(model: Model, packets: list[bytes], now: int) -> tuple[list[int], list[bytes]]:
    seen = [model.see(packet, now) for packet in packets]
    return [verdict for verdict, _ in seen], [packet for _, packet in seen]


def frames(arena: KeyedArena) -> list[bytes]:
    whole = arena.packets()
    return [whole[at : at + 60] for at in range(0, len(whole), 64)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", Kind)
def test_engine_is_as_the_model(builder: Builder, harness: ModuleType, kind: Kind, name: str) -> None:
    case, engine = CASES[kind], STATE_ENGINES[NAMES.index(name)]
    contents = make_contents(case, harness, seed=3)
    loaded, model = load(engine, case, builder, contents), model_of(contents, kind)
    with open_keyed_arena(harness, ONCE) as arena:
        for turn in range(6):
            keys = keys_of(case, ONCE.buffers, contents, seed=turn)
            arena.now = START + turn * 70_000_000
            arena.shuffle(turn, case, keys)
            order = arena.ring_keys(np.arange(ONCE.buffers, dtype=np.uint32)).tolist()
            before = frames(arena)
            wanted, left = expected(model, [before[buffer] for buffer in order], arena.now)
            context, keep = arena.context(loaded.maps[0], loaded.ops)
            _, verdicts = arena.run_ring(loaded.address, context)
            del keep
            assert list(verdicts) == wanted
            after = frames(arena)
            assert [after[buffer] for buffer in order] == left
    assert len(set(wanted)) > 1 or kind is Kind.FLOWS
    assert loaded.totals() == model.totals()


@pytest.mark.parametrize("kind", Kind)
def test_engines_agree_when_packets_get_new_keys(builder: Builder, kind: Kind) -> None:
    engines = [engine for engine in STATE_ENGINES if engine.role is not Role.PEER]
    rows = measure_case(CASES[kind], engines, [SMALL_HOT, SMALL_TABLE, ONCE], builder, rounds=3, seed=5)
    ours = [row for row in rows if isinstance(row, StateRow) and row.engine == "nmjit"]
    assert [row.layout for row in ours] == ["hot", "table", "once"]
    assert all(row.ns > 0 and row.to_scalar and row.to_staged for row in ours)


def test_rekeyed_packets_have_keys_of_their_own(builder: Builder, harness: ModuleType) -> None:
    """No packet of a batch overwrites the key of another in the same batch."""
    case = CASES[Kind.FLOWS]
    loaded = load(STATE_ENGINES[NAMES.index("c-gcc")], case, builder, None)
    with open_keyed_arena(harness, LAYOUT) as arena:
        keys = np.random.default_rng(1).permutation(SIZE).astype(np.uint32)
        arena.shuffle(1, case, keys)
        context, keep = arena.context((), 0)
        arena.run_keyed(loaded.address, context, case, keys)
        del keep
    assert loaded.totals() == (SIZE, SIZE, 60 * SIZE)


def test_two_threads_lose_no_count(builder: Builder) -> None:
    rows = measure_pair(CASES[Kind.FLOWS], builder, rounds=2, seed=1)
    assert [row.engine for row in rows] == [engine.name for engine in PAIR_ENGINES]


def drops_one(loaded: Loaded, builder: Builder) -> Loaded:
    made = builder.shared_object(str(WRONG), GCC, ("WRONG_AT=5", "WRONG_VERDICT=1", "WRONG_BYTE=-1"))
    return replace(loaded, address=function_address(made))


def miscounts(loaded: Loaded, builder: Builder) -> Loaded:
    return replace(loaded, totals=lambda: (SIZE, 1, 60))


@pytest.mark.parametrize(("spoil", "what"), [(drops_one, "hot: verdicts"), (miscounts, "what the tables hold")])
def test_wrong_engine_ends_the_run(builder: Builder, spoil: Callable[[Loaded, Builder], Loaded], what: str) -> None:
    right = STATE_ENGINES[NAMES.index("c-gcc")]
    wrong = replace(right, name="wrong", load=lambda *arguments: spoil(right.load(*arguments), builder))
    with pytest.raises(Disagreement, match=what):
        measure_case(CASES[Kind.FLOWS], [right, wrong], [SMALL_HOT], builder, rounds=1, seed=1)


def test_wrong_bytes_end_the_run(builder: Builder) -> None:
    right, other = (STATE_ENGINES[NAMES.index(name)] for name in ("c-gcc", "c-gcc-staged"))

    def with_other_ports(case: Case, builder: Builder, contents: Contents) -> Loaded:
        assert isinstance(contents, Translations)
        return other.load(case, builder, replace(contents, ports=contents.ports + np.uint16(1)))

    with pytest.raises(Disagreement, match="packets"):
        measure_case(
            CASES[Kind.NAT], [right, replace(other, load=with_other_ports)], [SMALL_TABLE], builder, rounds=1, seed=1
        )


def test_command_prints_a_row_for_each_engine(builder: Builder) -> None:
    chosen = ["--case", "limit-64k", "--layout", "hot", "--engine", "c-gcc", "--engine", "nmjit", "--rounds", "1"]
    done = CliRunner().invoke(state.main, [*chosen, "--cache", str(builder.cache)])
    assert done.exit_code == 0, done.output
    assert [line.split()[:3] for line in done.output.splitlines()] == [
        ["limit-64k", "hot", "nmjit"],
        ["limit-64k", "hot", "c-gcc"],
    ]


def test_flow_keys_are_those_of_packets(harness: ModuleType) -> None:
    case, numbers = CASES[Kind.FLOWS], np.arange(256, dtype=np.uint32)
    with open_keyed_arena(harness, LAYOUT) as arena:
        arena.shuffle(1, case, numbers)
        assert [key.tobytes()[:12] for key in flow_keys(harness, numbers)] == [frame[26:38] for frame in frames(arena)]
        assert len(set(frames(arena))) == 256
