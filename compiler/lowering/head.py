"""Where the packet begins: `push`, `pull`, and every place that is counted from the packet's first byte.

Ops count from where the packet began when it arrived, the language from where it begins now. The difference, the head,
is a value like any other under the hidden name HEAD: 0 at first, and then none of these functions writes an op more
than a filter without push and pull needs. The rules are "push, pull and mirror" in docs/semantics.md.

This file must not know: headers, parsing.
"""

from __future__ import annotations

import ast

from nmjit.compiler.ir import BinaryKind, Context, ContextField, Mirror, MoveHead, Predicate, Value
from nmjit.compiler.irtypes import MAX_PACKET, MAX_PUSH
from nmjit.compiler.lowering.scope import HEAD, RANK_AT, Scope
from nmjit.compiler.lowering.values import Integer, Known, Static, describe


def head(scope: Scope) -> Value:
    """Offset at which the packet begins."""
    held = scope.state.names[HEAD]
    if isinstance(held, Known):
        return scope.const(held.obj)
    assert isinstance(held, Integer)
    return held.value


def from_head(scope: Scope, place: Value) -> Value:
    """Offset of what lies `place` bytes behind the packet's first."""
    held = scope.state.names[HEAD]
    match held:
        case Known(obj=0):
            return place
        case Known(obj=moved):
            return scope.add(place, moved)
        case Integer(value=moved):
            return scope.binary(BinaryKind.ADD, moved, place)
    raise AssertionError(held)


def behind_head(scope: Scope, count: int) -> Static:
    """As `from_head`, for a constant place; a Known where the head is."""
    held = scope.state.names[HEAD]
    if isinstance(held, Known):
        return Known(held.obj + count)
    return Integer(from_head(scope, scope.const(count)))


def packet_end(scope: Scope) -> Value:
    """Offset of the packet's end, which push and pull leave alone."""
    return scope.builder.emit(Context(ContextField.LENGTH))


def length(scope: Scope) -> Value:
    """len(pkt)."""
    return _less_head(scope, packet_end(scope))


def wire_length(scope: Scope) -> Value:
    """pkt.wire_len."""
    return _less_head(scope, scope.builder.emit(Context(ContextField.WIRE_LENGTH)))


def _less_head(scope: Scope, offset: Value) -> Value:
    held = scope.state.names[HEAD]
    match held:
        case Known(obj=0):
            return offset
        case Known(obj=moved):
            return scope.add(offset, -moved)
        case Integer(value=moved):
            return scope.binary(BinaryKind.SUB, offset, moved)
    raise AssertionError(held)


def has(scope: Scope, count: int) -> Value:
    """Whether the packet has `count` bytes at least."""
    held = scope.state.names[HEAD]
    if isinstance(held, Known):
        return scope.compare(Predicate.GE, packet_end(scope), held.obj + count)
    return scope.compare(Predicate.LE, from_head(scope, scope.const(count)), packet_end(scope))


def push(scope: Scope, node: ast.Call, count: Static) -> None:
    """`pkt.push(count)`."""
    size = _constant(scope, node, count, MAX_PUSH)
    text = scope.text(node.func).rpartition(".")[0]
    new = behind_head(scope, -size)
    grown = scope.add(length(scope), size)
    room = scope.builder.emit(Context(ContextField.ROOM))
    scope.check(scope.compare(Predicate.LE, grown, room), node, "IndexError", f"len({text}) + {size} <= {text}.room")
    _move(scope, node, new, "push")


def pull(scope: Scope, node: ast.Call, count: Static) -> None:
    """`pkt.pull(count)`."""
    size = _constant(scope, node, count, MAX_PACKET)
    text = scope.text(node.func).rpartition(".")[0]
    scope.check(has(scope, size), node, "IndexError", f"{size} <= len({text})")
    _move(scope, node, behind_head(scope, size), "pull")


def _constant(scope: Scope, node: ast.Call, count: Static, most: int) -> int:
    name = scope.text(node.func).rpartition(".")[2]
    if not (isinstance(count, Known) and isinstance(count.obj, int)):
        scope.refuse(
            node,
            f"{name} takes a constant number of bytes, this is {describe(count)}",
            f"branch by the size, and write each as a number: pkt.{name}(4).",
        )
    if not 1 <= count.obj <= most:
        scope.refuse(node, f"{name} moves 1 ... {most} bytes, not {int(count.obj)}", "write a number within.")
    return int(count.obj)


def _move(scope: Scope, node: ast.Call, new: Static, by: str) -> None:
    old = head(scope)
    scope.state.names[HEAD] = new
    scope.builder.emit(MoveHead(old, head(scope)))
    scope.kill(RANK_AT - 1, scope.frame.source.span(node).line, by)


def mirror(scope: Scope, port: int) -> None:
    """`mirror(PORT)`, of which `port` is the index."""
    scope.builder.emit(Mirror(head(scope), scope.const(port)))
