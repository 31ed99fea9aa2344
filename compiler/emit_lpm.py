"""Longest prefix match in line: a cell by the address's first bits, then a node for every further eight.

Cells are stored whole, and one that names a node only once the node is filled, so a look-up takes no lock. It goes
down no further than the address has bits.

This file must not know: ops, how networks are put in. Source: maplayout.py; P. Gupta, S. Lin, N. McKeown, "Routing
lookups in hardware at memory access speeds" (DIR-24-8).
"""

from __future__ import annotations

from typing import Final

import llvmlite.ir as ll

from nmjit.compiler.emit_int import I64, Number, resize
from nmjit.compiler.emit_packet import byte_address
from nmjit.compiler.irtypes import MapDecl
from nmjit.compiler.maplayout import LPM_CHILD, LPM_NODE_CELLS, lpm_layout

_I32: Final = ll.IntType(32)
_NODE_BITS: Final = LPM_NODE_CELLS.bit_length() - 1
_CELL: Final = 4
"""Bytes of a cell."""


def _word(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


def find(builder: ll.IRBuilder, lpm: ll.Value, decl: MapDecl, address: Number) -> ll.Value:
    """Index of the longest network's entry, or −1, as an i64."""
    layout, append = lpm_layout(decl), builder.append_basic_block
    # The address stands at the top of a register, from which its bits are taken in order.
    size = max(layout.width, 64)
    bits = resize(builder, address, size)
    if layout.width < size:
        bits = builder.shl(bits, ll.Constant(bits.type, size - layout.width))
    cell = load_cell(builder, root_cell(builder, lpm, decl, leading(builder, bits, layout.root_bits)))
    levels = (layout.width - layout.root_bits) // _NODE_BITS
    if levels:
        before, descend, done = builder.block, append("lpm.node"), append("lpm.done")
        rest = builder.shl(bits, ll.Constant(bits.type, layout.root_bits))
        builder.cbranch(is_child(builder, cell), descend, done)
        result = ll.IRBuilder(done).phi(_I32, "cell")
        result.add_incoming(cell, before)

        builder.position_at_end(descend)
        parent, ahead = builder.phi(_I32, "parent"), builder.phi(bits.type, "ahead")
        level = builder.phi(_I32, "level")
        below = load_cell(builder, node_cell(builder, lpm, decl, parent, leading(builder, ahead, _NODE_BITS)))
        result.add_incoming(below, descend)
        further = builder.add(level, ll.Constant(_I32, 1))
        onward = builder.and_(is_child(builder, below), builder.icmp_unsigned("<", further, ll.Constant(_I32, levels)))
        shifted = builder.shl(ahead, ll.Constant(bits.type, _NODE_BITS))
        for phi, first, following in (
            (parent, cell, below), (ahead, rest, shifted), (level, ll.Constant(_I32, 0), further),
        ):  # fmt: skip
            phi.add_incoming(first, before)
            phi.add_incoming(following, descend)
        builder.cbranch(onward, descend, done)
        builder.position_at_end(done)
        cell = result
    return builder.sub(builder.zext(cell, I64), _word(1))


def leading(builder: ll.IRBuilder, bits: ll.Value, count: int) -> ll.Value:
    """The register's first `count` bits, as an i64."""
    top = builder.lshr(bits, ll.Constant(bits.type, bits.type.width - count))
    return top if top.type == I64 else builder.trunc(top, I64)


def root_cell(builder: ll.IRBuilder, lpm: ll.Value, decl: MapDecl, place: ll.Value) -> ll.Value:
    """Address of a root cell."""
    root = byte_address(builder, lpm, _word(lpm_layout(decl).root_at))
    return builder.gep(root, [place], source_etype=_I32)


def node_cell(builder: ll.IRBuilder, lpm: ll.Value, decl: MapDecl, parent: ll.Value, place: ll.Value) -> ll.Value:
    """Address of cell `place` of the node that the cell `parent` names."""
    number = builder.zext(builder.and_(parent, ll.Constant(_I32, LPM_CHILD - 1)), I64)
    offset = builder.add(builder.mul(number, _word(_CELL * LPM_NODE_CELLS)), builder.mul(place, _word(_CELL)))
    return byte_address(builder, lpm, builder.add(offset, _word(lpm_layout(decl).nodes_at)))


def load_cell(builder: ll.IRBuilder, address: ll.Value) -> ll.Value:
    """A cell, once and whole: its node may be looked into, its entry read."""
    return builder.load_atomic(address, "acquire", 4, typ=_I32)


def is_child(builder: ll.IRBuilder, cell: ll.Value) -> ll.Value:
    return builder.icmp_signed("<", cell, ll.Constant(_I32, 0))
