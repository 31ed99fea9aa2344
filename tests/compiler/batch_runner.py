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

from nmjit.compiler.abi import BATCH, CONTEXT, DESCRIPTOR, NETMAP_SLOT, Accessor, AccessorKind, CStruct
from nmjit.compiler.emit import emit_module
from nmjit.compiler.emit_int import Bounds
from nmjit.compiler.ir import Function, Op
from nmjit.compiler.jit import NativeCode, compile_object, load_object
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import Outcome, PacketInfo

PAGE = mmap.PAGESIZE
CELL = 2 * PAGE
"""Bytes of a packet's place: one page that it ends with, one that faults."""
DESCRIPTORS = Accessor(AccessorKind.DESCRIPTOR)
PLAIN = EmitOptions()
UNTOUCHED = 0xEE
"""What output arrays hold before the run."""

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


def compile_function(
    function: Function,
    ranges: Mapping[Op, Bounds],
    accessor: Accessor = DESCRIPTORS,
    options: EmitOptions = PLAIN,
    proven: frozenset[Op] = frozenset(),
) -> NativeCode:
    return load_object(compile_object(emit_module(function, ranges, accessor, options, proven=proven)))


@dataclass
class GuardedMemory:
    """Cells of one accessible and one inaccessible page each; packets end where the second begins."""

    cells: int
    memory: mmap.mmap = field(init=False)
    address: int = field(init=False)

    def __post_init__(self) -> None:
        self.memory = mmap.mmap(-1, self.cells * CELL)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        _libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for cell in range(self.cells):
            assert _libc.mprotect(self.address + cell * CELL + PAGE, PAGE, 0) == 0, ctypes.get_errno()

    def place(self, cell: int, packet: bytes) -> int:
        """Write `packet` at the end of a cell's page; returns its offset."""
        offset = cell * CELL + PAGE - len(packet)
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
    maps: Sequence[bytearray] = (),
    sites: int = 0,
    head: int = 0,
    num_slots: int | None = None,
    want_sites: bool = True,
    now: int = 0,
) -> BatchResult:
    """Run `packets` as one batch from slot `head` on; `maps` are changed in place.

    Port, queue, seed and number of the first packet come from the first of `infos`; with the netmap accessor all
    packets have one length, and their clocks are the first's.
    """
    count, total = len(packets), num_slots or max(len(packets), 1)
    infos = infos or [PacketInfo(wire_len=len(packet)) for packet in packets]
    first = infos[0] if infos else PacketInfo()
    memory = GuardedMemory(max(count, 1))
    offsets = [memory.place(cell, packet) for cell, packet in enumerate(packets)]
    netmap = accessor.kind is AccessorKind.NETMAP
    slot_kind = NETMAP_SLOT if netmap else DESCRIPTOR
    slots = bytearray(slot_kind.size * total)
    for place, (offset, packet, info) in enumerate(zip(offsets, packets, infos, strict=True)):
        if netmap:
            image = pack(NETMAP_SLOT, buf_idx=place, len=len(packet))
        else:
            wire = max(info.wire_len, len(packet))
            image = pack(DESCRIPTOR, offset=offset, timestamp=info.timestamp, len=len(packet), wire_len=wire)
        start = (head + place) % total * slot_kind.size
        slots[start : start + slot_kind.size] = image
    lead = offsets[0] if netmap and offsets else 0
    batch = pack(
        BATCH, slots=address_of(slots), base=memory.address + lead, stride=CELL, num_slots=total, head=head,
        count=count, num_bufs=count, readable=len(packets[0]) if packets else 0, port=first.port, queue=first.queue,
    )  # fmt: skip
    verdicts, ports, marks = (bytearray([UNTOUCHED] * (size * count + 8)) for size in (1, 2, 2))
    exceptions = bytearray(8 * sites + 8)
    bases = bytearray(b"".join(struct.pack("<Q", address_of(image)) for image in maps))
    context = pack(
        CONTEXT, verdicts=address_of(verdicts), exceptions=address_of(exceptions), maps=address_of(bases),
        now=first.now if netmap else now, timestamp=first.timestamp, seed=first.seed, packet_number=first.packet_number,
        sites=address_of(marks) if want_sites else 0, ports=address_of(ports),
    )  # fmt: skip
    entry = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)(code.address)
    returned = entry(address_of(batch), address_of(context))
    assert verdicts[count:] == bytes([UNTOUCHED] * 8), "wrote verdicts beyond the batch"
    marked = struct.unpack_from(f"<{count}H", marks)
    return BatchResult(
        returned,
        list(verdicts[:count]),
        list(struct.unpack_from(f"<{count}h", ports)),
        [None if mark == UNTOUCHED * 0x101 else mark - 1 for mark in marked],
        [memory.read(offset, len(packet)) for offset, packet in zip(offsets, packets, strict=True)],
        list(struct.unpack_from(f"<{sites}Q", exceptions)),
        struct.unpack_from("<Q", context, CONTEXT.offset("now"))[0],
    )


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
    for verdict, port, site in zip(result.verdicts, result.ports, result.sites, strict=True):
        raised = function.sites[site] if site is not None else None
        found.append(
            Outcome(
                verdict,
                port if redirects else -1,
                raised.exception if raised else None,
                raised.line if raised else 0,
            )
        )
    return found
