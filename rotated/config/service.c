/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/config/service.h"

#include <stdio.h>
#include <string.h>

#include "base/ini.h"
#include "base/suggest.h"
#include "rotated/config/load.h"

static bool is_field(unsigned key)
{
	return config_keys[key].where & 1U << SCOPE_SERVICE;
}

/* The key that FIELD names, or KEY_MAX_. */
static enum config_key find_key(const char *field)
{
	for (unsigned i = 0; i < KEY_MAX_; i++) {
		char full[2 * INI_NAME_MAX + 2];

		if (!is_field(i))
			continue;
		(void)snprintf(full, sizeof(full), "%s.%s", config_keys[i].section,
			       config_keys[i].name); /* it fits */
		if (strcmp(field, config_keys[i].name) == 0 || strcmp(field, full) == 0)
			return (enum config_key)i;
	}
	return KEY_MAX_;
}

bool config_service_has_field(const char *field)
{
	return strcmp(field, CONFIG_FIELD_ID) == 0 || find_key(field) != KEY_MAX_;
}

void config_service_hint_field(const char *field, struct report *report)
{
	const char *names[KEY_MAX_ + 1] = { CONFIG_FIELD_ID };
	const char *nearest;
	size_t n = 1;

	for (unsigned i = 0; i < KEY_MAX_; i++)
		if (is_field(i))
			names[n++] = config_keys[i].name;
	nearest = suggest_nearest(field, names, n);
	if (nearest)
		report_hint(report, "Did you mean %s?", nearest);
	else
		report_hint(report, "The fields are service, and the keys of services.d.");
}

/* ---- the map ---- */

static void append_camel(char *out, size_t size, const char *words)
{
	size_t n = strlen(out);
	bool is_first = true;

	for (; *words && n + 1 < size; words++) {
		if (*words == '_') {
			is_first = true;
			continue;
		}
		out[n++] = is_first && *words >= 'a' && *words <= 'z'
				   ? (char)(*words - 'a' + 'A')
				   : *words;
		is_first = false;
	}
	out[n] = '\0';
}

/* rotatedEnabled, rotatedPasswordSchedule; what the world has a name for has that one. */
static void name_attribute(const struct key *key, char out[static CONFIG_ATTRIBUTE_MAX + 1])
{
	bool is_plain = strcmp(key->section, "service") == 0;

	if (is_plain && strcmp(key->name, "description") == 0) {
		(void)snprintf(out, CONFIG_ATTRIBUTE_MAX + 1, "description");
		return;
	}
	(void)snprintf(out, CONFIG_ATTRIBUTE_MAX + 1, "rotated");
	if (!is_plain)
		append_camel(out, CONFIG_ATTRIBUTE_MAX + 1, key->section);
	append_camel(out, CONFIG_ATTRIBUTE_MAX + 1, key->name);
}

/* Where a rule of `map` is about the same key as KEY, its attribute takes the place. */
static void apply_rules(const struct config_ldap *ldap, enum config_key key,
			struct config_mapped *f)
{
	for (size_t i = 0; i < ldap->map.n; i++) {
		const char *equals = strchr(ldap->map.items[i], '=');
		char field[CONFIG_FIELD_SIZE];

		(void)snprintf(field, sizeof(field), "%.*s", (int)(equals - ldap->map.items[i]),
			       ldap->map.items[i]);
		if (strcmp(field, CONFIG_FIELD_ID) == 0 ? key == KEY_MAX_
							: find_key(field) == key)
			(void)snprintf(f->attribute, sizeof(f->attribute), "%s", equals + 1);
	}
}

size_t config_ldap_fields(const struct config_ldap *ldap,
			  struct config_mapped ret[static CONFIG_FIELDS_MAX])
{
	size_t n = 0;

	ret[n] = (struct config_mapped){ .field = CONFIG_FIELD_ID,
					 .attribute = "rotatedServiceId" };
	apply_rules(ldap, KEY_MAX_, &ret[n++]);
	for (unsigned i = 0; i < KEY_MAX_ && n < CONFIG_FIELDS_MAX; i++) {
		const struct key *key = &config_keys[i];
		struct config_mapped *f = &ret[n];

		if (!is_field(i))
			continue;
		*f = (struct config_mapped){ .is_repeatable =
						     config_value_is_repeatable(key->type),
					     .is_bool = key->type == VALUE_BOOL };
		(void)snprintf(f->field, sizeof(f->field), "%s.%s", key->section,
			       key->name); /* it fits */
		name_attribute(key, f->attribute);
		apply_rules(ldap, (enum config_key)i, f);
		n += f->attribute[0] != '\0';
	}
	return n;
}

/* ---- judging ---- */

static int take(struct target *t, const struct config_pair *pair, unsigned line)
{
	enum config_key key = find_key(pair->field);
	struct ini_item item = { .kind = INI_ENTRY, .value = pair->value, .line = line };

	if (key == KEY_MAX_)
		return 0; /* an older or newer rotated knew it */
	item.section = config_keys[key].section;
	item.key = config_keys[key].name;
	return config_target_take(t, &item);
}

static int fill(struct target *t, struct config *c, const struct config_source *source)
{
	int r = config_target_inherit(t, c);

	for (size_t i = 0; i < source->n && r >= 0; i++)
		r = take(t, &source->pairs[i], (unsigned)i + 1);
	return r < 0 ? r : config_rules_check(t);
}

int config_service_make(struct config *c, const struct config_source *source,
			struct config_service *ret, struct config_errors *errors)
{
	cleanup_free struct origin *origins = calloc(KEY_MAX_, sizeof(*origins));
	struct loader loader = { .config = c, .errors = errors };
	struct config_service s = { 0 };
	struct target t = { .loader = &loader, .scope = SCOPE_SERVICE, .object = &s };
	int r;

	if (!origins)
		return -ENOMEM;
	loader.values = (struct value_context){ .root = c->root };
	t.origins = origins;
	t.file = source->where;
	(void)snprintf(s.id, sizeof(s.id), "%s", source->id);
	s.file = strdup(source->where);
	r = s.file ? fill(&t, c, source) : -ENOMEM;
	if (r >= 0 && errors->n)
		r = -EBADMSG;
	if (r < 0) {
		config_service_release(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void config_service_release(struct config_service *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < KEY_MAX_; i++)
		if (is_field(i))
			config_value_release(
				config_keys[i].type,
				config_key_slot((enum config_key)i, SCOPE_SERVICE, s));
	free(s->file);
	*s = (struct config_service){ 0 };
}
