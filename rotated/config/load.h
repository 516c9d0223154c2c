/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the loader share. Private to rotated/config. */
#ifndef ROTATED_CONFIG_LOAD_H
#define ROTATED_CONFIG_LOAD_H

#include "rotated/config/keys.h"

/* Where a value was written; no file for a default. Files outlive the loader. */
struct origin {
	const char *file; /* borrowed from the loader */
	unsigned line;
	unsigned column;
	bool is_bad; /* what was written there was refused; the value is an older one */
};

struct loader {
	struct config *config;
	struct config_errors *errors;
	struct value_context values;
	struct origin origins[KEY_MAX_]; /* of SCOPE_MAIN */
	struct config_words files;	 /* every path that an origin may name */
};

/* One struct while files fill it. */
struct target {
	struct loader *loader;
	enum config_scope scope;
	void *object;
	struct origin *origins; /* KEY_MAX_ of them */
	const char *file;	/* being read; one of loader->files */
	size_t n_own_settings;	/* of the file being read */
};

/* Adds REPORT to the errors. 0 or -ENOMEM. */
must_check int config_loader_tell(struct loader *loader, const struct report *report);

/* Reads one file into TARGET; TARGET->file names it. Errors in it are told: 0 or -ENOMEM. */
must_check int config_target_read(struct target *target);

/* Reads one entry, which need not come from a file. As above. */
struct ini_item;
must_check int config_target_take(struct target *target, const struct ini_item *item);

/* Fills a zeroed TARGET with the default of every key; those that MAIN has too come from there,
 * with their origins. MAIN is NULL for SCOPE_MAIN itself. */
must_check int config_target_inherit(struct target *target, struct config *main);

/*
 * Rules over the values that TARGET has in the end. Only what its own files wrote is told, so
 * that a bad default is reported where it stands and not for each heir. 0 or -ENOMEM.
 */
must_check int config_rules_check(struct target *target);

/* The part of it that is about [ldap]. */
must_check int config_rules_check_ldap(const struct target *target);
/* The same of upstreams.d: of one, and of all against each other. */
must_check int config_rules_check_upstream(const struct target *t);
must_check int config_rules_check_destinations(struct loader *l);

/* Puts a flag and the least span in the place of VALUE_SOAK_AUTO. */
void config_rules_resolve_soak(struct config_dkim *dkim);

#endif
