/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as LMDB's data file; what passes must be salvaged whole, and nothing that is handed
 * out may lie outside. */
#include <errno.h>
#include <stdlib.h>

#include "keystore/pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned sum;

static int visit(void *context, const char *table, struct span key, struct span value)
{
	(void)context;
	sum += (unsigned char)table[0];
	for (size_t i = 0; i < key.len; i++)
		sum += key.data[i];
	for (size_t i = 0; i < value.len; i++)
		sum += value.data[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const tables[] = { "cur", "hist", "meta", "sums", NULL };
	struct pages_problem checked = { 0 };
	struct pages_problem salvaged = { 0 };
	struct pages_problem names = { 0 };
	const struct pages_file file = { .bytes = SPAN_OF(data, size), .tables = tables };
	int r = pages_check(&file, &checked);

	if ((r == -EBADMSG) != (checked.what[0] != '\0'))
		abort();
	if (pages_check_names(&file, &names) == -EBADMSG && r == 0)
		abort();
	r = pages_salvage(&file, visit, NULL, &salvaged);
	if (salvaged.what[0] && !checked.what[0])
		abort();
	if (r < 0 && r != -ENOMEM && (r != -EBADMSG || pages_can_salvage(&file)))
		abort();
	return 0;
}
