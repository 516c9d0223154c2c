/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as what a hook of rotated-upstream/1 prints, and as the job that it was given. */
#include <stdlib.h>
#include <string.h>

#include "rotated/hands/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct upstream_output o;
	cleanup_secret struct secret *s = NULL;

	if (upstream_output_parse(data, size, &o) < 0) {
		if (o.secret || o.user[0] || o.credentials.len)
			abort(); /* nothing is left of what was refused */
	} else {
		if (strpbrk(o.user, ": \n") || strpbrk(o.credential, " \n"))
			abort();
		if (o.secret && strlen(secret_string(o.secret)) != secret_len(o.secret))
			abort();
		if (o.credentials.len && o.credentials.data[o.credentials.len - 1] != '\n')
			abort();
		if (upstream_line_tells(o.detail, o.secret))
			abort();
	}
	upstream_output_release(&o);
	if (upstream_payload_secret(data, size, &s) == 0 && !s)
		abort();
	return 0;
}
