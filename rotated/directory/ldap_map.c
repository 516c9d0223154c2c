/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/directory/ldap_map.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/ini.h"

void ldap_values_release(struct ldap_values *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free((char *)(uintptr_t)v->items[i].field);
		free((char *)(uintptr_t)v->items[i].value);
	}
	free(v->items);
	*v = (struct ldap_values){ 0 };
}

int ldap_values_add(struct ldap_values *v, const char *field, const char *value)
{
	cleanup_free char *f = strdup(field);
	cleanup_free char *t = strdup(value);
	struct config_pair *items;
	size_t len = strlen(field) + strlen(value);

	if (v->n == LDAP_PAIRS_MAX || len > LDAP_VALUES_MAX - v->bytes)
		return -E2BIG;
	items = reallocarray(v->items, v->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	v->items = items;
	if (!f || !t)
		return -ENOMEM;
	items[v->n].field = steal_ptr(f);
	items[v->n++].value = steal_ptr(t);
	v->bytes += len;
	return 0;
}

bool ldap_values_equal(const struct ldap_values *a, const struct ldap_values *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i].field, b->items[i].field) != 0 ||
		    strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	return true;
}

bool ldap_uuid_is_valid(const char *s)
{
	size_t i;

	for (i = 0; s[i] && i < LDAP_UUID_SIZE; i++) {
		bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_hyphen ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
			return false;
	}
	return i == LDAP_UUID_SIZE - 1;
}

/* ---- values ---- */

/* Blanks around a value do not count in a file either. */
static int copy_text(const struct attribute_value *v, char *out, size_t size)
{
	const uint8_t *from = v->data;
	size_t len = v->len;

	while (len > 0 && (*from == ' ' || *from == '\t')) {
		from++;
		len--;
	}
	while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\t'))
		len--;
	if (len >= size)
		return -E2BIG;
	memcpy(out, from, len);
	out[len] = '\0';
	return strlen(out) == len && text_is_plain(out) ? 0 : -EBADMSG;
}

static int refuse_value(const char *attribute, int why, struct report *report)
{
	if (why == -E2BIG) {
		report_set(report, 0, "%s: the value is too long", attribute);
		report_hint(report, "at most %d bytes are taken", INI_LINE_MAX);
	} else {
		report_set(report, 0, "%s: the value is not plain text", attribute);
		report_hint(report, "it must be UTF-8 without control characters");
	}
	return -EBADMSG;
}

static const char *as_in_a_file(const struct config_mapped *f, const char *text)
{
	if (f->is_bool && strcmp(text, "TRUE") == 0)
		return "yes";
	if (f->is_bool && strcmp(text, "FALSE") == 0)
		return "no";
	return text;
}

static int take(const struct config_mapped *f, const struct attribute *a,
		struct ldap_values *ret, struct report *report)
{
	char text[INI_LINE_MAX + 1];
	struct attribute_value v;
	size_t offset = 0;
	int r = 0;

	if (a->count > 1 && !f->is_repeatable) {
		report_set(report, 0, "%s has %u values", f->attribute, a->count);
		report_hint(report, "leave one of them");
		return -EBADMSG;
	}
	while (r == 0 && attribute_next(a, &offset, &v)) {
		r = copy_text(&v, text, sizeof(text));
		if (r < 0)
			return refuse_value(f->attribute, r, report);
		r = ldap_values_add(ret, f->field, as_in_a_file(f, text));
	}
	if (r == -E2BIG) {
		report_set(report, 0, "%s: the values are too many or too long", f->attribute);
		report_hint(report, "at most %d values and %d bytes are taken of one entry",
			    LDAP_PAIRS_MAX, LDAP_VALUES_MAX);
		r = -EBADMSG;
	}
	return r;
}

static int take_id(const struct config_mapped *f, const struct attributes *attributes,
		   char ret[static SERVICE_ID_MAX + 1], struct report *report)
{
	char text[INI_LINE_MAX + 1];
	struct attribute_value v;
	struct attribute a;
	size_t offset = 0;
	int r;

	if (!f->attribute[0] || !attributes_find(attributes, f->attribute, &a) ||
	    !attribute_next(&a, &offset, &v)) {
		report_set(report, 0, "there is no %s, which would be the service's id",
			   f->attribute[0] ? f->attribute : "attribute for service");
		report_hint(report, "add it, or see map= in [ldap] of rotated.conf(5)");
		return -EBADMSG;
	}
	if (a.count > 1) {
		report_set(report, 0, "%s has %u values", f->attribute, a.count);
		report_hint(report, "a service has one id: leave one of them");
		return -EBADMSG;
	}
	r = copy_text(&v, text, sizeof(text));
	if (r < 0)
		return refuse_value(f->attribute, r, report);
	if (!text_is_service_id(text)) {
		report_set(report, 0, "%s = %.64s: not a service id", f->attribute, text);
		report_hint(report, "use 1 to %d of a-z, 0-9 and '-', as in billing",
			    SERVICE_ID_MAX);
		return -EBADMSG;
	}
	memcpy(ret, text, strlen(text) + 1); /* it fits */
	return 0;
}

int ldap_map(const struct config_ldap *ldap, const struct attributes *attributes,
	     char ret_id[static SERVICE_ID_MAX + 1], struct ldap_values *ret,
	     struct report *report)
{
	struct config_mapped fields[CONFIG_FIELDS_MAX];
	size_t n = config_ldap_fields(ldap, fields);
	cleanup_ldap_values struct ldap_values values = { 0 };
	char id[SERVICE_ID_MAX + 1];
	int r = take_id(&fields[0], attributes, id, report);

	for (size_t i = 1; i < n && r == 0; i++) {
		struct attribute a;

		if (attributes_find(attributes, fields[i].attribute, &a))
			r = take(&fields[i], &a, &values, report);
	}
	if (r < 0)
		return r;
	memcpy(ret_id, id, sizeof(id));
	*ret = values;
	values = (struct ldap_values){ 0 };
	return 0;
}

static bool is_no(const struct attribute_value *v)
{
	char text[8];
	bool value;

	if (copy_text(v, text, sizeof(text)) < 0)
		return false;
	return strcasecmp(text, "FALSE") == 0 || (text_to_bool(text, &value) == 0 && !value);
}

bool ldap_map_disables(const struct config_ldap *ldap, const struct attributes *attributes)
{
	struct config_mapped fields[CONFIG_FIELDS_MAX];
	size_t n = config_ldap_fields(ldap, fields);

	for (size_t i = 1; i < n; i++) {
		struct attribute_value v;
		struct attribute a;
		size_t offset = 0;

		if (strcmp(fields[i].field, LDAP_FIELD_ENABLED) != 0 ||
		    !attributes_find(attributes, fields[i].attribute, &a))
			continue;
		while (attribute_next(&a, &offset, &v))
			if (is_no(&v))
				return true;
	}
	return false;
}

/* ---- judging ---- */

/* The attribute that the pair LINE came from, as far as the map still says so. */
static void name_attribute(struct config *c, const struct ldap_values *values, unsigned line,
			   char ret[static CONFIG_ATTRIBUTE_MAX + 1])
{
	struct config_mapped fields[CONFIG_FIELDS_MAX];
	size_t n = config_ldap_fields(&c->ldap, fields);

	ret[0] = '\0';
	for (size_t i = 0; line > 0 && line <= values->n && i < n; i++)
		if (strcmp(fields[i].field, values->items[line - 1].field) == 0)
			(void)snprintf(ret, CONFIG_ATTRIBUTE_MAX + 1, "%s",
				       fields[i].attribute); /* it fits */
}

int ldap_judge(struct config *c, const struct ldap_origin *origin, struct config_service *ret,
	       struct report *report)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	char attribute[CONFIG_ATTRIBUTE_MAX + 1];
	struct config_source source = {
		.id = origin->id,
		.where = origin->dn,
		.pairs = origin->values->items,
		.n = origin->values->n,
	};
	int r = config_service_make(c, &source, ret, &errors);

	if (r != -EBADMSG || errors.n == 0)
		return r;
	name_attribute(c, origin->values, errors.items[0].line, attribute);
	report_set(report, 0, "%s%s%s", attribute, attribute[0] ? ": " : "",
		   errors.items[0].what);
	report_hint(report, "%s", errors.items[0].hint);
	return r;
}
