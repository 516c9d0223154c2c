/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/dnsanswer.h"

static int take_text(const struct dns_message *m, const struct dns_rr *rr, struct dns_answer *a)
{
	/* the second and later ones are counted only: more than one is wrong whatever it says
	 */
	if (a->records++ > 0)
		return 0;
	a->says = DNS_SAYS_TEXT;
	a->has_ttl = true;
	a->ttl = rr->ttl;
	return dns_rr_txt(m, rr, &a->text) < 0 ? -EBADMSG : 0;
}

static int take_cname(const struct dns_message *m, const struct dns_rr *rr,
		      struct dns_answer *a)
{
	a->says = DNS_SAYS_CNAME;
	a->has_ttl = true;
	a->ttl = rr->ttl;
	return dns_rr_name(m, rr, &a->target);
}

static int take_soa(const struct dns_message *m, const struct dns_rr *rr, struct dns_answer *a)
{
	struct dns_soa soa;
	int r = dns_rr_soa(m, rr, &soa);

	if (r < 0)
		return r;
	a->has_negative_ttl = true;
	a->negative_ttl = soa.minimum < rr->ttl ? soa.minimum : rr->ttl;
	return 0;
}

static int take_answer(const struct dns_message *m, const struct dns_name *name,
		       struct dns_answer *a)
{
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;
	int r = 0;

	a->says = DNS_SAYS_NONE;
	while (r == 0 && dns_message_next(m, &offset, &index, &rr)) {
		if (rr.section == DNS_ANSWER && dns_name_equal(&rr.name, name)) {
			if (rr.type == DNS_TYPE_TXT)
				r = take_text(m, &rr, a);
			else if (rr.type == DNS_TYPE_CNAME)
				r = take_cname(m, &rr, a);
		} else if (rr.section == DNS_AUTHORITY && rr.type == DNS_TYPE_SOA) {
			r = take_soa(m, &rr, a);
		}
	}
	/* both at one name is forbidden (RFC 1034 section 3.6.2) */
	return r == 0 && a->says == DNS_SAYS_CNAME && a->records > 0 ? -EBADMSG : r;
}

/* A server of ZONE may only send us down, and only towards NAME. */
static void take_referral(const struct dns_message *m, const struct dns_name *name,
			  const struct dns_name *zone, struct dns_answer *a)
{
	unsigned index = 0;
	size_t offset = 0;
	struct dns_rr rr;

	while (dns_message_next(m, &offset, &index, &rr)) {
		if (rr.section != DNS_AUTHORITY || rr.type != DNS_TYPE_NS ||
		    !dns_name_is_under(name, &rr.name) || !dns_name_is_under(&rr.name, zone) ||
		    dns_name_equal(&rr.name, zone))
			continue;
		a->says = DNS_SAYS_REFERRAL;
		a->target = rr.name;
		return;
	}
}

int dns_answer_read(const struct dns_message *m, const struct dns_name *name,
		    const struct dns_name *zone, struct dns_answer *ret)
{
	ret->says = DNS_SAYS_ERROR;
	if (m->rcode != DNS_NOERROR && m->rcode != DNS_NXDOMAIN)
		return 0;
	if (m->aa)
		return take_answer(m, name, ret);
	take_referral(m, name, zone, ret);
	return 0;
}

void dns_answer_release(struct dns_answer *a)
{
	buf_release(&a->text);
}
