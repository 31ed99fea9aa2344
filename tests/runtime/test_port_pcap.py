"""Captures: all four formats read and written, files that are cut short, corrupt or of another kind."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from scapy.utils import PcapWriter, RawPcapReader

from nmjit.runtime._engine import CaptureReader, CaptureWriter, MemoryRegion, Program, Worker
from nmjit.runtime.errors import PortError

PASS, DROP = 2, 1
MAGIC = {False: 0xA1B2C3D4, True: 0xA1B23C4D}
FORMATS = list(product("<>", (False, True)))
"""Byte order, and whether times have nanoseconds."""
BatchFunction = Callable[[str], int]
Record = tuple[int, int, bytes]


def file_header(order: str = "<", nano: bool = False, linktype: int = 1, version: tuple[int, int] = (2, 4)) -> bytes:
    return struct.pack(f"{order}IHHiIII", MAGIC[nano], *version, 0, 0, 65535, linktype)


def record(data: bytes, seconds: int = 7, fraction: int = 9, order: str = "<", wire: int | None = None) -> bytes:
    return struct.pack(f"{order}IIII", seconds, fraction, len(data), len(data) if wire is None else wire) + data


def read_all(path: Path) -> list[Record]:
    reader = CaptureReader(path)
    records: list[Record] = []
    while batch := reader.read():
        records += batch
    return records


def written_by_scapy(path: Path, order: str, nano: bool, packets: list[Record]) -> Path:
    with PcapWriter(str(path), linktype=1, nano=nano, endianness=order) as writer:
        writer.write_header(None)
        for time, wire, data in packets:
            seconds, rest = divmod(time, 10**9)
            writer.write_packet(data, sec=seconds, usec=rest if nano else rest // 1000, wirelen=wire)
    return path


def even(packets: list[Record]) -> list[Record]:
    return [each for each in packets if len(each[2]) % 2 == 0]


def sample(count: int) -> list[Record]:
    return [(1_700_000_000 * 10**9 + n * 1_000, 100 + n % 300, bytes([n % 256]) * (n % 100)) for n in range(count)]


@pytest.mark.parametrize(("order", "nano"), FORMATS)
def test_reads_what_scapy_writes(tmp_path: Path, order: str, nano: bool) -> None:
    packets = sample(1000)
    path = written_by_scapy(tmp_path / "in.pcap", order, nano, packets)
    reader = CaptureReader(path)
    assert (reader.nanoseconds, reader.swapped) == (nano, order == ">")
    assert reader.readable >= 4096
    assert read_all(path) == packets


@pytest.mark.parametrize(("order", "nano"), FORMATS)
def test_writes_records_as_they_were(batch_function: BatchFunction, tmp_path: Path, order: str, nano: bool) -> None:
    packets = sample(700)
    source = written_by_scapy(tmp_path / "in.pcap", order, nano, packets)
    reader = CaptureReader(source)
    with CaptureWriter(tmp_path / "out.pcap", like=reader) as writer:
        run = Worker(Program(batch_function("even_length")), reader, routes={PASS: writer})
        assert run.run() == "end"
        assert writer.packets == len(even(packets))
    expected = source.read_bytes()[:24]
    for time, wire, data in even(packets):
        seconds, rest = divmod(time, 10**9)
        changed = bytes([(data[0] + 1) % 256]) + data[1:] if data else data
        expected += record(changed, seconds, rest if nano else rest // 1000, order, wire)
    assert (tmp_path / "out.pcap").read_bytes() == expected
    with RawPcapReader(str(tmp_path / "out.pcap")) as scapy:
        assert len(list(scapy)) == len(even(packets))
    assert read_all(source) == packets  # the filter wrote to its own copy
    assert run.stats()["rx_packets"] == 700


def test_output_may_replace_its_input(batch_function: BatchFunction, tmp_path: Path) -> None:
    path = written_by_scapy(tmp_path / "in.pcap", "<", False, sample(300))
    link = tmp_path / "link.pcap"
    link.symlink_to(path)
    reader = CaptureReader(path)
    with CaptureWriter(link, like=reader) as writer:
        Worker(Program(batch_function("even_length")), reader, routes={DROP: writer}).run()
    assert link.is_symlink()
    assert [len(data) for _, _, data in read_all(path)] == [len(e[2]) for e in sample(300) if len(e[2]) % 2]


def test_written_packets_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    with CaptureWriter(path) as writer:
        writer.write(1_700_000_000_123_456_789, b"abc", 60)
        writer.write(5, b"")
        assert not path.exists()
    assert read_all(path) == [(1_700_000_000_123_456_789, 60, b"abc"), (5, 0, b"")]
    with pytest.raises(ValueError, match="finished"):
        writer.write(0, b"")
    writer.discard()
    assert path.exists()


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    path.write_bytes(b"old")

    def fail_halfway() -> None:
        with CaptureWriter(path) as writer:
            writer.write(0, b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.pcap"]


def test_the_writer_refuses_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(PortError, match="not a regular file"):
            CaptureWriter(path)
    with pytest.raises(PortError, match="No such file"):
        CaptureWriter(tmp_path / "no" / "out.pcap")
    with CaptureWriter(tmp_path / "x") as writer, pytest.raises(PortError, match="too long"):
        writer.write(0, bytes(262145))


@pytest.mark.parametrize(
    ("content", "reason", "offset"),
    [
        (b"", "cut short", 0),
        (b"\xd4\xc3", "cut short", 0),
        (file_header()[:20], "cut short", 20),
        (b"plain text, no capture at all", "not a pcap file", 0),
        (file_header(version=(2, 3)), "version 2.4", 4),
        (file_header(linktype=113), r"holds LINKTYPE_LINUX_SLL \(113\), not Ethernet", 20),
        (file_header(">", linktype=101), r"holds LINKTYPE_RAW \(101\)", 20),
        (file_header(linktype=9999), "holds link type 9999", 20),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: bytes, reason: str, offset: int) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(content)
    with pytest.raises(PortError, match=reason) as caught:
        CaptureReader(path)
    assert (caught.value.port, caught.value.offset) == (str(path), offset)


@pytest.mark.parametrize(
    "tail",
    [
        b"\0",
        record(b"abcdef")[:15],
        record(b"abcdef")[:-1],
        struct.pack("<IIII", 0, 0, 262145, 262145) + bytes(262145),
        struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 1),
    ],
    ids=["one byte", "cut header", "cut packet", "too long", "far beyond the end"],
)
def test_a_bad_record_is_told_after_the_good_ones(batch_function: BatchFunction, tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(file_header() + record(b"ab") * 300 + tail)
    reader = CaptureReader(path)
    run = Worker(Program(batch_function("even_length")), reader)
    with pytest.raises(PortError, match="cut short or corrupt") as caught:
        run.run()
    assert (caught.value.offset, caught.value.record) == (24 + 300 * 18, 301)
    assert run.stats()["rx_packets"] == 300


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000"), "pcapng.*editcap"),
        (gzip.compress(b"x", mtime=0), "gunzip"),
        (bytes.fromhex("28b52ffd") + bytes(60), "unzstd"),
    ],
)
def test_other_kinds_of_capture_are_named_with_their_cure(tmp_path: Path, content: bytes, cure: str) -> None:
    (tmp_path / "in.pcap").write_bytes(content)
    with pytest.raises(PortError, match=cure):
        CaptureReader(tmp_path / "in.pcap")


def test_odd_but_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(file_header() + record(b"longer than on the wire", wire=3) + record(bytes(262144)) + record(b""))
    assert [(wire, len(data)) for _, wire, data in read_all(path)] == [(23, 23), (262144, 262144), (0, 0)]


def test_bytes_behind_the_last_packet_may_be_read(batch_function: BatchFunction, tmp_path: Path) -> None:
    """The last packet ends where the file ends, a page ends; what is readable behind it is ours."""
    path = tmp_path / "page.pcap"
    path.write_bytes(file_header() + record(b"a" * (4096 - 24 - 16)))
    assert path.stat().st_size == 4096
    reader = CaptureReader(path)
    assert reader.readable == 4096
    run = Worker(Program(batch_function("read_behind")), reader)
    assert run.run() == "end"
    assert run.stats()["verdict_packets"][PASS] == 1


def test_a_file_that_shrinks_is_told(batch_function: BatchFunction, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(file_header() + record(b"x" * 50) * 20_000)
    reader = CaptureReader(path)
    assert len(reader.read()) == 256
    os.truncate(path, 700_000)
    run = Worker(Program(batch_function("drop_all")), reader)
    with pytest.raises(PortError, match="became shorter") as caught:
        run.run()
    assert caught.value.offset == 700_000


def test_records_lie_across_stretches(tmp_path: Path) -> None:
    """The file is read in stretches; every size of packet comes to lie across the end of one."""
    path = tmp_path / "many.pcap"
    packets = [bytes([n % 256]) * (n * 37 % 3001) for n in range(2500)] + [bytes(262_144)] * 3 + [b"", b"end"]
    path.write_bytes(file_header() + b"".join(record(each) for each in packets))
    assert [data for _, _, data in read_all(path)] == packets


def test_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(PortError, match="not a regular file"):
            CaptureReader(path)
    with pytest.raises(PortError, match="No such file"):
        CaptureReader(tmp_path / "none")


def anonymous_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def test_a_large_capture_takes_little_memory(batch_function: BatchFunction, tmp_path: Path) -> None:
    """A filter that writes to every packet of a large file holds only a stretch of it in memory."""
    path = tmp_path / "large.pcap"
    with path.open("wb") as file:
        file.write(file_header())
        for _ in range(96):
            file.write(record(bytes(2032)) * 512)  # 1 MiB each
    before = anonymous_kib()
    reader = CaptureReader(path)
    run = Worker(Program(batch_function("even_length")), reader)
    peak = 0
    while run.run(2000) == "limit":
        peak = max(peak, anonymous_kib() - before)
    assert run.stats()["rx_packets"] == 96 * 512
    assert peak < 8 * 1024


def test_captures_and_rings_do_not_mix(batch_function: BatchFunction, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(file_header())
    region, code = MemoryRegion(slots=4), Program(batch_function("drop_all"))
    with pytest.raises(ValueError, match="cannot be sent"):
        Worker(code, CaptureReader(path), routes={PASS: region.tx()})
    with CaptureWriter(tmp_path / "out.pcap") as writer, pytest.raises(ValueError, match="cannot be sent"):
        Worker(code, region.rx(), routes={PASS: writer})
