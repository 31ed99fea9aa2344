"""Round trips of generated IR, and what the reader says of text that breaks the grammar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from nmjit.compiler.ir import Function
from nmjit.compiler.printer import print_function
from nmjit.compiler.reader import read_function
from tests.compiler.ir_strategies import functions


@given(functions())
def test_reading_what_was_printed_prints_the_same(function: Function) -> None:
    text = print_function(function)
    again = read_function(text)
    assert print_function(again) == text
    assert (again.sites, again.maps, again.tables) == (function.sites, function.maps, function.tables)


GOOD = """filter f {
  site #0: IndexError at 1:1 ""
  map @m: array[4] base 0 key [u16: 2, 4] detail 3 {a: u8}
  table $t: ranges 1..2
entry:
  %0 = const int 1
  jump next
next:
  return %0, %0
}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filter", "function", "line 1: expected 'filter', not 'function'"),
        ("site #0", "site #1", "line 2: this is site #0"),
        ("{a: u8}", "{a: u9}", "line 3: expected a scalar, not 'u9'"),
        ("u16: 2", "u16 2", "line 3: expected ':', not '2'"),
        ("2, 4", "2 4", "line 3: expected ',', not '4'"),
        ("detail 3", "detail {", "line 3: expected an integer, not '{'"),
        ("1..2", "1..x", "line 4: expected an integer, not 'x'"),
        ("const int 1", "const int true", "line 6: expected an integer, not 'true'"),
        ("const int 1", 'const bytes2 "00"', "line 6: a bytes1 is no bytes2"),
        ("const int 1", 'const bytes2 "0x"', "line 6: expected hexadecimal digits, not '0x'"),
        ("const int 1", "const int 1 2", "line 6: nothing may follow, but '2' does"),
        ("const int 1", "conts int 1", "line 6: no op with a value is called 'conts'"),
        ("const int 1", "inset %0, $u", "line 6: there is no RangeTable 'u'"),
        ("const int 1", "lookup %0, $t", "line 6: there is no ValueTable 't'"),
        ("const int 1", "mapload @n[%0].a", "line 6: there is no map n"),
        ("const int 1", "hash @n %0", "line 6: there is no map n"),
        ("const int 1", "pack %0", "line 6: expected ':', not ''"),
        ("const int 1", "mapinsert @m %0, %0 {%0 %0}", "line 6: expected ',', not '%'"),
        ("const int 1", "take @m %0", "line 6: expected '[', not '%'"),
        ("const int 1", "window %0 site #3", "line 6: there is no site #3"),
        ("const int 1", "const int 1 ?", "line 6: cannot read '?'"),
        ("jump next", "jump away", "line 7: there is no block away"),
        ("jump next", "%0 = length", "line 7: %0 is defined twice"),
        ("jump next", "emit @m %0", "line 7: expected '{', not '%'"),
        ("jump next", "leap next", "line 7: no op is called 'leap'"),
        ("next:", "entry:", "line 8: block entry is there twice"),
        ("return %0, %0", "return %0, %4", "line 9: nothing defines %4"),
        ("return %0, %0", "return %0", "line 9: expected ',', not ''"),
        ("}\n", "", "line 9: expected '}', not 'return'"),
    ],
)
def test_faults_name_their_line(old: str, new: str, message: str) -> None:
    read_function(GOOD)
    head, _, tail = GOOD.rpartition(old) if old == "}\n" else GOOD.partition(old)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_function(head + new + tail)


@pytest.mark.parametrize("text", ["", "\n; only a comment\n", "filter f {"])
def test_texts_that_break_off(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1: "):
        read_function(text)
