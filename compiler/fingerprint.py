"""What a filter's code depends on, as text for a cache key, found without the compiler.

Walks from the filter's function over the globals that it and its helpers name. A constant of a type that is not known
here makes the filter uncacheable: better to compile again than to run stale code.

This file must not know: syntax trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from nmjit._address import Mac
from nmjit._filter import Filter
from nmjit._headers import View
from nmjit._ints import Width
from nmjit._maps import Array, Bloom, Counter, Events, HashMap, Histogram, LpmTrie, LruHashMap, NetworkSet
from nmjit._struct import Record
from nmjit._verdict import Port, Verdict
from nmjit.compiler.texts import source_text

_PLAIN = (int, str, bytes, bool, type(None), IPv4Address, IPv6Address, IPv4Network, IPv6Network, Mac, range)


class Fingerprint:
    """`text` names all that the code was made from, None where that can't be told; `maps` and `ports` are by name."""

    __slots__ = ("_complete", "_seen", "maps", "ports", "text")

    def __init__(self, filter_: Filter) -> None:
        self.maps: dict[str, Any] = {}
        self.ports: dict[str, Port] = {}
        self._seen: set[int] = set()
        self._complete = True
        function = filter_.function
        assert isinstance(function, FunctionType)
        text = "\n".join(self._function(function))
        self.text: str | None = text if self._complete else None

    def _function(self, function: FunctionType) -> Iterator[str]:
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        code = function.__code__
        yield f"def {function.__qualname__} {code.co_firstlineno} in {source_text(code.co_filename)!r}"
        yield from self._value("defaults", function.__defaults__ or ())
        for name, value in sorted((function.__kwdefaults__ or {}).items()):
            yield from self._value(name, value)
        for name in sorted(_names(code)):
            if name in function.__globals__:
                yield from self._value(name, function.__globals__[name], code)

    def _value(self, name: str, value: Any, code: CodeType | None = None) -> Iterator[str]:
        match value:
            case Filter():
                yield from self._value(name, value.function)
            case FunctionType():
                if not value.__module__.startswith("nmjit._"):
                    yield from self._function(value)
            case Array() | Counter() | Histogram() | HashMap() | LruHashMap() | LpmTrie() | Bloom() | Events():
                self.maps[name] = value
                yield f"{name}: {_map(value)}"
            case Port():
                self.ports[name] = value
                yield f"{name}: port {value.name} {value.optional}"
            case ModuleType():
                for attribute in sorted(_names(code)) if code is not None else ():
                    if attribute in vars(value):
                        yield from self._value(f"{name}.{attribute}", vars(value)[attribute])
            case _:
                try:
                    yield f"{name}={_constant(value)}"
                except _Unknown:
                    self._complete = False


def _map(value: Any) -> str:
    """All of a map that code is made for: of what it holds, only the shape."""
    key = value.key_spec.parts_of if hasattr(value, "key_spec") else ()
    return f"map {value!r} {value.capacity} {key!r} {value.fields!r}"


class _Unknown(Exception):
    """A value that this file can't describe."""


def _names(code: CodeType) -> set[str]:
    """Global and attribute names in a code object and the generators in it."""
    found = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= _names(const)
    return found


def _constant(value: Any) -> str:
    if isinstance(value, type):
        return _class(value)
    match value:
        case Enum():
            return f"{type(value).__qualname__}.{value.name}={_constant(value.value)}"
        case tuple() | list():
            return f"({', '.join(map(_constant, value))})"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(_constant, value)))}}}"
        case NetworkSet():
            return f"networks {value.ranges4} {value.ranges6}"
        case Verdict():
            return repr(value)
        case Width():
            return f"width {value.bits} {value.signed}"
        case BuiltinFunctionType():
            return f"builtin {value.__name__}"
    if type(value) in _PLAIN:
        return f"{type(value).__name__} {value!r}"
    if hasattr(type(value), "__dataclass_fields__"):
        fields = (f"{name}={_constant(getattr(value, name))}" for name in type(value).__dataclass_fields__)
        return f"{type(value).__qualname__}({', '.join(fields)})"
    raise _Unknown(type(value).__name__)


def _class(value: type) -> str:
    if issubclass(value, View):
        return f"header {value.__header__!r}"
    if issubclass(value, Record):
        return f"struct {value.__struct__!r} {value.__defaults__!r}"
    if issubclass(value, Enum):
        return f"enum {[(member.name, _constant(member.value)) for member in value]}"
    return f"class {value.__module__}.{value.__qualname__}"
