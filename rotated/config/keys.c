/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/config/keys.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/suggest.h"

#define MAIN	 (1U << SCOPE_MAIN)
#define SERVICE	 (1U << SCOPE_SERVICE)
#define DOMAIN	 (1U << SCOPE_DOMAIN)
#define UPSTREAM (1U << SCOPE_UPSTREAM)
#define RELOAD	 APPLY_RELOAD
#define RESTART	 APPLY_RESTART

/* The member that a row names has the C type that its value type fills. */
#define CTYPE(type, ctype, name) typedef ctype ctype_##type;
VALUE_TYPES(CTYPE)
#undef CTYPE
#define KEY(section, key, type, default_, where, apply, description)                           \
	_Static_assert(                                                                        \
		__builtin_types_compatible_p(                                                  \
			__typeof__(((struct config_##section *)NULL)->key), ctype_##type),     \
		#section "." #key " is not a " #type);
#include "rotated/config/keys.def"
#undef KEY

const struct key config_keys[KEY_MAX_] = {
#define KEY(section, key, type, default_, where, apply, description)                           \
	[KEY_##section##_##key] = { #section,	  #key,                                        \
				    VALUE_##type, default_,                                    \
				    where,	  apply,                                       \
				    description,  offsetof(struct config_##section, key) },
#include "rotated/config/keys.def"
#undef KEY
};

enum { NOWHERE = -1 };

/* Where a section's struct is in the struct of each scope. */
static const struct section {
	const char *name;
	ptrdiff_t offset[SCOPE_MAX_];
} sections[] = {
	{ "keystore", { offsetof(struct config, keystore), NOWHERE, NOWHERE, NOWHERE } },
	{ "vault", { offsetof(struct config, vault), NOWHERE, NOWHERE, NOWHERE } },
	{ "unlock", { offsetof(struct config, unlock), NOWHERE, NOWHERE, NOWHERE } },
	{ "door", { offsetof(struct config, door), NOWHERE, NOWHERE, NOWHERE } },
	{ "engine", { offsetof(struct config, engine), NOWHERE, NOWHERE, NOWHERE } },
	{ "ldap", { offsetof(struct config, ldap), NOWHERE, NOWHERE, NOWHERE } },
	{ "password",
	  { offsetof(struct config, password), offsetof(struct config_service, password),
	    NOWHERE, NOWHERE } },
	{ "ca", { offsetof(struct config, ca), NOWHERE, NOWHERE, NOWHERE } },
	{ "certificate",
	  { offsetof(struct config, certificate), offsetof(struct config_service, certificate),
	    NOWHERE, NOWHERE } },
	{ "dkim",
	  { offsetof(struct config, dkim), NOWHERE, offsetof(struct config_domain, dkim),
	    NOWHERE } },
	{ "dns",
	  { offsetof(struct config, dns), NOWHERE, offsetof(struct config_domain, dns),
	    NOWHERE } },
	{ "service", { NOWHERE, 0, NOWHERE, NOWHERE } },
	{ "domain", { NOWHERE, NOWHERE, 0, NOWHERE } },
	{ "upstream",
	  { offsetof(struct config, upstream), NOWHERE, NOWHERE,
	    offsetof(struct config_provider, upstream) } },
};

static const struct section *find_section(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strcmp(sections[i].name, name) == 0)
			return &sections[i];
	return NULL;
}

bool config_key_has_section(enum config_scope scope, const char *section)
{
	const struct section *s = find_section(section);

	return s && s->offset[scope] != NOWHERE;
}

enum config_key config_key_find(enum config_scope scope, const char *section, const char *name)
{
	for (unsigned i = 0; i < KEY_MAX_; i++)
		if (config_keys[i].where & 1U << scope &&
		    strcmp(config_keys[i].section, section) == 0 &&
		    strcmp(config_keys[i].name, name) == 0)
			return (enum config_key)i;
	return KEY_MAX_;
}

void *config_key_slot(enum config_key key, enum config_scope scope, void *object)
{
	const struct section *s = find_section(config_keys[key].section);

	assert(s && s->offset[scope] != NOWHERE); /* every row names a section of its scopes */
	return (char *)object + s->offset[scope] + config_keys[key].offset;
}

const char *config_scope_place(enum config_scope scope)
{
	static const char *const places[SCOPE_MAX_] = {
		[SCOPE_MAIN] = "rotated.conf",
		[SCOPE_SERVICE] = "services.d",
		[SCOPE_DOMAIN] = "domains.d",
		[SCOPE_UPSTREAM] = "upstreams.d",
	};

	return places[scope];
}

void config_key_hint_section(enum config_scope scope, const char *section,
			     struct report *report)
{
	const char *names[ARRAY_SIZE(sections)];
	const struct section *known = find_section(section);
	const char *nearest;
	size_t n = 0;

	for (unsigned i = 0; known && i < SCOPE_MAX_; i++)
		if (known->offset[i] != NOWHERE) {
			report_hint(report, "[%s] belongs in %s.", section,
				    config_scope_place((enum config_scope)i));
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].offset[scope] != NOWHERE)
			names[n++] = sections[i].name;
	nearest = suggest_nearest(section, names, n);
	if (nearest)
		report_hint(report, "Did you mean [%s]?", nearest);
	else
		report_hint(report, "The sections are listed in rotated.conf(5).");
}

/* A key of that very name which stands elsewhere; KEY_MAX_ when there is none. */
static enum config_key find_elsewhere(enum config_scope scope, const char *section,
				      const char *name)
{
	enum config_key found = KEY_MAX_;

	for (unsigned i = 0; i < KEY_MAX_; i++) {
		if (strcmp(config_keys[i].name, name) != 0)
			continue;
		if (strcmp(config_keys[i].section, section) == 0)
			return (enum config_key)i;
		if (found == KEY_MAX_ && config_keys[i].where & 1U << scope)
			found = (enum config_key)i;
	}
	return found;
}

void config_key_hint(enum config_scope scope, const char *section, const char *name,
		     struct report *report)
{
	enum config_key elsewhere = find_elsewhere(scope, section, name);
	const char *names[KEY_MAX_];
	const char *nearest;
	size_t n = 0;

	for (unsigned i = 0; i < KEY_MAX_; i++)
		if (config_keys[i].where & 1U << scope &&
		    strcmp(config_keys[i].section, section) == 0)
			names[n++] = config_keys[i].name;
	nearest = suggest_nearest(name, names, n);
	if (nearest)
		report_hint(report, "Did you mean %s?", nearest);
	else if (elsewhere != KEY_MAX_)
		report_hint(report, "%s belongs in [%s].", name,
			    config_keys[elsewhere].section);
	else
		report_hint(report, "The keys of [%s] are listed in rotated.conf(5).", section);
}
