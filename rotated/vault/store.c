/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/store.h"

#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/compact.h"
#include "rotated/vault/control.h"
#include "rotated/vault/door.h"
#include "rotated/vault/facts.h"
#include "rotated/vault/foresight.h"
#include "rotated/vault/items.h"
#include "rotated/vault/keygen.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/reconcile.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/shares.h"
#include "rotated/vault/unlock.h"
#include "rotated/vault/verify.h"
#include "rotated/vault/worker.h"

bool store_is_open(const struct manager *m, enum keystore_tier tier)
{
	return m->keystore && m->audit && keystore_is_open(m->keystore, tier);
}

int store_require(const struct manager *m, enum keystore_tier tier, struct report *report)
{
	if (!m->keystore && m->keystore_problem.what[0]) {
		if (report)
			*report = m->keystore_problem;
		return -EIO;
	}
	if (!m->keystore && verb_backup_restorer(m)) {
		report_set(report, -EBUSY, "the keystore is being restored by %s",
			   verb_backup_restorer(m));
		report_hint(report, "wait for its end, then: rotatectl status");
		return -EBUSY;
	}
	if (!m->keystore) {
		if (report)
			*report = m->keystore_absent;
		return -ENOENT;
	}
	if (store_is_open(m, tier))
		return 0;
	report_set(report, -ENOKEY, "%s",
		   store_is_open(m, KEYSTORE_AUTH)
			   ? "the ISSUER tier is sealed: nothing new can be made"
			   : "the keystore is sealed");
	report_hint(report, "rotatectl unseal");
	return -ENOKEY;
}

const char *store_open_tiers(const struct manager *m)
{
	if (store_is_open(m, KEYSTORE_BOTH))
		return "both tiers are open";
	return store_is_open(m, KEYSTORE_AUTH) ? "the AUTH tier is open, ISSUER is sealed"
					       : "both tiers are sealed";
}

int store_require_change(const struct manager *m, enum keystore_tier tier,
			 struct report *report)
{
	int r = store_require(m, tier, report);

	if (r == 0 && keystore_health(m->keystore, report) != KEYSTORE_HEALTHY)
		r = -ESTALE;
	return r;
}

int store_open(struct manager *m, struct report *report)
{
	const struct keystore_env env = { .clock = m->clock };
	int r = keystore_open(m->config->keystore.path, &env, &m->keystore, report);

	m->keystore_problem = (struct report){ 0 };
	if (r == -ENOENT)
		m->keystore_absent = *report;
	else if (r < 0)
		m->keystore_problem = *report;
	return r;
}

/* ---- the verifier index ---- */

/* Under KEYS; NULL: under those that it has. */
static int rebuild_index(struct manager *m, const struct verifier_keys *keys,
			 struct report *report)
{
	int r = keys ? index_rebuild_begin_with(m->index, keys, report)
		     : index_rebuild_begin(m->index, report);

	if (r == 0)
		r = facts_rebuild(m, report);
	if (r == 0)
		r = index_rebuild_finish(m->index, keystore_txid(m->keystore), report);
	if (r < 0 && !report->what[0])
		report_set(report, r, "the verifier index can not be built: %s", strerror(-r));
	return r;
}

int store_rebuild_index(struct manager *m, struct report *report)
{
	int r = rebuild_index(m, NULL, report);

	/* it was damaged: in new files */
	return r == -EBADMSG ? rebuild_index(m, NULL, report) : r;
}

int store_renew_index(struct manager *m, struct report *report)
{
	const struct verifier_keys *next = keystore_verifier_next(m->keystore);
	int r;

	if (!next || index_writer_has_keys(m->index, next))
		return 0;
	r = rebuild_index(m, next, report);
	if (r < 0)
		index_abort(m->index);
	return r;
}

/* The door reads the index through its group, if we may give files to that. */
static gid_t door_group(const struct manager *m)
{
	const struct config_id *user = &m->config->vault.door_user;
	const struct passwd *pw = user->is_known ? getpwuid((uid_t)user->id) : NULL;

	if (!pw || (geteuid() != 0 && !group_member(pw->pw_gid)))
		return (gid_t)-1;
	return pw->pw_gid;
}

/* An index that knows more than a keystore that was rolled back, or of which pages are damaged:
 * it keeps who was revoked since revoked, and logins working whose records are lost. */
static bool is_ahead(struct manager *m)
{
	enum keystore_health health = keystore_health(m->keystore, NULL);
	uint64_t txid;

	if (health == KEYSTORE_RESTORED || index_writer_txid(m->index, &txid) < 0)
		return false;
	if (txid <= keystore_txid(m->keystore))
		return health == KEYSTORE_DAMAGED;
	/* it is committed after the store, and its META is sealed: a proof */
	keystore_seen(m->keystore, txid, "the verifier index");
	return true;
}

static int open_index(struct manager *m, struct report *report)
{
	struct index_options options = {
		.keys = keystore_verifier_keys(m->keystore),
		.next = keystore_verifier_next(m->keystore),
		.group = door_group(m),
	};
	char dir[4096];
	int r = fs_join(m->config->keystore.path, "index", dir, sizeof(dir));

	if (r < 0)
		return r;
	r = index_writer_open(dir, &options, &m->index, report);
	if (r < 0)
		return r;
	if (index_writer_damage(m->index))
		log_report(LOG_LEVEL_WARNING, index_writer_damage(m->index));
	if (is_ahead(m)) {
		log_notice(
			"the verifier index knows more than the keystore: it is left as it is");
		return 0;
	}
	/* also when it fits the store: the configuration may have changed while we were away */
	return store_rebuild_index(m, report);
}

/* ---- opening the tiers ---- */

static int open_audit(struct manager *m, struct report *report)
{
	struct keystore_audit end;
	int r = keystore_audit_get(m->keystore, &end);

	if (r < 0)
		return report_set(report, r, "the end of the audit log is not known: %s",
				  strerror(-r));
	r = audit_open(m->config->vault.audit, &end, AUDIT_SEGMENT_MAX, &m->audit, report);
	sodium_memzero(&end, sizeof(end));
	/* what was done since a backup is no news of what was restored from it */
	if (r == 0 && keystore_health(m->keystore, NULL) != KEYSTORE_RESTORED)
		keystore_seen(m->keystore, audit_newest_txid(m->audit), "the audit log");
	return r;
}

static void close_all(struct manager *m)
{
	reconcile_forget_all(m);
	items_free(m);
	ldap_close(m->ldap);
	facts_free(steal_ptr(m->facts));
	index_writer_close(steal_ptr(m->index));
	audit_close(steal_ptr(m->audit));
}

static int open_all(struct manager *m, struct report *report)
{
	int r = open_audit(m, report);

	if (r == 0)
		r = ldap_open(m->ldap, report);
	if (r == 0)
		r = items_load(m, report);
	if (r == 0)
		r = open_index(m, report);
	return r;
}

/* Jobs that were under way when we last ran: nobody will tell how they ended. */
static void doubt_jobs(struct manager *m)
{
	for (size_t i = 0; i < m->item_count; i++)
		m->items[i]->is_unsure = m->items[i]->engine.job.type != ENGINE_ACTION_NONE;
}

static int open_once(struct manager *m, struct report *report)
{
	int r;

	if (m->audit)
		return 0;
	r = open_all(m, report);
	if (r < 0) {
		close_all(m);
		keystore_seal(m->keystore, KEYSTORE_BOTH);
		return r;
	}
	doubt_jobs(m);
	m->is_sealed_by_order = false;
	door_push_keys(m);
	return 0;
}

static int go_on(struct manager *m, struct report *report)
{
	int r;

	shares_opened(m);
	unlock_stop(m);
	alarm_clear(m, ALARM_UNSEAL);
	alarm_clear(m, ALARM_INDEX);
	manager_notify(m);
	/* before the schedule gives a number that was given already */
	r = reconcile_go_on(m, report);
	ldap_wake(m->ldap); /* the tier that has its password may have come */
	schedule_settle_all(m);
	reseal_resume(m);
	return r;
}

int store_unsealed(struct manager *m, struct report *report)
{
	struct report late = { 0 };
	int r = open_once(m, report);

	/* it is open all the same, and status says what does not get on */
	if (r == 0 && go_on(m, &late) < 0)
		log_report(LOG_LEVEL_ERROR, &late);
	return r;
}

void store_reconcile(struct manager *m)
{
	struct report report = { 0 };

	if (reconcile_go_on(m, &report) < 0)
		return; /* the alarm says so */
	log_notice("what was done since the keystore's state is listed: rotatectl store "
		   "reconcile");
	schedule_settle_all(m);
	reseal_resume(m);
}

int store_restored(struct manager *m, struct report *report)
{
	int r = open_once(m, report);

	return r < 0 ? r : go_on(m, report);
}

/* Whose key was under way when it was sealed need not wait for it. */
static void refuse_waiters(struct manager *m)
{
	struct report report = { 0 };

	report_set(&report, -ENOKEY, "the keystore was sealed before the key was made");
	report_hint(&report, "rotatectl unseal");
	for (size_t i = 0; i < m->item_count; i++)
		control_item_moved(m, m->items[i], &report);
}

void store_seal(struct manager *m, enum keystore_tier tier)
{
	if (!m->keystore)
		return;
	shares_forget(m, "sealed");
	verify_cancel(m);
	foresight_cancel(m, "the keystore was sealed meanwhile", "rotatectl unseal");
	reseal_pause(m);
	if (tier & KEYSTORE_AUTH) {
		verb_backup_sealed(m);
		if (store_is_open(m, KEYSTORE_AUTH))
			compact_stop(m, "given up: sealed");
		alarm_clear(m, ALARM_COMPACT);
	}
	keygen_cancel(m->keygen);
	refuse_waiters(m);
	if (tier & KEYSTORE_AUTH) {
		worker_cancel_all(m->worker);
		m->is_sealed_by_order = true;
		unlock_stop(m);
		door_push_sealed(m);
		if (store_is_open(m, KEYSTORE_AUTH))
			change_checkpoint(m, true);
		close_all(m);
	}
	keystore_seal(m->keystore, tier);
	manager_notify(m);
	schedule_settle_all(m); /* with AUTH sealed as well, of nothing */
}

/* ---- at start ---- */

void store_start(struct manager *m)
{
	struct report report = { 0 };
	int r = store_open(m, &report);

	if (r == -ENOENT) {
		log_notice("%s: %s", report.what, report.hint);
		return;
	}
	if (r < 0)
		log_report(LOG_LEVEL_ERROR, &report);
	unlock_start(m); /* also tries again to open what could not be */
}
