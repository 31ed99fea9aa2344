"""exits.py and entry.py: every failure has its exit code, one line, and its JSON; nobody sees a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from nmjit._version import VERSION
from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.loader import UnknownConstant
from nmjit.runtime.cli import entry
from nmjit.runtime.cli.exits import ExitCode, report_failure
from nmjit.runtime.errors import NotSupported, PortError
from nmjit.runtime.portspec import PortSpecError

REFUSAL = Diagnostic("f.py", 3, 5, 8, "no floats here", "use integers.", "    x / 2")

FAILURES = [
    (click.UsageError("no such option"), ExitCode.REFUSED, "nmjit: no such option"),
    (click.ClickException("it broke"), ExitCode.FAILED, "nmjit: it broke"),
    (NotSupported("AF_XDP", "no such socket"), ExitCode.IMPOSSIBLE, "nmjit: AF_XDP: no such socket"),
    (PortError("t.pcap", "cut short", record=7), ExitCode.FAILED, "nmjit: t.pcap: cut short (record 7)"),
    (FileNotFoundError(2, "No such file", "t.pcap"), ExitCode.FAILED, "nmjit: t.pcap: No such file"),
    (OSError(28, "No space left"), ExitCode.FAILED, "nmjit: No space left"),
    (PortSpecError("pcap:", "needs a file"), ExitCode.REFUSED, "nmjit: port 'pcap:': needs a file"),
    (UnknownConstant("-D X: no such constant"), ExitCode.REFUSED, "nmjit: -D X: no such constant"),
    (ImportError("no _engine"), ExitCode.IMPOSSIBLE, "nmjit: this installation is not whole: no _engine"),
    (RuntimeError("two\nlines"), ExitCode.INTERNAL, "nmjit: internal error: RuntimeError: two lines"),
]


@pytest.mark.parametrize(("error", "code", "line"), FAILURES, ids=lambda value: type(value).__name__)
def test_failures_are_told_in_one_line(
    error: Exception, code: ExitCode, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NMJIT_DEBUG", raising=False)
    assert report_failure(error, as_json=False) is code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


@pytest.mark.parametrize(("error", "code", "line"), FAILURES, ids=lambda value: type(value).__name__)
def test_failures_as_json(error: Exception, code: ExitCode, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_failure(error, as_json=True) is code
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["error"]
    assert line == f"nmjit: {told['error']['message']}"


def test_a_refusal_shows_place_caret_and_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_failure(CompileError(REFUSAL), as_json=False) is ExitCode.REFUSED
    assert capsys.readouterr().err == REFUSAL.render() + "\n"


def test_a_refusal_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_failure(CompileError(REFUSAL, REFUSAL), as_json=True) is ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out) == {"refused": [REFUSAL.to_json(), REFUSAL.to_json()]}


def test_debugging_shows_where_our_bug_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMJIT_DEBUG", "1")
    try:
        raise RuntimeError("here")
    except RuntimeError as error:
        report_failure(error, as_json=False)
    assert "Traceback" in capsys.readouterr().err


def replace_verb(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every verb raise `error`."""

    @click.command(context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1)
    def failing(rest: tuple[str, ...]) -> None:
        raise error

    monkeypatch.setattr(entry.VerbGroup, "get_command", lambda *_: failing)


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (ValueError("x"), 70), (click.exceptions.Exit(5), 5)], ids=repr
)
def test_whatever_a_verb_raises_becomes_an_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NMJIT_DEBUG", raising=False)
    replace_verb(monkeypatch, error)
    assert entry.execute(["run"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_help_lists_the_verbs_without_importing_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_verb(monkeypatch, AssertionError("imported"))
    assert entry.execute(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in entry.VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.execute(["--version"]) == 0
    assert capsys.readouterr().out == f"nmjit {VERSION}\n"


def test_every_verb_has_its_module() -> None:
    folder = Path(entry.__file__).parent
    assert all((folder / f"{verb}.py").is_file() for verb in entry.VERBS)


@pytest.mark.parametrize("arguments", [["fly"], ["--fly"], [], ["run"], ["run", "--json", "--fly"]], ids=" ".join)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.execute(arguments) == ExitCode.REFUSED
    assert capsys.readouterr().err.count("\n") == 1
