"""`@struct`: a record of integers with declared widths, such as a map holds. Storing into a field wraps.

This file must not know: maps, packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeVar, cast

from nmjit._declare import MISSING, Declared, declared_fields, rebuilt
from nmjit._ints import Width

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options):  # the run time needs none of it, nor typing_extensions
        return lambda decorator: decorator


T = TypeVar("T")


class StructField(NamedTuple):
    """A field of a struct and how it is stored."""

    name: str
    width: Width


StructSpec = tuple[StructField, ...]


class Record:
    """Base that `@struct` gives its classes: `_values` holds the fields, in order, each wrapped to its width."""

    __slots__ = ("_values",)
    __struct__: ClassVar[StructSpec]
    __defaults__: ClassVar[tuple[int | None, ...]]
    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value
    _values: list[int]

    def __init__(self, *values: int, **named: int) -> None:
        name, spec = type(self).__name__, self.__struct__
        if len(values) > len(spec):
            raise TypeError(f"{name} has {len(spec)} fields, {len(values)} were given")
        given: dict[str, int] = {field.name: value for field, value in zip(spec, values, strict=False)}
        if doubtful := [key for key in named if key in given or all(key != field.name for field in spec)]:
            raise TypeError(f"{name} has no field {doubtful[0]!r}, or it was given twice")
        defaults = dict(zip((field.name for field in spec), self.__defaults__, strict=True))
        complete = {**defaults, **given, **named}
        self._values = []
        for field in spec:
            if (value := complete[field.name]) is None:
                raise TypeError(f"{name}: field {field.name!r} has no default and was not given")
            self._values.append(field.width(value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return self._values == other._values

    def __repr__(self) -> str:
        pairs = (f"{field.name}={value}" for field, value in zip(self.__struct__, self._values, strict=True))
        return f"{type(self).__name__}({', '.join(pairs)})"


@dataclass_transform()
def struct(cls: type[T]) -> type[T]:
    """Declares a record: a class whose annotations are u8 … i64, each with an integer default or none.

    Fields are given by position or name; a store wraps to the field's width. Records compare by value and have no hash.
    TypeError where a field has no width, its default is no integer, or there is no field.
    """
    declared = declared_fields(cls)
    if not declared:
        raise TypeError(f"{cls.__name__}: a struct needs at least one field")
    spec = tuple(_struct_field(cls.__name__, declaration) for declaration in declared)
    defaults = tuple(cast("int | None", None if d.default is MISSING else d.default) for d in declared)
    members: dict[str, object] = {field.name: _StoredField(i, field.width) for i, field in enumerate(spec)}
    bases = (Record, *(base for base in cls.__bases__ if base is not object))
    drop = frozenset(members)
    return cast("type[T]", rebuilt(cls, bases, drop, {"__struct__": spec, "__defaults__": defaults, **members}))


def _struct_field(owner: str, declared: Declared) -> StructField:
    if not isinstance(declared.type, Width):
        raise TypeError(f"{owner}.{declared.name}: {declared.type!r} is no declared width; use u8 … u64 or i8 … i64")
    if declared.default is not MISSING and not isinstance(declared.default, int):
        raise TypeError(f"{owner}.{declared.name}: the default {declared.default!r} is no integer")
    return StructField(declared.name, declared.type)


class _StoredField:
    """Reads field number `index` of a record; a store wraps."""

    __slots__ = ("_index", "_width")

    def __init__(self, index: int, width: Width) -> None:
        self._index: Final = index
        self._width: Final = width

    def __get__(self, record: Record | None, owner: type) -> object:
        return self if record is None else record._values[self._index]

    def __set__(self, record: Record, value: int) -> None:
        record._values[self._index] = self._width(value)
