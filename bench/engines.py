"""The engines, as data: a name, and how to get the address of a batch function for a filter.

An engine is added by an entry of ENGINES: a name and a function (Filter, Builder) -> address of a C function
`uint32_t nmjit_batch(const struct nmjit_batch *, struct nmjit_ctx *)` that stays valid for the life of the process. It
raises Unavailable where the engine cannot be had; the reason is reported and the run goes on.

This file must not know how engines are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from nmjit.bench.build import CLANG, GCC, Builder, Compiler, Unavailable, function_address
from nmjit.bench.filters import Filter
from nmjit.compiler.abi import PREFETCH_DISTANCE, Accessor, AccessorKind
from nmjit.runtime._engine import BUFFER_SIZE
from nmjit.runtime.program import Program


class Role(Enum):
    """What a report compares an engine with."""

    C = "plain C, whole batch"
    C_PREFETCH = "the same C with header prefetch"
    PEER = "peer"
    OURS = "ours"


PROGRAMS: Final = Path(__file__).resolve().parent.parent / "programs"
"""The product's own filters, in the checkout that is measured."""
RING: Final = Accessor(AccessorKind.NETMAP, BUFFER_SIZE)
"""How the benchmark's packets lie."""

Load = Callable[[Filter, Builder], int]


@dataclass(frozen=True, slots=True)
class Engine:
    """A name for reports, what it stands for, and how to have it for a filter."""

    name: str
    role: Role
    load: Load


def load_c(filter_: Filter, builder: Builder, *, compiler: Compiler, defines: tuple[str, ...] = ()) -> int:
    """The C peer of `filter_`."""
    made = builder.shared_object(filter_.source, compiler, (*filter_.defines, *defines))
    return function_address(made)


def load_pcap(filter_: Filter, builder: Builder) -> int:
    """libpcap's `bpf_filter` over the filter's expression."""
    if filter_.expression is None:
        raise Unavailable(filter_.no_expression)
    text = filter_.expression.text.replace("\\", "\\\\")
    defines = (f'BENCH_EXPRESSION="{text}"', f"BENCH_MATCH={filter_.expression.match}")
    try:
        made = builder.shared_object("engine_pcap.c", GCC, defines, ("pcap",))
    except Unavailable as error:
        raise Unavailable(f"{error} (apt install libpcap-dev)") from None
    return function_address(made, "bench_prepare")


_programs: Final[dict[str, Program]] = {}
"""Programs whose code has been handed out: it lives as long as they do."""


def load_nmjit(filter_: Filter, _builder: Builder) -> int:
    """nmjit's own code for the program that is this filter."""
    if filter_.program is None:
        raise Unavailable("no program of nmjit's does this")
    program = _programs.setdefault(filter_.program, Program.load(PROGRAMS / f"{filter_.program}.py"))
    if program.maps:
        raise Unavailable("the benchmark gives a batch function no maps")
    return program.address_for(RING)


def prefetching(distance: int, lines: int = 1) -> tuple[str, ...]:
    """The defines of a C peer that prefetches `lines` cache lines `distance` packets ahead; distance 0 for none."""
    return (f"BENCH_PREFETCH={distance}", f"BENCH_PREFETCH_LINES={lines}")


_PREFETCH: Final = prefetching(PREFETCH_DISTANCE)
_POINTER: Final = ("BENCH_POINTER=1",)

ENGINES: Final[tuple[Engine, ...]] = (
    Engine("nmjit", Role.OURS, load_nmjit),
    Engine("c-gcc", Role.C, partial(load_c, compiler=GCC)),
    Engine("c-clang", Role.C, partial(load_c, compiler=CLANG)),
    Engine("c-gcc-prefetch", Role.C_PREFETCH, partial(load_c, compiler=GCC, defines=_PREFETCH)),
    Engine("c-clang-prefetch", Role.C_PREFETCH, partial(load_c, compiler=CLANG, defines=_PREFETCH)),
    Engine("c-gcc-pointer", Role.PEER, partial(load_c, compiler=GCC, defines=_POINTER)),
    Engine("c-clang-pointer", Role.PEER, partial(load_c, compiler=CLANG, defines=_POINTER)),
    Engine("libpcap", Role.PEER, load_pcap),
)
