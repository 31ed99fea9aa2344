"""The ops on maps, part of ir.py, which has the rules.

Memory layouts: maplayout.py; what each kind means: lang/_maps.py.

This file must not know: other ops.
"""

from __future__ import annotations

from typing import ClassVar, final

from nmjit.compiler.irop import Op, Value
from nmjit.compiler.irtypes import BOOL, INT, VOID, Bytes, MapDecl, Type
from nmjit.compiler.record import record


@final
@record
class PackKey(Op):
    """`parts` as a packed key (lang/_hash.py), each modulo its size in bytes; `sizes` goes with `parts`."""

    __match_args__: ClassVar[tuple[str, ...]] = ("parts", "sizes")
    parts: tuple[Value, ...]
    sizes: tuple[int, ...]
    line: int = 0

    @property
    def type(self) -> Type:
        return Bytes(-(-sum(self.sizes) // 8) * 8)

    def operands(self) -> tuple[Value, ...]:
        return self.parts

    def replace_operand(self, old: Value, new: Value) -> None:
        self.parts = tuple(new if part is old else part for part in self.parts)


@final
@record
class KeyHash(Op):
    """Hash of a packed key, 0 … 2**64−1, by the seed of `map`. Pure: a map's seed never changes."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("key",)
    map: MapDecl
    key: Value
    line: int = 0


@final
@record
class MapFind(Op):
    """Index of the entry of `key`, whose hash is `hash`, or −1. HASH and LRU. With `touch`, marks the entry as used.

    An index stays good until the packet ends: no other key takes the entry before.
    """

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("key", "hash")
    map: MapDecl
    key: Value
    hash: Value
    touch: bool
    line: int = 0


@final
@record
class MapInsert(Op):
    """Index of the entry of `key`: the one it has, unchanged, or a new one that holds `values`; −1 without room for it.

    One value a field, in order, each wrapped to its field. A failure is counted in the map.
    """

    type = INT
    map: MapDecl
    key: Value
    hash: Value
    values: tuple[Value, ...]
    line: int = 0

    def operands(self) -> tuple[Value, ...]:
        return (self.key, self.hash, *self.values)

    def replace_operand(self, old: Value, new: Value) -> None:
        self.key = new if self.key is old else self.key
        self.hash = new if self.hash is old else self.hash
        self.values = tuple(new if value is old else value for value in self.values)


@final
@record
class MapDelete(Op):
    """Take the entry of `key` out of the map; whether there was one. Its index stays good until the packet ends."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("key", "hash")
    map: MapDecl
    key: Value
    hash: Value
    line: int = 0


@final
@record
class LpmFind(Op):
    """Index of the entry of the longest network that contains `address`, or −1."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("address",)
    map: MapDecl
    address: Value
    line: int = 0


@final
@record
class MapLoad(Op):
    """Field `field` of entry `index`. Obligation: 0 ≤ index < `maplayout.index_count(map)`."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("index",)
    map: MapDecl
    index: Value
    field: str
    line: int = 0


@final
@record
class MapStore(Op):
    """Set field `field` of entry `index` to `value`, wrapped to the field. Obligation as for MapLoad."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("index", "value")
    map: MapDecl
    index: Value
    field: str
    value: Value
    line: int = 0


@final
@record
class MapAdd(Op):
    """Add `value` to field `field` of entry `index`, wrapped to the field, in one indivisible step."""

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("index", "value")
    map: MapDecl
    index: Value
    field: str
    value: Value
    line: int = 0


@final
@record
class BloomTest(Op):
    """Whether all bits of `hash` are set in a BLOOM (lang/_bloom.py)."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("hash",)
    map: MapDecl
    hash: Value
    line: int = 0


@final
@record
class BloomAdd(Op):
    """Set all bits of `hash` in a BLOOM; whether one of them was not set before."""

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("hash",)
    map: MapDecl
    hash: Value
    line: int = 0


@final
@record
class LogBucket(Op):
    """Index of the log-linear bucket of `a` (0 … 2**64−1) with `precision` bits (lang/_histogram.py). Pure."""

    type = INT
    operand_names: ClassVar[tuple[str, ...]] = ("a",)
    a: Value
    precision: int
    line: int = 0


@final
@record
class RateTake(Op):
    """Take `amount` tokens at time `now` from the token bucket in entry `index`; whether there were so many.

    lang/_rate.py defines it; the fields are `RateLimit`'s. One indivisible step. Obligation as for MapLoad.
    """

    type = BOOL
    operand_names: ClassVar[tuple[str, ...]] = ("index", "amount", "now")
    map: MapDecl
    index: Value
    amount: Value
    now: Value
    line: int = 0


@final
@record
class EventEmit(Op):
    """Append a record of `values` (one a field, wrapped) to an EVENTS ring, or count a drop where it is full."""

    type = VOID
    map: MapDecl
    values: tuple[Value, ...]
    line: int = 0

    def operands(self) -> tuple[Value, ...]:
        return self.values

    def replace_operand(self, old: Value, new: Value) -> None:
        self.values = tuple(new if value is old else value for value in self.values)


@final
@record
class Prefetch(Op):
    """Only in slices: the packet will look `place` up in `map`. No effect but on caches.

    `place` is a hash (HASH, LRU, BLOOM), an address (LPM) or an index (ARRAY; any integer will do).
    """

    type = VOID
    operand_names: ClassVar[tuple[str, ...]] = ("place",)
    map: MapDecl
    place: Value
    line: int = 0
