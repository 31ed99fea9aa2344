"""Arguments and options that several verbs share, each defined once.

This file must not know what the verbs do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

BACKENDS = ("jit", "python", "interp", "all")


@dataclass(frozen=True, slots=True)
class FilterName:
    """`FILE.py` or `FILE.py:FUNCTION`; `function` is None where the file has one filter to choose."""

    path: Path
    function: str | None

    def __str__(self) -> str:
        return f"{self.path}:{self.function}" if self.function else str(self.path)


def parse_filter(text: str) -> FilterName:
    """The file, and function, that `text` names. click.BadParameter where there is no such file."""
    function = None
    if not Path(text).exists() and ":" in text:
        text, _, function = text.rpartition(":")
        if not function.isidentifier():
            raise click.BadParameter(f"{function!r} behind {text}: is no name of a function", param_hint="FILTER")
    path = Path(text)
    if not path.is_file():
        trouble = "is a directory" if path.is_dir() else "no such file"
        raise click.BadParameter(f"{text}: {trouble}", param_hint="FILTER")
    return FilterName(path, function)


def _parse_defines(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    defines = {}
    for value in values:
        key, equals, replacement = value.partition("=")
        if not equals or not key.isidentifier():
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", param=param)
        defines[key] = replacement
    return defines


def filter_argument(command: Command) -> Command:
    """FILTER: a Python file, with `:FUNCTION` where it holds several filters."""
    return click.argument("filter_name", metavar="FILTER", callback=lambda _ctx, _param, text: parse_filter(text))(
        command
    )


def define_option(command: Command) -> Command:
    """-D K=V, repeatable, as a dict."""
    return click.option(
        "-D",
        "defines",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_parse_defines,
        help="Replace the top-level constant NAME of the filter's file before it runs; repeatable.",
    )(command)


def json_option(command: Command) -> Command:
    """--json, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/json.md).")(command)


def pin_option(command: Command) -> Command:
    """--pin DIR, as `pin`."""
    return click.option(
        "--pin",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep maps as files in DIR, and go on with those that are there.",
    )(command)


def paranoid_option(command: Command) -> Command:
    """--paranoid."""
    return click.option(
        "--paranoid", is_flag=True, help="Keep every check that the verifier proved away; trap if one fires."
    )(command)
