/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "base/cleanup.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		return 0; /* only for a clock that the kernel does not have */
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* /proc/sys/kernel/random/boot_id is a UUID in text: 32 digits with dashes between. */
static void read_boot_id(uint8_t ret[static BOOT_ID_LEN])
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[64];
	uint8_t id[BOOT_ID_LEN] = { 0 };
	size_t digits = 0;
	ssize_t n;

	memset(ret, 0, BOOT_ID_LEN);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	for (ssize_t i = 0; i < n && digits < 2 * (size_t)BOOT_ID_LEN; i++) {
		int d = hex_digit(text[i]);

		if (d < 0)
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | d);
		digits++;
	}
	if (digits == 2 * (size_t)BOOT_ID_LEN)
		memcpy(ret, id, BOOT_ID_LEN);
}

/* Asks and changes nothing, adjtimex(2); where that is not allowed nobody knows, so no. */
static bool is_synced(void)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

static void real_now(void *context, struct moment *ret)
{
	static uint8_t boot_id[BOOT_ID_LEN]; /* the same for the life of any process */
	static bool known;

	(void)context;
	if (!known) {
		read_boot_id(boot_id);
		known = true;
	}
	ret->wall = read_clock(CLOCK_REALTIME);
	ret->boot = read_clock(CLOCK_BOOTTIME);
	memcpy(ret->boot_id, boot_id, BOOT_ID_LEN);
	ret->is_synced = false;
}

static void real_now_with_sync(void *context, struct moment *ret)
{
	real_now(context, ret);
	ret->is_synced = is_synced();
}

struct clock clock_real(void)
{
	return (struct clock){ .now = real_now };
}

struct clock clock_real_with_sync(void)
{
	return (struct clock){ .now = real_now_with_sync };
}

uint64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int clock_remaining_ms(uint64_t deadline)
{
	uint64_t now = clock_monotonic();
	uint64_t ms;

	if (deadline <= now)
		return 0;
	ms = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int clock_parse(const char *text, uint64_t *ret_wall)
{
	char back[CLOCK_TEXT_SIZE];
	struct tm tm = { 0 };
	size_t len = strlen(text);
	const char *end = strptime(text, len == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t t = timegm(&tm);

	if (!end || *end || t < 0)
		return -EINVAL;
	/* strptime() takes blanks, single digits and the 31st of February */
	clock_format((uint64_t)t * USEC_PER_SEC, back);
	if (strncmp(back, text, len == 10 ? 10 : sizeof(back)) != 0)
		return -EINVAL;
	*ret_wall = (uint64_t)t * USEC_PER_SEC;
	return 0;
}

void clock_format(uint64_t wall, char out[static CLOCK_TEXT_SIZE])
{
	time_t t = (time_t)(wall / USEC_PER_SEC);
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, CLOCK_TEXT_SIZE, "(no date)"); /* beyond year 2^31 */
}
