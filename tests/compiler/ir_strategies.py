"""Random well-formed IR functions whose obligations hold, and packets and maps to run them on.

Every int that later ops may use lies within the language's window, and every access is guarded by a check or made to
fit, so a generated function never runs into `Unsound`: what a pass or an engine makes of it must not either. Each site
has a line of its own, so an Outcome tells which check failed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random as Generator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from nmjit._histogram import bucket_count
from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import (
    BasicBlock,
    BinaryKind,
    BloomAdd,
    BloomTest,
    ByteOrder,
    Context,
    ContextField,
    EventEmit,
    Find,
    Function,
    InSet,
    Item,
    KeyHash,
    Load,
    LoadBytes,
    LogBucket,
    Lookup,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Mirror,
    MoveHead,
    PackKey,
    Predicate,
    Random,
    RateTake,
    Site,
    Store,
    StoreBytes,
    Value,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT, MAX_PACKET, Bytes, Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.mapstate import Entry, MapState, new_states
from nmjit.compiler.outcome import Outcome, PacketInfo

RECORDS = MapDecl("records", MapKind.ARRAY, Layout.of((("small", Scalar(1)), ("signed", Scalar(8, signed=True)))), 4)
COUNTS = MapDecl("counts", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 8, key_base=2)
FLOWS = MapDecl(
    "flows", MapKind.LRU, Layout.of((("packets", Scalar(8)), ("small", Scalar(1, signed=True)))), 16,
    key=(4, 1), key_types=("u32", "bool"),
)  # fmt: skip
NAMES = MapDecl("names", MapKind.HASH, Layout.of((("", Scalar(4)),)), 4, key=(8,), key_types=("i64",))
ROUTES = MapDecl("routes", MapKind.LPM, Layout.of((("", Scalar(2)),)), 8, key=(4,), key_types=("IPv4Address",))
LIMITS = MapDecl(
    "limits", MapKind.ARRAY, Layout.of(tuple((name, Scalar(8)) for name in ("credit", "stamp", "rate", "burst"))), 2
)
SEEN = MapDecl("seen", MapKind.BLOOM, Layout.of(tuple((f"word{n}", Scalar(4)) for n in range(8))), 2, key=(2,))
SIZES = MapDecl("sizes", MapKind.HISTOGRAM, Layout.of((("", Scalar(8)),)), bucket_count(2), detail=2)
LOG = MapDecl("log", MapKind.EVENTS, Layout.of((("a", Scalar(2)), ("b", Scalar(8, signed=True)))), 3)
MAPS = (RECORDS, COUNTS, FLOWS, NAMES, ROUTES, LIMITS, SEEN, SIZES, LOG)
FIRST_ENTRIES: dict[MapDecl, list[Entry]] = {
    FLOWS: [(number, 0, number, -number) for number in range(16)],
    NAMES: [(-1, 7), (3, 8)],
    ROUTES: [(0, 0, 1), (0x0A000000, 8, 2), (0x0A0A0A00, 24, 3), (0x0A0A0A0A, 32, 4)],
    LIMITS: [(2 * 10**9, 0, 1000, 3), (0, 0, 2**32 - 1, 2**32 - 1)],
}
"""What `fresh_maps` puts into the maps of generated functions: a full set, a table half full, networks, buckets."""
_FLOWS = (0, 0, 1, 2, 16, 17)
"""Keys to ask for: those whose entries would go first, and some that are not there."""
_ADDRESSES = (0, 0x0A000001, 0x0A0A0A0A, 0x0A0A0AFF, 0xC0000201)
MAX_LENGTH = 96

_SMALL = (0, 1, 2, 3, 7, 8, 14, 20, 63, 64, -1, -5)
_INTERESTING = (*_SMALL, 255, 256, 0x0800, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1, -(2**63))
_EXACT = (BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MUL, BinaryKind.SHL)
_NARROWING = (BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR, BinaryKind.MIN, BinaryKind.MAX)
_SCALARS = tuple(Scalar(size, signed) for size in (1, 2, 4, 8) for signed in (False, True))


class _Arm(NamedTuple):
    """One way of a conditional: the block it ends in, None where it does not go on, and values to go on with."""

    last: BasicBlock | None
    number: Value
    flag: Value
    head: Value | None


class _Maker:
    """Writes one function. Scopes hold the values that dominate the place being written."""

    def __init__(self, generator: Generator, size: int) -> None:
        self.generator = generator
        self.left = size
        self.function = Function("generated", maps=list(MAPS))
        self.builder = Builder(self.function)
        self.ints: list[Value] = []
        self.bools: list[Value] = []
        self.snapshots: list[Value] = []
        self.keys: list[tuple[MapDecl, Value, Value]] = []
        """Map, key and hash."""
        self.entries: list[tuple[MapDecl, Value]] = []
        """Map and index of an entry that was found on every way here."""
        self.head: Value | None = None
        """Where the packet begins, in functions that may push and pull."""
        self.line = 0

    def make(self) -> Function:
        builder = self.builder
        builder.position(builder.block("entry"))
        self.length = builder.emit(Context(ContextField.LENGTH))
        self.ints = [self.length, builder.const(self.generator.choice(_INTERESTING))]
        self.bools = [builder.compare(Predicate.GE, self.length, builder.const(20))]
        self.snapshots = [builder.const(b"\x08\x00")]
        if self.generator.random() < 0.4:
            self.head = builder.const(0)
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

    def start(self) -> Value:
        """Offset at which the packet begins."""
        return self.builder.const(0) if self.head is None else self.head

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
        builder.check(builder.compare(Predicate.GE, start, self.start()), self.site())
        end = builder.binary(BinaryKind.ADD, start, builder.const(size))
        builder.check(builder.compare(Predicate.LE, end, self.length), self.site())
        return base, displacement

    # Statements

    def statements(self, depth: int) -> None:
        for _ in range(self.generator.randint(1, 6 if depth else 12)):
            if self.left <= 0 or self.builder.current is None:
                return
            self.left -= 1
            choices: list[Callable[[], None]] = [
                self.arithmetic, self.arithmetic, self.arithmetic, self.division, self.logic, self.logic, self.table,
                self.surroundings, self.load, self.load, self.load_bytes, self.find, self.store, self.store_bytes,
                self.store_pair, self.map_access, self.assertion, self.look_ups, self.look_ups, self.entry_access,
                self.entry_access, self.other_maps, self.other_maps, self.mirror,
            ]  # fmt: skip
            if self.head is not None:
                choices.append(self.move_head)
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
        start = self.clamped(self.number(), self.start(), self.length)
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

    def store_pair(self) -> None:
        """Two stores side by side, often with something between them."""
        base, displacement = self.place(4)
        self.builder.emit(Store(base, displacement, 2, self.number()))
        if self.generator.random() < 0.6:
            self.generator.choice((self.mirror, self.entry_access, self.other_maps, self.look_ups, self.load))()
        self.builder.emit(Store(base, displacement + 2, 2, self.number()))

    def map_access(self) -> None:
        declaration = self.generator.choice((RECORDS, COUNTS))
        self.entries.append((declaration, self.below(declaration.capacity)))
        self.access(*self.entries[-1])

    def access(self, declaration: MapDecl, index: Value) -> None:
        """Read and write one entry a few times."""
        for _ in range(self.generator.randint(1, 3)):
            field = self.generator.choice(declaration.layout.fields).name
            match self.generator.randrange(4):
                case 0 | 1:
                    self.ints.append(self.builder.emit(MapLoad(declaration, index, field)))
                    self.tell(self.ints[-1])
                case 2:
                    self.builder.emit(MapStore(declaration, index, field, self.number()))
                case _:
                    self.builder.emit(MapAdd(declaration, index, field, self.number()))

    def tell(self, value: Value) -> None:
        """Let a value show in the maps that a run leaves."""
        if value.type is BOOL:
            value = self.builder.emit(Wrap(value, Scalar(1)))
        place = self.builder.const(self.generator.randrange(RECORDS.capacity))
        self.builder.emit(MapAdd(RECORDS, place, "signed", value))

    def key(self, declaration: MapDecl) -> tuple[Value, Value]:
        """Key and hash: often those of a look-up before."""
        builder, known = self.builder, [(key, hashed) for decl, key, hashed in self.keys if decl is declaration]
        if known and self.generator.random() < 0.5:
            return self.generator.choice(known)
        if declaration is FLOWS:
            number = self.below(24) if self.generator.random() < 0.3 else builder.const(self.generator.choice(_FLOWS))
            parts: tuple[Value, ...] = (number, builder.const(0) if self.generator.random() < 0.8 else self.flag())
        else:
            parts = (self.generator.choice((self.number(), builder.const(-1), builder.const(3))),)
        key = builder.emit(PackKey(parts, declaration.key))
        hashed = builder.emit(KeyHash(declaration, key))
        self.keys.append((declaration, key, hashed))
        return key, hashed

    def look_ups(self) -> None:
        declaration = self.generator.choice((FLOWS, FLOWS, NAMES))
        for _ in range(self.generator.randint(1, 4)):
            self.look_up(declaration)

    def look_up(self, declaration: MapDecl) -> None:
        """Find, make or delete an entry, and go on with it where it is there."""
        builder, (key, hashed) = self.builder, self.key(declaration)
        match self.generator.randrange(6):
            case 0:
                self.bools.append(builder.emit(MapDelete(declaration, key, hashed)))
                self.tell(self.bools[-1])
                return
            case 1 | 2:
                values = tuple(self.number() for _ in declaration.layout.fields)
                index: Value = builder.emit(MapInsert(declaration, key, hashed, values))
            case _:
                index = builder.emit(MapFind(declaration, key, hashed, self.generator.random() < 0.5))
        self.use(declaration, index)

    def use(self, declaration: MapDecl, index: Value) -> None:
        """Go on with an entry that may not be there: not at all, behind a check, or in an arm of its own.

        Which index an entry has is not for others to see: engines differ in it.
        """
        builder = self.builder
        if self.generator.random() < 0.2:
            return
        there = builder.compare(Predicate.GE, index, builder.const(0))
        self.bools.append(there)
        match self.generator.randrange(5):
            case 0 | 1:
                self.tell(there)
            case 2:
                builder.check(there, self.site("KeyError"))
                self.entries.append((declaration, index))
            case _:
                found, after = builder.block("found"), builder.block("after")
                builder.branch(there, found, after)
                builder.position(found)
                scope = self.ints[:]
                self.access(declaration, index)
                self.ints = scope
                builder.jump(after)
                builder.position(after)

    def entry_access(self) -> None:
        if self.entries:
            self.access(*self.generator.choice(self.entries))

    def other_maps(self) -> None:
        builder = self.builder
        match self.generator.randrange(6):
            case 0:
                address: Value = builder.const(self.generator.choice(_ADDRESSES))
                if self.generator.random() < 0.5:
                    address = builder.emit(Wrap(self.number(), Scalar(4)))
                self.use(ROUTES, builder.emit(LpmFind(ROUTES, address)))
            case 1 | 2:
                key = builder.emit(PackKey((self.below(10),), SEEN.key))
                hashed = builder.emit(KeyHash(SEEN, key))
                for _ in range(self.generator.randint(1, 3)):
                    kind = self.generator.choice((BloomTest, BloomTest, BloomAdd))
                    self.bools.append(builder.emit(kind(SEEN, hashed)))
                    self.tell(self.bools[-1])
            case 3:
                bucket = builder.emit(LogBucket(builder.emit(Wrap(self.number(), Scalar(8))), SIZES.detail))
                builder.emit(MapAdd(SIZES, bucket, "", builder.const(1)))
            case 4:
                index, now = self.below(LIMITS.capacity), builder.emit(Context(ContextField.NOW))
                for _ in range(self.generator.randint(1, 2)):
                    self.tell(builder.emit(MapLoad(LIMITS, index, "credit")))
                    self.bools.append(builder.emit(RateTake(LIMITS, index, self.below(4), now)))
                    self.tell(self.bools[-1])
            case _:
                builder.emit(EventEmit(LOG, (self.number(), self.number())))

    def mirror(self) -> None:
        self.builder.emit(Mirror(self.start(), self.builder.const(self.generator.randrange(3))))

    def move_head(self) -> None:
        """Push or pull, behind the check that goes with it."""
        builder, old = self.builder, self.start()
        count = builder.const(self.generator.choice((1, 2, 4, 14, 128)))
        if self.generator.random() < 0.5:
            head = builder.binary(BinaryKind.SUB, old, count)
            longer = builder.binary(BinaryKind.SUB, self.length, head)
            fits = builder.compare(Predicate.LE, longer, builder.emit(Context(ContextField.ROOM)))
        else:
            head = builder.binary(BinaryKind.ADD, old, count)
            fits = builder.compare(Predicate.LE, head, self.length)
        builder.check(fits, self.site())
        builder.emit(MoveHead(old, head))
        self.head = head

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

    def scope(self) -> tuple[object, ...]:
        return self.ints[:], self.bools[:], self.snapshots[:], self.keys[:], self.entries[:], self.head

    def leave(self, scope: tuple[Any, ...]) -> None:
        self.ints, self.bools, self.snapshots, self.keys, self.entries, self.head = scope

    def arm(self, block: BasicBlock, after: BasicBlock, depth: int) -> _Arm:
        """Write one way of a conditional in a scope of its own."""
        builder, scope = self.builder, self.scope()
        builder.position(block)
        if self.generator.random() < 0.8:
            self.statements(depth + 1)
        if self.generator.random() < 0.15:
            self.end()
        arm = _Arm(builder.current, self.generator.choice(self.ints), self.flag(), self.head)
        if arm.last is not None:
            builder.jump(after)
        self.leave(scope)
        return arm

    def conditional(self, depth: int) -> None:
        builder = self.builder
        then, other, after = builder.block("then"), builder.block("else"), builder.block("after")
        condition = self.flag() if self.generator.random() < 0.9 else builder.const(self.generator.random() < 0.5)
        builder.branch(condition, then, other)
        arms = [self.arm(then, after, depth), self.arm(other, after, depth)]
        if not any(arm.last for arm in arms):
            return
        builder.position(after)
        self.ints.append(builder.phi(INT, {arm.last: arm.number for arm in arms if arm.last}))
        self.bools.append(builder.phi(BOOL, {arm.last: arm.flag for arm in arms if arm.last}))
        if self.head is not None:
            self.head = builder.phi(INT, {arm.last: arm.head for arm in arms if arm.last and arm.head})

    def loop(self, depth: int) -> None:
        """A counted loop with a value carried round, and sometimes a way out in the middle."""
        builder = self.builder
        before, zero, carried_first = builder.current, builder.const(0), self.number()
        assert before is not None
        header, body, after = builder.block("header"), builder.block("body"), builder.block("out")
        builder.jump(header)
        builder.position(header)
        count, carried = builder.phi(INT, {before: zero}), builder.phi(INT, {before: carried_first})
        head = None if self.head is None else builder.phi(INT, {before: self.head})
        self.head = head
        bound = builder.const(self.generator.randint(0, 4))
        builder.branch(builder.compare(Predicate.LT, count, bound), body, after)
        self.ints += [count, carried]
        outer = self.scope()
        builder.position(body)
        self.statements(depth + 1)
        if builder.current is not None:
            last_carried = self.generator.choice(self.ints)
            following = builder.binary(BinaryKind.ADD, count, builder.const(1))
            count.incoming[builder.current], carried.incoming[builder.current] = following, last_carried
            if head is not None:
                head.incoming[builder.current] = self.start()
            builder.jump(header)
        self.leave(outer)
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


_MAX_ROOM = st.just(MAX_PACKET)


def infos(room: st.SearchStrategy[int] = _MAX_ROOM) -> st.SearchStrategy[PacketInfo]:
    """Surroundings within their documented ranges, of packets that may have up to `room` bytes."""
    u16, u64 = st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1)
    return st.builds(PacketInfo, st.integers(0, 2**32 - 1), u64, u64, u16, u16, u64, u64, room)


def fresh_maps(function: Function) -> dict[str, MapState]:
    """Maps as functions of this file find them, empty ones for others."""
    states = new_states(function.maps)
    for declaration, entries in FIRST_ENTRIES.items():
        if declaration in function.maps:
            states[declaration.name].load(entries)
    return states


Effects = tuple[Outcome, bytes, dict[str, list[Entry]]]
"""All that engines must agree on: the outcome, the packet's bytes and the maps that a run leaves."""
