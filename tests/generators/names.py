"""What a generated filter may name at one point: variables by kind, views, and what the module declares.

`Names` follows the language's rules on definite assignment and on dead views closely enough that most generated filters
are accepted; it need not be exact. This file must not know: how text is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nmjit._headers import LAYERS, FieldKind, FieldSpec, HeaderSpec

RANKS: Final = {
    "eth": 0, "vlan": 1, "vlan2": 2, "arp": 3, "mpls": 3, "ipv4": 3, "ipv6": 3,
    "tcp": 4, "udp": 4, "icmp": 4, "icmp6": 4, "gre": 4, "vxlan": 5,
}  # fmt: skip
"""How far behind the packet's start a header stands: a steering write kills those of higher rank."""
AT: Final = -1
"""Rank of a view that `pkt.at` gave: it does not die."""
CHECKSUMMED: Final = frozenset({"ipv4", "tcp", "udp", "icmp", "icmp6"})
UNIONS: Final = (
    ("tcp", "udp"),
    ("tcp", "udp"),
    ("ipv4", "ipv6"),
    ("icmp", "icmp6"),
    ("vlan2", "vlan"),
    ("udp", "tcp", "icmp"),
)
"""Headers that filters take together, as in `pkt.tcp or pkt.udp`."""


@dataclass(frozen=True)
class ViewType:
    """What a view may be: layers of the packet, or one declared header for `pkt.at`."""

    layers: tuple[str, ...]
    declared: HeaderSpec | None = None

    @property
    def rank(self) -> int:
        return AT if self.declared else min(RANKS[layer] for layer in self.layers)

    def specs(self) -> list[HeaderSpec]:
        return [self.declared] if self.declared else [LAYERS[layer].__header__ for layer in self.layers]

    def fields(self, kind: FieldKind) -> list[FieldSpec]:
        """Fields of `kind` that each of the headers has."""
        first, *others = self.specs()
        shared = [{(f.name, f.kind) for f in other.fields} for other in others]
        return [f for f in first.fields if f.kind is kind and all((f.name, kind) in names for names in shared)]

    def steers(self, name: str) -> bool:
        """Whether writing the field may change how the packet parses."""
        return any(f.steers for spec in self.specs() for f in spec.fields if f.name == name)


KINDS: Final = ("int", "bool", "ipv4", "ipv6", "mac")
"""Kinds of variables."""


STORED_KINDS: Final = {"bool": "bool", "IPv4Address": "ipv4", "IPv6Address": "ipv6", "Mac": "mac"}
"""Kind of variable that a declared type other than u8 … i64 goes with; those go with int."""


def kind_of(declared: str) -> str:
    """Kind of variable that goes with a declared type."""
    return STORED_KINDS.get(declared, "int")


@dataclass(frozen=True)
class StructName:
    """A `@struct` class: names and declared types of its fields."""

    name: str
    fields: tuple[tuple[str, str], ...]

    def of_kind(self, kind: str) -> list[str]:
        """Names of the fields that go with a kind of variable."""
        return [name for name, declared in self.fields if kind_of(declared) == kind]


RATE: Final = StructName("RateLimit", ())
"""RateLimit, whose fields a filter cannot reach."""


@dataclass(frozen=True)
class KeyName:
    """A type of key: declared types of its parts, and whether it is one value, a tuple, or a struct of that class."""

    parts: tuple[str, ...]
    is_tuple: bool = False
    struct: StructName | None = None

    def text(self) -> str:
        """As it is declared."""
        if self.struct is not None:
            return self.struct.name
        return f"tuple[{', '.join(self.parts)}]" if self.is_tuple else self.parts[0]


@dataclass(frozen=True)
class TableName:
    """A HashMap, LruHashMap or LpmTrie; `value` is a struct, or the width of bare integers."""

    name: str
    kind: str
    key: KeyName
    value: StructName | str

    @property
    def grows(self) -> bool:
        """Whether a filter puts keys in, and takes them out."""
        return self.kind != "LpmTrie"


@dataclass
class Names:
    """Variables that are surely assigned, by kind (int, bool, ipv4, ipv6, mac), and views that are surely alive."""

    variables: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    present: dict[str, ViewType] = field(default_factory=dict)
    """Views that are surely not None."""
    maybe: dict[str, ViewType] = field(default_factory=dict)
    entries: dict[str, tuple[str, StructName]] = field(default_factory=dict)
    """References to entries: the map of each, and its class."""
    maybe_entries: dict[str, tuple[str, StructName]] = field(default_factory=dict)
    """Those that may be None."""
    keys: dict[str, KeyName] = field(default_factory=dict)
    """Keys that are not one value."""
    options: list[str] = field(default_factory=list)
    """TCP options."""
    snapshots: dict[str, int] = field(default_factory=dict)
    """Bytes variables, with their length."""

    def copy(self) -> Names:
        return Names(
            {kind: list(names) for kind, names in self.variables.items()},
            dict(self.present), dict(self.maybe), dict(self.entries), dict(self.maybe_entries), dict(self.keys),
            list(self.options), dict(self.snapshots),
        )  # fmt: skip

    def meet(self, other: Names) -> Names:
        """What holds where two paths join."""
        return Names(
            {kind: [name for name in names if name in other.variables[kind]] for kind, names in self.variables.items()},
            {name: view for name, view in self.present.items() if name in other.present},
            {
                name: view
                for name, view in (self.maybe | self.present).items()
                if name in other.maybe | other.present and not (name in self.present and name in other.present)
            },
            {name: entry for name, entry in self.entries.items() if name in other.entries},
            {
                name: entry
                for name, entry in (self.maybe_entries | self.entries).items()
                if name in other.maybe_entries | other.entries and not (name in self.entries and name in other.entries)
            },
            {name: key for name, key in self.keys.items() if name in other.keys},
            [name for name in self.options if name in other.options],
            {name: size for name, size in self.snapshots.items() if name in other.snapshots},
        )

    def kill(self, rank: int) -> None:
        """Forget views of headers behind `rank`."""
        self.present = {name: view for name, view in self.present.items() if view.rank <= rank}
        self.maybe = {name: view for name, view in self.maybe.items() if view.rank <= rank}
        self.options = []


@dataclass(frozen=True)
class MapName:
    """A map of integers: its keys run from `first`, `count` of them."""

    name: str
    first: int
    count: int


@dataclass(frozen=True)
class Helper:
    """A function of the module; `parameters` are kinds, packet first where there is one."""

    name: str
    parameters: tuple[str, ...]
    defaults: int
    """How many parameters from the end may be left out."""
    returns: str
    kills: bool = False
    """A call may end the life of views."""


@dataclass
class Declarations:
    """What the module of a filter declares."""

    maps: list[MapName] = field(default_factory=list)
    structs: list[StructName] = field(default_factory=list)
    arrays: dict[str, tuple[StructName, int]] = field(default_factory=dict)
    """Arrays of structs: class and capacity."""
    tables: list[TableName] = field(default_factory=list)
    blooms: dict[str, KeyName] = field(default_factory=dict)
    histograms: list[str] = field(default_factory=list)
    events: dict[str, StructName] = field(default_factory=dict)
    headers: dict[str, HeaderSpec] = field(default_factory=dict)
    helpers: list[Helper] = field(default_factory=list)
    table: int = 1
    """Length of the tuple TABLE."""
