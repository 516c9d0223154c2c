/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is the record there? Finds the authoritative servers of a name and asks each of them, at each
 * address. Blocking, with a deadline; runs in a child process (see job.h).
 *
 * The resolver is asked for the zone's SOA and NS and for the addresses of its servers, but
 * never for the record's own name nor for one between it and the zone: "not there yet" would
 * stay in its cache, and in that of whoever asks it next. Delegations below the zone are
 * followed by the referrals of the authoritative servers themselves.
 */
#ifndef ROTATED_HANDS_DNSCHECK_H
#define ROTATED_HANDS_DNSCHECK_H

#include "rotated/hands/dnsreport.h"

enum { DNS_SERVERS_MAX = 32, DNS_RESOLVERS_MAX = 3 };

struct dns_servers {
	struct dns_server at[DNS_SERVERS_MAX];
	unsigned count;
};

struct dns_check {
	struct dns_name name;	      /* of the record */
	struct dns_name zone;	      /* the zone it is in, or a name in that zone above it */
	const char *expect;	      /* the text wanted; NULL for any; borrowed */
	struct dns_servers servers;   /* these are the authoritative ones; empty: find them */
	struct dns_servers resolvers; /* at least one, unless `servers` is enough */
	uint64_t deadline;	      /* monotonic, for all of it */
};

/* Fills a list from blank-separated text, as dns_server_parse(). -EINVAL, -E2BIG. */
must_check int dns_servers_parse(const char *text, struct dns_servers *ret);

/* The `nameserver` lines of a resolv.conf(5) text; 127.0.0.1 if there is none. */
void dns_servers_from_resolv_conf(const char *text, struct dns_servers *ret);

/* RET is filled whatever happens: a failure is something a report tells. */
void dns_check_run(const struct dns_check *check, struct dns_report *ret);

#endif
