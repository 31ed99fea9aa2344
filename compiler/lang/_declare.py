"""Reads what a class body declares: the annotated names in order, each with its type and default.

Serves `@header` and `@struct`; takes the place of `dataclasses` and `typing.get_type_hints`, which cost more to import
than the whole package may. This file must not know: what the fields mean.
"""

from __future__ import annotations

import sys
from typing import ClassVar, Final, NamedTuple, get_origin


class Missing:
    """Type of `MISSING`."""


MISSING: Final = Missing()
"""Stands for a default that was not given; None could be one."""


class Declared(NamedTuple):
    """One annotated name. `type` is the evaluated annotation, `default` MISSING where nothing was assigned."""

    name: str
    type: object
    default: object


def declared_fields(cls: type, depth: int = 2) -> list[Declared]:
    """Annotated names of `cls` itself, in order; inherited ones and ClassVars are left out.

    Annotations kept as text are evaluated where the class was written: in the frame `depth` calls up, that of the
    statement which the decorator stands on. TypeError names the field whose annotation cannot be evaluated.
    """
    frame = sys._getframe(depth)
    fields = []
    for name, annotation in _own_annotations(cls).items():
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, frame.f_globals, dict(frame.f_locals))
            except Exception as error:
                raise TypeError(f"{cls.__name__}.{name}: annotation {annotation!r}: {error}") from None
        if annotation is not ClassVar and get_origin(annotation) is not ClassVar:
            fields.append(Declared(name, annotation, cls.__dict__.get(name, MISSING)))
    return fields


def _own_annotations(cls: type) -> dict[str, object]:
    """Annotations in the class's own body. From 3.14 on they are made on demand, by an `__annotate…__` of the class."""
    if not {"__annotations__", "__annotate__", "__annotate_func__"}.isdisjoint(cls.__dict__):
        return cls.__annotations__
    return {}


def rebuilt(cls: type, bases: tuple[type, ...], drop: frozenset[str], members: dict[str, object]) -> type:
    """A class like `cls` on `bases`, with slots: the names in `drop` are gone, `members` are added."""
    gone = drop | {"__dict__", "__weakref__"}
    kept = {name: value for name, value in cls.__dict__.items() if name not in gone}
    return type(cls)(cls.__name__, bases, {"__slots__": (), **kept, **members})
