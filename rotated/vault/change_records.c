/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of records that belong to no item: in the same order as change.c, and as durable. */
#include "rotated/vault/change.h"

#include <sodium.h>
#include <string.h>

#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

static int store(struct manager *m, const struct change_records *c, uint64_t *ret_txid,
		 struct report *report)
{
	struct keystore_audit end;
	struct keystore_txn *txn;
	int r = keystore_begin(m->keystore, &txn, report);

	if (r < 0)
		return r;
	r = c->fill(c->context, txn);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(report, r, "%s: the change can not be sealed: %s", c->event,
				  strerror(-r));
	}
	audit_end(m->audit, &end);
	keystore_set_audit(txn, &end);
	r = keystore_commit(txn, ret_txid, report);
	sodium_memzero(&end, sizeof(end));
	return r;
}

static void fail(struct manager *m, struct audit_event *event, const struct report *report)
{
	struct report late = { 0 };

	alarm_raise(m, ALARM_STORE, report);
	schedule_probe(m);
	event->outcome = "failed";
	ignore_result(
		audit_append(m->audit, event, false, &late)); /* the intent stands alone */
}

int change_records(struct manager *m, const struct change_records *c, struct report *report)
{
	uint8_t id[AUDIT_REQUEST_SIZE / 2];
	char request[AUDIT_REQUEST_SIZE];
	struct audit_event event = { .wall = manager_now(m).wall,
				     .event = c->event,
				     .actor = c->actor,
				     .object = c->object,
				     .outcome = "intent",
				     .request = request };
	uint64_t txid;
	int r = store_require_change(m, KEYSTORE_AUTH, report);

	if (r < 0)
		return r;
	randombytes_buf(id, sizeof(id));
	sodium_bin2hex(request, sizeof(request), id, sizeof(id));
	r = audit_append(m->audit, &event, true, report);
	if (r == 0)
		r = store(m, c, &txid, report);
	if (r < 0) {
		fail(m, &event, report);
		return r;
	}
	alarm_clear(m, ALARM_STORE);
	r = index_commit(m->index, txid, report);
	event.outcome = r < 0 ? "index-failed" : "ok";
	event.txid = txid;
	ignore_result(audit_append(m->audit, &event, false, NULL)); /* the intent tells of it */
	return r < 0 ? store_rebuild_index(m, report) : 0;
}
