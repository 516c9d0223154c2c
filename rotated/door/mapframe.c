/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/mapframe.h"

#include <string.h>

enum { DIGITS_MAX = 4 };

_Static_assert(MAP_QUERY_MAX <= 9999, "the length fits DIGITS_MAX digits");

/* The length before the colon. 0 and how many bytes it took with the colon. */
static int parse_length(const uint8_t *data, size_t len, size_t *ret, size_t *ret_used)
{
	size_t n = 0, i = 0;

	while (i < len && i < DIGITS_MAX && data[i] >= '0' && data[i] <= '9')
		n = n * 10 + (size_t)(data[i++] - '0');
	if (i > 1 && data[0] == '0')
		return -EBADMSG;
	if (i == len)
		return -EAGAIN;
	if (i == 0 || data[i] != ':' || n > MAP_QUERY_MAX)
		return -EBADMSG;
	*ret = n;
	*ret_used = i + 1;
	return 0;
}

int map_parse(const uint8_t *data, size_t len, struct map_query *ret, size_t *ret_used)
{
	const uint8_t *content, *blank;
	size_t n, used;
	int r = parse_length(data, len, &n, &used);

	if (r < 0)
		return r;
	if (len - used < n)
		return -EAGAIN;
	content = data + used;
	blank = n > 0 ? memchr(content, ' ', n) : NULL;
	if (!blank || blank == content)
		return -EBADMSG;
	if (len - used == n)
		return -EAGAIN;
	if (content[n] != ',')
		return -EBADMSG;
	ret->name = (struct map_slice){ content, (size_t)(blank - content) };
	ret->key = (struct map_slice){ blank + 1, (size_t)(content + n - blank - 1) };
	*ret_used = used + n + 1;
	return 0;
}

static void put(struct buf *out, const char *word, const void *text, size_t len)
{
	buf_printf(out, "%zu:%s ", strlen(word) + 1 + len, word);
	buf_append(out, text, len);
	buf_append_byte(out, ',');
}

void map_reply(struct buf *out, enum map_status status, const void *text, size_t len)
{
	static const char *const words[] = {
		[MAP_OK] = "OK",
		[MAP_NOTFOUND] = "NOTFOUND",
		[MAP_TEMP] = "TEMP",
	};
	static const char too_long[] = "the answer is longer than Postfix takes";

	if (strlen(words[status]) + 1 + len > MAP_REPLY_MAX)
		put(out, words[MAP_TEMP], too_long, strlen(too_long));
	else
		put(out, words[status], text, len);
}
