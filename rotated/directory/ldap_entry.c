/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/directory/ldap_entry.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/ini.h"

void ldap_entry_free(struct ldap_entry *e)
{
	if (!e)
		return;
	free(e->dn);
	free(e->problem);
	free(e->hint);
	ldap_values_release(&e->values);
	config_service_release(&e->service);
	free(e);
}

struct ldap_entry *ldap_entry_new(const char *uuid, const char *dn)
{
	cleanup_ldap_entry struct ldap_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	(void)snprintf(e->uuid, sizeof(e->uuid), "%s", uuid); /* it fits */
	e->dn = strdup(dn);
	return e->dn ? steal_ptr(e) : NULL;
}

void ldap_entry_blame(struct ldap_entry *e, const struct report *report)
{
	free(e->problem);
	free(e->hint);
	e->problem = report ? strdup(report->what) : NULL;
	e->hint = report ? strdup(report->hint) : NULL;
}

int ldap_entry_judge(struct ldap_entry *e, struct config *c)
{
	const struct ldap_origin origin = { e->id, e->dn, &e->values };
	struct config_service service = { 0 };
	struct report report = { 0 };
	int r = ldap_judge(c, &origin, &service, &report);

	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		config_service_release(&e->service);
		e->service = service;
		e->is_usable = true;
	}
	ldap_entry_blame(e, r < 0 ? &report : NULL);
	return 0;
}

/* Without what does not fit. -EBADMSG when nothing does. */
static int make_of_the_rest(const struct ldap_entry *e, struct config *c,
			    struct config_service *ret)
{
	struct config_pair pairs[LDAP_PAIRS_MAX];
	struct config_source source = {
		.id = e->id, .where = e->dn, .pairs = pairs, .n = e->values.n
	};
	int r = -EBADMSG;

	if (source.n > 0)
		memcpy(pairs, e->values.items, source.n * sizeof(*pairs));
	for (;;) {
		cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
		size_t bad;

		r = config_service_make(c, &source, ret, &errors);
		if (r != -EBADMSG || source.n == 0)
			return r;
		/* what can not be told apart goes from the end: `enabled` is put first */
		bad = errors.n > 0 ? errors.items[0].line : 0;
		if (bad == 0 || bad > source.n)
			bad = source.n;
		memmove(pairs + bad - 1, pairs + bad, (source.n - bad) * sizeof(*pairs));
		source.n--;
	}
}

static bool says_no(const struct ldap_values *v)
{
	bool value;

	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->items[i].field, LDAP_FIELD_ENABLED) == 0 &&
		    (text_to_bool(v->items[i].value, &value) < 0 || !value))
			return true;
	return false;
}

int ldap_entry_judge_stored(struct ldap_entry *e, struct config *c)
{
	struct config_service service = { 0 };
	int r = ldap_entry_judge(e, c);

	if (r < 0 || e->is_usable)
		return r;
	r = make_of_the_rest(e, c, &service);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	service.enabled &= !says_no(&e->values);
	config_service_release(&e->service);
	e->service = service;
	e->is_usable = true;
	return 0;
}

int ldap_entry_disable(struct ldap_entry *e, const struct ldap_entry *last, struct config *c)
{
	cleanup_ldap_values struct ldap_values values = { 0 };
	char *problem, *hint;
	int r;

	if (!last || !last->is_usable)
		return 0; /* nothing of it is in force */
	r = ldap_values_add(&values, LDAP_FIELD_ENABLED, "no");
	for (size_t i = 0; r == 0 && i < last->values.n; i++) {
		const struct config_pair *p = &last->values.items[i];

		if (strcmp(p->field, LDAP_FIELD_ENABLED) != 0)
			r = ldap_values_add(&values, p->field, p->value);
	}
	if (r < 0 && r != -E2BIG) /* the last of as many as there may be */
		return r;
	ldap_values_release(&e->values);
	e->values = values;
	values = (struct ldap_values){ 0 };
	memcpy(e->id, last->id, sizeof(e->id));
	problem = steal_ptr(e->problem);
	hint = steal_ptr(e->hint);
	r = ldap_entry_judge_stored(e, c);
	ldap_entry_blame(e, NULL);
	e->problem = problem;
	e->hint = hint;
	return r;
}

bool ldap_entry_equal(const struct ldap_entry *a, const struct ldap_entry *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->dn, b->dn) == 0 &&
	       ldap_values_equal(&a->values, &b->values);
}

/*
 * u8 format, u64 serial, u64 age and the three parts of a moment, then texts, each a u16 length
 * and its bytes: uuid, id, dn, and field and value of each pair to the end.
 */
static void put_text(struct buf *out, const char *s)
{
	buf_append_be16(out, (uint16_t)strlen(s));
	buf_append_str(out, s);
}

void ldap_entry_encode(const struct ldap_entry *e, struct buf *out)
{
	buf_append_byte(out, LDAP_ENTRY_FORMAT);
	buf_append_be64(out, e->serial);
	buf_append_be64(out, e->gone_age);
	buf_append_be64(out, e->gone_seen.wall);
	buf_append_be64(out, e->gone_seen.boot);
	buf_append(out, e->gone_seen.boot_id, BOOT_ID_LEN);
	put_text(out, e->uuid);
	put_text(out, e->id);
	put_text(out, e->dn);
	for (size_t i = 0; i < e->values.n; i++) {
		put_text(out, e->values.items[i].field);
		put_text(out, e->values.items[i].value);
	}
}

struct cursor {
	const uint8_t *data;
	size_t len;
};

static int take_text(struct cursor *c, char *ret, size_t size)
{
	size_t len;

	if (c->len < 2)
		return -EBADMSG;
	len = load_be16(c->data);
	if (len > c->len - 2 || len >= size)
		return -EBADMSG;
	memcpy(ret, c->data + 2, len);
	ret[len] = '\0';
	c->data += 2 + len;
	c->len -= 2 + len;
	return strlen(ret) == len && text_is_plain(ret) ? 0 : -EBADMSG;
}

static int take_pairs(struct cursor *c, struct ldap_values *ret)
{
	char field[CONFIG_FIELD_SIZE], value[INI_LINE_MAX + 1];

	while (c->len > 0) {
		int r = take_text(c, field, sizeof(field));

		if (r == 0)
			r = take_text(c, value, sizeof(value));
		if (r == 0)
			r = ldap_values_add(ret, field, value);
		if (r < 0)
			return r == -ENOMEM ? r : -EBADMSG;
	}
	return 0;
}

enum { HEAD_LEN = 1 + 4 * 8 + BOOT_ID_LEN };

int ldap_entry_decode(const uint8_t *data, size_t len, struct ldap_entry **ret)
{
	cleanup_ldap_entry struct ldap_entry *e = NULL;
	char uuid[LDAP_UUID_SIZE], dn[LDAP_DN_MAX + 1], id[SERVICE_ID_MAX + 1];
	struct cursor c = { data + HEAD_LEN, len - HEAD_LEN };

	if (len < HEAD_LEN || data[0] != LDAP_ENTRY_FORMAT)
		return -EBADMSG;
	if (take_text(&c, uuid, sizeof(uuid)) < 0 || !ldap_uuid_is_valid(uuid) ||
	    take_text(&c, id, sizeof(id)) < 0 || !text_is_service_id(id) ||
	    take_text(&c, dn, sizeof(dn)) < 0)
		return -EBADMSG;
	e = ldap_entry_new(uuid, dn);
	if (!e)
		return -ENOMEM;
	memcpy(e->id, id, sizeof(id));
	e->serial = load_be64(data + 1);
	e->gone_age = load_be64(data + 9);
	e->gone_seen.wall = load_be64(data + 17);
	e->gone_seen.boot = load_be64(data + 25);
	memcpy(e->gone_seen.boot_id, data + 33, BOOT_ID_LEN);
	int r = take_pairs(&c, &e->values);
	if (r < 0)
		return r;
	e->is_stored = true;
	e->gone_stored = e->gone_seen;
	*ret = steal_ptr(e);
	return 0;
}
