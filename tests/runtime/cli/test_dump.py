"""dump.py: each stage is what it says it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.cli.conftest import FLOATS, TELNET, Ended

Nmjit = Callable[..., Ended]
Write = Callable[[str], Path]


@pytest.mark.parametrize(
    ("option", "mark"),
    [(None, "filter telnet {"), ("--ir", "filter telnet {"), ("--llvm", "define "), ("--asm", "nmjit_batch:")],
)
def test_stage(nmjit: Nmjit, filter_file: Write, option: str | None, mark: str) -> None:
    ended = nmjit("dump", filter_file(TELNET), *([option] if option else []))
    assert (ended.code, ended.err) == (0, "")
    assert mark in ended.out


def test_json(nmjit: Nmjit, filter_file: Write) -> None:
    path = filter_file(TELNET)
    told = nmjit("dump", path, "--llvm", "--json").json
    assert (told["filter"], told["stage"]) == (str(path), "llvm")
    assert told["text"] + "\n" == nmjit("dump", path, "--llvm").out


def test_constants_show(nmjit: Nmjit, filter_file: Write) -> None:
    assert "const int 2323" in nmjit("dump", filter_file(TELNET), "-D", "PORT=2323").out


def test_a_refused_filter(nmjit: Nmjit, filter_file: Write) -> None:
    ended = nmjit("dump", filter_file(FLOATS), "--json")
    assert ended.code == 2
    assert len(ended.json["refused"]) == 1
