"""The pools: extra buffers, limits, parameters; first with the parameters that a user gets."""

from __future__ import annotations

from tests.kernel.guest_tests import Boot, Step

AT_FULL_SIZE = (
    "fewer_extra_buffers_are_no_error",
    "buffers_of_another_owner_are_cleared",
    "parameters_show_the_pools",
    "change_waits_until_the_region_is_idle",
)
STEPS = (
    Step("t_memory", parameters="", label="memory_default", only=AT_FULL_SIZE),
    Step("t_memory"),
    Step("t_memory", parameters="buf_num=5000 ring_num=64 if_num=32", label="memory_tight"),
)


def test_guest(case: str, boot: Boot) -> None:
    boot.verdict(case).demand()
