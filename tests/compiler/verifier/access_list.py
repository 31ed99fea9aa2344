"""An access list as the lowering would write it before any optimisation: many rules, each with all its own loads.

Headers are looked for behind an Ethernet header, their presence a BOOL that is merged from four ways; each rule asks
again whether they are there. It is the filter by which the verifier's speed is judged.
"""

from __future__ import annotations

from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import (
    BasicBlock,
    BinaryKind,
    ByteOrder,
    Context,
    ContextField,
    Function,
    Load,
    Predicate,
    Value,
)
from nmjit.compiler.irtypes import BOOL, INT

DROP, PASS = 1, 2


class AccessListDraft:
    """Writes the filter: `headers` first, then any number of `rule`, then `end`."""

    def __init__(self) -> None:
        self.function = Function("access_list")
        self.builder = Builder(self.function)
        self.builder.position(self.builder.block("entry"))
        self.length = self.builder.emit(Context(ContextField.LENGTH))

    def number(self, value: int) -> Value:
        return self.builder.const(value)

    def load(self, base: Value, displacement: int, size: int) -> Value:
        return self.builder.emit(Load(base, displacement, size, ByteOrder.BIG))

    def go_on_if(self, condition: Value, otherwise: BasicBlock) -> BasicBlock:
        """Branch to a new block where `condition` holds; the block that was left."""
        left, onward = self.builder.current, self.builder.block("on")
        assert left is not None
        self.builder.branch(condition, onward, otherwise)
        self.builder.position(onward)
        return left

    def compare(self, predicate: Predicate, a: Value, b: Value | int) -> Value:
        return self.builder.compare(predicate, a, b if not isinstance(b, int) else self.number(b))

    def headers(self) -> None:
        builder = self.builder
        no, yes, zero = builder.const(False), builder.const(True), self.number(0)
        merge = builder.block("parsed")
        absent = []
        absent.append(self.go_on_if(self.compare(Predicate.GE, self.length, 14), merge))
        absent.append(self.go_on_if(self.compare(Predicate.EQ, self.load(self.number(0), 12, 2), 0x800), merge))
        absent.append(self.go_on_if(self.compare(Predicate.GE, self.length, 34), merge))
        network = self.number(14)
        first = self.load(network, 0, 1)
        words = builder.binary(BinaryKind.AND, first, self.number(15))
        absent.append(self.go_on_if(self.compare(Predicate.GE, words, 5), merge))
        size = builder.binary(BinaryKind.MUL, words, self.number(4))
        behind = builder.binary(BinaryKind.ADD, self.number(14), size)
        total = builder.binary(BinaryKind.ADD, self.number(14), self.load(self.number(14), 2, 2))
        end = builder.binary(BinaryKind.MIN, total, self.length)
        absent.append(self.go_on_if(self.compare(Predicate.LE, behind, end), merge))
        header_end = builder.binary(BinaryKind.ADD, behind, self.number(20))
        absent.append(self.go_on_if(self.compare(Predicate.LE, header_end, end), merge))
        last = builder.current
        assert last is not None
        builder.jump(merge)
        builder.position(merge)
        self.present = builder.phi(BOOL, {**dict.fromkeys(absent, no), last: yes})
        self.transport = builder.phi(INT, {**dict.fromkeys(absent, zero), last: behind})
        self.network = builder.phi(INT, {**dict.fromkeys(absent, zero), last: network})

    def rule(self, number: int) -> None:
        """Drop by protocol, networks of source and destination, ranges of both ports, and flags."""
        builder = self.builder
        following = builder.block("next")
        self.go_on_if(self.present, following)
        self.go_on_if(self.compare(Predicate.EQ, self.load(self.network, 9, 1), 6 + number % 2), following)
        for displacement in (12, 16):
            address = self.load(self.network, displacement, 4)
            prefix = builder.binary(BinaryKind.SHR, address, self.number(8 + number % 17))
            self.go_on_if(self.compare(Predicate.EQ, prefix, 100 + number), following)
        self.go_on_if(self.present, following)
        for displacement in (0, 2):
            port = self.load(self.transport, displacement, 2)
            self.go_on_if(self.compare(Predicate.GE, port, 1000 + number), following)
            port = self.load(self.transport, displacement, 2)
            self.go_on_if(self.compare(Predicate.LE, port, 2000 + number), following)
        self.go_on_if(self.compare(Predicate.NE, self.load(self.transport, 13, 1), 2), following)
        builder.ret(self.number(DROP), self.number(-1))
        builder.position(following)

    def end(self) -> Function:
        self.builder.ret(self.number(PASS), self.number(-1))
        return self.function


def access_list(rules: int) -> Function:
    """The filter with so many rules."""
    draft = AccessListDraft()
    draft.headers()
    for number in range(rules):
        draft.rule(number)
    return draft.end()
