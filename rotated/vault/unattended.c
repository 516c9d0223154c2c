/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening the AUTH tier without a person: the key file, then each slot that needs none, in
 * turn; and all of it again, later and later, until it is open. Of several failures the first
 * is the alarm: the slots are in the order in which the site wants them to open.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/slots.h"
#include "rotated/vault/store.h"
#include "rotated/vault/unlock_internal.h"

#define BACKOFF_MIN USEC_PER_SEC
#define BACKOFF_MAX (300 * USEC_PER_SEC)

static void try_slots(struct unlock *u);

/* Something is where the keystore should be, and was not fit to be opened. */
static bool is_unopened(const struct manager *m)
{
	return !m->keystore && m->keystore_problem.what[0];
}

static bool is_wanted(const struct manager *m)
{
	return m->keystore && !store_is_open(m, KEYSTORE_AUTH) && !m->is_sealed_by_order;
}

static bool is_unattended(const struct keystore_slot *slot)
{
	return slot->tiers & KEYSTORE_AUTH &&
	       (slot->type == KEYSTORE_SLOT_CREDENTIAL || slot->type == KEYSTORE_SLOT_EXEC);
}

/* ---- how it ends ---- */

static void note_opened(struct manager *m, const char *label)
{
	struct audit_event e = { .event = "store.unseal-unattended",
				 .actor = "rotated",
				 .object = label,
				 .outcome = "ok" };
	struct report report = { 0 };

	log_notice("the slot %s opened the keystore", label);
	if (change_note(m, &e, &report) < 0)
		log_report(LOG_LEVEL_ERROR, &report);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *context);

static int arm_retry(struct unlock *u)
{
	int r = u->retry ? sd_event_source_set_time_relative(u->retry, u->backoff)
			 : sd_event_add_time_relative(u->m->event, &u->retry, CLOCK_MONOTONIC,
						      u->backoff, 0, on_retry, u);

	if (r >= 0)
		r = sd_event_source_set_enabled(u->retry, SD_EVENT_ONESHOT);
	u->backoff = u->backoff * 2 < BACKOFF_MAX ? u->backoff * 2 : BACKOFF_MAX;
	return r < 0 ? r : 0;
}

/* The door goes on with the keys that it has: a warning, and a person or another time. */
static void give_up(struct unlock *u)
{
	u->is_trying = false;
	if (!u->first.what[0])
		return; /* there is nothing that could open it */
	alarm_raise(u->m, ALARM_UNSEAL, &u->first);
	if (!u->peer && u->backoff == BACKOFF_MIN) {
		log_notice(
			"sealed until rotated-unlock connects"); /* which it does, at a boot */
	} else if (strcmp(u->logged, u->first.what) != 0) {
		log_report(LOG_LEVEL_ERROR, &u->first);
		(void)snprintf(u->logged, sizeof(u->logged), "%s", u->first.what);
	}
	if (arm_retry(u) < 0)
		log_error("no timer: it is not tried again before rotated-unlock connects");
}

static void remember(struct unlock *u, const struct report *report)
{
	if (!u->first.what[0])
		u->first = *report;
}

/* ---- slots ---- */

static void fail_slot(struct unlock *u, const struct keystore_slot *slot,
		      const struct report *why)
{
	char label[SLOT_LABEL_SIZE];
	struct report report;

	slot_label(slot, label);
	(void)report_set(&report, 0, "the slot %s did not open: %.400s", label, why->what);
	report_hint(&report, "%s", why->hint[0] ? why->hint : "rotatectl unseal");
	remember(u, &report);
}

static void on_key(void *context, const struct unlock_result *result)
{
	struct unlock *u = context;
	struct manager *m = u->m;
	struct report report = result->report;
	char label[SLOT_LABEL_SIZE];
	struct keystore_slot slot;
	int r = result->error;

	if (!is_wanted(m)) {
		u->is_trying = false;
		return;
	}
	keystore_slot_get(m->keystore, u->next - 1, &slot);
	slot_label(&slot, label);
	if (r == 0)
		r = keystore_unlock_slot(m->keystore, slot.id, result->secret, &report);
	if (r == 0)
		r = store_unsealed(m, &report);
	if (r == 0) {
		note_opened(m, label);
		return; /* store_unsealed() has ended the attempt */
	}
	if (r == -EKEYREJECTED) {
		(void)report_set(&report, r, "what it was given is not its key");
		report_hint(&report, "rotatectl unseal; then rotatectl store slot test");
	} else if (!report.what[0]) {
		(void)report_set(&report, r, "%s", strerrordesc_np(-r));
	}
	fail_slot(u, &slot, &report);
	try_slots(u);
}

static int ask_slot(struct unlock *u, size_t index, const struct keystore_slot *slot,
		    struct report *report)
{
	const struct unlock_asker asker = { .done = on_key, .context = u };
	struct unlock_slot s = { .kind = slot->type == KEYSTORE_SLOT_EXEC ? UNLOCK_EXEC
									  : UNLOCK_CREDENTIAL,
				 .program = slot->program };
	int r = keystore_slot_blob(u->m->keystore, index, &s.blob, &s.blob_len);

	if (r < 0)
		return report_set(report, r, "the keyring does not have what it holds");
	memcpy(s.id, slot->id, sizeof(s.id));
	return unlock_open(u->m, &s, &asker, report);
}

/* Asks for the key of the next slot; on_key() goes on from there. */
static void try_slots(struct unlock *u)
{
	struct report report = { 0 };
	struct keystore_slot slot;

	while (u->next < keystore_slot_count(u->m->keystore)) {
		size_t index = u->next++;

		keystore_slot_get(u->m->keystore, index, &slot);
		if (!is_unattended(&slot))
			continue;
		if (ask_slot(u, index, &slot, &report) == 0)
			return;
		fail_slot(u, &slot, &report);
	}
	give_up(u);
}

/* ---- the key file ---- */

static int try_key_file(struct manager *m, struct report *report)
{
	cleanup_buf struct buf content = BUF_INIT;
	cleanup_secret struct secret *key = NULL;
	const char *path = m->config->keystore.key_file;
	int r = fs_read(AT_FDCWD, path, KEYSTORE_KEY_FILE_MAX, &content);

	if (r < 0)
		return report_set(report, r, "the key file %s can not be read: %s", path,
				  strerror(-r));
	key = secret_new(content.data, content.len);
	if (!key)
		return -ENOMEM;
	r = keystore_unlock_key_file(m->keystore, key, report);
	return r < 0 ? r : store_unsealed(m, report);
}

/* ---- attempts ---- */

/* 0 when it is open, -EAGAIN when that is tried again later; else there is none any more. */
static int open_keystore(struct unlock *u)
{
	struct report report = { 0 };
	int r = store_open(u->m, &report);

	if (r == 0) {
		log_notice("the keystore can be opened again");
		u->backoff = BACKOFF_MIN;
	} else if (r != -ENOENT) {
		if (arm_retry(u) < 0)
			log_error("no timer: systemctl restart rotated when it is put right");
		r = -EAGAIN;
	}
	manager_notify(u->m);
	return r;
}

static void try_all(struct unlock *u)
{
	struct report report = { 0 };
	int r;

	if (is_unopened(u->m) && open_keystore(u) < 0)
		return;
	if (!is_wanted(u->m) || u->is_trying)
		return;
	u->first = (struct report){ 0 };
	u->next = 0;
	if (u->m->config->keystore.key_file[0]) {
		r = try_key_file(u->m, &report);
		if (r == 0)
			return;
		if (!report.what[0])
			report_set(&report, r, "the key file does not open the keystore: %s",
				   strerror(-r));
		/* with a wrong key it is the person's turn; else it says itself what is */
		if (r == -EKEYREJECTED || r == -ENOENT || !report.hint[0])
			report_hint(&report, "rotatectl unseal");
		remember(u, &report);
	}
	u->is_trying = true;
	try_slots(u);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	try_all(context);
	return 0;
}

void unlock_start(struct manager *m)
{
	m->unlock->backoff = BACKOFF_MIN;
	try_all(m->unlock);
}

static bool is_needed(const struct manager *m)
{
	struct keystore_slot slot;

	for (size_t i = 0; m->keystore && i < keystore_slot_count(m->keystore); i++) {
		keystore_slot_get(m->keystore, i, &slot);
		if (is_unattended(&slot))
			return true;
	}
	return false;
}

bool unlock_is_missed(const struct manager *m)
{
	return !m->unlock->peer && is_needed(m);
}

void unlock_state(const struct manager *m, struct unlock_state *ret)
{
	ret->is_needed = is_needed(m);
	ret->is_connected = m->unlock->peer;
	ret->since = m->unlock->peer ? m->unlock->since : 0;
}

void unlock_stop(struct manager *m)
{
	struct unlock *u = m->unlock;

	if (!u)
		return;
	unlock_forget(m, u);
	u->is_trying = false;
	u->logged[0] = '\0';
	u->retry = sd_event_source_disable_unref(u->retry);
}
