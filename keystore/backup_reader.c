/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream of a backup, taken apart: header, chunks, items. Keeps one chunk and what of the
 * last item is there, and remembers where it is, so as to name the place of whatever is wrong.
 */
#include "keystore/backup_reader.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* In guarded memory. */
struct unsealing {
	crypto_secretstream_xchacha20poly1305_state state;
	uint8_t sk[RECOVERY_KEY_LEN];
	uint8_t key[BACKUP_KEY_LEN];
};

struct keystore_backup_reader {
	struct unsealing *unsealing;
	struct backup_check *check;
	struct buf in;	  /* the header, later a chunk, as far as they are there */
	struct buf bound; /* what the next chunk is bound to besides its head */
	struct buf items; /* in clear; not yet a whole item */
	size_t need;	  /* bytes of IN that can be worked on */
	uint64_t at;	  /* where IN begins in the stream */
	uint32_t number;  /* of the chunk that IN holds; 0: the header */
	bool has_ended;
	int failed;
	struct report why;
};

void keystore_backup_reader_free(struct keystore_backup_reader *r)
{
	if (!r)
		return;
	backup_check_free(r->check);
	keys_free(r->unsealing);
	buf_release(&r->in);
	buf_release(&r->bound);
	buf_release(&r->items);
	free(r);
}

int backup_reader_new(const struct secret *recovery, const struct backup_sink *sink,
		      struct keystore_backup_reader **ret, struct report *report)
{
	cleanup_backup_reader struct keystore_backup_reader *b = calloc(1, sizeof(*b));
	bool locked; /* as in backup_check_new() */
	int r;

	if (!b || sodium_init() < 0)
		return report_set(report, -ENOMEM, "out of memory");
	b->need = BACKUP_MAGIC_LEN;
	b->unsealing = keys_alloc(sizeof(*b->unsealing), &locked);
	if (!b->unsealing)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = recovery_parse(secret_string(recovery), secret_len(recovery), b->unsealing->sk,
			   report);
	if (r < 0)
		return r;
	r = backup_check_new(b->unsealing->sk, sink, &b->check);
	if (r < 0)
		return report_set(report, r, "out of guarded memory");
	*ret = steal_ptr(b);
	return 0;
}

int keystore_backup_read(const struct secret *recovery, struct keystore_backup_reader **ret,
			 struct report *report)
{
	return backup_reader_new(recovery, NULL, ret, report);
}

/* ---- what is wrong, and where ---- */

static int fail(struct keystore_backup_reader *b, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct keystore_backup_reader *b, int error, const char *fmt, ...)
{
	char what[REPORT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap); /* cut to fit */
	va_end(ap);
	b->failed = error;
	if (b->number == 0)
		return report_set(&b->why, error, "the backup's header: %s", what);
	return report_set(&b->why, error,
			  "the backup's chunk %" PRIu32 ", which begins at byte %" PRIu64
			  ": %s",
			  b->number, b->at, what);
}

/* ---- the header ---- */

static int open_box(struct keystore_backup_reader *b, const struct backup_header *h)
{
	struct unsealing *u = b->unsealing;
	uint8_t pk[KEYRING_PK_LEN];

	(void)crypto_scalarmult_base(pk, u->sk);
	for (uint16_t i = 0; i < h->count; i++) {
		const struct backup_recipient *to = &h->recipients[i];

		if (memcmp(to->pk, pk, sizeof(pk)) != 0)
			continue;
		if (crypto_box_seal_open(u->key, to->box, sizeof(to->box), pk, u->sk) != 0)
			return fail(b, -EBADMSG, "the box for this recovery key was altered");
		return 0;
	}
	(void)fail(b, -EKEYREJECTED, "it was not made for this recovery key");
	report_hint(&b->why,
		    "use the recovery key that its keystore had when the backup was made");
	return -EKEYREJECTED;
}

static int take_header(struct keystore_backup_reader *b)
{
	const struct span bytes = { b->in.data, b->in.len };
	struct unsealing *u = b->unsealing;
	struct backup_header h;
	int r = backup_header_decode(bytes, &h);

	if (r < 0)
		return fail(b, r, "its checksum does not fit: it is damaged");
	r = open_box(b, &h);
	if (r < 0)
		return r;
	if (crypto_secretstream_xchacha20poly1305_init_pull(&u->state, h.stream, u->key) != 0)
		return fail(b, -EBADMSG, "it is damaged");
	backup_check_header(b->check, &h);
	buf_append(&b->bound, b->in.data, b->in.len);
	return buf_error(&b->bound);
}

/* How much of the header is needed, which it says itself. */
static int measure_header(struct keystore_backup_reader *b)
{
	int len = backup_header_measure(SPAN_OF(b->in.data, b->in.len));

	if (len == -EOPNOTSUPP) {
		(void)fail(b, len, "it is of a newer format than the %d that is known here",
			   BACKUP_FORMAT);
		report_hint(&b->why, "install the rotated that made it, or a newer one");
		return len;
	}
	if (len < 0 && b->in.len < BACKUP_HEAD_LEN)
		return fail(b, len, "this is no backup of a keystore");
	if (len < 0)
		return fail(b, len, "it is damaged at byte %d", BACKUP_HEAD_LEN - 2);
	b->need = len ? (size_t)len : BACKUP_HEAD_LEN;
	return 0;
}

/* ---- chunks ---- */

static int take_items(struct keystore_backup_reader *b)
{
	struct report what = { 0 };
	struct backup_item item;
	size_t at = 0;

	while (b->items.len - at >= BACKUP_ITEM_HEAD_LEN) {
		const uint8_t *p = b->items.data + at;
		int r = backup_item_decode(p, &item);

		if (r < 0)
			return fail(b, r, "what it holds is no part of a backup");
		if (b->items.len - at - BACKUP_ITEM_HEAD_LEN < item.len)
			break;
		r = backup_check_item(b->check, &item, p + BACKUP_ITEM_HEAD_LEN, &what);
		if (r < 0 && r != -EBADMSG) { /* not the backup's fault */
			b->why = what;
			b->failed = r;
			return r;
		}
		if (r < 0)
			return fail(b, r, "%s", what.what);
		at += BACKUP_ITEM_HEAD_LEN + item.len;
	}
	buf_consume(&b->items, at);
	return 0;
}

static int end(struct keystore_backup_reader *b)
{
	if (b->items.len > 0 || !backup_check_is_complete(b->check))
		return fail(b, -EBADMSG, "it is the last, but what it holds is not complete");
	b->has_ended = true;
	return 0;
}

static int unseal_chunk(struct keystore_backup_reader *b, const struct backup_chunk *c,
			uint8_t *ret_tag)
{
	uint8_t *p = buf_reserve(&b->items, c->len);
	unsigned long long len = 0;

	buf_append(&b->bound, b->in.data, BACKUP_CHUNK_HEAD_LEN);
	if (!p || buf_error(&b->bound) < 0)
		return fail(b, -ENOMEM, "out of memory");
	if (crypto_secretstream_xchacha20poly1305_pull(
		    &b->unsealing->state, p, &len, ret_tag, b->in.data + BACKUP_CHUNK_HEAD_LEN,
		    c->len, b->bound.data, b->bound.len) != 0)
		return fail(b, -EBADMSG, "it was altered");
	b->items.len += (size_t)len;
	buf_clear(&b->bound);
	return 0;
}

static int take_chunk(struct keystore_backup_reader *b, const struct backup_chunk *c)
{
	uint8_t tag = 0;
	int r = unseal_chunk(b, c, &tag);

	if (r == 0)
		r = take_items(b);
	if (r < 0)
		return r;
	if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		return end(b);
	if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE ||
	    c->len != BACKUP_CHUNK_LEN + BACKUP_CHUNK_SEAL_LEN)
		return fail(b, -EBADMSG, "it is not as a backup's chunks are");
	return 0;
}

static int decode_chunk(struct keystore_backup_reader *b, struct backup_chunk *ret)
{
	int r = backup_chunk_decode(b->in.data, ret);

	if (r < 0)
		return fail(b, r, "its length was altered");
	if (ret->number != b->number)
		return fail(b, -EBADMSG,
			    "number %" PRIu32
			    " stands there: chunks are missing or out of order",
			    ret->number);
	b->need = BACKUP_CHUNK_HEAD_LEN + ret->len;
	return 0;
}

static void go_on(struct keystore_backup_reader *b)
{
	b->at += b->in.len;
	b->number++;
	b->need = BACKUP_CHUNK_HEAD_LEN;
	buf_clear(&b->in);
}

/* IN has what was needed: work on it, or find out that more is. */
static int work(struct keystore_backup_reader *b)
{
	struct backup_chunk chunk;
	int r;

	if (b->number == 0) {
		r = b->in.len <= BACKUP_HEAD_LEN ? measure_header(b) : 0;
		if (r == 0 && b->in.len == b->need) {
			r = take_header(b);
			if (r == 0)
				go_on(b);
		}
		return r;
	}
	r = decode_chunk(b, &chunk);
	if (r == 0 && b->in.len == b->need) {
		r = take_chunk(b, &chunk);
		if (r == 0)
			go_on(b);
	}
	return r;
}

int keystore_backup_push(struct keystore_backup_reader *b, const uint8_t *data, size_t len,
			 struct report *report)
{
	while (b->failed == 0 && len > 0) {
		size_t n = b->need - b->in.len;

		if (b->has_ended) {
			b->failed = report_set(&b->why, -EBADMSG,
					       "%zu bytes or more follow the backup's end at "
					       "byte %" PRIu64,
					       len, b->at);
			break;
		}
		n = n < len ? n : len;
		buf_append(&b->in, data, n);
		data += n;
		len -= n;
		if (buf_error(&b->in) < 0)
			(void)fail(b, -ENOMEM, "out of memory");
		else if (b->in.len == b->need && work(b) < 0 && b->failed == 0)
			(void)fail(b, -ENOMEM, "out of memory");
	}
	if (b->failed && report)
		*report = b->why;
	return b->failed;
}

int keystore_backup_finish(struct keystore_backup_reader *b, struct keystore_backup_info *ret,
			   struct report *report)
{
	if (b->failed == 0 && !b->has_ended) {
		if (b->number > 0 && b->in.len == 0)
			(void)fail(b, -ENODATA, "it is missing: the file was cut short");
		else
			(void)fail(b, -ENODATA,
				   "only %zu bytes of it are there: the file was cut short",
				   b->in.len);
		report_hint(&b->why, "use another copy of it, or an older backup");
	}
	if (b->failed) {
		if (report)
			*report = b->why;
		return b->failed;
	}
	if (ret) {
		backup_check_info(b->check, ret);
		ret->size = b->at;
	}
	return 0;
}
