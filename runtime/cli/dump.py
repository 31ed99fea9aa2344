"""`nmjit dump`: what the compiler made of a filter, stage by stage."""

from __future__ import annotations

import click

from nmjit.compiler.loader import load_filter
from nmjit.compiler.stages import Stage, dump
from nmjit.runtime.cli.exits import ExitCode, print_json
from nmjit.runtime.cli.options import FilterName, define_option, filter_argument, json_option
from nmjit.runtime.host import LIVE_ACCESSOR


@click.command()
@filter_argument
@click.option("--ir", "stage", flag_value="ir", help="The typed SSA form, after the passes, and its slices.  [default]")
@click.option("--llvm", "stage", flag_value="llvm", help="The LLVM assembly that is handed over.")
@click.option("--asm", "stage", flag_value="asm", help="This machine's assembly.")
@define_option
@json_option
def command(filter_name: FilterName, stage: Stage | None, defines: dict[str, str], as_json: bool) -> int:
    """Print FILTER as the compiler has it: typed IR, LLVM or assembly, for packets in netmap rings."""
    chosen = stage or "ir"
    text = dump(load_filter(filter_name.path, defines, filter_name.function), chosen, LIVE_ACCESSOR)
    if as_json:
        print_json({"filter": str(filter_name), "stage": chosen, "text": text})
    else:
        print(text.rstrip("\n"))
    return ExitCode.DONE
