/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: every item is a sane one, lines only go up, and the reader comes to an end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct ini_item *item)
{
	if (!item->section[0] || strlen(item->section) > INI_NAME_MAX || !item->column)
		abort();
	if (item->kind == INI_SECTION)
		return;
	if (!item->key[0] || strlen(item->key) > INI_NAME_MAX)
		abort();
	if (!text_is_utf8(item->value) || item->value_column <= item->column)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ini ini = INI_INIT(data, size);
	struct report report;
	struct ini_item item;
	unsigned line = 0;
	int r;

	while ((r = ini_next(&ini, &item, &report)) != 0) {
		unsigned at = r < 0 ? report.line : item.line;

		if (at <= line || at > size + 1)
			abort();
		line = at;
		if (r > 0)
			check_item(&item);
		else if (!report.what[0] || !report.hint[0] || !report.column)
			abort();
	}
	return 0;
}
