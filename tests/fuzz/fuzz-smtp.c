/* SPDX-License-Identifier: BSD-2-Clause */
/* An SMTP session line by line, '>' for what was sent. What is kept of it stays printable. */
#include <stdlib.h>
#include <string.h>

#include "rotated/hands/smtpwatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_watch w = { .code = 0 };

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) + 1 : size;

		if (data[0] == '>')
			smtp_watch_sent(&w, data + 1, len - 1);
		else
			smtp_watch_received(&w, data, len);
		data += len;
		size -= len;
	}
	check(w.text);
	check(w.mechanisms);
	if (smtp_watch_result(&w) == SMTP_ACCEPTED && !w.is_auth_sent)
		abort();
	return 0;
}
