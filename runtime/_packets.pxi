"""Packets that a caller hands over, run through a batch function; part of _engine.pyx."""


cdef class PacketRun:
    """Packets of an application on their way through a batch function, one batch at a time."""

    cdef arena c_arena
    cdef nmjit_ctx ctx
    cdef uint32_t cells

    def __cinit__(self, Program program, uint32_t cells, size_t longest, bint guard):
        self.cells = cells
        memset(&self.ctx, 0, sizeof(self.ctx))
        cdef int err = arena_open(&self.c_arena, cells, longest, program.c_program.headroom, guard)
        self.ctx.verdicts = <uint8_t *>calloc(cells, sizeof(uint8_t))
        self.ctx.sites = <uint16_t *>calloc(cells, sizeof(uint16_t))
        self.ctx.ports = <int16_t *>calloc(cells, sizeof(int16_t))
        if err < 0 or self.ctx.verdicts == NULL or self.ctx.sites == NULL or self.ctx.ports == NULL:
            raise MemoryError
        if effects_open(&self.ctx, cells) < 0 or (program.c_program.mirrors and effects_want_mirrors(&self.ctx) < 0):
            raise MemoryError
        self.ctx.exceptions = program.c_program.exceptions
        self.ctx.maps = program.c_program.maps
        self.ctx.ops = &nmjit_ops_table

    def __dealloc__(self):
        arena_close(&self.c_arena)
        effects_close(&self.ctx)
        free(self.ctx.verdicts)
        free(self.ctx.sites)
        free(self.ctx.ports)

    cdef int place(self, uint32_t i, const uint8_t[::1] packet, uint32_t wire_length, uint64_t timestamp) except -1:
        cdef const uint8_t *data = first_byte(packet)
        arena_place(&self.c_arena, i, data, <uint32_t>packet.shape[0], wire_length, timestamp)
        self.ctx.sites[i] = 0
        self.ctx.ports[i] = -1
        return 0

    cdef void run(self, Program program, uint32_t count, uint16_t port, uint16_t queue):
        cdef nmjit_batch batch
        arena_batch(&self.c_arena, count, &batch)
        batch.port = port
        batch.queue = queue
        self.ctx.mirror_count = 0
        self.ctx.mirror_used = 0
        with nogil:
            program.c_program.fn(&batch, &self.ctx)

    cdef bytes after(self, Program program, uint32_t i, Py_ssize_t length):
        """The bytes of packet i as the filter left it."""
        cdef const char *data = <const char *>arena_packet(&self.c_arena, i)
        if program.c_program.resizes:
            return PyBytes_FromStringAndSize(data + self.ctx.head_offset[i], self.ctx.new_len[i])
        return PyBytes_FromStringAndSize(data, length)

    cdef list copies(self, uint32_t n):
        """For each of n packets its copies: (port, bytes)."""
        cdef uint32_t i
        cdef nmjit_mirror *mirror
        found = [()] * n
        for i in range(self.ctx.mirror_count):
            mirror = &self.ctx.mirrors[i]
            data = PyBytes_FromStringAndSize(<const char *>self.ctx.mirror_bytes + mirror.offset, mirror.len)
            found[mirror.packet] += ((mirror.port, data),)
        if self.ctx.mirror_lost:
            raise MemoryError(f"{self.ctx.mirror_lost} copies beyond the room of a batch")
        return found


def run_packets(Program program not None, packets, *, timestamps=None, wire_lengths=None, uint64_t seed=0,
                uint64_t first_packet=0, uint16_t port=0, uint16_t queue=0, bint guard=False, uint32_t batch=256):
    """Run a batch function compiled for descriptors over copies of `packets`, in order.

    Gives five lists, one entry a packet: verdict numbers, bytes afterwards, 1 + site for each ABORTED packet (else 0),
    bound port of each REDIRECT (else −1), copies as (port, bytes). The program counts exceptions. timestamps in ns; wire_lengths in bytes, no
    less than the packet's; guard: each packet ends at a page that may not be touched, so that a read or write behind
    it ends the process. ValueError: lists of different lengths, or a batch of 0 packets.
    """
    cdef Py_ssize_t start, total = len(packets)
    cdef uint32_t i, n
    cdef PacketRun runner
    times = [0] * total if timestamps is None else timestamps
    wires = [len(packet) for packet in packets] if wire_lengths is None else wire_lengths
    if batch == 0 or len(times) != total or len(wires) != total:
        raise ValueError("every packet needs its timestamp and wire length, and a batch a packet")
    runner = PacketRun(program, min(batch, max(total, 1)), max(map(len, packets), default=0), guard)
    runner.ctx.seed = seed
    verdicts, after, sites, ports, mirrors = [], [], [], [], []
    for start in range(0, total, batch):
        n = <uint32_t>min(total - start, batch)
        for i in range(n):
            runner.place(i, packets[start + i], max(wires[start + i], len(packets[start + i])), times[start + i])
        runner.ctx.packet_number = first_packet + start
        runner.run(program, n, port, queue)
        runner.ctx.now = max(runner.ctx.now, *times[start:start + n])
        for i in range(n):
            verdicts.append(runner.ctx.verdicts[i])
            after.append(runner.after(program, i, len(packets[start + i])))
            sites.append(runner.ctx.sites[i])
            ports.append(runner.ctx.ports[i])
        mirrors += runner.copies(n)
    return verdicts, after, sites, ports, mirrors
