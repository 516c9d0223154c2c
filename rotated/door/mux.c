/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/mux.h"

#include <string.h>

#include "base/bytes.h"

/* Takes the next field off the front of REST. */
static int take_field(struct mux_slice *rest, struct mux_slice *ret)
{
	size_t len;

	if (rest->len < sizeof(uint16_t))
		return -EAGAIN;
	len = load_be16(rest->data);
	if (len > rest->len - sizeof(uint16_t))
		return -EAGAIN;
	*ret = (struct mux_slice){ rest->data + sizeof(uint16_t), len };
	*rest = (struct mux_slice){ ret->data + len, rest->len - sizeof(uint16_t) - len };
	return len && memchr(ret->data, '\0', len) ? -EBADMSG : 0;
}

/*
 * Nothing marks the end of a request. Both kinds of client send theirs with one write, which
 * AF_UNIX does not tear at these sizes: four fields and nothing behind them are a request.
 */
int mux_parse(const uint8_t *data, size_t len, struct mux_request *ret)
{
	struct mux_slice rest = { data, len };
	struct mux_request q = { .count = 0 };

	if (len > MUX_REQUEST_MAX)
		return -EBADMSG;
	while (q.count < MUX_FIELDS_MIN || rest.len) {
		int r;

		if (q.count == MUX_FIELDS_MAX)
			return -EBADMSG;
		r = take_field(&rest, &q.fields[q.count]);
		if (r == -EAGAIN && len == MUX_REQUEST_MAX)
			return -EBADMSG; /* full, and still not whole */
		if (r < 0)
			return r;
		q.count++;
	}
	if (q.fields[MUX_LOGIN].len == 0)
		return -EBADMSG;
	*ret = q;
	return 0;
}

#define REPLY(literal) ((struct mux_slice){ (const uint8_t *)(literal), sizeof(literal) - 1 })

struct mux_slice mux_reply_ok(void)
{
	return REPLY("\0\2OK");
}

struct mux_slice mux_reply_no(void)
{
	return REPLY("\0\2NO");
}

struct mux_slice mux_reply_later(void)
{
	return REPLY("\0\0");
}
