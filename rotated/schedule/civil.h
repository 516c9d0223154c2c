/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dates of the Gregorian calendar as a count of days, and time on a wall: microseconds since
 * 1970-01-01 00:00 of whatever clock the wall has. No time zone comes in here.
 */
#ifndef ROTATED_SCHEDULE_CIVIL_H
#define ROTATED_SCHEDULE_CIVIL_H

#include <stddef.h>
#include <stdint.h>

#define CIVIL_SECOND INT64_C(1000000)
#define CIVIL_MINUTE (60 * CIVIL_SECOND)
#define CIVIL_HOUR   (60 * CIVIL_MINUTE)
#define CIVIL_DAY    (24 * CIVIL_HOUR)

enum { CIVIL_SECONDS_A_DAY = 24 * 3600, CIVIL_DAYS_A_WEEK = 7 };

struct civil {
	int year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

/* Days since 1970-01-01, which may be negative. The date must exist; years 1 to 9999. */
int64_t civil_to_days(const struct civil *date);
void civil_from_days(int64_t days, struct civil *ret);

/* 0 is Monday. */
int civil_weekday(int64_t days);

/* How many days MONTH has. */
int civil_month_days(int year, int month);

/* A / B rounded towards minus infinity; B > 0. */
int64_t civil_divide(int64_t a, int64_t b);

/* "2026-11-23 18:40", with ":05" when the seconds are not 0; always terminated. */
enum { CIVIL_TEXT_SIZE = 40 };
void civil_format(int64_t wall, char out[static CIVIL_TEXT_SIZE]);

#endif
