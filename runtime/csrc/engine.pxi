"""What csrc/ offers, as _engine.pyx sees it: declarations only."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "csrc/abi.h" nogil:
    enum:
        NMJIT_VERDICTS
    struct nmjit_descriptor:
        uint64_t offset
        uint64_t timestamp
        uint32_t len
        uint32_t wire_len
    struct nmjit_batch:
        uint8_t *base
        uint16_t port
        uint16_t queue
    struct nmjit_mirror:
        uint32_t packet
        uint32_t port
        uint64_t offset
        uint32_t len
    struct nmjit_ctx:
        uint8_t *verdicts
        uint64_t *exceptions
        void **maps
        uint64_t now
        uint64_t seed
        uint64_t packet_number
        uint16_t *sites
        int16_t *ports
        uint32_t *new_len
        int32_t *head_offset
        nmjit_mirror *mirrors
        uint8_t *mirror_bytes
        uint64_t mirror_used
        uint32_t mirror_count
        uint64_t mirror_lost
        const void *ops
        uint32_t worker
    ctypedef uint32_t (*nmjit_batch_fn)(const nmjit_batch *, nmjit_ctx *)

cdef extern from "csrc/port.h" nogil:
    enum port_accessor:
        PORT_NETMAP
        PORT_DESCRIPTOR
    struct port_ops:
        int (*recv)(port *, uint32_t, nmjit_batch *)
        int (*commit)(port *, uint32_t)
    struct port:
        const port_ops *ops
        port_accessor accessor

cdef extern from "csrc/port_mem.h" nogil:
    enum:
        MEM_BUFFER_SIZE
    struct mem_ring:
        pass
    struct mem_region:
        uint8_t *memory
        size_t size
        uint32_t rx_rings
        uint32_t tx_rings
        uint32_t slots
        uint32_t num_bufs
    int mem_region_open(mem_region *, uint32_t, uint32_t, uint32_t, uint32_t)
    void mem_region_close(mem_region *)
    mem_ring *mem_region_rx(mem_region *, uint32_t)
    mem_ring *mem_region_tx(mem_region *, uint32_t)
    int mem_put(mem_ring *, const void *, uint32_t, uint16_t)
    uint32_t mem_waiting(mem_ring *)
    int mem_take(mem_ring *, void *)

cdef extern from "csrc/port_pcap.h" nogil:
    enum:
        PCAP_BATCH
    struct pcap_format:
        bint swapped
        bint nanoseconds
        uint32_t snaplen
        uint32_t linktype
    struct pcap_reader:
        port port
        pcap_format format
        uint8_t *buffer
        uint32_t filled
        uint64_t size
        uint64_t cursor
        uint64_t record
        uint64_t error_at
        nmjit_descriptor packets[256]
    struct pcap_writer:
        port port
        uint64_t packets
    int pcap_reader_open(pcap_reader *, const char *)
    void pcap_reader_close(pcap_reader *)
    enum:
        PCAP_READABLE
    int pcap_writer_open(pcap_writer *, const char *, const pcap_reader *)
    int pcap_writer_packet(pcap_writer *, uint64_t, const void *, uint32_t, uint32_t)
    int pcap_writer_finish(pcap_writer *)
    void pcap_writer_close(pcap_writer *)

cdef extern from "csrc/gate.h" nogil:
    enum:
        GATE_WORKERS
    struct gate:
        pass
    int gate_open(gate *)
    void gate_close(gate *)
    void gate_raise(gate *)
    void gate_lower(gate *)

cdef extern from "csrc/ops.h" nogil:
    struct nmjit_ops:
        pass
    const nmjit_ops nmjit_ops_table "nmjit_ops"

cdef extern from "csrc/worker.h" nogil:
    enum worker_policy:
        WORKER_BACKPRESSURE
        WORKER_DROP
    struct worker_stats:
        uint64_t rx_packets
        uint64_t rx_bytes
        uint64_t rx_refused
        uint64_t batches
        uint64_t verdict_packets[5]
        uint64_t verdict_bytes[5]
        uint64_t tx_packets
        uint64_t redirect_unbound
        uint64_t mirrored
        uint64_t mirror_dropped
        uint64_t full_dropped
        uint64_t backpressure
        uint64_t pending
    struct published_stats:
        pass
    struct worker_program:
        nmjit_batch_fn fn
        uint64_t *exceptions
        void **maps
        uint32_t headroom
        bint resizes
        bint mirrors
    struct worker_config:
        port *source
        port *route[5]
        port **outputs
        uint32_t num_outputs
        bint forget_mirrors
        gate *gate
        uint32_t number
        worker_policy policy
        uint32_t batch
        uint64_t seed
        uint16_t port
        uint16_t queue
    struct worker:
        published_stats published
    int worker_open(worker *, const worker_config *, worker_program *)
    void worker_close(worker *)
    void worker_replace(worker *, worker_program *)
    void worker_stop(worker *)
    int worker_run(worker *, int64_t, bint)
    void stats_read(const published_stats *, worker_stats *)

cdef extern from "csrc/arena.h" nogil:
    struct arena:
        pass
    int arena_open(arena *, uint32_t, size_t, uint32_t, bint)
    void arena_close(arena *)
    void arena_place(arena *, uint32_t, const void *, uint32_t, uint32_t, uint64_t)
    const uint8_t *arena_packet(const arena *, uint32_t)
    void arena_batch(const arena *, uint32_t, nmjit_batch *)

cdef extern from "csrc/effects.h" nogil:
    int effects_open(nmjit_ctx *, uint32_t)
    void effects_close(nmjit_ctx *)
    int effects_want_mirrors(nmjit_ctx *)
