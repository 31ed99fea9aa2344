"""Maps, a part of _engine.pyx: their memory, and the operations of csrc/ on it.

A key is packed (lang/_hash.py), a value laid out as irtypes.Layout says, a record a key and then a value without a gap.
Whoever writes holds the gate of the workers that use the memory; that is the caller's matter.
"""


cdef extern from "csrc/mapmem.h" nogil:
    struct mapmem:
        int fd
        void *memory
        size_t size
        bint writable
    int mapmem_open(mapmem *, const char *, size_t)
    int mapmem_attach(mapmem *, int, size_t, bint)
    int mapmem_wipe(mapmem *, size_t, size_t)
    void mapmem_close(mapmem *)

cdef extern from "csrc/table.h" nogil:
    enum:
        TABLE_GROUP
    struct nmjit_table:
        uint64_t seed
        uint64_t capacity
        uint64_t length
        uint64_t inserted
        uint64_t deleted
        uint64_t evicted
        uint64_t failed
        uint64_t held_at
        uint64_t groups_at
        uint64_t entries_at
        uint32_t groups
        uint32_t slots
        uint32_t key_size
        uint32_t value_at
        uint32_t value_size
        uint32_t entry_size
        uint32_t evicting
        uint32_t workers
    void table_init(nmjit_table *, const nmjit_table *)
    uint64_t table_hash(const nmjit_table *, const uint64_t *)
    int64_t table_find(const nmjit_table *, const uint64_t *, uint64_t)
    int64_t table_insert(nmjit_table *, const uint64_t *, uint64_t, const void *, uint32_t, uint32_t)
    int64_t table_remove(nmjit_table *, const uint64_t *, uint64_t, uint32_t, uint32_t)
    bint table_write(nmjit_table *, const uint64_t *, uint32_t, const void *, uint32_t)
    uint64_t table_fill(nmjit_table *, const void *, uint64_t)
    void table_touch(nmjit_table *, int64_t)
    void table_clear(nmjit_table *)
    void table_reset(nmjit_table *)
    int table_read(const nmjit_table *, const uint64_t *, void *)
    uint64_t table_export(const nmjit_table *, uint32_t *, void *, uint64_t)
    bint table_shape_agrees(const nmjit_table *, const nmjit_table *)
    uint64_t table_recover(nmjit_table *)

cdef extern from "csrc/lpm.h" nogil:
    struct nmjit_lpm:
        uint64_t table_at
        uint64_t root_at
        uint64_t nodes_at
        uint32_t width
        uint32_t root_bits
        uint32_t node_capacity
    struct lpm_network:
        uint64_t low
        uint64_t high
        uint32_t length
    void lpm_init(nmjit_lpm *, const nmjit_lpm *, const nmjit_table *)
    int64_t lpm_insert(nmjit_lpm *, const lpm_network *, const void *)
    int64_t lpm_remove(nmjit_lpm *, const lpm_network *)
    bint lpm_look(const nmjit_lpm *, uint64_t, uint64_t, uint64_t *)
    uint64_t lpm_fill(nmjit_lpm *, const void *, uint64_t)
    bint lpm_shape_agrees(const nmjit_lpm *, const nmjit_lpm *)
    uint64_t lpm_recover(nmjit_lpm *)
    uint32_t lpm_nodes(const nmjit_lpm *)

cdef extern from "csrc/events.h" nogil:
    struct nmjit_ring:
        uint64_t head
        uint64_t dropped
        uint64_t tail
    struct events_count:
        uint64_t written
        uint64_t read
        uint64_t dropped
    uint32_t events_read(nmjit_ring *, uint32_t, uint32_t, void *, uint32_t)
    void events_peek(const nmjit_ring *, uint32_t, uint32_t, void *, uint32_t)
    void events_load(nmjit_ring *, uint32_t, const void *, uint32_t)
    events_count events_counted "events_count"(const nmjit_ring *)
    void events_recover(nmjit_ring *, uint32_t)


cdef class Gate:
    """Keeps the batches of the workers that were given it out while `with gate:` runs; see csrc/gate.h.

    It may be entered again by the thread that is inside. Packets wait meanwhile: be quick.
    """

    cdef gate c_gate

    def __cinit__(self):
        if gate_open(&self.c_gate) < 0:
            raise MemoryError

    def __dealloc__(self):
        gate_close(&self.c_gate)

    def __enter__(self):
        with nogil:
            gate_raise(&self.c_gate)
        return self

    def __exit__(self, kind, value, traceback):
        gate_lower(&self.c_gate)


cdef class MapMemory:
    """Memory for one map, shared by file descriptor. Gives its bytes by the buffer protocol.

    Without fd, nbytes of zeros of its own; else the first nbytes of that file, which stays open, with its locks, as
    long as this object. ValueError: no bytes. OSError: the system refuses.
    """

    cdef mapmem c_mem

    def __cinit__(self, size_t nbytes, str name="nmjit-map", *, int fd=-1, bint writable=True):
        cdef bytes encoded = name.encode()
        cdef int err
        if fd < 0:
            err = mapmem_open(&self.c_mem, encoded, nbytes)
        else:
            err = mapmem_attach(&self.c_mem, fd, nbytes, writable)
        if err < 0:
            raise ValueError("a map has at least one byte") if err == -EINVAL else OSError(-err, os.strerror(-err))

    def __dealloc__(self):
        mapmem_close(&self.c_mem)

    def __len__(self):
        return self.c_mem.size

    @property
    def address(self):
        """Where the memory lies in this process."""
        return <uintptr_t>self.c_mem.memory

    @property
    def writable(self):
        """Whether this process may write it."""
        return self.c_mem.writable

    def fileno(self):
        """The file descriptor, owned by this object."""
        return self.c_mem.fd

    def wipe(self, size_t start, size_t nbytes):
        """Make nbytes from start on zero, both multiples of 4096, and give their memory back."""
        self.check_writable()
        self.part(start, nbytes)
        cdef int err
        with nogil:
            err = mapmem_wipe(&self.c_mem, start, nbytes)
        if err < 0:
            raise OSError(-err, os.strerror(-err))

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.c_mem.memory, self.c_mem.size, not self.c_mem.writable, flags)

    cdef int check_writable(self) except -1:
        if not self.c_mem.writable:
            raise TypeError("the map is open for reading only")
        return 0

    cdef void *part(self, size_t start, size_t nbytes) except NULL:
        if start > self.c_mem.size or nbytes > self.c_mem.size - start:
            raise ValueError("outside the map's memory")
        return <char *>self.c_mem.memory + start


cdef nmjit_table table_shape(layout, uint64_t capacity, bint evicting, uint64_t seed, uint32_t workers):
    """The head of a table that has maplayout.TableLayout `layout`."""
    cdef nmjit_table shape
    memset(&shape, 0, sizeof(shape))
    shape.seed = seed
    shape.capacity = capacity
    shape.held_at = layout.held_at
    shape.groups_at = layout.groups_at
    shape.entries_at = layout.entries_at
    shape.groups = layout.groups
    shape.slots = layout.slots
    shape.key_size = layout.key_size
    shape.value_at = layout.value_at
    shape.value_size = layout.value_size
    shape.entry_size = layout.entry_size
    shape.evicting = evicting
    shape.workers = workers
    return shape


cdef class Table:
    """A hash table at `start` in a map's memory, of the shape that `layout` (maplayout.TableLayout) gives.

    With `fresh` the memory is zero and a table is made; else there is one, which another process may be using
    (`recover` makes it this one's). ValueError: it is of another shape.
    """

    cdef MapMemory memory
    cdef nmjit_table *table

    def __cinit__(self, MapMemory memory not None, size_t start, layout, *, uint64_t capacity, bint evicting,
                  uint64_t seed=0, uint32_t workers=1, bint fresh=True):
        cdef nmjit_table shape = table_shape(layout, capacity, evicting, seed, workers)
        self.memory = memory
        self.table = <nmjit_table *>memory.part(start, layout.nbytes)
        if fresh:
            memory.check_writable()
            table_init(self.table, &shape)
        elif not table_shape_agrees(self.table, &shape):
            raise ValueError("not a table of this shape")

    def recover(self, uint32_t workers=1):
        """Make the table consistent whatever became of its last writer. Returns the number of wrong entries dropped."""
        self.memory.check_writable()
        cdef uint64_t dropped
        with nogil:
            dropped = table_recover(self.table)
        self.table.workers = workers
        return dropped

    @property
    def seed(self):
        """The seed of the keys' hash."""
        return self.table.seed

    def __len__(self):
        return self.table.length

    def counts(self):
        """Entries inserted, deleted, evicted, and insertions that failed."""
        return self.table.inserted, self.table.deleted, self.table.evicted, self.table.failed

    cdef const uint64_t *words(self, const uint8_t[::1] data, uint64_t *copy) except NULL:
        """The key at the start of `data`, aligned."""
        if <uint32_t>data.shape[0] < self.table.key_size or self.table.key_size > 64:
            raise ValueError(f"a key has {self.table.key_size} bytes")
        memcpy(copy, &data[0], self.table.key_size)
        return copy

    def find(self, const uint8_t[::1] key):
        """Index of the key's entry, or −1. Only while nobody writes."""
        cdef uint64_t copy[8]
        self.words(key, copy)
        return table_find(self.table, copy, table_hash(self.table, copy))

    def read(self, const uint8_t[::1] key):
        """A copy of the key's value, or None."""
        cdef uint64_t copy[8]
        self.words(key, copy)
        cdef bytes value = PyBytes_FromStringAndSize(NULL, self.table.value_size)
        return value if table_read(self.table, copy, <char *>value) else None

    def insert(self, const uint8_t[::1] record):
        """Put a key in with a value where it is not there yet: index of its entry, −1 where there is no room."""
        cdef uint64_t copy[8]
        self.memory.check_writable()
        if <uint32_t>record.shape[0] != self.table.key_size + self.table.value_size:
            raise ValueError("a record is a key and a value")
        self.words(record, copy)
        return table_insert(self.table, copy, table_hash(self.table, copy), &record[self.table.key_size], 0, 0)

    def touch(self, const uint8_t[::1] key):
        """Mark the key's entry as used: whether there is one."""
        cdef uint64_t copy[8]
        self.memory.check_writable()
        self.words(key, copy)
        cdef int64_t index = table_find(self.table, copy, table_hash(self.table, copy))
        if index >= 0 and self.table.evicting:
            table_touch(self.table, index)
        return index >= 0

    def write(self, const uint8_t[::1] key, uint32_t offset, const uint8_t[::1] data):
        """Store bytes into the key's value: whether it has one."""
        cdef uint64_t copy[8]
        self.memory.check_writable()
        if offset + data.shape[0] > self.table.value_size or data.shape[0] == 0:
            raise ValueError("outside the value")
        self.words(key, copy)
        return table_write(self.table, copy, offset, &data[0], <uint32_t>data.shape[0])

    def remove(self, const uint8_t[::1] key):
        """Take the key out: whether it was there."""
        cdef uint64_t copy[8]
        self.memory.check_writable()
        self.words(key, copy)
        return table_remove(self.table, copy, table_hash(self.table, copy), 0, 0) >= 0

    def clear(self):
        """Take all keys out."""
        self.memory.check_writable()
        with nogil:
            table_clear(self.table)

    def reset(self):
        """Take all keys out and count from 0."""
        self.memory.check_writable()
        with nogil:
            table_reset(self.table)

    def fill(self, const uint8_t[::1] records):
        """Insert records until one finds no room: how many did."""
        self.memory.check_writable()
        cdef uint64_t size = self.table.key_size + self.table.value_size, done = 0
        if records.shape[0] % size:
            raise ValueError("not whole records")
        cdef uint64_t count = records.shape[0] // size
        cdef const uint8_t *data = first_byte(records)
        with nogil:
            done = table_fill(self.table, data, count)
        return done

    def export(self):
        """Records of all entries, in their order in memory. Each is whole; workers go on meanwhile."""
        cdef uint64_t size = self.table.key_size + self.table.value_size, room, n
        cdef uint32_t at = 0
        cdef bytearray chunk
        cdef char *data
        chunks = []
        while at < self.table.groups:
            room = self.table.length + self.table.length // 8 + 1024
            room = min(room, <uint64_t>(self.table.groups - at) * TABLE_GROUP)
            chunk = bytearray(room * size)
            data = chunk
            with nogil:
                n = table_export(self.table, &at, data, room)
            del chunk[n * size:]
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


cdef class Lpm:
    """Networks at `start` in a map's memory (maplayout.LpmLayout): the table of them is `table`. As Table.

    An address is an integer; a network is its first address and its length.
    """

    cdef MapMemory memory
    cdef nmjit_lpm *lpm
    cdef size_t start
    cdef readonly Table table

    def __cinit__(self, MapMemory memory not None, size_t start, layout, table_layout, *, uint64_t capacity,
                  uint64_t seed=0, uint32_t workers=1, bint fresh=True):
        cdef nmjit_lpm shape
        cdef nmjit_table table = table_shape(table_layout, capacity, False, seed, workers)
        memset(&shape, 0, sizeof(shape))
        shape.table_at, shape.root_at, shape.nodes_at = layout.table_at, layout.root_at, layout.nodes_at
        shape.width, shape.root_bits, shape.node_capacity = layout.width, layout.root_bits, layout.node_capacity
        self.memory = memory
        self.start = start
        self.lpm = <nmjit_lpm *>memory.part(start, layout.nbytes)
        if fresh:
            memory.check_writable()
            lpm_init(self.lpm, &shape, &table)
        elif not lpm_shape_agrees(self.lpm, &shape):
            raise ValueError("not networks of this shape")
        self.table = Table(memory, start + layout.table_at, table_layout, capacity=capacity, evicting=False, fresh=False)

    def recover(self, uint32_t workers=1):
        """As Table.recover. The memory must end with the map."""
        self.memory.check_writable()
        cdef uint64_t dropped
        self.memory.wipe(self.start + self.lpm.root_at, self.memory.c_mem.size - self.start - self.lpm.root_at)
        with nogil:
            dropped = lpm_recover(self.lpm)
        self.table.table.workers = workers
        return dropped

    @property
    def nodes(self):
        """Nodes in use."""
        return lpm_nodes(self.lpm)

    def find(self, address):
        """The key (address, then length) of the longest network that contains the address, or None."""
        cdef uint64_t key[3]
        if not lpm_look(self.lpm, address & 0xFFFF_FFFF_FFFF_FFFF, address >> 64, key):
            return None
        return PyBytes_FromStringAndSize(<char *>key, self.table.table.key_size)

    cdef lpm_network network(self, first, uint32_t length) except *:
        cdef lpm_network network
        if length > self.lpm.width or first >> self.lpm.width or first & ((1 << (self.lpm.width - length)) - 1):
            raise ValueError(f"{first:#x}/{length} is no network of {self.lpm.width} bits")
        network.low, network.high, network.length = first & 0xFFFF_FFFF_FFFF_FFFF, first >> 64, length
        return network

    def insert(self, first, uint32_t length, const uint8_t[::1] value):
        """Put a network in where it is not there yet: index of its entry, −1 where there is no room."""
        cdef lpm_network network = self.network(first, length)
        self.memory.check_writable()
        if <uint32_t>value.shape[0] != self.table.table.value_size:
            raise ValueError(f"a value has {self.table.table.value_size} bytes")
        cdef const uint8_t *data = &value[0]
        cdef int64_t index
        with nogil:
            index = lpm_insert(self.lpm, &network, data)
        return index

    def remove(self, first, uint32_t length):
        """Take a network out: whether it was there."""
        cdef lpm_network network = self.network(first, length)
        cdef int64_t index
        self.memory.check_writable()
        with nogil:
            index = lpm_remove(self.lpm, &network)
        return index >= 0

    def fill(self, const uint8_t[::1] records):
        """As Table.fill."""
        self.memory.check_writable()
        cdef uint64_t size = self.table.table.key_size + self.table.table.value_size, done = 0
        if records.shape[0] % size:
            raise ValueError("not whole records")
        cdef uint64_t count = records.shape[0] // size
        cdef const uint8_t *data = first_byte(records)
        with nogil:
            done = lpm_fill(self.lpm, data, count)
        return done

    def clear(self, *, bint reset=False):
        """Take all networks out; with reset, count from 0."""
        if reset:
            self.table.reset()
        else:
            self.table.clear()
        self.recover(self.table.table.workers)


cdef class Ring:
    """A worker's ring of events at `start` in a map's memory: `capacity` records of `size` bytes."""

    cdef MapMemory memory
    cdef nmjit_ring *ring
    cdef readonly uint32_t capacity
    cdef readonly uint32_t size

    def __cinit__(self, MapMemory memory not None, size_t start, uint32_t capacity, uint32_t size):
        self.memory = memory
        self.capacity = capacity
        self.size = size
        self.ring = <nmjit_ring *>memory.part(start, 128 + <size_t>capacity * size)

    def recover(self):
        """Let no more wait than there is room for, whatever the memory says."""
        self.memory.check_writable()
        events_recover(self.ring, self.capacity)

    def read(self, uint32_t limit):
        """Take out the oldest records, at most `limit`: their bytes."""
        self.memory.check_writable()
        return self.taken(limit, True)

    def peek(self):
        """The bytes of the records that wait, which stay."""
        return self.taken(self.capacity, False)

    cdef bytes taken(self, uint32_t limit, bint take):
        cdef events_count count = events_counted(self.ring)
        cdef uint64_t waiting = min(count.written - count.read, min(<uint64_t>limit, <uint64_t>self.capacity))
        cdef bytes records = PyBytes_FromStringAndSize(NULL, waiting * self.size)
        if take:
            events_read(self.ring, self.capacity, self.size, <char *>records, <uint32_t>waiting)
        else:
            events_peek(self.ring, self.capacity, self.size, <char *>records, <uint32_t>waiting)
        return records

    def load(self, const uint8_t[::1] records):
        """Begin anew with these records waiting. ValueError: more than fit."""
        cdef uint64_t n = records.shape[0] // self.size
        self.memory.check_writable()
        if n > self.capacity or records.shape[0] % self.size:
            raise ValueError(f"room for {self.capacity} records of {self.size} bytes")
        events_load(self.ring, self.size, first_byte(records), <uint32_t>n)

    def counts(self):
        """Records written, read, dropped."""
        cdef events_count count = events_counted(self.ring)
        return count.written, count.read, count.dropped
