"""The `--update-cases` option of the text-to-text tests; give it together with the path of this folder."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite the expected texts of tests/compiler/cases")


@pytest.fixture
def update_cases(request: pytest.FixtureRequest) -> bool:
    """Whether expected texts are to be rewritten rather than compared. Off where the option was not registered."""
    return bool(request.config.getoption("--update-cases", default=False))
