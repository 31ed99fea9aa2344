"""Statements of generated filters that change maps: stores, additions, deletions, references, events.

References are kept across deletions, insertions and evictions, in loops and branches, and used after. This file must
not know: how the maps are declared.
"""

from __future__ import annotations

from typing import Final

from tests.generators.expressions import Choice
from tests.generators.maps import Entry
from tests.generators.names import RATE, StructName, TableName, kind_of
from tests.generators.statements import Statements

_TRIPS: Final = (3, 5, 17, 20)
"""Turns of loops that fill tables: sets have sixteen ways."""


class MapStatements(Statements):
    """Writes statements on maps as well."""

    def statements(self, size: int) -> list[tuple[int, Choice]]:
        choices = super().statements(size)
        if self.module.tables:
            choices += [(5, self._take_key), (6, self._augment_table), (10, self._take_entry)]
        if self._growing():
            choices += [(10, self._store), (6, self._delete), (4, self._fill), (5, self._hold)]
        if self.module.arrays:
            choices.append((3, self._write_array))
        if self.names.entries:
            choices.append((10, self._use_entry))
        if self.module.events:
            choices.append((3, self._emit))
        if self.module.histograms:
            choices.append((2, self._count))
        if size >= 3 and self.module.tables:
            choices.append((4, self._if_entry))
        return choices

    def _growing(self) -> list[TableName]:
        return [table for table in self.module.tables if table.grows]

    # Keys

    def _take_key(self, _: int) -> str:
        table = self.rng.choice(self.module.tables)
        name = self.fresh("k")
        self.put(f"{name} = {self.key(table.key)}")
        self.names.keys[name] = table.key
        return ""

    # Stores

    def _store(self, _: int) -> str:
        table = self.rng.choice(self._growing())
        self.put(f"{table.name}[{self.key(table.key)}] = {self.value(table)}")
        return ""

    def _augment_table(self, _: int) -> str:
        """`m[key] op= n`, most often where the key is there."""
        tables = [table for table in self.module.tables if isinstance(table.value, str)]
        if not tables:
            return self.assign_integer(0)
        table = self.rng.choice(tables)
        known = [name for name, key in self.names.keys.items() if key == table.key]
        operator = self.rng.choice(("+=", "+=", "+=", "-=", "|=", "^="))
        if known and not self.risky():
            key = self.rng.choice(known)
            self.put(f"if {key} in {table.name}:")
            self.put(f"    {table.name}[{key}] {operator} {self.wild(1)}")
        elif self.risky():
            self.put(f"{table.name}[{self.key(table.key)}] {operator} {self.wild(1)}")
        elif not table.grows:
            return self._take_key(0)
        else:
            self.put(f"{table.name}[{self.key(table.key)}] = {self.bare_item(table)} {operator[0]} 1")
        return ""

    def _delete(self, _: int) -> str:
        table = self.rng.choice(self._growing())
        known = [name for name, key in self.names.keys.items() if key == table.key]
        if self.chance(0.3):
            self._take_out(table)
        elif known and not self.risky():
            key = self.rng.choice(known)
            self.put(f"if {key} in {table.name}:")
            self.put(f"    del {table.name}[{key}]")
            self._perhaps_look(table, key)
        elif self.risky() or self.chance(0.1):
            self.put(f"del {table.name}[{self.key(table.key)}]")
        else:
            return self._take_key(0)
        return ""

    def _take_out(self, table: TableName) -> None:
        """Delete a key that may be there, with a look before and behind."""
        key = self.fresh("k")
        self.put(f"{key} = {self.key(table.key, 0)}")
        self.names.keys[key] = table.key
        self._perhaps_look(table, key)
        self.put(f"{table.name}.pop({key}, None)")
        self._perhaps_look(table, key)
        if self.chance(0.7):
            self.put(f"{table.name}[{key}] = {self.value(table)}")

    def _perhaps_look(self, table: TableName, key: str) -> None:
        """A test that shows what became of a key."""
        if self.chance(0.5):
            self._show(f"3 if {key} in {table.name} else {self.integer(0)}")

    def _write_array(self, _: int) -> str:
        name = self.rng.choice(list(self.module.arrays))
        struct, _capacity = self.module.arrays[name]
        entry = self.array_entry(name)
        if self.chance(0.4):
            held = self.fresh("e")
            self.put(f"{held} = {entry}")
            self.names.entries[held] = name, struct
        elif self.chance(0.5):
            owned = [held for held, (_, other) in self.names.entries.items() if other == struct]
            value = self.rng.choice([*owned, self.record(struct), self.array_entry(name)])
            self.put(f"{entry} = {value}")
        else:
            self._change(entry, struct)
        return ""

    # References

    def _take_entry(self, _: int) -> str:
        """A reference kept in a variable, old or new."""
        tables = [table for table in self.module.tables if isinstance(table.value, StructName)]
        if not tables:
            return self._take_key(0)
        table = self.rng.choice(tables)
        assert isinstance(table.value, StructName)
        entry = table.name, table.value
        key = self.key(table.key)
        if not table.grows or self.chance(0.3):
            self._get_entry(table.name, key, entry)
            return ""
        text = f"{table.name}.setdefault({key}, {self.value(table)})"
        if self.risky() or self.chance(0.05):
            text = f"{table.name}[{key}]"
        if self.chance(0.15):
            other = f"{table.name}.setdefault({self.key(table.key)}, {self.record(table.value)})"
            text = f"{text} if {self.boolean(1)} else {other}"
        known = [name for name, owned in self.names.entries.items() if owned == entry]
        name = self.rng.choice(known) if known and self.chance(0.3) else self.fresh("e")
        self.put(f"{name} = {text}")
        self.names.entries[name] = entry
        return ""

    def _get_entry(self, table: str, key: str, entry: Entry) -> None:
        """`e = m.get(key)`, most often with a test that ends the function or the turn where it is None."""
        name = self.fresh("e")
        self.put(f"{name} = {table}.get({key})")
        if self.risky():
            self.names.entries[name] = entry  # the test left out, on purpose
        elif self.chance(0.1):
            before = self.names.copy()
            self.put(f"if {self.rng.choice((f'{name} is None', f'not {name}'))}:")
            with self.nested():
                self.put(self.rng.choice(("break", "continue")) if self.loops else f"return {self.verdict()}")
            self.names = before
            self.names.entries[name] = entry
            self.ended = False
        else:
            self.names.maybe_entries[name] = entry

    def _if_entry(self, size: int) -> str:
        """A branch on whether a key has an entry."""
        tables = [table for table in self.module.tables if isinstance(table.value, StructName)]
        if not tables:
            return self._take_key(0)
        table = self.rng.choice(tables)
        assert isinstance(table.value, StructName)
        entry = table.name, table.value
        known = [name for name, owned in self.names.maybe_entries.items() if owned == entry]
        if known and self.chance(0.6):
            name = text = self.rng.choice(known)
        else:
            name = self.fresh("e")
            text = f"({name} := {table.name}.get({self.key(table.key)}))"
        form = self.rng.choice(("{}", "{} is not None"))
        before = self.names.copy()
        inside = before.copy()
        inside.maybe_entries.pop(name, None)
        inside.entries[name] = entry
        first = self.branch(f"if {form.format(text)}:", size // 2, inside)
        second = self.branch("else:", size // 3, before.copy()) if self.chance(0.6) else before.copy()
        self.join(first, second)
        return ""

    def _use_entry(self, _: int) -> str:
        name = self.rng.choice(list(self.names.entries))
        struct = self.names.entries[name][1]
        fields = struct.of_kind("int")
        if not fields or self.chance(0.6):
            self._change(name, struct)
            return ""
        read = f"{name}.{self.rng.choice(fields)}"
        before = self.fresh("n")
        self.assign(before, "int", read)
        self.put(f"{read} {self.rng.choice(('+=', '+=', '-=', '='))} {self.wild(1)}")
        self._show(f"{read} ^ {before}")
        return ""

    def _show(self, number: str) -> None:
        """Keep a number in a map where there is one of integers."""
        if self.module.maps and self.chance(0.6):
            self.put(f"{self.map_item()} ^= {number}")
        else:
            self.assign(self._target(), "int", number)

    def _change(self, entry: str, struct: StructName) -> None:
        """Do something to an entry."""
        if struct == RATE:
            self.put(f"{self.fresh('b_')} = {entry}.allow({self.rng.choice(('', '1', '2'))})")
            return
        name, declared = self.rng.choice(struct.fields)
        if declared == "bool":
            self.put(f"{entry}.{name} = {self.boolean(1)}")
        elif declared[0] in "ui":
            operator = self.rng.choice(("=", "+=", "+=", "+=", "-=", "|=", "^="))
            self.put(f"{entry}.{name} {operator} {self.wild(2)}")
        else:
            self.put(f"{entry}.{name} = {self.address(kind_of(declared))}")

    # Many at once

    def _spread_key(self, table: TableName, counter: str) -> str | None:
        """A key that differs from turn to turn; None where no part of the table's is an integer."""
        parts = [part for part in table.key.parts if part[0] in "ui" and part[1:].isdigit()]
        if not parts or table.key.struct is not None:
            return None
        texts, turned = [], False
        for part in table.key.parts:
            turns = not turned and part in parts
            turned |= turns
            spread = [counter, f"({counter} + random()) & 31", "random() % 3000"][: 2 if part[1:] == "8" else 3]
            texts.append(self.rng.choice(spread) if turns else self.part(part, 0))
        return f"({', '.join(texts)},)" if table.key.is_tuple else texts[0]

    def _fill(self, _: int) -> str:
        """A loop that puts in, or takes out, a key each turn."""
        table, counter = self.rng.choice(self._growing()), self.fresh("j")
        key = self._spread_key(table, counter)
        if key is None or self.loops or not self.spend():
            return self._take_key(0)
        form = self.rng.choice(("store", "store", "setdefault", "delete", "look"))
        self.put(f"for {counter} in range({self.rng.choice(_TRIPS)}):")
        if form == "store":
            self.put(f"    {table.name}[{key}] = {self._constant_value(table)}")
        elif form == "setdefault":
            end = "" if isinstance(table.value, str) else self._end(table.value)
            self.put(f"    {self.fresh('w')} = {table.name}.setdefault({key}, {self._constant_value(table)}){end}")
        elif form == "look":
            self.indent += 1
            self._show(f"3 if {key} in {table.name} else 0")
            self.indent -= 1
        else:
            name = self.fresh("k")
            self.put(f"    {name} = {key}")
            self.put(f"    if {name} in {table.name}:")
            self.put(f"        del {table.name}[{name}]")
        return ""

    def _constant_value(self, table: TableName) -> str:
        return self.integer(0) if isinstance(table.value, str) else self.record(table.value)

    def _end(self, struct: StructName) -> str:
        return ".allow()" if struct == RATE else f".{struct.fields[0][0]}"

    def _hold(self, _: int) -> str:
        """An entry held while others come and go, perhaps its own key too; then it is used."""
        tables = [table for table in self._growing() if isinstance(table.value, StructName)]
        if not tables:
            return self._fill(0)
        table = self.rng.choice(tables)
        assert isinstance(table.value, StructName)
        name, key = self.fresh("e"), self.fresh("k")
        self.put(f"{key} = {self.key(table.key)}")
        self.put(f"{name} = {table.name}.setdefault({key}, {self.record(table.value)})")
        self.names.keys[key] = table.key
        self.names.entries[name] = table.name, table.value
        if self.chance(0.6):
            self.put(f"del {table.name}[{key}]")
            self._perhaps_look(table, key)
        if self.chance(0.5):
            self._change(name, table.value)
            self._perhaps_look(table, key)
        for _ in range(self.rng.choice((1, 2))):
            if self.chance(0.6):
                self._fill(0)
            else:
                self.put(f"{table.name}[{self.key(table.key)}] = {self.record(table.value)}")
        self._change(name, table.value)
        return ""

    # Events and histograms

    def _emit(self, _: int) -> str:
        name = self.rng.choice(list(self.module.events))
        struct = self.module.events[name]
        owned = [entry for entry, (_, other) in self.names.entries.items() if other == struct]
        record = self.rng.choice(owned) if owned and self.chance(0.3) else self.record(struct)
        self.put(f"{name}.emit({record})")
        return ""

    def _count(self, _: int) -> str:
        name = self.rng.choice(self.module.histograms)
        forms = (
            f"u64({self.wild(2)})",
            f"u16({self.wild(1)})",
            f"{self.integer(1)} & 31",
            f"1 << ({self.integer(1)} & 63)",
        )
        value = self.integer(2) if self.risky() else self.rng.choice(forms)
        self.put(f"{name}.add({value})")
        return ""
