"""IR to LLVM text: one internal function for one packet, and the batch function around it.

The blocks of the filter become LLVM blocks of the same labels and edges; a check splits its block in two. Exceptions
end in one cold block for each site, which all meet in `raise`. The text is a pure function of the arguments:
nothing is optimised, compiled or run here.

    emit.py          control flow, one case for each op        emit_set.py      InSet
    emit_int.py      widths and arithmetic                     emit_find.py     Find
    emit_packet.py   packet, snapshot and map accesses         emit_batch.py    the loop over a batch

This file must not know: how packets are found (emit_batch.py), the optimiser and the machine (jit.py).
Source: LLVM Language Reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final, NoReturn

import llvmlite.ir as ll

from nmjit.compiler import emit_batch, emit_find, emit_int, emit_packet, emit_set
from nmjit.compiler.abi import ABORTED, Accessor
from nmjit.compiler.emit_int import I1, I64, WINDOW, Bounds, Number, Range
from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    Find,
    Function,
    InSet,
    Item,
    Jump,
    Load,
    LoadBytes,
    Lookup,
    MapAdd,
    MapLoad,
    MapStore,
    Not,
    Op,
    Phi,
    Predicate,
    Raise,
    Random,
    Return,
    Select,
    Site,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT, Bytes, MapDecl, MapKind, StoredField
from nmjit.compiler.options import DEFAULT_OPTIONS, PARANOID_SITE, PARANOID_VERDICT, EmitOptions
from nmjit.compiler.outcome import REDIRECT

_I8: Final = ll.IntType(8)
_I16: Final = ll.IntType(16)
MAX_BLOCK_NAME: Final = 64
"""Most characters of a block's name; llvmlite puts a number behind those that are then alike."""
_LIKELY: Final = (1_000_000, 1)
"""Branch weights that make LLVM lay the second successor out of the way."""
_USUAL: Final = (20, 1)
"""Branch weights of what mostly goes one way: LLVM puts that way straight on, and tests for it first."""


def emit_module(
    function: Function,
    ranges: Mapping[Op, Bounds],
    accessor: Accessor,
    options: EmitOptions = DEFAULT_OPTIONS,
    *,
    proven: Set[Op] = frozenset(),
    header_bytes: int = 64,
) -> str:
    """LLVM IR text of the module that defines `abi.BATCH_SYMBOL` for `function`.

    `ranges` are the verifier's, for values of type INT; where one is missing, a phi or binary counts as the window,
    and anything else as all that its bits can be. `proven` are the Checks and Windows that the verifier closed: kept,
    and told apart, with `options.paranoid`, else dropped. `header_bytes` is how far from a packet's start the filter
    may read, and decides whether one or two lines are prefetched.
    Raises OverflowError where a range fits no register, an operand of a division may lie outside the window, or workers
    would share additions to 128 bits.
    """
    module = ll.Module(name=function.name)
    emitter = _FilterEmitter(module, function, ranges, options, proven)
    emitter.emit()
    reads = any(isinstance(op, Load | LoadBytes | Find | Store | StoreBytes) for op in function.ops())
    shape = emit_batch.BatchShape(
        accessor=accessor,
        prefetch_distance=options.prefetch_distance if reads else 0,
        prefetch_lines=2 if header_bytes > emit_batch.CACHE_LINE else 1,
        maps=len(function.maps),
        redirects=redirects(function),
        used=frozenset(emitter.used),
    )
    emit_batch.emit_batch(module, emitter.llvm_function, shape)
    return str(module)


def redirects(function: Function) -> bool:
    """Whether some packet may leave by a bound port, so that the batch function writes `ports`."""
    returns = (op for op in function.ops() if isinstance(op, Return))
    return any(not (isinstance(op.port, Const) and op.port.value == -1) for op in returns)


def _block_name(block: BasicBlock) -> str:
    """A label as LLVM takes it: it limits names to 1,024 bytes, and Python does not."""
    return ascii(block.label)[1:-1][:MAX_BLOCK_NAME]


class _FilterEmitter:
    """Emits the function of one packet.

    What an op yields is kept by op: INTs as Numbers, BOOLs as i1 and Bytes as iN registers.
    """

    def __init__(
        self,
        module: ll.Module,
        function: Function,
        ranges: Mapping[Op, Bounds],
        options: EmitOptions,
        proven: Set[Op],
    ) -> None:
        self._module = module
        self._function = function
        self._ranges = ranges
        self._options = options
        self._proven = proven
        self._redirects = redirects(function)
        self._numbers: dict[Op, Number] = {}
        self._registers: dict[Op, ll.Value] = {}
        self._phis: dict[Phi, ll.PhiInstr] = {}
        self._heads: dict[BasicBlock, ll.Block] = {}
        self._tails: dict[BasicBlock, ll.Block] = {}
        self._raises: dict[int, ll.Block] = {}
        self._raise_block: ll.Block | None = None
        self._raise_site: ll.PhiInstr | None = None
        self._broken: ll.Block | None = None
        self._maps = {decl.name: place for place, decl in enumerate(function.maps)}
        self._site_numbers = {site: place for place, site in enumerate(function.sites)}
        self.llvm_function = emit_batch.declare_filter(module, len(function.maps), self._redirects)
        self._arguments = {argument.name: argument for argument in self.llvm_function.args}
        self.used: set[str] = set()
        """Names of the arguments that the code reads (emit_batch.PARAMETERS)."""
        self._builder = ll.IRBuilder()

    def emit(self) -> None:
        order = self._function.reverse_postorder()
        entry = self.llvm_function.append_basic_block("start")
        for block in order:
            self._heads[block] = self.llvm_function.append_basic_block(_block_name(block))
        self._builder.position_at_end(entry)
        self._builder.branch(self._heads[self._function.entry])
        for block in order:
            self._builder.position_at_end(self._heads[block])
            for phi in block.phis:
                self._declare_phi(phi)
            for op in block.ops:
                if isinstance(op, Phi):
                    self._guard_range(op)
                else:
                    self._emit(op)
            self._tails[block] = self._builder.block
        for phi, instruction in self._phis.items():
            self._close_phi(phi, instruction)
        self._emit_raise_block()

    # Operands and results

    def _use(self, name: str) -> ll.Value:
        """An argument of the LLVM function, noted as used."""
        self.used.add(name)
        return self._arguments[name]

    def _bounds(self, op: Op) -> Bounds:
        return self._ranges.get(op, WINDOW)

    def _number(self, value: Value) -> Number:
        return self._numbers[value]

    def _as_number(self, value: Value) -> Number:
        """The value of an INT, or a BOOL as 0 or 1."""
        if value.type is BOOL:
            return Number(self._builder.zext(self._registers[value], I64), Range(0, 1))
        return self._numbers[value]

    def _word(self, value: Value) -> ll.Value:
        """The low 64 bits of an INT."""
        return emit_int.resize(self._builder, self._number(value), 64)

    def _set(self, op: Op, number: Number) -> None:
        """Define an INT, in the representation of its range."""
        known = self._ranges.get(op, number.range)
        natural = number.range
        bounds = Range(max(known.lo, natural.lo), min(known.hi, natural.hi))
        self._numbers[op] = emit_int.refit(self._builder, number, bounds)
        self._guard_range(op)

    def _set_unsigned(self, op: Op, bits: ll.Value) -> None:
        self._set(op, emit_int.from_bits(bits, signed=False))

    def _guard_range(self, op: Op) -> None:
        """Paranoid: the verifier's range of an INT holds of the register that was chosen by it."""
        bounds = self._ranges.get(op)
        if not self._options.paranoid or bounds is None or isinstance(op, Const):
            return
        bits = self._numbers[op].bits
        unranged = emit_int.from_bits(bits, signed=self._numbers[op].signed)
        self._require(emit_int.within(self._builder, unranged, bounds))

    # Control flow

    def _declare_phi(self, phi: Phi) -> None:
        match phi.type:
            case Bytes(size=size):
                kind = ll.IntType(8 * size)
            case _ if phi.type is BOOL:
                kind = I1
            case _:
                kind = ll.IntType(emit_int.width_of(self._bounds(phi)))
        instruction = self._builder.phi(kind)
        self._phis[phi] = instruction
        if phi.type is INT:
            self._numbers[phi] = Number(instruction, self._bounds(phi))
        else:
            self._registers[phi] = instruction

    def _close_phi(self, phi: Phi, instruction: ll.PhiInstr) -> None:
        """Conversions of the incoming values stand at the end of the blocks that they come from."""
        for block, value in phi.incoming.items():
            tail = self._tails[block]
            self._builder.position_before(tail.terminator)
            if phi.type is INT:
                incoming = emit_int.resize(self._builder, self._number(value), instruction.type.width)
            else:
                incoming = self._registers[value]
            instruction.add_incoming(incoming, tail)

    def _site_block(self, site: Site) -> ll.Block:
        """The cold block that raises at `site`."""
        number = self._site_numbers[site]
        if number not in self._raises:
            if self._raise_block is None:
                self._raise_block = self.llvm_function.append_basic_block("raise")
                self._raise_site = ll.IRBuilder(self._raise_block).phi(_I16, "site")
            block = self.llvm_function.append_basic_block(f"raise.{number}")
            ll.IRBuilder(block).branch(self._raise_block)
            assert self._raise_site is not None
            self._raise_site.add_incoming(ll.Constant(_I16, number + 1), block)
            self._raises[number] = block
        return self._raises[number]

    def _emit_raise_block(self) -> None:
        """Count the exception, name its site, give the packet up."""
        if self._raise_block is None:
            return
        builder = ll.IRBuilder(self._raise_block)
        site = builder.zext(self._raise_site, I64)
        place = builder.sub(site, ll.Constant(I64, 1))
        counter = builder.gep(self._use("exceptions"), [place], source_etype=I64)
        builder.store(builder.add(builder.load(counter, typ=I64, align=8), ll.Constant(I64, 1)), counter, align=8)
        self._leave(builder, self._raise_site, ABORTED)

    def _leave(self, builder: ll.IRBuilder, site: ll.Value, verdict: int) -> None:
        """Write `site` where the caller wants sites, and return `verdict`."""
        sites = self._use("sites")
        wanted = builder.icmp_unsigned("!=", sites, ll.Constant(ll.PointerType(), None))
        with builder.if_then(wanted):
            builder.store(site, builder.gep(sites, [self._use("index")], source_etype=_I16), align=2)
        self._return(builder, ll.Constant(_I8, verdict), ll.Constant(_I16, -1))

    def _return(self, builder: ll.IRBuilder, verdict: ll.Value, port: ll.Value) -> None:
        if not self._redirects:
            builder.ret(verdict)
            return
        result = builder.insert_value(ll.Constant(self.llvm_function.return_value.type, ll.Undefined), verdict, 0)
        builder.ret(builder.insert_value(result, port, 1))

    def _guard(self, condition: ll.Value, otherwise: ll.Block) -> None:
        """Go on in a new block where `condition` holds, else in the cold block `otherwise`."""
        going_on = self._builder.append_basic_block("on")  # a name made of the block's own would grow with each test
        self._builder.cbranch(condition, going_on, otherwise).set_weights(_LIKELY)
        self._builder.position_at_end(going_on)

    def _require(self, condition: ll.Value) -> None:
        """Paranoid: what the verifier promised holds, or the packet is marked as breaking the promise."""
        if self._broken is None:
            self._broken = self.llvm_function.append_basic_block("broken")
            self._leave(ll.IRBuilder(self._broken), ll.Constant(_I16, PARANOID_SITE), PARANOID_VERDICT)
        self._guard(condition, self._broken)

    def _test(self, op: Check | Window, condition: ll.Value) -> None:
        """Raise at the op's site unless `condition` holds; where that is proven, nothing, or a paranoid test."""
        if op not in self._proven:
            self._guard(condition, self._site_block(op.site))
        elif self._options.paranoid:
            self._require(condition)

    # Ops

    def _emit(self, op: Op) -> None:
        """One case for each op class but Phi."""
        match op:
            case Const() | Compare() | Not() | Select() | Binary() | Wrap() | Window() | InSet() | Lookup() | Item():
                self._emit_value(op)
            case Context(which=which):
                self._set_unsigned(op, self._use(which.value))
            case Random(call=call):
                seed, number = self._use("seed"), self._use("packet_number")
                self._set_unsigned(op, emit_int.packet_random(self._builder, seed, number, self._word(call)))
            case Load() | LoadBytes() | Find() | Store() | StoreBytes():
                self._emit_packet(op)
            case MapLoad() | MapStore() | MapAdd():
                self._emit_map(op)
            case Check(condition=condition):
                self._test(op, self._registers[condition])
            case Jump(target=target):
                self._builder.branch(self._heads[target])
            case Branch():
                self._emit_branch(op)
            case Return(verdict=verdict, port=port):
                self._emit_return(verdict, port)
            case Raise(site=site):
                self._builder.branch(self._site_block(site))
            case _:
                _unknown(op)

    def _emit_return(self, verdict: Value, port: Value) -> None:
        """Only a redirected packet has a port, whatever the op says of others."""
        code = emit_int.resize(self._builder, self._number(verdict), 8)
        bound = emit_int.resize(self._builder, self._number(port), 16)
        redirected = self._builder.icmp_unsigned("==", code, ll.Constant(_I8, REDIRECT))
        self._return(self._builder, code, self._builder.select(redirected, bound, ll.Constant(_I16, -1)))

    def _emit_value(self, op: Op) -> None:
        builder = self._builder
        match op:
            case Const(value=value):
                self._emit_const(op, value)
            case Compare(predicate=predicate, a=a, b=b):
                if a.type is INT:
                    self._registers[op] = emit_int.compare(builder, predicate, self._number(a), self._number(b))
                else:
                    left, right = self._registers[a], self._registers[b]
                    self._registers[op] = emit_int.icmp(builder, predicate, left, right)
            case Not(a=a):
                self._registers[op] = builder.not_(self._registers[a])
            case Select():
                self._emit_select(op)
            case Binary(kind=kind, a=a, b=b, modulus=modulus):
                if a.type is BOOL:
                    self._registers[op] = emit_int.bitwise(builder, kind, self._registers[a], self._registers[b])
                else:
                    self._emit_binary(op, kind, a, b, modulus)
            case Wrap(a=a, scalar=scalar):
                self._set(op, emit_int.wrap(builder, self._as_number(a), scalar))
            case Window(a=a):
                self._emit_window(op, self._number(a))
            case InSet(a=a, table=table):
                self._registers[op] = emit_set.contains(builder, self._number(a), table.ranges, table.name)
            case Lookup():
                self._emit_lookup(op)
            case Item(data=data, index=index):
                register, place = self._registers[data], self._number(index)
                if self._options.paranoid:
                    self._require(emit_int.within(builder, place, Range(0, register.type.width // 8 - 1)))
                self._set_unsigned(op, emit_packet.snapshot_byte(self._builder, register, place))

    def _emit_branch(self, op: Branch) -> None:
        if op.then is op.other:
            self._builder.branch(self._heads[op.then])
            return
        branch = self._builder.cbranch(self._registers[op.condition], self._heads[op.then], self._heads[op.other])
        if op.expected is not None:
            branch.set_weights(_USUAL if op.expected else _USUAL[::-1])

    def _emit_const(self, op: Op, value: int | bool | bytes) -> None:
        if isinstance(value, bool):
            self._registers[op] = ll.Constant(I1, int(value))
        elif isinstance(value, int):
            self._numbers[op] = emit_int.constant(value)
        else:
            self._registers[op] = ll.Constant(ll.IntType(8 * len(value)), int.from_bytes(value, "little"))

    def _emit_select(self, op: Select) -> None:
        condition = self._registers[op.condition]
        if op.type is not INT:
            self._registers[op] = self._builder.select(condition, self._registers[op.a], self._registers[op.b])
            return
        bounds = self._bounds(op)
        width = emit_int.width_of(bounds)
        a, b = (emit_int.resize(self._builder, self._number(value), width) for value in (op.a, op.b))
        self._set(op, Number(self._builder.select(condition, a, b), bounds))

    def _emit_binary(self, op: Op, kind: BinaryKind, a: Value, b: Value, modulus: int | None) -> None:
        left, right = self._number(a), self._number(b)
        if self._options.paranoid and kind in (BinaryKind.SHL, BinaryKind.SHR):
            self._require(emit_int.within(self._builder, right, Range(0, 63)))
        if self._options.paranoid and kind in (BinaryKind.FLOORDIV, BinaryKind.MOD):
            self._require(emit_int.compare(self._builder, Predicate.NE, right, emit_int.constant(0)))
        self._set(op, emit_int.binary(self._builder, kind, left, right, modulus, self._bounds(op)))

    def _emit_window(self, op: Window, number: Number) -> None:
        open_low, open_high = number.range.lo < WINDOW.lo, number.range.hi > WINDOW.hi
        if open_low or open_high:
            self._test(op, emit_int.within(self._builder, number, WINDOW))
        self._set(op, number)

    def _emit_lookup(self, op: Lookup) -> None:
        values = op.table.values
        signed = min(values) < 0
        natural = Range(min(values), max(values))
        width = next(width for width in (8, 16, 32, 64, 128) if emit_int.fits(natural, width))
        array = emit_set.constant_array(self._module, op.table.name, width, values)
        if self._options.paranoid:
            self._require(emit_int.within(self._builder, self._number(op.index), Range(0, len(values) - 1)))
        bits = emit_set.load_element(self._builder, array, self._word(op.index), width)
        self._set(op, emit_int.from_bits(bits, signed))

    def _packet_address(self, base: Value, displacement: int, size: int) -> ll.Value:
        """Address of `size` packet bytes at base + displacement."""
        builder = self._builder
        if isinstance(base, Const):
            offset: ll.Value = ll.Constant(I64, int(base.value) + displacement)
        else:
            offset = builder.add(self._word(base), ll.Constant(I64, displacement))
        if self._options.paranoid:
            self._require_packet(offset, ll.Constant(I64, size))
        return emit_packet.byte_address(builder, self._use("packet"), offset)

    def _require_packet(self, offset: ll.Value, size: ll.Value) -> None:
        """Paranoid: offset + size ≤ packet length, read so that nothing overflows."""
        builder = self._builder
        length = builder.zext(self._use("length"), I64)
        enough = builder.icmp_unsigned("<=", size, length)
        low = builder.icmp_unsigned("<=", offset, builder.sub(length, size))
        self._require(builder.and_(enough, low))

    def _emit_packet(self, op: Load | LoadBytes | Find | Store | StoreBytes) -> None:
        builder = self._builder
        match op:
            case Load(base=base, displacement=displacement, size=size, order=order):
                address = self._packet_address(base, displacement, size)
                bits = emit_packet.load_integer(builder, address, size, order)
                self._set(op, Number(bits, Range(0, (1 << 8 * size) - 1)))  # odd sizes come in a wider register
            case LoadBytes(base=base, displacement=displacement, size=size):
                address = self._packet_address(base, displacement, size)
                self._registers[op] = builder.load(address, typ=ll.IntType(8 * size), align=1)
            case Find():
                self._emit_find(op)
            case Store(base=base, displacement=displacement, size=size, value=value, order=order):
                address = self._packet_address(base, displacement, size)
                bits = emit_int.resize(builder, self._as_number(value), 8 * size)
                emit_packet.store_integer(builder, address, bits, order)
            case StoreBytes(base=base, displacement=displacement, value=value):
                bits = self._registers[value]
                builder.store(bits, self._packet_address(base, displacement, bits.type.width // 8), align=1)

    def _emit_find(self, op: Find) -> None:
        if not op.needle:
            self._set(op, emit_int.constant(0))
            return
        builder = self._builder
        start, end = self._word(op.start), self._word(op.end)
        size = builder.sub(end, start)
        if self._options.paranoid:
            self._require_packet(start, size)
        text = emit_packet.byte_address(builder, self._use("packet"), start)
        place = builder.call(emit_find.find_function(self._module, op.needle), [text, size])
        self._set(op, Number(place, Range(-1, 2**32 - 1)))

    def _entry_address(self, decl: MapDecl, index: Value, field: StoredField) -> ll.Value:
        """Address of a map field, naturally aligned."""
        if self._options.paranoid:
            self._require(emit_int.within(self._builder, self._number(index), Range(0, decl.capacity - 1)))
        base = self._use(emit_batch.map_argument(self._maps[decl.name]))
        return emit_packet.entry_address(self._builder, base, decl, self._word(index), field)

    def _emit_map(self, op: MapLoad | MapStore | MapAdd) -> None:
        builder = self._builder
        field = op.map.layout.field(op.field)
        address = self._entry_address(op.map, op.index, field)
        kind, align = ll.IntType(8 * field.scalar.size), min(field.scalar.size, 8)
        if isinstance(op, MapLoad):
            stored = builder.load(address, typ=kind, align=align)
            self._set(op, emit_int.from_bits(stored, field.scalar.signed))
            return
        bits = emit_int.resize(builder, self._as_number(op.value), kind.width)
        if isinstance(op, MapStore):
            builder.store(bits, address, align=align)
        elif self._options.workers == 1 or op.map.kind is MapKind.COUNTER:
            stored = builder.load(address, typ=kind, align=align)
            builder.store(builder.add(stored, bits), address, align=align)
        else:
            if kind.width > 64:
                raise OverflowError(f"no indivisible addition to the {kind.width} bits of {op.map.name}.{op.field}")
            builder.atomic_rmw("add", address, bits, "monotonic")


def _unknown(op: Op) -> NoReturn:
    raise AssertionError(f"no emission for {type(op).__name__}")
