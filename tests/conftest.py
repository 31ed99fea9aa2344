"""Hypothesis profiles, and the marks that say what of this machine a test needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import pytest
from hypothesis import HealthCheck, settings

from nmjit.runtime import probe

SLOW_DATA = [HealthCheck.too_slow, HealthCheck.data_too_large]

# A failure prints the blob that repeats it; deadlines would only measure how busy the machine is.
settings.register_profile("default", deadline=None, print_blob=True, suppress_health_check=SLOW_DATA)
settings.register_profile("deep", deadline=None, print_blob=True, suppress_health_check=SLOW_DATA, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

FEATURES = {"netmap": probe.NETMAP, "af_xdp": probe.AF_XDP}


def _reason_missing(need: str) -> str | None:
    """Why this machine can't give what `@pytest.mark.needs(need)` asks for: a probe's feature or a command."""
    if need in FEATURES:
        answer = FEATURES[need].missing()
        return str(answer) if answer else None
    return None if shutil.which(need) else f"{need} is not installed"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for need in mark.args:
            if reason := _reason_missing(need):
                pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy must not look for a MAC address, which would send packets: a test that makes it do so fails."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a packet was built without a destination MAC")

    if "scapy" in sys.modules or importlib.util.find_spec("scapy") is not None:
        monkeypatch.setattr("scapy.layers.l2.Neighbor.resolve", refuse)
