"""The `nmjit` command; design.md section 7 and docs/cli.md describe its verbs. No logic here."""

from nmjit.runtime.cli.entry import main

__all__ = ["main"]
