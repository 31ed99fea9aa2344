"""What benchmark tests share: a builder over the usual cache, its harness."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from nmjit.bench.build import Builder, open_builder

CACHE = Path(__file__).resolve().parents[2] / "build" / "bench"


@pytest.fixture(scope="session")
def builder() -> Builder:
    return open_builder(CACHE)


@pytest.fixture(scope="session")
def harness(builder: Builder) -> ModuleType:
    return builder.harness()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy must not look for a MAC address, which would send packets: a test that makes it do so fails."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a packet was built without a destination MAC")

    monkeypatch.setattr("scapy.layers.l2.Neighbor.resolve", refuse)
