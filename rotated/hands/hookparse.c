/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON that a hook is given and the JSON it gives. Apart from hookresult.c because the
 * names of jansson and of base/json.h do not go together in one file. */
#include "rotated/hands/hookresult.h"

#include <jansson.h>
#include <string.h>

/* Copies what fits and is fit to be shown. */
static void copy_plain(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; text[i] && i < size - 1; i++)
		out[i] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	out[i] = '\0';
}

static int parse_status(const char *word, enum hook_status *ret)
{
	for (unsigned i = 0; i < HOOK_STATUS_MAX_; i++) {
		if (strcmp(hook_status_word((enum hook_status)i), word) == 0) {
			*ret = (enum hook_status)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int parse_item(const json_t *value, struct hook_output *o)
{
	const char *name = json_string_value(json_object_get(value, "name"));
	const char *word = json_string_value(json_object_get(value, "status"));
	const char *detail = json_string_value(json_object_get(value, "detail"));
	enum hook_status status;
	struct hook_item *item;

	if (!name || !word || parse_status(word, &status) < 0)
		return -EBADMSG;
	o->any_pending |= status == HOOK_STATUS_PENDING;
	o->any_failed |= status == HOOK_STATUS_FAILED;
	if (o->count == HOOK_ITEMS_MAX)
		return 0;
	item = &o->items[o->count++];
	item->status = status;
	copy_plain(name, item->name, sizeof(item->name));
	copy_plain(detail ? detail : "", item->detail, sizeof(item->detail));
	return 0;
}

static int parse_serial(const json_t *value, struct hook_output *o)
{
	json_int_t n = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || n < 0 || n > UINT32_MAX)
		return -EBADMSG;
	o->has_serial = true;
	o->serial = (uint32_t)n;
	return 0;
}

static int parse_object(const json_t *top, struct hook_output *o)
{
	const json_t *list = json_object_get(top, "results");

	if (!json_is_object(top) || (list && !json_is_array(list)))
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		int r = parse_item(json_array_get(list, i), o);

		if (r < 0)
			return r;
	}
	return parse_serial(json_object_get(top, "serial"), o);
}

static bool is_blank(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			return false;
	return true;
}

int hook_output_parse(const void *data, size_t len, struct hook_output *ret)
{
	cleanup_free struct hook_output *o = NULL;
	json_t *top;
	int r;

	if (len > HOOK_STDOUT_MAX)
		return -EBADMSG;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	if (!is_blank(data, len)) {
		top = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
		if (!top)
			return -EBADMSG;
		r = parse_object(top, o);
		json_decref(top);
		if (r < 0)
			return r;
	}
	*ret = *o;
	return 0;
}

/* A value for the environment: it ends at a newline there, and it can not hold a NUL. */
static bool is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static void put(struct buf *out, const char *name, const char *value)
{
	if (value && is_line(value))
		buf_printf(out, "%s=%s\n", name, value);
}

static void put_change(struct buf *out, const json_t *change)
{
	const json_t *ttl = json_object_get(change, "ttl");

	put(out, "ROTATED_OP", json_string_value(json_object_get(change, "op")));
	put(out, "ROTATED_NAME", json_string_value(json_object_get(change, "name")));
	put(out, "ROTATED_VALUE", json_string_value(json_object_get(change, "value")));
	if (json_is_integer(ttl))
		buf_printf(out, "ROTATED_TTL=%lld\n", (long long)json_integer_value(ttl));
}

int hook_payload_environment(const void *data, size_t len, struct buf *out)
{
	json_t *top = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *changes = json_object_get(top, "changes");

	if (!json_is_object(top)) {
		json_decref(top);
		return -EBADMSG;
	}
	put(out, "ROTATED_ID", json_string_value(json_object_get(top, "id")));
	put(out, "ROTATED_DRY_RUN", json_is_true(json_object_get(top, "dry_run")) ? "1" : "0");
	if (json_array_size(changes) == 1)
		put_change(out, json_array_get(changes, 0));
	json_decref(top);
	return buf_error(out);
}
