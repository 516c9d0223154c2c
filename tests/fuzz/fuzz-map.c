/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as queries of Postfix's tables, as they may trickle in: every shorter prefix of a
 * query must ask for more, what was parsed must lie inside, and a reply must be a netstring.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rotated/door/mapframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
	if (!is_good)
		abort();
}

static bool is_inside(const struct map_slice *s, const uint8_t *data, size_t size)
{
	return s->data >= data && s->len <= size && s->data + s->len <= data + size;
}

static void check_reply(const struct map_slice *text)
{
	cleanup_buf struct buf out = BUF_INIT;
	size_t len;
	char *end;

	map_reply(&out, MAP_TEMP, text->data, text->len);
	check(buf_error(&out) == 0 && buf_string(&out));
	len = strtoul((const char *)out.data, &end, 10);
	check(*end == ':' && (size_t)(end - (char *)out.data) + 1 + len + 1 == out.len);
	check(out.data[out.len - 1] == ',');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct map_query q, shorter;
	size_t used, n;

	while (map_parse(data, size, &q, &used) == 0) {
		check(used <= size && used <= MAP_INPUT_MAX);
		check(is_inside(&q.name, data, used) && is_inside(&q.key, data, used));
		check(q.name.len > 0);
		for (size_t len = 0; len < used; len++)
			check(map_parse(data, len, &shorter, &n) == -EAGAIN);
		check_reply(&q.key);
		data += used;
		size -= used;
	}
	return 0;
}
