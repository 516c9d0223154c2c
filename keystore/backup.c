/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making a backup: one read transaction, and a place in it that is found again for every piece,
 * so that no pointer into the map is kept from one call to the next and the map may grow.
 */
#include "keystore/backup.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "keystore/backup_codec.h"
#include "keystore/internal.h"

/* In guarded memory: what seals, and META as of the transaction. */
struct sealing {
	crypto_secretstream_xchacha20poly1305_state state;
	uint8_t key[BACKUP_KEY_LEN];
	struct meta meta;
};

struct keystore_backup {
	struct keystore *ks;
	struct sealing *sealing;
	struct keystore_backup_info info;
	struct backup_trailer sum; /* of what was read so far */
	struct buf ring;	   /* the keyring, as it was at the beginning */
	struct buf bound;	   /* what the next chunk is bound to besides its head */
	struct buf plain;	   /* for the next chunks */
	struct buf out;		   /* sealed, and not taken yet */
	enum backup_item_type next;
	uint32_t chunks;
	size_t at_len; /* of the key that was read last; 0: none of this table */
	uint8_t at[RECORD_KEY_MAX];
};

void keystore_backup_free(struct keystore_backup *b)
{
	if (!b)
		return;
	if (b->ks) {
		mdb_txn_abort(b->ks->backup_txn); /* NULL is allowed */
		b->ks->backup_txn = NULL;
		b->ks->in_backup = false;
	}
	keys_free(b->sealing);
	buf_release(&b->ring);
	buf_release(&b->bound);
	buf_release(&b->plain);
	buf_release(&b->out);
	free(b);
}

void keystore_backup_info(const struct keystore_backup *b, struct keystore_backup_info *ret)
{
	*ret = b->info;
}

/* ---- what is in it ---- */

static void put_item(struct keystore_backup *b, enum backup_item_type type, struct span key,
		     struct span value)
{
	const struct backup_item item = { type, (uint32_t)(key.len + value.len) };
	uint8_t head[BACKUP_ITEM_HEAD_LEN];

	backup_item_encode(&item, head);
	buf_append(&b->plain, head, sizeof(head));
	buf_append(&b->plain, key.data, key.len);
	buf_append(&b->plain, value.data, value.len);
}

static int put_meta(struct keystore_backup *b)
{
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int r = db_error(mdb_get(b->ks->backup_txn, b->ks->meta_db, &key, &value));

	if (r == 0 && value.mv_size != META_LEN)
		r = -EBADMSG;
	if (r == 0)
		put_item(b, BACKUP_META, SPAN_OF(NULL, 0), db_span(&value));
	return r;
}

static int put_record(struct keystore_backup *b, const MDB_val *key, const MDB_val *value)
{
	bool is_cur = b->next == BACKUP_CUR;
	const struct record_place place = { b->ks->file.ring.store_id,
					    is_cur ? RECORD_CUR : RECORD_HIST, db_span(key) };
	struct record_header h;

	if (key->mv_size != (is_cur ? SEAL_HASH_LEN : RECORD_KEY_MAX) ||
	    record_header_decode(db_span(value), &h) < 0)
		return -EBADMSG;
	set_hash_add(&b->sum.set, b->ks->auth->set, &place, db_span(value));
	++*(is_cur ? &b->sum.count_cur : &b->sum.count_hist);
	put_item(b, b->next, place.key, db_span(value));
	memcpy(b->at, key->mv_data, key->mv_size);
	b->at_len = key->mv_size;
	return 0;
}

/* The first entry after the place where we are. */
static int seek(struct keystore_backup *b, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
	int r;

	if (b->at_len == 0)
		return db_error(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	*key = db_val(SPAN_OF(b->at, b->at_len));
	r = db_error(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r == 0 && key->mv_size == b->at_len && memcmp(key->mv_data, b->at, b->at_len) == 0)
		r = db_error(mdb_cursor_get(cursor, key, value, MDB_NEXT));
	return r;
}

/* Records of one table until a chunk is full; goes on to the next table at the end. */
static int put_records(struct keystore_backup *b)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_val value;
	MDB_val key;
	int r = db_error(mdb_cursor_open(
		b->ks->backup_txn, b->next == BACKUP_CUR ? b->ks->cur : b->ks->hist, &cursor));

	if (r == 0)
		r = seek(b, cursor, &key, &value);
	while (r == 0) {
		r = put_record(b, &key, &value);
		if (r < 0 || b->plain.len > BACKUP_CHUNK_LEN)
			return r;
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	if (r != -ENOENT)
		return r;
	b->next++;
	b->at_len = 0;
	return 0;
}

/* A store that does not add up would make a backup that nobody can restore. */
static int put_trailer(struct keystore_backup *b)
{
	const struct meta *m = &b->sealing->meta;
	uint8_t trailer[BACKUP_TRAILER_LEN];

	if (b->sum.count_cur != m->count_cur || b->sum.count_hist != m->count_hist ||
	    sodium_memcmp(&b->sum.set, &m->set, sizeof(m->set)) != 0)
		return -EBADMSG;
	backup_trailer_encode(&b->sum, trailer);
	put_item(b, BACKUP_TRAILER, SPAN_OF(NULL, 0), SPAN(trailer));
	return 0;
}

static int put_next(struct keystore_backup *b)
{
	int r = 0;

	switch (b->next) {
	case BACKUP_KEYRING:
		put_item(b, BACKUP_KEYRING, SPAN_OF(NULL, 0),
			 SPAN_OF(b->ring.data, b->ring.len));
		break;
	case BACKUP_META:
		r = put_meta(b);
		break;
	case BACKUP_CUR:
	case BACKUP_HIST:
		return put_records(b);
	case BACKUP_TRAILER:
		r = put_trailer(b);
		break;
	case BACKUP_ITEM_TYPE_MAX_:
	default:
		return -EINVAL;
	}
	b->next++;
	return r;
}

/* ---- sealing it ---- */

static int seal_chunk(struct keystore_backup *b, size_t len, uint8_t tag)
{
	const struct backup_chunk chunk = {
		.number = ++b->chunks,
		.len = (uint32_t)len + BACKUP_CHUNK_SEAL_LEN,
	};
	uint8_t *p = buf_reserve(&b->out, BACKUP_CHUNK_HEAD_LEN + chunk.len);

	if (!p || chunk.number == 0)
		return p ? -EFBIG : -ENOMEM;
	backup_chunk_encode(&chunk, p);
	buf_append(&b->bound, p, BACKUP_CHUNK_HEAD_LEN);
	if (buf_error(&b->bound) < 0)
		return buf_error(&b->bound);
	(void)crypto_secretstream_xchacha20poly1305_push(
		&b->sealing->state, p + BACKUP_CHUNK_HEAD_LEN, NULL, b->plain.data, len,
		b->bound.data, b->bound.len, tag); /* fails only for a length beyond any here */
	b->out.len += BACKUP_CHUNK_HEAD_LEN + chunk.len;
	buf_consume(&b->plain, len);
	buf_clear(&b->bound);
	return 0;
}

static bool has_ended(const struct keystore_backup *b)
{
	return b->next == BACKUP_ITEM_TYPE_MAX_ && b->plain.len == 0 && b->out.len == 0;
}

static int make_chunk(struct keystore_backup *b)
{
	int r = b->ks->auth ? 0 : -ENOKEY;

	if (!b->ks->backup_txn)
		r = -ESTALE;
	while (r == 0 && b->plain.len <= BACKUP_CHUNK_LEN && b->next != BACKUP_ITEM_TYPE_MAX_) {
		r = put_next(b);
		if (r == 0)
			r = buf_error(&b->plain);
	}
	if (r < 0)
		return r;
	if (b->plain.len > BACKUP_CHUNK_LEN)
		return seal_chunk(b, BACKUP_CHUNK_LEN,
				  crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
	return seal_chunk(b, b->plain.len, crypto_secretstream_xchacha20poly1305_TAG_FINAL);
}

static int tell(const struct keystore_backup *b, int r, struct report *report)
{
	if (r == -ENOKEY)
		return report_set(report, r, "the keystore was sealed");
	if (r == -ESTALE) {
		(void)report_set(report, r,
				 "%s was opened anew after a disk failure: what the backup "
				 "read is lost",
				 b->ks->store_dir);
		report_hint(report, "look for disk errors: journalctl -k; then make it again");
		return r;
	}
	if (r != -EBADMSG)
		return db_report(report, r, "cannot read", b->ks->store_dir);
	(void)report_set(report, r, "%s is damaged: no backup can be made of it",
			 b->ks->store_dir);
	report_hint(report,
		    "what is wrong: rotatectl store verify; keep the backups there are");
	return r;
}

int keystore_backup_next(struct keystore_backup *b, uint8_t *out, size_t size, size_t *ret_len,
			 struct report *report)
{
	size_t len = 0;

	while (len < size && !has_ended(b)) {
		size_t n;

		if (b->out.len == 0) {
			int r = make_chunk(b);

			if (r < 0)
				return tell(b, r, report);
		}
		n = b->out.len < size - len ? b->out.len : size - len;
		memcpy(out + len, b->out.data, n);
		buf_consume(&b->out, n);
		len += n;
	}
	b->info.size += len;
	*ret_len = len;
	return 0;
}

/* ---- beginning ---- */

static int put_header(struct keystore_backup *b, struct backup_header *h)
{
	const struct keyring *ring = &b->ks->file.ring;
	uint8_t *p = buf_reserve(&b->out, BACKUP_HEADER_MAX);
	struct sealing *s = b->sealing;

	if (!p)
		return -ENOMEM;
	rng_fill(&b->ks->rng, s->key, sizeof(s->key));
	for (uint16_t i = 0; i < ring->slot_count; i++) {
		struct backup_recipient *to = &h->recipients[h->count];

		if (ring->slots[i].info.type != KEYSTORE_SLOT_RECOVERY)
			continue;
		memcpy(to->slot_id, ring->slots[i].info.id, sizeof(to->slot_id));
		memcpy(to->pk, ring->slots[i].pk, sizeof(to->pk));
		keyring_box_seal(&b->ks->rng, to->pk, SPAN(s->key), to->box);
		h->count++;
	}
	if (h->count == 0)
		return -ENOENT;
	(void)crypto_secretstream_xchacha20poly1305_init_push(&s->state, h->stream, s->key);
	b->out.len = backup_header_encode(h, p);
	buf_append(&b->bound, b->out.data, b->out.len);
	return buf_error(&b->bound);
}

static int begin(struct keystore_backup *b)
{
	struct keystore *ks = b->ks;
	struct backup_header h = {
		.txid = ks->meta->txid,
		.time = clock_now(&ks->clock).wall,
		.generation = ks->file.ring.generation,
	};
	int r;

	b->sealing = keys_alloc(sizeof(*b->sealing), &ks->locked);
	if (!b->sealing)
		return -ENOMEM;
	b->sealing->meta = *ks->meta;
	memcpy(h.store_id, ks->file.ring.store_id, sizeof(h.store_id));
	memcpy(b->info.store_id, h.store_id, sizeof(h.store_id));
	b->info.txid = h.txid;
	b->info.time = h.time;
	b->info.generation = h.generation;
	b->info.records = ks->meta->count_cur;
	b->info.tombstones = ks->meta->count_hist;
	buf_append(&b->ring, ks->ring_bytes.data, ks->ring_bytes.len);
	r = buf_error(&b->ring);
	if (r == 0)
		r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &ks->backup_txn));
	return r < 0 ? r : put_header(b, &h);
}

int keystore_backup_begin(struct keystore *ks, struct keystore_backup **ret,
			  struct report *report)
{
	cleanup_backup struct keystore_backup *b = NULL;
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	if (ks->in_backup)
		return report_set(report, -EBUSY, "a backup is under way already");
	r = state_is_whole(ks, report); /* or records would be missing from it */
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return report_set(report, -ENOMEM, "out of memory");
	b->ks = ks;
	b->next = BACKUP_KEYRING;
	ks->in_backup = true;
	r = begin(b);
	if (r == -ENOENT)
		return report_set(report, r, "%s has no recovery slot to make a backup for",
				  ks->dir);
	if (r < 0)
		return db_report(report, r, "cannot begin a backup of", ks->dir);
	*ret = steal_ptr(b);
	return 0;
}
