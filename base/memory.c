/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/memory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"
#include "base/text.h"

enum { STATUS_MAX = 16 * 1024 }; /* bytes of /proc/self/status; some 1,500 are usual */

/* "VmLck:\t     256 kB" */
static uint64_t locked_kib(const char *status)
{
	const char *p = strstr(status, "\nVmLck:");
	char digits[24];
	uint64_t kib;
	size_t n;

	if (!p)
		return 0;
	p += strlen("\nVmLck:");
	p += strspn(p, " \t");
	n = strspn(p, "0123456789");
	if (n == 0 || n >= sizeof(digits))
		return 0;
	memcpy(digits, p, n);
	digits[n] = '\0';
	return text_to_u64(digits, &kib) == 0 ? kib : 0;
}

void memory_locked(struct memory_locked *ret)
{
	cleanup_buf struct buf status = BUF_INIT;
	struct rlimit limit;

	*ret = (struct memory_locked){ .limit = UINT64_MAX };
	if (fs_read(AT_FDCWD, "/proc/self/status", STATUS_MAX, &status) == 0 &&
	    buf_string(&status))
		ret->bytes = locked_kib(buf_string(&status)) * 1024;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		ret->limit = limit.rlim_cur;
}
