"""What benchmark tests share: a builder over the usual cache, its harness."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from nmjit.bench.build import GCC, Builder, Unavailable, open_builder

CACHE = Path(__file__).resolve().parents[2] / "build" / "bench"


@pytest.fixture(scope="session")
def builder() -> Builder:
    try:
        GCC.find()
    except Unavailable as error:
        pytest.skip(str(error))
    return open_builder(CACHE)


@pytest.fixture(scope="session")
def harness(builder: Builder) -> ModuleType:
    return builder.harness()
