"""Text to IR: the inverse of printer.py, for the grammar at the head of ir.py.

It checks that the text follows the grammar and that every name in it is defined, nothing more; `wellformed.findings`
says whether the IR makes sense. Values may be used above the line that defines them, as loops need.

This file must not know: what any op computes, which IR is well-formed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeVar

from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    BloomAdd,
    BloomTest,
    Branch,
    ByteOrder,
    Check,
    Compare,
    Const,
    Context,
    ContextField,
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
    Predicate,
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
    ValueTable,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import Basic, Bytes, Layout, MapDecl, MapKind, Scalar, Type

_T = TypeVar("_T")
_TableT = TypeVar("_TableT", RangeTable, ValueTable)

_TOKEN: Final = re.compile(
    r"""\s*(?: (?P<comment>;.*) | (?P<string>"(?:[^"\\]|\\.)*") | (?P<int>-?\d+) | (?P<name>[A-Za-z_][\w.]*)
    | (?P<sign>\.\.|[%@$\#=:,+.{}\[\]]) )""",
    re.VERBOSE,
)
_SCALARS: Final[Mapping[str, Scalar]] = {
    str(scalar): scalar for size in (1, 2, 4, 8, 16) for scalar in (Scalar(size), Scalar(size, signed=True))
}
_BINARY: Final[Mapping[str, BinaryKind]] = {kind.value: kind for kind in BinaryKind}
_CONTEXT: Final[Mapping[str, ContextField]] = {which.value: which for which in ContextField}
_PREDICATES: Final[Mapping[str, Predicate]] = {predicate.value: predicate for predicate in Predicate}
_ORDERS: Final[Mapping[str, ByteOrder]] = {order.value: order for order in ByteOrder}
_KINDS: Final[Mapping[str, MapKind]] = {kind.value: kind for kind in MapKind}


def read_function(text: str) -> Function:
    """The function that `text` describes. ValueError, naming the line (1-based), where it breaks the grammar."""
    return _Reader(text).function()


class _Line:
    """The tokens of one line, taken from left to right."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self._tokens: list[str] = []
        self._next = 0
        place, text = 0, text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                self.fail(f"cannot read {text[place:].strip()!r}")
            place = match.end()
            if match.lastgroup != "comment":
                self._tokens.append(match[0].strip())

    def fail(self, message: str) -> NoReturn:
        raise ValueError(f"line {self.number}: {message}")

    @property
    def peek(self) -> str:
        """The next token, '' at the end of the line."""
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    @property
    def is_label(self) -> bool:
        return len(self._tokens) == 2 and self._tokens[1] == ":"

    def take(self) -> str:
        token = self.peek
        self._next += 1
        return token

    def accept(self, token: str) -> bool:
        """Whether the next token is `token`; it is then taken."""
        if self.peek != token:
            return False
        self._next += 1
        return True

    def expect(self, *tokens: str) -> None:
        for token in tokens:
            if not self.accept(token):
                self.fail(f"expected {token!r}, not {self.peek!r}")

    def end(self) -> None:
        if self.peek:
            self.fail(f"nothing may follow, but {self.peek!r} does")

    def integer(self) -> int:
        token = self.take()
        try:
            return int(token)
        except ValueError:
            self.fail(f"expected an integer, not {token!r}")

    def name(self) -> str:
        token = self.take()
        if not re.fullmatch(r"[A-Za-z_][\w.]*", token):
            self.fail(f"expected a name, not {token!r}")
        return token

    def string(self) -> str:
        token = self.take()
        if not token.startswith('"'):
            self.fail(f"expected a string, not {token!r}")
        return str(json.loads(token))

    def hexadecimal(self) -> bytes:
        digits = self.string()
        try:
            return bytes.fromhex(digits)
        except ValueError:
            self.fail(f"expected hexadecimal digits, not {digits!r}")

    def one_of(self, choices: Mapping[str, _T], what: str) -> _T:
        token = self.take()
        if token not in choices:
            self.fail(f"expected {what}, not {token!r}")
        return choices[token]

    def type(self) -> Type:
        token = self.name()
        if re.fullmatch(r"bytes\d+", token):
            return Bytes(int(token[5:]))
        if token not in ("int", "bool"):
            self.fail(f"expected a type, not {token!r}")
        return Basic(token)


class _Reader:
    """Reads one function. Names that the text uses before it defines them are settled at the end."""

    def __init__(self, text: str) -> None:
        lines = [line for number, row in enumerate(text.splitlines(), 1) if (line := _Line(number, row)).peek]
        if len(lines) < 2:
            raise ValueError("line 1: expected a function of at least two lines")
        self._head, *self._body, self._last = lines
        self._sites: dict[int, Site] = {}
        self._maps: dict[str, MapDecl] = {}
        self._tables: dict[str, Table] = {}
        self._blocks: dict[str, BasicBlock] = {}
        self._values: dict[int, Value] = {}
        self._pending: dict[int, tuple[Const, _Line]] = {}

    def function(self) -> Function:
        head, body, last = self._head, self._body, self._last
        head.expect("filter")
        function = Function(head.name())
        head.expect("{")
        head.end()
        for line in body:
            if line.is_label:
                self._define_block(line)
        last.expect("}")
        last.end()
        for line in body:
            self._body_line(function, line)
            line.end()
        function.sites.extend(self._sites.values())
        function.maps.extend(self._maps.values())
        function.tables.extend(self._tables.values())
        self._settle(function)
        return function

    def _define_block(self, line: _Line) -> None:
        label = line.peek
        if label in self._blocks:
            line.fail(f"block {label} is there twice")
        self._blocks[label] = BasicBlock(label)

    def _body_line(self, function: Function, line: _Line) -> None:
        if line.is_label:
            function.blocks.append(self._blocks[line.name()])
            line.expect(":")
        elif not function.blocks:
            self._declaration(line)
        else:
            function.blocks[-1].ops.append(self._op(line))

    # Declarations

    def _declaration(self, line: _Line) -> None:
        match line.take():
            case "site":
                self._site_declaration(line)
            case "map":
                self._map_declaration(line)
            case "table":
                self._table_declaration(line)
            case other:
                line.fail(f"expected a site, map, table or block, not {other!r}")

    def _site_declaration(self, line: _Line) -> None:
        line.expect("#")
        if line.integer() != len(self._sites):
            line.fail(f"this is site #{len(self._sites)}")
        line.expect(":")
        exception = line.name()
        line.expect("at")
        source_line = line.integer()
        line.expect(":")
        column, guard = line.integer(), line.string()
        file = line.string() if line.accept("in") else ""
        self._sites[len(self._sites)] = Site(exception, source_line, column, guard, file)

    def _map_declaration(self, line: _Line) -> None:
        line.expect("@")
        name = line.name()
        line.expect(":")
        kind = line.one_of(_KINDS, "a kind of map")
        line.expect("[")
        capacity = line.integer()
        line.expect("]", "base")
        key_base = line.integer()
        key_types, key = self._key_parts(line) if line.accept("key") else ((), ())
        detail = line.integer() if line.accept("detail") else 0
        line.expect("{")
        members: list[tuple[str, Scalar]] = []
        while not line.accept("}"):
            if members:
                line.expect(",")
            field = "" if line.peek == ":" else line.name()
            line.expect(":")
            members.append((field, line.one_of(_SCALARS, "a scalar")))
        self._maps[name] = MapDecl(name, kind, Layout.of(tuple(members)), capacity, key_base, key, detail, key_types)

    @staticmethod
    def _key_parts(line: _Line) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names of the parts' types, where they are there, and sizes."""
        names: list[str] = []
        sizes: list[int] = []
        line.expect("[")
        while not line.accept("]"):
            if sizes:
                line.expect(",")
            if not line.peek.isdecimal():
                names.append(line.name())
                line.expect(":")
            sizes.append(line.integer())
        return tuple(names), tuple(sizes)

    def _table_declaration(self, line: _Line) -> None:
        line.expect("$")
        name = line.name()
        line.expect(":")
        match line.take():
            case "ranges":
                self._tables[name] = RangeTable(name, self._items(line, self._range))
            case "values":
                self._tables[name] = ValueTable(name, self._items(line, _Line.integer))
            case other:
                line.fail(f"expected 'ranges' or 'values', not {other!r}")

    @staticmethod
    def _range(line: _Line) -> tuple[int, int]:
        low = line.integer()
        line.expect("..")
        return low, line.integer()

    @staticmethod
    def _items(line: _Line, item: Callable[[_Line], _T]) -> tuple[_T, ...]:
        items: list[_T] = []
        while line.peek:
            if items:
                line.expect(",")
            items.append(item(line))
        return tuple(items)

    # Names

    def _value(self, line: _Line) -> Value:
        """The value that comes next; where it is not defined yet, a stand-in that `_settle` replaces."""
        line.expect("%")
        number = line.integer()
        if number in self._values:
            return self._values[number]
        return self._pending.setdefault(number, (Const(0), line))[0]

    def _pair(self, line: _Line) -> tuple[Value, Value]:
        first = self._value(line)
        line.expect(",")
        return first, self._value(line)

    def _at(self, line: _Line) -> tuple[Value, int]:
        base = self._value(line)
        line.expect("+")
        return base, line.integer()

    def _site(self, line: _Line) -> Site:
        line.expect("site", "#")
        number = line.integer()
        if number not in self._sites:
            line.fail(f"there is no site #{number}")
        return self._sites[number]

    def _block(self, line: _Line) -> BasicBlock:
        label = line.name()
        if label not in self._blocks:
            line.fail(f"there is no block {label}")
        return self._blocks[label]

    def _table(self, line: _Line, kind: type[_TableT]) -> _TableT:
        line.expect(",", "$")
        table = self._tables.get(line.peek)
        if not isinstance(table, kind):
            line.fail(f"there is no {kind.__name__} {line.peek!r}")
        line.take()
        return table

    def _map(self, line: _Line) -> MapDecl:
        line.expect("@")
        name = line.name()
        if name not in self._maps:
            line.fail(f"there is no map {name}")
        return self._maps[name]

    def _place(self, line: _Line) -> tuple[MapDecl, Value]:
        declaration = self._map(line)
        line.expect("[")
        index = self._value(line)
        line.expect("]")
        return declaration, index

    def _entry(self, line: _Line) -> tuple[MapDecl, Value, str]:
        declaration, index = self._place(line)
        line.expect(".")
        field = "" if line.peek in ("", ",") else line.name()
        return declaration, index, field

    def _values_of_fields(self, line: _Line) -> tuple[Value, ...]:
        values: list[Value] = []
        line.expect("{")
        while not line.accept("}"):
            if values:
                line.expect(",")
            values.append(self._value(line))
        return tuple(values)

    def _settle(self, function: Function) -> None:
        """Replace the stand-ins by the values that the rest of the text defined."""
        for number, (_, line) in self._pending.items():
            if number not in self._values:
                line.fail(f"nothing defines %{number}")
        settled: dict[Op, Value] = {const: self._values[number] for number, (const, _) in self._pending.items()}
        for op in function.ops() if settled else ():
            for operand in op.operands():
                if operand in settled:
                    op.replace_operand(operand, settled[operand])

    # Ops

    def _op(self, line: _Line) -> Op:
        if not line.accept("%"):
            return self._effect(line)
        number = line.integer()
        if number in self._values:
            line.fail(f"%{number} is defined twice")
        line.expect("=")
        op = self._pure(line)
        self._values[number] = op
        return op

    def _pure(self, line: _Line) -> Op:
        mnemonic = line.name()
        if mnemonic in _BINARY:
            modulus = line.integer() if line.accept("mod") else None
            return Binary(_BINARY[mnemonic], *self._pair(line), modulus)
        if mnemonic in _CONTEXT:
            return Context(_CONTEXT[mnemonic])
        match mnemonic:
            case "const":
                return self._const(line)
            case "phi":
                return self._phi(line)
            case "cmp":
                return Compare(line.one_of(_PREDICATES, "a predicate"), *self._pair(line))
            case "not":
                return Not(self._value(line))
            case "select":
                condition = self._value(line)
                line.expect(",")
                return Select(condition, *self._pair(line))
            case "wrap":
                scalar = line.one_of(_SCALARS, "a scalar")
                return Wrap(self._value(line), scalar)
            case "inset":
                return InSet(self._value(line), self._table(line, RangeTable))
            case "lookup":
                return Lookup(self._value(line), self._table(line, ValueTable))
            case "item":
                return Item(*self._pair(line))
            case "window":
                return Window(self._value(line), self._site(line))
            case "random":
                return Random(self._value(line))
            case "load":
                size, order = line.integer(), line.one_of(_ORDERS, "a byte order")
                return Load(*self._at(line), size, order)
            case "loadbytes":
                size = line.integer()
                return LoadBytes(*self._at(line), size)
            case "find":
                needle = line.hexadecimal()
                line.expect("in")
                return Find(*self._pair(line), needle)
            case "mapload":
                return MapLoad(*self._entry(line))
        return self._keyed(mnemonic, line)

    def _keyed(self, mnemonic: str, line: _Line) -> Op:
        match mnemonic:
            case "pack":
                pairs = self._items(line, self._key_part)
                return PackKey(tuple(part for part, _ in pairs), tuple(size for _, size in pairs))
            case "hash":
                return KeyHash(self._map(line), self._value(line))
            case "mapfind":
                touch = line.accept("touch")
                return MapFind(self._map(line), *self._pair(line), touch)
            case "mapinsert":
                return MapInsert(self._map(line), *self._pair(line), self._values_of_fields(line))
            case "mapdelete":
                return MapDelete(self._map(line), *self._pair(line))
            case "lpmfind":
                return LpmFind(self._map(line), self._value(line))
            case "bloomtest":
                return BloomTest(self._map(line), self._value(line))
            case "bloomadd":
                return BloomAdd(self._map(line), self._value(line))
            case "logbucket":
                precision = line.integer()
                return LogBucket(self._value(line), precision)
            case "take":
                return RateTake(*self._place(line), *self._pair(line))
        line.fail(f"no op with a value is called {mnemonic!r}")

    def _key_part(self, line: _Line) -> tuple[Value, int]:
        part = self._value(line)
        line.expect(":")
        return part, line.integer()

    def _const(self, line: _Line) -> Const:
        declared = line.type()
        value: int | bool | bytes
        if declared is Basic.BOOL:
            value = line.one_of({"true": True, "false": False}, "true or false")
        elif declared is Basic.INT:
            value = line.integer()
        else:
            value = line.hexadecimal()
        const = Const(value)
        if const.type != declared:
            line.fail(f"a {const.type} is no {declared}")
        return const

    def _phi(self, line: _Line) -> Phi:
        phi = Phi(line.type())
        while line.peek:
            if phi.incoming:
                line.expect(",")
            block = self._block(line)
            line.expect(":")
            phi.incoming[block] = self._value(line)
        return phi

    def _effect(self, line: _Line) -> Op:
        match line.take():
            case "store":
                size, order = line.integer(), line.one_of(_ORDERS, "a byte order")
                base, displacement = self._at(line)
                line.expect(",")
                return Store(base, displacement, size, self._value(line), order)
            case "storebytes":
                base, displacement = self._at(line)
                line.expect(",")
                return StoreBytes(base, displacement, self._value(line))
            case "mapstore" | "mapadd" as mnemonic:
                declaration, index, field = self._entry(line)
                line.expect(",")
                kind = MapStore if mnemonic == "mapstore" else MapAdd
                return kind(declaration, index, field, self._value(line))
            case "emit":
                return EventEmit(self._map(line), self._values_of_fields(line))
            case "movehead":
                return MoveHead(*self._pair(line))
            case "mirror":
                return Mirror(*self._pair(line))
            case "prefetch":
                return Prefetch(self._map(line), self._value(line))
            case "check":
                return Check(self._value(line), self._site(line))
            case "jump":
                return Jump(self._block(line))
            case "branch":
                condition = self._value(line)
                line.expect(",")
                then = self._block(line)
                line.expect(",")
                other = self._block(line)
                expected = True if line.accept("likely") else False if line.accept("unlikely") else None
                return Branch(condition, then, other, expected)
            case "return":
                return Return(*self._pair(line))
            case "raise":
                return Raise(self._site(line))
            case other:
                line.fail(f"no op is called {other!r}")
