"""The control interface: layouts, the device, every request, option and errno."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

STEPS = (
    Step("t_layout"),
    Step("t_device"),
    Step("t_header"),
    Step("t_register"),
    Step("t_info"),
    Step("t_options"),
    Step("t_legacy"),
    Step("t_switch_control"),
)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
