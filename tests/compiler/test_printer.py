"""Notes, faulty IR and literals; every form of op is in cases/text.case."""

from __future__ import annotations

import pytest

from nmjit.compiler.ir import BasicBlock, Const, Function, Return, Site
from nmjit.compiler.printer import print_function


def test_notes_stand_under_their_op() -> None:
    value = Const(2)
    block = BasicBlock("entry", [value, Return(value, value)])
    text = print_function(Function("f", [block]), {value: ["two", "notes"], block.ops[1]: ["end"]})
    assert text.splitlines() == [
        "filter f {",
        "entry:",
        "  %0 = const int 2",
        "      ; two",
        "      ; notes",
        "  return %0, %0",
        "      ; end",
        "}",
    ]


def test_a_value_that_nothing_defines_still_prints() -> None:
    function = Function("f", [BasicBlock("entry", [Return(Const(1), Const(2))])])
    assert "  return %?, %?\n" in print_function(function)


def test_sites_with_equal_text_print_under_the_first_number() -> None:
    site = Site("IndexError", 1, 2, 'a "quoted" guard', "f.py")
    text = print_function(Function("f", [BasicBlock("entry")], sites=[site, site]))
    assert '  site #0: IndexError at 1:2 "a \\"quoted\\" guard" in "f.py"\n' in text


@pytest.mark.parametrize(("value", "text"), [(True, "bool true"), (-1, "int -1"), (b"\x00\xff", 'bytes2 "00ff"')])
def test_literals(value: int | bool | bytes, text: str) -> None:
    assert f"  %0 = const {text}\n" in print_function(Function("f", [BasicBlock("entry", [Const(value)])]))
