"""Hostile and dying programs: rings scribbled over, random requests, SIGKILL with traffic in flight."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

STEPS = (
    Step("t_corrupt"),
    Step("t_kill"),
    Step("t_fuzz"),
    Step("t_faults", parameters="buf_num=600 ring_num=64 if_num=40"),
)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
