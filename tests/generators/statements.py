"""Statements of generated filters and their helpers, as lines of text.

A block keeps to the rules on definite assignment and dead views by what `names` records; an unlucky draw may still be
refused, which the property test counts. This file must not know: how the module around a function is written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nmjit._headers import LAYERS, FieldKind
from tests.generators.expressions import Choice
from tests.generators.maps import MapExpressions
from tests.generators.names import AT, CHECKSUMMED, Declarations, Names, ViewType
from tests.generators.packets import NEEDLES

VERDICTS: Final = ("PASS", "DROP", "TX", "redirect(OUT)", "redirect(BACK)")
_ALL_DIE: Final = -1
HEAD_MOVES: Final = -2
"""What dies, by `may_kill`, where the head of the packet moves: views by `pkt.at` too."""


class Statements(MapExpressions):
    """Writes the body of one function."""

    def __init__(self, rng: random.Random, module: Declarations, risk: float, returns: str) -> None:
        super().__init__(rng, module, risk)
        self.returns = returns
        self.lines: list[str] = []
        self.indent = 1
        self.ended = False
        """Nothing behind the last line written can be reached."""
        self.loops = 0
        self.kept: list[int] = []
        """For each loop that is open, whether its body may kill views (0) or not (1)."""
        self.killed = False
        self._fresh = 0

    # Lines

    def put(self, line: str) -> None:
        self.lines.append("    " * self.indent + line.replace("\n    ", "\n" + "    " * (self.indent + 2)))

    def fresh(self, prefix: str) -> str:
        self._fresh += 1
        return f"{prefix}{self._fresh}"

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A block one level deeper, which gets a `pass` where nothing is written in it."""
        self.indent += 1
        written = len(self.lines)
        self.ended = False
        yield
        if len(self.lines) == written:
            self.put("pass")
        self.indent -= 1

    def branch(self, head: str, size: int, names: Names) -> Names | None:
        """`head:` and a block that starts with `names`; what holds at its end, None where the end is not reached."""
        self.put(head)
        self.names = names
        with self.nested():
            self.block(size)
        return None if self.ended else self.names

    def join(self, *ends: Names | None) -> None:
        """Go on behind branches that ended so."""
        reached = [names for names in ends if names is not None]
        self.ended = not reached
        if reached:
            self.names = reached[0]
            for other in reached[1:]:
                self.names = self.names.meet(other)

    def may_kill(self, rank: int) -> bool:
        """Whether a write that kills views behind `rank` may stand here; if so, they are forgotten."""
        if any(self.kept):
            return False
        self.names.kill(rank)
        self.killed = True
        return True

    # Blocks

    def block(self, size: int) -> None:
        """About `size` statements, compound ones counted with what is in them."""
        while size > 0 and not self.ended:
            size -= self.statement(size)

    def statement(self, size: int) -> int:
        """One statement; how much of `size` it took."""
        before = len(self.lines)
        self.one_of(self.statements(size), size)
        return max(1, len(self.lines) - before)

    def statements(self, size: int) -> list[tuple[int, Choice]]:
        """What a statement may be that takes up to `size`."""
        choices: list[tuple[int, Choice]] = [
            (8, self.assign_integer),
            (2, self._assign_other),
            (3, self._augment_integer),
            (6, self._write_map),
            (2, self._assign_several),
            (1, self._assert),
            (1, self._leave),
        ]
        if self.has_packet:
            choices += [
                (9, self._take_view),
                (10, self._write_field),
                (3, self._write_raw),
                (2, self._write_neighbours),
                (2, self._swap_addresses),
                (1, self._update_checksum),
                (1, self._take_snapshot),
                (1, self._call_killing_helper),
            ]
        if size >= 3:
            choices += [
                (8, self._if),
                (6, self._if_view) if self.has_packet else (0, self._if),
                (3, self._for_range),
                (2, self._for_items),
                (2, self._while),
                (3, self._match),
                (5, self._for_options) if self.has_packet else (0, self._if),
            ]
        return choices

    # Simple statements

    def _target(self) -> str:
        known = [name for name in self.names.variables["int"] if name[0] == "n" and name not in self.fixed]
        return self.rng.choice(known) if known and self.chance(0.6) else self.fresh("n")

    def assign(self, name: str, kind: str, text: str) -> None:
        self.put(f"{name} = {text}")
        if name not in self.names.variables[kind]:
            self.names.variables[kind].append(name)

    def assign_integer(self, _: int) -> str:
        text = self.integer(3)
        name = self._target()
        if self.chance(0.1):
            self.put(f"{name}: int = {text}")
            self.names.variables["int"] += [] if name in self.names.variables["int"] else [name]
        else:
            self.assign(name, "int", text)
        return ""

    def _assign_other(self, _: int) -> str:
        kind = self.rng.choice(("bool", "ipv4", "ipv6", "mac"))
        text = self.of_kind(kind, 2)
        if kind != "bool" and self.chance(0.3):
            text = f"({text} if {self.boolean(1)} else {self.address(kind)})"
        known = self.names.variables[kind]
        self.assign(self.rng.choice(known) if known and self.chance(0.4) else self.fresh(kind[0] + "_"), kind, text)
        return ""

    def _augment_integer(self, _: int) -> str:
        known = [name for name in self.names.variables["int"] if name[0] == "n" and name not in self.fixed]
        if not known:
            return self.assign_integer(0)
        name = self.rng.choice(known)
        operator = self.rng.choice("+-^|&")
        if self.chance(0.2):
            self.put(f"{name} {self.rng.choice(('//', '%'))}= {self.index(16)} | 1")
        elif self.chance(0.2):
            self.put(f"{name} >>= {self.index(8)}")
        else:
            self.put(f"{name} {operator}= {self.integer(2)}")
            if self.loops and operator in "+-":
                self.put(f"{name} &= 0xFFFFFF")
        return ""

    def _assign_several(self, _: int) -> str:
        if self.chance(0.2):
            name = self.fresh("t")
            self.put(f"{name} = ({self.integer(1)}, {self.boolean(1)}, {self.integer(1)})")
            self.assign(self._target(), "int", f"{name}[{self.rng.choice((0, 1, 2, -1))}] + len({name})")
            return ""
        first, second = self._target(), self._target()
        if first == second:
            return self.assign_integer(0)
        self.put(f"{first}, {second} = {self.integer(2)}, {self.integer(2)}")
        self.names.variables["int"] += [n for n in (first, second) if n not in self.names.variables["int"]]
        return ""

    def _assert(self, _: int) -> str:
        test = self.boolean(1)
        self.put(f"assert {test}" if self.risky() else f"assert {test} or {self.boolean(0)} or len(TABLE) > 0")
        return ""

    def verdict(self) -> str:
        """An expression of the function's own type."""
        if self.returns != "verdict":
            return self.of_kind(self.returns, 2)
        helpers = [h for h in self.module.helpers if h.returns == "verdict" and not h.kills]
        if helpers and self.chance(0.2) and self.spend():
            return self.call(self.rng.choice(helpers), 1)
        if self.chance(0.3):
            return f"{self.rng.choice(VERDICTS)} if {self.boolean(1)} else {self.rng.choice(VERDICTS)}"
        return self.rng.choice(VERDICTS)

    def _leave(self, _: int) -> str:
        if self.loops and self.chance(0.7):
            self.put(self.rng.choice(("break", "continue")))
        elif self.indent > 1:
            self.put(f"return {self.verdict()}")
        else:
            return ""
        self.ended = True
        return ""

    # Writes

    def _write_map(self, _: int) -> str:
        if not self.module.maps:
            return self.assign_integer(0)
        item = self.map_item()
        if self.chance(0.7):
            self.put(f"{item} {self.rng.choice(('+', '+', '+', '-', '^', '|', '*'))}= {self.wild(2)}")
        elif self.chance(0.2):
            self.put(f"{item} {self.rng.choice(('//', '%', '>>', '<<'))}= {self.index(7, 1)}")
        else:
            self.put(f"{item} = {self.wild(2)}")
        return ""

    def _write_field(self, _: int) -> str:
        kind = self.rng.choices((FieldKind.INT, FieldKind.IPV4, FieldKind.IPV6, FieldKind.MAC), (7, 3, 2, 1))[0]
        if not self.has_view(kind):
            return self._take_view(0)
        text, view = self.view(kind)
        fields = view.fields(kind)
        if kind is not FieldKind.INT and len(view.layers) > 1:
            return self.assign_integer(0)
        field = self.rng.choice(fields)
        if view.steers(field.name) and self.chance(0.7):
            field = self.rng.choice([f for f in fields if not view.steers(f.name)] or fields)
        value = self.wild(2) if kind is FieldKind.INT else self.address(kind.name.lower())
        if not self._survives(view, field.name):
            return self.assign_integer(0)
        if kind is FieldKind.INT and self.chance(0.3):
            operator = self.rng.choice(("+=", "-=", "^=", "|=", "&=", "*="))
            self.put(f"{text}.{field.name} {operator} {self.integer(1)}")
        else:
            self.put(f"{text}.{field.name} = {value}")
        return ""

    def _survives(self, view: ViewType, field: str) -> bool:
        """Whether the write may stand here; forgets the views that it kills."""
        if view.declared:
            kept = {name: v for name, v in self.names.present.items() if v.rank == AT}
            if not self.may_kill(_ALL_DIE):
                return False
            self.names.present.update(kept)
            return True
        return self.may_kill(view.rank) if view.steers(field) else True

    def _write_raw(self, _: int) -> str:
        offset, value = self.offset(), self.wild(2)
        if not self.may_kill(_ALL_DIE):
            return self.assign_integer(0)
        match self.rng.randrange(4):
            case 0:
                start = self.rng.choice((0, 6, 12, 20, 40))
                data = self.rng.choice([needle for needle in NEEDLES if needle])
                self.put(f"pkt[{start}:{start + len(data)}] = {data!r}")
            case 1:
                start, other, size = (
                    self.rng.choice((0, 14, 26)),
                    self.rng.choice((6, 20, 30)),
                    self.rng.choice((1, 4, 6, 33)),
                )
                self.put(f"pkt[{start}:{start + size}] = pkt[{other}:{other + size}]")
            case 2:
                self.put(f"pkt[{offset}] {self.rng.choice(('+', '-', '^'))}= {self.integer(1)}")
            case _:
                self.put(f"pkt[{offset}] = {value}")
        return ""

    def _write_neighbours(self, _: int) -> str:
        """Bytes one behind the other, in a packet known to be long enough, with something between that may look."""
        if not self.may_kill(_ALL_DIE):
            return self.assign_integer(0)
        start = self.rng.randrange(40)
        between = (f"pkt[{start}] + 1", f"pkt[{start}]", f"pkt.u16({start}) >> 1", "7")
        self.put(f"assert len(pkt) >= {start + 4}")
        self.put(f"pkt[{start}] = {self.rng.randrange(256)}")
        if self.rng.random() < 0.4:
            self.put(f"{self.fresh('w')} = {self.rng.randrange(1, 256)} // (pkt[{start + 2}] & 3)")
        self.put(f"pkt[{start + 1}] = {self.rng.choice(between)}")
        return "neighbours"

    def _swap_addresses(self, _: int) -> str:
        texts = [name for name, view in self.names.present.items() if view.layers in (("ipv4",), ("ipv6",), ("eth",))]
        texts += ["pkt.eth"]
        text = self.rng.choice(texts)
        self.put(f"{text}.src, {text}.dst = {text}.dst, {text}.src")
        return ""

    def _update_checksum(self, _: int) -> str:
        views = [name for name, v in self.names.present.items() if v.layers and CHECKSUMMED.issuperset(v.layers)]
        if views:
            self.put(f"{self.rng.choice(views)}.update_checksum()")
            return ""
        layer = self.rng.choice(sorted(CHECKSUMMED))
        self.put(f"if pkt.{layer}:")
        self.put(f"    pkt.{layer}.update_checksum()")
        return ""

    def _take_snapshot(self, _: int) -> str:
        name, size = self.fresh("y"), self.rng.choice((1, 2, 4, 6, 16, 64))
        if self.chance(0.6):
            start = self.rng.choice((0, 6, 14))
            self.put(f"{name} = pkt[{start}:{start + size}]")
        else:
            at = self.fresh("n")
            self.assign(at, "int", self.index(20))
            self.put(f"{name} = pkt[{at}:{at} + {size}]")
        self.names.snapshots[name] = size
        return ""

    def _call_killing_helper(self, _: int) -> str:
        found = [h for h in self.module.helpers if h.returns == "int" and h.kills]
        if not found or not self.may_call or not self.spend():
            return self.assign_integer(0)
        text = self.call(self.rng.choice(found), 1)
        if self.may_kill(_ALL_DIE):
            self.assign(self._target(), "int", text)
        return ""

    # Views

    def _take_view(self, _: int) -> str:
        """`v = pkt.x`, most often with a test that ends the function or the turn where it is None."""
        text, view = self.maybe_view()
        name = self.fresh("v")
        if view.layers and view.layers != ("eth",) and self.chance(0.5):
            layer = self.rng.choice(list(LAYERS))
            text, view = f"pkt.{layer}", ViewType((layer,))
        self.put(f"{name} = {text}")
        if self.risky():
            self.names.present[name] = view  # the test left out, on purpose
        elif self.chance(0.4 if self.loops == 0 else 0.1):
            before = self.names.copy()
            test = self.rng.choice((f"{name} is None", f"not {name}"))
            self.put(f"if {test}:")
            with self.nested():
                self.put(self.rng.choice(("break", "continue")) if self.loops else f"return {self.verdict()}")
            self.names = before
            self.names.present[name] = view
            self.ended = False
        else:
            self.names.maybe[name] = view
        return ""

    def _if_view(self, size: int) -> str:
        """A branch on a header, the test in one of its forms."""
        text, view = self.maybe_view()
        name = text
        if text not in self.names.maybe:
            name = self.fresh("v")
            if self.chance(0.5):
                text = f"({name} := {text})"
            else:
                self.put(f"{name} = {text}")
                text = name
                self.names.maybe[name] = view
        before = self.names.copy()
        inside = before.copy()
        inside.maybe.pop(name, None)
        inside.present[name] = view
        form = self.rng.choice(
            ("{}", "{} is not None", "{} and {more}", "{} is not None and {more}", "{} is None", "not {}")
        )
        self.names = inside if "more" in form else before.copy()
        more = self.boolean(1) if "more" in form else ""
        test = form.format(text, more=more)
        then, other = (before, inside) if form in ("{} is None", "not {}") else (inside, before)
        first = self.branch(f"if {test}:", size // 2, then.copy())
        if self.chance(0.5) or then is before:
            second = self.branch("else:", size // 2, other.copy())
        else:
            second = before.copy()
        self.join(first, second)
        return ""

    # Control

    def _if(self, size: int) -> str:
        before = self.names.copy()
        tests = [self.boolean(2)]
        ends = [self.branch(f"if {tests[0]}:", size // 2, before.copy())]
        if self.chance(0.3):
            self.names = before.copy()
            ends.append(self.branch(f"elif {self.boolean(2)}:", size // 3, before.copy()))
        if self.chance(0.5):
            ends.append(self.branch("else:", size // 2, before.copy()))
        else:
            ends.append(before.copy())
        self.join(*ends)
        return ""

    def loop(self, head: str, size: int, assigned: list[tuple[str, str]], before_body: str = "") -> None:
        """`head:` with a body, and sometimes an `else`."""
        keeps = int(self.chance(0.7) or bool(self.kept and self.kept[-1]))
        if not keeps and not self.may_kill(HEAD_MOVES):
            keeps = 1
        before = self.names.copy()
        inside = before.copy()
        for name, kind in assigned:
            (inside.options if kind == "option" else inside.variables[kind]).append(name)
        self.kept.append(keeps)
        self.loops += 1
        self.put(head)
        self.names = inside
        with self.nested():
            if before_body:
                self.put(before_body)
            self.block(max(1, size))
        self.loops -= 1
        self.kept.pop()
        self.ended = False
        self.names = before
        if self.chance(0.2):
            self.put("else:")
            with self.nested():
                self.block(1)
            self.ended = False
            self.names = before.meet(self.names)

    def _too_deep(self) -> bool:
        return self.loops >= 2

    def _for_range(self, size: int) -> str:
        if self._too_deep():
            return self.assign_integer(0)
        counter = self.fresh("j")
        limit = self.rng.choice((3, 5, 17, 20))
        runtime = f"min({self.integer(1)}, {limit})"
        heads = (
            f"range({self.rng.choice((0, 2, 5))})",
            f"range({self.rng.choice((17, 30))})",
            f"range({self.rng.choice((1, 4))}, {self.rng.choice((3, 9, 24))}, {self.rng.choice((1, 2, 5))})",
            f"range({self.rng.choice((9, 20))}, {self.rng.choice((-1, 0, 5))}, {self.rng.choice((-1, -3))})",
            f"range(max(0, {runtime}))",
            f"range({runtime})" if self.risky() else f"range({self.index(limit)} & 15)",
            f"range(min(len(pkt.payload), {limit}))" if self.has_packet else f"range({limit})",
            f"range({limit}, max({runtime}, 0), -2)",
        )
        self.loop(f"for {counter} in {self.rng.choice(heads)}:", size // 2, [(counter, "int")])
        return ""

    def _for_items(self, size: int) -> str:
        if self._too_deep():
            return self.assign_integer(0)
        name = self.fresh("j")
        source = self.rng.choice(("PORTS", "(1, 5, 7)", "TABLE", "PAIRS", f"({self.integer(1)}, {self.integer(1)})"))
        if source == "PAIRS":
            other = self.fresh("j")
            self.loop(f"for {name}, {other} in PAIRS:", size // 3, [(name, "int"), (other, "int")])
        else:
            self.loop(f"for {name} in {source}:", size // 3, [(name, "int")])
        return ""

    def _for_options(self, size: int) -> str:
        if self._too_deep():
            return self._if(size)
        known = [name for name, view in self.names.present.items() if view.layers == ("tcp",)]
        name, option = self.fresh("o"), self.fresh("o")
        before = self.names.copy()
        if known:
            text = self.rng.choice(known)
        else:
            self.put(f"if {name} := pkt.tcp:")
            text = name
            self.indent += 1
            self.names.present[name] = ViewType(("tcp",))
        total = self.fresh("n")
        self.assign(total, "int", "0")
        self.kept.append(1)
        sum_ = f"{total} += {option}.length"
        self.loop(f"for {option} in {text}.options:", size // 2, [(option, "option")], sum_)
        self.kept.pop()
        self.put(f"pkt.eth.src, pkt.eth.type = pkt.eth.dst, {total}" if self.may_kill(0) else f"assert {total} < 40")
        if not known:
            self.indent -= 1
            self.names = before.meet(self.names)
        return ""

    def _while(self, size: int) -> str:
        if self._too_deep():
            return self.assign_integer(0)
        counter = self.fresh("n")
        limit, stride = self.rng.choice((4, 10, 25)), self.rng.choice((1, 1, 2, 3))
        down = self.chance(0.3)
        self.put(f"{counter} = {limit if down else 0}")
        self.names.variables["int"].append(counter)
        self.fixed.add(counter)
        test = f"{counter} > 0" if down else self.rng.choice((f"{counter} < {limit}", f"{counter} <= {limit}"))
        if self.chance(0.4):
            test = f"{test} and {self.boolean(1)}"
        self.loop(f"while {test}:", size // 2, [], f"{counter} {'-' if down else '+'}= {stride}")
        self.fixed.discard(counter)
        return ""

    def _match_none(self, size: int) -> str:
        """A header told from None by match."""
        name = self.fresh("v")
        text, view = self.maybe_view()
        self.put(f"{name} = {text}")
        before = self.names.copy()
        self.put(f"match {name}:")
        self.indent += 1
        ends = [self.branch("case None:", size // 3, before.copy())]
        before.maybe[name] = view
        ends.append(self.branch("case _:", size // 3, before.copy()))
        self.indent -= 1
        self.join(*ends)
        return ""

    def _match(self, size: int) -> str:
        if self.has_packet and self.chance(0.2):
            return self._match_none(size)
        before_subject = self.integer(2)
        self.put(f"match {before_subject}:")
        before = self.names.copy()
        self.indent += 1
        ends: list[Names | None] = []
        for _ in range(self.rng.choice((1, 2, 3))):
            values = self.rng.sample((0, 1, 2, 5, 6, 17, 80, 255, -1), self.rng.choice((1, 1, 2, 3)))
            pattern, inside = " | ".join(map(str, values)), before.copy()
            if self.chance(0.2):
                name = self.fresh("j")
                pattern, inside.variables["int"] = f"({pattern}) as {name}", [*inside.variables["int"], name]
            elif self.chance(0.2):
                name = self.fresh("j")
                inside.variables["int"] = [*inside.variables["int"], name]
                pattern = f"{name} if {name} {self.rng.choice(('<', '>', '=='))} {self.rng.choice((0, 3, 80))}"
            ends.append(self.branch(f"case {pattern}:", size // 3, inside))
        if self.chance(0.5):
            ends.append(self.branch("case _:", size // 3, before.copy()))
        else:
            ends.append(before.copy())
        self.indent -= 1
        self.join(*ends)
        return ""
