"""Filters as the lowering might write them, small and middle-sized, for tests of what stands behind the IR."""

from __future__ import annotations

from nmjit.compiler.builder import Builder
from nmjit.compiler.emit_int import Range
from nmjit.compiler.ir import (
    BasicBlock,
    BinaryKind,
    ByteOrder,
    Check,
    Context,
    ContextField,
    Function,
    Load,
    MapAdd,
    Op,
    Predicate,
    Value,
)
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar

DROP, PASS = 1, 2


class FilterDraft:
    """A function under construction, with the range of each value."""

    def __init__(self, name: str) -> None:
        self.function = Function(name)
        self.ranges: dict[Op, Range] = {}
        self.builder = Builder(self.function)
        self.start("entry")

    def start(self, label: str) -> BasicBlock:
        block = self.builder.block(label)
        self.builder.position(block)
        return block

    def ranged(self, op: Op, lo: int, hi: int) -> Value:
        self.builder.emit(op)
        self.ranges[op] = Range(lo, hi)
        return op

    def const(self, value: int) -> Value:
        op = self.builder.const(value)
        self.ranges[op] = Range(value, value)
        return op

    def length(self) -> Value:
        return self.ranged(Context(ContextField.LENGTH), 0, 2**32 - 1)

    def load(self, base: Value, displacement: int, size: int) -> Value:
        return self.ranged(Load(base, displacement, size, ByteOrder.BIG), 0, 2 ** (8 * size) - 1)

    def verdict(self, value: int) -> None:
        self.builder.ret(self.const(value), self.const(-1))

    def go_on_if(self, predicate: Predicate, a: Value, b: int, label: str, otherwise: BasicBlock) -> None:
        """Branch to a new block where the comparison holds."""
        onward = self.builder.block(label)
        self.builder.branch(self.builder.compare(predicate, a, self.const(b)), onward, otherwise)
        self.builder.position(onward)


def accept_all() -> FilterDraft:
    draft = FilterDraft("accept_all")
    draft.verdict(PASS)
    return draft


def port_filter(port: int = 80) -> FilterDraft:
    """Drop what is not TCP over option-less IPv4 to `port`."""
    draft = FilterDraft("port_filter")
    drop = draft.builder.block("drop")
    draft.go_on_if(Predicate.GE, draft.length(), 54, "fits", drop)
    start = draft.const(0)
    draft.go_on_if(Predicate.EQ, draft.load(start, 12, 2), 0x0800, "ip", drop)
    draft.go_on_if(Predicate.EQ, draft.load(start, 23, 1), 6, "tcp", drop)
    draft.go_on_if(Predicate.EQ, draft.load(start, 36, 2), port, "match", drop)
    draft.verdict(PASS)
    draft.builder.position(drop)
    draft.verdict(DROP)
    return draft


def access_list(rules: int = 16) -> FilterDraft:
    """An IPv4 access list: header length from the packet; `rules` of prefix, protocol and port range; counters."""
    draft = FilterDraft("access_list")
    builder = draft.builder
    drop = builder.block("drop")
    length = draft.length()
    draft.go_on_if(Predicate.GE, length, 34, "ethernet", drop)
    start = draft.const(0)
    draft.go_on_if(Predicate.EQ, draft.load(start, 12, 2), 0x0800, "ip", drop)
    first = draft.load(start, 14, 1)
    words = draft.ranged(builder.binary(BinaryKind.AND, first, draft.const(15)), 0, 15)
    draft.go_on_if(Predicate.GE, words, 5, "header", drop)
    size = draft.ranged(builder.binary(BinaryKind.MUL, words, draft.const(4)), 20, 60)
    ports = draft.ranged(builder.binary(BinaryKind.ADD, size, draft.const(14)), 34, 74)
    end = draft.ranged(builder.binary(BinaryKind.ADD, ports, draft.const(4)), 38, 78)
    site = builder.site("IndexError", 12, 5, "len(pkt) >= 38")
    builder.emit(Check(builder.compare(Predicate.LE, end, length), site))
    protocol = draft.load(start, 23, 1)
    source, target = draft.load(start, 26, 4), draft.load(start, 30, 4)
    source_port, target_port = draft.load(ports, 0, 2), draft.load(ports, 2, 2)
    hits = MapDecl("hits", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), rules)
    draft.function.maps.append(hits)
    for rule in range(rules):
        following = builder.block(f"rule{rule + 1}")
        shift = draft.const(32 - 8 - rule % 17)
        prefix = draft.ranged(builder.binary(BinaryKind.SHR, source, shift), 0, 2**32 - 1)
        draft.go_on_if(Predicate.EQ, prefix, 10 << rule % 17 | rule, "source", following)
        draft.go_on_if(Predicate.EQ, protocol, 6 if rule % 2 else 17, "protocol", following)
        draft.go_on_if(Predicate.GE, target_port, 1000 * rule, "low", following)
        draft.go_on_if(Predicate.LE, target_port, 1000 * rule + 999, "high", following)
        draft.go_on_if(Predicate.NE, source_port, rule, "source_port", following)
        draft.go_on_if(Predicate.NE, target, 0xFFFFFFFF, "unicast", following)
        builder.emit(MapAdd(hits, draft.const(rule), "", draft.const(1)))
        draft.verdict(PASS if rule % 3 else DROP)
        builder.position(following)
    builder.jump(drop)
    builder.position(drop)
    draft.verdict(DROP)
    return draft
