/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - runs the tests of a guest program, one process each, and prints one line for each.
 *
 *   ## start <test>
 *   ## ok <test> | ## fail <test> <why> | ## skip <test> <why>
 *
 * Usage: program [--seed=N] [--minutes=M] [--built=part,part] [--path=skb|xdp] [test ...]. A test
 * that outlives its time is killed with all its children; one that can't be killed ends the
 * program, since nothing that follows would mean anything. Knows nothing of netmap: what a test
 * must leave behind is asked of check_after_test.
 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE 10.0 /* seconds that a killed process may take to go */

struct verdict {
	char skip[256];
	char fail[1024];
};

extern const struct check_test *const __start_check_tests[];
extern const struct check_test *const __stop_check_tests[];

struct check_options check_options = {.built = "", .path = "skb"};

static struct verdict *verdict; /* shared with the process that runs the test */

double check_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *check_errno_name(int error)
{
	const char *name = error ? strerrorname_np(error) : "success";

	return name ? name : "an unknown errno";
}

void check_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	va_list arguments;
	int used;

	if (verdict->fail[0])
		_exit(1); /* another thread was first */
	used = snprintf(verdict->fail, sizeof(verdict->fail), "%s:%d: ", slash ? slash + 1 : file,
			line);
	va_start(arguments, format);
	vsnprintf(verdict->fail + used, sizeof(verdict->fail) - (size_t)used, format, arguments);
	va_end(arguments);
	_exit(1);
}

void check_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(verdict->skip, sizeof(verdict->skip), format, arguments);
	va_end(arguments);
	_exit(0);
}

void check_note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vdprintf(STDOUT_FILENO, format, arguments);
	va_end(arguments);
}

bool check_must_have(const char *name)
{
	const char *at = check_options.built;
	size_t length = strlen(name);

	while ((at = strstr(at, name))) {
		bool begins = at == check_options.built || at[-1] == ',';

		if (begins && (at[length] == ',' || at[length] == '\0'))
			return true;
		at += length;
	}
	return false;
}

static bool ended(pid_t child, int *status, double limit)
{
	double until = check_now() + limit;

	do {
		if (waitpid(child, status, WNOHANG) == child)
			return true;
		usleep(1000);
	} while (check_now() < until);
	return false;
}

static void say(const char *word, const struct check_test *test, const char *why)
{
	printf("## %s %s%s%s\n", word, test->name, *why ? " " : "", why);
	fflush(stdout);
}

/* Where a process that can't be killed stands; goes to the log. */
static _Noreturn void stuck(const struct check_test *test, pid_t child)
{
	char path[64], line[256];
	FILE *stack;

	snprintf(path, sizeof(path), "/proc/%d/stack", child);
	stack = fopen(path, "r");
	while (stack && fgets(line, sizeof(line), stack))
		printf("%s", line);
	say("fail", test, "can't be killed");
	exit(2);
}

static void run(const struct check_test *test)
{
	const char *left = NULL;
	bool late = false;
	int status = 0;
	pid_t child;

	memset(verdict, 0, sizeof(*verdict));
	say("start", test, "");
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		test->run();
		_exit(0);
	}
	if (child < 0) {
		say("fail", test, "fork failed");
		return;
	}
	setpgid(child, child); /* in case the parent comes first */
	late = !ended(child, &status, test->seconds + check_options.minutes * 60);
	kill(-child, SIGKILL);
	if (late && !ended(child, &status, GRACE))
		stuck(test, child);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (!late && verdict->skip[0] && !verdict->fail[0]) {
		say("skip", test, verdict->skip);
		return;
	}
	left = check_after_test();
	if (verdict->fail[0] == '\0' && late)
		snprintf(verdict->fail, sizeof(verdict->fail), "not done in %u s", test->seconds);
	else if (verdict->fail[0] == '\0' && WIFSIGNALED(status))
		snprintf(verdict->fail, sizeof(verdict->fail), "killed by signal %d",
			 WTERMSIG(status));
	else if (verdict->fail[0] == '\0' && WEXITSTATUS(status))
		snprintf(verdict->fail, sizeof(verdict->fail), "exit status %d",
			 WEXITSTATUS(status));
	else if (verdict->fail[0] == '\0' && left)
		snprintf(verdict->fail, sizeof(verdict->fail), "left behind: %s", left);
	say(verdict->fail[0] ? "fail" : "ok", test, verdict->fail);
}

static bool wanted(const struct check_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (strcmp(*names, test->name) == 0)
			return true;
	}
	return false;
}

int main(int count, char **arguments)
{
	char **names = arguments + 1;

	(void)count;
	for (; *names && strncmp(*names, "--", 2) == 0; names++) {
		if (strncmp(*names, "--seed=", 7) == 0)
			check_options.seed = strtoull(*names + 7, NULL, 0);
		else if (strncmp(*names, "--minutes=", 10) == 0)
			check_options.minutes = strtod(*names + 10, NULL);
		else if (strncmp(*names, "--built=", 8) == 0)
			check_options.built = *names + 8;
		else if (strncmp(*names, "--path=", 7) == 0)
			check_options.path = *names + 7;
		else
			return fprintf(stderr, "unknown option %s\n", *names), 2;
	}
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (verdict == MAP_FAILED)
		return perror("mmap"), 2;
	check_before_tests();
	for (const struct check_test *const *test = __start_check_tests; test < __stop_check_tests;
	     test++) {
		if (wanted(*test, names))
			run(*test);
	}
	return 0;
}
