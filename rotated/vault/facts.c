/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "keystore/fact.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/items.h"
#include "rotated/vault/services.h"
#include "rotated/vault/store.h"

/* One line of "who owns what". */
struct owner {
	char *sender; /* owned */
	char service[SERVICE_ID_MAX + 1];
};

/* What the index says of senders: by sender, then by service, ascending. */
struct facts {
	struct owner *owners;
	size_t n;
};

void facts_free(struct facts *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->owners[i].sender);
	free(f->owners);
	free(f);
}

DEFINE_CLEANUP(struct facts, facts_free)

static int compare(const void *a, const void *b)
{
	const struct owner *left = a, *right = b;
	int order = strcmp(left->sender, right->sender);

	return order ? order : strcmp(left->service, right->service);
}

static size_t count_senders(const struct manager *m)
{
	struct services_cursor at = { 0 };
	const struct config_service *service;
	size_t n = 0;

	while ((service = services_next(m, &at)))
		n += service->senders.n;
	return n;
}

/* As the services in force would have it. */
static int collect(const struct manager *m, struct facts **ret)
{
	cleanup_(facts_freep) struct facts *f = calloc(1, sizeof(*f));
	struct services_cursor at = { 0 };
	const struct config_service *service;

	if (f)
		f->owners = calloc(count_senders(m) + 1, sizeof(struct owner));
	if (!f || !f->owners)
		return -ENOMEM;
	while ((service = services_next(m, &at)))
		for (size_t i = 0; i < service->senders.n; i++) {
			struct owner *o = &f->owners[f->n];

			o->sender = strdup(service->senders.items[i]);
			if (!o->sender)
				return -ENOMEM;
			memcpy(o->service, service->id, strlen(service->id) + 1);
			f->n++;
		}
	if (f->n > 0)
		qsort(f->owners, f->n, sizeof(struct owner), compare);
	*ret = steal_ptr(f);
	return 0;
}

/* ---- writing, in commits as large as the index takes ---- */

struct writing {
	struct manager *m;
	bool is_rebuild;
	struct report *report;
};

static int flush(struct writing *w)
{
	manager_alive(); /* a thousand entries more are there */
	if (w->is_rebuild)
		return index_rebuild_flush(w->m->index, w->report);
	return index_commit(w->m->index, keystore_txid(w->m->keystore), w->report);
}

static enum item_indexed should_be(const struct manager *m, const struct item *item)
{
	return item_is_disabled(m, &item->engine) ? INDEXED_DISABLED : INDEXED_ENABLED;
}

/* What a full commit had no room for is done again, whole, in the next one. */
static int write_item(struct writing *w, struct item *item)
{
	struct engine_item prev = item->engine;
	int r = item->driver->index ? -E2BIG : 0;

	if (w->is_rebuild)
		prev.count = 0;
	for (int attempt = 0; attempt < 2 && r == -E2BIG; attempt++) {
		r = attempt > 0 ? flush(w) : 0;
		if (r == 0)
			r = item->driver->index(w->m, &prev, &item->engine);
	}
	if (r == 0)
		item->indexed = should_be(w->m, item);
	return r;
}

static int write_sender(struct writing *w, const char *sender, const uint8_t *body, size_t len)
{
	const struct index_key key = { INDEX_FACT_SENDER, sender, strlen(sender) };
	int r = -E2BIG;

	for (int attempt = 0; attempt < 2 && r == -E2BIG; attempt++) {
		r = attempt > 0 ? flush(w) : 0;
		if (r == 0)
			r = body ? index_put_fact(w->m->index, &key, body, len)
				 : index_remove_fact(w->m->index, &key);
	}
	return r;
}

/* How many entries from AT on are of one sender. */
static size_t group(const struct facts *f, size_t at)
{
	size_t n = 0;

	while (at + n < f->n && strcmp(f->owners[at + n].sender, f->owners[at].sender) == 0)
		n++;
	return n;
}

/*
 * An owner too many for a fact makes it empty, which the door answers with "later": any other
 * answer would refuse mail of services that did nothing wrong. Nothing is in force twice, so
 * that the owners are in strict order.
 */
static int encode_group(struct manager *m, const struct facts *f, size_t at,
			uint8_t body[static INDEX_FACT_BODY_MAX], size_t *ret_len)
{
	struct report *alarm = &m->alarms[ALARM_SENDERS];
	size_t n = group(f, at), len = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = fact_owners_add(body, INDEX_FACT_BODY_MAX, &len, f->owners[at + i].service);
	if (r == -E2BIG) {
		report_set(alarm, r, "%s is owned by more services than can be told apart: %zu",
			   f->owners[at].sender, n);
		report_hint(alarm,
			    "take it out of [service] senders of some; until then its mail "
			    "is put off");
		log_report(LOG_LEVEL_ERROR, alarm);
		len = 0;
		r = 0;
	}
	*ret_len = len;
	return r;
}

static bool is_same_group(const struct facts *a, size_t at, const struct facts *b, size_t bt)
{
	size_t n = group(a, at);

	if (group(b, bt) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->owners[at + i].service, b->owners[bt + i].service) != 0)
			return false;
	return true;
}

/* Where the group of SENDER begins in F; F->n when it has none. */
static size_t find_group(const struct facts *f, const char *sender)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(f->owners[mid].sender, sender) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->n && strcmp(f->owners[low].sender, sender) == 0 ? low : f->n;
}

/* What is new comes before what is old goes: an address that moves from a pattern to a line of
 * its own is good all the time. What stays as it is is judged too: its alarm was cleared. */
static int write_senders(struct writing *w, const struct facts *old, const struct facts *fresh)
{
	uint8_t body[INDEX_FACT_BODY_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < fresh->n; i += group(fresh, i)) {
		const char *sender = fresh->owners[i].sender;
		size_t was = old ? find_group(old, sender) : 0;
		size_t len;

		r = encode_group(w->m, fresh, i, body, &len);
		if (r == 0 &&
		    (!old || was == old->n || !is_same_group(old, was, fresh, i)))
			r = write_sender(w, sender, body, len);
	}
	for (size_t i = 0; r == 0 && old && i < old->n; i += group(old, i))
		if (find_group(fresh, old->owners[i].sender) == fresh->n)
			r = write_sender(w, old->owners[i].sender, NULL, 0);
	return r;
}

/* ---- all of it ---- */

/* Services come before the senders that name them. */
static int write_all(struct writing *w, const struct facts *old)
{
	cleanup_(facts_freep) struct facts *fresh = NULL;
	struct manager *m = w->m;
	int r = collect(m, &fresh);

	for (size_t i = 0; r == 0 && i < m->item_count; i++)
		if (w->is_rebuild || m->items[i]->indexed != should_be(m, m->items[i]))
			r = write_item(w, m->items[i]);
	if (r == 0)
		alarm_clear(m, ALARM_SENDERS);
	if (r == 0)
		r = write_senders(w, old, fresh);
	if (r == 0)
		r = flush(w);
	if (r < 0)
		return r;
	facts_free(m->facts);
	m->facts = steal_ptr(fresh);
	return 0;
}

int facts_rebuild(struct manager *m, struct report *report)
{
	struct writing w = { .m = m, .is_rebuild = true, .report = report };

	return write_all(&w, NULL);
}

int facts_refresh(struct manager *m, struct report *report)
{
	struct writing w = { .m = m, .report = report };
	int r;

	if (!store_is_open(m, KEYSTORE_AUTH))
		return 0;
	r = items_add_configured(m);
	if (r == 0)
		r = write_all(&w, m->facts);
	if (r == 0)
		return 0;
	index_abort(m->index);
	if (!report->what[0])
		report_set(report, r, "the verifier index can not be changed: %s",
			   strerror(-r));
	log_report(LOG_LEVEL_WARNING, report);
	*report = (struct report){ 0 };
	return store_rebuild_index(m, report);
}

static bool has_login(const struct fact_service *s, const char *login)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->logins[i], login) == 0)
			return true;
	return false;
}

/* Every version that is in the index can log in, so its login may send. */
int facts_put_service(struct manager *m, const struct engine_item *item)
{
	const struct index_key key = { INDEX_FACT_SERVICE, item->id, strlen(item->id) };
	struct fact_service s = {
		.flags = item_is_disabled(m, item) ? FACT_SERVICE_DISABLED : 0,
	};
	uint8_t body[FACT_SERVICE_MAX];

	for (uint32_t i = item->count; i-- > 0 && s.count < VERIFIER_VERSIONS_MAX;) {
		const struct engine_version *v = &item->versions[i];

		if (v->state == ENGINE_PLANNED || has_login(&s, v->name))
			continue;
		(void)snprintf(s.logins[s.count], sizeof(s.logins[0]), "%s", v->name);
		s.count++;
	}
	return index_put_fact(m->index, &key, body, fact_service_encode(&s, body));
}
