"""Expressions of generated filters, as text, by type.

Each method yields Python source of one type, `depth` operators deep at most. `risk` is how often an expression may
raise where a careful author would have guarded it. This file must not know: statements.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from nmjit._headers import LAYERS, FieldKind
from tests.generators.names import UNIONS, Declarations, Helper, Names, ViewType
from tests.generators.packets import ADDRESSES4, ADDRESSES6, MACS, NEEDLES, PORTS

WIDTHS: Final = ("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64")
SMALL: Final = (0, 1, 2, 3, 4, 5, 7, 8, 10, 14, 20, 63, 64, 100, 255, 256)
EDGES: Final = (65535, 65536, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, -1, -2, -128, -(2**31), -(2**63))
ETHERTYPES: Final = (0x0800, 0x86DD, 0x0806, 0x8100, 0x8847)
COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")

Choice = Callable[[int], str]


class Expressions:
    """Writes expressions over `names` and `module`, drawing from `rng`."""

    def __init__(self, rng: random.Random, module: Declarations, risk: float) -> None:
        self.rng = rng
        self.module = module
        self.risk = risk
        self.names = Names()
        self.has_packet = True
        self.may_call = True
        self.may_walrus = True
        self.fixed: set[str] = set()
        """Counters of loops, which nothing in the loop may assign, or it might never end."""
        self.costly = 0
        """How many costly operations (searches, calls, loops over constants) may still be written."""

    # Choosing

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def risky(self) -> bool:
        return self.chance(self.risk)

    def one_of(self, choices: Sequence[tuple[int, Choice]], depth: int) -> str:
        """The text of one of the choices, drawn by weight."""
        weights = [weight for weight, _ in choices]
        return self.rng.choices([make for _, make in choices], weights)[0](depth)

    def spend(self) -> bool:
        """Whether a costly operation may be written; if so it is counted."""
        self.costly -= 1
        return self.costly >= 0

    # Integers

    def integer(self, depth: int) -> str:
        if depth <= 0 or self.chance(0.25):
            return self.integer_leaf()
        return self.one_of(self._integer_choices, depth - 1)

    @property
    def _integer_choices(self) -> list[tuple[int, Choice]]:
        return [
            (10, self._arithmetic),
            (4, self._masked),
            (3, self._division),
            (3, self._shift),
            (2, lambda d: f"{self.rng.choice(('-', '~', '-', '+'))}{self.integer(d)}"),
            (3, self._wrap),
            (3, lambda d: f"({self.integer(d)} if {self.boolean(d)} else {self.integer(d)})"),
            (2, lambda d: f"{self.rng.choice(('min', 'max'))}({self.integer(d)}, {self.integer(d)})"),
            (1, lambda d: f"abs({self.integer(d)})"),
            (1, lambda d: f"({self.boolean(d)})"),
            (1, lambda d: f"int({self.boolean(d)})"),
            (3, self._helper_call),
            (1, self._walrus),
            (1, lambda d: f"({self.integer(d)} {self.rng.choice(('and', 'or'))} {self.integer(d)})"),
            (1, lambda d: f"({self.integer(d)}, {self.integer(d)})[{self.rng.choice((0, 1, -1))}]"),
        ]

    def integer_leaf(self) -> str:
        return self.one_of(self.integer_leaves(), 0)

    def integer_leaves(self) -> list[tuple[int, Choice]]:
        """What an integer without operators may be."""
        choices: list[tuple[int, Choice]] = [
            (4, self._literal),
            (8, self._variable),
            (2, self._table_item),
            (2, lambda _: self.map_item() if self.module.maps else self._literal(0)),
            (2, lambda _: "random()"),
        ]
        if self.has_packet:
            choices += [
                (8, self._integer_field),
                (3, self._raw_read),
                (3, self._context),
                (2, self._payload_number),
                (1, self._address_number),
            ]
        if self.names.options:
            choices.append((10, self._option_number))
        return choices

    def _literal(self, _: int) -> str:
        pool = self.rng.choices((SMALL, PORTS, ETHERTYPES, EDGES), (8, 2, 1, 1 + 4 * self.risk))[0]
        value = self.rng.choice(pool)
        return f"({value})" if value < 0 else str(value) if self.chance(0.8) else hex(value)

    def _variable(self, _: int) -> str:
        known = self.names.variables["int"]
        return self.rng.choice(known) if known else self._literal(0)

    def _table_item(self, _: int) -> str:
        return f"TABLE[{self.index(self.module.table)}]"

    def map_item(self) -> str:
        """An entry of a map of integers."""
        chosen = self.rng.choice(self.module.maps)
        if chosen.count == 2 and chosen.first == 0 and chosen.name == "FLAGS":
            return f"{chosen.name}[{self.boolean(1)}]"
        return f"{chosen.name}[{self.index(chosen.count, chosen.first)}]"

    def index(self, count: int, first: int = 0) -> str:
        """A number from `first` on, usually one of `count`."""
        if self.risky():
            return self.integer(1)
        if self.chance(0.5):
            return str(self.rng.randrange(first, first + count))
        inner = self.integer(1)
        if count & (count - 1) == 0 and self.chance(0.5):
            text = f"{inner} & {count - 1}"
        else:
            text = f"{inner} % {count}"
        return f"({text}) + {first}" if first else text

    def _arithmetic(self, depth: int) -> str:
        operator = self.rng.choices("+-*&|^", (5, 5, 1, 3, 2, 2))[0]
        a, b = self.integer(depth), self.integer(depth)
        if operator == "*" and not self.risky():
            a, b = f"({a} & 0xFFFF)", str(self.rng.choice(SMALL))
        pause = "\n    " if self.chance(0.03) else " "
        return f"({a} {operator}{pause}{b})"

    def _masked(self, depth: int) -> str:
        return f"({self.integer(depth)} & {self.rng.choice(('0xFF', '0xFFFF', '15', '1023', '0xFFFFFFFF'))})"

    def _division(self, depth: int) -> str:
        divisor = self.integer(depth) if self.chance(0.1) else f"({self.integer(depth)} | 1)"
        if self.chance(0.6):
            divisor = str(self.rng.choice((1, 2, 3, 7, 10, 16, 255, "(-1)", "(-3)", "(-16)")))
        return f"({self.integer(depth)} {self.rng.choice(('//', '%'))} {divisor})"

    def _shift(self, depth: int) -> str:
        amount = (
            self.integer(depth) if self.chance(0.15) else f"({self.integer(depth)} & {self.rng.choice((3, 7, 31, 63))})"
        )
        if self.chance(0.6):
            amount = str(self.rng.choice((0, 1, 2, 3, 4, 8, 15, 16, 31, 32, 63)))
        if self.chance(0.6):
            return f"({self.integer(depth)} >> {amount})"
        if self.chance(0.5) and not self.risky():
            return f"(({self.integer(depth)} & 255) << ({amount} & 15))"
        return f"{self.rng.choice(WIDTHS)}({self.integer(depth)} << {amount})"

    def _wrap(self, depth: int) -> str:
        return f"{self.rng.choice(WIDTHS)}({self.wild(depth)})"

    def wild(self, depth: int) -> str:
        """An integer for a place that wraps: any operator, on anything."""
        if depth <= 0 or self.chance(0.3):
            return self.integer(min(depth, 1))
        a, b = self.wild(depth - 1), self.wild(depth - 1)
        match self.rng.randrange(6):
            case 0:
                return f"({a} * {b})"
            case 1:
                return f"({self.rng.choice('-~')}{a})"
            case 2:
                return f"({a} << {self.rng.choice((0, 1, 8, 31, 63))})"
            case 3:
                return f"({a} if {self.boolean(depth - 1)} else {b})"
            case _:
                return f"({a} {self.rng.choice('+-&|^')} {b})"

    def _walrus(self, depth: int) -> str:
        known = [name for name in self.names.variables["int"] if name[0] == "n" and name not in self.fixed]
        if not known or not self.may_walrus:
            return self.integer(depth)
        return f"({self.rng.choice(known)} := {self.integer(depth)})"

    def _helper_call(self, depth: int) -> str:
        found = [helper for helper in self.module.helpers if helper.returns == "int" and not helper.kills]
        found = [helper for helper in found if self.has_packet or "packet" not in helper.parameters]
        if not found or not self.may_call or not self.spend():
            return self.integer(depth)
        return self.call(self.rng.choice(found), depth)

    def call(self, helper: Helper, depth: int) -> str:
        """A call of `helper`, by position or by keyword, with some defaults left out."""
        given: list[str] = []
        left_out = self.rng.randint(0, helper.defaults)
        for place, kind in enumerate(helper.parameters[: len(helper.parameters) - left_out]):
            text = "pkt" if kind == "packet" else self.of_kind(kind, min(depth, 1))
            named = (given and "=" in given[-1]) or (place and self.chance(0.3))
            given.append(f"p{place}={text}" if named else text)
        return f"{helper.name}({', '.join(given)})"

    def of_kind(self, kind: str, depth: int) -> str:
        """An expression of a kind of variable."""
        match kind:
            case "int":
                return self.integer(depth)
            case "bool":
                return self.boolean(depth)
            case _:
                return self.address(kind)

    # Packet bytes and surroundings

    def view(self, wanted: FieldKind) -> tuple[str, ViewType]:
        """A view with a field of kind `wanted`, as text, and what it is. The text may raise AttributeError."""
        pool = [(name, view) for name, view in self.names.present.items() if view.fields(wanted)]
        if pool and not self.risky():
            return self.rng.choice(pool)
        pool = [(name, view) for name, view in self.names.maybe.items() if view.fields(wanted)]
        if pool and self.risky():
            return self.rng.choice(pool)
        layers = [layer for layer in LAYERS if ViewType((layer,)).fields(wanted)]
        if "eth" in layers and not self.risky():
            layers = ["eth"]
        layer = self.rng.choice(layers)
        return f"pkt.{layer}", ViewType((layer,))

    def has_view(self, wanted: FieldKind) -> bool:
        """Whether a view with such a field is known to be there, or is taken to be on purpose."""
        return wanted is FieldKind.MAC or any(v.fields(wanted) for v in self.names.present.values()) or self.risky()

    def _integer_field(self, _: int) -> str:
        text, view = self.view(FieldKind.INT)
        return f"{text}.{self.rng.choice(view.fields(FieldKind.INT)).name}"

    def _raw_read(self, _: int) -> str:
        offset = self.offset()
        match self.rng.randrange(4):
            case 0:
                return f"pkt.u16({offset})"
            case 1:
                return f"pkt.u32({offset})"
            case _:
                return f"pkt[{offset}]"

    def offset(self) -> str:
        """An offset into the packet; short packets may end before it."""
        if self.chance(0.75):
            return str(self.rng.choice((0, 5, 12, 13, 14, 20, 23, 30, 37, 50)))
        if self.chance(0.5) and not self.risky():
            return f"({self.integer(1)}) % {self.rng.choice((7, 14, 40))}"
        return f"{self.integer(1)} & 63" if not self.risky() else self.integer(1)

    def _context(self, _: int) -> str:
        if self.chance(0.1):
            return self.rng.choice(("hops(pkt.ipv4)", "hops(pkt.ipv4, default=len(pkt))", "min(TABLE)", "max(PORTS)"))
        texts = (
            "len(pkt)",
            "len(pkt)",
            "pkt.wire_len",
            "pkt.wire_len",
            "pkt.timestamp",
            "now()",
            "pkt.port",
            "pkt.queue",
        )
        return self.rng.choice(texts)

    def _payload_number(self, _: int) -> str:
        match self.rng.randrange(4):
            case 0:
                return "len(pkt.payload)"
            case 1 if self.spend():
                return f"pkt.payload.find({self.rng.choice(NEEDLES)!r})"
            case 2:
                method = self.rng.choice(("u16", "u32"))
                return f"(pkt.payload.{method}({self.index(4)}) if len(pkt.payload) >= 8 else {self.integer(0)})"
            case _:
                index = self.index(8)
                if self.risky():
                    return f"pkt.payload[{index}]"
                return f"(pkt.payload[{index}] if len(pkt.payload) > 8 else {self.integer(0)})"

    def _option_number(self, _: int) -> str:
        option = self.rng.choice(self.names.options)
        reads = (
            f"{option}.kind",
            f"{option}.length",
            f"len({option})",
            f"{option}[0]",
            f"{option}[1]",
            f"{option}.u16(2)",
        )
        return self.rng.choice(
            (*reads, f"({option}.u16(2) if {option}.length >= 4 else 0)", f"{option}.find(b'\\x04')")
        )

    def _address_number(self, _: int) -> str:
        kind = self.rng.choice(("ipv4", "mac", "ipv6"))
        if kind == "ipv6":
            number = f"int({self.address(kind)})"
            return self.rng.choice(
                (f"({number} >> {self.rng.choice((64, 100, 127))})", f"({number} & 0xFFFF)", f"u64({number})")
                if self.risky()
                else (f"({number} & 0xFFFF)", f"u64({number})", f"u16({number} + 1)")
            )
        return f"int({self.address(kind)})"

    # Addresses

    def address(self, kind: str) -> str:
        """An IPv4Address, IPv6Address or Mac."""
        variables = self.names.variables[kind]
        if variables and self.chance(0.3):
            return self.rng.choice(variables)
        wanted = {"ipv4": FieldKind.IPV4, "ipv6": FieldKind.IPV6, "mac": FieldKind.MAC}[kind]
        known = [view for view in self.names.present.values() if len(view.layers) < 2 and view.fields(wanted)]
        if self.has_packet and (known or self.risky() or (kind == "mac" and self.chance(0.5))):
            for _ in range(4):
                text, view = self.view(wanted)
                if len(view.layers) < 2:
                    return f"{text}.{self.rng.choice(view.fields(wanted)).name}"
        return self.constant_address(kind)

    def constant_address(self, kind: str) -> str:
        match kind:
            case "ipv4":
                return f'IPv4Address("{self.rng.choice(ADDRESSES4)}")'
            case "ipv6":
                return f'IPv6Address("{self.rng.choice(ADDRESSES6)}")'
            case _:
                number = self.rng.choice(MACS)
                return f'Mac("{number.to_bytes(6, "big").hex(":")}")'

    # Conditions

    def boolean(self, depth: int) -> str:
        return self.one_of(self.tests(depth), depth)

    def tests(self, depth: int) -> list[tuple[int, Choice]]:
        """What a condition may be."""
        choices: list[tuple[int, Choice]] = [
            (10, self._comparison),
            (2, self._chain),
            (3, self._membership),
            (2, self._address_test),
            (1, self._tuple_comparison),
            (2, lambda _: self.rng.choice(self.names.variables["bool"] or ["True"])),
            (1, lambda d: f"bool({self.integer(d)})"),
        ]
        if depth > 0:
            choices += [
                (3, lambda d: f"({self.boolean(d - 1)} {self.rng.choice(('and', 'or'))} {self.boolean(d - 1)})"),
                (2, lambda d: f"(not {self.boolean(d - 1)})"),
                (1, lambda d: f"({self.boolean(d - 1)} if {self.boolean(d - 1)} else {self.boolean(d - 1)})"),
                (1, lambda d: f"({self.boolean(d - 1)} {self.rng.choice('&|^')} {self.boolean(d - 1)})"),
            ]
        if self.has_packet:
            choices += [(3, self._presence), (2, self._guarded_field), (2, self._bytes_test)]
        choices.append((1, self._any_or_all))
        return choices

    def _comparison(self, depth: int) -> str:
        if self.has_packet and self.chance(0.25):  # few operands, so that one comparison may imply another
            left = self.rng.choice(("len(pkt)", "pkt.eth.type", "pkt.wire_len"))
            return f"({left} {self.rng.choice(COMPARISONS)} {self.rng.choice((60, 0x86DD))})"
        return f"({self.integer(depth)} {self.rng.choice(COMPARISONS)} {self.integer(depth - 1)})"

    def _chain(self, depth: int) -> str:
        a, b, c = (self.integer(depth - 1) for _ in range(3))
        return f"({a} {self.rng.choice(COMPARISONS)} {b} {self.rng.choice(COMPARISONS)} {c})"

    def _membership(self, depth: int) -> str:
        item = self.integer(depth - 1)
        ports = ", ".join(map(str, self.rng.sample(PORTS, 3)))
        low = self.rng.choice(SMALL)
        containers = (
            f"{{{ports}}}",
            f"({ports})",
            f"({self.integer(0)}, {self.integer(0)}, 7)",
            f"range({low}, {low + self.rng.choice(SMALL)})",
            f"range({self.rng.choice((1024, 65536, 6))})",
            f"range({low}, 5000, {self.rng.choice((2, 3, 16))})",
            f"range(500, {low}, {self.rng.choice((-1, -7))})",
            "PORTS",
            "SPREAD",
        )
        return f"({item} {self.rng.choice(('in', 'in', 'not in'))} {self.rng.choice(containers)})"

    def _address_test(self, _: int) -> str:
        kind = self.rng.choice(("ipv4", "ipv4", "ipv6", "mac"))
        unions = [name for name, view in self.names.present.items() if view.layers == ("ipv4", "ipv6")]
        if unions and self.chance(0.5):
            return self._union_address_test(self.rng.choice(unions))
        address = self.address(kind)
        sets = {
            "ipv4": ("NET4", "NETS", "HOSTS", 'ip_network("10.0.0.0/15")'),
            "ipv6": ("NET6", "NETS", 'ip_network("2001:db8::/33")'),
            "mac": ("MACS",),
        }[kind]
        if kind == "ipv4" and self.chance(0.15):
            return f"{self.rng.choice(('any', 'all'))}({address} in n for n in NETWORKS)"
        if self.chance(0.5):
            return f"({address} {self.rng.choice(('in', 'not in'))} {self.rng.choice(sets)})"
        return f"({address} {self.rng.choice(COMPARISONS)} {self.address(kind)})"

    def _union_address_test(self, name: str) -> str:
        field = self.rng.choice(("src", "dst"))
        other = self.rng.choice((f"{name}.dst", self.constant_address("ipv4"), self.constant_address("ipv6")))
        if self.chance(0.5):
            return f"({name}.{field} in NETS)"
        return f"({name}.{field} {self.rng.choice(('==', '!='))} {other})"

    def _tuple_comparison(self, depth: int) -> str:
        a, b, c, d = (self.integer(depth - 1) for _ in range(4))
        return f"(({a}, {b}) {self.rng.choice(('==', '!='))} ({c}, {d}))"

    def _presence(self, _: int) -> str:
        """A test of a header for None, in each of its forms."""
        text = self.maybe_view()[0]
        form = self.rng.choice(("({} is None)", "({} is not None)", "(not {})", "bool({})"))
        return form.format(text)

    def maybe_view(self) -> tuple[str, ViewType]:
        """A header, or one of several, that may be None."""
        if self.names.maybe and self.chance(0.3):
            return self.rng.choice(list(self.names.maybe.items()))
        if self.module.headers and self.chance(0.15):
            name = self.rng.choice(list(self.module.headers))
            return f"pkt.at({name}, {self.offset()})", ViewType((), self.module.headers[name])
        if self.chance(0.06):
            return "layer4(pkt)", ViewType(("tcp", "udp"))
        if self.chance(0.06):
            layer = self.rng.choice(("tcp", "udp", "ipv4", "eth", "vlan", "icmp", "mpls", "arp"))
            return f"pkt.at({layer.capitalize()}, {self.offset()})", ViewType((), LAYERS[layer].__header__)
        layers = self.rng.choice(UNIONS) if self.chance(0.25) else (self.rng.choice(list(LAYERS)),)
        if self.chance(0.3):
            layers = (self.rng.choice(("ipv4", "ipv4", "ipv6", "tcp", "udp")),)
        text = " or ".join(f"pkt.{layer}" for layer in layers)
        return (f"({text})" if len(layers) > 1 else text), ViewType(layers)

    def _guarded_field(self, _: int) -> str:
        """A test of a field behind the test of its header, in one expression."""
        layer = self.rng.choice(("ipv4", "ipv4", "ipv6", "tcp", "udp", "vlan", "icmp", "arp", "gre"))
        field = self.rng.choice(ViewType((layer,)).fields(FieldKind.INT)).name
        test = f"pkt.{layer}.{field} {self.rng.choice(COMPARISONS)} {self.integer(0)}"
        if self.chance(0.5):
            return f"(pkt.{layer} is not None and {test})"
        return f"(pkt.{layer} is None or {test})"

    def _bytes_test(self, _: int) -> str:
        needle = repr(self.rng.choice(NEEDLES))
        if not self.spend():
            return "bool(pkt.payload)"
        start = self.rng.choice((0, 1, 6, 12, 14))
        stop = start + self.rng.choice((1, 2, 4, 6, 16, 40))
        if self.names.snapshots and self.chance(0.4):
            name, size = self.rng.choice(list(self.names.snapshots.items()))
            constant = self.rng.choice(NEEDLES)[:size].ljust(size, b"\0")
            return self.rng.choice(
                (f"({name} == {constant!r})", f"{name}.startswith({needle})", f"({name} != pkt[0:{size}])")
            )
        if self.names.options and self.chance(0.5):
            option = self.rng.choice(self.names.options)
            return self.rng.choice((f"({needle} in {option})", f"{option}.startswith(b'\\x02\\x04')"))
        texts = [
            f"pkt.payload.startswith({needle})",
            f"({needle} in pkt.payload)",
            f"({needle} not in pkt.payload)",
            f"(pkt.payload == {needle})",
            "bool(pkt.payload)",
            f"(pkt[{start}:{stop}] == pkt[{start + 1}:{stop + 1}])",
            f"pkt.payload[0:len(pkt.payload) // 2].startswith({needle})",
            f"(len(pkt) > 100 and pkt[{start}:100] == {bytes(100 - start)!r})",
            f"({needle} in pkt[{start}:len(pkt)] if len(pkt) > 20 else False)",
            f"(len(pkt) > 70 and pkt[{start}:{stop}] == {bytes(stop - start)!r})",
            f"({needle} in pkt[{start}:len(pkt) if len(pkt) > {start} else {start}])",
        ]
        if self.risky():
            texts += [f"(pkt.payload[{start}:{stop}] == {bytes(stop - start)!r})", f"pkt[{stop}:].startswith({needle})"]
        return self.rng.choice(texts)

    def _any_or_all(self, depth: int) -> str:
        if not self.spend():
            return self._comparison(depth)
        before, self.may_walrus = self.may_walrus, False
        self.names.variables["int"].append("x")
        test, condition = self.boolean(0), self.boolean(0)
        self.names.variables["int"].remove("x")
        self.may_walrus = before
        extra = f" if {condition}" if self.chance(0.3) else ""
        source = self.rng.choice(("PORTS", "(1, 2, 3)", "range(4)", "TABLE"))
        return f"{self.rng.choice(('any', 'all'))}({test} for x in {source}{extra})"
