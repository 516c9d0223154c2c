/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scope-bound release of memory and file descriptors, and the two ways to hand such a thing
 * on: steal_ptr() and steal_fd() return the value and disarm the variable.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup_(f)   __attribute__((cleanup(f)))
#define cleanup_free  cleanup_(freep)
#define cleanup_close cleanup_(closep)
#define must_check    __attribute__((warn_unused_result))

/* For a must_check call whose failure is meant to be passed over: say why beside it. gcc does
 * not let a cast to void say so. */
#define ignore_result(call)                                                                    \
	do {                                                                                   \
		if (call) {                                                                    \
		}                                                                              \
	} while (0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define steal_ptr(p)                                                                           \
	({                                                                                     \
		__typeof__(p) stolen_ = (p);                                                   \
		(p) = NULL;                                                                    \
		stolen_;                                                                       \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Closes without disturbing errno, so that it may run between a failing call and its report. */
static inline void closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* nothing is left to do about it at scope exit */
	errno = saved;
}

/* Defines `void TYPE_FREEp(TYPE **p)` for use with cleanup_(). */
#define DEFINE_CLEANUP(type, func)                                                             \
	static inline void func##p(type **p)                                                   \
	{                                                                                      \
		func(*p);                                                                      \
	}

#endif
