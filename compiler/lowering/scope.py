"""Where lowering stands: the open block, the names bound there, the function being inlined, and the ways to refuse.

A point of the program is an `Edge`: an open block and the `State` that holds in it. `fork` makes two of one,
`join.merge` one of several. This file must not know which constructs there are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from types import CodeType, FunctionType
from typing import Any, NoReturn

from nmjit import Port
from nmjit.compiler.builder import Builder
from nmjit.compiler.errors import CompileError
from nmjit.compiler.ir import BasicBlock, BinaryKind, Predicate, Site, Value
from nmjit.compiler.irtypes import MapDecl
from nmjit.compiler.lowering.values import Static
from nmjit.compiler.source import SourceText

RANK_AT = -1
"""Rank of views made by pkt.at: no write kills them, but push and pull do."""
RANK_RAW = 1000
"""Rank of long slices: any write kills them."""
STAGE_RANKS = {
    "@eth": 0, "@link": 5, "@arp": 7, "@mpls": 7, "@ipv4": 7, "@ipv6": 7, "@transport": 8, "@tcp": 9, "@udp": 9,
    "@icmp": 9, "@icmp6": 9, "@gre": 9, "@vxlan": 11, "@payload": 12,
}  # fmt: skip
"""Parse stages by how deep they look: a write to a field of rank r that steers parsing undoes those above r."""
HEADER_RANKS = {
    "eth": 0, "vlan": 2, "vlan2": 4, "arp": 6, "mpls": 6, "ipv4": 6, "ipv6": 6, "tcp": 8, "udp": 8, "icmp": 8,
    "icmp6": 8, "gre": 8, "vxlan": 10,
}  # fmt: skip
RANK_OPTION = 9
RANK_PAYLOAD = 12
RANDOM_CALLS = "$random"
"""Hidden name that counts the calls of random() so far."""
HEAD = "$head"
"""Hidden name of the offset at which the packet begins (head.py)."""


@dataclass(slots=True)
class State:
    """What holds at one point. `names` also has hidden entries: "@STAGE" for what has been parsed, RANDOM_CALLS, HEAD.

    `alive` are the tokens of views and regions that may be used.
    """

    names: dict[str, Static]
    alive: frozenset[int] = frozenset()

    def copy(self) -> State:
        """An equal state that may go its own way."""
        return State(dict(self.names), self.alive)


@dataclass(slots=True)
class Edge:
    """An open block with the state at its end; `value` is what an expression yields there."""

    block: BasicBlock
    state: State
    value: Static | None = None


@dataclass(slots=True)
class Loop:
    """Edges that leave the innermost loop by break, and those that go round by continue."""

    breaks: list[Edge] = field(default_factory=list)
    continues: list[Edge] = field(default_factory=list)


@dataclass(slots=True)
class Frame:
    """One activation: the filter itself, or a helper being inlined (then `returns` collects its ends)."""

    source: SourceText
    name: str
    globals: Mapping[str, Any]
    local_names: frozenset[str]
    returns: list[Edge] | None
    active: tuple[CodeType, ...] = ()
    loops: list[Loop] = field(default_factory=list)
    unrolling: int = 1


@dataclass(slots=True)
class Declared:
    """What the program names besides values, by identity of the Python object."""

    maps: dict[int, MapDecl] = field(default_factory=dict)
    map_objects: dict[str, Any] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)
    port_objects: list[Port] = field(default_factory=list)
    names_of: dict[int, str] = field(default_factory=dict)


Inline = Callable[["Scope", FunctionType, dict[str, Static], ast.AST, bool], Static]
"""Lowers a call of a function, plain or a filter, with its parameters bound; statements.py supplies it."""


class Scope:
    """The one mutable object of lowering. Free functions in the sibling files take it as their first argument."""

    __slots__ = (
        "_tokens", "builder", "declared", "frame", "inline", "killers", "loop_depth", "map_writes", "ranks", "state",
    )  # fmt: skip

    def __init__(self, builder: Builder, frame: Frame, state: State, inline: Inline) -> None:
        self.inline = inline
        self.map_writes = 0
        self.loop_depth = 0
        self.builder = builder
        self.frame = frame
        self.state = state
        self.declared = Declared()
        self.ranks: dict[int, int] = {}
        self.killers: dict[int, str] = {}
        self._tokens = count(1)

    # Points of the program

    @property
    def reachable(self) -> bool:
        """Whether there is an open block to write to."""
        return self.builder.current is not None

    def here(self, value: Static | None = None) -> Edge:
        """The present point, to be gone on from later."""
        block = self.builder.current
        assert block is not None
        return Edge(block, self.state, value)

    def at(self, edge: Edge) -> None:
        """Go on at `edge`."""
        self.builder.position(edge.block)
        self.state = edge.state

    def fork(self, condition: Value, *, expected: bool | None = None) -> tuple[Edge, Edge]:
        """End the block with a branch; the points where `condition` holds and where it does not."""
        then, other = self.builder.block("then"), self.builder.block("else")
        self.builder.branch(condition, then, other, expected)
        state = self.state
        return Edge(then, state.copy()), Edge(other, state.copy())

    # Views

    def new_token(self, rank: int) -> int:
        """A token for a view or region of parse rank `rank`, alive from here on."""
        token = next(self._tokens)
        self.ranks[token] = rank
        self.state.alive |= {token}
        return token

    def kill(self, above: int, line: int, by: str = "write") -> None:
        """Views and regions of a rank above `above` are dead from here on; what they were parsed from is forgotten."""
        dead = {token for token in self.state.alive if self.ranks[token] > above}
        for token in dead:
            self.killers.setdefault(token, f"the {by} in line {line}")
        self.state.alive -= dead
        for stage, rank in STAGE_RANKS.items():
            if rank > above:
                self.state.names.pop(stage, None)

    # What the program names

    def port_index(self, port: Port) -> int:
        """The index of `port` among the filter's ports, given out at its first use."""
        known = self.declared.ports.get(id(port))
        if known is None:
            known = self.declared.ports[id(port)] = len(self.declared.port_objects)
            self.declared.port_objects.append(port)
            name = port.name or next((n for n, v in self.frame.globals.items() if v is port), f"port{known}")
            self.declared.names_of[id(port)] = name
        return known

    def hidden_name(self, hint: str) -> str:
        """A name that no program can hold, never given out before."""
        return f"${hint}{next(self._tokens)}"

    # Refusals and sites

    def refuse(self, node: ast.AST, reason: str, cure: str) -> NoReturn:
        """End the compilation with a diagnostic at `node`."""
        raise CompileError(self.frame.source.diagnostic(node, reason, cure))

    def site(self, node: ast.AST, exception: str, guard: str) -> Site:
        """The place at which `node` may raise `exception`."""
        span = self.frame.source.span(_raising(node))
        return self.builder.site(exception, span.line, span.column, guard, self.frame.source.file)

    def check(self, condition: Value, node: ast.AST, exception: str, guard: str) -> None:
        """Raise `exception` at `node` unless `condition`."""
        self.builder.check(condition, self.site(node, exception, guard))

    def text(self, node: ast.AST) -> str:
        """The source of `node`, for a guard's text."""
        return ast.unparse(node)

    # Short forms for the ops that every file needs

    def const(self, value: int | bool | bytes) -> Value:
        """A constant."""
        return self.builder.const(value)

    def add(self, a: Value, b: Value | int) -> Value:
        """a + b, unchecked."""
        return self.builder.binary(BinaryKind.ADD, a, self._value(b))

    def compare(self, predicate: Predicate, a: Value, b: Value | int) -> Value:
        """The BOOL `a predicate b`."""
        return self.builder.compare(predicate, a, self._value(b))

    def binary(self, kind: BinaryKind, a: Value, b: Value | int) -> Value:
        """`a kind b`, unchecked."""
        return self.builder.binary(kind, a, self._value(b))

    def _value(self, operand: Value | int) -> Value:
        return self.builder.const(operand) if isinstance(operand, int) else operand


def _raising(node: ast.AST) -> ast.AST:
    """Where CPython says that `node` raises: where an attribute stands on a line of its own, at its name."""
    attribute = node.func if isinstance(node, ast.Call) else node
    if not isinstance(attribute, ast.Attribute) or attribute.lineno == attribute.end_lineno:
        return node
    assert attribute.end_lineno is not None
    assert attribute.end_col_offset is not None
    start = attribute.end_col_offset - len(attribute.attr.encode())
    return ast.Name(
        attribute.attr,
        ast.Load(),
        lineno=attribute.end_lineno,
        col_offset=start,
        end_lineno=attribute.end_lineno,
        end_col_offset=attribute.end_col_offset,
    )


def with_value(edge: Edge, value: Static) -> Edge:
    """`edge`, yielding `value`."""
    return replace(edge, value=value)
