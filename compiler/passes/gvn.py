"""Give equal computations one value: number values down the dominator tree and keep the first of each.

Before:                                After:
    %0 = length                            %0 = length
    %1 = const int 20                      %1 = const int 20
    %2 = cmp ge %0, %1                     %2 = cmp ge %0, %1
    check %2 site #0                       check %2 site #0
    %3 = length                            %3 = add %0, %1
    %4 = const int 20                      %4 = window %3 site #1
    %5 = cmp le %4, %3                     jump next
    check %5 site #1
    %6 = add %3, %4
    %7 = window %6 site #1
    %8 = add %4, %0
    %9 = window %8 site #2
    jump next

Pure ops are numbered, and phis of one block against each other. A Window or Check of a value that has passed one on
every way here cannot raise, so it goes too. What reads a map or the packet is numbered together with the number of the
state that it reads: an insertion begins a new state of a map's keys, a store one of a field's values or of the packet.
Source: Briggs, Cooper, Simpson, "Value Numbering", 1997 (dominator-based value numbering).

This file must not know: values at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    BloomTest,
    Check,
    Compare,
    Const,
    Context,
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
    MapFind,
    MapLoad,
    Not,
    Op,
    PackKey,
    Phi,
    Random,
    Select,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import MapKind
from nmjit.compiler.passes.memory_states import MemoryStates
from nmjit.compiler.passes.substitute import follow, substitute

_COMMUTATIVE: Final = frozenset(
    (BinaryKind.ADD, BinaryKind.MUL, BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR, BinaryKind.MIN, BinaryKind.MAX)
)


def run(function: Function) -> bool:
    """Merge equal values and delete repeated checks. Whether there were any."""
    tree = DominatorTree.of(function)
    states = MemoryStates(function, tree)
    replacement: dict[Value, Value] = {}
    known: dict[Hashable, Op] = {}
    changed = False
    stack: list[tuple[BasicBlock | None, list[Hashable]]] = [(tree.root, [])]
    while stack:
        block, added = stack.pop()
        if block is None:
            for key in added:
                del known[key]
            continue
        added = []
        states.enter(block)
        changed |= _number(block, known, added, replacement, states)
        stack.append((None, added))
        stack.extend((child, []) for child in reversed(tree.children[block]))
    substitute(function, replacement)
    return changed


def _number(
    block: BasicBlock,
    known: dict[Hashable, Op],
    added: list[Hashable],
    replacement: dict[Value, Value],
    states: MemoryStates,
) -> bool:
    """Number the ops of one block; `added` gains the keys that hold in its subtree only."""
    kept: list[Op] = []
    for op in block.ops:
        kind = type(op)
        if kind is not Phi and replacement:
            follow(op, replacement)
        key_of = _KEYS.get(kind)
        if key_of is not None:
            key = (block, key_of(op)) if kind is Phi else (kind, key_of(op), states.read_by(op))
            first = known.setdefault(key, op)
            if first is not op:
                if kind is not Check:
                    replacement[op] = first
                continue
            added.append(key)
            if type(op) is MapFind and (plain := (kind, _find_key(op, marks=False), key[-1])) not in known:
                known[plain] = op
                added.append(plain)
        states.leave(op)
        kept.append(op)
    changed = len(kept) != len(block.ops)
    block.ops = kept
    return changed


def _binary(op: Binary) -> Hashable:
    a, b = op.a, op.b
    if op.kind in _COMMUTATIVE and id(b) < id(a):
        a, b = b, a
    return op.kind, a, b, op.modulus


def _compare(op: Compare) -> Hashable:
    if id(op.b) < id(op.a):
        return op.predicate.swapped, op.b, op.a
    return op.predicate, op.a, op.b


def _find(op: MapFind) -> Hashable:
    return _find_key(op, marks=op.touch and op.map.kind is MapKind.LRU)


def _find_key(op: MapFind, *, marks: bool) -> Hashable:
    """A look-up that marks its entry also serves those that do not, never the other way round."""
    return op.map.name, op.key, op.hash, marks


_KEYS: Final[dict[type[Op], Callable[[Any], Hashable]]] = {
    Const: lambda op: (type(op.value), op.value),
    Phi: lambda op: frozenset(op.incoming.items()),
    Binary: _binary,
    Compare: _compare,
    Not: lambda op: op.a,
    Select: lambda op: (op.condition, op.a, op.b),
    Wrap: lambda op: (op.a, op.scalar),
    InSet: lambda op: (op.a, op.table.name),
    Lookup: lambda op: (op.index, op.table.name),
    Item: lambda op: (op.data, op.index),
    Window: lambda op: op.a,
    Context: lambda op: op.which,
    Random: lambda op: op.call,
    Check: lambda op: op.condition,
    PackKey: lambda op: (op.parts, op.sizes),
    KeyHash: lambda op: (op.map.name, op.key),
    LogBucket: lambda op: (op.a, op.precision),
    Load: lambda op: (op.base, op.displacement, op.size, op.order),
    LoadBytes: lambda op: (op.base, op.displacement, op.size),
    Find: lambda op: (op.start, op.end, op.needle),
    MapLoad: lambda op: (op.map.name, op.index, op.field),
    MapFind: _find,
    LpmFind: lambda op: (op.map.name, op.address),
    BloomTest: lambda op: (op.map.name, op.hash),
}
