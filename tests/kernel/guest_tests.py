"""The guest programs' tests by name, and what a boot says of each. Boots nothing: see vm.py.

The names are read from the C sources, so that each is a test of pytest's before any kernel has run. What comes back
is lines: `@@` from the script in the guest, `##` from the programs (guest/check.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GUEST = Path(__file__).with_name("guest")
TEST = re.compile(r"^TEST(?:_WITHIN)?\((\w+)", re.MULTILINE)
NOISE = re.compile(
    r"BUG:|WARNING:|Oops|KASAN|UBSAN|general protection|refcount_t|rcu.*(stall|self-detected)|blocked for more than"
    r"|possible (recursive|circular)|inconsistent lock|suspicious RCU|sleeping function|waiting for \w+ to become free"
    r"|ODEBUG|page allocation failure|Bad page|kernel panic",
    re.IGNORECASE,
)
"""Lines that a kernel at peace with its module does not write."""

BUILT = ("null", "pipe", "offsets", "csb", "extmem")
"""Parts that the module must have (guest/parts.c): their absence fails a test. That of others skips it."""

SMALL = "buf_num=16384"
"""Parameters that spare the guest the default region of 343 MB."""


@dataclass(frozen=True)
class Step:
    """One run of one program, with the module loaded anew where the parameters differ from those of before."""

    program: str
    parameters: str = SMALL
    arguments: str = ""
    label: str = ""
    only: tuple[str, ...] = ()
    """The tests to run; all where it is empty."""

    @property
    def name(self) -> str:
        return self.label or self.program.removeprefix("t_")

    def tests(self) -> list[str]:
        found = TEST.findall((GUEST / f"{self.program}.c").read_text())
        return [f"{self.name}.{test}" for test in found if not self.only or test in self.only]


WHOLE_BOOT = ("boot.log_is_clean", "boot.module_unloads", "boot.no_leaks")


def case_names(steps: Iterable[Step]) -> list[str]:
    return [name for step in steps for name in step.tests()] + list(WHOLE_BOOT)


@dataclass(frozen=True)
class Verdict:
    outcome: str
    """ok, fail or skip."""
    why: str = ""

    def demand(self) -> None:
        """Raise what pytest makes of it."""
        if self.outcome == "skip":
            pytest.skip(self.why)
        if self.outcome != "ok":
            pytest.fail(self.why, pytrace=False)


@dataclass
class Boot:
    """What a boot said, by test."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ending: str = "the guest did not start"

    def verdict(self, name: str) -> Verdict:
        return self.verdicts.get(name, Verdict("fail", f"not reached: {self.ending}"))


def read_boot(steps: Iterable[Step], output: str, console: str, ending: str) -> Boot:
    """`output` is the guest's standard output, `console` the kernel's log, `ending` how QEMU ended."""
    boot = Boot(ending=ending)
    names = iter([step.name for step in steps])
    program, notes, started = "", list[str](), ""
    for line in output.splitlines():
        words = line.split(" ", 3)
        if words[0] == "@@":
            started = read_script_line(boot, words[1], " ".join(words[2:]), started)
            if words[1] == "step":
                program, notes = next(names), []
        elif words[0] == "##" and len(words) >= 3:
            if words[1] == "start":
                started, notes = f"{program}.{words[2]}", []
            else:
                why = "\n".join([*words[3:], *notes])
                boot.verdicts[f"{program}.{words[2]}"] = Verdict(words[1], why)
                started = ""
        else:
            notes.append(line)
    if started:
        last = "\n".join(console.splitlines()[-60:])
        boot.verdicts[started] = Verdict("fail", "\n".join([f"the guest died in it ({ending}):", *notes, last]))
    read_console(boot, console)
    return boot


def read_script_line(boot: Boot, what: str, rest: str, started: str) -> str:
    """A line of run_steps.sh; returns the test that is still under way."""
    match what:
        case "exit":
            if started and rest != "0":
                boot.verdicts[started] = Verdict("fail", f"its program ended with status {rest}")
            return ""
        case "load":
            boot.ending = rest
        case "unload":
            boot.verdicts["boot.module_unloads"] = Verdict("ok" if rest == "0" else "fail", f"rmmod: {rest}")
        case "leaks":
            boot.verdicts["boot.no_leaks"] = Verdict("ok" if rest == "none" else "fail", rest)
        case "no-kmemleak":
            boot.verdicts["boot.no_leaks"] = Verdict("skip", "this kernel has no kmemleak: make test-kernel-debug")
    return started


def read_console(boot: Boot, console: str) -> None:
    _, mark, text = console.partition("nmjit-tests: begin")
    noise = [line for line in text.splitlines() if NOISE.search(line)]
    if not mark:
        last = "\n".join(console.splitlines()[-20:])
        boot.verdicts["boot.log_is_clean"] = Verdict("fail", f"the tests did not begin ({boot.ending}):\n{last}")
    elif noise:
        at = text.index(noise[0])
        boot.verdicts["boot.log_is_clean"] = Verdict("fail", f"{len(noise)} lines, first:\n{text[at : at + 4000]}")
    else:
        boot.verdicts["boot.log_is_clean"] = Verdict("ok")
