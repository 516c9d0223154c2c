/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnsmsg.h"

#include "base/bytes.h"

enum {
	HEADER_LEN = 12,
	CLASS_IN = 1,
	FLAG_QR = 0x8000,
	FLAG_AA = 0x0400,
	FLAG_TC = 0x0200,
	FLAG_RD = 0x0100,
	FLAG_RA = 0x0080,
	MASK_OPCODE = 0x7800,
	MASK_RCODE = 0x000f,
	RR_FIXED_LEN = 10, /* type, class, TTL, length of the data */
	SOA_FIXED_LEN = 20,
};

static void append_be16(struct buf *out, unsigned v)
{
	uint8_t bytes[2];

	store_be16(bytes, (uint16_t)v);
	buf_append(out, bytes, sizeof(bytes));
}

void dns_question_build(const struct dns_question *q, struct buf *out)
{
	append_be16(out, q->id);
	append_be16(out, q->recurse ? FLAG_RD : 0);
	append_be16(out, 1); /* questions */
	append_be16(out, 0);
	append_be16(out, 0);
	append_be16(out, 1); /* additional: the OPT record */

	buf_append(out, q->name.wire, q->name.len);
	append_be16(out, q->type);
	append_be16(out, CLASS_IN);

	buf_append_byte(out, 0); /* OPT belongs to the root */
	append_be16(out, DNS_TYPE_OPT);
	append_be16(out, DNS_UDP_SIZE);
	buf_append_be32(out, 0); /* rcode, version, flags */
	append_be16(out, 0);
}

static int check_question(const struct dns_message *m, const struct dns_question *q,
			  size_t *offset)
{
	struct dns_name name;
	int r = dns_name_read(m->data, m->len, offset, &name);

	if (r < 0)
		return r;
	if (m->len - *offset < 4)
		return -EBADMSG;
	if (!dns_name_equal(&name, &q->name) ||
	    load_be16(m->data + *offset) != (unsigned)q->type ||
	    load_be16(m->data + *offset + 2) != CLASS_IN)
		return -ENOMSG;
	*offset += 4;
	return 0;
}

/* Reads the record at *OFFSET and moves *OFFSET past it. */
static int read_record(const struct dns_message *m, size_t *offset, struct dns_rr *ret)
{
	size_t at = *offset;
	int r = dns_name_read(m->data, m->len, &at, &ret->name);
	const uint8_t *p;

	if (r < 0)
		return r;
	if (m->len - at < RR_FIXED_LEN)
		return -EBADMSG;
	p = m->data + at;
	ret->type = load_be16(p);
	ret->ttl = load_be32(p + 4);
	ret->data = at + RR_FIXED_LEN;
	ret->data_len = load_be16(p + 8);
	if (ret->data_len > m->len - ret->data)
		return -EBADMSG;
	if (ret->type != DNS_TYPE_OPT && load_be16(p + 2) != CLASS_IN)
		ret->type = 0;
	*offset = ret->data + ret->data_len;
	return 0;
}

static unsigned total(const struct dns_message *m)
{
	return (unsigned)m->count[DNS_ANSWER] + m->count[DNS_AUTHORITY] +
	       m->count[DNS_ADDITIONAL];
}

/* Walks all records once, so that later walks can not fail; finds the upper bits of rcode. */
static int check_records(struct dns_message *m)
{
	size_t offset = m->records;
	struct dns_rr rr;

	for (unsigned i = 0; i < total(m); i++) {
		int r = read_record(m, &offset, &rr);

		if (r < 0)
			return r;
		if (rr.type == DNS_TYPE_OPT)
			m->rcode |= (rr.ttl >> 24) << 4;
	}
	return offset == m->len ? 0 : -EBADMSG;
}

int dns_message_parse(const uint8_t *data, size_t len, const struct dns_question *q,
		      struct dns_message *ret)
{
	struct dns_message m = { .data = data, .len = len, .records = HEADER_LEN };
	unsigned flags;
	int r;

	if (len < HEADER_LEN || len > DNS_MESSAGE_MAX)
		return -ENOMSG; /* without an id it answers nothing */
	flags = load_be16(data + 2);
	if (load_be16(data) != q->id || !(flags & FLAG_QR) || (flags & MASK_OPCODE))
		return -ENOMSG;
	m.aa = flags & FLAG_AA;
	m.tc = flags & FLAG_TC;
	m.ra = flags & FLAG_RA;
	m.rcode = flags & MASK_RCODE;
	for (size_t s = 0; s < DNS_SECTION_MAX_; s++)
		m.count[s] = load_be16(data + 6 + 2 * s);
	if (load_be16(data + 4) != 1)
		return -EBADMSG;
	r = check_question(&m, q, &m.records);
	if (r < 0)
		return r;
	/* A cut answer may end anywhere. It is asked for again over TCP, and not read. */
	if (m.tc)
		m.count[DNS_ANSWER] = m.count[DNS_AUTHORITY] = m.count[DNS_ADDITIONAL] = 0;
	else
		r = check_records(&m);
	if (r < 0)
		return r;
	*ret = m;
	return 0;
}

bool dns_message_next(const struct dns_message *m, size_t *offset, unsigned *index,
		      struct dns_rr *ret)
{
	unsigned i = *index;
	struct dns_rr rr;

	if (i >= total(m))
		return false;
	if (i == 0)
		*offset = m->records;
	if (read_record(m, offset, &rr) < 0)
		return false; /* not reached: dns_message_parse() read it before */
	if (i < m->count[DNS_ANSWER])
		rr.section = DNS_ANSWER;
	else if (i < (unsigned)m->count[DNS_ANSWER] + m->count[DNS_AUTHORITY])
		rr.section = DNS_AUTHORITY;
	else
		rr.section = DNS_ADDITIONAL;
	if (rr.ttl & 0x80000000U)
		rr.ttl = 0;
	*index = i + 1;
	*ret = rr;
	return true;
}

/* A name that is the whole, or the first part, of the data. It may point out of the data, but
 * what stands there must not reach past its end. */
static int read_name(const struct dns_message *m, const struct dns_rr *rr, size_t *offset,
		     struct dns_name *ret)
{
	size_t end = rr->data + rr->data_len;

	return dns_name_read(m->data, end, offset, ret);
}

int dns_rr_name(const struct dns_message *m, const struct dns_rr *rr, struct dns_name *ret)
{
	size_t offset = rr->data;
	struct dns_name name;
	int r = read_name(m, rr, &offset, &name);

	if (r < 0)
		return r;
	if (offset != rr->data + rr->data_len)
		return -EBADMSG;
	*ret = name;
	return 0;
}

int dns_rr_soa(const struct dns_message *m, const struct dns_rr *rr, struct dns_soa *ret)
{
	size_t offset = rr->data;
	struct dns_name name;
	int r;

	for (unsigned i = 0; i < 2; i++) { /* the primary server, the mailbox */
		r = read_name(m, rr, &offset, &name);
		if (r < 0)
			return r;
	}
	if (rr->data + rr->data_len - offset != SOA_FIXED_LEN)
		return -EBADMSG;
	ret->serial = load_be32(m->data + offset);
	ret->minimum = load_be32(m->data + offset + 16);
	return 0;
}

int dns_rr_txt(const struct dns_message *m, const struct dns_rr *rr, struct buf *ret)
{
	const uint8_t *p = m->data + rr->data;
	const uint8_t *end = p + rr->data_len;

	if (rr->data_len == 0)
		return -EBADMSG; /* at least one string, if an empty one (RFC 1035 3.3.14) */
	while (p < end) {
		size_t len = *p++;

		if (len > (size_t)(end - p))
			return -EBADMSG;
		buf_append(ret, p, len);
		p += len;
	}
	return buf_error(ret);
}

const char *dns_rcode_name(unsigned rcode)
{
	static const char *const names[] = {
		"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",
	};

	return rcode < ARRAY_SIZE(names) ? names[rcode] : NULL;
}
