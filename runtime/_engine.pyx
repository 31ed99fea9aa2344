# cython: language_level=3, embedsignature=False
"""The one extension: checks arguments, drops the GIL, calls C.

What moves packets is in csrc/. The only loops over packets here turn Python objects into bytes and back, for callers
that hand over lists; a running worker never enters this file. Must not know: compilers, hosts, command lines.
"""

import os
import weakref

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EBADMSG, EINVAL, EMSGSIZE, ENODATA, EOPNOTSUPP, EPROTONOSUPPORT, ESPIPE, ESTALE, EXDEV
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from nmjit.runtime.errors import PortError
from nmjit.runtime.linktypes import describe


include "csrc/engine.pxi"

ctypedef port *port_pointer

OPS_ADDRESS = <uintptr_t>&nmjit_ops_table
BUFFER_SIZE = MEM_BUFFER_SIZE
RUN_ENDS = ("stopped", "limit", "idle", "blocked", "end")
POLICIES = {"backpressure": WORKER_BACKPRESSURE, "drop": WORKER_DROP}

_REASONS = {
    EINVAL: "not a pcap file of version 2.4",
    EBADMSG: "the file is cut short or corrupt",
    ESPIPE: "not a regular file",
    EOPNOTSUPP: "exists and is not a regular file",
    ESTALE: "the file became shorter while it was read",
    EMSGSIZE: "the packet is too long",
    ENODATA: "no more packets",
}


FOREIGN = {
    b"\x0a\x0d\x0d\x0a": "a pcapng file, and this version reads classic pcap; convert it: editcap -F pcap IN OUT",
    b"\x1f\x8b\x08\x00": "compressed by gzip; decompress it first: gunzip",
    b"\x1f\x8b\x08\x08": "compressed by gzip; decompress it first: gunzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it first: unzstd",
}
"""First bytes of files that are taken for captures, and what to do about them."""

cdef uint8_t NOTHING[1]


cdef const uint8_t *first_byte(const uint8_t[::1] packet):
    """Where the bytes of a packet lie; some valid address for one without bytes."""
    return &packet[0] if packet.shape[0] else NOTHING


cdef object port_error(str name, int err, offset=None, record=None):
    """The PortError for a negative errno that a port's operation returned."""
    reason = _REASONS.get(-err) or os.strerror(-err)
    return PortError(name, reason, errno=-err, offset=offset, record=record)


cdef class Port:
    """One direction of one queue. Made by MemoryRegion, CaptureReader or CaptureWriter, and used by one worker."""

    cdef port *c_port
    cdef readonly str name
    cdef object region
    cdef object owner
    cdef int running

    def __init__(self):
        raise TypeError("ports are made by MemoryRegion, CaptureReader and CaptureWriter")

    @property
    def accessor(self):
        """'netmap' or 'descriptor': what a batch function for this port must be compiled to."""
        return "netmap" if self.c_port.accessor == PORT_NETMAP else "descriptor"

    cdef object error(self, int err):
        return port_error(self.name, err)

    cdef int check_idle(self) except -1:
        if self.running:
            raise RuntimeError(f"{self.name} is in use by a worker that runs")
        return 0


cdef Port ring_port(MemoryRegion region, mem_ring *ring, str name):
    if ring == NULL:
        raise IndexError(f"no ring {name}")
    cdef Port self = Port.__new__(Port)
    self.c_port = <port *>ring
    self.name = name
    self.region = region
    return self


cdef class MemoryRegion:
    """Rings in this process, laid out as netmap does; the application is the other side of them."""

    cdef mem_region c_region
    cdef readonly str name
    cdef tuple rx_ports
    cdef tuple tx_ports

    def __cinit__(self, uint32_t rx_rings=1, uint32_t tx_rings=1, uint32_t slots=1024, uint32_t buffers=0,
                  str name="mem"):
        cdef int err = mem_region_open(&self.c_region, rx_rings, tx_rings, slots, buffers)
        if err == -EINVAL:
            raise ValueError(f"no region of {rx_rings} rx and {tx_rings} tx rings, {slots} slots, {buffers} buffers")
        if err < 0:
            raise port_error(name, err)
        self.name = name

    def __dealloc__(self):
        mem_region_close(&self.c_region)

    @property
    def address(self):
        """Where the region lies in this process, struct netmap_if first."""
        return <uintptr_t>self.c_region.memory

    @property
    def buffers(self):
        """Buffers of the region, the two reserved ones included."""
        return self.c_region.num_bufs

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.c_region.memory, self.c_region.size, True, flags)

    def rx(self, uint32_t ring=0):
        """The rx ring `ring` as a worker's arrival port. IndexError where there is none."""
        return ring_port(self, mem_region_rx(&self.c_region, ring), f"{self.name}:rx{ring}")

    def tx(self, uint32_t ring=0):
        """The tx ring `ring` as a port that packets can go to. IndexError where there is none."""
        return ring_port(self, mem_region_tx(&self.c_region, ring), f"{self.name}:tx{ring}")

    def put(self, uint32_t ring, const uint8_t[::1] packet not None, uint16_t flags=0):
        """Let a packet arrive at rx ring `ring`; False where the ring is full."""
        cdef mem_ring *c_ring = mem_region_rx(&self.c_region, ring)
        if c_ring == NULL:
            raise IndexError(f"no rx ring {ring}")
        cdef const uint8_t *data = first_byte(packet)
        cdef int err = mem_put(c_ring, data, <uint32_t>min(packet.shape[0], MEM_BUFFER_SIZE + 1), flags)
        if err == -EAGAIN:
            return False
        if err == -EMSGSIZE:
            raise ValueError(f"a packet of {packet.shape[0]} bytes does not fit into {MEM_BUFFER_SIZE}")
        if err < 0:
            raise port_error(self.name, err)
        return True

    def put_many(self, uint32_t ring, packets):
        """Let packets arrive until the ring is full; how many did."""
        cdef Py_ssize_t n = 0
        for packet in packets:
            if not self.put(ring, packet):
                break
            n += 1
        return n

    def waiting(self, uint32_t ring):
        """Packets in rx ring `ring` that the worker has not disposed of."""
        cdef mem_ring *c_ring = mem_region_rx(&self.c_region, ring)
        if c_ring == NULL:
            raise IndexError(f"no rx ring {ring}")
        return mem_waiting(c_ring)

    def take(self, uint32_t ring):
        """The oldest packet that went out by tx ring `ring`, or None."""
        cdef mem_ring *c_ring = mem_region_tx(&self.c_region, ring)
        cdef uint8_t packet[MEM_BUFFER_SIZE]
        if c_ring == NULL:
            raise IndexError(f"no tx ring {ring}")
        cdef int n = mem_take(c_ring, packet)
        if n == -EAGAIN:
            return None
        if n < 0:
            raise port_error(self.name, n)
        return PyBytes_FromStringAndSize(<char *>packet, n)

    def take_many(self, uint32_t ring, Py_ssize_t limit=-1):
        """The packets that went out by tx ring `ring`, oldest first, at most `limit` of them."""
        taken = []
        while limit < 0 or len(taken) < limit:
            packet = self.take(ring)
            if packet is None:
                break
            taken.append(packet)
        return taken


cdef class CaptureReader(Port):
    """A pcap file as arrival port. What a filter writes to packets stays in this process's copy of them."""

    cdef pcap_reader c_reader

    def __cinit__(self, path):
        cdef bytes encoded = os.fsencode(path)
        self.name = os.fsdecode(path)
        self.c_port = &self.c_reader.port
        cdef int err = pcap_reader_open(&self.c_reader, encoded)
        if err == -EPROTONOSUPPORT:
            reason = f"holds {describe(self.c_reader.format.linktype)}, not Ethernet"
            raise PortError(self.name, reason, errno=EPROTONOSUPPORT, offset=self.c_reader.error_at)
        if err == -EINVAL and self.c_reader.filled >= 4 and self.c_reader.buffer[:4] in FOREIGN:
            raise PortError(self.name, FOREIGN[self.c_reader.buffer[:4]], errno=EINVAL, offset=0)
        if err < 0:
            raise port_error(self.name, err, self.c_reader.error_at if -err in (EBADMSG, EINVAL) else None)

    def __init__(self, path):
        pass

    def __dealloc__(self):
        pcap_reader_close(&self.c_reader)

    cdef object error(self, int err):
        if err == -ESTALE:
            return port_error(self.name, err, self.c_reader.error_at)
        if err == -EBADMSG:
            return port_error(self.name, err, self.c_reader.error_at, self.c_reader.record + 1)
        return port_error(self.name, err)

    @property
    def snaplen(self):
        """Longest packet that the capture was to keep, in bytes, as its header says."""
        return self.c_reader.format.snaplen

    @property
    def nanoseconds(self):
        """Whether the file's times have nanoseconds; else microseconds."""
        return bool(self.c_reader.format.nanoseconds)

    @property
    def swapped(self):
        """Whether the file's numbers are not in this machine's byte order."""
        return bool(self.c_reader.format.swapped)

    @property
    def readable(self):
        """Bytes that may be read from any packet's start."""
        return PCAP_READABLE

    @property
    def size(self):
        """Bytes of the file when it was opened."""
        return self.c_reader.size

    @property
    def offset(self):
        """Byte of the file at which the next record begins."""
        return self.c_reader.cursor

    @property
    def record(self):
        """Records shown so far."""
        return self.c_reader.record

    def read(self, uint32_t limit=256):
        """The next packets, at most `limit` (256): (timestamp in ns, bytes on the wire, bytes). [] at the end.

        PortError: a record is corrupt, after those before it were given.
        """
        cdef nmjit_batch batch
        cdef uint32_t i
        cdef int n
        self.check_idle()
        n = self.c_port.ops.recv(self.c_port, limit, &batch) if limit else -ENODATA
        if n == -ENODATA:
            return []
        if n < 0:
            raise self.error(n)
        packets = []
        for i in range(<uint32_t>n):
            d = self.c_reader.packets[i]
            packets.append((d.timestamp, d.wire_len, PyBytes_FromStringAndSize(<char *>batch.base + d.offset, d.len)))
        n = self.c_port.ops.commit(self.c_port, <uint32_t>n)
        if n < 0:
            raise self.error(n)
        return packets


cdef class CaptureWriter(Port):
    """A pcap file being written; it appears under its name when finished, whole or not at all.

    As a context manager it finishes at the end of the block, and discards the file where the block raises.
    """

    cdef pcap_writer c_writer
    cdef bint is_open

    def __cinit__(self, path, CaptureReader like=None):
        cdef bytes encoded = os.fsencode(os.path.realpath(path))
        self.name = os.fsdecode(path)
        self.c_port = &self.c_writer.port
        cdef int err = pcap_writer_open(&self.c_writer, encoded, &like.c_reader if like is not None else NULL)
        if err < 0:
            raise port_error(self.name, err)
        self.is_open = True

    def __init__(self, path, like=None):
        pass

    def __dealloc__(self):
        pcap_writer_close(&self.c_writer)

    @property
    def packets(self):
        """Packets written so far."""
        return self.c_writer.packets

    def write(self, uint64_t timestamp, const uint8_t[::1] packet not None, wire_length=None):
        """Append a packet: ns since 1970, its bytes, and its length on the wire where that is more."""
        self.check_idle()
        self.check_open()
        cdef const uint8_t *data = first_byte(packet)
        cdef uint32_t length = <uint32_t>min(packet.shape[0], 1 << 20)
        cdef int err = pcap_writer_packet(
            &self.c_writer, timestamp, data, length, length if wire_length is None else wire_length
        )
        if err < 0:
            raise port_error(self.name, err)

    def finish(self):
        """Write what is buffered and give the file its name. PortError: the disk, or the folder, refused."""
        self.check_idle()
        self.check_open()
        cdef int err = pcap_writer_finish(&self.c_writer)
        self.discard()
        if err < 0:
            raise port_error(self.name, err)

    def discard(self):
        """Forget what was written; nothing happens after finish."""
        self.check_idle()
        if self.is_open:
            self.is_open = False
            pcap_writer_close(&self.c_writer)

    cdef int check_open(self) except -1:
        if not self.is_open:
            raise ValueError(f"{self.name} is finished")
        return 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.finish()
        else:
            self.discard()


include "_maps.pxi"


cdef class Program:
    """A batch function with its exception counters and the addresses of its maps.

    headroom: bytes that it may push in front of a packet; resizes: it pushes or pulls; mirrors: it makes copies.
    """

    cdef worker_program c_program
    cdef readonly int num_sites

    def __cinit__(self, uintptr_t address, uint32_t num_sites=0, map_addresses=(), *, uint32_t headroom=0,
                  bint resizes=False, bint mirrors=False):
        if address == 0:
            raise ValueError("a batch function has an address")
        self.num_sites = num_sites
        self.c_program.fn = <nmjit_batch_fn>address
        self.c_program.headroom = headroom
        self.c_program.resizes = resizes
        self.c_program.mirrors = mirrors
        self.c_program.exceptions = <uint64_t *>calloc(num_sites + 1, sizeof(uint64_t))
        self.c_program.maps = <void **>calloc(len(map_addresses) + 1, sizeof(void *))
        if self.c_program.exceptions == NULL or self.c_program.maps == NULL:
            raise MemoryError
        for i, each in enumerate(map_addresses):
            self.c_program.maps[i] = <void *><uintptr_t>each

    def __dealloc__(self):
        free(self.c_program.exceptions)
        free(self.c_program.maps)

    def exceptions(self):
        """How often each site has raised so far, by site number."""
        return [self.c_program.exceptions[i] for i in range(self.num_sites)]


cdef class Worker:
    """The loop of a running filter over one arrival port; see csrc/worker.h.

    `routes` says by verdict number where packets go (no entry: nowhere), `outputs` where REDIRECT goes by bound port
    (None: unbound, the packet is dropped and counted). Copies that the filter makes go to the same outputs, or with
    forget_mirrors are only counted. Batches stay outside while somebody is inside `gate`, at which the worker has the
    number `number`; that is also its number among those that share the maps. Code and maps must outlive the worker.
    """

    cdef worker c_worker
    cdef port **c_outputs
    cdef Port source
    cdef list ports
    cdef list programs
    cdef Gate gate
    cdef bint running
    cdef object __weakref__

    def __cinit__(self, Program program not None, Port source not None, *, routes=None, outputs=(),
                  str policy="backpressure", uint64_t seed=0, uint32_t batch=256, uint16_t port=0, uint16_t queue=0,
                  bint forget_mirrors=False, Gate gate=None, uint32_t number=0):
        cdef worker_config config
        memset(&config, 0, sizeof(config))
        self.source = source
        self.ports = []
        self.programs = [program]
        self.c_outputs = <port_pointer *>calloc(len(outputs) + 1, sizeof(port_pointer))
        if self.c_outputs == NULL:
            raise MemoryError
        config.source = self.claim(source)
        for verdict, each in (routes or {}).items():
            if not 0 <= verdict < NMJIT_VERDICTS:
                raise ValueError(f"no verdict has number {verdict}")
            config.route[<int>verdict] = self.claim(each)
        for i, each in enumerate(outputs):
            self.c_outputs[<int>i] = self.claim(each)
        config.outputs = self.c_outputs
        config.num_outputs = <uint32_t>len(outputs)
        config.forget_mirrors = forget_mirrors
        config.gate = NULL if gate is None else &gate.c_gate
        config.number = number
        self.gate = gate
        config.policy = POLICIES[policy]
        config.batch = batch
        config.seed = seed
        config.port = port
        config.queue = queue
        cdef int err = worker_open(&self.c_worker, &config, &program.c_program)
        if err == -EXDEV:
            raise ValueError(f"packets of {source.name} cannot be sent to every one of the outputs")
        if err == -EINVAL:
            raise ValueError(f"a port in the wrong direction, a batch not of 1 to 4096 packets, or a number of {GATE_WORKERS} or more")
        if err < 0:
            raise port_error(source.name, err)

    def __dealloc__(self):
        worker_close(&self.c_worker)
        free(self.c_outputs)

    cdef port *claim(self, Port each) except? NULL:
        """The C side of a port, which from now on is this worker's; NULL for None."""
        if each is None:
            return NULL
        owner = each.owner() if each.owner is not None else None
        if owner is not None and owner is not self:
            raise ValueError(f"{each.name} is in use by another worker")
        each.owner = weakref.ref(self)
        self.ports.append(each)
        return each.c_port

    def replace(self, Program program not None):
        """Let the next batch, and those after it, run under `program`."""
        self.programs.append(program)
        worker_replace(&self.c_worker, &program.c_program)

    def stop(self):
        """End the run at hand, or the next one, after its batch; at most 20 ms later where it waits."""
        worker_stop(&self.c_worker)

    def run(self, int64_t max_packets=-1, *, bint wait=True):
        """Filter packets in this thread, without the GIL; why it ended, one of RUN_ENDS.

        max_packets: how many new ones, −1 without limit. wait: for packets and for room; else 'idle' or 'blocked' is
        returned. Packets that a full output holds up stay pending and come first in the next run. RuntimeError: it runs
        already. PortError: a port failed. Signals are seen by Python only after the return: a main thread that must
        answer them runs this in another one.
        """
        cdef int end
        if self.running:
            raise RuntimeError("the worker runs already")
        self.mark_running(True)
        with nogil:
            end = worker_run(&self.c_worker, max_packets, wait)
        self.mark_running(False)
        if end < 0:
            raise self.source.error(end)
        return RUN_ENDS[end]

    cdef void mark_running(self, bint running):
        cdef Port each
        self.running = running
        for each in self.ports:
            each.running = running

    def stats(self):
        """The counters as of the last batch, by name; see runtime/stats.py."""
        cdef worker_stats stats
        stats_read(&self.c_worker.published, &stats)
        return stats

    def exceptions(self):
        """How often each site of the program at hand has raised."""
        return (<Program>self.programs[-1]).exceptions()


include "_packets.pxi"
