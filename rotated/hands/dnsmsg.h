/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DNS messages as bytes (RFC 1035 section 4, RFC 6891): a question is built, an answer is
 * taken apart. Pure, no I/O; every byte of an answer is hostile until its bounds were checked.
 */
#ifndef ROTATED_HANDS_DNSMSG_H
#define ROTATED_HANDS_DNSMSG_H

#include "base/buf.h"
#include "rotated/hands/dnsname.h"

enum {
	DNS_UDP_SIZE = 1232, /* what EDNS offers: fits any path without fragments */
	DNS_MESSAGE_MAX = 65535,
	DNS_TXT_MAX = 4096, /* of joined text; a 4096-bit RSA record has about 740 */
};

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_OPT = 41,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_NXDOMAIN = 3,
};

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTION_MAX_ };

struct dns_question {
	struct dns_name name;
	enum dns_type type;
	uint16_t id;
	bool recurse; /* RD: yes to a resolver, no to an authoritative server */
};

struct dns_message {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t records; /* offset of the first record */
	uint16_t count[DNS_SECTION_MAX_];
	unsigned rcode; /* with the upper bits that EDNS adds */
	bool aa, tc, ra;
};

struct dns_rr {
	struct dns_name name;
	enum dns_section section;
	uint16_t type;
	uint32_t ttl;	 /* seconds; 0 when the top bit was set (RFC 2181 section 8) */
	size_t data;	 /* offset of the data in the message */
	size_t data_len; /* lies inside the message */
};

struct dns_soa {
	uint32_t serial;
	uint32_t minimum;
};

/* Appends the question to OUT, with EDNS and without any other wish. */
void dns_question_build(const struct dns_question *q, struct buf *out);

/*
 * Takes an answer to Q apart: header, question and the bounds of every record. -EBADMSG when
 * it is malformed. -ENOMSG when it is not an answer to Q (no header; or id, name, type or class
 * differ); a datagram like that is to be passed over, because anybody may have sent it.
 */
must_check int dns_message_parse(const uint8_t *data, size_t len, const struct dns_question *q,
				 struct dns_message *ret);

/* Iterates: set *OFFSET and *INDEX to 0 for the first record. False after the last. Records
 * of a class other than IN are there too, with type 0. */
bool dns_message_next(const struct dns_message *m, size_t *offset, unsigned *index,
		      struct dns_rr *ret);

/* What a record says, by its type. -EBADMSG. */
must_check int dns_rr_name(const struct dns_message *m, const struct dns_rr *rr,
			   struct dns_name *ret);
must_check int dns_rr_soa(const struct dns_message *m, const struct dns_rr *rr,
			  struct dns_soa *ret);

/* Appends the strings of a TXT record, joined without anything between them. */
must_check int dns_rr_txt(const struct dns_message *m, const struct dns_rr *rr,
			  struct buf *ret);

/* "NOERROR", "REFUSED"…; NULL for one without a name here. */
const char *dns_rcode_name(unsigned rcode);

#endif
