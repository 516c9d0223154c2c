/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The revocation list, for verifiers other than Postfix, which asks the door instead. It holds
 * every certificate that is dead here before it has expired. It is kept in parts, since a
 * record has a limit and a list has not.
 */
#include "rotated/vault/ca.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rotated/vault/change.h"
#include "rotated/vault/items.h"

#define LIST_LIFE (24 * 3600 * USEC_PER_SEC)

enum {
	PART_MAX = 60 * 1024,
	PARTS_MAX = X509_LIST_MAX / PART_MAX + 1,
	DROPS_MAX = KEYSTORE_TXN_MAX - PARTS_MAX - 1,
	DROP_NAME_SIZE = 2 * X509_DIGEST_LEN + 1,
};

struct draft {
	uint64_t now;
	struct x509_revoked *items; /* owned */
	size_t n, room;
	char (*drops)[DROP_NAME_SIZE]; /* owned: records of what has expired */
	size_t n_drops;
	struct pki_list_head head;
	struct buf der;
};

static void draft_release(struct draft *d)
{
	free(d->items);
	free(d->drops);
	buf_release(&d->der);
}

static int part_name(size_t i, char ret[static RECORD_NAME_SIZE])
{
	(void)snprintf(ret, RECORD_NAME_SIZE, "%zu", i); /* it fits */
	return 0;
}

/* ---- gathering ---- */

static int add(struct draft *d, const struct pki_key *k)
{
	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		struct x509_revoked *items = reallocarray(d->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		d->items = items;
		d->room = room;
	}
	d->items[d->n] = (struct x509_revoked){ .at = k->revoked, .reason = k->reason };
	memcpy(d->items[d->n].serial, k->serial, X509_SERIAL_LEN);
	d->n++;
	return 0;
}

static int visit(void *context, const struct keystore_record *rec)
{
	struct draft *d = context;
	struct pki_key k;
	int r = pki_key_decode(rec->body, rec->body_len, &k);

	if (r < 0 || k.revoked == 0)
		return r;
	if (k.not_after >= d->now)
		return add(d, &k);
	if (d->n_drops < DROPS_MAX && strlen(rec->id.name) < DROP_NAME_SIZE)
		memcpy(d->drops[d->n_drops++], rec->id.name, strlen(rec->id.name) + 1);
	return 0;
}

/* ---- storing ---- */

static int put_part(struct keystore_txn *txn, const struct draft *d, size_t i)
{
	uint8_t head[PKI_LIST_HEAD_LEN];
	char name[RECORD_NAME_SIZE];
	size_t at = i * PART_MAX;
	struct keystore_record rec = {
		.id = { RECORD_SPACE, PKI_LIST, name },
		.body = d->der.data + at,
		.body_len = d->der.len - at < PART_MAX ? d->der.len - at : PART_MAX,
	};
	int r = part_name(i, name);

	if (r < 0)
		return r;
	if (i == 0) {
		pki_list_head_encode(&d->head, head);
		rec.attrs = head;
		rec.attrs_len = sizeof(head);
	}
	return record_put(txn, &rec);
}

static int put_list(void *context, struct keystore_txn *txn)
{
	const struct draft *d = context;
	int r = 0;

	for (size_t i = 0; r == 0 && i * PART_MAX < d->der.len; i++)
		r = put_part(txn, d, i);
	for (size_t i = 0; r == 0 && i < d->n_drops; i++) {
		struct keystore_id id = { RECORD_SPACE, PKI_KEY, d->drops[i] };

		r = keystore_remove(txn, &id, "expired");
	}
	return r;
}

static int sign(const struct manager *m, const struct ca *ca, struct draft *d)
{
	struct x509_issuer issuer = { .key = NULL };
	struct x509_list list = {
		.items = d->items,
		.n = d->n,
		.number = keystore_txid(m->keystore) + 1, /* of the transaction to come */
		.this_update = d->now,
		.next_update = d->now + LIST_LIFE,
	};
	int r = ca_issuer(m, ca, &issuer);

	if (r == 0)
		r = x509_list_sign(&list, &issuer, &d->der);
	x509_key_free(issuer.key);
	d->head = (struct pki_list_head){ list.number, list.this_update, list.next_update,
					  (uint32_t)d->der.len };
	return r;
}

/* A revoked certificate that is not on the list would be good again. */
static int refuse_with_losses(struct report *report)
{
	(void)report_set(report, -EBADMSG,
			 "no revocation list can be made: records are missing or do not open, "
			 "and a revoked certificate may be among them; the list of before stays");
	report_hint(report, "rotatectl store verify");
	return -EBADMSG;
}

int ca_list_make(struct manager *m, const struct ca *ca, const char *actor,
		 struct report *report)
{
	cleanup_(draft_release) struct draft d = { .now = manager_now(m).wall };
	struct change_records change = { .event = "ca.crl",
					 .actor = actor,
					 .object = ca->pki.trust_domain,
					 .fill = put_list,
					 .context = &d };
	int r;

	d.drops = calloc(DROPS_MAX, sizeof(*d.drops));
	if (!d.drops)
		return -ENOMEM;
	r = record_foreach(m, PKI_KEY, visit, &d);
	if (r == 0 && keystore_passed_over(m->keystore) > 0)
		return refuse_with_losses(report);
	if (r == 0)
		r = sign(m, ca, &d);
	if (r < 0)
		return report_set(report, r, "the revocation list can not be made: %s",
				  strerror(-r));
	return change_records(m, &change, report);
}

/* ---- reading ---- */

static int load_part(const struct manager *m, size_t i, struct pki_list_head *head,
		     struct buf *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	char name[RECORD_NAME_SIZE];
	int r = part_name(i, name);

	if (r == 0)
		r = record_get(m, PKI_LIST, name, &rec);
	if (r == 0 && i == 0)
		r = pki_list_head_decode(rec->attrs, rec->attrs_len, head);
	if (r == 0)
		buf_append(ret, rec->body, rec->body_len);
	return r;
}

int ca_list_load(const struct manager *m, struct pki_list_head *ret_head, struct buf *ret)
{
	struct pki_list_head head = { 0 };
	int r = load_part(m, 0, &head, ret);

	for (size_t i = 1; r == 0 && ret->len < head.len; i++)
		r = load_part(m, i, &head, ret);
	if (r == 0)
		r = buf_error(ret);
	if (r < 0)
		return r;
	if (ret->len != head.len)
		return -EBADMSG;
	*ret_head = head;
	return 0;
}

struct search {
	uint64_t number; /* of the list: the transaction that wrote it */
	bool is_found;
};

/* By transactions, not by the clock, which may have been set back in between. */
static int find_newer(void *context, const struct keystore_record *rec)
{
	struct search *s = context;
	struct pki_key k;
	int r = pki_key_decode(rec->body, rec->body_len, &k);

	if (r == 0 && k.revoked && rec->txid > s->number)
		s->is_found = true;
	return r;
}

int ca_list_is_stale(const struct manager *m, const struct pki_list_head *head, bool *ret)
{
	struct search s = { .number = head->number };
	uint64_t now = manager_now(m).wall;
	int r;

	if (now < head->this_update ||
	    now >= head->this_update + (head->next_update - head->this_update) / 2) {
		*ret = true;
		return 0;
	}
	r = record_foreach(m, PKI_KEY, find_newer, &s);
	if (r < 0)
		return r;
	*ret = s.is_found;
	return 0;
}
