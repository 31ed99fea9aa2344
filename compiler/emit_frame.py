"""What the code of one packet has at hand: the builder, arguments, the value of each op, and the ways out.

What an op yields is kept by op: INTs as Numbers, BOOLs as i1 and Bytes as iN registers. Exceptions end in one cold
block for each site, which all meet in `raise`; a slice counts no exceptions, and just stops.

This file must not know: what an op does, how packets are found. Source: LLVM Language Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import llvmlite.ir as ll

from nmjit.compiler import emit_batch, emit_int
from nmjit.compiler.abi import ABORTED
from nmjit.compiler.emit_int import I64, WINDOW, Bounds, Number, Range
from nmjit.compiler.ir import Const, Function, MoveHead, Op, Site, Value
from nmjit.compiler.irtypes import BOOL, MapDecl
from nmjit.compiler.options import PARANOID_SITE, PARANOID_VERDICT, EmitOptions

I8: Final = ll.IntType(8)
I16: Final = ll.IntType(16)
I32: Final = ll.IntType(32)
_LIKELY: Final = (1_000_000, 1)
"""Branch weights that make LLVM lay the second successor out of the way."""


class Frame:
    """State of one LLVM function under emission. `builder` stands where the next op's code goes."""

    def __init__(
        self,
        function: Function,
        ranges: Mapping[Op, Bounds],
        options: EmitOptions,
        llvm_function: ll.Function,
        form: emit_batch.FilterForm,
    ) -> None:
        self.options = options
        self.form = form
        self.llvm_function = llvm_function
        self.module: ll.Module = llvm_function.module
        self.numbers: dict[Op, Number] = {}
        self.registers: dict[Op, ll.Value] = {}
        self.used: set[str] = set()
        """Names of the arguments that the code reads (emit_batch.PARAMETERS)."""
        self._ranges = ranges
        self._arguments = {argument.name: argument for argument in llvm_function.args}
        self._maps = {decl.name: place for place, decl in enumerate(function.maps)}
        self._site_numbers = {site: place for place, site in enumerate(function.sites)}
        self._words: dict[Op, tuple[ll.Value, ...]] = {}
        self._raises: dict[int, ll.Block] = {}
        self._raise_block: ll.Block | None = None
        self._raise_site: ll.PhiInstr | None = None
        self._stop_block: ll.Block | None = None
        self._broken: ll.Block | None = None
        self._entry = llvm_function.append_basic_block("start")
        self.builder = ll.IRBuilder(self._entry)
        self.head_slot: ll.Value | None = None
        """Where the packet begins, an i64 that counts from where it began; of functions that move it."""
        self.shift_slot: ll.Value | None = None
        """How far up the packet's bytes lie from where they came, an i64; where pushing moves them."""
        if any(isinstance(op, MoveHead) for op in function.ops()):
            self.head_slot = self.cleared_slot("head")
            if form.moves_packets:
                self.shift_slot = self.cleared_slot("shift")

    def cleared_slot(self, name: str) -> ll.Value:
        """An i64 on the stack that is 0 at the packet's start; LLVM keeps it in a register."""
        slot = self.stack(I64, name)
        with self.builder.goto_block(self._entry):
            self.builder.store(ll.Constant(I64, 0), slot)
        return slot

    def stack(self, kind: ll.Type, name: str, align: int = 8) -> ll.Value:
        """Room on the stack, in the entry block: an alloca in a loop would grow the stack at every turn."""
        with self.builder.goto_block(self._entry):
            self.builder.position_at_start(self._entry)
            slot = self.builder.alloca(kind, name=name)
        slot.align = align
        slot.type = ll.PointerType()  # llvmlite's own type would let but one kind of value in
        return slot

    # Arguments

    def use(self, name: str) -> ll.Value:
        """An argument of the LLVM function, noted as used."""
        self.used.add(name)
        return self._arguments[name]

    def map_base(self, decl: MapDecl) -> ll.Value:
        """Address of the map, of the worker's copy where it has one."""
        return self.use(emit_batch.map_argument(self._maps[decl.name]))

    def packet(self) -> ll.Value:
        """Address of the packet's offset 0."""
        address = self.use("packet")
        if self.shift_slot is None:
            return address
        return self.builder.gep(address, [self.builder.load(self.shift_slot, typ=I64)], source_etype=I8)

    # Operands and results

    def bounds(self, op: Op) -> Bounds:
        return self._ranges.get(op, WINDOW)

    def as_number(self, value: Value) -> Number:
        """The value of an INT, or a BOOL as 0 or 1."""
        if value.type is BOOL:
            return Number(self.builder.zext(self.registers[value], I64), Range(0, 1))
        return self.numbers[value]

    def word(self, value: Value) -> ll.Value:
        """The low 64 bits of an INT."""
        return emit_int.resize(self.builder, self.numbers[value], 64)

    def words(self, value: Value) -> tuple[ll.Value, ...]:
        """A Bytes value of a multiple of 8 bytes as 64-bit words, the first bytes first."""
        known = self._words.get(value)
        if known is not None:
            return known
        register = self.registers[value]
        shifts = range(0, register.type.width, 64)
        lowered = (self.builder.lshr(register, ll.Constant(register.type, shift)) for shift in shifts)
        return tuple(part if part.type == I64 else self.builder.trunc(part, I64) for part in lowered)

    def set_words(self, op: Op, words: tuple[ll.Value, ...]) -> None:
        """Define a Bytes value by its words; uses that want them need not take the register apart again."""
        self._words[op] = words
        kind = ll.IntType(64 * len(words))
        whole = ll.Constant(kind, 0)
        for place, word in enumerate(words):
            wide = word if kind == I64 else self.builder.zext(word, kind)
            whole = self.builder.or_(whole, self.builder.shl(wide, ll.Constant(kind, 64 * place)))
        self.registers[op] = whole

    def set(self, op: Op, number: Number) -> None:
        """Define an INT, in the representation of its range."""
        known = self._ranges.get(op, number.range)
        natural = number.range
        bounds = Range(max(known.lo, natural.lo), min(known.hi, natural.hi))
        self.numbers[op] = emit_int.refit(self.builder, number, bounds)
        self.guard_range(op)

    def set_unsigned(self, op: Op, bits: ll.Value) -> None:
        self.set(op, emit_int.from_bits(bits, signed=False))

    def guard_range(self, op: Op) -> None:
        """Paranoid: the verifier's range of an INT holds of the register that was chosen by it."""
        bounds = self._ranges.get(op)
        if not self.options.paranoid or bounds is None or isinstance(op, Const):
            return
        bits = self.numbers[op].bits
        unranged = emit_int.from_bits(bits, signed=self.numbers[op].signed)
        self.require(emit_int.within(self.builder, unranged, bounds))

    # Ways out

    def raise_block(self, site: Site) -> ll.Block:
        """The cold block that raises at `site`."""
        if self.form.slice:
            return self._stop()
        number = self._site_numbers[site]
        if number not in self._raises:
            if self._raise_block is None:
                self._raise_block = self.llvm_function.append_basic_block("raise")
                self._raise_site = ll.IRBuilder(self._raise_block).phi(I16, "site")
            block = self.llvm_function.append_basic_block(f"raise.{number}")
            ll.IRBuilder(block).branch(self._raise_block)
            assert self._raise_site is not None
            self._raise_site.add_incoming(ll.Constant(I16, number + 1), block)
            self._raises[number] = block
        return self._raises[number]

    def _stop(self) -> ll.Block:
        """Where a slice ends that can say no more about its packet."""
        if self._stop_block is None:
            self._stop_block = self.llvm_function.append_basic_block("stop")
            ll.IRBuilder(self._stop_block).ret_void()
        return self._stop_block

    def close(self) -> None:
        """Emit what all exceptions share: count, name the site, give the packet up."""
        if self._raise_block is None:
            return
        builder = ll.IRBuilder(self._raise_block)
        site = builder.zext(self._raise_site, I64)
        place = builder.sub(site, ll.Constant(I64, 1))
        counter = builder.gep(self.use("exceptions"), [place], source_etype=I64)
        builder.store(builder.add(builder.load(counter, typ=I64, align=8), ll.Constant(I64, 1)), counter, align=8)
        self._leave(builder, self._raise_site, ABORTED)

    def _leave(self, builder: ll.IRBuilder, site: ll.Value, verdict: int) -> None:
        """Write `site` where the caller wants sites, and return `verdict`."""
        sites = self.use("sites")
        wanted = builder.icmp_unsigned("!=", sites, ll.Constant(ll.PointerType(), None))
        with builder.if_then(wanted):
            builder.store(site, builder.gep(sites, [self.use("index")], source_etype=I16), align=2)
        self.give_back(builder, ll.Constant(I8, verdict), ll.Constant(I16, -1))

    def give_back(self, builder: ll.IRBuilder, verdict: ll.Value, port: ll.Value) -> None:
        """Return from the LLVM function with the packet's end: an i8, an i16, and its new place where it may move."""
        if self.form.slice:
            builder.ret_void()
            return
        fields = [verdict, *([port] if self.form.redirects else []), *self._resized(builder)]
        if len(fields) == 1:
            builder.ret(verdict)
            return
        result = ll.Constant(self.llvm_function.return_value.type, ll.Undefined)
        for place, value in enumerate(fields):
            result = builder.insert_value(result, value, place)
        builder.ret(result)

    def _resized(self, builder: ll.IRBuilder) -> list[ll.Value]:
        """Bytes in the end, and where they begin, as i32; nothing where no packet is resized."""
        if self.head_slot is None:
            return []
        head = builder.load(self.head_slot, typ=I64)
        size = builder.sub(self.use("length"), builder.trunc(head, I32))
        if self.shift_slot is not None:
            head = builder.add(head, builder.load(self.shift_slot, typ=I64))
        return [size, builder.trunc(head, I32)]

    def guard(self, condition: ll.Value, otherwise: ll.Block) -> None:
        """Go on in a new block where `condition` holds, else in the cold block `otherwise`."""
        going_on = self.builder.append_basic_block("on")  # a name made of the block's own would grow with each test
        self.builder.cbranch(condition, going_on, otherwise).set_weights(_LIKELY)
        self.builder.position_at_end(going_on)

    def require(self, condition: ll.Value) -> None:
        """Paranoid: what the verifier promised holds, or the packet is marked as breaking the promise."""
        if self.form.slice:
            self.guard(condition, self._stop())
            return
        if self._broken is None:
            self._broken = self.llvm_function.append_basic_block("broken")
            self._leave(ll.IRBuilder(self._broken), ll.Constant(I16, PARANOID_SITE), PARANOID_VERDICT)
        self.guard(condition, self._broken)
