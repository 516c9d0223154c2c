/* SPDX-License-Identifier: BSD-2-Clause */
/* New roots for the slots that there are. */
#include "keystore/draft.h"

int ring_may_change(const struct keystore *ks, struct report *report)
{
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (!ks->issuer) {
		(void)report_set(report, -ENOKEY, "changing slots needs both tiers open");
		report_hint(report, "rotatectl unseal");
		return -ENOKEY;
	}
	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	return 0;
}

void ring_settle_keys(struct keystore *ks)
{
	cleanup_draft struct ring_draft *d = NULL;

	if (!ks->auth->has_before || ks->health != KEYSTORE_HEALTHY)
		return;
	if (!state_is_bound(ks) && txn_commit_empty(ks, NULL) < 0)
		return;
	/* a power cut must not leave an anchor that only the keys of before would open */
	if (state_sync_anchor(ks) < 0 || draft_new(ks, &d, NULL) < 0 ||
	    draft_write(ks, d, NULL) < 0)
		return;
	ring_drop_prev(ks);
}

int keystore_rekey(struct keystore *ks, struct report *report)
{
	cleanup_draft struct ring_draft *d = NULL;
	int r = ring_may_change(ks, report);

	if (r == 0)
		r = draft_new(ks, &d, report);
	if (r == 0)
		r = draft_rotate(ks, d, report);
	if (r == 0)
		r = draft_write(ks, d, report);
	if (r < 0)
		return r;
	ring_drop_prev(ks);
	ring_settle_keys(ks);
	return 0;
}
