"""Data and blocking on the ports that need no device: pipes, null ports, CSB and the sync loop."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

STEPS = (
    Step("t_pipe"),
    Step("t_poll"),
    Step("t_csb"),
    Step("t_csb_data"),
)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
