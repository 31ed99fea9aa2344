"""Random well-formed IR functions whose obligations hold, and packets and maps to run them on.

Every int that later ops may use lies within the language's window, and every access is guarded by a check or made to
fit, so a generated function never runs into `Unsound`: what a pass or an engine makes of it must not either. Each site
has a line of its own, so an Outcome tells which check failed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random as Generator

from hypothesis import strategies as st

from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import (
    BasicBlock,
    BinaryKind,
    ByteOrder,
    Context,
    ContextField,
    Find,
    Function,
    InSet,
    Item,
    Load,
    LoadBytes,
    Lookup,
    MapAdd,
    MapLoad,
    MapStore,
    Predicate,
    Random,
    Site,
    Store,
    StoreBytes,
    Value,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT, Bytes, Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.outcome import Outcome, PacketInfo

RECORDS = MapDecl("records", MapKind.ARRAY, Layout.of((("small", Scalar(1)), ("signed", Scalar(8, signed=True)))), 4)
COUNTS = MapDecl("counts", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 8, key_base=2)
MAX_LENGTH = 96

_SMALL = (0, 1, 2, 3, 7, 8, 14, 20, 63, 64, -1, -5)
_INTERESTING = (*_SMALL, 255, 256, 0x0800, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1, -(2**63))
_EXACT = (BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MUL, BinaryKind.SHL)
_NARROWING = (BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR, BinaryKind.MIN, BinaryKind.MAX)
_SCALARS = tuple(Scalar(size, signed) for size in (1, 2, 4, 8) for signed in (False, True))


class _Maker:
    """Writes one function. Scopes hold the values that dominate the place being written."""

    def __init__(self, generator: Generator, size: int) -> None:
        self.generator = generator
        self.left = size
        self.function = Function("generated", maps=[RECORDS, COUNTS])
        self.builder = Builder(self.function)
        self.ints: list[Value] = []
        self.bools: list[Value] = []
        self.snapshots: list[Value] = []
        self.line = 0

    def make(self) -> Function:
        builder = self.builder
        builder.position(builder.block("entry"))
        self.length = builder.emit(Context(ContextField.LENGTH))
        self.ints = [self.length, builder.const(self.generator.choice(_INTERESTING))]
        self.bools = [builder.compare(Predicate.GE, self.length, builder.const(20))]
        self.snapshots = [builder.const(b"\x08\x00")]
        self.statements(depth=0)
        self.end()
        return self.function

    # Picks

    def number(self) -> Value:
        if self.generator.random() < 0.25:
            return self.builder.const(self.generator.choice(_INTERESTING))
        return self.generator.choice(self.ints)

    def flag(self) -> Value:
        return self.generator.choice(self.bools)

    def snapshot(self) -> Value:
        return self.generator.choice(self.snapshots)

    def site(self, exception: str = "IndexError") -> Site:
        self.line += 1
        return self.builder.site(exception, self.line, 1, "guard")

    def clamped(self, value: Value, low: Value, high: Value) -> Value:
        return self.builder.binary(BinaryKind.MIN, self.builder.binary(BinaryKind.MAX, value, low), high)

    def below(self, bound: int) -> Value:
        return self.builder.binary(BinaryKind.MOD, self.number(), self.builder.const(bound))

    def place(self, size: int) -> tuple[Value, int]:
        """Base and displacement of `size` bytes that a check has shown to lie within the packet."""
        builder, displacement = self.builder, self.generator.choice((0, 0, 4, 12, -2))
        chance = self.generator.random()
        if chance < 0.1:
            base = self.number()
        elif chance < 0.5:
            base = builder.binary(BinaryKind.AND, self.number(), builder.const(31))
        else:
            base = builder.const(self.generator.choice((2, 14, 34)))
        start = builder.binary(BinaryKind.ADD, base, builder.const(displacement))
        builder.check(builder.compare(Predicate.GE, start, builder.const(0)), self.site())
        end = builder.binary(BinaryKind.ADD, start, builder.const(size))
        builder.check(builder.compare(Predicate.LE, end, self.length), self.site())
        return base, displacement

    # Statements

    def statements(self, depth: int) -> None:
        for _ in range(self.generator.randint(1, 6)):
            if self.left <= 0 or self.builder.current is None:
                return
            self.left -= 1
            choices: list[Callable[[], None]] = [
                self.arithmetic, self.arithmetic, self.arithmetic, self.division, self.logic, self.logic, self.table,
                self.surroundings, self.load, self.load, self.load_bytes, self.find, self.store, self.store_bytes,
                self.map_access, self.assertion,
            ]  # fmt: skip
            if depth < 3:
                choices += [lambda: self.conditional(depth), lambda: self.conditional(depth), lambda: self.loop(depth)]
            self.generator.choice(choices)()

    def within_window(self, value: Value) -> Value:
        if self.generator.random() < 0.5:
            return self.builder.window(value, self.site("OverflowError"))
        return self.builder.emit(Wrap(value, self.generator.choice(_SCALARS)))

    def arithmetic(self) -> None:
        builder, kind = self.builder, self.generator.choice(_EXACT + _NARROWING)
        a = self.number()
        b = self.number()
        if kind is BinaryKind.SHL:
            b = builder.binary(BinaryKind.AND, b, builder.const(63))
        if kind not in (BinaryKind.MIN, BinaryKind.MAX) and self.generator.random() < 0.4:
            self.ints.append(builder.binary(kind, a, b, self.generator.choice((8, 16, 32, 64))))
        else:
            self.ints.append(self.within_window(builder.binary(kind, a, b)))

    def division(self) -> None:
        builder, kind = self.builder, self.generator.choice((BinaryKind.FLOORDIV, BinaryKind.MOD, BinaryKind.SHR))
        b = self.number()
        if kind is BinaryKind.SHR:
            b = self.clamped(b, builder.const(0), builder.const(63))
        else:
            builder.check(builder.compare(Predicate.NE, b, builder.const(0)), self.site("ZeroDivisionError"))
        self.ints.append(self.within_window(builder.binary(kind, self.number(), b)))

    def logic(self) -> None:
        builder = self.builder
        match self.generator.randrange(6):
            case 0:
                self.bools.append(builder.logical_not(self.flag()))
            case 1:
                kind = self.generator.choice((BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR))
                self.bools.append(builder.binary(kind, self.flag(), self.flag()))
            case 2:
                self.ints.append(builder.select(self.flag(), self.number(), self.number()))
            case 3:
                self.ints.append(builder.emit(Wrap(self.flag(), self.generator.choice(_SCALARS))))
            case 4:
                predicate, a, b = self.generator.choice((Predicate.EQ, Predicate.NE)), self.snapshot(), self.snapshot()
                equal = a.type == b.type
                self.bools.append(builder.compare(predicate, *((a, b) if equal else (self.flag(), self.flag()))))
            case _:
                self.bools.append(builder.compare(self.generator.choice(list(Predicate)), self.number(), self.number()))

    def table(self) -> None:
        builder = self.builder
        match self.generator.randrange(3):
            case 0:
                table = builder.range_table("ports", [(0, 20), (80, 80), (443, 65535)])
                self.bools.append(builder.emit(InSet(self.number(), table)))
            case 1:
                values = builder.value_table("primes", (2, 3, 5, 7, -11))
                self.ints.append(builder.emit(Lookup(self.below(5), values)))
            case _:
                data = self.snapshot()
                assert isinstance(data.type, Bytes)
                self.ints.append(builder.emit(Item(data, self.below(data.type.size))))

    def surroundings(self) -> None:
        if self.generator.random() < 0.3:
            self.ints.append(self.builder.emit(Random(self.builder.const(self.generator.randrange(3)))))
        else:
            self.ints.append(self.builder.emit(Context(self.generator.choice(list(ContextField)))))

    def load(self) -> None:
        size = self.generator.choice((1, 2, 3, 4, 6, 8, 16))
        loaded = self.builder.emit(Load(*self.place(size), size, self.generator.choice(list(ByteOrder))))
        self.ints.append(loaded if size <= 8 else self.within_window(loaded))

    def load_bytes(self) -> None:
        size = self.generator.choice((1, 2, 4, 16))
        self.snapshots.append(self.builder.emit(LoadBytes(*self.place(size), size)))

    def find(self) -> None:
        start = self.clamped(self.number(), self.builder.const(0), self.length)
        end = self.clamped(self.number(), start, self.length)
        self.ints.append(self.builder.emit(Find(start, end, self.generator.choice((b"", b"\0", b"\x08\x00", b"GET")))))

    def store(self) -> None:
        size = self.generator.choice((1, 2, 4, 8))
        value = self.number()
        base, displacement = self.place(size)
        self.builder.emit(Store(base, displacement, size, value, self.generator.choice(list(ByteOrder))))

    def store_bytes(self) -> None:
        value = self.snapshot()
        assert isinstance(value.type, Bytes)
        self.builder.emit(StoreBytes(*self.place(value.type.size), value))

    def map_access(self) -> None:
        declaration = self.generator.choice((RECORDS, COUNTS))
        index, field = self.below(declaration.capacity), self.generator.choice(declaration.layout.fields).name
        match self.generator.randrange(3):
            case 0:
                self.ints.append(self.builder.emit(MapLoad(declaration, index, field)))
            case 1:
                self.builder.emit(MapStore(declaration, index, field, self.number()))
            case _:
                self.builder.emit(MapAdd(declaration, index, field, self.number()))

    def assertion(self) -> None:
        likely = self.builder.binary(BinaryKind.OR, self.flag(), self.flag())
        self.builder.check(likely, self.site("AssertionError"))

    # Control

    def end(self) -> None:
        if self.builder.current is None:
            return
        if self.generator.random() < 0.1:
            self.builder.raise_(self.site("AssertionError"))
        else:
            self.builder.ret(self.below(5), self.builder.const(self.generator.choice((-1, 0, 3))))

    def arm(self, block: BasicBlock, after: BasicBlock, depth: int) -> tuple[BasicBlock | None, Value, Value]:
        """Write one way of a conditional in a scope of its own; the block it ends in, None where it does not go on."""
        builder, scopes = self.builder, (self.ints[:], self.bools[:], self.snapshots[:])
        builder.position(block)
        if self.generator.random() < 0.8:
            self.statements(depth + 1)
        if self.generator.random() < 0.15:
            self.end()
        last, number, flag = builder.current, self.generator.choice(self.ints), self.flag()
        if last is not None:
            builder.jump(after)
        self.ints, self.bools, self.snapshots = scopes
        return last, number, flag

    def conditional(self, depth: int) -> None:
        builder = self.builder
        then, other, after = builder.block("then"), builder.block("else"), builder.block("after")
        condition = self.flag() if self.generator.random() < 0.9 else builder.const(self.generator.random() < 0.5)
        builder.branch(condition, then, other)
        arms = [self.arm(then, after, depth), self.arm(other, after, depth)]
        if not any(last for last, _, _ in arms):
            return
        builder.position(after)
        self.ints.append(builder.phi(INT, {last: number for last, number, _ in arms if last}))
        self.bools.append(builder.phi(BOOL, {last: flag for last, _, flag in arms if last}))

    def loop(self, depth: int) -> None:
        """A counted loop with a value carried round, and sometimes a way out in the middle."""
        builder = self.builder
        before, zero, carried_first = builder.current, builder.const(0), self.number()
        assert before is not None
        header, body, after = builder.block("header"), builder.block("body"), builder.block("out")
        builder.jump(header)
        builder.position(header)
        count, carried = builder.phi(INT, {before: zero}), builder.phi(INT, {before: carried_first})
        bound = builder.const(self.generator.randint(0, 4))
        builder.branch(builder.compare(Predicate.LT, count, bound), body, after)
        self.ints += [count, carried]
        outer = self.ints[:], self.bools[:], self.snapshots[:]
        builder.position(body)
        self.statements(depth + 1)
        if builder.current is not None:
            last_carried = self.generator.choice(self.ints)
            following = builder.binary(BinaryKind.ADD, count, builder.const(1))
            count.incoming[builder.current], carried.incoming[builder.current] = following, last_carried
            builder.jump(header)
        self.ints, self.bools, self.snapshots = outer
        builder.position(after)


@st.composite
def functions(draw: st.DrawFn, max_size: int = 25) -> Function:
    """A well-formed function of up to about `max_size` statements."""
    generator = draw(st.randoms(use_true_random=False))
    return _Maker(generator, draw(st.integers(1, max_size))).make()


def function_of(seed: int, size: int = 25) -> Function:
    """The function that belongs to `seed`, without hypothesis: for many runs and for timing."""
    return _Maker(Generator(seed), size).make()


def packets() -> st.SearchStrategy[bytes]:
    """Packet bytes, often long enough for the checks of generated functions to pass."""
    return st.binary(max_size=4) | st.binary(min_size=60, max_size=MAX_LENGTH)


def infos() -> st.SearchStrategy[PacketInfo]:
    """Surroundings within their documented ranges."""
    u16, u64 = st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1)
    return st.builds(PacketInfo, st.integers(0, 2**32 - 1), u64, u64, u16, u16, u64, u64)


def fresh_maps(function: Function) -> dict[str, bytearray]:
    """Zeroed maps."""
    return {declaration.name: bytearray(declaration.nbytes) for declaration in function.maps}


Effects = tuple[Outcome, bytes, dict[str, bytearray]]
"""All that engines must agree on: the outcome, the packet's bytes and the maps that a run leaves."""
