"""Header fields: reading, and writing with the checksums that cover them.

The rules are those of docs/semantics.md, Writes and checksums; lang/_checksum.py and lang/_packet.py define them.
Source: RFC 1624, equation 3. This file must not know: statements, how a header was found.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from nmjit._headers import FieldKind, FieldSpec
from nmjit.compiler.ir import BinaryKind, ByteOrder, Predicate, Store, Value
from nmjit.compiler.lowering.join import merge
from nmjit.compiler.lowering.parsing import boolean, layer, load, present, stage
from nmjit.compiler.lowering.scope import HEADER_RANKS, RANK_AT, RANK_RAW, Scope
from nmjit.compiler.lowering.values import (
    Address,
    AddressKind,
    HeaderKind,
    Integer,
    Known,
    Static,
    Tuple,
    View,
    describe,
)

_ADDRESS_KINDS = {FieldKind.IPV4: AddressKind.IPV4, FieldKind.IPV6: AddressKind.IPV6, FieldKind.MAC: AddressKind.MAC}
_PSEUDO_HEADER = {"ipv4": ("src", "dst"), "ipv6": ("src", "dst")}
_UNDER = {"ipv4": ("tcp", "udp"), "ipv6": ("tcp", "udp", "icmp6")}
"""Layer-4 checksums that take in addresses of the layer 3 below."""
_OWN_CHECKSUM = frozenset({"ipv4", "tcp", "udp", "icmp", "icmp6"})


def use(scope: Scope, view: View, node: ast.AST) -> View:
    """`view`, refused where it may be dead."""
    names = dict.fromkeys(kind.header.__name__ for kind in view.kinds)
    require_alive(scope, view.token, node, f"{' or '.join(names)} view")
    return view


def require_alive(scope: Scope, token: int, node: ast.AST, what: str) -> None:
    """Refuse the use of a view or region that a write before may have killed."""
    if token not in scope.state.alive:
        writer = scope.killers.get(token, "a write before it")
        if what == "slice":
            scope.refuse(node, f"the bytes of this slice may be changed by {writer}", "take it after the write.")
        reason = f"this {what} may be dead after {writer}, which may change how the packet parses"
        scope.refuse(node, reason, "take it from the packet again after the write (pkt.tcp, pkt.payload, …).")


def _dispatch(scope: Scope, view: View, run: Callable[[HeaderKind, View], Static | None]) -> Static | None:
    """Run for the one kind that the view has; where it may have several, in a branch for each."""
    if len(view.kinds) == 1:
        return run(view.kinds[0], view)
    edges = []
    for index, kind in enumerate(view.kinds):
        if index < len(view.kinds) - 1:
            this, other = scope.fork(scope.compare(Predicate.EQ, view.tag, index))
        else:
            this, other = scope.here(), None
        scope.at(this)
        edges.append(scope.here(run(kind, View((kind,), scope.const(0), view.base, view.limit, view.end, view.token))))
        if other is not None:
            scope.at(other)
    return merge(scope, edges, "kinds")


def spec_of(kind: HeaderKind, name: str) -> FieldSpec | None:
    """The field `name` of a header, None where it has none of that name."""
    return next((field for field in kind.header.__header__.fields if field.name == name), None)


def read_field(scope: Scope, view: View, name: str, node: ast.AST) -> Static:
    """`view.name`; the view has the field in each of its kinds."""
    use(scope, view, node)
    specs = [spec_of(kind, name) for kind in view.kinds]
    first = specs[0]
    assert first is not None
    if all(s is not None and (s.bit, s.bits, s.kind) == (first.bit, first.bits, first.kind) for s in specs):
        return _read(scope, view.base, first)

    def one(kind: HeaderKind, narrowed: View) -> Static:
        spec = spec_of(kind, name)
        assert spec is not None
        return _read(scope, narrowed.base, spec)

    result = _dispatch(scope, view, one)
    assert result is not None
    return result


def _read(scope: Scope, base: Value, spec: FieldSpec) -> Static:
    word = load(scope, base, spec.first_byte, spec.end_byte - spec.first_byte)
    value = extract(scope, word, spec.shift, spec.bits, (spec.end_byte - spec.first_byte) * 8)
    if spec.kind is FieldKind.INT:
        return Integer(value)
    return Address(_ADDRESS_KINDS[spec.kind], value)


def extract(scope: Scope, word: Value, shift: int, bits: int, width: int) -> Value:
    """`bits` bits of `word`, which has `width`, from `shift` above the lowest on."""
    remaining = shift
    while remaining:  # an IR shift moves by at most 63 bits
        word = scope.binary(BinaryKind.SHR, word, min(remaining, 63))
        remaining -= min(remaining, 63)
    return word if shift + bits == width else scope.binary(BinaryKind.AND, word, (1 << bits) - 1)


def write_field(scope: Scope, view: View, name: str, value: Static, node: ast.AST) -> None:
    """`view.name = value`; an integer wraps to the field."""
    use(scope, view, node)

    def one(kind: HeaderKind, narrowed: View) -> None:
        spec = spec_of(kind, name)
        assert spec is not None
        _write(scope, kind, narrowed, spec, _stored_value(scope, spec, value, node))

    _dispatch(scope, view, one)
    _kill_after(scope, view, name, node)


def _stored_value(scope: Scope, spec: FieldSpec, value: Static, node: ast.AST) -> Value:
    if spec.kind is FieldKind.INT:
        match value:
            case Integer(value=v):
                return v
            case Known(obj=int() as number):
                return scope.const(number)
    else:
        match value:
            case Address(kind=kind, value=v) if kind is _ADDRESS_KINDS[spec.kind]:
                return v
            case Known(obj=obj) if type(obj).__name__ == spec.kind.value:
                return scope.const(int(obj))
    wanted = "an int" if spec.kind is FieldKind.INT else f"an object of type {spec.kind.value}"
    cure = f"assign {wanted}."
    if isinstance(value, Known) and isinstance(value.obj, str):
        cure = f"write {spec.kind.value}({value.obj!a})."
    scope.refuse(node, f"the field {spec.name} takes {wanted}, not {describe(value)}", cure)


def _kill_after(scope: Scope, view: View, name: str, node: ast.AST) -> None:
    line = scope.frame.source.span(node).line
    scope.kill(RANK_RAW - 1, line)
    for kind in view.kinds:
        spec = spec_of(kind, name)
        if kind.layer is None:
            scope.kill(RANK_AT, line)
        elif spec is not None and spec.steers:
            scope.kill(HEADER_RANKS[kind.layer], line)


def _write(scope: Scope, kind: HeaderKind, view: View, spec: FieldSpec, value: Value) -> None:
    """Store, then bring every checksum that covers the field up to date."""
    sums = _covering(scope, kind, view, spec)
    if not sums:
        _plain_store(scope, view.base, spec, value)
        return
    first = spec.first_byte & ~1
    size = (spec.end_byte + 1 & ~1) - first
    old = load(scope, view.base, first, size)
    new = _insert(scope, old, value, size * 8 - (spec.bit - first * 8) - spec.bits, spec.bits, size * 8)
    scope.builder.emit(Store(view.base, first, size, new, ByteOrder.BIG))
    for update in sums:
        update(old, new, size // 2)


def _plain_store(scope: Scope, base: Value, spec: FieldSpec, value: Value) -> None:
    size = spec.end_byte - spec.first_byte
    if spec.bits < size * 8:
        word = load(scope, base, spec.first_byte, size)
        value = _insert(scope, word, value, spec.shift, spec.bits, size * 8)
    scope.builder.emit(Store(base, spec.first_byte, size, value, ByteOrder.BIG))


def _insert(scope: Scope, word: Value, value: Value, shift: int, bits: int, width: int) -> Value:
    """`word` of `width` bits with `bits` of them, `shift` above the lowest, replaced by the low bits of `value`."""
    mask = (1 << bits) - 1
    field = scope.binary(BinaryKind.AND, value, mask)
    if bits == width:
        return field
    if shift:
        field = scope.binary(BinaryKind.SHL, field, shift)
    return scope.binary(BinaryKind.OR, scope.binary(BinaryKind.AND, word, ((1 << width) - 1) & ~(mask << shift)), field)


_Update = Callable[[Value, Value, int], None]


def _covering(scope: Scope, kind: HeaderKind, view: View, spec: FieldSpec) -> list[_Update]:
    """What to do for each checksum that takes in this field; asked before the store, since it may need to parse."""
    name = kind.layer
    if name not in _OWN_CHECKSUM | _PSEUDO_HEADER.keys() or spec.plain:
        return []
    updates: list[_Update] = []
    if name in _OWN_CHECKSUM:
        updates.append(_updater(scope, name, view))
    if spec.name in _PSEUDO_HEADER.get(name, ()):
        guard = _destination_counts(scope) if (name, spec.name) == ("ipv6", "dst") else None
        updates += [_pseudo_updater(scope, upper, guard) for upper in _UNDER[name]]
    return updates


def _destination_counts(scope: Scope) -> Value:
    """Whether the IPv6 destination is the final one: no routing header has segments left."""
    transport = stage(scope, "@transport")
    assert isinstance(transport, Tuple)
    return scope.builder.logical_not(boolean(scope, transport.items[4]))


def _pseudo_updater(scope: Scope, upper: str, guard: Value | None) -> _Update:
    there, view = present(scope, layer(scope, upper))

    def update(old: Value, new: Value, words: int) -> None:
        if view is None:
            return
        condition = there if guard is None else scope.binary(BinaryKind.AND, there, guard)
        yes, no = scope.fork(condition)
        scope.at(yes)
        _updater(scope, upper, view)(old, new, words)
        merge(scope, [scope.here(), no], "pseudo")

    return update


def _updater(scope: Scope, name: str, view: View) -> _Update:
    """Brings the checksum of header `name` up to date with `words` 16-bit words changed from `old` to `new`."""
    header = next(k.header for k in view.kinds if k.layer == name)
    spec = header.__header__.field(header.__header__.checksum)

    def update(old: Value, new: Value, words: int) -> None:
        held = load(scope, view.base, spec.first_byte, 2)
        total = scope.binary(BinaryKind.XOR, held, 0xFFFF)
        for index in range(words):
            shift = 16 * (words - 1 - index)
            before, after = (extract(scope, word, shift, 16, words * 16) for word in (old, new))
            total = scope.binary(BinaryKind.ADD, total, scope.binary(BinaryKind.XOR, before, 0xFFFF))
            total = scope.binary(BinaryKind.ADD, total, after)
        fresh = complement(scope, total)
        if name == "udp":
            fresh = _udp_sum(scope, held, fresh)
        scope.builder.emit(Store(view.base, spec.first_byte, 2, fresh, ByteOrder.BIG))

    return update


def complement(scope: Scope, total: Value) -> Value:
    """The one's complement sum of 16-bit words added up in `total` (below 2**32), complemented.

    One folding leaves at most 0x1FFFE, so that adding the carry once more can't carry beyond 16 bits again.
    """
    carry = scope.binary(BinaryKind.SHR, total, 16)
    total = scope.binary(BinaryKind.ADD, scope.binary(BinaryKind.AND, total, 0xFFFF), carry)
    total = scope.binary(BinaryKind.ADD, total, scope.binary(BinaryKind.SHR, total, 16))
    return scope.binary(BinaryKind.AND, scope.binary(BinaryKind.XOR, total, 0xFFFF), 0xFFFF)


def _udp_sum(scope: Scope, held: Value, fresh: Value) -> Value:
    """0 is sent as 0xFFFF; over IPv4 a checksum of 0 means that there is none, and stays (RFC 768)."""
    sent = scope.builder.select(scope.compare(Predicate.EQ, fresh, 0), scope.const(0xFFFF), fresh)
    transport = stage(scope, "@transport")
    assert isinstance(transport, Tuple)
    over_ipv4 = scope.builder.logical_not(boolean(scope, transport.items[3]))
    unused = scope.binary(BinaryKind.AND, over_ipv4, scope.compare(Predicate.EQ, held, 0))
    return scope.builder.select(unused, scope.const(0), sent)
