/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule by which a zone goes on for ever: POSIX's TZ string, with the hours of -167 to 167
 * of RFC 8536, section 3.3.1.
 */
#ifndef ROTATED_SCHEDULE_ZONE_RULE_H
#define ROTATED_SCHEDULE_ZONE_RULE_H

#include "rotated/schedule/zone.h"

enum zone_day_form {
	ZONE_DAY_JULIAN,	/* Jn: 1 to 365, February 29 is never counted */
	ZONE_DAY_OF_YEAR,	/* n: 0 to 365 */
	ZONE_DAY_WEEK_OF_MONTH, /* Mm.w.d: week 5 is the last, day 0 is Sunday */
};

struct zone_change {
	enum zone_day_form form;
	int month, week, day;
	int32_t time; /* seconds after midnight of the wall as it was before the change */
};

struct zone_rule {
	int32_t standard, summer; /* offsets, in seconds ahead of UTC */
	bool has_summer;
	struct zone_change begin, end; /* of summer time */
};

/* LEN bytes without a NUL. -EINVAL. */
must_check int zone_rule_parse(const char *text, size_t len, struct zone_rule *ret);

/* The stretch that T is in, as if the rule had always been so. Beyond the year 2500, and
 * before 1900, it is standard time. */
void zone_rule_stretch(const struct zone_rule *rule, int64_t t, struct zone_stretch *ret);

#endif
