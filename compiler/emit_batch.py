"""The batch function: the per-packet function inlined in a loop over the slots of abi.py.

A batch is at most two contiguous runs of slots (a ring wraps once), so the loop body, emitted once, runs in an outer
loop over runs: packet i of a run lies in slot `origin + i`, where the second run's origin lies `first` slots before
the array. Nothing is divided, and no index is wrapped, per packet. Header bytes of the packet `prefetch_distance` ahead
are prefetched, those of a run's first packets before the loop; at a batch's end that is the start of the next one.

With slices (emit_slices.py) a run is cut into groups. Level by level, the slice runs for each packet of the group, then
what its look-ups will touch is prefetched from the places it noted; the packets themselves come last. Headers are then
prefetched in the first level, on into the next group.

Only arguments that the filter reads are loaded. Fields of netmap slots lie in memory shared with the kernel: each is
read once, by an atomic load that LLVM may not repeat, and clamped before use.

This file must not know: IR ops, what the filter does. Source: abi.py; design.md section 2; netmap(4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import llvmlite.ir as ll

from nmjit.compiler import emit_packet, emit_slices
from nmjit.compiler.abi import BATCH, BATCH_SYMBOL, CONTEXT, DESCRIPTOR, NETMAP_SLOT, Accessor, AccessorKind, CStruct
from nmjit.compiler.irtypes import MAX_PACKET

CACHE_LINE: Final = 64
"""Bytes of a cache line."""

_I1: Final = ll.IntType(1)
_I8: Final = ll.IntType(8)
_I16: Final = ll.IntType(16)
_I32: Final = ll.IntType(32)
_I64: Final = ll.IntType(64)
_POINTER: Final = ll.PointerType()

PARAMETERS: Final = {
    "packet": _POINTER,
    "exceptions": _POINTER,
    "sites": _POINTER,
    "length": _I32,
    "wirelength": _I32,
    "timestamp": _I64,
    "now": _I64,
    "port": _I16,
    "queue": _I16,
    "seed": _I64,
    "packet_number": _I64,
    "index": _I64,
    "room": _I32,
    "worker": _I32,
    "ops": _POINTER,
    "context": _POINTER,
}
"""Parameters of the per-packet function, before one pointer a map; ContextField values name theirs."""
_PER_BATCH: Final = {
    "exceptions": CONTEXT,
    "sites": CONTEXT,
    "seed": CONTEXT,
    "port": BATCH,
    "queue": BATCH,
    "worker": CONTEXT,
    "ops": CONTEXT,
}
"""Arguments that are members of a struct, the same for every packet."""


_RESIZED: Final = ("new_len", "head_offset")


def map_argument(place: int) -> str:
    """Name of the parameter that points to map number `place`."""
    return f"map{place}"


@dataclass(frozen=True, slots=True)
class FilterForm:
    """What the per-packet function returns: nothing for a `slice`, else the verdict (i8), the port (i16) with
    `redirects`, and with `resizes` the bytes in the end and where they begin (i32 each).

    `moves_packets` where a push may have to move the packet's bytes; `lists` counts those that a slice notes on.
    """

    redirects: bool = False
    resizes: bool = False
    moves_packets: bool = False
    slice: bool = False
    lists: int = 0

    @property
    def result(self) -> ll.Type:
        if self.slice:
            return ll.VoidType()
        fields = [_I8, *([_I16] if self.redirects else []), *([_I32, _I32] if self.resizes else [])]
        return _I8 if len(fields) == 1 else ll.LiteralStructType(fields)


def declare_filter(module: ll.Module, name: str, maps: int, form: FilterForm) -> ll.Function:
    """The function for one packet without a body."""
    names = [*PARAMETERS, *(map_argument(place) for place in range(maps))]
    for place in range(form.lists):
        names += emit_slices.list_arguments(place)
    kinds = [*PARAMETERS.values(), *([_POINTER] * (len(names) - len(PARAMETERS)))]
    function = ll.Function(module, ll.FunctionType(form.result, kinds), name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    function.attributes.add("nounwind")
    _forbid_libcalls(function)
    for argument, argument_name in zip(function.args, names, strict=True):
        argument.name = argument_name
        if argument.type == _POINTER:
            argument.add_attribute("noalias")  # packets, maps and counters never overlap
    return function


def _forbid_libcalls(function: ll.Function) -> None:
    """Keep LLVM from turning loops into calls of memset and its like."""
    set.add(function.attributes, '"no-builtins"')  # llvmlite's add() knows no string attributes


class LoopNames(NamedTuple):
    """Names of a loop's body, of the block behind it, and of its counter."""

    body: str
    after: str
    counter: str


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What the loop is specialised to. `used` names the arguments (PARAMETERS and maps) that the filter reads.

    `prefetch_distance` in packets, 0 for none; `prefetch_lines` cache lines from each packet's start. `slices` come in
    the order of their levels and run for groups of `slice_group` packets.
    """

    accessor: Accessor
    prefetch_distance: int
    prefetch_lines: int
    maps: int
    form: FilterForm
    used: frozenset[str]
    slices: tuple[emit_slices.Slice, ...] = ()
    slice_group: int = 0


def emit_batch(module: ll.Module, packet_function: ll.Function, shape: BatchShape) -> None:
    """Define `abi.BATCH_SYMBOL` in `module`, with `packet_function` called for each packet."""
    function = ll.Function(module, ll.FunctionType(_I32, [_POINTER, _POINTER]), BATCH_SYMBOL)
    function.attributes.add("nounwind")
    _forbid_libcalls(function)
    for argument, name in zip(function.args, ("batch", "context"), strict=True):
        argument.name = name
        argument.add_attribute("noalias")
        argument.add_attribute("nonnull")
    _BatchEmitter(function, packet_function, shape).emit()


def _word(value: int) -> ll.Constant:
    return ll.Constant(_I64, value)


class _BatchEmitter:
    """Emits the batch function's blocks; holds what is loaded once for the batch."""

    def __init__(self, function: ll.Function, packet_function: ll.Function, shape: BatchShape) -> None:
        self._function = function
        self._packet_function = packet_function
        self._shape = shape
        self._batch, self._context = function.args
        self._builder = ll.IRBuilder(function.append_basic_block("entry"))
        self._slot_struct = NETMAP_SLOT if shape.accessor.kind is AccessorKind.NETMAP else DESCRIPTOR
        per_packet = {"packet", "length", "wirelength"}
        if shape.accessor.kind is AccessorKind.DESCRIPTOR:
            per_packet |= {"timestamp", "now"}
        self._used = shape.used.union(*(part.used for part in shape.slices))
        self._reads_slots = bool(self._used & per_packet) or bool(shape.slices)  # groups are runs of slots

    # Members of structs

    def _member(self, struct: CStruct, address: ll.Value, name: str, *, shared: bool = False) -> ll.Value:
        """Load a member; `shared` with another process, so once and for all."""
        member = next(member for member in struct.members if member.name == name)
        kind = _POINTER if member.pointer else ll.IntType(8 * member.size)
        place = self._builder.gep(address, [_word(struct.offset(name))], inbounds=True, source_etype=_I8)
        if shared:
            return self._builder.load_atomic(place, "unordered", member.size, typ=kind, name=name)
        return self._builder.load(place, typ=kind, align=member.size, name=name)

    def _batch_word(self, name: str) -> ll.Value:
        """A 32-bit member of the batch as an i64."""
        return self._builder.zext(self._member(BATCH, self._batch, name), _I64)

    def _load_batch(self) -> None:
        """Load, before the loop, what stays the same for all packets."""
        builder, used = self._builder, self._used
        self._count = self._batch_word("count")
        self._verdicts = self._member(CONTEXT, self._context, "verdicts")
        names = [*(["ports"] if self._shape.form.redirects else []), *(_RESIZED if self._shape.form.resizes else [])]
        self._results = [self._member(CONTEXT, self._context, name) for name in names]
        self._constants: dict[str, ll.Value] = {"context": self._context}
        for name, struct in _PER_BATCH.items():
            if name in used:
                owner = self._batch if struct is BATCH else self._context
                self._constants[name] = self._member(struct, owner, name)
        for place in range(self._shape.maps):
            if map_argument(place) in used:
                array = self._member(CONTEXT, self._context, "maps")
                address = builder.gep(array, [_word(place)], source_etype=_POINTER)
                self._constants[map_argument(place)] = builder.load(address, typ=_POINTER, align=8)
        if "packet_number" in used:
            self._first_number = self._member(CONTEXT, self._context, "packet_number")
        if used & {"timestamp", "now"} and self._shape.accessor.kind is AccessorKind.NETMAP:
            for name in ("timestamp", "now"):
                self._constants[name] = self._member(CONTEXT, self._context, name)
        if self._reads_slots:
            self._load_slots()
        if "room" in used:
            most = ll.Constant(_I32, MAX_PACKET)
            live = self._shape.accessor.kind is AccessorKind.NETMAP
            room = self._umin(self._member(BATCH, self._batch, "readable"), most) if live else most
            self._constants["room"] = room

    def _load_slots(self) -> None:
        """Where the slots and the buffers lie, and the clamps of both."""
        builder = self._builder
        self._base = self._member(BATCH, self._batch, "base")
        if self._shape.accessor.kind is AccessorKind.NETMAP:
            self._num_bufs = self._member(BATCH, self._batch, "num_bufs")
            self._readable = self._member(BATCH, self._batch, "readable")
            fixed = self._shape.accessor.stride
            self._stride = _word(fixed) if fixed else self._member(BATCH, self._batch, "stride")
        slots = self._member(BATCH, self._batch, "slots")
        head, total = self._batch_word("head"), self._batch_word("num_slots")
        left = builder.sub(total, head)
        self._last_slot = builder.sub(left, _word(1), name="last_slot")
        self._first = builder.select(builder.icmp_unsigned("<", left, self._count), left, self._count, name="first")
        size = _word(self._slot_struct.size)
        self._origin = builder.gep(slots, [builder.mul(head, size)], source_etype=_I8, name="origin")
        back = builder.neg(builder.mul(self._first, size))
        self._wrapped_origin = builder.gep(slots, [back], source_etype=_I8, name="wrapped_origin")
        self._wrapped_last_slot = builder.add(self._first, builder.sub(total, _word(1)))

    # The loop

    def emit(self) -> None:
        builder, append = self._builder, self._function.append_basic_block
        self._load_batch()
        self._now = None
        if "now" in self._used and self._shape.accessor.kind is AccessorKind.DESCRIPTOR:
            self._now = builder.alloca(_I64, name="latest")
            builder.store(self._member(CONTEXT, self._context, "now"), self._now)
        run, exit_block = append("run"), append("exit")
        entry = builder.block
        first = self._first if self._reads_slots else self._count
        builder.branch(run)
        builder.position_at_end(run)
        begin, end = builder.phi(_I64, "begin"), builder.phi(_I64, "end")
        begin.add_incoming(_word(0), entry)
        end.add_incoming(first, entry)
        origin = last = None
        if self._reads_slots:
            origin, last = builder.phi(_POINTER, "run_origin"), builder.phi(_I64, "run_last_slot")
            origin.add_incoming(self._origin, entry)
            last.add_incoming(self._last_slot, entry)
        run_end = self._emit_run(run, begin, end, origin, last)
        builder.position_at_end(run_end)
        if origin is None or last is None:
            builder.branch(exit_block)
        else:
            # The second run, if any, is what is left from the start of the array.
            builder.cbranch(builder.icmp_unsigned("==", end, self._count), exit_block, run)
            origin.add_incoming(self._wrapped_origin, run_end)
            last.add_incoming(self._wrapped_last_slot, run_end)
            begin.add_incoming(end, run_end)
            end.add_incoming(self._count, run_end)
        builder.position_at_end(exit_block)
        if self._now is not None:
            place = builder.gep(self._context, [_word(CONTEXT.offset("now"))], source_etype=_I8)
            builder.store(builder.load(self._now, typ=_I64), place, align=8)
        builder.ret(builder.trunc(self._count, _I32))

    def _emit_run(
        self, run: ll.Block, begin: ll.Value, end: ll.Value, origin: ll.Value | None, last: ll.Value | None
    ) -> ll.Block:
        """Packets begin … end−1; returns the block that follows, still empty.

        `last` is the index of the array's last slot: prefetching goes on beyond the run, into what comes next.
        """
        distance = self._shape.prefetch_distance
        if distance:
            assert origin is not None
            bound = self._umin(end, self._builder.add(begin, _word(distance)))
            prologue = LoopNames("prologue", "prologue_end", "ahead")
            self._loop(begin, bound, prologue, lambda index: self._prefetch(origin, index))
        if self._shape.slices:
            assert origin is not None, "a slice reads packets"
            assert last is not None
            self._emit_groups(begin, end, origin, last)
            return self._builder.block

        def packet(index: ll.Value) -> None:
            if origin is not None and last is not None:
                self._prefetch_ahead(origin, last, index)
            self._emit_call(index, None if origin is None else self._slot(origin, index))

        self._loop(begin, end, LoopNames("packet", "run_end", "index"), packet, rolled=origin is not None)
        return self._builder.block

    def _emit_groups(self, begin: ll.Value, end: ll.Value, origin: ll.Value, last: ll.Value) -> None:
        """As `_emit_run`, in groups, each preceded by its slices."""
        size = self._shape.slice_group
        lists = [
            [emit_slices.NoteList.on_stack(self._builder, size, decl, argument) for decl, argument in part.lists]
            for part in self._shape.slices
        ]

        def group(start: ll.Value) -> None:
            bound = self._umin(self._builder.add(start, _word(size)), end)
            for level, (part, notes) in enumerate(zip(self._shape.slices, lists, strict=True)):
                ahead = last if level == 0 else None
                self._emit_level(part, notes, start, bound, origin, ahead)
            packets = LoopNames("packet", "packet_end", "index")
            self._loop(start, bound, packets, lambda index: self._emit_call(index, self._slot(origin, index)))

        self._loop(begin, end, LoopNames("group", "run_end", "start"), group, step=size)

    def _emit_level(
        self,
        part: emit_slices.Slice,
        lists: list[emit_slices.NoteList],
        start: ll.Value,
        bound: ll.Value,
        origin: ll.Value,
        last: ll.Value | None,
    ) -> None:
        """One level for packets start … bound−1: their slices, then what these noted. `last` in the first level."""
        builder = self._builder
        for notes in lists:
            notes.clear(builder)

        def one_slice(index: ll.Value) -> None:
            if last is not None:
                self._prefetch_ahead(origin, last, index)
            values = self._values(index, self._slot(origin, index), early=True)
            for place, notes in enumerate(lists):
                values |= zip(emit_slices.list_arguments(place), (notes.places, notes.count), strict=True)
            self._call(part.function, values)

        self._loop(start, bound, LoopNames("slice", "slice_end", "early"), one_slice)
        for notes in lists:
            base = self._constants[notes.map_argument]
            touch = LoopNames("touch", "touch_end", "note")

            def one_note(index: ll.Value, notes: emit_slices.NoteList = notes, base: ll.Value = base) -> None:
                emit_slices.touch(builder, base, notes.decl, notes.place(builder, index))

            self._loop(_word(0), notes.length(builder), touch, one_note)

    def _loop(
        self, begin: ll.Value, end: ll.Value, names: LoopNames, body: Callable[[ll.Value], None],
        *, step: int = 1, rolled: bool = True,
    ) -> None:  # fmt: skip
        """`body` for begin, begin + step … below end; the builder is left behind the loop."""
        builder, before = self._builder, self._builder.block
        loop, after = self._function.append_basic_block(names.body), self._function.append_basic_block(names.after)
        builder.cbranch(builder.icmp_unsigned("<", begin, end), loop, after)
        builder.position_at_end(loop)
        index = builder.phi(_I64, names.counter)
        index.add_incoming(begin, before)
        body(index)
        following = builder.add(index, _word(step), flags=["nuw"])
        index.add_incoming(following, builder.block)
        again = builder.cbranch(builder.icmp_unsigned("<", following, end), loop, after)
        if rolled:
            self._keep_rolled(again)
        builder.position_at_end(after)

    def _keep_rolled(self, latch: ll.Instruction) -> None:
        """Forbid unrolling: a body of branches gains nothing by it, and costs code and compile time."""
        module = self._function.module
        disable = module.add_metadata([ll.MetaDataString(module, "llvm.loop.unroll.disable")])
        loop = module.add_metadata([latch.name, disable])
        loop.operands = (loop, disable)  # LLVM tells a loop's node by its pointing to itself
        latch.set_metadata("llvm.loop", loop)

    def _slot(self, origin: ll.Value, index: ll.Value) -> ll.Value:
        offset = self._builder.mul(index, _word(self._slot_struct.size))
        return self._builder.gep(origin, [offset], source_etype=_I8, name="slot")

    def _emit_call(self, index: ll.Value, slot: ll.Value | None) -> None:
        """Run the filter for one packet and write what it returns."""
        builder = self._builder
        result = self._call(self._packet_function, self._values(index, slot, early=False))
        verdict = result
        if self._results:
            verdict = builder.extract_value(result, 0)
            for field, array in enumerate(self._results, 1):
                value = builder.extract_value(result, field)
                place = builder.gep(array, [index], source_etype=value.type)
                builder.store(value, place, align=value.type.width // 8)
        builder.store(verdict, builder.gep(self._verdicts, [index], source_etype=_I8), align=1)

    def _call(self, function: ll.Function, values: dict[str, ll.Value]) -> ll.Value:
        arguments = [values.get(argument.name, ll.Constant(argument.type, ll.Undefined)) for argument in function.args]
        return self._builder.call(function, arguments)

    def _values(self, index: ll.Value, slot: ll.Value | None, *, early: bool) -> dict[str, ll.Value]:
        """The arguments for one packet; `early` where the packet itself comes later."""
        values = dict(self._constants)
        values["index"] = index
        if "packet_number" in self._used:
            values["packet_number"] = self._builder.add(self._first_number, index)
        if slot is not None:
            values |= self._slot_values(slot, early)
        return values

    def _slot_values(self, slot: ll.Value, early: bool) -> dict[str, ll.Value]:
        """The arguments that a slot gives."""
        if self._shape.accessor.kind is AccessorKind.NETMAP:
            return self._netmap_values(slot)
        length = self._umin(self._member(DESCRIPTOR, slot, "len"), ll.Constant(_I32, MAX_PACKET))
        values = {"packet": self._packet_address(slot), "length": length}
        used = self._used
        if "wirelength" in used:
            values["wirelength"] = self._member(DESCRIPTOR, slot, "wire_len")
        if used & {"timestamp", "now"}:
            values["timestamp"] = self._member(DESCRIPTOR, slot, "timestamp")
        if self._now is not None:
            latest = self._umax(self._builder.load(self._now, typ=_I64), values["timestamp"])
            if not early:
                self._builder.store(latest, self._now)
            values["now"] = latest
        return values

    def _netmap_values(self, slot: ll.Value) -> dict[str, ll.Value]:
        """A buffer index beyond the last reads as an empty packet in buffer 0; no length exceeds `readable`."""
        builder = self._builder
        index = self._member(NETMAP_SLOT, slot, "buf_idx", shared=True)
        length = builder.zext(self._member(NETMAP_SLOT, slot, "len", shared=True), _I32)
        cut = builder.select(builder.icmp_unsigned("<", length, self._readable), length, self._readable)
        before = builder.block
        wild, known = builder.append_basic_block("wild"), builder.append_basic_block("slot_known")
        # A branch, not a select: the packet's address must not wait for the comparison.
        branch = builder.cbranch(builder.icmp_unsigned("<", index, self._num_bufs), known, wild)
        branch.set_weights((1_000_000, 1))
        builder.position_at_end(wild)
        builder.branch(known)
        builder.position_at_end(known)
        clamped = []
        for value in (cut, index):
            phi = builder.phi(_I32)
            phi.add_incoming(value, before)
            phi.add_incoming(ll.Constant(_I32, 0), wild)
            clamped.append(phi)
        length, index = clamped
        return {"packet": self._buffer(index), "length": length, "wirelength": length}

    def _buffer(self, index: ll.Value) -> ll.Value:
        offset = self._builder.mul(self._builder.zext(index, _I64), self._stride)
        return self._builder.gep(self._base, [offset], source_etype=_I8, name="packet")

    def _packet_address(self, slot: ll.Value) -> ll.Value:
        """Where a packet starts, not clamped for netmap: an address to prefetch may be any."""
        if self._shape.accessor.kind is AccessorKind.NETMAP:
            return self._buffer(self._member(NETMAP_SLOT, slot, "buf_idx", shared=True))
        offset = self._member(DESCRIPTOR, slot, "offset")
        return self._builder.gep(self._base, [offset], source_etype=_I8, name="packet")

    def _umin(self, a: ll.Value, b: ll.Value) -> ll.Value:
        return self._builder.select(self._builder.icmp_unsigned("<", a, b), a, b)

    def _umax(self, a: ll.Value, b: ll.Value) -> ll.Value:
        return self._builder.select(self._builder.icmp_unsigned(">", a, b), a, b)

    # Prefetch

    def _prefetch_ahead(self, origin: ll.Value, last: ll.Value, index: ll.Value) -> None:
        """Prefetch the packet that comes the prefetch distance behind `index`."""
        if self._shape.prefetch_distance:
            ahead = self._builder.add(index, _word(self._shape.prefetch_distance))
            self._prefetch(origin, self._umin(ahead, last))

    def _prefetch(self, origin: ll.Value, index: ll.Value) -> None:
        """Prefetch packet `index` of a run. Past the last slot it is that again: cheaper than a branch.

        A line that a short packet does not reach is the first one again, and so costs no transfer.
        """
        builder = self._builder
        slot = self._slot(origin, index)
        address = self._packet_address(slot)
        emit_packet.prefetch(builder, address)
        for line in range(1, self._shape.prefetch_lines):
            length = self._member(self._slot_struct, slot, "len", shared=True)
            reaches = builder.icmp_unsigned(">", length, ll.Constant(length.type, line * CACHE_LINE))
            offset = builder.select(reaches, _word(line * CACHE_LINE), _word(0))
            emit_packet.prefetch(builder, builder.gep(address, [offset], source_etype=_I8))
