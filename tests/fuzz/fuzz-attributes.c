/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: parse or refuse; what was parsed is inside the bytes, and is the same once put
 * together anew. */
#include <stdlib.h>
#include <string.h>

#include "wire/attributes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = BUF_INIT;
	struct attributes list;
	struct attribute a;
	size_t at = 0;

	if (attributes_parse(data, size, &list) < 0)
		return 0;
	while (attributes_next(&list, &at, &a)) {
		struct attribute_value v;
		size_t offset = 0;

		attributes_put(&again, a.name, a.count);
		while (attribute_next(&a, &offset, &v))
			attributes_put_value(&again, v.data, v.len);
	}
	if (buf_error(&again) < 0)
		return 0;
	if (again.len != size || (size && memcmp(again.data, data, size) != 0))
		abort();
	return 0;
}
