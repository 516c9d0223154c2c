/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: a stored item or a refusal; what was read is written and read to the same. */
#include <stdlib.h>
#include <string.h>

#include "rotated/engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf first = BUF_INIT;
	cleanup_buf struct buf second = BUF_INIT;
	struct engine_item item;

	if (engine_decode(data, size, &item) < 0)
		return 0;
	engine_encode(&item, &first);
	if (engine_decode(first.data, first.len, &item) < 0)
		abort();
	engine_encode(&item, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	return 0;
}
