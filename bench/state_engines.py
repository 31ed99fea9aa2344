"""The engines of the benchmark of maps, as data: each gives a batch function with a table of its own.

An engine is added by an entry of STATE_ENGINES. It raises Unavailable where it cannot be had; the reason is reported
and the run goes on. This file must not know how engines are timed.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmjit.bench.build import CLANG, GCC, Builder, Compiler, Unavailable
from nmjit.bench.engines import RING, Role
from nmjit.bench.state_cases import Case, Kind, Routes
from nmjit.compiler.abi import BATCH_SYMBOL
from nmjit.runtime._engine import OPS_ADDRESS
from nmjit.runtime.program import Program

HERE: Final = Path(__file__).resolve().parent
STAGED: Final = ("BENCH_PREFETCH=16",)
"""Header prefetch of the C peers in stages; 8 to 32 is a plateau."""

Totals = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A batch function and its state. `maps[worker]` are what the context of that worker points to."""

    address: int
    totals: Callable[[], Totals]
    """Flows, packets and octets counted; zeros where the case counts none."""
    maps: Sequence[Sequence[int]] = ((),)
    ops: int = 0
    keep: tuple[Any, ...] = field(default=(), repr=False)
    """What must live as long as the engine is used."""


Load = Callable[[Case, Builder, Routes | None], Loaded]


@dataclass(frozen=True, slots=True)
class StateEngine:
    """A name for reports, what it stands for, and how to have it. `pair`: its table may be shared by two threads."""

    name: str
    role: Role
    load: Load
    pair: bool = False


def load_c(
    case: Case,
    builder: Builder,
    routes: Routes | None,
    *,
    compiler: Compiler,
    staged: bool,
    shared: bool = False,
    defines: tuple[str, ...] = (),
) -> Loaded:
    """The hand-written C, packet by packet or in two stages."""
    stem = "filter_flows" if case.kind is Kind.FLOWS else "filter_routes"
    options = (f"BENCH_FLOWS={case.size}u", f"BENCH_SHARED={int(shared)}", *defines)
    made = builder.shared_object(f"{stem}_staged.c" if staged else f"{stem}.c", compiler, options)
    return _loaded(made, routes, "bench_routes")


def load_dpdk(case: Case, builder: Builder, routes: Routes | None) -> Loaded:
    """rte_hash or rte_lpm, in bulk."""
    found = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True)
    if found.returncode:
        raise Unavailable("DPDK is not installed (apt install dpdk-dev)")
    options = (f"BENCH_FLOWS={case.size}u", "BENCH_RTE=1", *STAGED)
    flows = case.kind is Kind.FLOWS
    source, library = ("engine_rte_hash.c", "rte_hash") if flows else ("filter_routes_staged.c", "rte_lpm")
    made = builder.shared_object(source, GCC, options, (library, "rte_eal"), tuple(found.stdout.split()))
    return _loaded(made, routes, "bench_rte_routes")


def _loaded(path: Path, routes: Routes | None, put_routes: str) -> Loaded:
    library = ctypes.CDLL(str(path))
    if hasattr(library, "bench_prepare"):
        _call(library.bench_prepare)
    if routes is not None:
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (routes.networks, routes.lengths, routes.hops))
        _call(getattr(library, put_routes), *pointers, ctypes.c_uint32(routes.networks.size))
    address = ctypes.cast(getattr(library, BATCH_SYMBOL), ctypes.c_void_p).value
    assert address is not None
    return Loaded(address, partial(_c_totals, library), maps=((), ()), keep=(library, routes))


def _call(function: Any, *arguments: Any) -> None:
    function.restype = ctypes.c_char_p
    if complaint := function(*arguments):
        raise Unavailable(complaint.decode())


def _c_totals(library: Any) -> Totals:
    if not hasattr(library, "bench_contents"):
        return 0, 0, 0
    totals = (ctypes.c_uint64 * 3)()
    library.bench_contents(totals)
    return totals[0], totals[1], totals[2]


def load_nmjit(
    case: Case, _builder: Builder, routes: Routes | None, *, workers: int = 1, slices: bool = True
) -> Loaded:
    """nmjit's code for the case's filter."""
    flows = case.kind is Kind.FLOWS
    size = case.size if routes is None else routes.networks.size
    program = Program.load(
        HERE / ("state_flows.py" if flows else "state_routes.py"),
        defines={"FLOWS" if flows else "ROUTES": str(size)},
        workers=workers,
        slices=slices,
    )
    views = program.new_maps(workers)
    table = views["TABLE"]
    if routes is not None:
        table.load(zip(routes.networks.tolist(), routes.lengths.tolist(), routes.hops.tolist(), strict=True))
    address = program.address_for(RING)
    maps = [[views[decl.name].address(worker) for decl in program.maps] for worker in range(workers)]
    return Loaded(address, partial(_nmjit_totals, table, flows), maps, OPS_ADDRESS, (program, views))


def _nmjit_totals(table: Any, flows: bool) -> Totals:
    if not flows:
        return 0, 0, 0
    entries = table.to_numpy()
    return len(entries), int(entries["packets"].sum(dtype=np.uint64)), int(entries["octets"].sum(dtype=np.uint64))


STATE_ENGINES: Final = (
    StateEngine("nmjit", Role.OURS, load_nmjit),
    StateEngine("nmjit, no slices", Role.PEER, partial(load_nmjit, slices=False)),
    StateEngine("c-gcc", Role.C, partial(load_c, compiler=GCC, staged=False)),
    StateEngine("c-clang", Role.C, partial(load_c, compiler=CLANG, staged=False)),
    StateEngine("c-gcc-staged", Role.PEER, partial(load_c, compiler=GCC, staged=True, defines=("BENCH_PREFETCH=0",))),
    StateEngine("c-gcc-staged-prefetch", Role.C_PREFETCH, partial(load_c, compiler=GCC, staged=True, defines=STAGED)),
    StateEngine(
        "c-clang-staged-prefetch", Role.C_PREFETCH, partial(load_c, compiler=CLANG, staged=True, defines=STAGED)
    ),
    StateEngine("dpdk", Role.PEER, load_dpdk),
)
PAIR_ENGINES: Final = (
    StateEngine("nmjit", Role.OURS, partial(load_nmjit, workers=2), pair=True),
    StateEngine(
        "c-gcc-staged-prefetch",
        Role.C_PREFETCH,
        partial(load_c, compiler=GCC, staged=True, shared=True, defines=STAGED),
        pair=True,
    ),
)
"""The engines of the comparison of two threads with one."""
