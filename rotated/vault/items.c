/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/items.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/services.h"

enum { ALIVE_EVERY = 1000 }; /* items that are loaded */

int record_name_item(const struct engine_item *item, char ret[static RECORD_NAME_SIZE])
{
	int n = snprintf(ret, RECORD_NAME_SIZE, "%s/%s", engine_kind_word(item->kind),
			 item->id);

	return n > 0 && n < RECORD_NAME_SIZE ? 0 : -ENAMETOOLONG;
}

int record_name_version(const struct engine_item *item, uint32_t version,
			char ret[static RECORD_NAME_SIZE])
{
	int n = snprintf(ret, RECORD_NAME_SIZE, "%s/%u", item->id, version);

	return n > 0 && n < RECORD_NAME_SIZE ? 0 : -ENAMETOOLONG;
}

static int compare(const struct engine_item *a, enum engine_kind kind, const char *id)
{
	if (a->kind != kind)
		return a->kind < kind ? -1 : 1;
	return strcmp(a->id, id);
}

/* Where KIND and ID are, or belong. */
static size_t position(const struct manager *m, enum engine_kind kind, const char *id)
{
	size_t low = 0, high = m->item_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&m->items[mid]->engine, kind, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct item *item_find(const struct manager *m, enum engine_kind kind, const char *id)
{
	size_t at = position(m, kind, id);

	if (at == m->item_count || compare(&m->items[at]->engine, kind, id) != 0)
		return NULL;
	return m->items[at];
}

/* At the place AT, those behind it one further. */
static int add_at(struct manager *m, size_t at, const struct engine_item *engine,
		  bool is_stored)
{
	struct item **grown;
	struct item *item;

	grown = reallocarray(m->items, m->item_count + 1, sizeof(struct item *));
	if (!grown)
		return -ENOMEM;
	m->items = grown;
	item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->engine = *engine;
	item->driver = driver_find(engine->kind);
	item->stored = engine->seen;
	item->is_stored = is_stored;
	item->wake_at = USEC_NEVER;
	memmove(grown + at + 1, grown + at, (m->item_count - at) * sizeof(struct item *));
	grown[at] = item;
	m->item_count++;
	return 0;
}

static int add(struct manager *m, const struct engine_item *engine)
{
	return add_at(m, position(m, engine->kind, engine->id), engine, false);
}

/* In the order of the store, which is none: to find the place of each would move the others a
 * hundred thousand times. */
static int load_one(void *context, const struct keystore_record *rec)
{
	struct manager *m = context;
	struct engine_item engine;
	int r = engine_decode(rec->body, rec->body_len, &engine);

	if (m->item_count % ALIVE_EVERY == 0)
		manager_alive();
	return r < 0 ? r : add_at(m, m->item_count, &engine, true);
}

static int compare_items(const void *a, const void *b)
{
	const struct engine_item *left = &(*(struct item *const *)a)->engine;
	const struct engine_item *right = &(*(struct item *const *)b)->engine;

	return compare(left, right->kind, right->id);
}

static int add_configured(struct manager *m, enum engine_kind kind, const char *id)
{
	struct engine_item engine;
	struct moment now = manager_now(m);

	if (item_find(m, kind, id))
		return 0;
	engine_item_init(&engine, kind, id, &now);
	return add(m, &engine);
}

int item_ensure(struct manager *m, enum engine_kind kind, const char *id, struct item **ret)
{
	int r = add_configured(m, kind, id);

	if (r == 0)
		*ret = item_find(m, kind, id);
	return r;
}

/* A service is switched by its password's item: one that has certificates only, and no file any
 * more, needs that too. */
static int add_switches(struct manager *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->item_count; i++) {
		const struct item *item = m->items[i];

		if (item->engine.kind == ENGINE_CERTIFICATE)
			r = add_configured(m, ENGINE_PASSWORD, item->engine.id);
	}
	return r;
}

int items_add_configured(struct manager *m)
{
	struct services_cursor at = { 0 };
	const struct config_service *service;
	int r = 0;

	while (r == 0 && (service = services_next(m, &at)))
		r = add_configured(m, ENGINE_PASSWORD, service->id);
	for (size_t i = 0; r == 0 && i < m->config->n_domains; i++)
		r = add_configured(m, ENGINE_DKIM, m->config->domains[i].name);
	for (size_t i = 0; r == 0 && i < m->config->n_providers; i++)
		r = add_configured(m, ENGINE_UPSTREAM, m->config->providers[i].id);
	return r;
}

/* Nothing is begun anew over a record that does not open: its numbers would be given twice. */
static int look_for_lost(struct manager *m)
{
	for (size_t i = 0; i < m->item_count; i++) {
		struct item *item = m->items[i];
		cleanup_record struct keystore_record *rec = NULL;
		char name[RECORD_NAME_SIZE];
		int r = item->is_stored ? 0 : record_name_item(&item->engine, name);

		if (r < 0)
			return r;
		item->is_lost =
			!item->is_stored && record_get(m, RECORD_ITEM, name, &rec) == -EBADMSG;
	}
	return 0;
}

void item_tell_lost(struct manager *m, const struct engine_version *v, const char *command,
		    const char *id)
{
	struct report report;

	(void)report_set(&report, 0,
			 "the record of %s is missing or does not open: it is not accepted",
			 v->name);
	report_hint(&report, "rotatectl store verify; then: %s %s", command, id);
	log_report(LOG_LEVEL_ERROR, &report);
	alarm_raise(m, ALARM_RECORDS, &report);
}

static void tell_passed_over(struct manager *m)
{
	uint64_t n = keystore_passed_over(m->keystore);
	struct report report;

	m->has_lost_records = n > 0;
	if (n == 0)
		return;
	(void)report_set(&report, 0,
			 "%" PRIu64 " records of the keystore are missing or do not open: what "
			 "they held can not be used",
			 n);
	report_hint(&report, "rotatectl store verify");
	log_report(LOG_LEVEL_ERROR, &report);
	alarm_raise(m, ALARM_RECORDS, &report);
}

int items_load(struct manager *m, struct report *report)
{
	int r = record_foreach(m, RECORD_ITEM, load_one, m);

	if (r == 0 && m->item_count > 0)
		qsort(m->items, m->item_count, sizeof(struct item *), compare_items);
	alarm_clear(m, ALARM_RECORDS);
	if (r == 0)
		tell_passed_over(m);
	if (r == 0)
		r = add_switches(m);
	if (r == 0)
		r = items_add_configured(m);
	if (r == 0)
		r = look_for_lost(m);
	if (r < 0) {
		items_free(m);
		report_set(report, r, "the state of the rotations can not be read: %s",
			   strerror(-r));
		report_hint(report, "rotatectl store verify");
	}
	return r;
}

void items_free(struct manager *m)
{
	for (size_t i = 0; i < m->item_count; i++)
		free(m->items[i]);
	free(m->items);
	m->items = NULL;
	m->item_count = 0;
}

bool item_is_configured(const struct manager *m, const struct item *item)
{
	if (item->engine.kind == ENGINE_UPSTREAM)
		return config_provider_find(m->config, item->engine.id);
	if (item->engine.kind == ENGINE_DKIM)
		return config_domain_find(m->config, item->engine.id);
	return services_find(m, item->engine.id);
}

bool item_is_disabled(const struct manager *m, const struct engine_item *item)
{
	const struct config_service *service;
	const struct item *password;

	if (item->is_disabled)
		return true;
	if (engine_kind_has_steps(item->kind))
		return false;
	if (item->kind != ENGINE_PASSWORD) { /* a service is switched as a whole */
		password = item_find(m, ENGINE_PASSWORD, item->id);
		if (password && (password->engine.is_disabled || password->is_lost))
			return true;
	}
	service = services_find(m, item->id);
	/* what is lost may have said that it is gone */
	return service ? !service->enabled : m->has_lost_records;
}
