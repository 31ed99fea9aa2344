"""Maps: one case for each op that looks into one, and the rule by which a look-up is emitted in line or calls out.

What inserts or deletes calls out (abi.OPS): it is long, and rare beside look-ups. A look-up is in line unless another
worker may give its entry away before the packet ends; then the entry must be held before it is believed, which is C's.

This file must not know: control flow of the filter, packets. Source: maplayout.py, abi.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, TypeAlias

import llvmlite.ir as ll

from nmjit.compiler import emit_int, emit_lpm, emit_packet, emit_rate, emit_ring, emit_sketch, emit_table
from nmjit.compiler.abi import FLAG_HOLD, FLAG_SHARED, FLAG_TOUCH, OPS
from nmjit.compiler.emit_frame import I32, Frame
from nmjit.compiler.emit_int import I64, Number, Range
from nmjit.compiler.ir import (
    BloomAdd,
    BloomTest,
    EventEmit,
    Function,
    KeyHash,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    PackKey,
    RateTake,
    Value,
)
from nmjit.compiler.irtypes import MAX_SNAPSHOT, MapDecl, MapKind, StoredField
from nmjit.compiler.maplayout import PER_WORKER_KINDS, TABLE_KINDS, index_count

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never

MapOp: TypeAlias = (
    PackKey | KeyHash | MapFind | MapInsert | MapDelete | LpmFind | BloomTest | BloomAdd | RateTake | EventEmit
    | MapLoad | MapStore | MapAdd
)  # fmt: skip
_KEY: Final = ll.ArrayType(I64, MAX_SNAPSHOT // 8)
_TABLES: Final = (MapKind.HASH, MapKind.LRU)


@dataclass(frozen=True, slots=True)
class TableUse:
    """How a function goes about one table. `flags` are what its calls say of the table; with `calls`, look-ups are
    calls too, and with `notes` those in line note what they found."""

    flags: int
    calls: bool
    notes: bool

    @property
    def holds(self) -> bool:
        return bool(self.flags & FLAG_HOLD)


def table_uses(function: Function, workers: int, holding: Set[str]) -> dict[str, TableUse]:
    """By name, each HASH and LRU. `holding` are those whose entries one worker alone must hold (holding.py).

    Of a HASH only deleted entries go to other keys, and deleting notes them, so its look-ups never do.
    """
    deleted = {op.map.name for op in function.ops() if isinstance(op, MapDelete)}
    uses = {}
    for decl in function.maps:
        if decl.kind in _TABLES:
            wanted, evicts = decl.name in holding, decl.kind is MapKind.LRU
            calls = workers > 1 and (evicts or wanted or decl.name in deleted)
            flags = (FLAG_HOLD if wanted or calls else 0) | (FLAG_SHARED if workers > 1 else 0)
            uses[decl.name] = TableUse(flags, calls, wanted and evicts and not calls)
    return uses


def slice_uses(function: Function) -> dict[str, TableUse]:
    """As a slice looks: at what is there, without a trace. What it finds it may lose again, for nobody relies on it."""
    return {decl.name: TableUse(0, False, False) for decl in function.maps if decl.kind in _TABLES}


class MapEmitter:
    """Emits the ops on maps of one function."""

    def __init__(self, frame: Frame, function: Function, uses: Mapping[str, TableUse]) -> None:
        self._frame = frame
        self._builder = frame.builder
        self._uses = uses
        self._tables = [decl for decl in function.maps if decl.name in uses]
        self._key_slot: ll.Value | None = None
        self._value_slots: dict[int, ll.Value] = {}

    @property
    def _shared(self) -> bool:
        return self._frame.options.workers > 1

    def start_packet(self) -> None:
        """Let go of what the packet before held."""
        for decl in self._tables:
            if self._uses[decl.name].holds:
                emit_table.release_held(self._builder, self._held(decl))

    def emit(self, op: MapOp) -> None:
        frame, builder = self._frame, self._builder
        match op:
            case PackKey(parts=parts, sizes=sizes):
                pairs = zip(parts, sizes, strict=True)
                registers = [emit_int.resize(builder, frame.as_number(part), 8 * size) for part, size in pairs]
                frame.set_words(op, emit_table.pack_words(builder, registers))
            case KeyHash(map=decl, key=key):
                keyed = decl.kind in TABLE_KINDS
                seed = emit_table.seed(builder, frame.map_base(decl)) if keyed else ll.Constant(I64, 0)
                frame.set_unsigned(op, emit_table.key_hash(builder, frame.words(key), seed))
            case MapFind():
                self._emit_find(op)
            case MapInsert():
                value = self._value_image(op.map, op.values)
                index = self._call("insert", op.map, op.key, op.hash, 0, value)
                self._set_index(op, index)
            case MapDelete():
                index = self._call("remove", op.map, op.key, op.hash, 0)
                frame.registers[op] = builder.icmp_signed(">=", index, ll.Constant(I64, 0))
            case LpmFind(map=decl, address=address):
                self._set_index(op, emit_lpm.find(builder, frame.map_base(decl), decl, frame.numbers[address]))
            case BloomTest(map=decl, hash=hashed):
                base = frame.map_base(decl)
                frame.registers[op] = emit_sketch.bloom_test(builder, base, decl, frame.word(hashed))
            case BloomAdd(map=decl, hash=hashed):
                base = frame.map_base(decl)
                frame.registers[op] = emit_sketch.bloom_add(builder, base, decl, frame.word(hashed), self._shared)
            case RateTake():
                self._emit_take(op)
            case EventEmit(map=decl):
                stored = zip(op.values, decl.layout.fields, strict=True)
                record = [(self._stored(value, field), field) for value, field in stored]
                emit_ring.emit(builder, frame.map_base(decl), decl, record)
            case MapLoad() | MapStore() | MapAdd():
                self._emit_access(op)
            case _:
                assert_never(op)

    def _set_index(self, op: MapFind | MapInsert | LpmFind, index: ll.Value) -> None:
        self._frame.set(op, Number(index, Range(-1, index_count(op.map) - 1)))

    # Tables

    def _held(self, decl: MapDecl) -> ll.Value:
        frame = self._frame
        return emit_table.held_address(self._builder, frame.map_base(decl), decl, frame.use("worker"))

    def _emit_find(self, op: MapFind) -> None:
        frame, builder, decl, use = self._frame, self._builder, op.map, self._uses[op.map.name]
        if use.calls:
            self._set_index(op, self._call("find", decl, op.key, op.hash, FLAG_TOUCH if op.touch else 0))
            return
        words, hashed = frame.words(op.key), frame.word(op.hash)
        index, group, _, absent = emit_table.find(builder, frame.map_base(decl), decl, words, hashed)
        if op.touch and decl.kind is MapKind.LRU and not frame.form.slice:
            emit_table.touch(builder, group, index)
        if use.notes:
            emit_table.hold(builder, self._held(decl), index)
        found, done = builder.block, builder.append_basic_block("table.done")
        builder.branch(done)
        builder.position_at_end(absent)
        builder.branch(done)
        builder.position_at_end(done)
        result = builder.phi(I64, "entry")
        result.add_incoming(index, found)
        result.add_incoming(ll.Constant(I64, -1), absent)
        self._set_index(op, result)

    def _call(
        self, name: str, decl: MapDecl, key: Value, hashed: Value, flags: int, value: ll.Value | None = None
    ) -> ll.Value:
        """Call one of abi.OPS on a table; the i64 that it returns."""
        frame = self._frame
        values = [frame.map_base(decl), self._key_image(key), frame.word(hashed), *([] if value is None else [value])]
        flags |= self._uses[decl.name].flags
        arguments = [*values, frame.use("worker"), ll.Constant(I32, flags)]
        return call_out(frame, name, I64, arguments)

    def _key_image(self, key: Value) -> ll.Value:
        if self._key_slot is None:
            self._key_slot = self._frame.stack(_KEY, "key")
        for place, word in enumerate(self._frame.words(key)):
            address = self._builder.gep(self._key_slot, [ll.Constant(I64, place)], source_etype=I64)
            self._builder.store(word, address, align=8)
        return self._key_slot

    def _value_image(self, decl: MapDecl, values: Sequence[Value]) -> ll.Value:
        """A stored value on the stack, its padding zero."""
        layout = decl.layout
        words = -(-layout.size // 8)
        if words not in self._value_slots:
            self._value_slots[words] = self._frame.stack(ll.ArrayType(I64, words), "value", 16)
        slot = self._value_slots[words]
        if sum(field.scalar.size for field in layout.fields) < 8 * words:
            for place in range(words):
                address = self._builder.gep(slot, [ll.Constant(I64, place)], source_etype=I64)
                self._builder.store(ll.Constant(I64, 0), address, align=8)
        for value, field in zip(values, layout.fields, strict=True):
            address = emit_packet.byte_address(self._builder, slot, ll.Constant(I64, field.offset))
            self._builder.store(self._stored(value, field), address, align=min(field.scalar.size, 8))
        return slot

    # Entries

    def _stored(self, value: Value, field: StoredField) -> ll.Value:
        return emit_int.resize(self._builder, self._frame.as_number(value), 8 * field.scalar.size)

    def _entry(self, decl: MapDecl, index: Value) -> ll.Value:
        """Address of an entry's value."""
        frame = self._frame
        if frame.options.paranoid:
            bounds = Range(0, index_count(decl) - 1)
            frame.require(emit_int.within(self._builder, frame.numbers[index], bounds))
        return emit_packet.entry_address(self._builder, frame.map_base(decl), decl, frame.word(index))

    def _emit_access(self, op: MapLoad | MapStore | MapAdd) -> None:
        frame, builder = self._frame, self._builder
        field = op.map.layout.field(op.field)
        address = emit_packet.byte_address(builder, self._entry(op.map, op.index), ll.Constant(I64, field.offset))
        kind, align = ll.IntType(8 * field.scalar.size), min(field.scalar.size, 8)
        if isinstance(op, MapLoad):
            stored = builder.load(address, typ=kind, align=align)
            frame.set(op, emit_int.from_bits(stored, field.scalar.signed))
            return
        bits = self._stored(op.value, field)
        if isinstance(op, MapStore):
            builder.store(bits, address, align=align)
        elif not self._shared or op.map.kind in PER_WORKER_KINDS:
            stored = builder.load(address, typ=kind, align=align)
            builder.store(builder.add(stored, bits), address, align=align)
        else:
            if kind.width > 64:
                raise OverflowError(f"no indivisible addition to the {kind.width} bits of {op.map.name}.{op.field}")
            builder.atomic_rmw("add", address, bits, "monotonic")

    def _emit_take(self, op: RateTake) -> None:
        frame = self._frame
        entry = self._entry(op.map, op.index)
        amount, now = frame.word(op.amount), frame.word(op.now)
        frame.registers[op] = emit_rate.take(self._builder, entry, op.map.layout, amount, now, self._shared)


def call_out(frame: Frame, name: str, result: ll.Type, arguments: Sequence[ll.Value]) -> ll.Value:
    """Call function `name` of abi.OPS, which raises nothing."""
    builder = frame.builder
    place = emit_packet.byte_address(builder, frame.use("ops"), ll.Constant(I64, OPS.offset(name)))
    kind = ll.FunctionType(result, [argument.type for argument in arguments])
    function = builder.load(place, typ=ll.PointerType(kind), align=8, name=name)
    return builder.call(function, arguments, attrs=("nounwind",))
