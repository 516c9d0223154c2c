/* SPDX-License-Identifier: BSD-2-Clause */
/* What every server said about one name, the one word that sums it up, and both as JSON. Pure.
 */
#ifndef ROTATED_HANDS_DNSREPORT_H
#define ROTATED_HANDS_DNSREPORT_H

#include "rotated/hands/dnsanswer.h"
#include "rotated/hands/dnsask.h"

enum dns_result {
	DNS_VISIBLE,	 /* exactly one TXT record, and the one that was expected */
	DNS_ABSENT,	 /* no TXT record */
	DNS_DIFFERS,	 /* another one, or more than one */
	DNS_UNREACHABLE, /* no answer that can be used */
	DNS_PARTIAL,	 /* of several servers: not all say the same */
	DNS_RESULT_MAX_
};

enum { DNS_POINTS_MAX = 48, DNS_DETAIL_SIZE = 384 };

/* One address of one server. */
struct dns_point {
	char name[DNS_NAME_TEXT_SIZE]; /* from the NS record; empty for a configured address */
	char address[DNS_SERVER_TEXT_SIZE]; /* empty if the name has none */
	enum dns_result result;
	const char *rcode; /* NULL without an answer */
	unsigned records;  /* TXT records that it gave */
	bool has_ttl;
	uint32_t ttl;
	bool no_route;		   /* this host can not speak to that kind of address at all */
	bool is_reached_elsewhere; /* the server sent us on when asked at another address */
	char detail[DNS_DETAIL_SIZE]; /* why it is not as wished; may be empty */
};

struct dns_report {
	struct dns_point points[DNS_POINTS_MAX];
	unsigned count;
	bool too_many; /* servers were left out: nothing can be said of them all */
	char zone[DNS_NAME_TEXT_SIZE];	/* where the record lives; empty if not found */
	char cname[DNS_NAME_TEXT_SIZE]; /* the name that was asked for at last; empty: its own
					 */
	bool has_negative_ttl;
	uint32_t negative_ttl; /* the longest seen */
};

const char *dns_result_word(enum dns_result result);

/* Judges what a server said: EXPECT is the wanted text, NULL for any. P's name and address are
 * set already. SAYS must be TEXT, NONE or ERROR. */
void dns_point_judge(struct dns_point *p, const struct dns_message *m,
		     const struct dns_answer *a, const char *expect);

/* A server that gave no answer, with the negative errno of dns_ask(). */
void dns_point_fail(struct dns_point *p, int error);

/*
 * One word for all: theirs if they agree, else `partial`; `unreachable` for no server at all.
 * An address of a kind that this host has no route to is left out if the same server was
 * reached at another: a host without IPv6 could otherwise never see anything.
 */
enum dns_result dns_report_result(const struct dns_report *r);

/* Appends {"ttl":…,"negative_ttl":…,"zone":…,"cname":…,"servers":[…]} (docs/protocol.md). */
void dns_report_write(const struct dns_report *r, struct buf *out);

#endif
