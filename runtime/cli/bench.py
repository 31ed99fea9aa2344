"""`nmjit bench`: hands its arguments to the benchmark, which builds its C peers on the spot.

The benchmark stands above the runtime (bench/README.md), so it is started as a process of its own, never imported.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from shutil import which

import click

from nmjit.runtime.errors import NotSupported


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Compare the native code with C (gcc, clang) and libpcap: nanoseconds and cycles a packet, hot and cold.

    `nmjit bench --help` lists the arguments.
    """
    if find_spec("cffi") is None:
        raise NotSupported("nmjit bench", "cffi is not installed: pip install 'nmjit[bench]'")
    if which("gcc") is None:
        raise NotSupported("nmjit bench", "there is no C compiler to compare with: sudo apt-get install gcc")
    return subprocess.run([sys.executable, "-m", "nmjit.bench", *arguments]).returncode
