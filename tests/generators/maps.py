"""Expressions of generated filters over maps: keys, entries, tests for keys, token buckets.

Keys come out of small pools, so that they meet; parts of other look-ups are among them. Operations that change a map
stand inside expressions too, where the order of evaluation shows. This file must not know: statements.
"""

from __future__ import annotations

from typing import Final

from tests.generators.expressions import Choice, Expressions
from tests.generators.names import RATE, KeyName, StructName, TableName, kind_of

RATES: Final = ("1", "2, 1", "3, 5", "1000, 2", "1000000", "4294967295", "5, 4294967295")
"""Arguments of RateLimit."""
_NESTED: Final = 2
_LOWEST: Final = {"i8": 2**7, "i16": 2**15, "i32": 2**31, "i64": 2**63}
Entry = tuple[str, StructName]


class MapExpressions(Expressions):
    """Writes expressions that look into maps as well."""

    _inside = 0
    """Look-ups, one in the other, that are being written."""

    def _look_up(self, weight: int, choice: Choice) -> list[tuple[int, Choice]]:
        """The choice, in which no more than one other may stand."""

        def write(depth: int) -> str:
            self._inside += 1
            text = choice(depth)
            self._inside -= 1
            return text

        return [(weight, write)] if self._inside < _NESTED else []

    def integer_leaves(self) -> list[tuple[int, Choice]]:
        choices = super().integer_leaves()
        if self.module.arrays or self.names.entries:
            choices += self._look_up(3, self._entry_number)
        if self._tables_of_bare():
            choices += self._look_up(4, self._bare_number)
        if any(self.is_record(table.value) for table in self.module.tables):
            choices += self._look_up(1, self._found_number)
        return choices

    def tests(self, depth: int) -> list[tuple[int, Choice]]:
        choices = super().tests(depth)
        if self.module.tables:
            choices += self._look_up(4, self._key_test)
        if self.module.blooms:
            choices += self._look_up(2, self._bloom_test)
        if self._has_limits():
            choices += self._look_up(2, self._allowed)
        if self.names.maybe_entries:
            choices += self._look_up(2, self._entry_test)
        choices += self._look_up(1, self._stored_flag)
        return choices

    def address(self, kind: str) -> str:
        entry = self._entry_with(kind)
        if entry and self.chance(0.3):
            name, fields = entry
            return f"{name}.{self.rng.choice(fields)}"
        return super().address(kind)

    # Keys

    def part(self, declared: str, depth: int = 1) -> str:
        """A part of a key."""
        kind = kind_of(declared)
        if kind == "bool":
            return self.boolean(1)
        if kind != "int":
            return self.address(kind)
        if self.risky():
            return self.integer(depth)
        lowest = _LOWEST.get(declared, 0)
        if self.chance(0.1):
            return f"({-lowest})" if lowest else str(2 ** int(declared[1:]) - 1)
        inner = self.integer(depth)
        forms = (f"{inner} & 3", f"{inner} % 5", f"{inner} & 7", f"{inner} % 40", "len(pkt) & 15", "random() & 31", "1")
        text = self.rng.choice(forms)
        if "pkt" in text and not self.has_packet:
            text = f"{self.integer(0)} & 7"
        return f"({text}) - 2" if lowest and self.chance(0.5) else text

    def key(self, wanted: KeyName, depth: int = 1) -> str:
        """A key of that type; not as long as one that must be spelled out where a variable has it."""
        known = [name for name, key in self.names.keys.items() if key == wanted]
        if known and self.chance(0.6):
            return self.rng.choice(known)
        if wanted.struct is not None:
            entries = [name for name, (_, struct) in self.names.entries.items() if struct == wanted.struct]
            if entries and self.chance(0.4):
                return self.rng.choice(entries)
            return self.record(wanted.struct, whole=True)
        if wanted.is_tuple:
            return f"({', '.join(self.part(part, depth) for part in wanted.parts)},)"
        return self.part(wanted.parts[0], depth)

    # Values

    def is_record(self, value: StructName | str) -> bool:
        """Whether a table of such values holds structs whose fields can be named."""
        return isinstance(value, StructName) and value != RATE

    def record(self, struct: StructName, *, whole: bool = False) -> str:
        """A new object of a class; `whole` where its fields are parts of a key, and no integer may be too varied."""
        if struct == RATE:
            return f"RateLimit({self.rate()})"
        given = [field for field in struct.fields if whole or self.chance(0.6)]
        return f"{struct.name}({', '.join(f'{name}={self._field(declared, whole)}' for name, declared in given)})"

    def rate(self) -> str:
        """Arguments of RateLimit, most often constant."""
        if self.chance(0.8):
            return self.rng.choice(RATES)
        return self.integer(0) if self.risky() else f"({self.integer(0)} & 3) + 1, burst=({self.integer(0)} & 7) + 1"

    def _field(self, declared: str, small: bool) -> str:
        kind = kind_of(declared)
        if kind == "int":
            return self.part(declared) if small else self.wild(1)
        return self.of_kind(kind, 1)

    def value(self, table: TableName) -> str:
        """Something to store in a table."""
        if isinstance(table.value, str):
            return self.wild(1)
        owned = [name for name, (_, struct) in self.names.entries.items() if struct == table.value]
        if owned and self.chance(0.25):
            return self.rng.choice(owned)
        return self.record(table.value)

    # Reading

    def _tables_of_bare(self) -> list[TableName]:
        return [table for table in self.module.tables if isinstance(table.value, str)]

    def bare_item(self, table: TableName) -> str:
        """The integer under a key; KeyError where there is none, unless the form excludes it."""
        key = self.key(table.key)
        forms = [f"{table.name}.get({key}, {self.integer(0)})"]
        if table.grows:
            forms.append(f"{table.name}.setdefault({key}, {self.wild(1)})")
        known = [name for name, found in self.names.keys.items() if found == table.key]
        if known:
            name = self.rng.choice(known)
            forms.append(f"({table.name}[{name}] if {name} in {table.name} else {self.integer(0)})")
        if self.risky() or self.chance(0.03):
            forms = [f"{table.name}[{key}]"]
        return self.rng.choice(forms)

    def _bare_number(self, _: int) -> str:
        return self.bare_item(self.rng.choice(self._tables_of_bare()))

    def _found_number(self, _: int) -> str:
        """A field of an entry that is found, or made, on the spot."""
        tables = [table for table in self.module.tables if self.is_record(table.value)]
        table = self.rng.choice(tables)
        assert isinstance(table.value, StructName)
        fields = table.value.of_kind("int")
        if not fields:
            return self.integer(0)
        if table.grows and not self.risky():
            return f"{table.name}.setdefault({self.key(table.key)}, {self.record(table.value)}).{fields[0]}"
        if self.risky():
            return f"{table.name}[{self.key(table.key)}].{self.rng.choice(fields)}"
        return self.integer(0)

    def array_entry(self, name: str) -> str:
        """An entry of an Array of structs."""
        return f"{name}[{self.index(self.module.arrays[name][1])}]"

    def _entry_with(self, kind: str) -> tuple[str, list[str]] | None:
        """A reference to an entry with fields of a kind, and these; None where there is none."""
        found = [(name, fields) for name, (_, struct) in self.names.entries.items() if (fields := struct.of_kind(kind))]
        return self.rng.choice(found) if found else None

    def _entry_number(self, _: int) -> str:
        entry = self._entry_with("int")
        if entry and self.chance(0.7):
            name, fields = entry
            return f"{name}.{self.rng.choice(fields)}"
        arrays = [name for name, (struct, _) in self.module.arrays.items() if struct.of_kind("int")]
        if not arrays:
            return self.integer(0)
        name = self.rng.choice(arrays)
        return f"{self.array_entry(name)}.{self.rng.choice(self.module.arrays[name][0].of_kind('int'))}"

    # Tests

    def _key_test(self, _: int) -> str:
        table = self.rng.choice(self.module.tables)
        return f"({self.key(table.key)} {self.rng.choice(('in', 'in', 'not in'))} {table.name})"

    def _bloom_test(self, _: int) -> str:
        name = self.rng.choice(list(self.module.blooms))
        key = self.key(self.module.blooms[name])
        return self.rng.choice((f"({key} in {name})", f"({key} not in {name})", f"{name}.add({key})"))

    def _entry_test(self, _: int) -> str:
        """A test of an entry for None, alone or with one of its fields."""
        name = self.rng.choice(list(self.names.maybe_entries))
        fields = self.names.maybe_entries[name][1].of_kind("int")
        if fields and self.chance(0.5):
            field = self.rng.choice(fields)
            return self.rng.choice((f"({name} is not None and {name}.{field} > 3)", f"(not {name} or {name}.{field})"))
        return self.rng.choice((f"({name} is None)", f"bool({name})"))

    def _stored_flag(self, depth: int) -> str:
        entry = self._entry_with("bool")
        if entry is None:
            return self.boolean(depth - 1) if depth > 0 else "True"
        name, fields = entry
        return f"{name}.{self.rng.choice(fields)}"

    # Token buckets

    def _has_limits(self) -> bool:
        return any(struct == RATE for _, struct in self.names.entries.values()) or any(
            table.value == RATE for table in self.module.tables
        )

    def _allowed(self, _: int) -> str:
        amount = self.rng.choice(("", "", "1", "0", "2", f"({self.integer(0)}) & 3"))
        if self.risky():
            amount = self.integer(0)
        known = [name for name, (_, struct) in self.names.entries.items() if struct == RATE]
        arrays = [self.array_entry(name) for name, (struct, _) in self.module.arrays.items() if struct == RATE]
        tables = [table for table in self.module.tables if table.value == RATE and table.grows]
        made = [f"{table.name}.setdefault({self.key(table.key)}, RateLimit({self.rate()}))" for table in tables]
        found = known + arrays + made
        return f"{self.rng.choice(found)}.allow({amount})" if found else "True"
