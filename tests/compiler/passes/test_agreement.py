"""Passes change nothing that counts: the interpreter says the same before and after each, on generated IR."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import Check, Function, Window
from nmjit.compiler.outcome import PacketInfo
from nmjit.compiler.passes import combine_stores, dead_code, drop_checks, fold, gvn, simplify_cfg
from nmjit.compiler.printer import print_function
from nmjit.compiler.reader import read_function
from nmjit.compiler.wellformed import findings
from tests.compiler.ir_strategies import Effects, fresh_maps, functions, infos, packets

PASSES = {
    "simplify_cfg": (simplify_cfg.run,),
    "fold": (fold.run,),
    "gvn": (gvn.run,),
    "dead_code": (dead_code.run,),
    "combine_stores": (combine_stores.run,),
    "all": (simplify_cfg.run, fold.run, gvn.run, simplify_cfg.run, fold.run, gvn.run, dead_code.run),
}


def effects(function: Function, runs: list[tuple[bytes, PacketInfo]]) -> list[Effects]:
    """What each packet comes to; maps live on from packet to packet."""
    interpreter, maps, result = Interpreter(function), fresh_maps(function), []
    for octets, info in runs:
        packet = bytearray(octets)
        outcome = interpreter.run(packet, info, maps)
        result.append((outcome, bytes(packet), {name: state.entries() for name, state in maps.items()}))
    return result


def batches() -> st.SearchStrategy[list[tuple[bytes, PacketInfo]]]:
    return st.lists(st.tuples(packets(), infos(st.integers(60, 200))), min_size=1, max_size=4)


@pytest.mark.parametrize("passes", PASSES.values(), ids=PASSES)
@given(function=functions(), runs=batches())
def test_effects_stay(
    passes: tuple[Callable[[Function], bool], ...], function: Function, runs: list[tuple[bytes, PacketInfo]]
) -> None:
    before = effects(function, runs)
    for run in passes:
        text = print_function(function)
        changed = run(function)
        assert changed == (print_function(function) != text)
        assert findings(function) == []
    assert effects(function, runs) == before


@given(function=functions(), runs=batches())
def test_dropping_checks_that_hold_leaves_effects(function: Function, runs: list[tuple[bytes, PacketInfo]]) -> None:
    before = effects(function, runs)
    failed = {outcome.line for outcome, _, _ in before}
    checks = {op for op in function.ops() if isinstance(op, (Check, Window))}
    holding = {op for op in checks if op.site.line not in failed}
    assert drop_checks.run(function, holding) == bool(holding)
    assert {op for op in function.ops() if isinstance(op, (Check, Window))} == checks - holding
    assert findings(function) == []
    assert effects(function, runs) == before


@pytest.mark.parametrize("passes", PASSES.values(), ids=PASSES)
@given(function=functions())
def test_passes_settle(passes: tuple[Callable[[Function], bool], ...], function: Function) -> None:
    """Applied again and again, the passes come to an end."""
    for _ in range(20):
        if not any([run(function) for run in passes]):
            return
    pytest.fail(f"never settles: {print_function(read_function(print_function(function)))}")
