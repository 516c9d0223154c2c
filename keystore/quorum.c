/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/quorum.h"

#include "keystore/internal.h"

int quorum_split(const struct rng *rng, const uint8_t kek[static SEAL_KEY_LEN],
		 struct quorum *q, struct secret **ret_text)
{
	(void)rng;
	(void)kek;
	(void)q;
	(void)ret_text;
	return -EOPNOTSUPP;
}

int keystore_unlock_share(struct keystore *ks, const struct secret *text,
			  struct keystore_shares *ret, struct report *report)
{
	(void)ks;
	(void)text;
	(void)ret;
	return report_set(report, -ENOENT, "there is no quorum slot");
}

void keystore_shares_forget(struct keystore *ks)
{
	(void)ks;
}
