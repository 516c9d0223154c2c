/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificate.Issue, .Renew and .Sign: a new version is signed, staged and handed out. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "rotated/pki/csr.h"
#include "rotated/vault/certificate_view.h"
#include "rotated/vault/control.h"
#include "rotated/vault/driver_certificate.h"
#include "rotated/vault/items.h"
#include "rotated/vault/schedule.h"

enum verb { ISSUE, RENEW, SIGN };

/* What one request comes to. */
struct issue {
	struct request *req;
	enum verb verb;
	struct ca ca;
	struct change change;
	struct certificate_source source;
	struct certificate_made made;
};

static void issue_release(struct issue *i)
{
	ca_release(&i->ca);
	x509_key_free(i->source.key);
	certificate_made_release(&i->made);
}

/* Whether the service may have one at all, and by this verb. */
static enum wire_status check_service(struct request *req, const struct item *item,
				      enum verb verb)
{
	const struct engine_version *active = engine_find_phase(&item->engine, ENGINE_CURRENT);
	const char *id = item->engine.id;
	char hint[REPORT_TEXT_MAX];

	if (!item_is_configured(req->m, item))
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "write services.d/ID.conf, then reload rotated",
				      "no file names the service %s", id);
	(void)snprintf(hint, sizeof(hint), "rotatectl service enable %s", id); /* it fits */
	if (item_is_disabled(req->m, &item->engine))
		return request_refuse(req, WIRE_STATUS_REFUSED, hint,
				      "%s is disabled: it gets no certificate", id);
	(void)snprintf(hint, sizeof(hint), "rotatectl certificate %s %s",
		       active ? "renew" : "issue", id); /* it fits */
	if (verb == ISSUE && active)
		return request_refuse(req, WIRE_STATUS_REFUSED, hint,
				      "%s has an active certificate, %s", id, active->name);
	if (verb == RENEW && !active)
		return request_refuse(req, WIRE_STATUS_REFUSED, hint,
				      "%s has no active certificate", id);
	return WIRE_STATUS_OK;
}

/* The key that the certificate will be for. */
static int take_key(struct issue *i)
{
	const struct frame_field *csr = frame_find(i->req->frame, "csr");
	int r;

	i->source.is_ours = i->verb != SIGN;
	if (i->source.is_ours)
		return i->req->is_dry_run ? 0 : x509_key_new(&i->source.key);
	if (!csr)
		return -EBADMSG;
	r = csr_read((const char *)csr->data, csr->len, &i->source.key, &i->req->reply.report);
	if (r == 0)
		r = certificate_check_key(i->req->m, i->source.key, &i->req->reply.report);
	return r;
}

static enum wire_status refuse_full(struct request *req, const struct item *item)
{
	char hint[REPORT_TEXT_MAX];

	(void)snprintf(hint, sizeof(hint), "rotatectl certificate revoke %s",
		       item->engine.versions[0].name); /* it fits */
	return request_refuse(req, WIRE_STATUS_REFUSED, hint,
			      "%s has %d living versions, and can not have more",
			      item->engine.id, ENGINE_VERSIONS_MAX);
}

static int stage(struct issue *i, const struct engine_version *v)
{
	static const char *const events[] = { [ISSUE] = "certificate.issue",
					      [RENEW] = "certificate.renew",
					      [SIGN] = "certificate.sign" };
	struct engine_observation created = { .event = ENGINE_EVENT_CREATED,
					      .version = v->version };
	struct request *req = i->req;
	int r = certificate_make(req->m, &i->ca, v, &i->source, &i->made);

	if (r == 0)
		r = change_step(req->m, &i->change, &created);
	if (r < 0)
		return report_set(&req->reply.report, r, "no certificate can be made: %s",
				  strerror(-r));
	i->change.made = &i->made.made;
	i->change.version = v->version;
	i->change.event = request_rotation(i->req) == ENGINE_EVENT_COMPROMISED
				  ? "certificate.compromised"
				  : events[i->verb];
	i->change.actor = req->actor;
	return change_commit(req->m, &i->change, &req->reply.report);
}

static void answer(const struct issue *i, const struct engine_version *v)
{
	struct buf *f = &i->req->reply.fields;
	char serial[CERTIFICATE_SERIAL_SIZE], end[CLOCK_TEXT_SIZE];

	certificate_serial(i->made.info.serial, serial);
	clock_format(i->made.info.not_after, end);
	frame_put_text(f, "name", v->name);
	frame_put_number(f, "version", v->version);
	frame_put_text(f, "serial", serial);
	frame_put_text(f, "not_after", end);
	frame_put(f, "chain", i->made.chain.data, i->made.chain.len);
	if (i->made.private)
		frame_put(f, "private_key", secret_data(i->made.private),
			  secret_len(i->made.private));
}

static enum wire_status begin(struct issue *i, struct item *item)
{
	const struct engine_observation rotate = { .event = request_rotation(i->req) };
	const struct engine_version *v;
	struct request *req = i->req;
	int r;

	change_init(&i->change, item);
	r = change_step(req->m, &i->change, &rotate);
	if (r == -ENOSPC)
		return refuse_full(req, item);
	if (r < 0)
		return request_fail(req, r);
	v = engine_find_phase(&i->change.next, ENGINE_COMING);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL, "would issue %s", v->name);
	r = stage(i, v);
	if (r < 0)
		return request_fail(req, r);
	answer(i, engine_find(&i->change.next, i->change.version));
	schedule_settle(req->m, item);
	return WIRE_STATUS_OK;
}

static enum wire_status issue(struct request *req, enum verb verb)
{
	cleanup_(issue_release) struct issue i = { .req = req, .verb = verb, .ca = CA_INIT };
	enum wire_status status;
	struct item *item = request_find_certificates(req, &status);
	int r;

	if (!item)
		return status;
	status = check_service(req, item, verb);
	if (status != WIRE_STATUS_OK || request_load_ca(req, &i.ca, &status) < 0)
		return status;
	r = request_require(req, KEYSTORE_ISSUER);
	if (r == 0)
		r = certificate_check(req->m, item, &i.ca, &req->reply.report);
	i.source.item = item;
	if (r == 0)
		r = take_key(&i);
	return r < 0 ? request_fail(req, r) : begin(&i, item);
}

enum wire_status verb_certificate_issue(struct request *req)
{
	return issue(req, ISSUE);
}

enum wire_status verb_certificate_renew(struct request *req)
{
	return issue(req, RENEW);
}

enum wire_status verb_certificate_sign(struct request *req)
{
	return issue(req, SIGN);
}
