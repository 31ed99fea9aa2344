"""Where the `nmjit` command starts: finds the verb, runs it, turns whatever comes out into an exit code.

Start-up time is part of the product (design.md section 10), so a verb's module is imported only when it is called, and
`--help` is printed from the table below without importing any. This file must not know what a verb does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import click

from nmjit._version import VERSION
from nmjit.runtime.cli.exits import ExitCode, report_failure, silence_stdout

VERBS: Final = {
    "load": "Run a filter on a port: the packets of pcap:FILE, or rings in this process (mem:NAME).",
    "run": "Run a filter over a capture file and count or write the verdicts.",
    "check": "Verify a filter: what is proven, which checks stay, what it costs.",
    "dump": "Show what the compiler made of a filter.",
    "bench": "Compare the native code with C and libpcap (needs the source tree).",
    "doctor": "What this machine can do, what is missing, and the line that fixes it.",
}
"""Every verb with its one-line help; the verb `x` is `command` in nmjit/runtime/cli/x.py."""


class VerbGroup(click.Group):
    """A click group that imports a verb's module when, and only when, that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"nmjit.runtime.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"nmjit {VERSION}")
        ctx.exit()


@click.group(
    cls=VerbGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
@click.pass_context
def nmjit(ctx: click.Context) -> None:
    """Packet filters in restricted Python, run at native speed.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or a refused filter, 3 not possible on this machine,
    130 interrupted before the end, 70 a fault of nmjit itself.
    """
    if ctx.invoked_subcommand is None:
        raise click.UsageError(f"give a verb: {', '.join(VERBS)}", ctx)


def execute(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code; raises nothing."""
    try:
        code = nmjit.main(list(arguments), prog_name="nmjit", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else ExitCode.DONE
    except BrokenPipeError:  # `nmjit dump … | head` is no error, but nobody reads on
        silence_stdout()
        return ExitCode.FAILED
    except (KeyboardInterrupt, click.Abort):
        print("nmjit: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:
        return report_failure(error, as_json="--json" in arguments)


def main() -> None:
    """The console script."""
    sys.exit(execute(sys.argv[1:]))
