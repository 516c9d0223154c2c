/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook-changes: reads the JSON of the contract rotated-dns/1 (rotated-hooks(7)) on standard
 * input and prints it as lines of fields with tabs between, for hooks that are shell scripts:
 *
 *	zone	ZONE.	ID	DRY-RUN (0 or 1)
 *	set	NAME.	TTL	"FIRST 255 BYTES" "THE REST"
 *	absent	NAME.
 *
 * Names consist of letters, digits, '-', '_' and '.', and lie in the zone; the text is quoted
 * and escaped as a zone file wants it. So nothing that is printed can be mistaken for anything
 * else by sh, nsupdate(1) or a name server. It prints all or nothing. Exit status 78 and a
 * sentence on standard error for input that is not of the contract.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/text.h"

enum {
	EXIT_CONFIG = 78,
	INPUT_MAX = 128 * 1024,
	STRING_MAX = 255, /* bytes of one string of a TXT record */
	VALUE_MAX = 4096,
	NAME_MAX_ = DOMAIN_MAX + 1, /* with the last dot */
	TTL_MAX = 604800,
};

static const char contract[] = "rotated-dns/1";

static int refuse(const char *why)
{
	(void)fprintf(stderr, "hook-changes: %s\n", why);
	return -EINVAL;
}

static int read_input(struct buf *ret)
{
	for (;;) {
		uint8_t *p = buf_reserve(ret, 4096);
		ssize_t n;

		if (!p)
			return refuse("the input is too long");
		n = read(STDIN_FILENO, p, 4096);
		if (n < 0 && errno != EINTR)
			return refuse("the input can not be read");
		if (n == 0)
			return 0;
		if (n > 0)
			ret->len += (size_t)n;
	}
}

/* NAME ends with a dot, and so does each of its labels. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > NAME_MAX_ || name[len - 1] != '.')
		return false;
	while (*name) {
		size_t label = strspn(name, "abcdefghijklmnopqrstuvwxyz"
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

		if (label == 0 || label > LABEL_MAX || name[label] != '.')
			return false;
		name += label + 1;
	}
	return true;
}

static bool is_in_zone(const char *name, const char *zone)
{
	size_t n = strlen(name), z = strlen(zone);

	return n > z && name[n - z - 1] == '.' && strcasecmp(name + n - z, zone) == 0;
}

static int print_text(struct buf *out, const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > VALUE_MAX)
		return refuse("a value is empty or too long");
	for (size_t i = 0; i < len; i++) {
		if (value[i] < ' ' || value[i] > '~')
			return refuse("a value has a byte that is not printable ASCII");
		if (i % STRING_MAX == 0)
			buf_append_str(out, i == 0 ? "\"" : "\" \"");
		if (value[i] == '"' || value[i] == '\\')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)value[i]);
	}
	buf_append_byte(out, '"');
	return 0;
}

static int print_set(struct buf *out, const json_t *change, const char *name)
{
	const char *type = json_string_value(json_object_get(change, "type"));
	const char *value = json_string_value(json_object_get(change, "value"));
	const json_t *ttl = json_object_get(change, "ttl");

	if (!type || strcmp(type, "TXT") != 0)
		return refuse("a record is not of type TXT");
	if (!json_is_integer(ttl) || json_integer_value(ttl) < 0 ||
	    json_integer_value(ttl) > TTL_MAX)
		return refuse("a TTL is missing, or longer than a week");
	if (!value)
		return refuse("a value is missing");
	buf_printf(out, "set\t%s\t%d\t", name, (int)json_integer_value(ttl));
	return print_text(out, value);
}

static int print_change(struct buf *out, const json_t *change, const char *zone)
{
	const char *name = json_string_value(json_object_get(change, "name"));
	const char *op = json_string_value(json_object_get(change, "op"));
	int r = 0;

	if (!name || !is_name(name) || !is_in_zone(name, zone))
		return refuse("a name is missing, malformed or outside the zone");
	if (op && strcmp(op, "set") == 0)
		r = print_set(out, change, name);
	else if (op && strcmp(op, "absent") == 0)
		buf_printf(out, "absent\t%s", name);
	else
		r = refuse("an op is neither set nor absent");
	buf_append_byte(out, '\n');
	return r;
}

static int print_all(struct buf *out, const json_t *top)
{
	const char *form = json_string_value(json_object_get(top, "contract"));
	const char *zone = json_string_value(json_object_get(top, "zone"));
	const char *id = json_string_value(json_object_get(top, "id"));
	const json_t *changes = json_object_get(top, "changes");

	if (!form || strcmp(form, contract) != 0)
		return refuse("the input is not of the contract rotated-dns/1");
	if (!zone || !is_name(zone))
		return refuse("the zone is missing or malformed");
	if (!id || !*id || strpbrk(id, "\t\r\n"))
		return refuse("the id is missing or malformed");
	if (!json_is_array(changes))
		return refuse("the changes are missing");
	buf_printf(out, "zone\t%s\t%s\t%d\n", zone, id,
		   json_is_true(json_object_get(top, "dry_run")));
	for (size_t i = 0; i < json_array_size(changes); i++) {
		int r = print_change(out, json_array_get(changes, i), zone);

		if (r < 0)
			return r;
	}
	return buf_error(out);
}

int main(void)
{
	cleanup_buf struct buf in = BUF_INIT_MAX(INPUT_MAX);
	cleanup_buf struct buf out = BUF_INIT;
	json_t *top;
	int r = read_input(&in);

	if (r < 0)
		return EXIT_CONFIG;
	top = json_loadb((const char *)in.data, in.len, JSON_REJECT_DUPLICATES, NULL);
	r = top ? print_all(&out, top) : refuse("the input is not JSON");
	json_decref(top);
	if (r == 0)
		r = fs_write_all(STDOUT_FILENO, out.data, out.len);
	return r < 0 ? EXIT_CONFIG : EXIT_SUCCESS;
}
