"""The memory port: layout of the region, both sides of its rings, and the worker's dispatch between them."""

from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit.runtime._engine import BUFFER_SIZE, MemoryRegion, Program, Worker

ABORTED, DROP, PASS, TX, REDIRECT = range(5)
IF_FIXED = struct.Struct("=16s8I12x")
RING_HEADER = struct.Struct("=qIIHHIII")
RING_HEADER_SIZE = 256
SLOT = struct.Struct("=IHHQ")
NS_BUF_CHANGED, NS_MOREFRAG = 0x1, 0x20
BatchFunction = Callable[[str], int]


def interface(region: MemoryRegion) -> tuple[tuple[int, ...], list[int]]:
    """The counts of struct netmap_if, and its ring offsets."""
    memory = memoryview(region)
    _, _, _, tx, rx, spare, host_tx, host_rx, _ = IF_FIXED.unpack_from(memory)
    return (tx, rx, spare, host_tx, host_rx), list(struct.unpack_from(f"={tx + host_tx + rx + host_rx}q", memory, 56))


def slots(region: MemoryRegion, ring_offset: int) -> list[tuple[int, ...]]:
    num_slots = RING_HEADER.unpack_from(memoryview(region), ring_offset)[1]
    start = ring_offset + RING_HEADER_SIZE
    return [SLOT.unpack_from(memoryview(region), start + i * SLOT.size) for i in range(num_slots)]


def every_buffer(region: MemoryRegion) -> list[int]:
    """All buffer indices: those in slots, then those of the spare list."""
    (_, _, spare, _, _), offsets = interface(region)
    indices = [slot[0] for offset in offsets if offset for slot in slots(region, offset)]
    ring = next(offset for offset in offsets if offset)
    buffers = ring + RING_HEADER.unpack_from(memoryview(region), ring)[0]
    while spare:
        indices.append(spare)
        (spare,) = struct.unpack_from("=I", memoryview(region), buffers + spare * BUFFER_SIZE)
    return indices


def packet(verdict: int, *rest: int) -> bytes:
    return bytes([verdict, *rest]).ljust(16, b"\0")


def worker(region: MemoryRegion, address: int, **options: object) -> Worker:
    routes = {PASS: region.tx(0), TX: region.tx(1)}
    return Worker(Program(address, 1, [0]), region.rx(), routes=routes, **options)  # type: ignore[arg-type]


def test_region_is_laid_out_as_netmap_does() -> None:
    region = MemoryRegion(rx_rings=2, tx_rings=3, slots=5, buffers=40)
    (tx, rx, spare, host_tx, host_rx), offsets = interface(region)
    assert (tx, rx, host_tx, host_rx) == (3, 2, 1, 1)
    assert [bool(offset) for offset in offsets] == [True] * 3 + [False] + [True] * 2 + [False]
    assert spare == 2 + 5 * 5
    for number, offset in enumerate(offsets):
        if not offset:
            continue
        buf_ofs, num_slots, buf_size, ringid, direction, head, cur, tail = RING_HEADER.unpack_from(region, offset)
        is_tx = number < 3
        assert (num_slots, buf_size, ringid) == (5, BUFFER_SIZE, number if is_tx else number - 4)
        assert (direction, head, cur, tail) == (int(is_tx), 0, 0, 4 if is_tx else 0)
        assert offset % 128 == 0
        assert (offset + buf_ofs) % 4096 == 0
        assert offset + buf_ofs + 40 * BUFFER_SIZE <= len(memoryview(region))
    assert sorted(every_buffer(region)) == list(range(2, 40))


def test_region_ends_at_a_page_that_may_not_be_touched() -> None:
    region = MemoryRegion(slots=4)
    end = region.address + len(memoryview(region))
    with open("/proc/self/maps") as maps:
        protection = {int(line.split("-")[0], 16): line.split()[1] for line in maps}
    assert protection[end].startswith("---")
    assert region.address % (2 << 20) == 0


@pytest.mark.parametrize(
    "geometry",
    [
        {"rx_rings": 0, "tx_rings": 0},
        {"rx_rings": 257},
        {"slots": 1},
        {"slots": 65537},
        {"slots": 8, "buffers": 17},
        {"buffers": 4_000_001},
    ],
)
def test_impossible_regions(geometry: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no region"):
        MemoryRegion(**geometry)  # type: ignore[arg-type]


def test_put_and_take_know_their_limits() -> None:
    region = MemoryRegion(slots=4)
    assert region.put_many(0, [b"a", b"", b"x" * BUFFER_SIZE, b"too many"]) == 3
    assert region.waiting(0) == 3
    assert region.take(0) is None
    with pytest.raises(ValueError, match="does not fit"):
        region.put(0, b"x" * (BUFFER_SIZE + 1))
    with pytest.raises(IndexError):
        region.put(1, b"a")
    with pytest.raises(IndexError):
        region.take(1)
    with pytest.raises(IndexError):
        region.rx(1)


def test_verdicts_move_packets(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=3, slots=16)
    run = worker(region, batch_function("first_byte"), outputs=[region.tx(2), None])
    arrivals = [
        packet(PASS, 1), packet(DROP), packet(TX, 2), packet(REDIRECT, 0), packet(ABORTED), packet(PASS, 3),
        packet(REDIRECT, 1), packet(REDIRECT, 255), packet(REDIRECT, 7), packet(200),
    ]  # fmt: skip
    assert region.put_many(0, arrivals) == len(arrivals)
    assert run.run(wait=False) == "idle"
    assert region.take_many(0) == [packet(PASS, 1), packet(PASS, 3)]
    assert region.take_many(1) == [packet(TX, 2)]
    assert region.take_many(2) == [packet(REDIRECT, 0)]
    stats = run.stats()
    assert stats["verdict_packets"] == [2, 1, 2, 1, 4]
    assert stats["verdict_bytes"] == [32, 16, 32, 16, 64]
    assert (stats["rx_packets"], stats["rx_bytes"], stats["tx_packets"]) == (10, 160, 4)
    assert stats["redirect_unbound"] == 3
    assert run.exceptions() == [1]
    assert region.waiting(0) == 0


def test_swap_marks_both_slots_and_moves_no_byte(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=4)
    _, offsets = interface(region)
    rx, tx = offsets[3], offsets[0]
    before = slots(region, rx)[0][0], slots(region, tx)[0][0]
    region.put(0, packet(PASS))
    assert worker(region, batch_function("first_byte")).run(wait=False) == "idle"
    assert slots(region, tx)[0][:3] == (before[0], 16, NS_BUF_CHANGED)
    assert (slots(region, rx)[0][0], slots(region, rx)[0][2]) == (before[1], NS_BUF_CHANGED)


def test_between_regions_bytes_are_copied(batch_function: BatchFunction) -> None:
    source, target = MemoryRegion(slots=8), MemoryRegion(slots=8)
    run = Worker(Program(batch_function("first_byte"), 1, [0]), source.rx(), routes={PASS: target.tx()})
    buffers = sorted(every_buffer(source)), sorted(every_buffer(target))
    source.put_many(0, [packet(PASS, n) for n in range(5)])
    assert run.run(wait=False) == "idle"
    assert target.take_many(0) == [packet(PASS, n) for n in range(5)]
    assert (sorted(every_buffer(source)), sorted(every_buffer(target))) == buffers


@given(
    slot_count=st.integers(2, 9),
    batch=st.integers(1, 8),
    verdicts=st.lists(st.integers(0, 4), max_size=60),
    takes=st.lists(st.integers(0, 3), max_size=80),
)
def test_backpressure_filters_and_sends_exactly_once(
    batch_function: BatchFunction, slot_count: int, batch: int, verdicts: list[int], takes: list[int]
) -> None:
    """Outputs are drained at random; nothing is lost, doubled or reordered, and each packet is filtered once."""
    region = MemoryRegion(tx_rings=3, slots=slot_count, buffers=2 + 4 * slot_count + 3)
    run = worker(region, batch_function("first_byte"), outputs=[region.tx(2)], batch=batch)
    arrivals = [packet(verdict, 0, number) for number, verdict in enumerate(verdicts)]
    out: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    waiting = list(arrivals)
    for ring in takes:  # ring 3 stands for taking nothing
        del waiting[: region.put_many(0, waiting)]
        run.run(wait=False)
        out.setdefault(ring, []).extend(region.take_many(ring, 1) if ring in (0, 1, 2) else [])
    while waiting or region.waiting(0):
        del waiting[: region.put_many(0, waiting)]
        run.run(wait=False)
        for ring in range(3):
            out[ring] += region.take_many(ring)
    for ring, verdict in enumerate((PASS, TX, REDIRECT)):
        out[ring] += region.take_many(ring)
        assert out[ring] == [each for each in arrivals if each[0] == verdict]
    stats = run.stats()
    assert stats["rx_packets"] == len(arrivals)
    assert stats["verdict_packets"] == [Counter(verdicts)[verdict] for verdict in range(5)]
    assert stats["pending"] == stats["full_dropped"] == 0
    assert sorted(every_buffer(region)) == list(range(2, region.buffers))


def test_backpressure_holds_the_ring_and_resumes_there(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=8)
    run = worker(region, batch_function("first_byte"))
    region.put_many(0, [packet(PASS, 0, n) for n in range(7)])
    assert run.run(wait=False) == "idle"
    region.put_many(0, [packet(PASS, 0, n) for n in range(7, 10)])
    assert run.run(wait=False) == "blocked"
    assert run.run(wait=False) == "blocked"
    assert (run.stats()["pending"], run.stats()["backpressure"], region.waiting(0)) == (3, 1, 3)
    assert region.take_many(0, 2) == [packet(PASS, 0, 0), packet(PASS, 0, 1)]
    assert run.run(wait=False) == "blocked"
    assert (run.stats()["pending"], run.stats()["backpressure"], region.waiting(0)) == (1, 2, 1)
    assert len(region.take_many(0)) == 7
    assert run.run(wait=False) == "idle"
    assert region.take_many(0) == [packet(PASS, 0, 9)]
    assert run.stats()["rx_packets"] == 10


def test_drop_policy_counts_what_does_not_fit(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=8)
    run = worker(region, batch_function("first_byte"), policy="drop")
    for _ in range(2):
        region.put_many(0, [packet(PASS)] * 7)
        assert run.run(wait=False) == "idle"
    assert (run.stats()["tx_packets"], run.stats()["full_dropped"], run.stats()["pending"]) == (7, 7, 0)
    assert sorted(every_buffer(region)) == list(range(2, region.buffers))


def test_packets_of_several_slots_are_refused_and_counted(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=16)
    run = worker(region, batch_function("first_byte"))
    for each, flags in [(1, 0), (2, NS_MOREFRAG), (3, NS_MOREFRAG), (4, 0), (5, 0), (6, NS_MOREFRAG)]:
        region.put(0, packet(PASS, each), flags)
    assert run.run(wait=False) == "idle"
    assert region.take_many(0) == [packet(PASS, 1), packet(PASS, 5)]
    region.put(0, packet(PASS, 7))
    region.put(0, packet(PASS, 8))
    assert run.run(wait=False) == "idle"
    assert region.take_many(0) == [packet(PASS, 8)]
    assert (run.stats()["rx_refused"], run.stats()["rx_packets"], region.waiting(0)) == (5, 3, 0)


def test_limit_replace_and_maps(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=16)
    run = worker(region, batch_function("first_byte"))
    region.put_many(0, [packet(PASS)] * 10)
    assert run.run(4) == "limit"
    assert run.stats()["rx_packets"] == 4
    run.replace(Program(batch_function("drop_all")))
    assert run.run(6) == "limit"
    assert run.stats()["verdict_packets"][:3] == [0, 6, 4]
    assert run.exceptions() == []


def test_worker_sleeps_wakes_and_stops(batch_function: BatchFunction) -> None:
    """The application in one thread, the worker in another; small rings, so that both wait for each other."""
    region = MemoryRegion(tx_rings=2, slots=4)
    run = worker(region, batch_function("first_byte"))
    ends: list[str] = []
    thread = threading.Thread(target=lambda: ends.append(run.run()))
    thread.start()
    taken: list[bytes] = []
    waiting = [packet(PASS, 0, n) for n in range(200)]
    while len(taken) < 200 and thread.is_alive():
        del waiting[: region.put_many(0, waiting)]
        taken += region.take_many(0)
    with pytest.raises(RuntimeError, match="runs already"):
        run.run()
    run.stop()
    thread.join(5)
    assert ends == ["stopped"]
    assert taken == [packet(PASS, 0, n) for n in range(200)]


def test_a_stop_before_the_run_ends_it(batch_function: BatchFunction) -> None:
    run = worker(MemoryRegion(tx_rings=2, slots=4), batch_function("first_byte"))
    run.stop()
    assert run.run() == "stopped"
    assert run.run(wait=False) == "idle"


def test_a_port_has_one_worker_and_one_direction(batch_function: BatchFunction) -> None:
    region = MemoryRegion(tx_rings=2, slots=4)
    rx, tx = region.rx(), region.tx()
    code = Program(batch_function("drop_all"))
    first = Worker(code, rx, routes={PASS: tx})
    with pytest.raises(ValueError, match="another worker"):
        Worker(code, rx)
    del first
    Worker(code, rx)
    with pytest.raises(ValueError, match="wrong direction"):
        Worker(code, tx)
    with pytest.raises(ValueError, match="wrong direction"):
        Worker(code, region.rx(), routes={PASS: region.rx()})
    with pytest.raises(ValueError, match="no verdict"):
        Worker(code, region.rx(), routes={5: tx})
    with pytest.raises(ValueError, match="has an address"):
        Program(0)
