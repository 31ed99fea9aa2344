"""Batch functions written by hand in C, compiled once a session: what the engine's tests run instead of a filter."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INCLUDES = [f"-I{ROOT / 'runtime/csrc'}", f"-I{ROOT / 'kernel/uapi'}"]

SOURCE = r"""
#include "abi.h"

static const uint8_t *ring_packet(const struct nmjit_batch *b, uint32_t i, uint32_t *len)
{
	const struct netmap_slot *s = (const struct netmap_slot *)b->slots + (b->head + i) % b->num_slots;

	*len = s->len;
	return b->base + s->buf_idx * b->stride;
}

/* Netmap accessor: the verdict is the first byte, the port the second; a count lies in the first map. */
uint32_t first_byte(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	for (uint32_t i = 0, len; i < b->count; i++) {
		const uint8_t *packet = ring_packet(b, i, &len);

		c->verdicts[i] = packet[0];
		c->ports[i] = (int8_t)packet[1];
		if (c->verdicts[i] == NMJIT_ABORTED)
			c->exceptions[0]++;
		if (c->maps[0])
			((uint64_t *)c->maps[0])[0]++;
	}
	return b->count;
}

/* Netmap accessor: drop everything. */
uint32_t drop_all(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	for (uint32_t i = 0; i < b->count; i++)
		c->verdicts[i] = NMJIT_DROP;
	return b->count;
}

/* Descriptors: pass packets of even length, and add 1 to their first byte. */
uint32_t even_length(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	const struct nmjit_descriptor *d = (const struct nmjit_descriptor *)b->slots + b->head;

	for (uint32_t i = 0; i < b->count; i++) {
		c->verdicts[i] = d[i].len % 2 ? NMJIT_DROP : NMJIT_PASS;
		if (d[i].len && d[i].len % 2 == 0)
			b->base[d[i].offset]++;
	}
	return b->count;
}

/* Descriptors: abort at site 1 when the packet's own number is odd; the bytes become what the filter was told. */
uint32_t tell(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	const struct nmjit_descriptor *d = b->slots;

	for (uint32_t i = 0; i < b->count; i++) {
		uint64_t told[5] = {c->packet_number + i, d[i].timestamp, d[i].wire_len, c->seed, b->readable};

		__builtin_memcpy(b->base + d[i].offset, told, sizeof(told));
		c->verdicts[i] = (c->packet_number + i) % 2 ? NMJIT_ABORTED : NMJIT_REDIRECT;
		c->ports[i] = 3;
		if (c->verdicts[i] == NMJIT_ABORTED) {
			c->sites[i] = 2;
			c->exceptions[1]++;
		}
	}
	return b->count;
}

/* Descriptors: read, or write, the byte behind each packet. */
uint32_t read_behind(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	const struct nmjit_descriptor *d = b->slots;

	for (uint32_t i = 0; i < b->count; i++)
		c->verdicts[i] = ((volatile uint8_t *)b->base)[d[i].offset + d[i].len] ? NMJIT_DROP : NMJIT_PASS;
	return b->count;
}
"""


@pytest.fixture(scope="session")
def batch_function(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], int]:
    """The address of a batch function of SOURCE, by name."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("batch")
    (folder / "batch.c").write_text(SOURCE)
    command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *INCLUDES]
    subprocess.run([*command, "-o", folder / "batch.so", folder / "batch.c"], check=True)
    library = ctypes.CDLL(str(folder / "batch.so"))
    return lambda name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


@pytest.fixture(scope="session")
def library_path(batch_function: Callable[[str], int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared object that `batch_function` loads, for a process of its own."""
    return next(tmp_path_factory.getbasetemp().glob("batch*/batch.so"))
