"""IR to text, in the grammar at the head of ir.py, with notes under the ops that they are about.

Values are numbered in the order of the text, so equal functions print alike. Lines of ops are not part of the text;
who wants them passes them as notes. A value that no block defines prints as `%?`, so that faulty IR prints too.

This file must not know: what any op computes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from nmjit.compiler.ir import (
    Binary,
    BloomAdd,
    BloomTest,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    EventEmit,
    Find,
    Function,
    InSet,
    Item,
    Jump,
    KeyHash,
    Load,
    LoadBytes,
    LogBucket,
    Lookup,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Mirror,
    MoveHead,
    Not,
    Op,
    PackKey,
    Phi,
    Prefetch,
    Raise,
    Random,
    RangeTable,
    RateTake,
    Return,
    Select,
    Site,
    Store,
    StoreBytes,
    Table,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import VOID, MapDecl

_INDENT: Final = "  "


def print_function(function: Function, notes: Mapping[Op, Sequence[str]] | None = None) -> str:
    """The text of `function`, each note as `; note` on its own line below its op."""
    return "\n".join(_lines(function, notes or {})) + "\n"


def _lines(function: Function, notes: Mapping[Op, Sequence[str]]) -> Iterator[str]:
    names = _Names(function)
    yield f"filter {function.name} {{"
    for number, site in enumerate(function.sites):
        yield f"{_INDENT}site #{number}: {_site(site)}"
    for declaration in function.maps:
        yield f"{_INDENT}map @{_map(declaration)}"
    for table in function.tables:
        yield f"{_INDENT}table ${_table(table)}"
    for block in function.blocks:
        yield f"{block.label}:"
        for op in block.ops:
            text = names.effect_text(op) if op.type is VOID else f"{names.value(op)} = {names.value_text(op)}"
            yield _INDENT + text
            for note in notes.get(op, ()):
                yield f"{_INDENT * 3}; {note}"
    yield "}"


def _site(site: Site) -> str:
    text = f"{site.exception} at {site.line}:{site.column} {json.dumps(site.guard)}"
    return f"{text} in {json.dumps(site.file)}" if site.file else text


def _map(declaration: MapDecl) -> str:
    fields = ", ".join(f"{field.name}: {field.scalar}" for field in declaration.layout.fields)
    head = f"{declaration.name}: {declaration.kind}[{declaration.capacity}] base {declaration.key_base}"
    if declaration.key:
        names = [f"{name}: " for name in declaration.key_types]
        parts = [f"{name}{size}" for name, size in zip_longest(names, declaration.key, fillvalue="")]
        head += f" key [{', '.join(parts)}]"
    if declaration.detail:
        head += f" detail {declaration.detail}"
    return f"{head} {{{fields}}}"


def _table(table: Table) -> str:
    if isinstance(table, RangeTable):
        items = [f"{low}..{high}" for low, high in table.ranges]
        return f"{table.name}: ranges {', '.join(items)}".rstrip()
    return f"{table.name}: values {', '.join(map(str, table.values))}".rstrip()


def _literal(value: int | bool | bytes) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return f'"{value.hex()}"'


class _Names:
    """What ops call values and sites, and with that the text of each op."""

    def __init__(self, function: Function) -> None:
        values = (op for op in function.ops() if op.type is not VOID)
        self._values = {op: f"%{number}" for number, op in enumerate(values)}
        self._sites = {site: f"site #{number}" for number, site in reversed(list(enumerate(function.sites)))}

    def value(self, value: Value) -> str:
        return self._values.get(value, "%?")

    def _values_text(self, *values: Value) -> str:
        return ", ".join(map(self.value, values))

    def _site(self, site: Site) -> str:
        return self._sites.get(site, "site #?")

    def _at(self, base: Value, displacement: int) -> str:
        return f"{self.value(base)} + {displacement}"

    def _entry(self, op: MapLoad | MapStore | MapAdd) -> str:
        return f"@{op.map.name}[{self.value(op.index)}].{op.field}"

    def value_text(self, op: Op) -> str:
        """The right side of an op that has a value."""
        match op:
            case Const():
                return f"const {op.type} {_literal(op.value)}"
            case Phi():
                pairs = [f"{block.label}: {self.value(value)}" for block, value in op.incoming.items()]
                return f"phi {op.type} {', '.join(pairs)}"
            case Binary():
                reduced = "" if op.modulus is None else f"mod {op.modulus} "
                return f"{op.kind.value} {reduced}{self._values_text(op.a, op.b)}"
            case Compare():
                return f"cmp {op.predicate.value} {self._values_text(op.a, op.b)}"
            case Not():
                return f"not {self.value(op.a)}"
            case Select():
                return f"select {self._values_text(op.condition, op.a, op.b)}"
            case Wrap():
                return f"wrap {op.scalar} {self.value(op.a)}"
            case InSet():
                return f"inset {self.value(op.a)}, ${op.table.name}"
            case Lookup():
                return f"lookup {self.value(op.index)}, ${op.table.name}"
            case Item():
                return f"item {self._values_text(op.data, op.index)}"
            case Window():
                return f"window {self.value(op.a)} {self._site(op.site)}"
            case Context():
                return op.which.value
            case Random():
                return f"random {self.value(op.call)}"
            case Load():
                return f"load {op.size} {op.order.value} {self._at(op.base, op.displacement)}"
            case LoadBytes():
                return f"loadbytes {op.size} {self._at(op.base, op.displacement)}"
            case Find():
                return f"find {_literal(op.needle)} in {self._values_text(op.start, op.end)}"
            case MapLoad():
                return f"mapload {self._entry(op)}"
        return self._keyed_text(op)

    def _keyed_text(self, op: Op) -> str:
        """The right side of an op about keys, or about maps that are looked up by them."""
        match op:
            case PackKey():
                parts = zip(op.parts, op.sizes, strict=False)
                return f"pack {', '.join(f'{self.value(part)}:{size}' for part, size in parts)}"
            case KeyHash():
                return f"hash @{op.map.name} {self.value(op.key)}"
            case MapFind():
                return f"mapfind {'touch ' if op.touch else ''}@{op.map.name} {self._values_text(op.key, op.hash)}"
            case MapInsert():
                key = self._values_text(op.key, op.hash)
                return f"mapinsert @{op.map.name} {key} {{{self._values_text(*op.values)}}}"
            case MapDelete():
                return f"mapdelete @{op.map.name} {self._values_text(op.key, op.hash)}"
            case LpmFind():
                return f"lpmfind @{op.map.name} {self.value(op.address)}"
            case BloomTest():
                return f"bloomtest @{op.map.name} {self.value(op.hash)}"
            case BloomAdd():
                return f"bloomadd @{op.map.name} {self.value(op.hash)}"
            case LogBucket():
                return f"logbucket {op.precision} {self.value(op.a)}"
            case RateTake():
                return f"take @{op.map.name}[{self.value(op.index)}] {self._values_text(op.amount, op.now)}"
        raise AssertionError(f"no text form for {type(op).__name__}")

    def effect_text(self, op: Op) -> str:
        """The whole of an op that has no value."""
        match op:
            case Store():
                place = f"{op.size} {op.order.value} {self._at(op.base, op.displacement)}"
                return f"store {place}, {self.value(op.value)}"
            case StoreBytes():
                return f"storebytes {self._at(op.base, op.displacement)}, {self.value(op.value)}"
            case MapStore():
                return f"mapstore {self._entry(op)}, {self.value(op.value)}"
            case MapAdd():
                return f"mapadd {self._entry(op)}, {self.value(op.value)}"
            case EventEmit():
                return f"emit @{op.map.name} {{{self._values_text(*op.values)}}}"
            case MoveHead():
                return f"movehead {self._values_text(op.old, op.head)}"
            case Mirror():
                return f"mirror {self._values_text(op.head, op.port)}"
            case Prefetch():
                return f"prefetch @{op.map.name} {self.value(op.place)}"
            case Check():
                return f"check {self.value(op.condition)} {self._site(op.site)}"
            case Jump():
                return f"jump {op.target.label}"
            case Branch():
                hint = {True: " likely", False: " unlikely", None: ""}[op.expected]
                return f"branch {self.value(op.condition)}, {op.then.label}, {op.other.label}{hint}"
            case Return():
                return f"return {self._values_text(op.verdict, op.port)}"
            case Raise():
                return f"raise {self._site(op.site)}"
        raise AssertionError(f"no text form for {type(op).__name__}")
