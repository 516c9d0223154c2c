/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clocks that run ahead, for a daemon that this is preloaded into: CLOCK_AHEAD names a file
 * that holds a number of seconds (int64_t, this machine's byte order), which the test may
 * change at any moment. The wall clock stays. A timer comes when the daemon's clock says so,
 * the next time it is woken.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const volatile int64_t *ahead;

static __attribute__((constructor)) void share(void)
{
	const char *path = getenv("CLOCK_AHEAD");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		abort();
	map = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	(void)close(fd);
	ahead = map;
}

EXPORT int clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);

	if (r == 0 && ahead && (id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME))
		ret->tv_sec += *ahead;
	return r;
}

/* What it is set to is a time of the clock above; of the wall clock none is set here that comes
 * within the seconds of a test. */
EXPORT int timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *old)
{
	struct itimerspec v = *value;

	if (ahead && flags & TFD_TIMER_ABSTIME && v.it_value.tv_sec > *ahead)
		v.it_value.tv_sec -= *ahead;
	return (int)syscall(SYS_timerfd_settime, fd, flags, &v, old);
}
