/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/quorum.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keystore/internal.h"
#include "keystore/share.h"

_Static_assert((int)KEYSTORE_SHARES_MAX == (int)SHAMIR_SHARES_MAX, "format");
_Static_assert((int)SEAL_KEY_LEN == (int)SHAMIR_LEN, "format");

static const char check_label[] = "rotated-share-v1"; /* its NUL is part of it */

static void compute_check(const uint8_t set[static KEYSTORE_SHARE_SET_LEN],
			  const struct shamir_share *point,
			  uint8_t out[static QUORUM_CHECK_LEN])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, QUORUM_CHECK_LEN);
	(void)crypto_generichash_update(&state, (const uint8_t *)check_label,
					sizeof(check_label));
	(void)crypto_generichash_update(&state, set, KEYSTORE_SHARE_SET_LEN);
	(void)crypto_generichash_update(&state, &point->x, 1);
	(void)crypto_generichash_update(&state, point->value, SHAMIR_LEN);
	(void)crypto_generichash_final(&state, out, QUORUM_CHECK_LEN);
	sodium_memzero(&state, sizeof(state));
}

static struct secret *format_all(const struct quorum *q, const struct shamir_share *points)
{
	struct secret *text = secret_alloc((size_t)q->shares * SHARE_TEXT_SIZE);
	struct share share = { .threshold = q->threshold };
	uint8_t *p;

	if (!text)
		return NULL;
	memcpy(share.set, q->set, sizeof(share.set));
	p = secret_fill(text);
	for (unsigned i = 0; i < q->shares; i++, p += SHARE_TEXT_SIZE) {
		share.point = points[i];
		share_format(&share, (char *)p);
		p[SHARE_TEXT_LEN] = '\n';
	}
	sodium_memzero(&share, sizeof(share));
	return text;
}

int quorum_split(const struct rng *rng, const uint8_t kek[static SEAL_KEY_LEN],
		 struct quorum *q, struct secret **ret_text)
{
	struct shamir_share points[SHAMIR_SHARES_MAX];
	struct secret *text;

	if (q->threshold < SHAMIR_THRESHOLD_MIN || q->threshold > q->shares ||
	    q->shares > SHAMIR_SHARES_MAX)
		return -EINVAL;
	rng_fill(rng, q->set, sizeof(q->set));
	shamir_split(rng, kek, q->threshold, points, q->shares);
	for (unsigned i = 0; i < q->shares; i++)
		compute_check(q->set, &points[i], q->checks[i]);
	text = format_all(q, points);
	sodium_memzero(points, sizeof(points));
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}

int quorum_check(const struct quorum *q, const struct share *share)
{
	uint8_t check[QUORUM_CHECK_LEN];

	if (memcmp(share->set, q->set, sizeof(q->set)) != 0)
		return -ENOENT;
	if (share->threshold != q->threshold || share->point.x == 0 ||
	    share->point.x > q->shares)
		return -EBADMSG;
	compute_check(q->set, &share->point, check);
	return sodium_memcmp(check, q->checks[share->point.x - 1], sizeof(check)) == 0
		       ? 0
		       : -EBADMSG;
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

bool keystore_shares_get(const struct keystore *ks, size_t index, struct keystore_shares *ret)
{
	(void)ks;
	(void)index;
	(void)ret;
	return false;
}

int keystore_shares_test(const struct keystore *ks, size_t index, const struct secret *text,
			 struct keystore_shares *ret, struct report *report)
{
	(void)ks;
	(void)index;
	(void)text;
	(void)ret;
	return report_set(report, -ENOENT, "there is no quorum slot");
}
