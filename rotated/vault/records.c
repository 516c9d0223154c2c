/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/records.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"

static const struct {
	const char *kind;
	enum keystore_tier tier;
} kinds[] = {
#define RECORD(kind, tier) { kind, KEYSTORE_##tier },
#include "rotated/vault/records.def"
#undef RECORD
};

enum keystore_tier record_tier(const char *kind)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].kind, kind) != 0)
		i++;
	assert(i < ARRAY_SIZE(kinds));
	return kinds[i].tier;
}

static int check(const struct keystore_record *rec)
{
	if (rec->tier == record_tier(rec->id.kind))
		return 0;
	log_error("record %s %s is not in its tier: it was written by somebody who has not the "
		  "keys of that, and is not used: rotatectl store verify",
		  rec->id.kind, rec->id.name);
	return -EPROTO;
}

int record_get(const struct manager *m, const char *kind, const char *name,
	       struct keystore_record **ret)
{
	const struct keystore_id id = { RECORD_SPACE, kind, name };
	cleanup_record struct keystore_record *rec = NULL;
	int r = keystore_get(m->keystore, &id, &rec);

	if (r == 0)
		r = check(rec);
	if (r == 0)
		*ret = steal_ptr(rec);
	return r;
}

struct walk {
	keystore_visit_fn *visit;
	void *context;
};

static int visit_checked(void *context, const struct keystore_record *rec)
{
	const struct walk *w = context;
	int r = check(rec);

	return r < 0 ? r : w->visit(w->context, rec);
}

int record_foreach(const struct manager *m, const char *kind, keystore_visit_fn *visit,
		   void *context)
{
	struct walk w = { visit, context };

	return keystore_foreach(m->keystore, RECORD_SPACE, kind, visit_checked, &w);
}

int record_put(struct keystore_txn *txn, const struct keystore_record *rec)
{
	struct keystore_record own = *rec;

	own.tier = record_tier(rec->id.kind);
	return keystore_put(txn, &own, NULL);
}
