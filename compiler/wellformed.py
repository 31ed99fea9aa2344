"""Whether IR makes sense: what must hold of every function between any two stages of the compiler.

Findings are values, to be asserted empty by tests or printed under their ops. Checked are the shape of blocks, that
definitions dominate uses, that phis match predecessors, operand types, and the parameters of ops (sizes, moduli, map
kinds, keys and fields, tables, sites). What must hold at run time (bounds, divisors) is the verifier's.

This file must not know: values at run time, the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from nmjit._hash import MAX_KEY
from nmjit._histogram import MAX_PRECISION
from nmjit._rate import RateLimit
from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    BloomAdd,
    BloomTest,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    EventEmit,
    Find,
    Function,
    InSet,
    Item,
    Jump,
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
    Not,
    Op,
    PackKey,
    Phi,
    Predicate,
    Prefetch,
    Raise,
    Random,
    RangeTable,
    RateTake,
    Return,
    Select,
    Store,
    StoreBytes,
    Table,
    Value,
    Window,
    Wrap,
    writes_memory,
)
from nmjit.compiler.irtypes import BOOL, INT, MAX_SNAPSHOT, VOID, Bytes, Layout, MapDecl, MapKind, Scalar, Type

_TERMINATORS: Final = frozenset((Jump, Branch, Return, Raise))
_ACCESS_SIZES: Final = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 16))
_SCALAR_SIZES: Final = frozenset((1, 2, 4, 8, 16))
_MODULI: Final = frozenset((8, 16, 32, 64))
_LOGICAL: Final = frozenset((BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR))
_MODULAR: Final = _LOGICAL | {BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MUL, BinaryKind.SHL}
_KEY_SIZES: Final = frozenset((1, 2, 4, 6, 8, 16))
_KEYED: Final = frozenset((MapKind.HASH, MapKind.LRU))
_HASHED: Final = _KEYED | {MapKind.BLOOM}
_DENSE: Final = frozenset((MapKind.ARRAY, MapKind.COUNTER, MapKind.HISTOGRAM))
_WITH_ENTRIES: Final = _KEYED | _DENSE | {MapKind.LPM}
_KINDS: Final[dict[type[Op], frozenset[MapKind]]] = {
    MapLoad: _WITH_ENTRIES,
    MapStore: _WITH_ENTRIES,
    MapAdd: _WITH_ENTRIES,
    KeyHash: _HASHED,
    MapFind: _KEYED,
    MapInsert: _KEYED,
    MapDelete: _KEYED,
    LpmFind: frozenset((MapKind.LPM,)),
    BloomTest: frozenset((MapKind.BLOOM,)),
    BloomAdd: frozenset((MapKind.BLOOM,)),
    RateTake: _WITH_ENTRIES - {MapKind.COUNTER, MapKind.HISTOGRAM},
    EventEmit: frozenset((MapKind.EVENTS,)),
    Prefetch: _HASHED | {MapKind.LPM, MapKind.ARRAY},
}
"""Ops that name a map, and the kinds that each may name."""
_BUCKET: Final = Layout.of(tuple((field.name, Scalar(field.width.bits // 8)) for field in RateLimit.__struct__))


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: the op or block that has it, and what is wrong, in words."""

    where: Op | BasicBlock
    message: str


def findings(function: Function, *, is_slice: bool = False) -> list[Finding]:
    """All faults of `function`; an empty list where it is well-formed.

    Faults of shape (terminators, targets) come alone: while there are any, nothing else is looked at. `is_slice` where
    the function is to run ahead of the filter: then it may prefetch, and may have no effect.
    """
    shape = list(_shape(function))
    if shape:
        return shape
    return [
        *_reachability(function), *_definitions(function), *_phis(function), *_ops(function),
        *_effects(function, is_slice),
    ]  # fmt: skip


def _shape(function: Function) -> Iterator[Finding]:
    blocks = set(function.blocks)
    labels = Counter(block.label for block in function.blocks)
    seen: set[Op] = set()
    for block in function.blocks:
        if labels[block.label] > 1:
            yield Finding(block, f"the label {block.label} is not unique")
        if not block.ops or type(block.ops[-1]) not in _TERMINATORS:
            yield Finding(block, "ends in no terminator")
        for op in block.ops:
            if op in seen:
                yield Finding(op, "stands in the function twice")
            seen.add(op)
        for op in block.ops[:-1]:
            if type(op) in _TERMINATORS:
                yield Finding(op, "a terminator may only come last")
        for target in _targets(block):
            if target not in blocks:
                yield Finding(block, f"leads to {target.label}, which is no block of the function")
            elif target is function.entry:
                yield Finding(block, "leads to the entry")


def _targets(block: BasicBlock) -> tuple[BasicBlock, ...]:
    match block.ops[-1:]:
        case [Jump(target=target)]:
            return (target,)
        case [Branch(then=then, other=other)]:
            return (then, other)
    return ()


def _reachability(function: Function) -> Iterator[Finding]:
    reachable = set(function.reverse_postorder())
    for block in function.blocks:
        if block not in reachable:
            yield Finding(block, "cannot be reached")


def _definitions(function: Function) -> Iterator[Finding]:
    """Every operand is defined on all ways to its use; a phi uses its operands at the end of the predecessors."""
    tree = DominatorTree.of(function)
    place = {op: (block, number) for block in function.blocks for number, op in enumerate(block.ops)}

    def defined(value: Value, block: BasicBlock, number: int) -> bool:
        if value not in place:
            return False
        home, position = place[value]
        if home is block:
            return position < number
        return home in tree.first and block in tree.first and tree.dominates(home, block)

    for block in tree.first:
        for number, op in enumerate(block.ops):
            if isinstance(op, Phi):
                for source, value in op.incoming.items():
                    if not defined(value, source, len(source.ops)):
                        yield Finding(op, f"the value from {source.label} is not defined there")
            elif not all(defined(operand, block, number) for operand in op.operands()):
                yield Finding(op, "uses a value that is not defined on every way here")


def _phis(function: Function) -> Iterator[Finding]:
    predecessors = function.predecessors()
    for block in function.blocks:
        expected, body_seen = set(predecessors[block]), False
        for op in block.ops:
            if not isinstance(op, Phi):
                body_seen = True
                continue
            if body_seen:
                yield Finding(op, "a phi may not follow another op")
            if not expected:
                yield Finding(op, "a phi needs predecessors")
            for missing in expected - op.incoming.keys():
                yield Finding(op, f"has no value for predecessor {missing.label}")
            for extra in op.incoming.keys() - expected:
                yield Finding(op, f"has a value for {extra.label}, which is no predecessor")


def _ops(function: Function) -> Iterator[Finding]:
    sites, maps, tables = set(function.sites), set(function.maps), set(function.tables)
    faulty_tables = {table: message for table in function.tables for message in _table_faults(table)}
    faulty_maps = {decl: message for decl in function.maps for message in _map_faults(decl)}
    for op in function.ops():
        for message in _PARAMETERS[type(op)](op):
            yield Finding(op, message)
        match op:
            case Window(site=site) | Check(site=site) | Raise(site=site) if site not in sites:
                yield Finding(op, "names a site that the function does not list")
            case _ if (kinds := _KINDS.get(type(op))) is not None:
                for message in _named_map(op.map, kinds, maps, faulty_maps):  # type: ignore[attr-defined]
                    yield Finding(op, message)
            case InSet(table=table) | Lookup(table=table):
                if table not in tables:
                    yield Finding(op, "names a table that the function does not list")
                elif table in faulty_tables:
                    yield Finding(op, faulty_tables[table])


def _effects(function: Function, is_slice: bool) -> Iterator[Finding]:
    """A filter does not prefetch; a slice does nothing else."""
    for op in function.ops():
        match op:
            case Prefetch():
                if not is_slice:
                    yield Finding(op, "prefetches in a function that is no slice")
            case _ if is_slice and (writes_memory(op) or (isinstance(op, MapFind) and op.touch)):
                yield Finding(op, "has an effect in a slice")


def _named_map(
    decl: MapDecl, kinds: frozenset[MapKind], listed: set[MapDecl], faulty: dict[MapDecl, str]
) -> Iterator[str]:
    if decl not in listed:
        yield "names a map that the function does not list"
    if decl in faulty:
        yield faulty[decl]
    if decl.kind not in kinds:
        yield f"map {decl.name} is of kind {decl.kind}, which has no such op"


def _map_faults(decl: MapDecl) -> Iterator[str]:
    """What is wrong with a declaration; of an LPM, the key is one address."""
    if decl.capacity < 1:
        yield f"map {decl.name} has no entries"
    if bool(decl.key) is not (decl.kind in _HASHED or decl.kind is MapKind.LPM):
        yield f"map {decl.name} has {'a' if decl.key else 'no'} key"
    parts = 1 if decl.kind is MapKind.LPM else MAX_KEY
    if not _KEY_SIZES.issuperset(decl.key) or decl.key_size > MAX_KEY or len(decl.key) > parts:
        yield f"map {decl.name} can have no such key"
    if decl.key_types and len(decl.key_types) != len(decl.key):
        yield f"map {decl.name} does not name the type of each part of its key"


def _table_faults(table: Table) -> Iterator[str]:
    if not isinstance(table, RangeTable):
        if not table.values:
            yield f"table {table.name} is empty"
    elif any(low > high for low, high in table.ranges):
        yield f"table {table.name} has a range that ends before it begins"
    elif any(before[1] + 1 >= after[0] for before, after in zip(table.ranges, table.ranges[1:], strict=False)):
        yield f"table {table.name} is not sorted, disjoint and non-adjacent"


# One rule for each class of op: what is wrong with its own types and parameters.


def _typed(*expected: tuple[Value, Type]) -> Iterator[str]:
    for value, wanted in expected:
        if value.type != wanted:
            yield f"an operand is {value.type}, not {wanted}"


def _const(op: Const) -> Iterator[str]:
    if isinstance(op.value, bytes) and not 1 <= len(op.value) <= MAX_SNAPSHOT:
        yield f"a bytes constant has 1 to {MAX_SNAPSHOT} bytes"


def _phi(op: Phi) -> Iterator[str]:
    if op.type is VOID:
        yield "a phi cannot be void"
    yield from _typed(*((value, op.type) for value in op.incoming.values()))


def _binary(op: Binary) -> Iterator[str]:
    logical = op.kind in _LOGICAL and op.a.type is BOOL
    yield from _typed((op.a, BOOL if logical else INT), (op.b, BOOL if logical else INT))
    if op.modulus is None:
        return
    if op.modulus not in _MODULI:
        yield f"{op.modulus} is no modulus"
    if logical or op.kind not in _MODULAR:
        yield f"{op.kind.value} of {op.a.type} takes no modulus"


def _compare(op: Compare) -> Iterator[str]:
    if op.predicate in (Predicate.EQ, Predicate.NE) and op.a.type is not VOID:
        yield from _typed((op.b, op.a.type))
    else:
        yield from _typed((op.a, INT), (op.b, INT))


def _select(op: Select) -> Iterator[str]:
    if op.a.type is VOID:
        yield "an operand is void"
    yield from _typed((op.condition, BOOL), (op.b, op.a.type))


def _wrap(op: Wrap) -> Iterator[str]:
    if op.a.type is not BOOL:
        yield from _typed((op.a, INT))
    yield from _scalar(op.scalar)


def _scalar(scalar: Scalar) -> Iterator[str]:
    if scalar.size not in _SCALAR_SIZES:
        yield f"no scalar has {scalar.size} bytes"


def _item(op: Item) -> Iterator[str]:
    if not isinstance(op.data.type, Bytes):
        yield f"an operand is {op.data.type}, not bytes"
    yield from _typed((op.index, INT))


def _window(op: Window) -> Iterator[str]:
    if op.site.exception != "OverflowError":
        yield f"a window raises OverflowError, not {op.site.exception}"
    yield from _typed((op.a, INT))


def _size(size: int, allowed: Iterable[int]) -> Iterator[str]:
    if size not in allowed:
        yield f"no access has {size} bytes"


def _load(op: Load) -> Iterator[str]:
    yield from _size(op.size, _ACCESS_SIZES)
    yield from _typed((op.base, INT))


def _load_bytes(op: LoadBytes) -> Iterator[str]:
    yield from _size(op.size, range(1, MAX_SNAPSHOT + 1))
    yield from _typed((op.base, INT))


def _store(op: Store) -> Iterator[str]:
    yield from _size(op.size, _ACCESS_SIZES)
    yield from _typed((op.base, INT), (op.value, INT))


def _store_bytes(op: StoreBytes) -> Iterator[str]:
    if not isinstance(op.value.type, Bytes):
        yield f"an operand is {op.value.type}, not bytes"
    yield from _typed((op.base, INT))


def _map_access(op: MapLoad | MapStore | MapAdd) -> Iterator[str]:
    yield from _typed((op.index, INT))
    if not isinstance(op, MapLoad):
        yield from _typed((op.value, INT))
    if op.field not in {field.name for field in op.map.layout.fields}:
        yield f"map {op.map.name} has no field {op.field!r}"


def _pack_key(op: PackKey) -> Iterator[str]:
    if len(op.parts) != len(op.sizes) or not op.parts:
        yield "a key needs parts, and a size for each"
    for size in op.sizes:
        if size not in _KEY_SIZES:
            yield f"no part of a key has {size} bytes"
    if sum(op.sizes) > MAX_KEY:
        yield f"a key has at most {MAX_KEY} bytes"
    yield from _typed(*((part, INT) for part in op.parts if part.type is not BOOL))


def _key(op: KeyHash | MapFind | MapInsert | MapDelete) -> Iterator[str]:
    if op.key.type != Bytes(op.map.key_size):
        yield f"an operand is {op.key.type}, not {Bytes(op.map.key_size)}"
    if not isinstance(op, KeyHash):
        yield from _typed((op.hash, INT))


def _fields(op: MapInsert | EventEmit) -> Iterator[str]:
    if len(op.values) != len(op.map.layout.fields):
        yield f"map {op.map.name} has {len(op.map.layout.fields)} fields, not {len(op.values)}"
    yield from _typed(*((value, INT) for value in op.values))


def _insert(op: MapInsert) -> Iterator[str]:
    yield from _key(op)
    yield from _fields(op)


def _bucket(op: LogBucket) -> Iterator[str]:
    if not 1 <= op.precision <= MAX_PRECISION:
        yield f"no histogram has {op.precision} bits of precision"
    yield from _typed((op.a, INT))


def _take(op: RateTake) -> Iterator[str]:
    yield from _typed((op.index, INT), (op.amount, INT), (op.now, INT))
    if op.map.layout != _BUCKET:
        yield f"map {op.map.name} does not hold token buckets"


def _fine(_: Op) -> Iterator[str]:
    return iter(())


_PARAMETERS: Final[dict[type[Op], Callable[..., Iterator[str]]]] = {
    Const: _const,
    Phi: _phi,
    Binary: _binary,
    Compare: _compare,
    Not: lambda op: _typed((op.a, BOOL)),
    Select: _select,
    Wrap: _wrap,
    InSet: lambda op: _typed((op.a, INT)),
    Lookup: lambda op: _typed((op.index, INT)),
    Item: _item,
    Window: _window,
    Context: _fine,
    Random: lambda op: _typed((op.call, INT)),
    Load: _load,
    LoadBytes: _load_bytes,
    Find: lambda op: _typed((op.start, INT), (op.end, INT)),
    Store: _store,
    StoreBytes: _store_bytes,
    MapLoad: _map_access,
    MapStore: _map_access,
    MapAdd: _map_access,
    PackKey: _pack_key,
    KeyHash: _key,
    MapFind: _key,
    MapInsert: _insert,
    MapDelete: _key,
    LpmFind: lambda op: _typed((op.address, INT)),
    BloomTest: lambda op: _typed((op.hash, INT)),
    BloomAdd: lambda op: _typed((op.hash, INT)),
    LogBucket: _bucket,
    RateTake: _take,
    EventEmit: _fields,
    MoveHead: lambda op: _typed((op.old, INT), (op.head, INT)),
    Mirror: lambda op: _typed((op.head, INT), (op.port, INT)),
    Prefetch: lambda op: _typed((op.place, INT)),
    Check: lambda op: _typed((op.condition, BOOL)),
    Jump: _fine,
    Branch: lambda op: _typed((op.condition, BOOL)),
    Return: lambda op: _typed((op.verdict, INT), (op.port, INT)),
    Raise: _fine,
}
