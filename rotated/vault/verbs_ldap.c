/* SPDX-License-Identifier: BSD-2-Clause */
/* Ldap.*: what is known of the directory, and the orders about it. */
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/items.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/store.h"

enum { SECRET_BYTES_MAX = 1024 };

/* WIRE_STATUS_OK, or why the directory is no matter now. */
static enum wire_status check(struct request *req)
{
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (req->m->config->ldap.uri.n == 0)
		return request_refuse(req, WIRE_STATUS_REFUSED,
				      "set uri= in [ldap] of rotated.conf, then reload rotated",
				      "no directory is configured");
	return WIRE_STATUS_OK;
}

enum wire_status verb_ldap_status(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	enum wire_status status = WIRE_STATUS_OK;

	if (!store_is_open(req->m, KEYSTORE_AUTH) || !ldap_matters(req->m->ldap))
		status = check(req);
	if (status == WIRE_STATUS_OK)
		ldap_write_status(req->m->ldap, &j, true);
	return status;
}

static enum wire_status later(struct request *req, int r)
{
	switch (r) {
	case 0:
		return CONTROL_LATER;
	case -EBUSY:
		return request_refuse(req, WIRE_STATUS_AGAIN, NULL,
				      "somebody waits for the directory already");
	case -ENOTCONN:
		return request_refuse(req, WIRE_STATUS_AGAIN, "systemctl start rotated-worker",
				      "rotated-worker is not connected");
	case -ENOENT:
		return request_refuse(req, WIRE_STATUS_NOTHING, NULL, "nothing is held");
	case -ESTALE:
		return request_refuse(req, WIRE_STATUS_REFUSED, "rotatectl ldap status",
				      "something else is held by now");
	default:
		return request_fail(req, r);
	}
}

enum wire_status verb_ldap_sync(struct request *req)
{
	enum wire_status status = check(req);

	if (status != WIRE_STATUS_OK)
		return status;
	return later(req, ldap_sync(req->m->ldap, req->peer));
}

static int note(struct request *req, const char *event, const char *outcome)
{
	const struct audit_event e = { .event = event,
				       .actor = req->actor,
				       .outcome = outcome };

	return change_note(req->m, &e, &req->reply.report);
}

enum wire_status verb_ldap_approve(struct request *req)
{
	struct json j = JSON_INIT(&req->reply.json);
	enum wire_status status = check(req);
	char held[32] = "";
	int r;

	if (status != WIRE_STATUS_OK)
		return status;
	if (frame_find(req->frame, "held") &&
	    frame_text(req->frame, "held", held, sizeof(held)) < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, "rotatectl ldap status",
				      "that is no name of what is held");
	if (req->is_dry_run) {
		ldap_write_status(req->m->ldap, &j, true);
		return WIRE_STATUS_OK;
	}
	r = note(req, "ldap.approve", "intent");
	if (r < 0)
		return request_fail(req, r);
	return later(req, ldap_approve(req->m->ldap, held, req->peer));
}

/* ---- the password ---- */

static int store(struct request *req, const struct frame_field *secret)
{
	struct keystore_record rec = {
		.id = { RECORD_SPACE, LDAP_SECRET_KIND, LDAP_SECRET_NAME },
		.body = secret->data,
		.body_len = secret->len,
	};
	struct manager *m = req->m;
	struct keystore_audit end;
	struct keystore_txn *txn;
	uint64_t txid;
	int r = keystore_begin(m->keystore, &txn, &req->reply.report);

	if (r < 0)
		return r;
	r = record_put(txn, &rec);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(&req->reply.report, r, "the password can not be sealed: %s",
				  strerror(-r));
	}
	audit_end(m->audit, &end);
	keystore_set_audit(txn, &end);
	r = keystore_commit(txn, &txid, &req->reply.report);
	sodium_memzero(&end, sizeof(end));
	return r < 0 ? r : index_commit(m->index, txid, &req->reply.report);
}

enum wire_status verb_ldap_secret(struct request *req)
{
	const struct frame_field *secret = frame_find(req->frame, "secret");
	struct report late = { 0 };
	int r = request_require(req, KEYSTORE_ISSUER);

	if (r < 0)
		return request_fail(req, r);
	if (req->is_dry_run)
		return request_refuse(req, WIRE_STATUS_OK, NULL,
				      "the password for the directory would be stored");
	if (!secret || secret->len == 0 || secret->len > SECRET_BYTES_MAX)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "a password has 1 to %d bytes", SECRET_BYTES_MAX);
	r = note(req, "ldap.secret", "intent");
	if (r == 0)
		r = store(req, secret);
	if (r < 0) {
		const struct audit_event e = { .event = "ldap.secret",
					       .actor = req->actor,
					       .outcome = "failed" };

		ignore_result(change_note(req->m, &e, &late)); /* the intent stands alone */
		return request_fail(req, r);
	}
	if (note(req, "ldap.secret", "ok") < 0) { /* it is done; the intent tells of it */
		log_report(LOG_LEVEL_ERROR, &req->reply.report);
		req->reply.report = (struct report){ 0 };
	}
	ldap_wake(req->m->ldap);
	return request_refuse(req, WIRE_STATUS_OK, NULL,
			      "the password for the directory is stored");
}
