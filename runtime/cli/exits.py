"""Exit codes, and how a failure is told: one line with place and cure on stderr, or one JSON object on stdout.

Every exception that a verb lets through ends here. This file must not know which verb ran.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import click

DEBUG_VARIABLE = "NMJIT_DEBUG"
"""Set to anything: a fault of nmjit itself shows its traceback."""


class ExitCode(IntEnum):
    """What the process says to its caller; the first four are design.md section 7's."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    """Wrong usage, or a filter that the compiler refuses."""
    IMPOSSIBLE = 3
    """Not possible on this machine, or not in this version."""
    INTERNAL = 70
    """EX_SOFTWARE of sysexits.h: our bug."""
    INTERRUPTED = 130
    """128 + SIGINT, as shells have it: the work was stopped before its end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure ready to be told; `data` is what `--json` prints, `message` what stderr gets."""

    code: ExitCode
    message: str
    data: Mapping[str, object]


def print_json(data: Mapping[str, object]) -> None:
    """One JSON object on stdout, keys in the order given; docs/json.md documents them."""
    print(json.dumps(data, indent=2))


def report_failure(error: Exception, *, as_json: bool) -> ExitCode:
    """Tell `error` to the user and return the exit code it stands for."""
    failure = _failure_of(error)
    if failure.code is ExitCode.INTERNAL and DEBUG_VARIABLE in os.environ:
        traceback.print_exception(error)
    if as_json:
        print_json(failure.data)
    print(failure.message, file=sys.stderr)
    return failure.code


def silence_stdout() -> None:
    """Let the interpreter's last flush of a closed pipe go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failure_of(error: Exception) -> Failure:
    from nmjit.compiler.errors import CompileError  # imported here: a command that succeeds needs none of them
    from nmjit.compiler.loader import UnknownConstant
    from nmjit.runtime.errors import MapFileError, NotSupported, PortError
    from nmjit.runtime.portspec import PortSpecError

    match error:
        case CompileError():
            refused = [diagnostic.to_json() for diagnostic in error.diagnostics]
            return Failure(ExitCode.REFUSED, str(error), {"refused": refused})
        case click.UsageError():
            hint = f"   (see: {error.ctx.command_path} --help)" if error.ctx else ""
            return _plain(ExitCode.REFUSED, "usage", error.format_message(), hint)
        case UnknownConstant() | PortSpecError():
            return _plain(ExitCode.REFUSED, "usage", str(error))
        case click.ClickException():
            return _plain(ExitCode.FAILED, "failed", error.format_message())
        case NotSupported():
            return _plain(ExitCode.IMPOSSIBLE, "not supported", str(error))
        case PortError() | MapFileError():
            return _plain(ExitCode.FAILED, "failed", str(error))
        case ImportError():
            hint = "   (nmjit doctor says what is missing)"
            return _plain(ExitCode.IMPOSSIBLE, "not supported", f"this installation is not whole: {error}", hint)
        case OSError():
            reason = error.strerror or str(error)
            return _plain(ExitCode.FAILED, "failed", f"{error.filename}: {reason}" if error.filename else reason)
        case _:
            return _plain(
                ExitCode.INTERNAL,
                "internal error",
                f"internal error: {type(error).__name__}: {error}",
                f"   (a bug; {DEBUG_VARIABLE}=1 shows where)",
            )


def _plain(code: ExitCode, kind: str, message: str, hint: str = "") -> Failure:
    line = " ".join(message.split())
    return Failure(code, f"nmjit: {line}{hint}", {"error": {"kind": kind, "message": line}})
