/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the file of a time zone, and as a rule. What is accepted has a stretch for every
 * time, and each ends where another one begins. */
#include <stdlib.h>
#include <string.h>

#include "rotated/schedule/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct zone *z)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 1795000000, 7258118400, INT64_MAX };
	struct zone_stretch s;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		zone_stretch_at(z, times[i], &s);
		if (s.begin > times[i] || (s.end <= times[i] && s.end != INT64_MAX) ||
		    s.offset < -ZONE_OFFSET_MAX || s.offset > ZONE_OFFSET_MAX)
			abort();
	}
	zone_stretch_at(z, 0, &s);
	for (int i = 0; i < 1000 && s.end != INT64_MAX; i++) {
		int64_t end = s.end;

		zone_stretch_at(z, end, &s);
		if (s.begin > end || s.end <= end)
			abort();
	}
}

static void elapse(const struct zone *z)
{
	static struct calendar *daily;
	uint64_t t = UINT64_C(1795000000000000);

	if (!daily && calendar_parse("02:30", &daily, NULL) < 0)
		abort();
	for (int i = 0; i < 20 && t != UINT64_MAX; i++) {
		uint64_t next = calendar_next(daily, z, t);

		if (next <= t)
			abort();
		t = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_(zone_freep) struct zone *file = NULL;
	cleanup_(zone_freep) struct zone *rule = NULL;
	char text[256] = "";

	if (zone_parse(data, size, &file) == 0) {
		walk(file);
		elapse(file);
	}
	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	if (zone_parse_rule(text, &rule) == 0) {
		walk(rule);
		elapse(rule);
	}
	return 0;
}
