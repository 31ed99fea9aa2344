"""Monitors, copying and zero-copy, of pipes, switch ports and devices."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

STEPS = (Step("t_monitor"),)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
