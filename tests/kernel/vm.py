"""Builds the module and the guest programs, and boots a kernel that loads and runs them.

Everything is made under build/kernel-tests, the module from a copy of kernel/, so that no build disturbs another. What
the guest says is read by guest_tests.py; which kernel it is was found by machine.py.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.kernel.guest_tests import GUEST, Boot, Step, read_boot
from tests.kernel.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/kernel-tests"
BOOT_LIMIT = 300
"""Seconds until the guest's script must have begun; a boot takes 13 to 45."""
STEP_LIMIT = 400
"""Seconds for one program, above what its tests may take by themselves."""
DEBUG_FACTOR = 6

NETWORK = " ".join(
    f"-netdev hubport,hubid=1,id=h{number} -device virtio-net-pci,netdev=h{number},mac=02:00:00:00:01:0{number}"
    for number in (1, 2)
)
"""Two virtio-net devices on one hub; the guest's script finds them by their addresses."""


class BuildError(Exception):
    """The module or a guest program does not compile; the message is the compiler's."""


def run_make(arguments: Sequence[str]) -> None:
    done = subprocess.run(["make", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"make {' '.join(arguments)}:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")


def build_module(machine: Machine) -> Path:
    """nmjit.ko for the machine's kernel."""
    key = hashlib.sha256(str(machine.headers).encode()).hexdigest()[:12]
    copy = BUILD / f"module-{key}"
    copy.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(ROOT / "kernel"): path for path in sorted((ROOT / "kernel").rglob("*"))}
    for relative, path in wanted.items():
        if path.is_dir() or path.suffix not in {".c", ".h", ""}:
            continue
        target = copy / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)
    for path in copy.rglob("*.[ch]"):
        if path.relative_to(copy) not in wanted and not path.name.endswith(".mod.c"):
            path.unlink()
    run_make(["-s", "-C", str(machine.headers), f"M={copy}", "modules"])
    return copy / "nmjit.ko"


def build_programs() -> Path:
    out = BUILD / "guest"
    out.mkdir(parents=True, exist_ok=True)
    run_make(["-s", "-C", str(GUEST), f"OUT={out}"])
    return out


def stage(folder: Path, module: Path, programs: Path, steps: Sequence[Step]) -> None:
    """What the guest needs, in the folder that it shares."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(module, folder / "nmjit.ko")
    shutil.copyfile(GUEST / "run_steps.sh", folder / "run_steps.sh")
    for program in {step.program for step in steps}:
        shutil.copy(programs / program, folder / program)
    lines = [f"{step.parameters or '-'}\t{step.program}\t{' '.join([step.arguments, *step.only])}\n" for step in steps]
    (folder / "steps").write_text("".join(lines))


def qemu_command(machine: Machine, folder: Path, network: bool) -> list[str]:
    # A guest on a busy machine stands still for seconds now and then: its watchdogs must not take that for a lock-up.
    append = "panic=-1 oops=panic watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=180"
    if machine.debug:
        append += " kmemleak=on"
    return [
        str(machine.vng),
        *("--verbose", "--disable-kvm"),  # verbose: the kernel's log goes to the standard error stream
        *("-r", str(machine.image)),
        *("--memory", "3G" if machine.debug else "2G"),
        *("--cpus", "2", "--user", "root"),
        *("--append", append),
        *([f"--qemu-opts={NETWORK}"] if network else []),
        f"--rwdir={folder}",
        "--",
        f"bash {folder}/run_steps.sh {folder}",
    ]


def boot(machine: Machine, name: str, steps: Sequence[Step], network: bool, fuzzing: float) -> Boot:
    """Boot once and run all of `steps`, of which each test may take `fuzzing` minutes more. Raises BuildError."""
    folder = BUILD / "runs" / name
    stage(folder, build_module(machine), build_programs(), steps)
    limit = (BOOT_LIMIT + STEP_LIMIT * len(steps)) * (DEBUG_FACTOR if machine.debug else 1)
    limit += int(fuzzing * 60) * sum(len(step.tests()) for step in steps)
    environment = {**os.environ, "PATH": f"{machine.vng.parent}{os.pathsep}{os.environ['PATH']}"}
    with (folder / "output").open("wb") as output, (folder / "console").open("wb") as console:
        process = subprocess.Popen(
            qemu_command(machine, folder, network),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=console,
            env=environment,
            start_new_session=True,
        )
        try:
            ending = f"QEMU ended with status {process.wait(limit)}"
        except subprocess.TimeoutExpired:
            ending = f"QEMU was stopped after {limit} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    output_text, log = ((folder / part).read_text(errors="replace") for part in ("output", "console"))
    return read_boot(steps, output_text, log, ending)
