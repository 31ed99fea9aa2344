"""Random functions that add up in loops: nested, left early, cut short, of bounds known at run time only.

Nothing limits what is added up but the number of rounds, so an interval that is too narrow, or a count of rounds that
is too small, shows as a value outside its claim. Unlike in ir_strategies, values do not lie within the language's
window by construction; that is the point of them.
"""

from __future__ import annotations

from random import Random as Generator

from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import BasicBlock, BinaryKind, Context, ContextField, Function, Phi, Predicate, Random, Value
from nmjit.compiler.irtypes import INT

_COUNTS = (0, 1, 2, 5, 9)
_DELTAS = (-70, -3, -1, 0, 1, 2, 8, 200)


class _Maker:
    """Writes one function whose locals are added to. `locals` maps each variable to its value at the present place."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.function = Function("generated")
        self.builder = Builder(self.function)
        self.locals: list[Value] = []
        self.fixed: list[Value] = []

    def make(self) -> Function:
        builder, choice = self.builder, self.generator.choice
        builder.position(builder.block("entry"))
        length = builder.emit(Context(ContextField.LENGTH))
        noise = builder.emit(Random(builder.const(0)))
        byte = builder.binary(BinaryKind.AND, noise, builder.const(choice((1, 7, 255))))
        self.fixed = [length, byte, builder.binary(BinaryKind.SUB, byte, builder.const(choice((3, 100))))]
        self.locals = [builder.const(choice(_DELTAS)) for _ in range(self.generator.randint(1, 3))]
        self.loop(0)
        if self.generator.random() < 0.5:
            self.loop(1)
        builder.ret(builder.binary(BinaryKind.AND, self.locals[0], builder.const(1)), builder.const(-1))
        return self.function

    def amount(self) -> Value:
        """What is added: a constant, a value from before all loops, or another local."""
        chance = self.generator.random()
        if chance < 0.5:
            return self.builder.const(self.generator.choice(_DELTAS))
        return self.generator.choice(self.fixed if chance < 0.95 else self.locals)

    def merged(self, block: BasicBlock, ways: dict[BasicBlock, list[Value]]) -> list[Phi]:
        """Go on in `block` with what the locals are on each way there."""
        self.builder.position(block)
        phis = [
            self.builder.phi(INT, {source: values[place] for source, values in ways.items()})
            for place in range(len(self.locals))
        ]
        self.locals = [*phis]
        return phis

    def step(self) -> None:
        builder, place = self.builder, self.generator.randrange(len(self.locals))
        old = self.locals[place]
        match self.generator.randrange(8):
            case 0:
                mixed = builder.binary(BinaryKind.MUL, old, builder.const(31))
                total = builder.binary(BinaryKind.ADD, mixed, self.amount())
                new = builder.binary(BinaryKind.AND, total, builder.const(255))
            case 1:
                kind = self.generator.choice((BinaryKind.MIN, BinaryKind.MAX))
                new = builder.binary(kind, builder.binary(BinaryKind.ADD, old, self.amount()), self.amount())
            case 2:
                low = builder.compare(Predicate.LT, old, self.amount())
                new = builder.select(low, builder.binary(BinaryKind.ADD, old, self.amount()), old)
            case 3:
                new = builder.binary(BinaryKind.SUB, old, self.amount())
            case 4:
                new = builder.const(0)
            case _:
                new = builder.binary(BinaryKind.ADD, old, self.amount())
        self.locals[place] = new

    def maybe(self) -> None:
        """A step on one of two ways."""
        builder = self.builder
        then, after, before = builder.block("then"), builder.block("after"), builder.current
        assert before is not None
        condition = builder.compare(self.generator.choice(list(Predicate)), self.amount(), self.amount())
        builder.branch(condition, then, after)
        unchanged = self.locals[:]
        builder.position(then)
        self.step()
        builder.jump(after)
        self.merged(after, {before: unchanged, then: self.locals})

    def limit(self) -> Value:
        limit = self.builder.const(self.generator.choice(_COUNTS))
        if self.generator.random() < 0.5:
            return limit
        return self.builder.binary(BinaryKind.MIN, self.generator.choice(self.fixed), limit)

    def loop(self, depth: int) -> None:
        """A loop over a counter. Each way back counts by itself, as `continue` in a while loop has to."""
        builder, before = self.builder, self.builder.current
        assert before is not None
        limit, start = self.limit(), builder.const(0)
        header, body, out = builder.block("header"), builder.block("body"), builder.block("out")
        builder.jump(header)
        builder.position(header)
        count = builder.phi(INT, {before: start})
        carried = self.merged(header, {before: self.locals})
        builder.branch(builder.compare(Predicate.LT, count, limit), body, out)
        exits: dict[BasicBlock, list[Value]] = {header: [*carried]}
        builder.position(body)
        for _ in range(self.generator.randint(1, 4)):
            chance = self.generator.random()
            if chance < 0.25:
                self.maybe()
            elif chance < 0.4 and depth < 2:
                self.loop(depth + 1)
            elif chance < 0.6:
                self.turn(count, carried, header, exits, out)
            else:
                self.step()
        self.go_back(count, carried, header)
        self.merged(out, exits)

    def turn(
        self,
        count: Phi,
        carried: list[Phi],
        header: BasicBlock,
        exits: dict[BasicBlock, list[Value]],
        out: BasicBlock,
    ) -> None:
        """A `continue` or a `break` on some condition."""
        builder = self.builder
        way, rest = builder.block("way"), builder.block("rest")
        builder.branch(builder.compare(Predicate.GT, self.amount(), self.amount()), way, rest)
        unchanged = self.locals[:]
        builder.position(way)
        self.step()
        if self.generator.random() < 0.5:
            self.go_back(count, carried, header)
        else:
            exits[way] = self.locals
            builder.jump(out)
        self.locals = unchanged
        builder.position(rest)

    def go_back(self, count: Phi, carried: list[Phi], header: BasicBlock) -> None:
        builder, latch = self.builder, self.builder.current
        assert latch is not None
        step = builder.const(self.generator.choice((1, 1, 1, 3)))
        count.incoming[latch] = builder.binary(BinaryKind.ADD, count, step)
        for phi, value in zip(carried, self.locals, strict=True):
            phi.incoming[latch] = value
        builder.jump(header)


def sum_loops(seed: int) -> Function:
    """The function that belongs to `seed`."""
    return _Maker(Generator(seed)).make()
