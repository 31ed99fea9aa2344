"""`nmjit run`: a filter over a capture file, offline and without privilege.

Imports nothing of the compiler: with a cached object this verb is on the path from command to first packet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nmjit.runtime.cli.exits import ExitCode, print_json
from nmjit.runtime.cli.monitor import Monitor
from nmjit.runtime.cli.options import (
    BACKENDS,
    FilterName,
    define_option,
    filter_argument,
    json_option,
    paranoid_option,
    pin_option,
)
from nmjit.runtime.cli.stopwatch import Stopwatch, timing_summary
from nmjit.runtime.cli.summary import interrupted_summary, run_summary

VERDICTS = ("ABORTED", "DROP", "PASS", "TX", "REDIRECT")


@click.command()
@filter_argument
@click.option("-r", "source", metavar="IN.pcap", required=True, type=click.Path(path_type=Path), help="Read packets.")
@click.option("-w", "target", metavar="OUT.pcap", type=click.Path(path_type=Path), help="Write packets to a capture.")
@click.option(
    "--verdict",
    type=click.Choice(VERDICTS, case_sensitive=False),
    help="Which packets -w writes; without it those that go on: PASS, TX and REDIRECT.",
)
@click.option("--backend", type=click.Choice(BACKENDS), default="jit", help="What runs the filter; all compares them.")
@click.option("--timing", is_flag=True, help="Print on stderr where the time to the first packet went.")
@define_option
@pin_option
@paranoid_option
@json_option
def command(
    filter_name: FilterName,
    source: Path,
    target: Path | None,
    verdict: str | None,
    backend: str,
    timing: bool,
    defines: dict[str, str],
    pin: Path | None,
    paranoid: bool,
    as_json: bool,
) -> int:
    """Run FILTER over a capture file and count the verdicts.

    FILTER is FILE.py, or FILE.py:FUNCTION where the file holds several filters.
    """
    if verdict is not None and target is None:
        raise click.UsageError("--verdict chooses what -w writes; give -w OUT.pcap too", click.get_current_context())
    if pin is not None and backend != "jit":
        raise click.UsageError(f"--pin keeps native maps; leave out --backend {backend}", click.get_current_context())
    watch = Stopwatch()
    from nmjit.runtime.offline import Disagreement, run_capture
    from nmjit.runtime.program import Program

    watch.end("import")
    program = Program.load(
        filter_name.path, name=filter_name.function, defines=defines, backend=backend, paranoid=paranoid
    )
    watch.end("load")
    with Monitor(str(source)) as monitor:
        try:
            result = run_capture(program, source, target, verdict=verdict, backend=backend, progress=monitor, pin=pin)
        except Disagreement as error:
            raise click.ClickException(f"back ends disagree: {error}") from None
    watch.end("first packets", monitor.first_call)
    data = result.to_json()
    if timing:
        print(timing_summary(watch.phases()), file=sys.stderr)
    if as_json:
        print_json({**data, "timing": watch.phases()} if timing else data)
    elif not monitor.interrupted:
        print(run_summary(data, source=str(source)))
    if monitor.interrupted:
        print(interrupted_summary(data), file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.DONE
