"""`nmjit load`: puts a filter on a port and tells what became of the packets, and what the verifier made of it.

A capture port is drained once; a memory port is served until Ctrl-C. Live ports are refused by name until they exist.
This file must not know how a port works.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nmjit.runtime.cli.exits import ExitCode, print_json
from nmjit.runtime.cli.monitor import Monitor
from nmjit.runtime.cli.options import (
    define_option,
    json_option,
    paranoid_option,
    parse_filter,
    pin_option,
)
from nmjit.runtime.cli.summary import interrupted_summary, report_summary, run_summary
from nmjit.runtime.errors import NotSupported
from nmjit.runtime.portspec import PortKind, PortSpec, parse_port

if TYPE_CHECKING:
    from nmjit.runtime.host import Instance
    from nmjit.runtime.program import Program

POLL_SECONDS: Final = 0.05
"""How soon Ctrl-C is noticed while a memory port is served."""


@click.command()
@click.argument("arguments", metavar="FILTER PORT", nargs=-1, required=True)
@click.option("-o", "target", metavar="pcap:FILE", help="Write the packets that go on: PASS, TX and REDIRECT.")
@define_option
@pin_option
@paranoid_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    arguments: tuple[str, ...],
    target: str | None,
    defines: dict[str, str],
    pin: Path | None,
    paranoid: bool,
    as_json: bool,
) -> int:
    """Run FILTER on PORT, which is pcap:FILE (a capture) or mem:NAME (rings in this process, until Ctrl-C).

    Prints verdict counts, packets a second, time a packet and the verifier's report.
    """
    if len(arguments) < 2:
        raise click.UsageError("give a filter and a port, for example: nmjit load acl.py pcap:traffic.pcap", ctx)
    if len(arguments) > 2:
        raise NotSupported("a chain of filters", "this version loads one filter at a time")
    filter_name = parse_filter(arguments[0])
    port, output = parse_port(arguments[1]), parse_port(target) if target else None
    _refuse_what_is_not_there(port, output)
    from nmjit.runtime.program import Program  # only now: refusals above need no LLVM

    program = Program.load(
        filter_name.path, name=filter_name.function, defines=defines, backend="jit", paranoid=paranoid
    )
    with Monitor(str(port)) as monitor:
        run = (
            _serve(program, port, pin, monitor)
            if port.kind is PortKind.MEM
            else _drain(program, port, output, pin, monitor)
        )
    if monitor.interrupted:
        print(interrupted_summary(run), file=sys.stderr)
        if port.kind is PortKind.PCAP:
            return ExitCode.INTERRUPTED
    _tell(run, str(port), program, as_json)
    return ExitCode.DONE


def _refuse_what_is_not_there(port: PortSpec, output: PortSpec | None) -> None:
    if port.kind not in (PortKind.PCAP, PortKind.MEM):
        raise NotSupported(f"port {port}", "live ports are not part of this version; use pcap:FILE or mem:NAME")
    if output is not None and (output.kind is not PortKind.PCAP or port.kind is not PortKind.PCAP):
        raise NotSupported(f"output {output}", "this version writes from pcap:FILE to pcap:FILE only")


def _drain(
    program: Program, port: PortSpec, output: PortSpec | None, pin: Path | None, monitor: Monitor
) -> dict[str, Any]:
    """Run the whole capture."""
    from nmjit.runtime.offline import run_capture

    target = None if output is None else Path(output.name)
    result = run_capture(program, Path(port.name), target, verdict=None, backend="jit", progress=monitor, pin=pin)
    return result.to_json()


def _serve(program: Program, port: PortSpec, pin: Path | None, monitor: Monitor) -> dict[str, Any]:
    """Filter what arrives at a memory port until Ctrl-C."""
    from nmjit.runtime.host import Host

    with Host() as host:
        instance = host.attach(program, str(port), pin=pin)
        start = time.perf_counter()
        host.start()
        print(f"nmjit: serving {port}, Ctrl-C ends", file=sys.stderr)
        while not monitor.interrupted:
            time.sleep(POLL_SECONDS)
        host.drain()
        return _run_of(program, instance, time.perf_counter() - start)


def _run_of(program: Program, instance: Instance, seconds: float) -> dict[str, Any]:
    """What a live instance has counted, in the shape of `nmjit run --json`."""
    from nmjit.runtime.contents import map_contents, plain_maps

    stats = instance.stats()
    held = {decl.name: map_contents(decl, instance.maps[decl.name].entries()) for decl in program.maps}
    aborted: Counter[tuple[int, str]] = Counter()
    for site, count in zip(program.sites, instance.exceptions(), strict=True):
        aborted[site.line, site.exception] += count
    return {
        "filter": program.label,
        "backend": "jit",
        "packets": stats.rx_packets,
        "bytes": stats.rx_bytes,
        "seconds": round(seconds, 6),
        "verdicts": stats.packets(),
        "aborted": [{"line": line, "exception": name, "count": n} for (line, name), n in sorted(aborted.items()) if n],
        "maps": plain_maps(held),
        "mirrored": stats.mirrored,
    }


def _tell(run: dict[str, Any], port: str, program: Program, as_json: bool) -> None:
    if as_json:
        print_json({**run, "check": program.report})
        return
    print(run_summary(run, source=port))
    print(f"verifier on {program.label}")
    print(report_summary(program.report))
