/* SPDX-License-Identifier: BSD-2-Clause */
/* keys.def as a table, and where each key's value lives. Private to rotated/config. */
#ifndef ROTATED_CONFIG_KEYS_H
#define ROTATED_CONFIG_KEYS_H

#include "rotated/config/value.h"

/* What a file is about, and so which struct it fills. */
enum config_scope {
	SCOPE_MAIN,	/* struct config */
	SCOPE_SERVICE,	/* struct config_service */
	SCOPE_DOMAIN,	/* struct config_domain */
	SCOPE_UPSTREAM, /* struct config_provider */
	SCOPE_MAX_
};

enum config_apply { APPLY_RELOAD, APPLY_RESTART };

enum config_key {
#define KEY(section, key, type, default_, where, apply, description) KEY_##section##_##key,
#include "rotated/config/keys.def"
#undef KEY
	KEY_MAX_
};

struct key {
	const char *section;
	const char *name;
	enum value_type type;
	const char *default_text;
	unsigned where; /* bits 1 << enum config_scope */
	enum config_apply apply;
	const char *description;
	size_t offset; /* in the section's struct */
};

extern const struct key config_keys[KEY_MAX_];

/* KEY_MAX_ when SCOPE has no such key. */
enum config_key config_key_find(enum config_scope scope, const char *section, const char *name);

/* True when SCOPE has a section of that name. */
bool config_key_has_section(enum config_scope scope, const char *section);

/* Where KEY's value is in OBJECT, the struct of SCOPE. */
void *config_key_slot(enum config_key key, enum config_scope scope, void *object);

/* What to write instead of a section or a key that SCOPE does not have. */
void config_key_hint_section(enum config_scope scope, const char *section,
			     struct report *report);
void config_key_hint(enum config_scope scope, const char *section, const char *name,
		     struct report *report);

/* "services.d" for SCOPE_SERVICE, "rotated.conf" for SCOPE_MAIN. */
const char *config_scope_place(enum config_scope scope);

#endif
