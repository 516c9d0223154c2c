/* SPDX-License-Identifier: BSD-2-Clause */
/* The first byte chooses: a stream of the child's frames, a cookie, or a filter. A stream never
 * passes on anything but whole requests; a cookie that is taken is written the same again. */
#include <stdlib.h>
#include <string.h>

#include "rotated/hands/ldapcursor.h"
#include "rotated/hands/ldapstream.h"
#include "wire/verbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_stream(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct ldap_stream s = { .id = "j" };
	enum wire_verb verb;
	struct frame f;

	ldap_stream_feed(&s, data, size);
	while (ldap_stream_next(&s, &out) > 0)
		if (frame_parse(out.data, out.len, &f) < 0 ||
		    wire_check_request(&f, WIRE_WORKER, &verb) < 0 || verb != WIRE_WORKER_SYNC)
			abort();
	ldap_stream_release(&s);
}

static void fuzz_cookie(const char *text)
{
	cleanup_buf struct buf again = BUF_INIT;
	char bound[LDAP_BOUND_SIZE];
	struct ldap_cursor c;

	if (ldap_cursor_parse(text, &c) < 0)
		return;
	ldap_cursor_write(&c, &again);
	if (buf_string(&again) && strcmp(buf_string(&again), text) != 0)
		abort();
	if (!ldap_cursor_covers(&c, &c, c.uri))
		abort();
	if (ldap_cursor_bound(&c, &c, bound) != LDAP_BOUND_ALL && !ldap_filter_is_single(bound))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	if (data[0] % 3 == 0)
		fuzz_stream(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		fuzz_cookie(text);
	else
		ignore_result(ldap_filter_is_single(text));
	free(text);
	return 0;
}
