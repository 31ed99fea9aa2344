"""`record`: classes of a few named slots, for what is made by the hundred in every compilation.

Like `dataclass(eq=False, slots=True)`, but an order of magnitude cheaper to define, which each start of nmjit pays for
each op of the IR: the one thing generated is `__init__`. Type checkers see a dataclass (PEP 681).

This file must not know: which classes use it.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    from typing_extensions import dataclass_transform

_C = TypeVar("_C", bound=type)


@dataclass_transform(eq_default=False)
def record(cls: _C) -> _C:
    """`cls` with a slot for each annotated name, which its constructor sets, by position or by name.

    A value in the class body is that field's default; it is shared, so it must not be mutable. Instances are equal to
    themselves only. ClassVars and inherited names are no fields. Annotations must be strings, as the future has them.
    """
    namespace = dict(cls.__dict__)
    declared: dict[str, str] = namespace.get("__annotations__", {})
    fields = tuple(name for name, kind in declared.items() if not kind.startswith("ClassVar"))
    defaults = {name: namespace.pop(name) for name in fields if name in namespace}
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    namespace |= {"__slots__": fields, "__match_args__": fields, "__init__": _constructor(fields, defaults)}
    made: Any = type(cls)(cls.__name__, cls.__bases__, namespace)
    return made  # type: ignore[no-any-return]


def _constructor(fields: tuple[str, ...], defaults: dict[str, object]) -> object:
    """`__init__` with the fields as parameters."""
    parameters = "".join(f", {name}=defaults[{name!r}]" if name in defaults else f", {name}" for name in fields)
    lines = "".join(f"\n self.{name} = {name}" for name in fields)
    scope: dict[str, Any] = {"defaults": defaults}
    exec(f"def __init__(self{parameters}):{lines}", scope)
    return scope["__init__"]
