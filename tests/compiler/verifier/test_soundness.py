"""Nothing that the verifier claims is ever seen to be wrong: generated functions, run by the interpreter."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import OP_CLASSES, Const, Op, Phi
from nmjit.compiler.outcome import PacketInfo
from nmjit.compiler.reader import read_function
from nmjit.compiler.verifier import Interval, verify
from nmjit.compiler.verifier.obligations import BOUND_OPS, FREE_OPS
from nmjit.compiler.verifier.report import MAX_BITS
from nmjit.compiler.verifier.transfer import SILENT, TRANSFERS
from tests.compiler.ir_strategies import fresh_maps, function_of
from tests.compiler.verifier.access_list import access_list
from tests.compiler.verifier.claims import assert_claims_hold, with_claims
from tests.compiler.verifier.sum_loops import sum_loops

FUNCTIONS_A_TEST = 40


def packets(seed: int, count: int = 16) -> Iterator[bytes]:
    """Short and long ones, of few byte values or of all."""
    generator = random.Random(seed)
    for _ in range(count):
        size = generator.choice((0, 1, 4, 14, 34, 54, 60, 64, 100, 128))
        few = bytes(generator.choice((0, 1, 5, 80, 255)) for _ in range(size))
        yield few if generator.random() < 0.5 else generator.randbytes(size)


@pytest.mark.parametrize("first", range(0, 400, FUNCTIONS_A_TEST))
@pytest.mark.parametrize("size", [10, 40])
def test_claims_hold_on_generated_functions(first: int, size: int) -> None:
    for seed in range(first, first + FUNCTIONS_A_TEST):
        function = function_of(seed, size)
        assert_claims_hold(with_claims(function, verify(function)), packets(seed), seed)


@pytest.mark.parametrize("first", range(0, 400, FUNCTIONS_A_TEST))
def test_no_packet_costs_more_than_the_worst_case(first: int) -> None:
    for seed in range(first, first + FUNCTIONS_A_TEST):
        function = function_of(seed, 40)
        worst, interpreter = verify(function).worst_case_ops, Interpreter(function)
        for packet in packets(seed, 8):
            reached: Counter[type[Op]] = Counter()
            interpreter.run(bytearray(packet), PacketInfo(len(packet)), fresh_maps(function), reached=reached)
            assert sum(reached.values()) - reached[Const] - reached[Phi] <= worst, seed


@pytest.mark.parametrize("first", range(0, 400, FUNCTIONS_A_TEST))
def test_claims_hold_on_sums_over_loops(first: int) -> None:
    for seed in range(first, first + FUNCTIONS_A_TEST):
        function = sum_loops(seed)
        analysis, interpreter = verify(function), Interpreter(function)
        for packet in packets(seed, 4):
            reached: Counter[type[Op]] = Counter()
            interpreter.run(bytearray(packet), PacketInfo(len(packet)), {}, reached=reached)
            assert sum(reached.values()) - reached[Const] - reached[Phi] <= analysis.worst_case_ops, seed
        assert_claims_hold(with_claims(function, analysis), packets(seed, 12), seed)


def test_an_accepted_function_has_no_number_without_bounds() -> None:
    """Neither of few statements nor of many: the emitter relies on it."""
    widest = Interval(-(1 << MAX_BITS - 1), (1 << MAX_BITS) - 1)
    verdicts = Counter[bool]()
    for function in (*(function_of(seed, 40) for seed in range(60)), *(sum_loops(seed) for seed in range(120))):
        analysis = verify(function)
        verdicts[analysis.accepted] += 1
        if analysis.accepted:
            assert all(known.within(widest) for known in analysis.ranges.values())
    assert verdicts[True] > 10 * verdicts[False] > 0


def test_claims_hold_on_the_access_list() -> None:
    function = access_list(4)
    claiming = with_claims(function, verify(function))
    generator = random.Random(4)

    def mostly_matching() -> Iterator[bytes]:
        for _ in range(200):
            packet = bytearray(generator.randbytes(generator.choice((13, 14, 33, 34, 53, 54, 60, 80, 100))))
            packet[12:14] = b"\x08\x00"
            packet[14:15] = bytes([0x40 + generator.choice((0, 5, 5, 5, 6, 15))])
            packet[16:18] = generator.choice((b"\x00\x28", b"\x00\x10", b"\x05\xdc"))
            yield bytes(packet)

    assert assert_claims_hold(claiming, mostly_matching(), 4) == 200


def test_the_harness_notices_a_wrong_range() -> None:
    function = read_function(
        "filter f {\nb0:\n  %0 = length\n  %1 = const int 1\n  %2 = const int -1\n  return %1, %2\n}"
    )
    analysis = verify(function)
    length = function.entry.ops[0]
    analysis.ranges[length] = analysis.ranges[length]._replace(hi=10)
    with pytest.raises(AssertionError, match="Claim"):
        assert_claims_hold(with_claims(function, analysis), iter([bytes(11)]), 0)


def test_every_op_is_accounted_for() -> None:
    assert {*BOUND_OPS, *FREE_OPS} == set(OP_CLASSES)
    assert not {*BOUND_OPS} & {*FREE_OPS}
    assert {*SILENT, *TRANSFERS} == set(OP_CLASSES)
    assert not {*SILENT} & {*TRANSFERS}
