"""What this machine has for booting a kernel: the kernel with its headers, QEMU, virtme-ng, a compiler.

`find` gives a Machine, or a sentence that says what is missing, which becomes the reason of skipped tests. Starts
nothing. Kernels are Debian's own, newest first: the running kernel need not be one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    image: Path
    """The kernel to boot; where it is a distribution's, its modules lie beside it."""
    headers: Path
    """What a module is built against: KDIR."""
    vng: Path
    debug: bool = False
    """A kernel with sanitizers: tens of times slower."""


def version_key(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def distribution_kernels() -> list[tuple[Path, Path]]:
    """Images with headers to build against, newest first."""
    found = []
    for image in sorted(Path("/boot").glob("vmlinuz-*"), key=version_key, reverse=True):
        headers = Path("/lib/modules") / image.name.removeprefix("vmlinuz-") / "build"
        if (headers / "Makefile").exists():
            found.append((image, headers.resolve()))
    return found


def find(image: str | None, headers: str | None) -> Machine | str:
    """`image` and `headers` together name a kernel of the caller's, which is taken to be a debug kernel."""
    vng = shutil.which("vng", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if vng is None:
        return "virtme-ng is not installed: pip install virtme-ng"
    for command, package in (("qemu-system-x86_64", "qemu-system-x86"), ("gcc", "gcc"), ("make", "make")):
        if shutil.which(command) is None:
            return f"{command} is not installed: apt-get install {package}"
    if image and headers:
        return Machine(Path(image), Path(headers), Path(vng), debug=True)
    kernels = distribution_kernels()
    if not kernels:
        return "no kernel with headers: apt-get install linux-image-amd64 linux-headers-amd64"
    return Machine(*kernels[0], Path(vng))
