/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/ldapentry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rotated/hands/printable.h"
#include "wire/attributes.h"
#include "wire/verbs.h"

bool ldap_uuid_take(const void *data, size_t len, char ret[static LDAP_UUID_LEN + 1])
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const unsigned char *p = data;

	if (len != LDAP_UUID_LEN)
		return false;
	for (size_t i = 0; i < LDAP_UUID_LEN; i++)
		if (shape[i] == 'x' ? !isxdigit(p[i]) : p[i] != '-')
			return false;
	for (size_t i = 0; i < LDAP_UUID_LEN; i++)
		ret[i] = (char)tolower(p[i]);
	ret[LDAP_UUID_LEN] = '\0';
	return true;
}

/* NAME, without its options, among the blank-separated ones. */
static bool is_wanted(const char *names, const struct berval *name)
{
	const char *end = memchr(name->bv_val, ';', name->bv_len);
	size_t len = end ? (size_t)(end - name->bv_val) : name->bv_len;

	for (names += strspn(names, " "); *names; names += strspn(names, " ")) {
		size_t word = strcspn(names, " ");

		if (word == len && strncasecmp(names, name->bv_val, len) == 0)
			return true;
		names += word;
	}
	return false;
}

static bool is_named(const struct berval *name, const char *text)
{
	return name->bv_len == strlen(text) &&
	       strncasecmp(name->bv_val, text, name->bv_len) == 0;
}

static void set_problem(struct ldap_entry *e, const char *text)
{
	if (!e->problem[0])
		(void)snprintf(e->problem, sizeof(e->problem), "%s", text);
}

static void put_attribute(struct ldap_entry *e, const struct berval *name, BerVarray values,
			  unsigned count)
{
	char text[ATTRIBUTE_NAME_MAX + 1];

	printable_copy(text, sizeof(text), name->bv_val, name->bv_len);
	if (name->bv_len > ATTRIBUTE_NAME_MAX || !attribute_name_is_valid(text)) {
		set_problem(e, "it has an attribute with a name that is none");
		return;
	}
	attributes_put(&e->attributes, text, count);
	for (unsigned i = 0; i < count; i++)
		attributes_put_value(&e->attributes, values[i].bv_val, values[i].bv_len);
}

static void take_attribute(struct ldap_entry *e, const char *names, const struct berval *name,
			   BerVarray values)
{
	unsigned count = 0;

	while (values && values[count].bv_val && count <= ATTRIBUTE_VALUES_MAX)
		count++;
	if (count == 0)
		return;
	if (count > ATTRIBUTE_VALUES_MAX)
		set_problem(e, "it has an attribute with too many values");
	else if (is_named(name, "entryUUID") && count == 1)
		(void)ldap_uuid_take(values[0].bv_val, values[0].bv_len, e->uuid);
	else if (is_named(name, "entryCSN") && count == 1)
		(void)ldap_csn_take(values[0].bv_val, values[0].bv_len, e->csn);
	else if (is_named(name, "modifyTimestamp") && count == 1)
		(void)ldap_time_take(values[0].bv_val, values[0].bv_len, e->time);
	if (is_wanted(names, name) && count <= ATTRIBUTE_VALUES_MAX)
		put_attribute(e, name, values, count);
}

/* The same reader that the vault will use has the last word. */
static void check_attributes(struct ldap_entry *e)
{
	static const uint8_t none[1];
	struct attributes list;
	int r = buf_error(&e->attributes);

	if (r == 0)
		r = attributes_parse(e->attributes.data ? e->attributes.data : none,
				     e->attributes.len, &list);
	if (r == -E2BIG)
		set_problem(e, "it is larger than 60 KiB, or has more than 64 attributes");
	else if (r == -EBADMSG)
		set_problem(e, "it has the same attribute twice");
	else if (r < 0)
		set_problem(e, "no memory");
}

int ldap_entry_take(LDAP *ld, LDAPMessage *m, const char *names, struct ldap_entry *ret)
{
	struct berval dn = { .bv_len = 0 }, name;
	BerElement *ber = NULL;
	BerVarray values = NULL;
	int r = ldap_get_dn_ber(ld, m, &ber, &dn);

	buf_clear(&ret->attributes);
	ret->attributes.max = ATTRIBUTES_BYTES_MAX;
	ret->uuid[0] = ret->csn[0] = ret->time[0] = ret->problem[0] = '\0';
	if (r == LDAP_SUCCESS)
		printable_copy(ret->dn, sizeof(ret->dn), dn.bv_val ? dn.bv_val : "", dn.bv_len);
	while (r == LDAP_SUCCESS) {
		r = ldap_get_attribute_ber(ld, m, ber, &name, &values);
		if (r != LDAP_SUCCESS || !name.bv_val)
			break;
		take_attribute(ret, names, &name, values);
		ber_memfree(values); /* what it points to is the message's own */
	}
	ber_free(ber, 0);
	check_attributes(ret);
	return r == LDAP_SUCCESS ? 0 : -EBADMSG;
}

int ldap_entry_frame(const struct ldap_entry *e, const char *id, struct buf *out)
{
	wire_begin_request(out, WIRE_WORKER_SYNC);
	frame_put_text(out, "id", id);
	frame_put_text(out, "op", e->problem[0] ? "broken" : "upsert");
	frame_put_text(out, "uuid", e->uuid);
	frame_put_text(out, "dn", e->dn);
	if (e->problem[0])
		frame_put_text(out, "problem", e->problem);
	else
		frame_put(out, "attributes",
			  e->attributes.data ? (const void *)e->attributes.data : "",
			  e->attributes.len);
	return frame_end(out);
}
