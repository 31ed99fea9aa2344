"""`nmjit doctor`: what this machine can do, what is missing, and the line that fixes it.

Each check is a function that answers with a `Finding`; none of them changes anything or needs root.
"""

from __future__ import annotations

import importlib
import os
import platform
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from nmjit.compiler.cache import cache_directory
from nmjit.runtime import probe
from nmjit.runtime.cli.exits import ExitCode, print_json
from nmjit.runtime.cli.options import json_option

OLDEST_PYTHON: Final = (3, 10)
VECTOR_FEATURES: Final = ("avx512f", "avx2", "neon", "sse4.2")
"""Vector units, the widest first; the first that is there is worth naming."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is the line that mends it; without a `required` one no filter can run."""

    name: str
    works: bool
    required: bool
    detail: str
    fix: str = ""

    @property
    def status(self) -> str:
        return "ok" if self.works else "broken" if self.required else "missing"

    def to_json(self) -> dict[str, str | bool]:
        """As docs/json.md has it."""
        fix = "" if self.works else self.fix
        return {
            "name": self.name,
            "status": self.status,
            "required": self.required,
            "detail": self.detail,
            "fix": fix,
        }


def _python() -> Finding:
    detail = f"{platform.python_implementation()} {platform.python_version()}"
    return Finding("Python", sys.version_info >= OLDEST_PYTHON, True, detail, "install Python 3.10 or later")


def _llvm() -> Finding:
    try:
        from nmjit.compiler.jit import target_identity

        triple, cpu, features, *versions = target_identity().split()
    except (ImportError, OSError, RuntimeError) as error:
        return Finding("LLVM", False, True, str(error), "pip install --force-reinstall llvmlite")
    enabled = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    vectors = next((name for name in VECTOR_FEATURES if name in enabled), "no vector unit known")
    return Finding("LLVM", True, True, f"{' '.join(versions)} for {cpu} ({triple}), {vectors}")


def _extension() -> Finding:
    try:
        module = importlib.import_module("nmjit.runtime._engine")
    except ImportError as error:
        return Finding(
            "extension", False, True, str(error), "make dev   (in a clone), or pip install --force-reinstall nmjit"
        )
    return Finding("extension", True, True, str(module.__file__))


def _cache() -> Finding:
    directory = cache_directory(os.environ, Path.home())
    trouble = _cache_trouble(directory)
    if trouble is None:
        return Finding("code cache", True, False, str(directory))
    fix = f"mkdir -p {directory} && sudo chown $(id -u) {directory} && chmod 700 {directory}"
    return Finding("code cache", False, False, f"{directory} {trouble}; every start compiles anew", fix)


def _cache_trouble(directory: Path) -> str | None:
    """Why compiled code can't be kept in `directory`, which need not exist yet; the rules are compiler/cache.py's."""
    if not directory.exists():
        parent = next(path for path in directory.parents if path.exists())
        return None if os.access(parent, os.W_OK | os.X_OK) else f"can't be made: {parent} is not writable"
    status = directory.stat()
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "is writable for other users"
    return None if os.access(directory, os.W_OK | os.X_OK) else "is not writable"


def _feature(feature: probe.Feature) -> Finding:
    reason = feature.missing()
    if reason is None:
        return Finding(feature.name, True, False, "available; ports of this kind are not part of this version")
    return Finding(feature.name, False, False, reason.why, feature.fix)


CHECKS: Final[tuple[Callable[[], Finding], ...]] = (
    _python,
    _llvm,
    _extension,
    _cache,
    lambda: _feature(probe.NETMAP),
    lambda: _feature(probe.AF_XDP),
)


@click.command()
@json_option
def command(as_json: bool) -> int:
    """Say what this machine can do, what is missing, and the line that fixes it.

    Exit code 3 where something is missing that every filter needs.
    """
    findings = [check() for check in CHECKS]
    usable = all(finding.works for finding in findings if finding.required)
    if as_json:
        print_json({"usable": usable, "checks": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.status:>8}  {finding.name}: {finding.detail}")
            if not finding.works and finding.fix:
                print(f"{'':>8}  {'':>{len(finding.name)}}  fix: {finding.fix}")
    return ExitCode.DONE if usable else ExitCode.IMPOSSIBLE
