"""Push, pull and mirror with both accessors, against the interpreter: bytes, places, copies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.emit import emit_module
from nmjit.compiler.interp import run
from nmjit.compiler.ir import (
    BinaryKind,
    ByteOrder,
    Context,
    ContextField,
    Load,
    Mirror,
    MoveHead,
    Predicate,
    Store,
    Value,
)
from nmjit.compiler.jit import compile_object
from nmjit.compiler.options import PARANOID_VERDICT, EmitOptions
from nmjit.compiler.outcome import PacketInfo
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, outcomes, run_batch
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft
from tests.compiler.test_jit import undefined_symbols

NETMAP = Accessor(AccessorKind.NETMAP)
ROOM = 600
PACKET = bytes(range(1, 101))


class Mover(FilterDraft):
    """A function that pushes and pulls; no check says whether it may."""

    def __init__(self) -> None:
        super().__init__("mover")
        self.head: Value = self.const(0)

    def move(self, count: int) -> None:
        """Push `count` bytes, or pull so many where negative."""
        kind = BinaryKind.SUB if count > 0 else BinaryKind.ADD
        head = self.builder.binary(kind, self.head, self.const(abs(count)))
        self.builder.emit(MoveHead(self.head, head))
        self.head = head

    def mark(self, value: int) -> None:
        """Write at the packet's first byte."""
        self.builder.emit(Store(self.head, 0, 1, self.const(value)))

    def mirror(self, port: int) -> None:
        self.builder.emit(Mirror(self.head, self.const(port)))


MOVES = {
    "push": (14,),
    "pull": (-14,),
    "push twice": (1, 128),
    "push every size": tuple(range(1, 20)),
    "pull and push less": (-20, 4),
    "pull and push more": (-5, 20),
    "push and pull": (40, -20),
    "push, pull more, push": (4, -50, 60),
    "pull all": (-100,),
    "pull all and push": (-100, 8),
}


def agree(draft: FilterDraft, accessor: Accessor, packet: bytes = PACKET) -> None:
    """Two packets of a batch come out as the interpreter has them."""
    live = accessor.kind is AccessorKind.NETMAP
    sites = len(draft.function.sites)
    info = PacketInfo(len(packet), room=ROOM) if live else PacketInfo(len(packet))
    for options in (EmitOptions(), EmitOptions(paranoid=True)):
        code = compile_function(draft.function, natural_ranges(draft.function), accessor, options)
        result = run_batch(
            code,
            [packet] * 2,
            accessor=accessor,
            infos=[info] * 2,
            room=ROOM,
            resizes=True,
            sites=sites,
        )
        image = bytearray(packet)
        outcome = run(draft.function, image, info, {})
        assert outcomes(draft.function, result, redirects=False) == [outcome] * 2
        assert result.packets == [bytes(image)] * 2


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str, accessor: Accessor) -> None:
    """Each move is marked at its new start, where there is one, and mirrored."""
    draft, size = Mover(), len(PACKET)
    for number, count in enumerate(MOVES[name]):
        draft.move(count)
        size += count
        if size:
            draft.mark(200 + number)
        draft.mirror(number)
    draft.verdict(PASS)
    agree(draft, accessor)


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
@pytest.mark.parametrize("first", [0, 1, 77])
def test_size_that_is_not_known(accessor: Accessor, first: int) -> None:
    """The packet's first byte says how much is pushed; the packet may also leave by an exception, resized."""
    draft = FilterDraft("sized")
    builder, zero = draft.builder, draft.const(0)
    size = draft.ranged(Load(zero, 0, 1), 0, 255)
    head = builder.binary(BinaryKind.SUB, zero, size)
    builder.emit(MoveHead(zero, head))
    builder.emit(Store(head, 0, 1, draft.const(9)))
    builder.check(builder.compare(Predicate.NE, size, draft.const(77)), builder.site("AssertionError", 3, 1, ""))
    draft.verdict(PASS)
    agree(draft, accessor, bytes([first]) + PACKET)


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
def test_moves_in_arms_of_a_branch(accessor: Accessor) -> None:
    """What lies behind the branch finds the packet where either arm left it."""
    for first in (0, 1):
        draft = Mover()
        builder = draft.builder
        push, after = builder.block("push"), builder.block("after")
        start, before = draft.head, builder.current
        assert before is not None
        which = builder.compare(Predicate.EQ, builder.emit(Load(start, 0, 1)), draft.const(1))
        builder.branch(which, push, after)
        builder.position(push)
        draft.move(20)
        builder.jump(after)
        builder.position(after)
        head = builder.phi(start.type, {before: start, push: draft.head})
        last = builder.emit(Load(draft.const(99), 0, 1))
        builder.emit(Store(head, 1, 1, last))
        room = builder.emit(Context(ContextField.ROOM))
        builder.emit(Store(head, 2, 4, room, ByteOrder.LITTLE))
        draft.verdict(PASS)
        agree(draft, accessor, bytes([first]) + PACKET[1:])


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
def test_no_library_is_called(accessor: Accessor) -> None:
    draft = FilterDraft("sized")
    zero = draft.const(0)
    size = draft.ranged(Load(zero, 0, 1), 0, 255)
    head = draft.builder.binary(BinaryKind.SUB, zero, size)
    draft.builder.emit(MoveHead(zero, head))
    further = draft.builder.binary(BinaryKind.SUB, head, draft.const(128))
    draft.builder.emit(MoveHead(head, further))
    draft.verdict(PASS)
    text = emit_module(draft.function, natural_ranges(draft.function), accessor)
    assert undefined_symbols(compile_object(text)) == []


@pytest.mark.parametrize(
    ("moves", "length"), [((-101,), 100), ((129,), 100), ((100, 100, 100), 301)], ids=["end", "push", "room"]
)
def test_paranoid_code_stops_at_a_move_too_far(moves: tuple[int, ...], length: int) -> None:
    draft = Mover()
    for count in moves:
        draft.move(count)
    draft.verdict(PASS)
    code = compile_function(draft.function, natural_ranges(draft.function), NETMAP, EmitOptions(paranoid=True))
    result = run_batch(code, [bytes(length)], accessor=NETMAP, room=ROOM, resizes=True)
    assert result.verdicts == [PARANOID_VERDICT]


def test_paranoid_code_knows_where_a_packet_begins() -> None:
    """A byte before a pulled packet's start is none of it; a pushed one is."""
    for count, verdict in ((-4, PARANOID_VERDICT), (4, PASS)):
        draft = Mover()
        draft.move(count)
        draft.builder.emit(Load(draft.head, -1 if count < 0 else 0, 1))
        draft.verdict(PASS)
        code = compile_function(draft.function, natural_ranges(draft.function), options=EmitOptions(paranoid=True))
        assert run_batch(code, [PACKET], resizes=True).verdicts == [verdict]


def test_room_of_a_ring_is_what_its_buffers_hold() -> None:
    draft = FilterDraft("room")
    room = draft.builder.emit(Context(ContextField.ROOM))
    draft.builder.emit(Store(draft.const(0), 0, 4, room, ByteOrder.LITTLE))
    draft.verdict(PASS)
    for accessor, expected in ((NETMAP, ROOM), (DESCRIPTORS, 65535)):
        code = compile_function(draft.function, natural_ranges(draft.function), accessor)
        (packet,) = run_batch(code, [bytes(4)], accessor=accessor, room=ROOM).packets
        assert int.from_bytes(packet, "little") == expected


def test_copies_beyond_the_room_are_lost_and_counted() -> None:
    """Of as many packets as there is room for copies, each makes two."""
    draft = Mover()
    draft.mirror(1)
    draft.mirror(2)
    draft.verdict(PASS)
    code = compile_function(draft.function, natural_ranges(draft.function))
    mirrors = run_batch(code, [PACKET] * 200, infos=[replace(PacketInfo(), wire_len=100)] * 200).mirrors
    assert mirrors == [[(1, PACKET), (2, PACKET)]] * 128 + [[]] * 72
