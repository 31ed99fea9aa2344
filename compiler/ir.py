"""The intermediate representation: typed SSA over basic blocks, integers exact.

Grammar of the text form (printer.py writes it, reader.py reads it; `;` starts a comment to the end of the line):

    function   ::= "filter" NAME "{" site* map* table* block+ "}"
    site       ::= "site" "#"INT ":" EXCEPTION "at" LINE ":" COLUMN STRING ["in" STRING]      the guard; the file
    map        ::= "map" "@"NAME ":" KIND "[" CAPACITY "]" "base" INT ["key" "[" ([TYPE-NAME ":"] SIZE),+ "]"]
                   ["detail" INT] "{" (NAME ":" SCALAR),* "}"
    table      ::= "table" "$"NAME ":" ("ranges" (INT ".." INT),* | "values" INT,*)
    block      ::= LABEL ":" op* terminator
    op         ::= "%"INT "=" PURE-OP | EFFECT-OP
    PURE-OP    ::= "const" TYPE LITERAL
                 | "phi" TYPE (LABEL ":" VALUE),+
                 | BINARY ["mod" INT] VALUE "," VALUE
                 | "cmp" PREDICATE VALUE "," VALUE      | "not" VALUE
                 | "select" VALUE "," VALUE "," VALUE   | "wrap" SCALAR VALUE
                 | "inset" VALUE "," "$"NAME            | "lookup" VALUE "," "$"NAME
                 | "item" VALUE "," VALUE
                 | "window" VALUE "site" "#"INT
                 | CONTEXT                              | "random" VALUE
                 | "load" SIZE ORDER VALUE "+" INT      | "loadbytes" SIZE VALUE "+" INT
                 | "find" BYTES "in" VALUE "," VALUE
                 | "mapload" "@"NAME "[" VALUE "]" "." FIELD
                 | "pack" (VALUE ":" SIZE),+            | "hash" "@"NAME VALUE
                 | "mapfind" ["touch"] "@"NAME VALUE "," VALUE
                 | "mapinsert" "@"NAME VALUE "," VALUE "{" VALUE,* "}"
                 | "mapdelete" "@"NAME VALUE "," VALUE  | "lpmfind" "@"NAME VALUE
                 | "bloomtest" "@"NAME VALUE            | "bloomadd" "@"NAME VALUE
                 | "logbucket" INT VALUE                | "take" "@"NAME "[" VALUE "]" VALUE "," VALUE
    EFFECT-OP  ::= "store" SIZE ORDER VALUE "+" INT "," VALUE   | "storebytes" VALUE "+" INT "," VALUE
                 | "mapstore" "@"NAME "[" VALUE "]" "." FIELD "," VALUE
                 | "mapadd" "@"NAME "[" VALUE "]" "." FIELD "," VALUE
                 | "emit" "@"NAME "{" VALUE,* "}"
                 | "movehead" VALUE "," VALUE           | "mirror" VALUE "," VALUE
                 | "prefetch" "@"NAME VALUE
                 | "check" VALUE "site" "#"INT
    terminator ::= "jump" LABEL | "branch" VALUE "," LABEL "," LABEL ["likely" | "unlikely"]
                 | "return" VALUE "," VALUE | "raise" "site" "#"INT

Rules of the house for ops:
- An op is a value where its type is not VOID. It has no hidden control flow; only terminators choose a successor.
- Arithmetic is exact over the integers. The language's window is an op of its own (`Window`).
- Whatever may raise at run time is a `Check`, `Window` or `Raise` and names a `Site`. Every access to packet or map
  memory must be *proved* in bounds by the verifier from the checks and branches that dominate it; there is no check
  hidden in a load.
- Packet offsets count from where the packet began when it arrived: what `push` adds lies at negative offsets, and
  LENGTH is the end of the packet, whatever is pushed or pulled.
- Concrete ops are final. Passes that only follow values use `operands` and `replace_operand`, and need no case an op.

This file must not know: Python source, lowering, LLVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, TypeAlias, final

from nmjit.compiler.irdata import BinaryKind as BinaryKind
from nmjit.compiler.irdata import ByteOrder as ByteOrder
from nmjit.compiler.irdata import ContextField as ContextField
from nmjit.compiler.irdata import Predicate as Predicate
from nmjit.compiler.irdata import RangeTable as RangeTable
from nmjit.compiler.irdata import Site as Site
from nmjit.compiler.irdata import Table as Table
from nmjit.compiler.irdata import ValueTable as ValueTable
from nmjit.compiler.irmaps import BloomAdd as BloomAdd
from nmjit.compiler.irmaps import BloomTest as BloomTest
from nmjit.compiler.irmaps import EventEmit as EventEmit
from nmjit.compiler.irmaps import KeyHash as KeyHash
from nmjit.compiler.irmaps import LogBucket as LogBucket
from nmjit.compiler.irmaps import LpmFind as LpmFind
from nmjit.compiler.irmaps import MapAdd as MapAdd
from nmjit.compiler.irmaps import MapDelete as MapDelete
from nmjit.compiler.irmaps import MapFind as MapFind
from nmjit.compiler.irmaps import MapInsert as MapInsert
from nmjit.compiler.irmaps import MapLoad as MapLoad
from nmjit.compiler.irmaps import MapStore as MapStore
from nmjit.compiler.irmaps import PackKey as PackKey
from nmjit.compiler.irmaps import Prefetch as Prefetch
from nmjit.compiler.irmaps import RateTake as RateTake
from nmjit.compiler.irop import Op as Op
from nmjit.compiler.irop import Value as Value
from nmjit.compiler.irtypes import BOOL, INT, VOID, Bytes, MapDecl, Scalar, Type
from nmjit.compiler.record import record


@final
@record
class Const(Op):
    """An integer, a bool, or a bytes constant of 1 to 64 bytes."""

    value: int | bool | bytes
    line: int = 0

    @property
    def type(self) -> Type:
        if isinstance(self.value, bool):
            return BOOL
        if isinstance(self.value, int):
            return INT
        return Bytes(len(self.value))


@final
class Phi(Op):
    """Value by predecessor. Stands before all other ops of its block; all Phis of a block read before any is set."""

    __match_args__ = ("_type", "incoming", "line")
    __slots__ = ("_type", "incoming", "line")

    def __init__(self, _type: Type, incoming: dict[BasicBlock, Value] | None = None, line: int = 0) -> None:
        self._type = _type
        self.incoming = {} if incoming is None else incoming
        self.line = line

    @property
    def type(self) -> Type:
        return self._type

    def operands(self) -> tuple[Value, ...]:
        return tuple(self.incoming.values())

    def replace_operand(self, old: Value, new: Value) -> None:
        for block, value in self.incoming.items():
            if value is old:
                self.incoming[block] = new


@final
@record
class Binary(Op):
    """`a kind b` over the integers, then reduced to 0 … 2**modulus−1 where `modulus` (in bits: 8, 16, 32, 64) is given.

    FLOORDIV and MOD round towards minus infinity; SHR is arithmetic. Obligations: divisor not 0; shift in 0 … 63.
    `modulus` goes with ADD, SUB, MUL, AND, OR, XOR and SHL only, never with BOOLs.
    """

    operand_names: ClassVar[tuple[str, ...]] = ("a", "b")
    kind: BinaryKind
    a: Value
    b: Value
    modulus: int | None = None
    line: int = 0

    @property
    def type(self) -> Type:
        return self.a.type if self.kind in _LOGIC else INT


@final
@record
class Compare(Op):
    """`a predicate b`, exact."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("a", "b")
    predicate: Predicate
    a: Value
    b: Value
    line: int = 0


@final
@record
class Not(Op):
    """Logical negation of a BOOL."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("a",)
    a: Value
    line: int = 0


@final
@record
class Select(Op):
    """`a` where `condition` holds, else `b`; both are already computed."""

    operand_names: ClassVar[tuple[str, ...]] = ("condition", "a", "b")
    condition: Value
    a: Value
    b: Value
    line: int = 0

    @property
    def type(self) -> Type:
        return self.a.type


@final
@record
class Wrap(Op):
    """`a` reduced into the range of `scalar`, two's complement where signed. A BOOL operand counts as 0 or 1."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("a",)
    a: Value
    scalar: Scalar
    line: int = 0


@final
@record
class InSet(Op):
    """Whether `a` lies in one of the table's ranges."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("a",)
    a: Value
    table: RangeTable
    line: int = 0


@final
@record
class Lookup(Op):
    """`table.values[index]`. Obligation: index within the table."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("index",)
    index: Value
    table: ValueTable
    line: int = 0


@final
@record
class Item(Op):
    """Byte `index` of the snapshot `data`. Obligation: 0 ≤ index < size."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("data", "index")
    data: Value
    index: Value
    line: int = 0


@final
@record
class Window(Op):
    """`a` itself; raises at `site` (OverflowError) unless WINDOW_MIN ≤ a ≤ WINDOW_MAX. Once proved, a plain copy."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("a",)
    a: Value
    site: Site
    line: int = 0


@final
@record
class Context(Op):
    """A fact about the packet's surroundings, the same at every evaluation for one packet."""

    type = INT
    which: ContextField
    line: int = 0


@final
@record
class Random(Op):
    """u32 = splitmix64 of (seed, the worker's packet number, `call`), as lang/_random.py defines it. Pure."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("call",)
    call: Value
    line: int = 0


@final
@record
class Load(Op):
    """Unsigned integer of `size` bytes (1 … 8, or 16) at packet offset `base + displacement`.

    Obligation: 0 ≤ base+displacement and base+displacement+size ≤ packet length. Reads what the stores before it left.
    """

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("base",)
    base: Value
    displacement: int
    size: int
    order: ByteOrder = ByteOrder.BIG
    line: int = 0


@final
@record
class LoadBytes(Op):
    """Snapshot of `size` bytes (1 … 64) at packet offset `base + displacement`. Obligation as for Load."""

    operand_names: ClassVar[tuple[str, ...]] = ("base",)
    base: Value
    displacement: int
    size: int
    line: int = 0

    @property
    def type(self) -> Type:
        return Bytes(self.size)


@final
@record
class Find(Op):
    """Smallest i with packet[start+i : start+i+len(needle)] == needle wholly before `end`, or −1.

    An empty needle is found at 0. Obligation: 0 ≤ start ≤ end ≤ packet length. Its cost is that of end−start bytes.
    """

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("start", "end")
    start: Value
    end: Value
    needle: bytes
    line: int = 0


@final
@record
class Store(Op):
    """Write `value` modulo 2**(8*size) at packet offset `base + displacement`. Obligation as for Load."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("base", "value")
    base: Value
    displacement: int
    size: int
    value: Value
    order: ByteOrder = ByteOrder.BIG
    line: int = 0


@final
@record
class StoreBytes(Op):
    """Write the snapshot `value` at packet offset `base + displacement`. Obligation as for Load."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("base", "value")
    base: Value
    displacement: int
    value: Value
    line: int = 0


@final
@record
class MoveHead(Op):
    """The packet, which began at offset `old`, begins at `head` from here on; bytes head … old−1, if any, become 0.

    Obligations: head ≤ LENGTH; LENGTH − head ≤ ROOM; what is pushed at once, old − head, is at most MAX_PUSH.
    """

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("old", "head")
    old: Value
    head: Value
    line: int = 0


@final
@record
class Mirror(Op):
    """Copy the packet as it is, from `head` to LENGTH, to the bound port of index `port`."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("head", "port")
    head: Value
    port: Value
    line: int = 0


@final
@record
class Check(Op):
    """Raise at `site` unless `condition` holds."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("condition",)
    condition: Value
    site: Site
    line: int = 0


@final
@record
class Jump(Op):
    """Go on at `target`."""

    type = VOID
    target: BasicBlock
    line: int = 0


@final
@record
class Branch(Op):
    """Go on at `then` where `condition` holds, else at `other`.

    `expected` says how it mostly goes, None where that is not known; it bears on speed alone.
    """

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("condition",)
    condition: Value
    then: BasicBlock
    other: BasicBlock
    expected: bool | None = None
    line: int = 0


@final
@record
class Return(Op):
    """End the packet with `verdict` (0 … 4); `port` is the index of the bound port for REDIRECT, −1 for none."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("verdict", "port")
    verdict: Value
    port: Value
    line: int = 0


@final
@record
class Raise(Op):
    """End the packet by the exception of `site`: verdict ABORTED, counted."""

    type = VOID
    site: Site
    line: int = 0


Terminator: TypeAlias = Jump | Branch | Return | Raise


class BasicBlock:
    """Ops in order, the last one a terminator."""

    __slots__ = ("label", "ops")

    def __init__(self, label: str, ops: list[Op] | None = None) -> None:
        self.label = label
        self.ops = [] if ops is None else ops

    def __repr__(self) -> str:
        return f"BasicBlock({self.label!r}, {len(self.ops)} ops)"

    @property
    def terminator(self) -> Terminator:
        """The last op. AssertionError where the block is still open."""
        last = self.ops[-1]
        assert isinstance(last, Jump | Branch | Return | Raise), self.label
        return last

    @property
    def phis(self) -> list[Phi]:
        return [op for op in self.ops if isinstance(op, Phi)]

    def successors(self) -> tuple[BasicBlock, ...]:
        """Where the terminator may go, without repeats."""
        match self.terminator:
            case Jump(target=target):
                return (target,)
            case Branch(then=then, other=other):
                return (then,) if then is other else (then, other)
            case _:
                return ()


class Function:
    """One filter: blocks with the entry first, every one reachable; what it names besides values.

    `sites` gives each site its number, in order of first lowering; `maps` each map its place in the context's array.
    """

    __slots__ = ("blocks", "maps", "name", "sites", "tables")

    def __init__(
        self,
        name: str,
        blocks: list[BasicBlock] | None = None,
        sites: list[Site] | None = None,
        maps: list[MapDecl] | None = None,
        tables: list[Table] | None = None,
    ) -> None:
        self.name = name
        self.blocks = [] if blocks is None else blocks
        self.sites = [] if sites is None else sites
        self.maps = [] if maps is None else maps
        self.tables = [] if tables is None else tables

    @property
    def entry(self) -> BasicBlock:
        return self.blocks[0]

    def ops(self) -> Iterator[Op]:
        """All ops, block by block."""
        for block in self.blocks:
            yield from block.ops

    def predecessors(self) -> dict[BasicBlock, list[BasicBlock]]:
        """Blocks that may lead to each block, in block order."""
        result: dict[BasicBlock, list[BasicBlock]] = {block: [] for block in self.blocks}
        for block in self.blocks:
            for successor in block.successors():
                result[successor].append(block)
        return result

    def reverse_postorder(self) -> list[BasicBlock]:
        """Blocks so that, loops apart, each comes after its predecessors; unreachable ones are left out."""
        seen: set[BasicBlock] = set()
        order: list[BasicBlock] = []
        stack: list[tuple[BasicBlock, Iterator[BasicBlock]]] = []

        def enter(block: BasicBlock) -> None:
            seen.add(block)
            stack.append((block, iter(block.successors())))

        enter(self.entry)
        while stack:
            block, rest = stack[-1]
            for successor in rest:
                if successor not in seen:
                    enter(successor)
                    break
            else:
                order.append(block)
                stack.pop()
        return order[::-1]


def is_pure(op: Op) -> bool:
    """Whether the op neither writes, raises nor reads what a store could have changed: equal operands, equal value."""
    return isinstance(op, _PURE)


def may_raise(op: Op) -> bool:
    """Whether the op can end the packet with an exception."""
    return isinstance(op, Check | Window | Raise)


def writes_memory(op: Op) -> bool:
    """Whether the op changes packet bytes, a map, or what else is seen outside the filter."""
    return isinstance(op, _WRITES)


_LOGIC = frozenset({BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR})
_PURE = (
    Const, Binary, Compare, Not, Select, Wrap, InSet, Lookup, Item, Context, Random, PackKey, KeyHash, LogBucket,
)  # fmt: skip
_WRITES = (
    Store, StoreBytes, MapStore, MapAdd, MapInsert, MapDelete, BloomAdd, RateTake, EventEmit, MoveHead, Mirror,
    Prefetch,
)  # fmt: skip

OP_CLASSES: tuple[type[Op], ...] = (
    Const, Phi, Binary, Compare, Not, Select, Wrap, InSet, Lookup, Item, Window, Context, Random, Load, LoadBytes, Find,
    Store, StoreBytes, MapLoad, MapStore, MapAdd, PackKey, KeyHash, MapFind, MapInsert, MapDelete, LpmFind, BloomTest,
    BloomAdd, LogBucket, RateTake, EventEmit, MoveHead, Mirror, Prefetch, Check, Jump, Branch, Return, Raise,
)  # fmt: skip
"""Every concrete op: printer, reader, wellformed, interp, obligations, transfer and emit each handle all of these."""
