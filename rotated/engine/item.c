/* SPDX-License-Identifier: BSD-2-Clause */
/* The item as a container: versions found, added, removed; selectors named. */
#include "rotated/engine/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void engine_item_init(struct engine_item *item, enum engine_kind kind, const char *id,
		      const struct moment *now)
{
	assert(strlen(id) < sizeof(item->id));
	*item = (struct engine_item){ .kind = kind, .seen = *now };
	memcpy(item->id, id, strlen(id) + 1);
}

const struct engine_version *engine_find(const struct engine_item *item, uint32_t version)
{
	for (uint32_t i = 0; i < item->count; i++)
		if (item->versions[i].version == version)
			return &item->versions[i];
	return NULL;
}

const struct engine_version *engine_find_name(const struct engine_item *item, const char *name)
{
	for (uint32_t i = 0; i < item->count; i++)
		if (strcmp(item->versions[i].name, name) == 0)
			return &item->versions[i];
	return NULL;
}

const struct engine_version *engine_find_phase(const struct engine_item *item,
					       enum engine_phase phase)
{
	for (uint32_t i = 0; i < item->count; i++)
		if (engine_state_phase(item->versions[i].state) == phase)
			return &item->versions[i];
	return NULL;
}

bool engine_is_standby(const struct engine_item *item, const struct engine_policy *policy,
		       const struct engine_version *v)
{
	return policy->has_standby && v->state == ENGINE_SOAKED && !v->is_urgent &&
	       !item->is_due && engine_find_phase(item, ENGINE_CURRENT);
}

struct engine_version *engine_version_find(struct engine_item *item, uint32_t version)
{
	const struct engine_version *v = engine_find(item, version);

	return v ? &item->versions[v - item->versions] : NULL;
}

struct engine_version *engine_version_find_phase(struct engine_item *item,
						 enum engine_phase phase)
{
	const struct engine_version *v = engine_find_phase(item, phase);

	return v ? &item->versions[v - item->versions] : NULL;
}

void engine_version_remove(struct engine_item *item, uint32_t version)
{
	struct engine_version *v = engine_version_find(item, version);
	struct engine_version *end = item->versions + item->count;

	if (!v)
		return;
	memmove(v, v + 1, (size_t)(end - v - 1) * sizeof(*v));
	item->count--;
	item->versions[item->count] = (struct engine_version){ 0 };
	if (item->job.version == version)
		item->job = (struct engine_job){ 0 };
}

/* 2026-11-23 as 20261123; 0 for a time that has no date. */
static uint32_t day_number(uint64_t wall)
{
	char text[CLOCK_TEXT_SIZE];
	uint32_t day = 0;

	clock_format(wall, text);
	for (const char *p = text; *p && *p != 'T'; p++)
		if (*p >= '0' && *p <= '9')
			day = day * 10 + (uint32_t)(*p - '0');
	return day;
}

/*
 * r20261123, then r20261123b … r20261123z, r20261123zb and so on. Day and turn only ever go up,
 * whatever the clock does, so no selector comes twice (a verifier may have cached the old one).
 */
static int name_selector(struct engine_item *item, const struct moment *now,
			 char ret[static ENGINE_NAME_SIZE])
{
	enum { LETTERS = 25 };
	uint32_t day = day_number(now->wall);
	uint32_t turn = 0;
	char tail[ENGINE_NAME_SIZE] = "";
	size_t n = 0;

	if (day <= item->last_day) {
		day = item->last_day;
		turn = item->last_turn + 1;
	}
	for (uint32_t left = turn; left > 0 && n < sizeof(tail) - 1;) {
		uint32_t step = left < LETTERS ? left : LETTERS;

		tail[n++] = (char)('a' + step);
		left -= step;
	}
	if (snprintf(ret, ENGINE_NAME_SIZE, "r%u%s", day, tail) >= ENGINE_NAME_SIZE)
		return -ENOSPC; /* more than a thousand keys on one day */
	item->last_day = day;
	item->last_turn = turn;
	return 0;
}

static int name_version(struct engine_item *item, const struct engine_policy *policy,
			const struct moment *now, char ret[static ENGINE_NAME_SIZE])
{
	int n;

	if (engine_kind_has_selectors(item->kind))
		return name_selector(item, now, ret);
	if (policy->is_stable)
		n = snprintf(ret, ENGINE_NAME_SIZE, "%s", item->id);
	else
		n = snprintf(ret, ENGINE_NAME_SIZE, "%s.%u", item->id, item->last_version + 1);
	return n < ENGINE_NAME_SIZE ? 0 : -ENOSPC;
}

int engine_plan(struct engine_item *item, const struct engine_policy *policy,
		const struct moment *now)
{
	struct engine_version *v = &item->versions[item->count];
	int r;

	if (item->count == ENGINE_VERSIONS_MAX || item->last_version == UINT32_MAX)
		return -ENOSPC;
	*v = (struct engine_version){ .state = ENGINE_PLANNED, .created = now->wall };
	r = name_version(item, policy, now, v->name);
	if (r < 0)
		return r;
	v->version = ++item->last_version;
	item->count++;
	item->is_due = false;
	return 0;
}
