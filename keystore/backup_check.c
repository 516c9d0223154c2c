/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what a backup holds is a keystore: keyring, META, each record in its place, all of
 * them together. The keys come out of the keyring by the recovery slot, and nowhere else from.
 */
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/backup_reader.h"
#include "keystore/keys.h"

/* In guarded memory. */
struct opened {
	struct auth_keys auth;
	struct issuer_keys issuer;
	struct meta meta;
	struct roots roots;
	uint8_t plain[RECORD_PLAIN_MAX]; /* one record at a time */
};

struct backup_check {
	const uint8_t *sk;
	struct backup_sink sink;
	struct backup_header header;
	struct buf ring;
	struct keyring_file file; /* borrows from it */
	struct opened *opened;
	struct backup_trailer sum;	  /* of what was read */
	enum backup_item_type last;	  /* 0: nothing was there yet */
	uint8_t last_key[RECORD_KEY_MAX]; /* of the last record, in its table */
};

int backup_check_new(const uint8_t recovery_sk[static RECOVERY_KEY_LEN],
		     const struct backup_sink *sink, struct backup_check **ret)
{
	struct backup_check *c = calloc(1, sizeof(*c));
	bool locked; /* it is over soon; the vault tells of memory that is not */

	if (!c)
		return -ENOMEM;
	c->opened = keys_alloc(sizeof(*c->opened), &locked);
	if (!c->opened) {
		free(c);
		return -ENOMEM;
	}
	c->sk = recovery_sk;
	if (sink)
		c->sink = *sink;
	*ret = c;
	return 0;
}

void backup_check_free(struct backup_check *c)
{
	if (!c)
		return;
	keys_free(c->opened);
	buf_release(&c->ring);
	free(c);
}

void backup_check_header(struct backup_check *c, const struct backup_header *h)
{
	c->header = *h;
}

bool backup_check_is_complete(const struct backup_check *c)
{
	return c->last == BACKUP_TRAILER;
}

void backup_check_info(const struct backup_check *c, struct keystore_backup_info *ret)
{
	memcpy(ret->store_id, c->header.store_id, sizeof(ret->store_id));
	ret->txid = c->header.txid;
	ret->time = c->header.time;
	ret->generation = c->header.generation;
	ret->records = c->sum.count_cur;
	ret->tombstones = c->sum.count_hist;
}

static int bad(struct report *report, const char *what)
{
	return report_set(report, -EBADMSG, "%s", what);
}

static int bad_record(struct report *report, enum backup_item_type type, const uint8_t *key,
		      const char *what)
{
	char hex[17] = "";

	(void)sodium_bin2hex(hex, sizeof(hex), key, 8);
	return report_set(report, -EBADMSG, "the %s %s... %s",
			  type == BACKUP_CUR ? "record" : "tombstone", hex, what);
}

/* ---- the keyring ---- */

static const char *keyring_unread(int r)
{
	if (r == -EPROTONOSUPPORT)
		return "the keyring in it was written by a newer rotated";
	if (r == -ENOTSUP)
		return "the keyring in it was written by an unreleased version";
	return "the keyring in it is damaged";
}

static int open_ring(struct backup_check *c)
{
	const struct keyring *ring = &c->file.ring;
	struct opened *o = c->opened;
	uint8_t kek[SEAL_KEY_LEN];
	int r = -EKEYREJECTED;

	for (uint16_t i = 0; r == -EKEYREJECTED && i < ring->slot_count; i++) {
		const struct keyring_slot *s = &ring->slots[i];

		if (s->info.type != KEYSTORE_SLOT_RECOVERY)
			continue;
		r = keyring_slot_kek(s, SPAN_OF(c->sk, RECOVERY_KEY_LEN), kek);
		if (r == 0)
			r = keyring_slot_open(s, ring->store_id, kek, &o->roots);
	}
	sodium_memzero(kek, sizeof(kek));
	if (r < 0)
		return r;
	memcpy(o->auth.root, o->roots.bytes, KEYRING_ROOT_LEN);
	memcpy(o->issuer.root, o->roots.bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	r = keyring_open_auth(&c->file, &o->auth);
	return r < 0 ? r : keyring_open_issuer(&c->file, &o->issuer);
}

static int take_keyring(struct backup_check *c, struct span file, struct report *report)
{
	int r;

	buf_append(&c->ring, file.data, file.len);
	r = buf_error(&c->ring);
	if (r < 0)
		return report_set(report, r, "out of memory");
	r = keyring_decode(SPAN_OF(c->ring.data, c->ring.len), &c->file);
	if (r < 0)
		return bad(report, keyring_unread(r));
	if (memcmp(c->file.ring.store_id, c->header.store_id, STORE_ID_LEN) != 0 ||
	    c->file.ring.generation != c->header.generation)
		return bad(report, "the keyring in it is not the one that the header names");
	r = open_ring(c);
	if (r == -EKEYREJECTED)
		return bad(report,
			   "the recovery key opens the backup, but not the keyring in it");
	return r < 0 ? bad(report, "the keyring in it was altered") : 0;
}

static int take_meta(struct backup_check *c, struct span value, struct report *report)
{
	const struct backup_opened opened = {
		.file = &c->file,
		.auth = &c->opened->auth,
		.issuer = &c->opened->issuer,
		.meta = &c->opened->meta,
	};
	const struct auth_keys *auth = &c->opened->auth;
	int r = meta_open(auth->meta, c->file.ring.store_id, value, &c->opened->meta);

	/* it may be from before the roots changed, and the keyring from after */
	if (r == -EBADMSG && auth->has_before)
		r = meta_open(auth->meta_before, c->file.ring.store_id, value,
			      &c->opened->meta);
	if (r < 0)
		return bad(report, "META does not open with the keyring's keys");
	if (c->opened->meta.txid != c->header.txid ||
	    c->opened->meta.generation > c->header.generation)
		return bad(report, "META is not of the state that the header names");
	return c->sink.opened ? c->sink.opened(c->sink.context, &opened, report) : 0;
}

/* ---- records ---- */

static const struct epoch *epoch_of(const struct backup_check *c, const struct record_header *h)
{
	return epochs_find(h->flags & RECORD_ISSUER ? &c->opened->issuer.epochs
						    : &c->opened->auth.epochs,
			   h->epoch);
}

static int open_record(struct backup_check *c, const struct record_place *place,
		       struct span value, const struct record_header *h,
		       struct record_content *ret)
{
	const struct epoch *epoch = epoch_of(c, h);
	uint8_t hash[SEAL_HASH_LEN];
	int r = epoch ? record_open(place, epoch->key, value, c->opened->plain, ret) : -EBADMSG;

	if (r < 0)
		return r;
	record_hash_id(c->opened->auth.name, &ret->id, hash);
	return memcmp(hash, place->key.data, SEAL_HASH_LEN) == 0 ? 0 : -EBADMSG;
}

static bool is_header_right(const struct backup_check *c, const struct record_place *place,
			    const struct record_header *h)
{
	bool is_hist = place->table == RECORD_HIST;

	if (is_hist != !!(h->flags & RECORD_TOMBSTONE) || h->txid > c->opened->meta.txid)
		return false;
	return !is_hist || load_be64(place->key.data + SEAL_HASH_LEN) == h->version;
}

static int take_record(struct backup_check *c, enum backup_item_type type, struct span data,
		       struct report *report)
{
	size_t key_len = type == BACKUP_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;
	const struct record_place place = { c->file.ring.store_id,
					    type == BACKUP_CUR ? RECORD_CUR : RECORD_HIST,
					    SPAN_OF(data.data, key_len) };
	const struct span value = SPAN_OF(data.data + key_len, data.len - key_len);
	struct record_content content;
	struct record_header h;
	int r = 0;

	if (c->last == type && memcmp(c->last_key, data.data, key_len) >= 0)
		return bad_record(report, type, data.data, "is out of order");
	memcpy(c->last_key, data.data, key_len);
	if (record_header_decode(value, &h) < 0 || !is_header_right(c, &place, &h))
		return bad_record(report, type, data.data, "is malformed");
	set_hash_add(&c->sum.set, c->opened->auth.set, &place, value);
	++*(type == BACKUP_CUR ? &c->sum.count_cur : &c->sum.count_hist);
	if (open_record(c, &place, value, &h, &content) < 0)
		r = bad_record(report, type, data.data,
			       "does not open: it was altered before the backup was made");
	else if (c->sink.record)
		r = c->sink.record(c->sink.context, &h, &content, report);
	sodium_memzero(c->opened->plain,
		       value.len < RECORD_PLAIN_MAX ? value.len : RECORD_PLAIN_MAX);
	return r;
}

static int take_trailer(struct backup_check *c, const uint8_t *data, struct report *report)
{
	const struct meta *m = &c->opened->meta;
	struct backup_trailer t;

	backup_trailer_decode(data, &t);
	if (t.count_cur != c->sum.count_cur || t.count_hist != c->sum.count_hist ||
	    t.count_cur != m->count_cur || t.count_hist != m->count_hist)
		return report_set(report, -EBADMSG,
				  "META counts %" PRIu64 " records and %" PRIu64
				  " tombstones, there are %" PRIu64 " and %" PRIu64,
				  m->count_cur, m->count_hist, c->sum.count_cur,
				  c->sum.count_hist);
	if (sodium_memcmp(&t.set, &c->sum.set, sizeof(t.set)) != 0 ||
	    sodium_memcmp(&t.set, &m->set, sizeof(t.set)) != 0)
		return bad(report, "the set hash does not fit: records were exchanged");
	return 0;
}

/* Keyring, META, records, tombstones, trailer. */
static bool may_follow(enum backup_item_type last, enum backup_item_type type)
{
	if (type <= BACKUP_META)
		return type == last + 1;
	return last >= BACKUP_META && last < BACKUP_TRAILER && type >= last &&
	       type != BACKUP_META;
}

int backup_check_item(struct backup_check *c, const struct backup_item *item,
		      const uint8_t *data, struct report *report)
{
	int r = -EBADMSG;

	if (!may_follow(c->last, item->type))
		return bad(report, "what it holds is not in the order of a backup");
	switch (item->type) {
	case BACKUP_KEYRING:
		r = take_keyring(c, SPAN_OF(data, item->len), report);
		break;
	case BACKUP_META:
		r = take_meta(c, SPAN_OF(data, item->len), report);
		break;
	case BACKUP_CUR:
	case BACKUP_HIST:
		r = take_record(c, item->type, SPAN_OF(data, item->len), report);
		break;
	case BACKUP_TRAILER:
		r = take_trailer(c, data, report);
		break;
	case BACKUP_ITEM_TYPE_MAX_:
	default:
		break;
	}
	if (r == 0)
		c->last = item->type;
	return r;
}
