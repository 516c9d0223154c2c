/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "rotated/schedule/civil.h"
#include "tests/unit/unit.h"

/* Seconds since 1970 of the first second of 2200. */
#define END_OF_TIME INT64_C(7258118400)

static void civil_dates_agree_with_libc(void **state)
{
	(void)state;
	for (int64_t day = -400000; day < 400000; day++) {
		time_t t = day * 86400;
		struct civil d;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		civil_from_days(day, &d);
		assert_int_equal(d.year, tm.tm_year + 1900);
		assert_int_equal(d.month, tm.tm_mon + 1);
		assert_int_equal(d.day, tm.tm_mday);
		assert_int_equal(civil_weekday(day), (tm.tm_wday + 6) % 7);
		assert_int_equal(civil_to_days(&d), day);
	}
}

static void civil_text_has_seconds_where_there_are_any(void **state)
{
	char text[CIVIL_TEXT_SIZE];

	(void)state;
	civil_format(0, text);
	assert_string_equal(text, "1970-01-01 00:00");
	civil_format(-CIVIL_SECOND, text);
	assert_string_equal(text, "1969-12-31 23:59:59");
}

static int32_t offset_of_libc(int64_t t)
{
	time_t at = t;
	struct tm tm;

	assert_non_null(localtime_r(&at, &tm));
	return (int32_t)tm.tm_gmtoff;
}

static unsigned zones_seen, stretches_seen;

/* At both ends of each stretch from 1970 on, and at its middle. */
static void compare_with_libc(const char *name)
{
	cleanup_(zone_freep) struct zone *z = NULL;
	struct zone_stretch s;
	int64_t t = 0;

	assert_int_equal(zone_open(name, &z), 0);
	assert_int_equal(setenv("TZ", name, 1), 0);
	tzset();
	while (t < END_OF_TIME) {
		int64_t end;

		zone_stretch_at(z, t, &s);
		end = s.end < END_OF_TIME ? s.end : END_OF_TIME;
		assert_true(s.begin <= t && t < s.end);
		assert_int_equal(zone_wall(z, (uint64_t)t * 1000000),
				 (t + s.offset) * CIVIL_SECOND);
		if (offset_of_libc(t) != s.offset || offset_of_libc(end - 1) != s.offset ||
		    offset_of_libc(t + (end - t) / 2) != s.offset)
			fail_msg("%s: between %jd and %jd", name, (intmax_t)t, (intmax_t)end);
		stretches_seen++;
		t = end;
	}
	zones_seen++;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + strlen(ZONE_DIRECTORY) + 1;
	char magic[4] = "";
	FILE *f;

	(void)st;
	(void)at;
	/* the same once more, and those with leap seconds */
	if (type != FTW_F || strncmp(name, "posix/", 6) == 0 || strncmp(name, "right/", 6) == 0)
		return 0;
	f = fopen(path, "re");
	if (f && fread(magic, 1, sizeof(magic), f) == sizeof(magic) &&
	    memcmp(magic, "TZif", sizeof(magic)) == 0)
		compare_with_libc(name);
	if (f)
		(void)fclose(f);
	return 0;
}

static void zone_offsets_agree_with_libc_in_every_zone_until_2200(void **state)
{
	(void)state;
	assert_int_equal(nftw(ZONE_DIRECTORY, visit, 8, 0), 0);
	print_message("%u zones, %u stretches\n", zones_seen, stretches_seen);
	assert_true(zones_seen > 300 && stretches_seen > 50000);
}

static void zone_without_a_file_is_refused(void **state)
{
	static const struct {
		const char *name;
		int error;
	} rows[] = {
		{ "", -EINVAL },
		{ "/etc/localtime", -EINVAL },
		{ "../zoneinfo/UTC", -EINVAL },
		{ "Europe//Berlin", -EINVAL },
		{ "Europe/", -EINVAL },
		{ "Europe/Berlin\n", -EINVAL },
		{ "Europe", -ENOENT },
		{ "Europe/Berln", -ENOENT },
		{ "Europe/Berlin/Mitte", -ENOENT },
		{ "zone1970", -ENOENT },
		{ "tzdata", -ENOENT },
		{ "leapseconds", -EBADMSG },
		{ "right/Europe/Berlin", -EBADMSG },
	};
	struct zone *z = NULL;
	char name[ZONE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (zone_open(rows[i].name, &z) != rows[i].error)
			fail_msg("%s", rows[i].name);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(zone_open(name, &z), -EINVAL);
	assert_null(z);
}

static void zone_of_the_machine_is_what_tz_says(void **state)
{
	static const struct {
		const char *tz;
		int32_t offset; /* in summer */
	} rows[] = {
		{ "Europe/Berlin", 7200 },
		{ ":America/New_York", -14400 },
		{ "UTC", 0 },
		{ "", 0 },
		{ "<+05>-5", 18000 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 7200 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_(zone_freep) struct zone *z = NULL;

		assert_int_equal(setenv("TZ", rows[i].tz, 1), 0);
		assert_int_equal(zone_open_local(&z), 0);
		assert_int_equal(zone_wall(z, UINT64_C(1784000000000000)),
				 INT64_C(1784000000000000) + rows[i].offset * CIVIL_SECOND);
	}
	assert_int_equal(setenv("TZ", "no such zone", 1), 0);
	assert_int_equal(zone_open_local(&(struct zone *){ NULL }), -EINVAL);
}

static void zone_rules_are_what_posix_says(void **state)
{
	static const struct {
		const char *rule;
		const char *moment; /* at which the offset becomes OFFSET */
		int32_t offset;
	} rows[] = {
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 01:00", 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 01:00", 3600 },
		{ "EST5EDT,M3.2.0,M11.1.0", "2026-03-08 07:00", -14400 },
		{ "NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-04-04 14:00", 43200 },
		{ "NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-09-26 14:00", 46800 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29 01:00", 3600 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29 01:00", -3600 },
		{ "A1B", "", 0 },
		{ "AAA-0BBB,J60,300", "2028-03-01 02:00", 3600 },
		{ "AAA-0BBB,J60,300", "2027-03-01 02:00", 3600 },
		{ "AAA-0BBB,59,300", "2028-02-29 02:00", 3600 },
		{ "AAA-0BBB,J365/167,J100", "2027-01-06 23:00", 3600 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_(zone_freep) struct zone *z = NULL;
		struct tm tm = { 0 };
		struct zone_stretch s;

		if (!rows[i].moment[0]) {
			assert_int_equal(zone_parse_rule(rows[i].rule, &z), -EINVAL);
			continue;
		}
		assert_int_equal(zone_parse_rule(rows[i].rule, &z), 0);
		assert_non_null(strptime(rows[i].moment, "%Y-%m-%d %H:%M", &tm));
		zone_stretch_at(z, timegm(&tm), &s);
		if (s.begin != timegm(&tm) || s.offset != rows[i].offset)
			fail_msg("%s: %jd, %d", rows[i].rule, (intmax_t)s.begin, s.offset);
	}
}

/* Summer time all the year, as RFC 8536, section 3.3.1, writes it. */
static void zone_of_endless_summer_has_no_winter(void **state)
{
	cleanup_(zone_freep) struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_parse_rule("EST5EDT,0/0,J365/25", &z), 0);
	for (int64_t t = 0; t < END_OF_TIME; t += 3600 * 7) {
		struct zone_stretch s;

		zone_stretch_at(z, t, &s);
		assert_int_equal(s.offset, -14400);
		assert_true(s.begin <= t && t < s.end);
	}
}

static void zone_rules_out_of_form_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"CET",
		"CE-1",
		"CET-1CEST",
		"CET-1CEST,M3.5.0",
		"CET-1CEST,M3.5.0,M10.5.0/3,",
		"CET-1CEST,M13.5.0,M10.5.0",
		"CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0",
		"CET-1CEST,M3.5.0/168,M10.5.0",
		"CET-1CEST,J0,J1",
		"CET-1CEST,366,J1",
		"CET-25",
		"CET-1:60",
		"<+01-1",
		"<>-1",
		"CET-0001",
	};
	struct zone *z = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (zone_parse_rule(rows[i], &z) != -EINVAL)
			fail_msg("%s", rows[i]);
}

/* --- files --- */

static void read_berlin(struct buf *b)
{
	assert_int_equal(fs_read(AT_FDCWD, ZONE_DIRECTORY "/Europe/Berlin", ZONE_FILE_MAX, b),
			 0);
}

static void zone_file_that_is_cut_off_is_refused(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	read_berlin(&b);
	for (size_t len = 0; len < b.len; len++) {
		struct zone *z = NULL;
		uint8_t *copy = malloc(len ? len : 1); /* so that ASan sees its end */

		assert_non_null(copy);
		memcpy(copy, b.data, len);
		assert_int_equal(zone_parse(copy, len, &z), -EBADMSG);
		free(copy);
	}
}

/* Version 2 of 1 type and N transitions; what FIX does to it. */
struct made {
	uint8_t data[512];
	size_t len;
};

static void add(struct made *m, const void *data, size_t len)
{
	assert_true(m->len + len <= sizeof(m->data));
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void add_header(struct made *m, uint32_t times, uint32_t types, uint32_t leaps)
{
	uint8_t h[44] = "TZif2";

	store_be32(h + 28, leaps);
	store_be32(h + 32, times);
	store_be32(h + 36, types);
	add(m, h, sizeof(h));
}

static void add_type(struct made *m, int32_t offset)
{
	uint8_t type[6] = { 0 };

	store_be32(type, (uint32_t)offset);
	add(m, type, sizeof(type));
}

/* Two transitions, at A and B, to the type INDEX. */
static struct made make_file(int64_t a, int64_t b, uint8_t index, int32_t offset)
{
	struct made m = { .len = 0 };
	uint8_t times[16];

	add_header(&m, 0, 1, 0);
	add_type(&m, 0);
	add_header(&m, 2, 2, 0);
	store_be64(times, (uint64_t)a);
	store_be64(times + 8, (uint64_t)b);
	add(&m, times, sizeof(times));
	add(&m, &(const uint8_t[]){ index, 0 }, 2);
	add_type(&m, 60);
	add_type(&m, offset);
	add(&m, "\n\n", 2);
	return m;
}

static int parse(const struct made *m)
{
	cleanup_(zone_freep) struct zone *z = NULL;

	return zone_parse(m->data, m->len, &z);
}

static void zone_file_with_what_can_not_be_is_refused(void **state)
{
	struct made m = make_file(100, 200, 1, 3600);
	cleanup_(zone_freep) struct zone *z = NULL;
	struct zone_stretch s;

	(void)state;
	assert_int_equal(zone_parse(m.data, m.len, &z), 0);
	zone_stretch_at(z, 99, &s);
	assert_int_equal(s.offset, 60);
	zone_stretch_at(z, 100, &s);
	assert_int_equal(s.offset, 3600);
	/* without a rule, the last offset stays */
	zone_stretch_at(z, INT64_MAX, &s);
	assert_int_equal(s.offset, 60);
	assert_int_equal(s.end, INT64_MAX);

	m = make_file(200, 200, 1, 3600);
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 2, 3600);
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 1, ZONE_OFFSET_MAX);
	assert_int_equal(parse(&m), 0);
	m = make_file(100, 200, 1, ZONE_OFFSET_MAX + 1);
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 1, INT32_MIN);
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 1, 3600);
	m.data[4] = '\0'; /* version 1 */
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 1, 3600);
	m.data[50 + 31] = 1; /* a leap second */
	assert_int_equal(parse(&m), -EBADMSG);
	m = make_file(100, 200, 1, 3600);
	m.data[m.len - 1] = 'x'; /* a footer without its end */
	assert_int_equal(parse(&m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(civil_dates_agree_with_libc),
		cmocka_unit_test(civil_text_has_seconds_where_there_are_any),
		cmocka_unit_test(zone_offsets_agree_with_libc_in_every_zone_until_2200),
		cmocka_unit_test(zone_without_a_file_is_refused),
		cmocka_unit_test(zone_of_the_machine_is_what_tz_says),
		cmocka_unit_test(zone_rules_are_what_posix_says),
		cmocka_unit_test(zone_of_endless_summer_has_no_winter),
		cmocka_unit_test(zone_rules_out_of_form_are_refused),
		cmocka_unit_test(zone_file_that_is_cut_off_is_refused),
		cmocka_unit_test(zone_file_with_what_can_not_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
