"""What lowering knows of a Python value at one point of the program: its static kind and the IR values that carry it.

A `Static` is immutable. `parts` are the IR values that flow; `rebuild` puts others in their place, so that one piece of
code can join any two values at a merge or carry them round a loop (join.py).

This file must not know: syntax trees, the builder.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias, final

from nmjit.compiler.ir import Value
from nmjit.compiler.irtypes import BOOL, INT, Bytes, MapDecl, Type


class AddressKind(Enum):
    """Address types; the value is the width in bits."""

    IPV4 = 32
    IPV6 = 128
    MAC = 48

    @property
    def type_name(self) -> str:
        """The Python class of such an address."""
        return {"IPV4": "IPv4Address", "IPV6": "IPv6Address", "MAC": "Mac"}[self.name]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A Python object fixed when the filter is compiled: int, bool, None, tuple, set, address, function, map …

    Compared by `join.same_known` and `is_none`, never by ==: the object may be anything, and its == do anything.
    """

    obj: Any


@final
@dataclass(frozen=True, slots=True, eq=False)
class Integer:
    """An int."""

    value: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class Boolean:
    """A bool."""

    value: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """An IPv4Address, IPv6Address or Mac, carried as its integer."""

    kind: AddressKind
    value: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A member of an Enum class that is not an int, carried as its place among the members."""

    enum: type[Enum]
    value: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class VerdictCode:
    """A Verdict: its number, and the index of the bound port (−1 for none)."""

    code: Value
    port: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A bytes object of 1 to 64 bytes."""

    size: int
    value: Value


@final
@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Bytes start … end of the packet, not copied. `is_bytes` where CPython has a bytes object rather than a region."""

    start: Value
    end: Value
    token: int
    is_bytes: bool


@final
@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One TCP option: its kind, and the bytes start … end that it takes."""

    kind: Value
    start: Value
    end: Value
    token: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """`tcp.options` before iteration: the bytes start … end that hold them."""

    start: Value
    end: Value
    token: int


class HeaderKind(NamedTuple):
    """What a view is: its class, and the attribute of the packet that gave it, None for `pkt.at`."""

    header: Any
    layer: str | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A header at `base`. Of several `kinds`, `tag` is the index of the one that it is; 0 where there is one.

    `limit` is the end of the header with its options; `end` that of its layer 3.
    """

    kinds: tuple[HeaderKind, ...]
    tag: Value
    base: Value
    limit: Value
    end: Value
    token: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A new object of a @struct class, to be stored in a map; one item a field."""

    struct: Any
    items: tuple[Static, ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Maybe:
    """`inner` where `present` holds, else None."""

    present: Value
    inner: Static


@final
@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """The option of number `tag`: values of kinds that share no representation, such as IPv4 and IPv6 addresses."""

    tag: Value
    options: tuple[Static, ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Tuple:
    """A tuple of which some item is not Known."""

    items: tuple[Static, ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A reference to entry `index` of a map whose values are structs."""

    map: MapDecl
    index: Value


@final
@dataclass(frozen=True, slots=True)
class PacketValue:
    """The packet."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """`receiver.name`, about to be called."""

    receiver: Static
    name: str


@final
@dataclass(frozen=True, slots=True)
class Poison:
    """A name that can't be read here; `reason` completes "NAME …", `cure` says what to do."""

    reason: str
    cure: str


Static: TypeAlias = (
    Known
    | Integer
    | Boolean
    | Address
    | Member
    | VerdictCode
    | Snapshot
    | Region
    | Option
    | Options
    | View
    | Record
    | Maybe
    | Union
    | Tuple
    | Entry
    | PacketValue
    | Method
    | Poison
)

PACKET: Final = PacketValue()
NONE: Final = Known(None)


def is_none(value: Static) -> bool:
    """Whether `value` is None, and known to be."""
    return isinstance(value, Known) and value.obj is None


def parts(value: Static) -> tuple[Value, ...]:
    """The IR values that carry `value`, in the order in which `rebuild` takes them."""
    match value:
        case Integer(value=v) | Boolean(value=v) | Address(value=v) | Member(value=v) | Snapshot(value=v):
            return (v,)
        case VerdictCode(code=code, port=port):
            return (code, port)
        case Region(start=start, end=end) | Options(start=start, end=end):
            return (start, end)
        case Option(kind=kind, start=start, end=end):
            return (kind, start, end)
        case View(tag=tag, base=base, limit=limit, end=end):
            return (tag, base, limit, end)
        case Maybe(present=present, inner=inner):
            return (present, *parts(inner))
        case Union(tag=tag, options=options):
            return (tag, *(part for option in options for part in parts(option)))
        case Tuple(items=items) | Record(items=items):
            return tuple(part for item in items for part in parts(item))
        case Entry(index=index):
            return (index,)
        case Method(receiver=receiver):
            return parts(receiver)
        case Known() | PacketValue() | Poison():
            return ()


def rebuild(value: Static, values: list[Value]) -> Static:
    """`value` carried by other IR values, taken from the front of `values`."""
    take = values.pop
    match value:
        case Integer():
            return Integer(take(0))
        case Boolean():
            return Boolean(take(0))
        case Address(kind=kind):
            return Address(kind, take(0))
        case Member(enum=enum):
            return Member(enum, take(0))
        case Snapshot(size=size):
            return Snapshot(size, take(0))
        case VerdictCode():
            return VerdictCode(take(0), take(0))
        case Region(token=token, is_bytes=is_bytes):
            return Region(take(0), take(0), token, is_bytes)
        case Options(token=token):
            return Options(take(0), take(0), token)
        case Option(token=token):
            return Option(take(0), take(0), take(0), token)
        case View(kinds=kinds, token=token):
            return View(kinds, take(0), take(0), take(0), take(0), token)
        case Record(struct=struct, items=items):
            return Record(struct, tuple(rebuild(item, values) for item in items))
        case Maybe(inner=inner):
            return Maybe(take(0), rebuild(inner, values))
        case Union(options=options):
            return Union(take(0), tuple(rebuild(option, values) for option in options))
        case Tuple(items=items):
            return Tuple(tuple(rebuild(item, values) for item in items))
        case Entry(map=decl):
            return Entry(decl, take(0))
        case Method(receiver=receiver, name=name):
            return Method(rebuild(receiver, values), name)
        case Known() | PacketValue() | Poison():
            return value


def placeholder(kind: Type) -> int | bool | bytes:
    """A constant to flow along edges on which a value does not exist."""
    if isinstance(kind, Bytes):
        return bytes(kind.size)
    if kind is BOOL:
        return False
    assert kind is INT
    return 0


def describe(value: Static) -> str:
    """What a user calls such a value, for messages."""
    match value:
        case Known(obj=obj):
            return "None" if obj is None else _articled(type(obj).__name__)
        case Integer():
            return "an int"
        case Boolean():
            return "a bool"
        case Address(kind=kind):
            return _articled(kind.type_name)
        case Member(enum=enum):
            return _articled(enum.__name__)
        case VerdictCode():
            return "a Verdict"
        case Snapshot():
            return "bytes of the packet"
        case Region(is_bytes=is_bytes):
            return "a long slice of the packet" if is_bytes else "a region of the packet"
        case Option():
            return "a TCP option"
        case Options():
            return "tcp.options"
        case View(kinds=kinds):
            names = dict.fromkeys(kind.header.__name__ for kind in kinds)
            return " or ".join(f"{_articled(name)} header" for name in names)
        case Record(struct=struct):
            return _articled(struct.__name__)
        case Maybe(inner=inner):
            return f"{describe(inner)} or None"
        case Union(options=options):
            return " or ".join(describe(option) for option in options)
        case Tuple():
            return "a tuple"
        case Entry(map=decl):
            return f"an entry of {decl.name}"
        case PacketValue():
            return "the packet"
        case Method(name=name):
            return f"the method {name}"
        case Poison():
            return "an unusable value"


def _articled(noun: str) -> str:
    vowel = noun[:1].lower() in "aeiou" or noun.startswith("Lpm")
    return f"{'an' if vowel else 'a'} {noun}"
