/*
 * kill.c - a process is killed while its threads write to a table; what it left can be used.
 *
 *	kill KIND KILLS
 *
 * KIND: hash, lru, with two workers at once; or one (a HASH with one). The memory is a shared
 * mapping, which the parent recovers after each kill and the next child works on.
 */
#include "model.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS 400u

static struct nmjit_table *table;
static bool alone;

static void *work(void *arg)
{
	uint32_t worker = (uint32_t)(uintptr_t)arg;
	uint64_t random = (uint64_t)getpid() << 8 | worker, key[2], hash, turn = 0;

	for (;;) {
		uint64_t number = next_random(&random) % KEYS;
		struct value value = value_of(number, 1);

		if (turn++ % 4 == 0)
			__atomic_store_n(&table_held(table, worker)->count, 0, __ATOMIC_RELEASE);
		key_of(number, key);
		hash = table_hash(table, key);
		if (alone && random % 3)
			table_insert(table, key, hash, &value, worker, TABLE_HOLD);
		else if (alone)
			table_remove(table, key, hash, worker, TABLE_HOLD);
		else if (random % 3)
			shared_insert(table, key, hash, &value, worker, TABLE_HOLD);
		else
			shared_remove(table, key, hash, worker, TABLE_HOLD);
	}
	return NULL;
}

static pid_t start(void)
{
	pid_t child = fork();
	pthread_t other;

	CHECK(child >= 0);
	if (child == 0) {
		if (!alone)
			CHECK(pthread_create(&other, NULL, work, (void *)1) == 0);
		work(NULL);
	}
	return child;
}

int main(int argc, char **argv)
{
	struct nmjit_table shape;
	uint64_t random = (uint64_t)time(NULL), dropped = 0, entries = 0;
	int kills;

	CHECK(argc == 3);
	kills = atoi(argv[2]);
	alone = !strcmp(argv[1], "one");
	shape = shape_of(256, !strcmp(argv[1], "lru"), alone ? 1 : 2);
	table = mmap(NULL, shape_bytes(&shape), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	CHECK(table != MAP_FAILED);
	table_init(table, &shape);
	for (int i = 0; i < kills; i++) {
		struct timespec while_it_works = {
			.tv_nsec = (long)(next_random(&random) % 4000000) + 1000000};
		pid_t child = start();

		nanosleep(&while_it_works, NULL);
		CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
		dropped += table_recover(table);
		entries += check_table(table);
	}
	CHECK(dropped == 0 && entries > 0);
	printf("%s: %d kills, %llu entries on average\n", argv[1], kills,
	       (unsigned long long)entries / (unsigned)kills);
	return 0;
}
