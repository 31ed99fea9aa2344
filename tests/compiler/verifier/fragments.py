"""Functions from a few lines of IR text, analysed."""

from __future__ import annotations

import textwrap

from nmjit.compiler.ir import Op
from nmjit.compiler.reader import read_function
from nmjit.compiler.verifier import Analysis, Interval, verify
from nmjit.compiler.wellformed import findings

DECLARATIONS = """
  site #0: IndexError at 7:3 "guard"
  site #1: OverflowError at 8:3 "guard"
  map @m : array [16] base 0 { hits: u64 }
  map @table : hash [20] base 0 key [u32: 4] { mark: u16, next: u128 }
  map @sets : lru [40] base 0 key [u32: 4] { : u64 }
  map @routes : lpm [8] base 0 key [IPv4Address: 4] { : u16 }
  map @rates : array [4] base 0 { credit: u64, stamp: u64, rate: u64, burst: u64 }
  map @sizes : histogram [496] base 0 detail 3 { : u64 }
  table $ports: ranges 10..20, 30..40
  table $small: values 3, 1, 4
"""
COMMON = """
  %900 = length
  %901 = const int 0
  %902 = const int 1
  %903 = const int -1
"""
END = "return %902, %903"


def analysed(body: str, *, shared: bool = False) -> tuple[list[Op], Analysis]:
    """The ops after COMMON and the analysis of a function whose entry starts with COMMON; END ends a block."""
    text = "filter f {" + DECLARATIONS + "b0:" + COMMON + textwrap.dedent(body).replace("END", END) + "\n}"
    function = read_function(text)
    assert not [str(finding.message) for finding in findings(function)]
    return list(function.ops())[4:], verify(function, shared=shared)


def unsafe(body: str, *, shared: bool = False) -> list[str]:
    return [access.message for access in analysed(body, shared=shared)[1].unsafe]


def range_of(body: str, place: int) -> Interval:
    ops, analysis = analysed(body)
    return analysis.ranges[ops[place]]
