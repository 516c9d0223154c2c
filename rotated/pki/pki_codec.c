/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/pki/pki_codec.h"

#include <string.h>

#include "base/bytes.h"

/* Bytes that are being read. Failure is sticky. */
struct reader {
	const uint8_t *p;
	size_t left;
	bool is_bad;
};

static const uint8_t *take(struct reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->is_bad || len > r->left) {
		r->is_bad = true;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

static uint8_t take_byte(struct reader *r)
{
	const uint8_t *p = take(r, 1);

	return p ? *p : 0;
}

static uint32_t take_be32(struct reader *r)
{
	const uint8_t *p = take(r, 4);

	return p ? load_be32(p) : 0;
}

static uint64_t take_be64(struct reader *r)
{
	const uint8_t *p = take(r, 8);

	return p ? load_be64(p) : 0;
}

static void take_bytes(struct reader *r, uint8_t *ret, size_t len)
{
	const uint8_t *p = take(r, len);

	if (p)
		memcpy(ret, p, len);
}

/* A byte of length, then text. */
static void take_text(struct reader *r, char *ret, size_t size)
{
	size_t len = take_byte(r);
	const uint8_t *p = take(r, len);

	if (!p || len >= size || memchr(p, '\0', len)) {
		r->is_bad = true;
		return;
	}
	memcpy(ret, p, len);
	ret[len] = '\0';
}

static struct reader begin(const uint8_t *data, size_t len)
{
	struct reader r = { .p = data, .left = len };

	if (take_byte(&r) != PKI_FORMAT)
		r.is_bad = true;
	return r;
}

static bool is_whole(const struct reader *r)
{
	return !r->is_bad && r->left == 0;
}

static void put_text(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	if (len > UINT8_MAX) {
		out->error = -E2BIG;
		return;
	}
	buf_append_byte(out, (uint8_t)len);
	buf_append(out, text, len);
}

/* ---- a certificate ---- */

void pki_certificate_encode(const struct pki_certificate *c, struct buf *out)
{
	buf_append_byte(out, PKI_FORMAT);
	buf_append_be64(out, c->info.not_before);
	buf_append_be64(out, c->info.not_after);
	buf_append(out, c->info.serial, X509_SERIAL_LEN);
	buf_append(out, c->info.digest, X509_DIGEST_LEN);
	buf_append(out, c->info.public_digest, X509_DIGEST_LEN);
	buf_append(out, c->der, c->len);
}

int pki_certificate_decode(const uint8_t *data, size_t len, struct pki_certificate *ret)
{
	struct reader r = begin(data, len);
	struct pki_certificate c;

	c.info.not_before = take_be64(&r);
	c.info.not_after = take_be64(&r);
	take_bytes(&r, c.info.serial, X509_SERIAL_LEN);
	take_bytes(&r, c.info.digest, X509_DIGEST_LEN);
	take_bytes(&r, c.info.public_digest, X509_DIGEST_LEN);
	c.len = r.left;
	c.der = take(&r, r.left);
	if (!is_whole(&r) || c.len == 0 || c.len > X509_DER_MAX ||
	    c.info.not_after <= c.info.not_before)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* ---- a key ---- */

void pki_key_encode(const struct pki_key *k, struct buf *out)
{
	buf_append_byte(out, PKI_FORMAT);
	buf_append_be64(out, k->revoked);
	buf_append_be64(out, k->not_after);
	buf_append_byte(out, (uint8_t)k->reason);
	buf_append_be32(out, k->version);
	buf_append(out, k->serial, X509_SERIAL_LEN);
	buf_append(out, k->digest, X509_DIGEST_LEN);
	put_text(out, k->service);
}

int pki_key_decode(const uint8_t *data, size_t len, struct pki_key *ret)
{
	struct reader r = begin(data, len);
	struct pki_key k = { 0 };
	uint8_t reason;

	k.revoked = take_be64(&r);
	k.not_after = take_be64(&r);
	reason = take_byte(&r);
	k.version = take_be32(&r);
	take_bytes(&r, k.serial, X509_SERIAL_LEN);
	take_bytes(&r, k.digest, X509_DIGEST_LEN);
	take_text(&r, k.service, sizeof(k.service));
	if (!is_whole(&r) || !text_is_service_id(k.service) ||
	    (reason != X509_REASON_NONE && reason != X509_REASON_SUPERSEDED))
		return -EBADMSG;
	k.reason = (enum x509_reason)reason;
	*ret = k;
	return 0;
}

/* ---- the CA ---- */

static void put_span(struct buf *out, const struct pki_span *s)
{
	if (s->len > X509_DER_MAX) {
		out->error = -E2BIG;
		return;
	}
	buf_append_be16(out, (uint16_t)s->len);
	buf_append(out, s->der, s->len);
}

static struct pki_span take_span(struct reader *r)
{
	const uint8_t *head = take(r, 2);
	struct pki_span s = { .len = head ? load_be16(head) : 0 };

	s.der = take(r, s.len);
	if (s.len == 0 || s.len > X509_DER_MAX)
		r->is_bad = true;
	return s;
}

void pki_ca_encode(const struct pki_ca *ca, struct buf *out)
{
	buf_append_byte(out, PKI_FORMAT);
	put_text(out, ca->trust_domain);
	put_span(out, &ca->root);
	buf_append_byte(out, (uint8_t)ca->n_issuing);
	for (unsigned i = 0; i < ca->n_issuing; i++)
		put_span(out, &ca->issuing[i]);
}

int pki_ca_decode(const uint8_t *data, size_t len, struct pki_ca *ret)
{
	struct reader r = begin(data, len);
	struct pki_ca ca = { .n_issuing = 0 };
	unsigned n;

	take_text(&r, ca.trust_domain, sizeof(ca.trust_domain));
	ca.root = take_span(&r);
	n = take_byte(&r);
	if (n == 0 || n > PKI_ISSUING_MAX)
		return -EBADMSG;
	while (ca.n_issuing < n)
		ca.issuing[ca.n_issuing++] = take_span(&r);
	if (!is_whole(&r) || !text_is_domain(ca.trust_domain))
		return -EBADMSG;
	*ret = ca;
	return 0;
}

/* ---- the head of the list ---- */

void pki_list_head_encode(const struct pki_list_head *h, uint8_t out[static PKI_LIST_HEAD_LEN])
{
	out[0] = PKI_FORMAT;
	store_be64(out + 1, h->number);
	store_be64(out + 9, h->this_update);
	store_be64(out + 17, h->next_update);
	store_be32(out + 25, h->len);
}

int pki_list_head_decode(const uint8_t *data, size_t len, struct pki_list_head *ret)
{
	struct reader r = begin(data, len);
	struct pki_list_head h;

	h.number = take_be64(&r);
	h.this_update = take_be64(&r);
	h.next_update = take_be64(&r);
	h.len = take_be32(&r);
	if (!is_whole(&r) || h.len == 0 || h.len > X509_LIST_MAX ||
	    h.next_update <= h.this_update)
		return -EBADMSG;
	*ret = h;
	return 0;
}
