/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: an entry of the reconcile list or a refusal; what was read is written and read to
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "rotated/vault/reconcile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct reconcile_entry *a, const struct reconcile_entry *b)
{
	return a->floor == b->floor && a->is_pending == b->is_pending &&
	       a->is_disabled == b->is_disabled && a->is_all_revoked == b->is_all_revoked &&
	       a->revoked_count == b->revoked_count &&
	       memcmp(a->revoked, b->revoked, a->revoked_count * sizeof(a->revoked[0])) == 0 &&
	       strcmp(a->what, b->what) == 0 && strcmp(a->hint, b->hint) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reconcile_entry e = { .floor = 7 }, again;
	cleanup_buf struct buf bytes = BUF_INIT;

	if (reconcile_entry_decode(data, size, &e) < 0) {
		if (e.floor != 7 || e.what[0])
			abort(); /* left as it was */
		return 0;
	}
	reconcile_entry_encode(&e, &bytes);
	if (reconcile_entry_decode(bytes.data, bytes.len, &again) < 0 || !is_same(&e, &again))
		abort();
	return 0;
}
