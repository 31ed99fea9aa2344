"""Search for a constant needle in packet bytes, as an LLVM function specialised to the needle.

    i64 find(ptr text, i64 size)        smallest i with text[i : i+len(needle)] == needle, or −1

Thirty-two positions at a time: compare the bytes at each with the needle's first byte and those a needle's length on
with its last, and look closer only where both agree. The last block overlaps the one before, so nothing outside
text[0 : size] is read. Fewer than 32 positions are tried one by one.

Source: W. Muła, "SIMD-friendly algorithms for substring searching" (generic SIMD).
This file must not know: ops, packets, who calls.
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

BLOCK: Final = 32
"""Positions tried at once."""
_CHUNK: Final = 32
"""Bytes of the needle compared as one integer."""

_I1: Final = ll.IntType(1)
_I8: Final = ll.IntType(8)
_I32: Final = ll.IntType(32)
_I64: Final = ll.IntType(64)
_POINTER: Final = ll.PointerType()
_VECTOR: Final = ll.VectorType(_I8, BLOCK)


def find_function(module: ll.Module, needle: bytes) -> ll.Function:
    """The function for `needle` (1 byte or more), made at the first call."""
    name = f"find.{needle.hex()}"
    existing = module.globals.get(name)
    if existing is not None:
        return existing
    function = ll.Function(module, ll.FunctionType(_I64, [_POINTER, _I64]), name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    function.attributes.add("noinline")
    function.args[0].name, function.args[1].name = "text", "size"
    _FindEmitter(function, needle).emit()
    return function


def _int(value: int) -> ll.Constant:
    return ll.Constant(_I64, value)


class _FindEmitter:
    """The blocks of one find function."""

    def __init__(self, function: ll.Function, needle: bytes) -> None:
        self._needle = needle
        self._text, self._size = function.args
        self._function = function
        self._entry = function.append_basic_block("entry")
        self._builder = ll.IRBuilder(self._entry)
        self._absent = function.append_basic_block("absent")

    def emit(self) -> None:
        builder = self._builder
        last = builder.sub(self._size, _int(len(self._needle)), name="last")  # the last position, negative for none
        scalar, blocks = self._function.append_basic_block("scalar"), self._function.append_basic_block("blocks")
        builder.cbranch(builder.icmp_signed("<", last, _int(BLOCK - 1)), scalar, blocks)
        self._emit_scalar(scalar, last)
        self._emit_blocks(blocks, last)
        ll.IRBuilder(self._absent).ret(_int(-1))

    def _emit_scalar(self, block: ll.Block, last: ll.Value) -> None:
        """Positions 0 … last, one by one."""
        builder = self._builder
        trial = self._function.append_basic_block("scalar.trial")
        found, after = (
            self._function.append_basic_block("scalar.found"),
            self._function.append_basic_block("scalar.next"),
        )
        builder.position_at_end(block)
        builder.cbranch(builder.icmp_signed("<", last, _int(0)), self._absent, trial)
        builder.position_at_end(trial)
        place = builder.phi(_I64, "place")
        place.add_incoming(_int(0), block)
        builder.cbranch(self._matches(place, 0, len(self._needle)), found, after)
        builder.position_at_end(found)
        builder.ret(place)
        builder.position_at_end(after)
        following = builder.add(place, _int(1))
        place.add_incoming(following, after)
        builder.cbranch(builder.icmp_signed("<=", following, last), trial, self._absent)

    def _emit_blocks(self, block: ll.Block, last: ll.Value) -> None:
        """Positions 0 … last, last ≥ BLOCK − 1, a block at a time; the last block ends at `last`."""
        builder, append = self._builder, self._function.append_basic_block
        head, candidate, found = append("blocks.head"), append("blocks.candidate"), append("blocks.found")
        reject, following = append("blocks.reject"), append("blocks.next")
        builder.position_at_end(block)
        final = builder.sub(last, _int(BLOCK - 1), name="final")
        builder.branch(head)

        builder.position_at_end(head)
        start = builder.phi(_I64, "start")
        start.add_incoming(_int(0), block)
        agree = self._agreeing(start)
        builder.cbranch(builder.icmp_unsigned("!=", agree, ll.Constant(_I32, 0)), candidate, following)

        builder.position_at_end(candidate)
        left = builder.phi(_I32, "left")
        left.add_incoming(agree, head)
        bit = builder.cttz(left, ll.Constant(_I1, 1))
        place = builder.add(start, builder.zext(bit, _I64))
        builder.cbranch(self._matches(place, 1, len(self._needle) - 1), found, reject)
        builder.position_at_end(found)
        builder.ret(place)

        builder.position_at_end(reject)
        fewer = builder.and_(left, builder.sub(left, ll.Constant(_I32, 1)))
        left.add_incoming(fewer, reject)
        builder.cbranch(builder.icmp_unsigned("!=", fewer, ll.Constant(_I32, 0)), candidate, following)

        builder.position_at_end(following)
        advanced = builder.add(start, _int(BLOCK))
        cut = builder.select(builder.icmp_signed("<", advanced, final), advanced, final)
        start.add_incoming(cut, following)
        builder.cbranch(builder.icmp_signed("<", start, final), head, self._absent)

    def _agreeing(self, start: ll.Value) -> ll.Value:
        """Bit i: the needle's first and last byte stand in place for position start + i."""
        builder, needle = self._builder, self._needle
        ends = []
        for offset in (0, len(needle) - 1):
            pointer = builder.gep(self._text, [builder.add(start, _int(offset))], source_etype=_I8)
            loaded = builder.load(pointer, typ=_VECTOR, align=1)
            wanted = ll.Constant(_VECTOR, [needle[offset]] * BLOCK)
            ends.append(builder.icmp_unsigned("==", loaded, wanted))
        return builder.bitcast(builder.and_(*ends), _I32)

    def _matches(self, place: ll.Value, begin: int, end: int) -> ll.Value:
        """Whether the needle's bytes begin … end−1 stand in place for position `place`."""
        builder = self._builder
        result: ll.Value = ll.Constant(_I1, 1)
        for offset in range(begin, end, _CHUNK):
            chunk = self._needle[offset : min(offset + _CHUNK, end)]
            kind = ll.IntType(8 * len(chunk))
            pointer = builder.gep(self._text, [builder.add(place, _int(offset))], source_etype=_I8)
            loaded = builder.load(pointer, typ=kind, align=1)
            equal = builder.icmp_unsigned("==", loaded, ll.Constant(kind, int.from_bytes(chunk, "little")))
            result = builder.and_(result, equal)
        return result
