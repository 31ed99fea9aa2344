"""VALE switches: forwarding, learning, attached devices."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

STEPS = (Step("t_switch"),)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
