/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads lines "BASE COUNT EXPRESSION", BASE in microseconds since 1970 UTC, and answers each
 * with "ok NORMALIZED-FORM", COUNT lines of microseconds or "never", and "."; or with "no
 * ERROR" and
 * ".". The local zone is the one of this process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rotated/schedule/calendar.h"

static void tell(const char *text, uint64_t base, unsigned count, const struct zone *local)
{
	cleanup_(calendar_freep) struct calendar *c = NULL;
	cleanup_buf struct buf out = BUF_INIT_MAX(CALENDAR_TEXT_MAX);
	struct report report = { 0 };

	if (calendar_parse(text, &c, &report) < 0) {
		printf("no %s\n.\n", report.what);
		return;
	}
	calendar_format(c, &out);
	printf("ok %s\n", buf_string(&out));
	for (unsigned i = 0; i < count; i++) {
		base = calendar_next(c, local, base);
		if (base == USEC_NEVER) {
			printf("never\n");
			break;
		}
		printf("%" PRIu64 "\n", base);
	}
	printf(".\n");
}

int main(void)
{
	cleanup_(zone_freep) struct zone *local = NULL;
	static char line[8192];

	if (zone_open_local(&local) < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t base;
		unsigned count;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%" SCNu64 " %u%n", &base, &count, &at) < 2 || line[at] != ' ')
			return 2;
		tell(line + at + 1, base, count, local);
		(void)fflush(stdout); /* the reader notices when we are gone */
	}
	return 0;
}
