/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/upstream.h"

#include <jansson.h>
#include <malloc.h>
#include <string.h>

enum { INPUT_MAX = 64 * 1024, TELLING_MIN = 6, TELLING_PIECE = 8 };

static void wipe_and_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* NULL for what is no JSON object. The parser's own copies are wiped when they go. */
static json_t *load(const void *data, size_t len)
{
	json_t *top;

	if (len > INPUT_MAX)
		return NULL;
	json_set_alloc_funcs(malloc, wipe_and_free);
	top = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(top)) {
		json_decref(top);
		return NULL;
	}
	return top;
}

/* [!-~]{1,MAX}, without the characters in EXCEPT. */
static bool is_word(const char *s, size_t max, const char *except)
{
	size_t len = strlen(s);

	if (len == 0 || len > max || strpbrk(s, except))
		return false;
	for (; *s; s++)
		if (*s < '!' || *s > '~')
			return false;
	return true;
}

/* NULL, or what member NAME of TOP says; -EBADMSG when it says no text. null is as if absent.
 */
static int get_text(const json_t *top, const char *name, const char **ret)
{
	const json_t *value = json_object_get(top, name);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return -EBADMSG;
	*ret = json_string_value(value);
	return 0;
}

static int get_word(const json_t *top, const char *name, const char *except, char *ret,
		    size_t size)
{
	const char *text;
	int r = get_text(top, name, &text);

	if (r < 0 || !text)
		return r;
	if (!is_word(text, size - 1, except))
		return -EBADMSG;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int get_secret(const json_t *top, struct secret **ret)
{
	const char *text;
	int r = get_text(top, "secret", &text);

	if (r < 0 || !text)
		return r;
	if (!is_word(text, UPSTREAM_SECRET_MAX, ""))
		return -EBADMSG;
	*ret = secret_new(text, strlen(text));
	return *ret ? 0 : -ENOMEM;
}

static int get_credential(const json_t *value, struct buf *ret)
{
	const json_t *version = json_object_get(value, "version");
	char id[UPSTREAM_CREDENTIAL_MAX + 1] = "";
	json_int_t n = json_integer_value(version);

	if (get_word(value, "id", "", id, sizeof(id)) < 0 || !id[0] ||
	    (version && !json_is_null(version) && !json_is_integer(version)) || n < 0 ||
	    n > UINT32_MAX)
		return -EBADMSG;
	buf_printf(ret, "%lld %s\n", (long long)n, id);
	return buf_error(ret);
}

static int get_credentials(const json_t *top, struct buf *ret)
{
	const json_t *list = json_object_get(top, "credentials");

	if (list && (!json_is_array(list) || json_array_size(list) > UPSTREAM_LISTED_MAX))
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		int r = get_credential(json_array_get(list, i), ret);

		if (r < 0)
			return r;
	}
	return 0;
}

static int get_status(const json_t *top, struct upstream_output *o)
{
	const char *status, *detail;
	size_t i;

	if (get_text(top, "status", &status) < 0 || get_text(top, "detail", &detail) < 0)
		return -EBADMSG;
	o->is_pending = status && strcmp(status, "pending") == 0;
	if (status && !o->is_pending && strcmp(status, "ok") != 0)
		return -EBADMSG;
	if (!detail || upstream_line_tells(detail, o->secret))
		return 0;
	for (i = 0; detail[i] && i < UPSTREAM_DETAIL_MAX; i++)
		o->detail[i] = (char)(detail[i] < ' ' || detail[i] > '~' ? '?' : detail[i]);
	return 0;
}

static bool is_blank(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			return false;
	return true;
}

static int parse(const json_t *top, struct upstream_output *o)
{
	int r = get_word(top, "user", ":", o->user, sizeof(o->user));

	if (r == 0)
		r = get_word(top, "id", "", o->credential, sizeof(o->credential));
	if (r == 0)
		r = get_secret(top, &o->secret);
	if (r == 0)
		r = get_credentials(top, &o->credentials);
	if (r == 0)
		r = get_status(top, o);
	return r;
}

int upstream_output_parse(const void *data, size_t len, struct upstream_output *ret)
{
	struct upstream_output o = { 0 };
	json_t *top;
	int r;

	*ret = o;
	if (is_blank(data, len))
		return 0;
	top = load(data, len);
	if (!top)
		return -EBADMSG;
	r = parse(top, &o);
	json_decref(top);
	if (r < 0)
		upstream_output_release(&o);
	*ret = o;
	return r;
}

void upstream_output_release(struct upstream_output *o)
{
	secret_free(o->secret);
	buf_release(&o->credentials);
	*o = (struct upstream_output){ 0 };
}

int upstream_payload_secret(const void *data, size_t len, struct secret **ret)
{
	json_t *top = load(data, len);
	const char *text;
	int r;

	if (!top)
		return -EBADMSG;
	r = get_text(top, "secret", &text);
	if (r == 0 && !text)
		r = -ENOENT;
	if (r == 0) {
		*ret = secret_new(text, strlen(text));
		r = *ret ? 0 : -ENOMEM;
	}
	json_decref(top);
	return r;
}

/* A secret of a few characters would be found in any line; of a longer one a piece is enough,
 * as whoever prints it may cut it. */
bool upstream_line_tells(const char *line, const struct secret *secret)
{
	size_t len = secret ? secret_len(secret) : 0;
	size_t size = len < TELLING_PIECE ? len : TELLING_PIECE;
	char piece[TELLING_PIECE + 1] = "";
	bool tells = false;

	if (len < TELLING_MIN)
		return false;
	for (size_t i = 0; i + size <= len && !tells; i++) {
		memcpy(piece, secret_string(secret) + i, size);
		tells = strstr(line, piece) != NULL;
	}
	explicit_bzero(piece, sizeof(piece));
	return tells;
}
