"""`header.update_checksum()`: the checksum computed anew over the bytes present, as a loop over 16-bit words.

Definition: lang/_packet.py; sources RFC 1071, RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1. This file must not
know: incremental updates (fields.py).
"""

from __future__ import annotations

from nmjit import _headers as headers
from nmjit.compiler.ir import BinaryKind, ByteOrder, Predicate, Store, Value
from nmjit.compiler.irtypes import INT
from nmjit.compiler.lowering.fields import complement, extract
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.parsing import boolean, layer, load, present, stage
from nmjit.compiler.lowering.scope import Edge, Scope, with_value
from nmjit.compiler.lowering.values import Integer, Tuple, View

_PSEUDO = {"tcp": ("ipv4", "ipv6"), "udp": ("ipv4", "ipv6"), "icmp6": ("ipv6",)}
"""Layer-4 headers whose checksum starts with a pseudo-header, and the layers 3 that give it."""


def update_checksum(scope: Scope, view: View) -> None:
    """Recompute and store the checksum of a parsed view."""
    done: list[Edge] = []
    for index, kind in enumerate(view.kinds):
        rest = None
        if index < len(view.kinds) - 1:
            this, rest = scope.fork(scope.compare(Predicate.EQ, view.tag, index))
            scope.at(this)
        _update_one(scope, str(kind.layer), view)
        done.append(scope.here())
        if rest is not None:
            scope.at(rest)
    merge(scope, done)


def _update_one(scope: Scope, name: str, view: View) -> None:
    spec = headers.LAYERS[name].__header__
    assert spec.checksum is not None
    offset = spec.field(spec.checksum).first_byte
    if name not in _PSEUDO:
        end = view.limit if name == "ipv4" else view.end
        _store(scope, view, offset, _sum_words(scope, view.base, end, offset, scope.const(0)), name)
        return
    transport = stage(scope, "@transport")
    assert isinstance(transport, Tuple)
    routed, plain = scope.fork(boolean(scope, transport.items[4]))
    scope.at(plain)
    length = scope.binary(BinaryKind.SUB, view.end, view.base)
    initial = scope.add(_pseudo_header(scope, name), _protocol(name))
    initial = scope.binary(BinaryKind.ADD, initial, length)
    _store(scope, view, offset, _sum_words(scope, view.base, view.end, offset, initial), name)
    merge(scope, [scope.here(), routed], "summed")


def _protocol(name: str) -> int:
    """The protocol number of a layer-4 header."""
    return next(number for by in headers.IP_PROTOCOLS.values() for number, found in by.items() if found == name)


def _pseudo_header(scope: Scope, name: str) -> Value:
    """Sum of the address words of whichever layer 3 is there."""
    edges: list[Edge] = []
    for version in _PSEUDO[name]:
        there, view = present(scope, layer(scope, version))
        assert view is not None
        yes, no = scope.fork(there)
        scope.at(yes)
        spec = headers.LAYERS[version].__header__
        total = scope.const(0)
        for field in (spec.field("src"), spec.field("dst")):
            size = field.bits // 8
            address = load(scope, view.base, field.first_byte, size)
            for word in range(size // 2):
                total = scope.binary(BinaryKind.ADD, total, extract(scope, address, 16 * word, 16, field.bits))
        edges.append(scope.here(Integer(total)))
        scope.at(no)
    edges.append(scope.here(Integer(scope.const(0))))
    joined = merge(scope, edges, "pseudo")
    assert isinstance(joined, Integer)
    return joined.value


def _sum_words(scope: Scope, start: Value, end: Value, skipped: int, initial: Value) -> Value:
    """`initial` plus the 16-bit words of start … end, without the one at start + `skipped`; an odd byte is high."""
    builder = scope.builder
    head = builder.block("sum")
    entry = scope.here()
    builder.jump(head)
    builder.position(head)
    offset = builder.phi(INT, {entry.block: start})
    total = builder.phi(INT, {entry.block: initial})
    behind = scope.add(offset, 2)
    whole, rest = scope.fork(scope.compare(Predicate.LE, behind, end))
    scope.at(whole)
    is_sum = scope.compare(Predicate.EQ, offset, scope.add(start, skipped))
    word = builder.select(is_sum, scope.const(0), load(scope, offset, 0, 2))
    offset.incoming[whole.block] = behind
    total.incoming[whole.block] = scope.binary(BinaryKind.ADD, total, word)
    builder.jump(head)
    scope.at(rest)
    odd, even = scope.fork(scope.compare(Predicate.LT, offset, end))
    scope.at(odd)
    last = scope.binary(BinaryKind.SHL, load(scope, offset, 0, 1), 8)
    padded = scope.here(Integer(scope.binary(BinaryKind.ADD, total, last)))
    joined = merge(scope, [padded, with_value(even, Integer(total))], "summed")
    assert isinstance(joined, Integer)
    return joined.value


def _store(scope: Scope, view: View, offset: int, total: Value, name: str) -> None:
    result = complement(scope, total)
    if name == "udp":
        result = scope.builder.select(scope.compare(Predicate.EQ, result, 0), scope.const(0xFFFF), result)
    scope.builder.emit(Store(view.base, offset, 2, result, ByteOrder.BIG))
