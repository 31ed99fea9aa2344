"""The engines of the benchmark of maps, as data: each gives a batch function with a table of its own.

An engine is added by an entry of STATE_ENGINES. It raises Unavailable where it cannot be had; the reason is reported
and the run goes on. This file must not know how engines are timed.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nmjit.bench.build import CLANG, GCC, Builder, Compiler, Unavailable
from nmjit.bench.engines import RING, Role
from nmjit.bench.state_cases import BURST, RATE, Case, Contents, Kind, Routes, Translations
from nmjit.compiler.abi import BATCH_SYMBOL
from nmjit.runtime._engine import OPS_ADDRESS
from nmjit.runtime.program import Program

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never

HERE: Final = Path(__file__).resolve().parent
STAGED: Final = ("BENCH_PREFETCH=16",)
"""Header prefetch of the C peers in stages; 8 to 32 is a plateau."""
RTE_ROUTES: Final = 200_000
"""Most routes that are put into rte_lpm."""

Totals = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A batch function and its state. `maps[worker]` are what the context of that worker points to."""

    address: int
    totals: Callable[[], Totals]
    """What the table holds, in three sums: flows, packets and octets; or sources, their credit and their stamps; zeros
    where packets leave nothing behind."""
    maps: Sequence[Sequence[int]] = ((),)
    ops: int = 0
    keep: tuple[Any, ...] = field(default=(), repr=False)
    """What must live as long as the engine is used."""


Load = Callable[[Case, Builder, Contents], Loaded]


@dataclass(frozen=True, slots=True)
class StateEngine:
    """A name for reports, what it stands for, and how to have it. `pair`: its table may be shared by two threads."""

    name: str
    role: Role
    load: Load
    pair: bool = False


def huge_pages() -> bool:
    """Whether nmjit's maps, which ask for huge pages in shared memory, are given them; the C peers ask alike."""
    try:
        setting = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled").read_text()
    except OSError:
        return False
    return "[never]" not in setting and "[deny]" not in setting


def load_c(
    case: Case,
    builder: Builder,
    contents: Contents,
    *,
    compiler: Compiler,
    staged: bool,
    shared: bool = False,
    defines: tuple[str, ...] = (),
) -> Loaded:
    """The hand-written C, packet by packet or in two stages."""
    stem = f"filter_{case.kind.value}"
    options = (f"BENCH_KEYS={case.size}u", f"BENCH_SHARED={int(shared)}", f"BENCH_HUGE={int(huge_pages())}", *defines)
    if case.kind is Kind.LIMIT:
        options += (f"BENCH_RATE={RATE}u", f"BENCH_BURST={BURST}u")
    made = builder.shared_object(f"{stem}_staged.c" if staged else f"{stem}.c", compiler, options)
    return _loaded(made, contents, "bench_routes")


def load_dpdk(case: Case, builder: Builder, contents: Contents) -> Loaded:
    """rte_hash or rte_lpm, in bulk."""
    if case.kind not in (Kind.FLOWS, Kind.ROUTES):
        raise Unavailable("only flows and routes are written for DPDK")
    if case.kind is Kind.ROUTES and case.size > RTE_ROUTES:
        raise Unavailable("rte_lpm_add goes through all rules of a length each time: so many take minutes")
    found = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True)
    if found.returncode:
        raise Unavailable("DPDK is not installed (apt install dpdk-dev)")
    options = (f"BENCH_KEYS={case.size}u", "BENCH_RTE=1", *STAGED)
    flows = case.kind is Kind.FLOWS
    source, library = ("engine_rte_hash.c", "rte_hash") if flows else ("filter_routes_staged.c", "rte_lpm")
    made = builder.shared_object(source, GCC, options, (library, "rte_eal"), tuple(found.stdout.split()))
    return _loaded(made, contents, "bench_rte_routes")


def _loaded(path: Path, contents: Contents, put_routes: str) -> Loaded:
    library = ctypes.CDLL(str(path))
    if hasattr(library, "bench_prepare"):
        _call(library.bench_prepare)
    match contents:
        case Routes(networks, lengths, hops):
            _call_with(getattr(library, put_routes), networks, lengths, hops)
        case Translations(keys, addresses, ports):
            _call_with(library.bench_translations, keys, addresses, ports)
        case None:
            pass
    address = ctypes.cast(getattr(library, BATCH_SYMBOL), ctypes.c_void_p).value
    assert address is not None
    return Loaded(address, partial(_c_totals, library), maps=((), ()), keep=(library,))


def _call_with(function: Any, *columns: npt.NDArray[Any]) -> None:
    """Hands columns of one length to C."""
    pointers = (column.ctypes.data_as(ctypes.c_void_p) for column in columns)
    _call(function, *pointers, ctypes.c_uint32(len(columns[0])))


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


def load_nmjit(case: Case, _builder: Builder, contents: Contents, *, workers: int = 1, slices: bool = True) -> Loaded:
    """nmjit's code for the case's filter."""
    program = Program.load(
        HERE / f"state_{case.kind.value}.py", defines=_defines(case, contents), workers=workers, slices=slices
    )
    views = program.new_maps(workers)
    table = views["TABLE"]
    if contents is not None:
        table.load(_entries(contents))
    address = program.address_for(RING)
    maps = [[views[decl.name].address(worker) for decl in program.maps] for worker in range(workers)]
    return Loaded(address, partial(_nmjit_totals, table, case.kind), maps, OPS_ADDRESS, (program, views))


def _defines(case: Case, contents: Contents) -> dict[str, str]:
    match case.kind:
        case Kind.FLOWS | Kind.NAT:
            return {"FLOWS": str(case.size)}
        case Kind.ROUTES:
            assert isinstance(contents, Routes)
            return {"ROUTES": str(contents.networks.size)}
        case Kind.LIMIT:
            return {"SOURCES": str(case.size), "RATE": str(RATE), "BURST": str(BURST)}
        case _:
            assert_never(case.kind)


def _entries(contents: Routes | Translations) -> Iterator[tuple[int, ...]]:
    """What a map's `load` takes: the parts of each key, then the fields of its value."""
    match contents:
        case Routes(networks, lengths, hops):
            return zip(networks.tolist(), lengths.tolist(), hops.tolist(), strict=True)
        case Translations(keys, addresses, ports):
            parts = (part.tolist() for part in _parts(keys))
            return zip(*parts, addresses.tolist(), ports.tolist(), strict=True)
        case _:
            assert_never(contents)


def _parts(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[Any], ...]:
    """Source, destination, ports and protocol, from flows' keys, whose bytes are as in packets."""
    words, halves = keys.view(">u4"), keys.view(">u2")
    return words[:, 0], words[:, 1], halves[:, 4], halves[:, 5], keys.view(np.uint8)[:, 12]


def _nmjit_totals(table: Any, kind: Kind) -> Totals:
    match kind:
        case Kind.FLOWS:
            first, second = "packets", "octets"
        case Kind.LIMIT:
            first, second = "credit", "stamp"
        case Kind.ROUTES | Kind.NAT:
            return 0, 0, 0
        case _:
            assert_never(kind)
    entries = table.to_numpy()
    return len(entries), int(entries[first].sum(dtype=np.uint64)), int(entries[second].sum(dtype=np.uint64))


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
