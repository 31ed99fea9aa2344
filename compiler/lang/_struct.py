"""`@struct`: a record of integers, bools and addresses, such as a map holds; how each of them is stored as an integer.

Storing an integer into a field wraps it. This file must not know: maps, packets.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar, cast

from nmjit._address import Mac
from nmjit._declare import MISSING, Declared, declared_fields, rebuilt
from nmjit._ints import Width, u8, u32, u64

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options):  # the run time needs none of it, nor typing_extensions
        return lambda decorator: decorator


T = TypeVar("T")


class StoredKind(Enum):
    """What a stored integer stands for: the name of the type that it reads as."""

    INT = "int"
    BOOL = "bool"
    IPV4 = "IPv4Address"
    IPV6 = "IPv6Address"
    MAC = "Mac"

    @property
    def type(self) -> type[Any]:
        """The Python type, which makes an object of the integer, and whose objects `int` turns back."""
        return _TYPES[self]

    def present(self, stored: int) -> Any:
        """What a reader is given for `stored`."""
        return stored if self is StoredKind.INT else _TYPES[self](stored)

    def stored(self, value: object) -> int:
        """The integer that stands for `value`, not wrapped. TypeError where it is of another type."""
        if not isinstance(value, _TYPES[self]):
            raise TypeError(f"takes {self.value}, not {type(value).__name__}")
        return int(value)


_TYPES: Final[dict[StoredKind, type[Any]]] = {
    StoredKind.INT: int,
    StoredKind.BOOL: bool,
    StoredKind.IPV4: IPv4Address,
    StoredKind.IPV6: IPv6Address,
    StoredKind.MAC: Mac,
}
STORED_AS: Final[dict[object, tuple[StoredKind, Width]]] = {
    bool: (StoredKind.BOOL, cast(Width, u8)),
    IPv4Address: (StoredKind.IPV4, cast(Width, u32)),
    IPv6Address: (StoredKind.IPV6, Width(128, signed=False)),
    Mac: (StoredKind.MAC, cast(Width, u64)),
}
"""Types of fields other than u8 … i64: the kind of each, and the integer that it takes in memory."""


class StructField(NamedTuple):
    """A field of a struct: the integer that it is stored as, and what that stands for."""

    name: str
    width: Width
    kind: StoredKind = StoredKind.INT


StructSpec = tuple[StructField, ...]


class Record:
    """Base that `@struct` gives its classes: `_values` holds the stored integers of the fields, in order."""

    __slots__ = ("_values",)
    __struct__: ClassVar[StructSpec]
    __defaults__: ClassVar[tuple[int | None, ...]]
    """Stored integer of each field's default, None where it has none."""
    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value
    _values: list[int]

    def __init__(self, *values: object, **named: object) -> None:
        name, spec = type(self).__name__, self.__struct__
        if len(values) > len(spec):
            raise TypeError(f"{name} has {len(spec)} fields, {len(values)} were given")
        given: dict[str, object] = {field.name: value for field, value in zip(spec, values, strict=False)}
        if doubtful := [key for key in named if key in given or all(key != field.name for field in spec)]:
            raise TypeError(f"{name} has no field {doubtful[0]!r}, or it was given twice")
        given.update(named)
        self._values = []
        for field, default in zip(spec, self.__defaults__, strict=True):
            if field.name in given:
                self._values.append(_stored(name, field, given[field.name]))
            elif default is None:
                raise TypeError(f"{name}: field {field.name!r} has no default and was not given")
            else:
                self._values.append(default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return self._values == other._values

    def __repr__(self) -> str:
        fields = zip(self.__struct__, self._values, strict=True)
        pairs = (f"{field.name}={field.kind.present(value)!r}" for field, value in fields)
        return f"{type(self).__name__}({', '.join(pairs)})"


R = TypeVar("R", bound=Record)


def place_record(kind: type[R], values: list[int]) -> R:
    """A record whose stored integers are those in `values`, the list itself: what either changes, both see."""
    record = object.__new__(kind)
    record._values = values
    return record


@dataclass_transform()
def struct(cls: type[T]) -> type[T]:
    """Declares a record: a class whose annotations are u8 … i64, bool, IPv4Address, IPv6Address or Mac.

    Fields may have defaults of their type, and are given by position or name; an integer wraps to its field's width.
    Records compare by value and have no hash. TypeError where a field is of another type, a default does not fit its
    field, or there is no field.
    """
    declared = declared_fields(cls)
    if not declared:
        raise TypeError(f"{cls.__name__}: a struct needs at least one field")
    spec = tuple(_struct_field(cls.__name__, declaration) for declaration in declared)
    defaults = tuple(
        None if d.default is MISSING else _stored(cls.__name__, field, d.default)
        for field, d in zip(spec, declared, strict=True)
    )
    members: dict[str, object] = {field.name: _StoredField(i, field) for i, field in enumerate(spec)}
    bases = (Record, *(base for base in cls.__bases__ if base is not object))
    drop = frozenset(members)
    return cast("type[T]", rebuilt(cls, bases, drop, {"__struct__": spec, "__defaults__": defaults, **members}))


def _struct_field(owner: str, declared: Declared) -> StructField:
    if isinstance(declared.type, Width):
        return StructField(declared.name, declared.type)
    if isinstance(declared.type, type) and declared.type in STORED_AS:
        kind, width = STORED_AS[declared.type]
        return StructField(declared.name, width, kind)
    known = "u8 … u64, i8 … i64, bool, IPv4Address, IPv6Address or Mac"
    raise TypeError(f"{owner}.{declared.name}: {declared.type!r} is no type of a field; use {known}")


def _stored(owner: str, field: StructField, value: object) -> int:
    """`value` as the integer that `field` stores. TypeError, which names the field, where it is of another type."""
    try:
        return field.width(field.kind.stored(value))
    except TypeError as error:
        raise TypeError(f"{owner}.{field.name} {error}") from None


class _StoredField:
    """Reads field number `index` of a record; a store wraps."""

    __slots__ = ("_field", "_index")

    def __init__(self, index: int, field: StructField) -> None:
        self._index: Final = index
        self._field: Final = field

    def __get__(self, record: Record | None, owner: type) -> object:
        return self if record is None else self._field.kind.present(record._values[self._index])

    def __set__(self, record: Record, value: object) -> None:
        record._values[self._index] = _stored(type(record).__name__, self._field, value)
