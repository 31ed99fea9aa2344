"""How a module of tests that run in a guest becomes tests of pytest's.

Such a module has STEPS, the programs of one boot, and one test function with the arguments `case` and `boot`. Without
--run-vm (or NMJIT_RUN_VM=1), or on a machine that can't boot a kernel, it is one skipped test with the reason.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.kernel import vm
from tests.kernel.guest_tests import BUILT, Boot, case_names
from tests.kernel.machine import Machine, find

LIMIT = 48 * 3600
"""Seconds for a test as pytest sees it: the first one of a module waits for the whole boot, which has limits itself."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nmjit")
    group.addoption("--run-vm", action="store_true", help="boot virtual machines and test the kernel module in them")
    group.addoption("--vm-image", help="the kernel to boot, in place of the distribution's; with --vm-headers")
    group.addoption("--vm-headers", help="the build tree of that kernel")
    group.addoption("--vm-seed", default="0", help="seed of the fuzzers; 0: the time")
    group.addoption("--vm-minutes", default="0", help="minutes for each fuzzer; 0: a few seconds")


def option(config: pytest.Config, name: str) -> Any:
    """An option of ours; None where this conftest was found too late to add any."""
    return config.getoption(name, default=None)


def machine_or_reason(config: pytest.Config) -> Machine | str:
    if not option(config, "run_vm") and os.environ.get("NMJIT_RUN_VM") != "1":
        return "boots a virtual machine: make test-kernel"
    return find(option(config, "vm_image"), option(config, "vm_headers"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    reason = machine_or_reason(metafunc.config)
    if isinstance(reason, str):
        metafunc.parametrize("case", [pytest.param("none", marks=pytest.mark.skip(reason=reason))], ids=["all"])
    else:
        metafunc.parametrize("case", case_names(metafunc.module.STEPS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "boot" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kernel_vm)
            item.add_marker(pytest.mark.timeout(LIMIT))


@pytest.fixture(scope="module")
def boot(request: pytest.FixtureRequest) -> Boot:
    machine = machine_or_reason(request.config)
    assert isinstance(machine, Machine)
    config, module = request.config, request.module
    minutes = float(option(config, "vm_minutes") or 0)
    given = f"--seed={option(config, 'vm_seed') or 0} --minutes={minutes}"
    given += f" --built={','.join(BUILT)}"
    steps = [replace(step, arguments=f"{given} {step.arguments}") for step in module.STEPS]
    return vm.boot(machine, module.__name__.rpartition(".")[2], steps, getattr(module, "NETWORK", False), minutes)
