"""IR to LLVM text: one internal function for one packet, and the batch function around it.

The blocks of the filter become LLVM blocks of the same labels and edges; a check splits its block in two. The text is
a pure function of the arguments: nothing is optimised, compiled or run here.

    emit.py          control flow, one case for each op        emit_maps.py     maps, by way of
    emit_frame.py    values, arguments, ways out               emit_table.py      HASH and LRU
    emit_int.py      widths and arithmetic                     emit_lpm.py        LPM
    emit_packet.py   packet, snapshot and entry accesses       emit_sketch.py     BLOOM, buckets of a HISTOGRAM
    emit_set.py      InSet                                     emit_rate.py       token buckets
    emit_find.py     Find                                      emit_ring.py       EVENTS
    emit_head.py     push, pull, mirror                        emit_slices.py   look-ups run ahead
    emit_batch.py    the loop over a batch

This file must not know: how packets are found (emit_batch.py), the optimiser and the machine (jit.py).
Source: LLVM Language Reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Final, NamedTuple, NoReturn

import llvmlite.ir as ll

from nmjit.compiler import (
    emit_batch,
    emit_find,
    emit_head,
    emit_int,
    emit_maps,
    emit_packet,
    emit_set,
    emit_sketch,
    emit_slices,
)
from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.emit_frame import I8, I16, Frame
from nmjit.compiler.emit_int import I1, I64, WINDOW, Bounds, Number, Range
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
    RateTake,
    Return,
    Select,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT, Bytes
from nmjit.compiler.options import DEFAULT_OPTIONS, EmitOptions
from nmjit.compiler.outcome import REDIRECT

MAX_BLOCK_NAME: Final = 64
"""Most characters of a block's name; llvmlite puts a number behind those that are then alike."""
_USUAL: Final = (20, 1)
"""Branch weights of what mostly goes one way: LLVM puts that way straight on, and tests for it first."""


class LevelSlice(NamedTuple):
    """A slice that runs for each packet of a group before the filter does, and what the verifier knows of it."""

    function: Function
    ranges: Mapping[Op, Bounds]
    proven: Set[Op] = frozenset()


def emit_module(
    function: Function,
    ranges: Mapping[Op, Bounds],
    accessor: Accessor,
    options: EmitOptions = DEFAULT_OPTIONS,
    *,
    proven: Set[Op] = frozenset(),
    header_bytes: int = 64,
    holding: Set[str] = frozenset(),
    slices: Sequence[LevelSlice] = (),
) -> str:
    """LLVM IR text of the module that defines `abi.BATCH_SYMBOL` for `function`.

    `ranges` are the verifier's, for values of type INT; where one is missing, a phi or binary counts as the window,
    and anything else as all that its bits can be. `proven` are the Checks and Windows that the verifier closed: kept,
    and told apart, with `options.paranoid`, else dropped. `header_bytes` is how far from a packet's start the filter
    may read, and decides whether one or two lines are prefetched. `holding` names the tables whose entries a packet
    must hold (holding.py), `slices` come in the order of their levels.
    Raises OverflowError where a range fits no register, or workers would share additions to 128 bits.
    """
    module = ll.Module(name=function.name)
    moves = accessor.kind is AccessorKind.NETMAP
    form = emit_batch.FilterForm(redirects(function), resizes(function), moves)
    uses = emit_maps.table_uses(function, options.workers, holding)
    llvm_function = emit_batch.declare_filter(module, "packet", len(function.maps), form)
    emitter = _FilterEmitter(llvm_function, form, LevelSlice(function, ranges, proven), options, uses)
    emitter.emit()
    parts = [LevelSlice(*part) for part in slices]
    levels = tuple(_emit_slice(module, f"slice{level}", part, options) for level, part in enumerate(parts))
    reads = any(_reads_packets(part) for part in (function, *(part.function for part in parts)))
    shape = emit_batch.BatchShape(
        accessor=accessor,
        prefetch_distance=options.prefetch_distance if reads else 0,
        prefetch_lines=2 if header_bytes > emit_batch.CACHE_LINE else 1,
        maps=len(function.maps),
        form=form,
        used=frozenset(emitter.used),
        slices=levels,
        slice_group=options.slice_group,
    )
    emit_batch.emit_batch(module, llvm_function, shape)
    return str(module)


def _emit_slice(module: ll.Module, name: str, part: LevelSlice, options: EmitOptions) -> emit_slices.Slice:
    """Define the function of a level's slice."""
    function, lists = part.function, _listed(part.function)
    form = emit_batch.FilterForm(slice=True, lists=len(lists))
    llvm_function = emit_batch.declare_filter(module, name, len(function.maps), form)
    emitter = _FilterEmitter(llvm_function, form, part, options, emit_maps.slice_uses(function))
    emitter.emit()
    noted = tuple((op.map, emit_batch.map_argument(function.maps.index(op.map))) for op in lists)
    return emit_slices.Slice(llvm_function, frozenset(emitter.used), noted)


def _listed(function: Function) -> tuple[Prefetch, ...]:
    """The prefetches whose places are noted, each on a list of its own."""
    return tuple(op for op in function.ops() if isinstance(op, Prefetch) and emit_slices.listed(op.map))


def _reads_packets(function: Function) -> bool:
    return any(isinstance(op, Load | LoadBytes | Find | Store | StoreBytes | MoveHead) for op in function.ops())


def resizes(function: Function) -> bool:
    """Whether packets are pushed or pulled, so that the batch function writes `new_len` and `head_offset`."""
    return any(isinstance(op, MoveHead) for op in function.ops())


def redirects(function: Function) -> bool:
    """Whether some packet may leave by a bound port, so that the batch function writes `ports`."""
    returns = (op for op in function.ops() if isinstance(op, Return))
    return any(not (isinstance(op.port, Const) and op.port.value == -1) for op in returns)


def _block_name(block: BasicBlock) -> str:
    """A label as LLVM takes it: it limits names to 1,024 bytes, and Python does not."""
    return ascii(block.label)[1:-1][:MAX_BLOCK_NAME]


class _FilterEmitter(Frame):
    """Emits the function of one packet, or of a slice that notes places on `lists`."""

    def __init__(
        self,
        llvm_function: ll.Function,
        form: emit_batch.FilterForm,
        filter_: LevelSlice,
        options: EmitOptions,
        uses: Mapping[str, emit_maps.TableUse],
    ) -> None:
        super().__init__(filter_.function, filter_.ranges, options, llvm_function, form)
        self._function = filter_.function
        self._proven = filter_.proven
        self._lists = {op: place for place, op in enumerate(_listed(filter_.function))}
        self._map_emitter = emit_maps.MapEmitter(self, filter_.function, uses)
        self._phis: dict[Phi, ll.PhiInstr] = {}
        self._heads: dict[BasicBlock, ll.Block] = {}
        self._tails: dict[BasicBlock, ll.Block] = {}

    def emit(self) -> None:
        order = self._function.reverse_postorder()
        for block in order:
            self._heads[block] = self.llvm_function.append_basic_block(_block_name(block))
        self._map_emitter.start_packet()
        self.builder.branch(self._heads[self._function.entry])
        for block in order:
            self.builder.position_at_end(self._heads[block])
            for phi in block.phis:
                self._declare_phi(phi)
            for op in block.ops:
                if isinstance(op, Phi):
                    self.guard_range(op)
                else:
                    self._emit(op)
            self._tails[block] = self.builder.block
        for phi, instruction in self._phis.items():
            self._close_phi(phi, instruction)
        self.close()

    # Control flow

    def _declare_phi(self, phi: Phi) -> None:
        match phi.type:
            case Bytes(size=size):
                kind = ll.IntType(8 * size)
            case _ if phi.type is BOOL:
                kind = I1
            case _:
                kind = ll.IntType(emit_int.width_of(self.bounds(phi)))
        instruction = self.builder.phi(kind)
        self._phis[phi] = instruction
        if phi.type is INT:
            self.numbers[phi] = Number(instruction, self.bounds(phi))
        else:
            self.registers[phi] = instruction

    def _close_phi(self, phi: Phi, instruction: ll.PhiInstr) -> None:
        """Conversions of the incoming values stand at the end of the blocks that they come from."""
        for block, value in phi.incoming.items():
            tail = self._tails[block]
            self.builder.position_before(tail.terminator)
            if phi.type is INT:
                incoming = emit_int.resize(self.builder, self.numbers[value], instruction.type.width)
            else:
                incoming = self.registers[value]
            instruction.add_incoming(incoming, tail)

    def _test(self, op: Check | Window, condition: ll.Value) -> None:
        """Raise at the op's site unless `condition` holds; where that is proven, nothing, or a paranoid test."""
        if op not in self._proven:
            self.guard(condition, self.raise_block(op.site))
        elif self.options.paranoid:
            self.require(condition)

    # Ops

    def _emit(self, op: Op) -> None:
        """One case for each op class but Phi."""
        match op:
            case Const() | Compare() | Not() | Select() | Binary() | Wrap() | Window():
                self._emit_value(op)
            case InSet() | Lookup() | Item() | LogBucket():
                self._emit_pick(op)
            case Context(which=which):
                self.set_unsigned(op, self.use(which.value))
            case Random(call=call):
                seed, number = self.use("seed"), self.use("packet_number")
                self.set_unsigned(op, emit_int.packet_random(self.builder, seed, number, self.word(call)))
            case Load() | LoadBytes() | Find() | Store() | StoreBytes():
                self._emit_packet(op)
            case PackKey() | KeyHash() | MapFind() | MapInsert() | MapDelete() | LpmFind() | MapLoad() | MapStore():
                self._map_emitter.emit(op)
            case MapAdd() | BloomTest() | BloomAdd() | RateTake() | EventEmit():
                self._map_emitter.emit(op)
            case MoveHead():
                emit_head.move_head(self, op)
            case Mirror():
                emit_head.mirror(self, op)
            case Prefetch():
                self._emit_prefetch(op)
            case Check(condition=condition):
                self._test(op, self.registers[condition])
            case Jump(target=target):
                self.builder.branch(self._heads[target])
            case Branch():
                self._emit_branch(op)
            case Return(verdict=verdict, port=port):
                self._emit_return(verdict, port)
            case Raise(site=site):
                self.builder.branch(self.raise_block(site))
            case _:
                _unknown(op)

    def _emit_prefetch(self, op: Prefetch) -> None:
        builder = self.builder
        place = emit_slices.place_of(builder, op.map, self.numbers[op.place])
        emit_slices.first_line(builder, self.map_base(op.map), op.map, place)
        if op in self._lists:
            places, count = (self.use(name) for name in emit_slices.list_arguments(self._lists[op]))
            most = self.options.slice_group if _has_loop(self._function) else None
            emit_slices.note(builder, places, count, place, most)

    def _emit_return(self, verdict: Value, port: Value) -> None:
        """Only a redirected packet has a port, whatever the op says of others."""
        code = emit_int.resize(self.builder, self.numbers[verdict], 8)
        bound = emit_int.resize(self.builder, self.numbers[port], 16)
        redirected = self.builder.icmp_unsigned("==", code, ll.Constant(I8, REDIRECT))
        self.give_back(self.builder, code, self.builder.select(redirected, bound, ll.Constant(I16, -1)))

    def _emit_value(self, op: Op) -> None:
        builder = self.builder
        match op:
            case Const(value=value):
                self._emit_const(op, value)
            case Compare(predicate=predicate, a=a, b=b):
                if a.type is INT:
                    self.registers[op] = emit_int.compare(builder, predicate, self.numbers[a], self.numbers[b])
                else:
                    left, right = self.registers[a], self.registers[b]
                    self.registers[op] = emit_int.icmp(builder, predicate, left, right)
            case Not(a=a):
                self.registers[op] = builder.not_(self.registers[a])
            case Select():
                self._emit_select(op)
            case Binary(kind=kind, a=a, b=b, modulus=modulus):
                if a.type is BOOL:
                    self.registers[op] = emit_int.bitwise(builder, kind, self.registers[a], self.registers[b])
                else:
                    self._emit_binary(op, kind, a, b, modulus)
            case Wrap(a=a, scalar=scalar):
                self.set(op, emit_int.wrap(builder, self.as_number(a), scalar))
            case Window(a=a):
                self._emit_window(op, self.numbers[a])

    def _emit_pick(self, op: InSet | Lookup | Item | LogBucket) -> None:
        """What a constant table, a snapshot or a scale says of a number."""
        builder = self.builder
        match op:
            case InSet(a=a, table=table):
                self.registers[op] = emit_set.contains(builder, self.numbers[a], table.ranges, table.name)
            case Lookup():
                self._emit_lookup(op)
            case Item(data=data, index=index):
                register, place = self.registers[data], self.numbers[index]
                if self.options.paranoid:
                    self.require(emit_int.within(builder, place, Range(0, register.type.width // 8 - 1)))
                self.set_unsigned(op, emit_packet.snapshot_byte(self.builder, register, place))
            case LogBucket(a=a, precision=precision):
                self.set_unsigned(op, emit_sketch.log_bucket(builder, self.word(a), precision))

    def _emit_branch(self, op: Branch) -> None:
        if op.then is op.other:
            self.builder.branch(self._heads[op.then])
            return
        branch = self.builder.cbranch(self.registers[op.condition], self._heads[op.then], self._heads[op.other])
        if op.expected is not None:
            branch.set_weights(_USUAL if op.expected else _USUAL[::-1])

    def _emit_const(self, op: Op, value: int | bool | bytes) -> None:
        if isinstance(value, bool):
            self.registers[op] = ll.Constant(I1, int(value))
        elif isinstance(value, int):
            self.numbers[op] = emit_int.constant(value)
        else:
            self.registers[op] = ll.Constant(ll.IntType(8 * len(value)), int.from_bytes(value, "little"))

    def _emit_select(self, op: Select) -> None:
        condition = self.registers[op.condition]
        if op.type is not INT:
            self.registers[op] = self.builder.select(condition, self.registers[op.a], self.registers[op.b])
            return
        bounds = self.bounds(op)
        width = emit_int.width_of(bounds)
        a, b = (emit_int.resize(self.builder, self.numbers[value], width) for value in (op.a, op.b))
        self.set(op, Number(self.builder.select(condition, a, b), bounds))

    def _emit_binary(self, op: Op, kind: BinaryKind, a: Value, b: Value, modulus: int | None) -> None:
        left, right = self.numbers[a], self.numbers[b]
        if self.options.paranoid and kind in (BinaryKind.SHL, BinaryKind.SHR):
            self.require(emit_int.within(self.builder, right, Range(0, 63)))
        if self.options.paranoid and kind in (BinaryKind.FLOORDIV, BinaryKind.MOD):
            self.require(emit_int.compare(self.builder, Predicate.NE, right, emit_int.constant(0)))
        self.set(op, emit_int.binary(self.builder, kind, left, right, modulus, self.bounds(op)))

    def _emit_window(self, op: Window, number: Number) -> None:
        open_low, open_high = number.range.lo < WINDOW.lo, number.range.hi > WINDOW.hi
        if open_low or open_high:
            self._test(op, emit_int.within(self.builder, number, WINDOW))
        self.set(op, number)

    def _emit_lookup(self, op: Lookup) -> None:
        values = op.table.values
        signed = min(values) < 0
        natural = Range(min(values), max(values))
        width = next(width for width in (8, 16, 32, 64, 128) if emit_int.fits(natural, width))
        array = emit_set.constant_array(self.module, op.table.name, width, values)
        if self.options.paranoid:
            self.require(emit_int.within(self.builder, self.numbers[op.index], Range(0, len(values) - 1)))
        bits = emit_set.load_element(self.builder, array, self.word(op.index), width)
        self.set(op, emit_int.from_bits(bits, signed))

    def _packet_address(self, base: Value, displacement: int, size: int) -> ll.Value:
        """Address of `size` packet bytes at base + displacement."""
        builder = self.builder
        if isinstance(base, Const):
            offset: ll.Value = ll.Constant(I64, int(base.value) + displacement)
        else:
            offset = builder.add(self.word(base), ll.Constant(I64, displacement))
        if self.options.paranoid:
            self._require_packet(offset, ll.Constant(I64, size))
        return emit_packet.byte_address(builder, self.packet(), offset)

    def _require_packet(self, offset: ll.Value, size: ll.Value) -> None:
        """Paranoid: head ≤ offset and offset + size ≤ packet length, read so that nothing overflows."""
        builder = self.builder
        length = builder.zext(self.use("length"), I64)
        if self.head_slot is not None:
            head = builder.load(self.head_slot, typ=I64)
            offset, length = builder.sub(offset, head), builder.sub(length, head)
        enough = builder.icmp_unsigned("<=", size, length)
        low = builder.icmp_unsigned("<=", offset, builder.sub(length, size))
        self.require(builder.and_(enough, low))

    def _emit_packet(self, op: Load | LoadBytes | Find | Store | StoreBytes) -> None:
        builder = self.builder
        match op:
            case Load(base=base, displacement=displacement, size=size, order=order):
                address = self._packet_address(base, displacement, size)
                bits = emit_packet.load_integer(builder, address, size, order)
                self.set(op, Number(bits, Range(0, (1 << 8 * size) - 1)))  # odd sizes come in a wider register
            case LoadBytes(base=base, displacement=displacement, size=size):
                address = self._packet_address(base, displacement, size)
                self.registers[op] = builder.load(address, typ=ll.IntType(8 * size), align=1)
            case Find():
                self._emit_find(op)
            case Store(base=base, displacement=displacement, size=size, value=value, order=order):
                address = self._packet_address(base, displacement, size)
                bits = emit_int.resize(builder, self.as_number(value), 8 * size)
                emit_packet.store_integer(builder, address, bits, order)
            case StoreBytes(base=base, displacement=displacement, value=value):
                bits = self.registers[value]
                builder.store(bits, self._packet_address(base, displacement, bits.type.width // 8), align=1)

    def _emit_find(self, op: Find) -> None:
        if not op.needle:
            self.set(op, emit_int.constant(0))
            return
        builder = self.builder
        start, end = self.word(op.start), self.word(op.end)
        size = builder.sub(end, start)
        if self.options.paranoid:
            self._require_packet(start, size)
        text = emit_packet.byte_address(builder, self.packet(), start)
        place = builder.call(emit_find.find_function(self.module, op.needle), [text, size])
        self.set(op, Number(place, Range(-1, 2**32 - 1)))


def _has_loop(function: Function) -> bool:
    places = {block: place for place, block in enumerate(function.reverse_postorder())}
    return any(places[follower] <= place for block, place in places.items() for follower in block.successors())


def _unknown(op: Op) -> NoReturn:
    raise AssertionError(f"no emission for {type(op).__name__}")
