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

/* ---- collecting ---- */

/* The shares of one set that were entered so far, each of them checked. */
struct collected {
	uint8_t set[KEYSTORE_SHARE_SET_LEN];
	uint32_t given; /* bit 1 << x */
	unsigned count;
	struct shamir_share points[SHAMIR_SHARES_MAX];
};

/* In memory of keys_alloc(); no more sets than there can be slots. */
struct quorum_pool {
	unsigned count;
	struct collected sets[KEYRING_SLOTS_MAX];
};

static int find_slot(const struct keystore *ks, const uint8_t *set)
{
	const struct keyring *ring = &ks->file.ring;

	for (int i = 0; i < ring->slot_count; i++)
		if (ring->slots[i].info.type == KEYSTORE_SLOT_QUORUM &&
		    memcmp(ring->slots[i].quorum.set, set, KEYSTORE_SHARE_SET_LEN) == 0)
			return i;
	return -ENOENT;
}

static bool has_quorum(const struct keystore *ks)
{
	for (size_t i = 0; i < ks->file.ring.slot_count; i++)
		if (ks->file.ring.slots[i].info.type == KEYSTORE_SLOT_QUORUM)
			return true;
	return false;
}

static int refuse_foreign(const struct keystore *ks, struct report *report)
{
	(void)report_set(report, -EINVAL,
			 has_quorum(ks) ? "this share is of another set: none of %s"
					: "%s has no quorum slot",
			 ks->dir);
	report_hint(report, "see what opens it: rotatectl store slot list");
	return -EINVAL;
}

static int refuse_altered(const struct quorum *q, const struct share *share,
			  struct report *report)
{
	if (share->point.x == 0 || share->point.x > q->shares)
		(void)report_set(report, -EINVAL, "there is no share %u in this set of %u",
				 share->point.x, q->shares);
	else
		(void)report_set(report, -EINVAL, "share %u was altered", share->point.x);
	report_hint(report, "compare it with the original; those that were entered are kept");
	return -EINVAL;
}

/* Reads a share and finds the slot that it belongs to; its index. */
static int read_share(const struct keystore *ks, struct span text, struct share *ret,
		      struct report *report)
{
	int slot = share_parse((const char *)text.data, text.len, ret, report);

	if (slot < 0)
		return slot;
	slot = find_slot(ks, ret->set);
	if (slot < 0)
		return refuse_foreign(ks, report);
	if (quorum_check(&ks->file.ring.slots[slot].quorum, ret) < 0)
		return refuse_altered(&ks->file.ring.slots[slot].quorum, ret, report);
	return slot;
}

static struct collected *find_collected(struct quorum_pool *pool, const uint8_t *set)
{
	for (unsigned i = 0; i < pool->count; i++)
		if (memcmp(pool->sets[i].set, set, KEYSTORE_SHARE_SET_LEN) == 0)
			return &pool->sets[i];
	return NULL;
}

/* The place for the shares of SET, which is that of a slot; -ENOMEM, and -ENOSPC when slots
 * were replaced so often meanwhile that there is none. */
static int place_for(struct keystore *ks, const uint8_t *set, struct collected **ret)
{
	if (!ks->shares)
		ks->shares = keys_alloc(sizeof(*ks->shares), &ks->locked);
	if (!ks->shares)
		return -ENOMEM;
	*ret = find_collected(ks->shares, set);
	if (*ret)
		return 0;
	if (ks->shares->count == ARRAY_SIZE(ks->shares->sets))
		return -ENOSPC;
	*ret = &ks->shares->sets[ks->shares->count];
	keys_unprotect(ks->shares);
	ks->shares->count++;
	memcpy((*ret)->set, set, KEYSTORE_SHARE_SET_LEN);
	return 0;
}

static void describe(const struct quorum *q, const struct collected *c,
		     struct keystore_shares *ret)
{
	*ret = (struct keystore_shares){
		.shares = q->shares,
		.threshold = q->threshold,
		.have = (uint8_t)c->count,
		.given = c->given,
	};
	memcpy(ret->set, c->set, sizeof(ret->set));
}

/* Adds a share that is right to those before it. -EALREADY when it is there. */
static int collect(struct keystore *ks, const struct quorum *q, const struct share *share,
		   struct keystore_shares *ret)
{
	struct collected *c = NULL;
	int r = place_for(ks, share->set, &c);

	if (r < 0)
		return r;
	r = c->given >> share->point.x & 1 ? -EALREADY : 0;
	if (r == 0) {
		keys_unprotect(ks->shares);
		c->points[c->count++] = share->point;
		c->given |= UINT32_C(1) << share->point.x;
	}
	keys_protect(ks->shares);
	describe(q, c, ret);
	return r;
}

static int open_with(struct keystore *ks, size_t slot, struct report *report)
{
	const struct keyring_slot *s = &ks->file.ring.slots[slot];
	const struct collected *c = find_collected(ks->shares, s->quorum.set);
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	uint8_t kek[SEAL_KEY_LEN];
	int r = shamir_combine(c->points, s->quorum.threshold, kek);

	memcpy(id, s->info.id, sizeof(id));
	if (r == 0)
		r = ring_unlock_kek(ks, id, kek, report);
	sodium_memzero(kek, sizeof(kek));
	keystore_shares_forget(ks); /* also when it failed: each of them was right */
	return r;
}

int keystore_unlock_share(struct keystore *ks, const struct secret *text,
			  struct keystore_shares *ret, struct report *report)
{
	struct keystore_shares shares;
	struct share share;
	int slot = read_share(ks, SPAN_OF(secret_data(text), secret_len(text)), &share, report);
	int r;

	if (slot < 0)
		return slot;
	r = collect(ks, &ks->file.ring.slots[slot].quorum, &share, &shares);
	if (r == -EALREADY)
		(void)report_set(report, r, "share %u was entered already", share.point.x);
	else if (r < 0)
		(void)report_set(report, r, "out of guarded memory for shares");
	sodium_memzero(&share, sizeof(share));
	if (r < 0 && r != -EALREADY)
		return r;
	*ret = shares;
	if (r < 0)
		return r;
	return shares.have < shares.threshold ? -EAGAIN : open_with(ks, (size_t)slot, report);
}

bool keystore_shares_get(const struct keystore *ks, size_t index, struct keystore_shares *ret)
{
	for (unsigned i = 0; ks->shares && i < ks->shares->count; i++) {
		const struct collected *c = &ks->shares->sets[i];
		int slot = find_slot(ks, c->set);

		if (slot < 0 || c->count == 0 || index-- > 0)
			continue;
		describe(&ks->file.ring.slots[slot].quorum, c, ret);
		return true;
	}
	return false;
}

void keystore_shares_forget(struct keystore *ks)
{
	keys_free(ks->shares);
	ks->shares = NULL;
}

/* ---- trying ---- */

/* Checks one line; adds it to POINTS unless it is there. */
static int try_line(const struct keystore *ks, size_t index, struct span line,
		    struct collected *c, struct report *report)
{
	struct share share;
	int slot = read_share(ks, line, &share, report);

	if (slot >= 0 && (size_t)slot != index) {
		slot = report_set(report, -EINVAL, "share %u is of another slot",
				  share.point.x);
		report_hint(report, "see what opens it: rotatectl store slot list");
	}
	if (slot >= 0 && !(c->given >> share.point.x & 1)) {
		c->points[c->count++] = share.point;
		c->given |= UINT32_C(1) << share.point.x;
	}
	sodium_memzero(&share, sizeof(share));
	return slot < 0 ? slot : 0;
}

static int try_lines(const struct keystore *ks, size_t index, const struct secret *text,
		     struct collected *c, struct report *report)
{
	const uint8_t *p = secret_data(text);
	const uint8_t *end = p + secret_len(text);
	int r = 0;

	while (r == 0 && p < end) {
		const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
		const uint8_t *stop = newline ? newline : end;

		r = try_line(ks, index, SPAN_OF(p, (size_t)(stop - p)), c, report);
		p = newline ? newline + 1 : end;
	}
	return r;
}

/* Combines what there is, and tries the slot with it. */
static int try_points(const struct keystore *ks, size_t index, const struct collected *c,
		      struct report *report)
{
	const struct keyring_slot *s = &ks->file.ring.slots[index];
	cleanup_secret struct secret *kek = secret_alloc(SEAL_KEY_LEN);
	int r;

	if (!kek)
		return -ENOMEM;
	r = shamir_combine(c->points, s->quorum.threshold, secret_fill(kek));
	return r < 0 ? r : keystore_slot_test(ks, s->info.id, kek, report);
}

int keystore_shares_test(const struct keystore *ks, size_t index, const struct secret *text,
			 struct keystore_shares *ret, struct report *report)
{
	const struct quorum *q = &ks->file.ring.slots[index].quorum;
	bool is_locked = true; /* of no interest: they are gone at once */
	struct collected *c;
	int r;

	if (ks->file.ring.slots[index].info.type != KEYSTORE_SLOT_QUORUM)
		return report_set(report, -EINVAL, "this is no quorum slot");
	c = keys_alloc(sizeof(*c), &is_locked);
	if (!c)
		return report_set(report, -ENOMEM, "out of guarded memory for shares");
	memcpy(c->set, q->set, sizeof(c->set));
	r = try_lines(ks, index, text, c, report);
	if (r == 0)
		describe(q, c, ret);
	if (r == 0)
		r = c->count < q->threshold ? -EAGAIN : try_points(ks, index, c, report);
	keys_free(c);
	return r;
}
