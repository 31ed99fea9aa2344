"""What is not a matter of text to text; the findings on faulty IR stand in cases/findings.case."""

from __future__ import annotations

from hypothesis import given

from nmjit.compiler.ir import (
    BasicBlock,
    Const,
    Context,
    ContextField,
    EventEmit,
    Function,
    Jump,
    Lookup,
    Op,
    PackKey,
    Raise,
    Return,
    Site,
    ValueTable,
)
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.wellformed import Finding, findings
from tests.compiler.ir_strategies import functions


@given(functions())
def test_generated_functions_are_well_formed(function: Function) -> None:
    assert findings(function) == []


def function_of(*ops: Op) -> Function:
    return Function("f", [BasicBlock("entry", list(ops))])


def test_a_site_that_is_not_listed() -> None:
    end = Raise(Site("IndexError", 1, 1, ""))
    assert findings(function_of(end)) == [Finding(end, "names a site that the function does not list")]


def test_a_table_that_is_not_listed() -> None:
    index = Const(0)
    read = Lookup(index, ValueTable("t", (1,)))
    assert findings(function_of(index, read, Return(read, read))) == [
        Finding(read, "names a table that the function does not list")
    ]


def test_a_map_that_is_not_listed() -> None:
    value, elsewhere = Const(0), MapDecl("m", MapKind.EVENTS, Layout.of((("a", Scalar(1)),)), 4)
    emit = EventEmit(elsewhere, (value,))
    assert findings(function_of(value, emit, Return(value, value))) == [
        Finding(emit, "names a map that the function does not list")
    ]


def test_a_key_of_more_parts_than_sizes() -> None:
    value = Const(0)
    for key in (PackKey((value, value), (4,)), PackKey((), ())):
        assert findings(function_of(value, key, Return(value, value))) == [
            Finding(key, "a key needs parts, and a size for each")
        ]


def test_an_empty_value_table() -> None:
    index, table = Const(0), ValueTable("t", ())
    read = Lookup(index, table)
    function = function_of(index, read, Return(read, read))
    function.tables.append(table)
    assert findings(function) == [Finding(read, "table t is empty")]


def test_a_bytes_constant_over_64_bytes() -> None:
    length, long = Context(ContextField.LENGTH), Const(bytes(65))
    assert findings(function_of(length, long, Return(length, length))) == [
        Finding(long, "a bytes constant has 1 to 64 bytes")
    ]


def test_a_target_that_is_no_block_and_an_op_that_stands_twice() -> None:
    value = Const(0)
    function = function_of(value, value, Jump(BasicBlock("away")))
    assert findings(function) == [
        Finding(value, "stands in the function twice"),
        Finding(function.entry, "leads to away, which is no block of the function"),
    ]


def test_an_operand_that_is_in_no_block() -> None:
    value = Const(0)
    end = Return(value, value)
    assert findings(function_of(end)) == [Finding(end, "uses a value that is not defined on every way here")]
