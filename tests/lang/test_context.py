"""What surrounds a packet: random() and now() in a run and outside of one."""

import time

import pytest

from nmjit import now, random
from nmjit._context import current_run, direct_run, packet_run
from nmjit._random import packet_random


def test_random_counts_calls_in_each_packet() -> None:
    for number in (0, 1):
        with packet_run(seed=9, packet_number=number, now=0) as run:
            assert [random() for _ in range(3)] == [packet_random(9, number, call) for call in range(3)]
            assert run.calls == 3


def test_now_is_the_runs_clock() -> None:
    with packet_run(seed=0, packet_number=0, now=123):
        assert now() == now() == 123


def test_runs_nest_and_end_with_an_exception() -> None:
    with packet_run(seed=0, packet_number=0, now=1):
        with pytest.raises(ZeroDivisionError), packet_run(seed=0, packet_number=0, now=2):
            raise ZeroDivisionError
        assert now() == 1


def test_outside_of_a_run() -> None:
    before = time.monotonic_ns()
    assert before <= now() <= time.monotonic_ns()
    assert len({random() for _ in range(20)}) > 15
    assert all(0 <= random() < 2**32 for _ in range(20))


def test_a_direct_run_is_a_turn_of_its_own() -> None:
    assert current_run() is None
    with direct_run("one") as one:
        assert (current_run() is one, one.packet) == (True, "one")
        before = time.monotonic_ns()
        assert before <= now() <= time.monotonic_ns()
        drawn = random()
    with direct_run("two") as two:
        assert one is not two
        assert drawn != random()
    assert current_run() is None


def test_a_direct_run_within_a_turn_belongs_to_it() -> None:
    with packet_run(seed=0, packet_number=0, now=7, packet="outer") as run:
        with direct_run("inner") as inner:
            assert (inner is run, run.packet, now()) == (True, "inner", 7)
        assert run.packet == "outer"
