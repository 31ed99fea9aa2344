/*
 * arena.c - see arena.h.
 */
#define _GNU_SOURCE
#include "arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static int protect_guards(const struct arena *arena)
{
	for (uint32_t i = 0; i < arena->cells; i++)
		if (mprotect(arena->memory + i * arena->cell + arena->room,
			     arena->cell - arena->room, PROT_NONE) < 0)
			return -errno;
	return 0;
}

/*
 * Make `cells` cells for packets of at most `longest` bytes, with `headroom` in front of them. The
 * caller owns *arena and closes it, also after an error. Thread: any one at a time. -EINVAL: no
 * cells.
 */
int arena_open(struct arena *arena, uint32_t cells, size_t longest, uint32_t headroom, bool guarded)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *map;

	*arena = (struct arena){.cells = cells, .headroom = headroom, .guarded = guarded};
	if (cells == 0)
		return -EINVAL;
	arena->packets = calloc(cells, sizeof(*arena->packets));
	if (!arena->packets)
		return -ENOMEM;
	arena->room = round_up(headroom + (longest ? longest : 1), guarded ? page : ARENA_READABLE);
	arena->cell = arena->room + (guarded ? page : ARENA_READABLE);
	arena->size = round_up(arena->cell * cells, page);
	map = mmap(NULL, arena->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	arena->memory = map;
	return guarded ? protect_guards(arena) : 0;
}

/* Thread: the one that uses the arena. */
void arena_close(struct arena *arena)
{
	if (arena->memory)
		munmap(arena->memory, arena->size);
	free(arena->packets);
	*arena = (struct arena){0};
}

/* Copy a packet into cell i: i below cells, len no longer than the arena was made for. */
void arena_place(struct arena *arena, uint32_t i, const void *packet, uint32_t len,
		 uint32_t wire_len, uint64_t timestamp)
{
	size_t start = i * arena->cell + (arena->guarded ? arena->room - len : arena->headroom);

	memcpy(arena->memory + start, packet, len);
	arena->packets[i] = (struct nmjit_descriptor){
		.offset = start, .timestamp = timestamp, .len = len, .wire_len = wire_len};
}

/* The bytes in cell i, owned by the arena, as long as they were placed. */
const uint8_t *arena_packet(const struct arena *arena, uint32_t i)
{
	return arena->memory + arena->packets[i].offset;
}

/* Describe the first count cells. The batch refers to the arena. */
void arena_batch(const struct arena *arena, uint32_t count, struct nmjit_batch *batch)
{
	*batch = (struct nmjit_batch){
		.slots = arena->packets,
		.base = arena->memory,
		.num_slots = arena->cells,
		.count = count,
		.headroom = arena->headroom,
		.readable = arena->guarded ? 0 : ARENA_READABLE,
	};
}
