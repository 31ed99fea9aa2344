"""Runs compiled batch functions over packets that each end right before an inaccessible page.

The structs are filled by the offsets of abi.py. Memory is mapped here, not by the runtime, so that the compiler's tests
need no C extension.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nmjit.compiler.abi import BATCH, CONTEXT, DESCRIPTOR, MIRROR, NETMAP_SLOT, Accessor, AccessorKind, CStruct
from nmjit.compiler.emit import LevelSlice, emit_module
from nmjit.compiler.emit_int import Bounds
from nmjit.compiler.ir import Function, MoveHead, Op
from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.jit import NativeCode, compile_object, load_object
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import Outcome, PacketInfo
from tests.compiler.map_memory import MapMemory, ops_address

PAGE = mmap.PAGESIZE
OPEN = -(-(MAX_PACKET + 1) // PAGE) * PAGE
CELL = OPEN + PAGE
"""Bytes of a packet's place: as many as a packet may have, which it ends with, and a page that faults."""
DESCRIPTORS = Accessor(AccessorKind.DESCRIPTOR)
PLAIN = EmitOptions()
UNTOUCHED = 0xEE
"""What output arrays hold before the run, and memory before a packet."""
HEADROOM = 512
"""Bytes before a packet that are not zero."""
MIRRORS = 256
MIRROR_BYTES = 1 << 20

_FORMATS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class BatchResult:
    """What a batch left: for each packet its verdict, port, site (None where not written) and bytes."""

    returned: int
    verdicts: list[int]
    ports: list[int]
    sites: list[int | None]
    packets: list[bytes]
    exceptions: list[int]
    now: int
    mirrors: list[list[tuple[int, bytes]]]


def compile_function(
    function: Function,
    ranges: Mapping[Op, Bounds],
    accessor: Accessor = DESCRIPTORS,
    options: EmitOptions = PLAIN,
    proven: frozenset[Op] = frozenset(),
    holding: frozenset[str] = frozenset(),
    slices: Sequence[LevelSlice] = (),
) -> NativeCode:
    text = emit_module(function, ranges, accessor, options, proven=proven, holding=holding, slices=slices)
    return load_object(compile_object(text))


@dataclass
class GuardedMemory:
    """Cells of accessible pages and one that is not each; packets end where that begins."""

    cells: int
    memory: mmap.mmap = field(init=False)
    address: int = field(init=False)

    def __post_init__(self) -> None:
        self.memory = mmap.mmap(-1, self.cells * CELL)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        _libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for cell in range(self.cells):
            assert _libc.mprotect(self.address + cell * CELL + OPEN, PAGE, 0) == 0, ctypes.get_errno()

    def place(self, cell: int, packet: bytes, room: int = 0) -> int:
        """Write `packet` at the end of a cell, or `room` bytes before it; returns its offset."""
        offset = cell * CELL + OPEN - min(max(len(packet), room), OPEN - HEADROOM)
        ctypes.memset(self.address + offset - HEADROOM, UNTOUCHED, HEADROOM)
        ctypes.memmove(self.address + offset, packet, len(packet))
        return offset

    def read(self, offset: int, size: int) -> bytes:
        return ctypes.string_at(self.address + offset, size)


def pack(kind: CStruct, **members: int) -> bytearray:
    """The struct's bytes; members left out are 0."""
    image = bytearray(kind.size)
    for member in kind.members:
        struct.pack_into(_FORMATS[member.size], image, kind.offset(member.name), members.pop(member.name, 0))
    assert not members, members
    return image


def address_of(image: bytearray) -> int:
    """Address of a bytearray's bytes; the caller keeps it alive and unresized."""
    return ctypes.addressof(ctypes.c_char.from_buffer(image)) if image else 0


def run_batch(
    code: NativeCode,
    packets: Sequence[bytes],
    *,
    accessor: Accessor = DESCRIPTORS,
    infos: Sequence[PacketInfo] | None = None,
    maps: Sequence[bytearray | MapMemory] = (),
    sites: int = 0,
    head: int = 0,
    num_slots: int | None = None,
    want_sites: bool = True,
    now: int = 0,
    resizes: bool = False,
    room: int = 0,
    worker: int = 0,
) -> BatchResult:
    """Run `packets` as one batch from slot `head` on; `maps` are changed in place.

    Port, queue, seed and number of the first packet come from the first of `infos`; with the netmap accessor all
    packets have one length (at most `room`, where given), and their clocks are the first's. `resizes` tells that the
    function writes the packets' new places.
    """
    count, total = len(packets), num_slots or max(len(packets), 1)
    infos = infos or [PacketInfo(wire_len=len(packet)) for packet in packets]
    first = infos[0] if infos else PacketInfo()
    netmap = accessor.kind is AccessorKind.NETMAP
    memory = GuardedMemory(max(count, 1))
    offsets = [memory.place(cell, packet, room if netmap else 0) for cell, packet in enumerate(packets)]
    slots = slot_array(packets, offsets, infos, head, total, netmap)
    lead = offsets[0] if netmap and offsets else 0
    readable = room or (len(packets[0]) if packets else 0)
    batch = pack(
        BATCH, slots=address_of(slots), base=memory.address + lead, stride=CELL, num_slots=total, head=head,
        count=count, num_bufs=count, readable=readable, port=first.port, queue=first.queue,
    )  # fmt: skip
    verdicts, ports, marks, lengths, heads = (bytearray([UNTOUCHED] * (size * count + 8)) for size in (1, 2, 2, 4, 4))
    exceptions, copies, copied = bytearray(8 * sites + 8), bytearray(MIRROR.size * MIRRORS), bytearray(MIRROR_BYTES)
    bases = base_addresses(maps)
    context = pack(
        CONTEXT, verdicts=address_of(verdicts), exceptions=address_of(exceptions), maps=address_of(bases),
        now=first.now if netmap else now, timestamp=first.timestamp, seed=first.seed, packet_number=first.packet_number,
        sites=address_of(marks) if want_sites else 0, ports=address_of(ports), new_len=address_of(lengths),
        head_offset=address_of(heads), mirrors=address_of(copies), mirror_bytes=address_of(copied),
        mirror_room=MIRROR_BYTES, mirror_capacity=MIRRORS, ops=ops_address(), worker=worker,
    )  # fmt: skip
    returned = call(code, batch, context)
    for array, size in ((verdicts, 1), (ports, 2), (marks, 2), (lengths, 4), (heads, 4)):
        assert array[size * count :] == bytes([UNTOUCHED] * 8), "wrote beyond the batch"
    marked = struct.unpack_from(f"<{count}H", marks)
    places = zip(offsets, packet_places(packets, lengths, heads, resizes), strict=True)
    return BatchResult(
        returned,
        list(verdicts[:count]),
        list(struct.unpack_from(f"<{count}h", ports)),
        [None if mark == UNTOUCHED * 0x101 else mark - 1 for mark in marked],
        [memory.read(offset + moved, size) for offset, (moved, size) in places],
        list(struct.unpack_from(f"<{sites}Q", exceptions)),
        struct.unpack_from("<Q", context, CONTEXT.offset("now"))[0],
        mirrored(context, copies, copied, count),
    )


def packet_places(
    packets: Sequence[bytes], lengths: bytearray, heads: bytearray, resizes: bool
) -> list[tuple[int, int]]:
    """Where each packet begins in the end, from where it did, and its size."""
    if resizes:
        moved = struct.unpack_from(f"<{len(packets)}i", heads)
        return list(zip(moved, struct.unpack_from(f"<{len(packets)}I", lengths), strict=True))
    written = set(lengths + heads) - {UNTOUCHED}
    assert not written, "wrote sizes of packets that keep theirs"
    return [(0, len(packet)) for packet in packets]


def call(code: NativeCode, batch: bytearray, context: bytearray) -> int:
    """Run a batch function; what it returns."""
    entry = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)(code.address)
    returned: int = entry(address_of(batch), address_of(context))
    return returned


def base_addresses(maps: Sequence[bytearray | MapMemory]) -> bytearray:
    """The context's array of maps."""
    addresses = (item.address if isinstance(item, MapMemory) else address_of(item) for item in maps)
    return bytearray(b"".join(struct.pack("<Q", address) for address in addresses))


def slot_array(
    packets: Sequence[bytes],
    offsets: Sequence[int],
    infos: Sequence[PacketInfo],
    head: int,
    total: int,
    netmap: bool,
) -> bytearray:
    """The ring's slots: those of the batch from `head` on, the others zero."""
    kind = NETMAP_SLOT if netmap else DESCRIPTOR
    slots = bytearray(kind.size * total)
    for place, (offset, packet, info) in enumerate(zip(offsets, packets, infos, strict=True)):
        if netmap:
            image = pack(NETMAP_SLOT, buf_idx=place, len=len(packet))
        else:
            wire = max(info.wire_len, len(packet))
            image = pack(DESCRIPTOR, offset=offset, timestamp=info.timestamp, len=len(packet), wire_len=wire)
        start = (head + place) % total * kind.size
        slots[start : start + kind.size] = image
    return slots


def mirrored(context: bytearray, copies: bytearray, copied: bytearray, count: int) -> list[list[tuple[int, bytes]]]:
    """For each packet the copies that it made: port and bytes."""
    found: list[list[tuple[int, bytes]]] = [[] for _ in range(count)]
    (taken,) = struct.unpack_from("<I", context, CONTEXT.offset("mirror_count"))
    for place in range(taken):
        start = place * MIRROR.size
        packet, port, offset, length = (
            int.from_bytes(copies[start + MIRROR.offset(name) :][:size], "little")
            for name, size in (("packet", 4), ("port", 4), ("offset", 8), ("len", 4))
        )
        found[packet].append((port, bytes(copied[offset : offset + length])))
    return found


def resizes(function: Function) -> bool:
    return any(isinstance(op, MoveHead) for op in function.ops())


def batch_infos(infos: Sequence[PacketInfo], now: int = 0) -> list[PacketInfo]:
    """What packets of one batch with these surroundings find: one port, queue and seed, numbers in order, a clock that
    never runs back. It starts at `now`."""
    first, result = infos[0], []
    for place, info in enumerate(infos):
        now = max(now, info.timestamp)
        number = (first.packet_number + place) % 2**64
        result.append(replace(first, wire_len=info.wire_len, timestamp=info.timestamp, now=now, packet_number=number))
    return result


def outcomes(function: Function, result: BatchResult, redirects: bool) -> list[Outcome]:
    """The batch's result in the interpreter's terms."""
    found = []
    rows = zip(result.verdicts, result.ports, result.sites, result.mirrors, strict=True)
    for verdict, port, site, copies in rows:
        raised = function.sites[site] if site is not None else None
        found.append(
            Outcome(
                verdict,
                port if redirects else -1,
                raised.exception if raised else None,
                raised.line if raised else 0,
                tuple(copies),
            )
        )
    return found
