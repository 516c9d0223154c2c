/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/civil.h"

#include <stdbool.h>
#include <stdio.h>

/* Days of a year before each month, without the leap day. */
static const int before_month[] = {
	0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
};

int64_t civil_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of January of YEAR. */
static int64_t days_to_year(int year)
{
	int64_t past = year - 1; /* whole years of the calendar before it */
	int64_t leaps = past / 4 - past / 100 + past / 400;

	return (int64_t)365 * (year - 1970) + leaps - 477;
}

static int days_before(int year, int month)
{
	return before_month[month - 1] + (month > 2 && is_leap(year));
}

int64_t civil_to_days(const struct civil *date)
{
	return days_to_year(date->year) + days_before(date->year, date->month) + date->day - 1;
}

void civil_from_days(int64_t days, struct civil *ret)
{
	int year = (int)(1970 + civil_divide(days * 400, 146097));
	int month = 1;
	int64_t left;

	/* 400 years have 146097 days, so the guess is off by one at most */
	while (days < days_to_year(year))
		year--;
	while (days >= days_to_year(year + 1))
		year++;
	left = days - days_to_year(year);
	while (month < 12 && left >= days_before(year, month + 1))
		month++;
	*ret = (struct civil){ year, month, (int)left - days_before(year, month) + 1 };
}

int civil_weekday(int64_t days)
{
	/* 1970-01-01 was a Thursday */
	return (int)(days + 3 - CIVIL_DAYS_A_WEEK * civil_divide(days + 3, CIVIL_DAYS_A_WEEK));
}

int civil_month_days(int year, int month)
{
	return before_month[month] - before_month[month - 1] + (month == 2 && is_leap(year));
}

void civil_format(int64_t wall, char out[static CIVIL_TEXT_SIZE])
{
	int64_t days = civil_divide(wall, CIVIL_DAY);
	int seconds = (int)((wall - days * CIVIL_DAY) / CIVIL_SECOND);
	struct civil d;
	int n;

	civil_from_days(days, &d);
	n = snprintf(out, CIVIL_TEXT_SIZE, "%04d-%02d-%02d %02d:%02d", d.year, d.month, d.day,
		     seconds / 3600, seconds / 60 % 60);
	if (seconds % 60)
		(void)snprintf(out + n, (size_t)(CIVIL_TEXT_SIZE - n), ":%02d", seconds % 60);
}
