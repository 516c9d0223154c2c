/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keystore out of a backup. What is in the backup comes through the same checks as when it is
 * only verified; records go through the import. When everything was there and what was written
 * has been read again, the keyring is written, without which there is no keystore.
 */
#include "keystore/restore.h"

#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "keystore/backup_reader.h"
#include "keystore/check.h"
#include "keystore/import.h"
#include "keystore/making.h"

enum phase { READING, IMPORTING, CHECKING, DONE };

struct keystore_restore {
	enum phase phase;
	struct keystore_backup_reader *reader;
	struct keystore *ks; /* the new one */
	struct keystore_import *import;
	struct keystore_check *check; /* of what was written */
	struct roots *roots;	      /* guarded; until the slots are wrapped */
	struct buf ring;	      /* the keyring to be written */
	uint64_t mark_version;	      /* of a mark that the backup has the tombstone of */
	uint64_t time;		      /* of the state that the backup shows */
	bool is_marked;		      /* the backup has a mark, which is of an older one */
	struct keystore_restored done;
};

/* ---- keys ---- */

/* New: roots, epochs, K_set, store id. The rest as it was. */
static int make_keys(struct keystore_restore *r, const struct backup_opened *o, uint64_t now)
{
	struct keystore *ks = r->ks;
	struct auth_keys *a;

	ks->auth = keys_alloc(sizeof(*ks->auth), &ks->locked);
	ks->issuer = keys_alloc(sizeof(*ks->issuer), &ks->locked);
	ks->meta = keys_alloc(sizeof(*ks->meta), &ks->locked);
	r->roots = keys_alloc(sizeof(*r->roots), &ks->locked);
	if (!ks->auth || !ks->issuer || !ks->meta || !r->roots)
		return -ENOMEM;
	a = ks->auth;
	rng_fill(&ks->rng, r->roots->bytes, sizeof(r->roots->bytes));
	memcpy(a->root, r->roots->bytes, KEYRING_ROOT_LEN);
	memcpy(ks->issuer->root, r->roots->bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	auth_keys_generate(a, ks->file.ring.store_id, &ks->rng, now);
	issuer_keys_generate(ks->issuer, &ks->rng, now);
	memcpy(a->name, o->auth->name, sizeof(a->name));
	a->verifier = o->auth->verifier;
	memcpy(a->verifier.store_id, ks->file.ring.store_id, STORE_ID_LEN);
	memcpy(a->recovery_pk, o->auth->recovery_pk, sizeof(a->recovery_pk));
	a->macs = o->auth->macs;
	ks->issuer->macs = o->issuer->macs;
	ks->meta->txid = o->meta->txid;
	ks->meta->audit = o->meta->audit;
	return 0;
}

static struct slot_macs *macs_of(const struct keystore *ks, const struct keystore_slot *slot)
{
	return slot->tiers == KEYSTORE_BOTH ? &ks->issuer->macs : &ks->auth->macs;
}

/* The slots of before, for the new roots. */
static int make_slots(struct keystore_restore *r, const struct backup_opened *o,
		      struct keyring *ring)
{
	struct keystore *ks = r->ks;

	for (uint16_t i = 0; i < o->file->ring.slot_count; i++) {
		struct keyring_slot slot = o->file->ring.slots[i];
		const struct slot_mac *mac =
			slot_macs_find(macs_of(ks, &slot.info), slot.info.id);
		int k = -EBADMSG; /* opening the bodies has found one for each */

		if (mac)
			k = keyring_slot_wrap(&ks->rng, ring->store_id, r->roots, mac, &slot);
		if (k < 0)
			return k;
		ring->slots[ring->slot_count++] = slot;
	}
	r->done.slots = ring->slot_count;
	return 0;
}

static int make_ring(struct keystore_restore *r, const struct backup_opened *o)
{
	struct keystore *ks = r->ks;
	struct keyring_content content = { 0 };
	struct keyring *ring = &ks->file.ring;
	int k;

	rng_fill(&ks->rng, ring->store_id, STORE_ID_LEN);
	ring->generation = 1;
	k = make_keys(r, o, clock_now(&ks->clock).wall);
	if (k == 0)
		k = make_slots(r, o, ring);
	content.auth = ks->auth;
	content.issuer = ks->issuer;
	if (k == 0)
		k = keyring_encode(ring, &content, &ks->rng, &r->ring);
	if (k == 0) {
		keys_protect(ks->auth);
		keys_protect(ks->issuer);
	}
	keys_free(steal_ptr(r->roots));
	return k;
}

/* ---- files ---- */

/* The keyring opens, so it is known for whom: only now is anything written. */
static int on_opened(void *context, const struct backup_opened *o, struct report *report)
{
	struct keystore_restore *r = context;
	int k = make_ring(r, o);

	r->time = o->meta->time;
	if (k < 0)
		return report_set(report, k, "cannot make keys: %s", strerrordesc_np(-k));
	k = making_mark(r->ks, report);
	if (k == 0)
		k = making_store(r->ks, report);
	return k < 0 ? k
		     : keystore_import_begin(r->ks, KEYSTORE_IMPORT_NEW, &r->import, report);
}

static int import_record(struct keystore_import *import, const struct record_header *h,
			 const struct record_content *c)
{
	const struct keystore_record rec = {
		.id = c->id,
		.tier = h->flags & RECORD_ISSUER ? KEYSTORE_ISSUER : KEYSTORE_AUTH,
		.version = h->version,
		.created = c->created,
		.state = c->state,
		.attrs = c->attrs.data,
		.attrs_len = c->attrs.len,
		.body = c->body.data,
		.body_len = c->body.len,
	};

	return keystore_import_put(import, &rec);
}

static int import_tombstone(struct keystore_import *import, const struct record_header *h,
			    const struct record_content *c)
{
	struct keystore_tombstone t = { .version = h->version, .time = c->created };

	memcpy(t.reason, c->reason.data, c->reason.len); /* bounded when it was decoded */
	return keystore_import_tombstone(import, &c->id, &t);
}

static int on_record(void *context, const struct record_header *h,
		     const struct record_content *content, struct report *report)
{
	struct keystore_restore *r = context;
	bool is_mark = origin_is_id(&content->id);
	int k = 0;

	if (!(h->flags & RECORD_TOMBSTONE))
		k = import_record(r->import, h, content);
	else if (!is_mark)
		k = import_tombstone(r->import, h, content);
	else /* a new one takes its place */
		r->mark_version = h->version;
	r->is_marked |= is_mark && !(h->flags & RECORD_TOMBSTONE);
	return db_report(report, k, "cannot write to", r->ks->store_dir);
}

int keystore_restore_begin(const char *dir, const struct keystore_env *env,
			   const struct secret *recovery, struct keystore_restore **ret,
			   struct report *report)
{
	cleanup_restore struct keystore_restore *r = calloc(1, sizeof(*r));
	const struct backup_sink sink = { on_opened, on_record, r };
	int k;

	if (!r)
		return report_set(report, -ENOMEM, "out of memory");
	k = backup_reader_new(recovery, &sink, &r->reader, report);
	if (k == 0)
		k = making_prepare(dir, env, &r->ks, report);
	if (k < 0)
		return k;
	*ret = steal_ptr(r);
	return 0;
}

int keystore_restore_push(struct keystore_restore *r, const uint8_t *data, size_t len,
			  struct report *report)
{
	return keystore_backup_push(r->reader, data, len, report);
}

/* An older mark stays: what was done since that backup is not listed either. */
static int mark(struct keystore_restore *r, struct report *report)
{
	struct keystore_origin o = { .txid = r->done.from.txid, .time = r->time };

	if (r->is_marked)
		return 0;
	memcpy(o.store_id, r->done.from.store_id, sizeof(o.store_id));
	return db_report(report, origin_import(r->import, &o, r->mark_version + 1),
			 "cannot write to", r->ks->store_dir);
}

/* The import counts what it put into the store. */
static int check_counts(const struct keystore_restore *r,
			const struct keystore_backup_info *from, struct report *report)
{
	const struct meta *m = r->ks->meta;

	if (m->count_cur == from->records + !r->is_marked &&
	    m->count_hist + (r->mark_version > 0) == from->tombstones)
		return 0;
	return report_set(report, -EIO, "%s: not everything arrived", r->ks->store_dir);
}

static int begin_check(struct keystore_restore *r, struct report *report)
{
	int k = keystore_check_begin(r->ks, &r->check, report);

	if (k == 0)
		r->check->is_before_ring = true;
	return k;
}

/* 0: all is written; what is there is to be read again. */
static int import_some(struct keystore_restore *r, struct report *report)
{
	int k = keystore_import_step(r->import, report);

	if (k == 0)
		k = check_counts(r, &r->done.from, report);
	if (k == 0)
		k = begin_check(r, report);
	if (k == 0)
		keystore_import_free(steal_ptr(r->import)); /* its list is long */
	return k;
}

static int check_some(struct keystore_restore *r, struct report *report)
{
	int k = keystore_check_step(r->check, report);

	return k == 0 ? check_outcome(r->check, report) : k;
}

static int end(struct keystore_restore *r, struct report *report)
{
	int k = making_ring(r->ks, &r->ring, report);

	if (k < 0)
		return k;
	making_unmark(r->ks);
	r->done.txid = keystore_txid(r->ks);
	memcpy(r->done.store_id, r->ks->file.ring.store_id, sizeof(r->done.store_id));
	return 0;
}

int keystore_restore_step(struct keystore_restore *r, struct keystore_restored *ret,
			  struct report *report)
{
	int k = 0;

	switch (r->phase) {
	case READING:
		k = keystore_backup_finish(r->reader, &r->done.from, report);
		if (k == 0)
			k = mark(r, report);
		break;
	case IMPORTING:
		k = import_some(r, report);
		break;
	case CHECKING:
		k = check_some(r, report);
		if (k == 0)
			k = end(r, report);
		break;
	case DONE:
		break;
	}
	if (k == 0 && r->phase != DONE)
		r->phase++;
	if (k != 0 || r->phase != DONE)
		return k < 0 ? k : 1;
	*ret = r->done;
	return 0;
}

int keystore_restore_finish(struct keystore_restore *r, struct keystore_restored *ret,
			    struct report *report)
{
	int k;

	do
		k = keystore_restore_step(r, ret, report);
	while (k > 0);
	return k;
}

void keystore_restore_free(struct keystore_restore *r)
{
	if (!r)
		return;
	keystore_check_free(r->check);
	keystore_import_free(r->import);
	if (r->ks && r->phase != DONE)
		making_take_back(r->ks);
	keystore_close(r->ks);
	keystore_backup_reader_free(r->reader);
	keys_free(r->roots);
	buf_release(&r->ring);
	free(r);
}
