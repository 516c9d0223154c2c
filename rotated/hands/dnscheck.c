/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnscheck.h"

#include <stdio.h>
#include <string.h>

enum {
	DEPTH_MAX = 8,	/* referrals and CNAMEs followed one after the other */
	NAMES_MAX = 16, /* NS records of a zone */
};

/* One name server's name. */
struct host {
	struct dns_name name;
	struct dns_server at[DNS_SERVERS_MAX];
	unsigned count;
};

/* The servers of a zone, by name. A configured list is one host without a name. */
struct zone_servers {
	struct dns_name zone;
	struct host hosts[NAMES_MAX];
	unsigned count;
};

struct walk {
	const struct dns_check *check;
	struct dns_report *report;
	struct dns_name name; /* what is asked for now; changes with a CNAME */
	unsigned depth;
	struct buf bytes; /* of the answer in hand */

	/* what one round of questions leaves to be followed */
	struct zone_servers *referral;
	bool has_target;
	struct dns_name target;
};

int dns_servers_parse(const char *text, struct dns_servers *ret)
{
	struct dns_servers list = { .count = 0 };

	for (;;) {
		char word[DNS_SERVER_TEXT_SIZE];
		size_t len;

		text += strspn(text, " \t\n,");
		len = strcspn(text, " \t\n,");
		if (len == 0)
			break;
		if (len >= sizeof(word))
			return -EINVAL;
		if (list.count == DNS_SERVERS_MAX)
			return -E2BIG;
		memcpy(word, text, len);
		word[len] = '\0';
		if (dns_server_parse(word, &list.at[list.count++]) < 0)
			return -EINVAL;
		text += len;
	}
	*ret = list;
	return 0;
}

/* The address in a line "nameserver ADDRESS" of LEN characters. -EINVAL for any other line. */
static int parse_resolv_line(const char *line, size_t len, struct dns_server *ret)
{
	static const char key[] = "nameserver";
	char word[DNS_SERVER_TEXT_SIZE];
	size_t at = strlen(key), end;

	if (len <= at || strncmp(line, key, at) != 0 || (line[at] != ' ' && line[at] != '\t'))
		return -EINVAL;
	at += strspn(line + at, " \t");
	end = at + strcspn(line + at, " \t\r\n;#%"); /* %: an IPv6 scope, which we pass over */
	if (end - at >= sizeof(word))
		return -EINVAL;
	memcpy(word, line + at, end - at);
	word[end - at] = '\0';
	return dns_server_parse(word, ret);
}

void dns_servers_from_resolv_conf(const char *text, struct dns_servers *ret)
{
	ret->count = 0;
	while (*text && ret->count < DNS_RESOLVERS_MAX) {
		size_t line = strcspn(text, "\n");

		if (parse_resolv_line(text, line, &ret->at[ret->count]) == 0)
			ret->count++;
		text += line;
		text += *text == '\n';
	}
	if (ret->count == 0 && dns_server_parse("127.0.0.1", &ret->at[0]) == 0)
		ret->count = 1;
}

/* The next free point of the report; NULL, remembered, when there is none. */
static struct dns_point *new_point(struct walk *w, const struct host *h,
				   const struct dns_server *s)
{
	struct dns_point *p;

	if (w->report->count == DNS_POINTS_MAX) {
		w->report->too_many = true;
		return NULL;
	}
	p = &w->report->points[w->report->count++];
	memset(p, 0, sizeof(*p));
	if (h && h->name.len)
		dns_name_to_text(&h->name, p->name);
	if (s)
		dns_server_format(s, p->address);
	return p;
}

/* Asks the resolvers in turn for TYPE at NAME until one gives an answer that can be used. */
static int ask_resolvers(struct walk *w, const struct dns_name *name, enum dns_type type,
			 struct dns_message *ret)
{
	struct dns_question q = { .name = *name, .type = type, .recurse = true };
	int r = -EDESTADDRREQ;

	for (unsigned i = 0; i < w->check->resolvers.count; i++) {
		r = dns_ask(&w->check->resolvers.at[i], &q, w->check->deadline, &w->bytes, ret);
		if (r < 0)
			continue;
		if (ret->rcode == DNS_NOERROR || ret->rcode == DNS_NXDOMAIN)
			return 0;
		r = -EREMOTEIO; /* SERVFAIL, REFUSED… */
	}
	return r;
}

/* One point that says why the servers could not be found. */
static void fail_lookup(struct walk *w, const struct dns_name *name, const char *what,
			int error)
{
	const struct dns_servers *list = &w->check->resolvers;
	struct dns_point *p = new_point(w, NULL, list->count ? &list->at[0] : NULL);
	char text[DNS_NAME_TEXT_SIZE];

	if (!p)
		return;
	dns_point_fail(p, error);
	p->no_route = false;
	dns_name_to_text(name, text);
	(void)snprintf(p->detail, sizeof(p->detail),
		       "the resolver can not tell the %s of %.200s", what, text);
}

static void note_negative_ttl(struct walk *w, uint32_t ttl)
{
	struct dns_report *r = w->report;

	if (!r->has_negative_ttl || ttl > r->negative_ttl)
		r->negative_ttl = ttl;
	r->has_negative_ttl = true;
}

/* The zone that NAME is in: owner of the SOA that comes with the answer, or with its absence.
 * -ENOENT when there is neither, as for an alias into another zone. */
static int find_soa(struct walk *w, const struct dns_name *name, struct dns_name *ret)
{
	struct dns_message m;
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;
	int r = ask_resolvers(w, name, DNS_TYPE_SOA, &m);

	if (r < 0)
		return r;
	while (dns_message_next(&m, &offset, &index, &rr)) {
		struct dns_soa soa;

		if (rr.type != DNS_TYPE_SOA || rr.section == DNS_ADDITIONAL ||
		    !dns_name_is_under(name, &rr.name))
			continue;
		if (dns_rr_soa(&m, &rr, &soa) < 0)
			return -EBADMSG;
		/* the TTL is not looked at: a resolver counts it down */
		note_negative_ttl(w, soa.minimum);
		*ret = rr.name;
		return 0;
	}
	return -ENOENT;
}

static int find_zone(struct walk *w, const struct dns_name *name, struct dns_name *ret)
{
	int r = -ENOENT;

	for (unsigned n = dns_name_labels(name); n > 0 && r == -ENOENT; n--) {
		struct dns_name suffix = dns_name_suffix(name, n);

		r = find_soa(w, &suffix, ret);
	}
	return r;
}

static void add_address(struct host *h, const struct dns_message *m, const struct dns_rr *rr)
{
	struct dns_server s;

	if (h->count == DNS_SERVERS_MAX ||
	    dns_server_from_bytes(m->data + rr->data, rr->data_len, &s) < 0)
		return;
	for (unsigned i = 0; i < h->count; i++)
		if (dns_server_equal(&h->at[i], &s))
			return;
	h->at[h->count++] = s;
}

/* Every A or AAAA record of a message, whatever its name: the resolver has followed CNAMEs. */
static void find_addresses(struct walk *w, struct host *h)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		struct dns_message m;
		unsigned index = 0;
		size_t offset = 0;
		struct dns_rr rr;

		if (ask_resolvers(w, &h->name, types[i], &m) < 0)
			continue; /* a host without any address is told of by the caller */
		while (dns_message_next(&m, &offset, &index, &rr))
			if (rr.section == DNS_ANSWER && rr.type == types[i])
				add_address(h, &m, &rr);
	}
}

static struct host *add_host(struct zone_servers *zs, const struct dns_name *name)
{
	for (unsigned i = 0; i < zs->count; i++)
		if (dns_name_equal(&zs->hosts[i].name, name))
			return &zs->hosts[i];
	if (zs->count == NAMES_MAX)
		return NULL;
	zs->hosts[zs->count] = (struct host){ .name = *name };
	return &zs->hosts[zs->count++];
}

/* Takes the NS records of zs->zone in SECTION. */
static int take_hosts(struct walk *w, const struct dns_message *m, enum dns_section section,
		      struct zone_servers *zs)
{
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;

	while (dns_message_next(m, &offset, &index, &rr)) {
		struct dns_name name;

		if (rr.section != section || rr.type != DNS_TYPE_NS ||
		    !dns_name_equal(&rr.name, &zs->zone))
			continue;
		if (dns_rr_name(m, &rr, &name) < 0)
			return -EBADMSG;
		if (!add_host(zs, &name))
			w->report->too_many = true;
	}
	return 0;
}

/* The servers of the zone that NAME is in, by asking the resolver. */
static int find_servers(struct walk *w, const struct dns_name *name, struct zone_servers *zs)
{
	struct dns_message m;
	int r = find_zone(w, name, &zs->zone);

	zs->count = 0;
	if (r < 0) {
		fail_lookup(w, name, "SOA record", r);
		return r;
	}
	r = ask_resolvers(w, &zs->zone, DNS_TYPE_NS, &m);
	if (r == 0)
		r = take_hosts(w, &m, DNS_ANSWER, zs);
	if (r == 0 && zs->count == 0)
		r = -ENOENT;
	if (r < 0) {
		fail_lookup(w, &zs->zone, "NS records", r);
		return r;
	}
	for (unsigned i = 0; i < zs->count; i++)
		find_addresses(w, &zs->hosts[i]);
	return 0;
}

/* The addresses that come with a referral, of the servers that lie in the zone it leads to
 * (nobody else can tell those); others are left to the resolver. */
static void take_glue(const struct dns_message *m, struct zone_servers *zs)
{
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;

	while (dns_message_next(m, &offset, &index, &rr)) {
		if (rr.section != DNS_ADDITIONAL ||
		    (rr.type != DNS_TYPE_A && rr.type != DNS_TYPE_AAAA) ||
		    !dns_name_is_under(&rr.name, &zs->zone))
			continue;
		for (unsigned i = 0; i < zs->count; i++)
			if (dns_name_equal(&zs->hosts[i].name, &rr.name))
				add_address(&zs->hosts[i], m, &rr);
	}
}

/* Remembers where a referral leads. Servers of one zone that send us to different deeper zones
 * are out of step: only the first is followed, and `too_many` keeps the result from being
 * better than `partial`. */
static void note_referral(struct walk *w, const struct dns_message *m,
			  const struct dns_answer *a)
{
	struct zone_servers *zs = w->referral;

	if (zs->count == 0)
		zs->zone = a->target;
	if (!dns_name_equal(&zs->zone, &a->target) || take_hosts(w, m, DNS_AUTHORITY, zs) < 0) {
		w->report->too_many = true;
		return;
	}
	take_glue(m, zs);
}

static void note_cname(struct walk *w, struct dns_point *p, const struct dns_answer *a)
{
	char text[DNS_NAME_TEXT_SIZE];

	if (!w->has_target || dns_name_equal(&w->target, &a->target)) {
		w->has_target = true;
		w->target = a->target;
		w->report->count--; /* what counts is what the target's servers say */
		return;
	}
	dns_name_to_text(&a->target, text);
	p->result = DNS_DIFFERS;
	(void)snprintf(p->detail, sizeof(p->detail), "is an alias of %.300s, elsewhere not",
		       text);
}

/* True if the server answered and sent us on: then it has no point in the report. */
static bool ask_one(struct walk *w, const struct zone_servers *zs, const struct host *h,
		    const struct dns_server *s)
{
	cleanup_dns_answer struct dns_answer a = DNS_ANSWER_INIT;
	struct dns_question q = { .name = w->name, .type = DNS_TYPE_TXT };
	struct dns_point *p = new_point(w, h, s);
	unsigned count = w->report->count;
	struct dns_message m;
	int r;

	if (!p)
		return false;
	r = dns_ask(s, &q, w->check->deadline, &w->bytes, &m);
	if (r == 0)
		r = dns_answer_read(&m, &w->name, &zs->zone, &a);
	if (r < 0) {
		dns_point_fail(p, r);
		return false;
	}
	if (a.has_negative_ttl)
		note_negative_ttl(w, a.negative_ttl);
	if (a.says == DNS_SAYS_CNAME) {
		note_cname(w, p, &a);
	} else if (a.says == DNS_SAYS_REFERRAL) {
		w->report->count--; /* what counts is what the zone's own servers say */
		note_referral(w, &m, &a);
	} else {
		dns_point_judge(p, &m, &a, w->check->expect);
	}
	return w->report->count < count;
}

static void ask_host(struct walk *w, const struct zone_servers *zs, const struct host *h)
{
	unsigned first = w->report->count;
	bool is_reached = false;

	for (unsigned i = 0; i < h->count; i++)
		is_reached |= ask_one(w, zs, h, &h->at[i]);
	/* a configured list is of many servers, none of which stands for another */
	for (unsigned i = first; is_reached && h->name.len && i < w->report->count; i++)
		w->report->points[i].is_reached_elsewhere = true;
}

static void ask_all(struct walk *w, const struct zone_servers *zs)
{
	for (unsigned i = 0; i < zs->count; i++) {
		struct dns_point *p = NULL;

		ask_host(w, zs, &zs->hosts[i]);
		if (zs->hosts[i].count == 0)
			p = new_point(w, &zs->hosts[i], NULL);
		if (p) {
			p->result = DNS_UNREACHABLE;
			(void)snprintf(p->detail, sizeof(p->detail), "its name has no address");
		}
	}
}

/* A resolver shows no SOA when `servers` is given, and a positive answer brings none. */
static void ask_negative_ttl(struct walk *w, const struct zone_servers *zs)
{
	struct dns_question q = { .name = zs->zone, .type = DNS_TYPE_SOA };
	struct dns_message m;
	unsigned index = 0;
	size_t offset = 0;
	struct dns_soa soa;
	struct dns_rr rr;

	if (zs->count == 0 || zs->hosts[0].count == 0 ||
	    dns_ask(&zs->hosts[0].at[0], &q, w->check->deadline, &w->bytes, &m) < 0)
		return;
	while (dns_message_next(&m, &offset, &index, &rr))
		if (rr.type == DNS_TYPE_SOA && dns_rr_soa(&m, &rr, &soa) == 0)
			note_negative_ttl(w, soa.minimum < rr.ttl ? soa.minimum : rr.ttl);
}

/* Makes ZS the servers that the last round sent us to. False when there is nothing to follow.
 */
static bool follow(struct walk *w, struct zone_servers *zs)
{
	struct dns_name from;

	if (w->referral->count) {
		/* some sent us down, others to an alias: one way is taken, and said to be
		 * partial */
		w->report->too_many |= w->has_target;
		*zs = *w->referral;
		for (unsigned i = 0; i < zs->count; i++)
			if (zs->hosts[i].count == 0)
				find_addresses(w, &zs->hosts[i]);
		return true;
	}
	if (!w->has_target)
		return false;
	w->name = w->target;
	dns_name_to_text(&w->target, w->report->cname);
	if (dns_name_is_under(&w->target, &zs->zone))
		return true; /* the same servers know */
	/* the highest name that has servers of its own; referrals lead on from there */
	from = dns_name_suffix(&w->target, 2);
	return find_servers(w, &from, zs) == 0;
}

static bool start(struct walk *w, struct zone_servers *zs)
{
	const struct dns_check *c = w->check;
	struct host *h = &zs->hosts[0];

	if (c->servers.count == 0)
		return find_servers(w, &c->zone, zs) == 0;
	zs->zone = c->zone;
	zs->count = 1;
	h->name.len = 0;
	h->count = c->servers.count;
	memcpy(h->at, c->servers.at, c->servers.count * sizeof(h->at[0]));
	return true;
}

static void fail_depth(struct walk *w)
{
	struct dns_point *p = new_point(w, NULL, NULL);

	if (!p)
		return;
	p->result = DNS_UNREACHABLE;
	(void)snprintf(p->name, sizeof(p->name), "-");
	(void)snprintf(p->detail, sizeof(p->detail),
		       "aliases or delegations go on and on: more than %d", DEPTH_MAX);
}

static void run(struct walk *w, struct zone_servers *zs)
{
	if (!start(w, zs))
		return;
	for (;;) {
		w->referral->count = 0;
		w->has_target = false;
		ask_all(w, zs);
		if (w->referral->count == 0 && !w->has_target)
			break;
		if (++w->depth > DEPTH_MAX) {
			fail_depth(w);
			return;
		}
		if (!follow(w, zs))
			return;
	}
	dns_name_to_text(&zs->zone, w->report->zone);
	if (!w->report->has_negative_ttl)
		ask_negative_ttl(w, zs);
}

void dns_check_run(const struct dns_check *check, struct dns_report *ret)
{
	struct walk w = { .check = check, .report = ret, .name = check->name };
	cleanup_free struct zone_servers *zs = calloc(2, sizeof(*zs));

	memset(ret, 0, sizeof(*ret));
	if (zs) {
		w.referral = &zs[1];
		run(&w, &zs[0]);
	} else {
		ret->too_many = true;
	}
	buf_release(&w.bytes);
}
