/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - how a guest program declares its tests and says what it expects.
 *
 * Each test runs in a process of its own, with a time limit, and ends at the first expectation that
 * does not hold. The names of tests are read from the sources by tests/kernel/guest_tests.py, so
 * TEST stands at the beginning of a line. Knows nothing of netmap.
 */
#ifndef NMJIT_GUEST_CHECK_H
#define NMJIT_GUEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct check_test {
	const char *name;
	void (*run)(void);
	unsigned int seconds;
};

/* What the command line said; the same in every test of a run. */
struct check_options {
	uint64_t seed;
	double minutes;	   /* 0: the short form */
	const char *built; /* parts that the module must have, separated by commas */
	const char *path;  /* data path of devices: "skb" or "xdp" */
};

extern struct check_options check_options;

/* Called after each test, outside it: a complaint about what the test left behind, or NULL. */
const char *check_after_test(void);
/* Called once, before the first test. */
void check_before_tests(void);

#define TEST_WITHIN(name, limit)                                              \
	static void name(void);                                               \
	static const struct check_test name##_test = {#name, name, limit};    \
	static const struct check_test *const name##_entry                    \
		__attribute__((used, section("check_tests"))) = &name##_test; \
	static void name(void)
#define TEST(name) TEST_WITHIN(name, 60)

_Noreturn void check_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line for the log, at once: shown where the test fails, also if the kernel dies in it. */
void check_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *check_errno_name(int error);
/* Seconds of a clock that only goes forward. */
double check_now(void);
/* Is `name` in the list of parts that the module must have? */
bool check_must_have(const char *name);

#define FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)

#define EXPECT(condition)                       \
	do {                                    \
		if (!(condition))               \
			FAIL("%s", #condition); \
	} while (0)

#define EXPECT_EQ(left, right)                                                           \
	do {                                                                             \
		long long left_ = (long long)(left), right_ = (long long)(right);        \
		if (left_ != right_)                                                     \
			FAIL("%s is %lld, not %lld (%s)", #left, left_, right_, #right); \
	} while (0)

/* For calls that return 0 or an errno. */
#define EXPECT_ERRNO(call, wanted)                                            \
	do {                                                                  \
		int got_ = (call), wanted_ = (wanted);                        \
		if (got_ != wanted_)                                          \
			FAIL("%s: %s, not %s", #call, check_errno_name(got_), \
			     check_errno_name(wanted_));                      \
	} while (0)
#define EXPECT_OK(call) EXPECT_ERRNO(call, 0)

/* For system calls that return -1 and set errno. */
#define EXPECT_SYSTEM(call)                                             \
	do {                                                            \
		if ((call) < 0)                                         \
			FAIL("%s: %s", #call, check_errno_name(errno)); \
	} while (0)

#endif
