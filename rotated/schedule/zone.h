/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A time zone: by how much the wall is ahead of UTC, and when. Read from the compiled files of
 * the tz database (RFC 8536, version 2 and later, with the rule at the end for the years to
 * come), because libc knows one zone a process. Every function takes NULL for UTC.
 */
#ifndef ROTATED_SCHEDULE_ZONE_H
#define ROTATED_SCHEDULE_ZONE_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo"

/* ZONE_FILE_MAX is some ten times the largest file of the tz database. The wall is ahead of UTC
 * by ZONE_OFFSET_MAX seconds at most, or behind it: what RFC 8536, section 3.2, allows. */
enum {
	ZONE_NAME_MAX = 255,
	ZONE_FILE_MAX = 64 * 1024,
	ZONE_OFFSET_MAX = 26 * 3600 - 1,
};

struct zone;

/*
 * The bytes of a file. -EBADMSG: not of the format, or with a value that can not be; also a
 * file that counts leap seconds ("right/"), whose seconds are not those of this machine.
 */
must_check int zone_parse(const void *data, size_t len, struct zone **ret);

/* A rule as in the environment variable TZ: "CET-1CEST,M3.5.0,M10.5.0/3". -EINVAL. */
must_check int zone_parse_rule(const char *text, struct zone **ret);

/*
 * By its name: "Europe/Berlin". -EINVAL for what can not be a name, -ENOENT when there is no
 * such zone, -EBADMSG for a file that is none, or what reading it failed with. NAME "UTC" needs
 * no file; its zone is NULL.
 */
must_check int zone_open(const char *name, struct zone **ret);

/*
 * The zone of this machine, as libc finds it: TZ if that is set, /etc/localtime, else UTC. The
 * errors are those of zone_open().
 */
must_check int zone_open_local(struct zone **ret);

void zone_free(struct zone *z);
DEFINE_CLEANUP(struct zone, zone_free)

/* A stretch of time, in seconds since 1970 UTC, in which the offset is the same. The first and
 * the last one have no begin or end: INT64_MIN, INT64_MAX. */
struct zone_stretch {
	int64_t begin;
	int64_t end;	/* the first second that is not part of it */
	int32_t offset; /* the wall less UTC, in seconds */
};

/* The stretch that T, in seconds since 1970 UTC, is in. */
void zone_stretch_at(const struct zone *z, int64_t t, struct zone_stretch *ret);

/* What is on the wall at USEC since 1970 UTC, in microseconds as in civil.h. */
int64_t zone_wall(const struct zone *z, uint64_t usec);

#endif
