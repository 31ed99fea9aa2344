/*
 * threads.c - workers on one table at once, with a reader and a writer from outside; for TSan.
 *
 *	threads KIND WORKERS PACKETS
 *
 * KIND: count (insert and add only: no increment is lost), hash (deletes too), lru, hot (a single
 * LRU set). Each packet holds what it meets; at its end every entry must still be its key's.
 */
#include "gate.h"
#include "model.h"

#include <pthread.h>

#define BATCH 32u
#define STEPS 4u

static struct nmjit_table *table;
static struct gate gate;
static uint64_t packets, keys;
static bool deletes, clears;
static uint32_t holds; /* flags: TABLE_HOLD where entries are given away */
static bool over;

struct worker {
	pthread_t thread;
	uint32_t number;
	uint64_t added; /* increments given to entries */
	uint64_t failed;
	uint64_t random;
};

/* One operation of a packet on the key: the index of its entry then, or -1. */
static int64_t step(struct worker *w, uint64_t number)
{
	struct value value = value_of(number, 0);
	uint64_t key[2], choice = next_random(&w->random) % 8, hash;
	int64_t index;

	key_of(number, key);
	hash = table_hash(table, key);
	if (choice == 0 && deletes)
		return shared_remove(table, key, hash, w->number, holds);
	if (choice <= 2)
		return shared_find(table, key, hash, w->number, TABLE_TOUCH | holds);
	index = shared_insert(table, key, hash, &value, w->number, holds);
	if (index < 0) {
		w->failed++;
		return -1;
	}
	__atomic_fetch_add(&value_at(table, index)->count, 1, __ATOMIC_RELAXED);
	w->added++;
	return index;
}

static void packet(struct worker *w)
{
	int64_t met[STEPS];
	uint64_t numbers[STEPS];

	if (holds)
		__atomic_store_n(&table_held(table, w->number)->count, 0, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < STEPS; i++) {
		numbers[i] = next_random(&w->random) % keys;
		met[i] = step(w, numbers[i]);
	}
	for (uint32_t i = 0; i < STEPS; i++)
		if (met[i] >= 0)
			check_entry(table, met[i], numbers[i]);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (uint64_t done = 0; done < packets; done += BATCH) {
		gate_enter(&gate, w->number);
		for (uint32_t i = 0; i < BATCH; i++)
			packet(w);
		gate_leave(&gate, w->number);
	}
	return NULL;
}

/* Another process's view: copies, whole however the table changes. */
static void *look(void *arg)
{
	static struct {
		uint64_t key[2];
		struct value value;
	} records[512];
	uint64_t random = 99, key[2], n;
	struct value value;
	uint32_t at = 0;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		uint64_t number = next_random(&random) % keys;

		key_of(number, key);
		if (table_read(table, key, &value))
			CHECK(value.first == number * 3 + 1 && value.last == number * 5 + 2);
		n = table_export(table, &at, records, 512);
		for (uint64_t i = 0; i < n; i++) {
			number = records[i].key[0];
			CHECK(records[i].key[1] == ~number);
			CHECK(records[i].value.first == number * 3 + 1);
			CHECK(records[i].value.last == number * 5 + 2);
		}
		if (at == table->groups)
			at = 0;
	}
	return NULL;
}

/* Python's view: alone with the table while it writes. */
static void *intrude(void *arg)
{
	uint64_t random = 5, key[2];
	struct value value;

	(void)arg;
	for (uint64_t turn = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); turn++) {
		uint64_t number = next_random(&random) % keys;

		key_of(number, key);
		value = value_of(number, 0);
		gate_raise(&gate);
		table_insert(table, key, table_hash(table, key), &value, 0, 0);
		if (deletes)
			table_remove(table, key, table_hash(table, key), 0, 0);
		if (clears && turn % 64 == 0)
			table_clear(table);
		gate_lower(&gate);
		for (int i = 0; i < 50; i++)
			sched_yield();
	}
	return NULL;
}

static uint64_t counted(void)
{
	uint64_t sum = 0;

	for (uint64_t index = 0; index < table->slots; index++)
		if (*table_tag(table, index) & TAG_LIVE)
			sum += value_at(table, (int64_t)index)->count;
	return sum;
}

int main(int argc, char **argv)
{
	static struct worker workers[TABLE_WORKERS];
	uint64_t added = 0, failed = 0;
	struct nmjit_table shape;
	pthread_t reader, writer;
	uint32_t n;
	bool lru, hot;

	CHECK(argc == 4 && gate_open(&gate) == 0);
	hot = !strcmp(argv[1], "hot");
	lru = hot || !strcmp(argv[1], "lru");
	deletes = strcmp(argv[1], "count") != 0;
	clears = lru;
	holds = deletes ? TABLE_HOLD : 0;
	n = (uint32_t)atoi(argv[2]);
	packets = strtoull(argv[3], NULL, 0);
	keys = hot ? 24 : lru ? 400 : 260;
	shape = shape_of(hot ? TABLE_GROUP : 256, lru, n);
	table = aligned_alloc(4096, (shape_bytes(&shape) + 4095) / 4096 * 4096);
	CHECK(table && n >= 1 && n <= TABLE_WORKERS);
	memset(table, 0, shape_bytes(&shape));
	table_init(table, &shape);
	CHECK(pthread_create(&reader, NULL, look, NULL) == 0);
	CHECK(pthread_create(&writer, NULL, intrude, NULL) == 0);
	for (uint32_t i = 0; i < n; i++) {
		workers[i] = (struct worker){.number = i, .random = i + 1};
		CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	for (uint32_t i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		added += workers[i].added;
		failed += workers[i].failed;
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	if (!deletes)
		CHECK(counted() == added && table->length == table->capacity);
	CHECK(table->failed >= failed);
	printf("%s: %llu entries, %llu evicted, %llu failed\n", argv[1],
	       (unsigned long long)check_table(table), (unsigned long long)table->evicted,
	       (unsigned long long)table->failed);
	free(table);
	gate_close(&gate);
	return 0;
}
