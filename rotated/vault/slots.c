/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/slots.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/store.h"

enum { ID_HEX_SIZE = 2 * KEYSTORE_SLOT_ID_LEN + 1, SHORT_LEN = 8 };

static void hex_id(const struct keystore_slot *slot, char ret[static ID_HEX_SIZE])
{
	(void)sodium_bin2hex(ret, ID_HEX_SIZE, slot->id, sizeof(slot->id));
}

void slot_label(const struct keystore_slot *slot, char ret[static SLOT_LABEL_SIZE])
{
	char id[ID_HEX_SIZE];

	hex_id(slot, id);
	(void)snprintf(ret, SLOT_LABEL_SIZE, "%s %.*s", keystore_slot_type_name(slot->type),
		       SHORT_LEN, id); /* it fits */
}

void slot_write(struct json *j, size_t index, const struct keystore_slot *slot)
{
	char id[ID_HEX_SIZE];

	hex_id(slot, id);
	json_put_object(j, NULL);
	json_put_number(j, "slot", index);
	json_put_string(j, "id", id);
	json_put_string(j, "kind", keystore_slot_type_name(slot->type));
	json_put_array(j, "tiers");
	if (slot->tiers & KEYSTORE_AUTH)
		json_put_string(j, NULL, "auth");
	if (slot->tiers & KEYSTORE_ISSUER)
		json_put_string(j, NULL, "issuer");
	json_put_array_end(j);
	json_put_time(j, "created", slot->created);
	if (slot->program[0])
		json_put_string(j, "program", slot->program);
	else
		json_put_null(j, "program");
	json_put_number(j, "shares", slot->shares);
	json_put_number(j, "threshold", slot->threshold);
	json_put_object_end(j);
}

/* ---- finding ---- */

static bool fits(const struct keystore_slot *slot, const char *word)
{
	char id[ID_HEX_SIZE];

	hex_id(slot, id);
	return strncmp(id, word, strlen(word)) == 0 ||
	       strcmp(keystore_slot_type_name(slot->type), word) == 0;
}

static int refuse_several(struct request *req, const char *word)
{
	char labels[REPORT_TEXT_MAX / 2] = "";
	size_t len = 0;

	for (size_t i = 0; i < keystore_slot_count(req->m->keystore); i++) {
		struct keystore_slot slot;
		char label[SLOT_LABEL_SIZE];

		keystore_slot_get(req->m->keystore, i, &slot);
		if (!fits(&slot, word) || len + sizeof(label) + 2 > sizeof(labels))
			continue;
		slot_label(&slot, label);
		len += (size_t)snprintf(labels + len, sizeof(labels) - len, "%s%s",
					len ? ", " : "", label);
	}
	report_set(&req->reply.report, -EINVAL, "\"%s\" fits several slots: %s", word, labels);
	report_hint(&req->reply.report, "name it by the first digits of its id");
	return -EINVAL;
}

int slot_find(struct request *req, size_t *ret)
{
	char word[ID_HEX_SIZE] = "";
	size_t found = 0;
	size_t index = 0;

	if (frame_text(req->frame, "slot", word, sizeof(word)) < 0 || !word[0])
		word[0] = '?';
	for (size_t i = 0; i < keystore_slot_count(req->m->keystore); i++) {
		struct keystore_slot slot;

		keystore_slot_get(req->m->keystore, i, &slot);
		if (!fits(&slot, word))
			continue;
		index = i;
		found++;
	}
	if (found > 1)
		return refuse_several(req, word);
	if (found == 0) {
		report_set(&req->reply.report, -ENOENT, "there is no slot \"%s\"", word);
		report_hint(&req->reply.report, "rotatectl store slot list");
		return -ENOENT;
	}
	*ret = index;
	return 0;
}

/* ---- changing ---- */

static void end(struct manager *m, struct audit_event *event, int r)
{
	struct report late = { 0 };

	event->outcome = r < 0 ? "failed" : "ok";
	event->txid = r < 0 ? 0 : keystore_txid(m->keystore);
	if (audit_append(m->audit, event, true, &late) < 0) /* the intent tells of it */
		log_report(LOG_LEVEL_ERROR, &late);
}

int slot_change(struct manager *m, const char *actor, const struct slot_change *c,
		struct report *report)
{
	uint8_t id[AUDIT_REQUEST_SIZE / 2];
	char request[AUDIT_REQUEST_SIZE];
	struct audit_event event = { .wall = manager_now(m).wall,
				     .event = c->event,
				     .actor = actor,
				     .object = c->object,
				     .outcome = "intent",
				     .request = request };
	struct report late = { 0 };
	int r = store_require(m, KEYSTORE_BOTH, report);

	if (r < 0)
		return r;
	randombytes_buf(id, sizeof(id));
	sodium_bin2hex(request, sizeof(request), id, sizeof(id));
	r = audit_append(m->audit, &event, true, report);
	if (r < 0)
		return r;
	r = c->fn(c->context, report);
	end(m, &event, r);
	/* the keyring's change is a transaction of the store, which the index follows */
	if (r >= 0 && index_commit(m->index, keystore_txid(m->keystore), &late) < 0)
		alarm_raise(m, ALARM_INDEX, &late);
	return r;
}
