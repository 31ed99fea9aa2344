"""The filters that are measured, each in the forms that its engines need: C source, libpcap expression, program.

This file must not know how an engine is built or timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmjit.bench.acl_rules import RULES
from nmjit.bench.expressions import acl_expression, behind_tags

ROUTER_MACS: Final = (bytes.fromhex("020000000002"), bytes.fromhex("020000000001"))
"""Destination and source that the router step writes."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A libpcap expression, and the verdict's name of a packet that it matches."""

    text: str
    match: str


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, in the forms that engines need.

    `program` is the module of `nmjit.programs`. `expression` is None, and `no_expression` the reason, where BPF cannot
    say it. `defines` are for the C compiler.
    `writes`: it changes packets. `passes`: how often the slots are gone through in one timing; more than once only for
    a filter that reads no packet, takes next to no time and has no branch to learn.
    """

    name: str
    source: str
    program: str | None
    expression: Expression | None
    no_expression: str = ""
    defines: tuple[str, ...] = ()
    writes: bool = False
    passes: int = 1


def _macs_define() -> str:
    return f"BENCH_ROUTER_MACS={{{','.join(map(str, b''.join(ROUTER_MACS)))}}}"


ACCEPT: Final = Filter("accept-all", "filter_accept.c", "accept_all", Expression("", "PASS"), passes=64)
PORT80: Final = Filter(
    "tcp dst port 80", "filter_port80.c", "port_filter", Expression(behind_tags("tcp dst port 80"), "DROP")
)
ACL: Final = Filter("acl", "filter_acl.c", "acl", Expression(behind_tags(acl_expression(RULES)), "DROP"))
ROUTER: Final = Filter(
    "router", "filter_router.c", "router", None, "BPF cannot write packets", (_macs_define(),), writes=True
)
FLOOR: Final = Filter("floor", "filter_floor.c", None, None, "the floor is no filter")

FILTERS: Final = (ACCEPT, PORT80, ACL, ROUTER)
"""What the benchmark reports, in its order; FLOOR is measured beside them."""
