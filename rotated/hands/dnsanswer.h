/* SPDX-License-Identifier: BSD-2-Clause */
/* What an authoritative server's answer to "TXT of NAME?" means. Pure. */
#ifndef ROTATED_HANDS_DNSANSWER_H
#define ROTATED_HANDS_DNSANSWER_H

#include "rotated/hands/dnsmsg.h"

enum dns_says {
	DNS_SAYS_TEXT,	   /* one TXT record or more */
	DNS_SAYS_NONE,	   /* no such name, or no TXT there: with authority */
	DNS_SAYS_CNAME,	   /* look at `target` */
	DNS_SAYS_REFERRAL, /* ask the servers of the zone `target`, which is deeper */
	DNS_SAYS_ERROR,	   /* an error code, or no authority */
};

struct dns_answer {
	enum dns_says says;
	struct dns_name target;
	unsigned records; /* TXT records at the name */
	bool has_ttl;
	uint32_t ttl; /* of the TXT records or the CNAME, seconds */
	bool has_negative_ttl;
	uint32_t negative_ttl; /* how long "not there" may be remembered (RFC 2308 section 5) */
	struct buf text;       /* of the first TXT record, strings joined; owned */
};

#define DNS_ANSWER_INIT ((struct dns_answer){ .text = { .max = DNS_TXT_MAX } })

/* NAME is what was asked for; the servers asked are those of ZONE. -EBADMSG when a record that
 * matters is malformed. RET is to be released either way. */
must_check int dns_answer_read(const struct dns_message *m, const struct dns_name *name,
			       const struct dns_name *zone, struct dns_answer *ret);

void dns_answer_release(struct dns_answer *a);

#define cleanup_dns_answer cleanup_(dns_answer_release)

#endif
