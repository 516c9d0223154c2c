/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time as a value that is passed in. A moment carries both clocks, because a wait that protects
 * something must not be shortened when somebody sets the wall clock: see engine/.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { BOOT_ID_LEN = 16 };

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_NEVER    UINT64_MAX

struct moment {
	uint64_t wall;		      /* CLOCK_REALTIME, microseconds since 1970 */
	uint64_t boot;		      /* CLOCK_BOOTTIME, microseconds since this boot */
	uint8_t boot_id[BOOT_ID_LEN]; /* which boot `boot` counts from */
	bool is_synced;		      /* the kernel was told by NTP that `wall` is right */
};

/* Where a program gets its moments; tests put their own behind it. */
struct clock {
	void (*now)(void *context, struct moment *ret);
	void *context;
};

/* The machine's clocks. Reads the boot id once; an unreadable one is all zero. Nobody asks whether
 * they are synchronised: is_synced is false. */
struct clock clock_real(void);

/* The same, and asks: a system call each time, where the others need none. */
struct clock clock_real_with_sync(void);

static inline struct moment clock_now(const struct clock *c)
{
	struct moment m;

	c->now(c->context, &m);
	return m;
}

/* Microseconds of CLOCK_MONOTONIC, for deadlines of single calls. */
uint64_t clock_monotonic(void);

/* Milliseconds from now to a monotonic DEADLINE, rounded up, for poll(); 0 when it has passed.
 */
int clock_remaining_ms(uint64_t deadline);

/* "2026-11-23", for midnight UTC, or "2026-11-23T08:30:00Z", of the years 1970 to 9999; -EINVAL for anything
 * else, days that there are not among it. */
int clock_parse(const char *text, uint64_t *ret_wall) __attribute__((warn_unused_result));

/* "2026-11-23T08:30:00Z", always 20 characters and a NUL; WALL in microseconds. */
enum { CLOCK_TEXT_SIZE = 32 };
void clock_format(uint64_t wall, char out[static CLOCK_TEXT_SIZE]);

#endif
