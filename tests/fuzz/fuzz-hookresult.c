/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as what a hook prints, and as the job that it was given. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rotated/hands/hookresult.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf out = BUF_INIT, env = BUF_INIT;
	struct json j = JSON_INIT(&out);
	static struct hook_output o;

	if (hook_output_parse(data, size, &o) == 0) {
		if (o.count > HOOK_ITEMS_MAX)
			abort();
		json_put_object(&j, NULL);
		hook_output_write(&o, &j);
		json_put_object_end(&j);
		if (hook_output_parse(out.data, out.len, &o) < 0)
			abort(); /* what we write is of the form that we read */
	}
	if (hook_payload_environment(data, size, &env) == 0 && env.len &&
	    (memchr(env.data, '\0', env.len) || env.data[env.len - 1] != '\n'))
		abort();
	return 0;
}
