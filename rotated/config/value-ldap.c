/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of [ldap]: servers, how to bind, which attribute holds what, how much may vanish. */
#include "rotated/config/value.h"

#include <stdio.h>
#include <string.h>

#include "rotated/config/service.h"

int config_value_parse_ca_file(const struct value_context *ctx, const char *text, void *slot)
{
	char path[VALUE_PATH_MAX] = "";
	char *copy;
	int r = 0;

	if (*text)
		r = config_value_join_path(ctx, text, path);
	if (r == 0 && *text && ctx->flags & CONFIG_CHECK_FILES)
		r = config_value_check_ca_file(ctx, path);
	if (r < 0)
		return r;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(*(char **)slot);
	*(char **)slot = copy;
	return 0;
}

int config_value_parse_ldap_bind(const struct value_context *ctx, const char *text, void *slot)
{
	static const char *const words[CONFIG_LDAP_BIND_MAX_] = {
		[CONFIG_LDAP_BIND_SIMPLE] = "simple",
		[CONFIG_LDAP_BIND_EXTERNAL] = "external",
		[CONFIG_LDAP_BIND_ANONYMOUS] = "anonymous",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0) {
			*(enum config_ldap_bind *)slot = (enum config_ldap_bind)i;
			return 0;
		}
	return config_value_refuse(ctx, "no such choice",
				   "Write simple, external or anonymous.");
}

/* ---- servers ---- */

/* HOST, HOST:PORT, [V6], [V6]:PORT, and perhaps a '/' at the end. */
static bool is_authority(const char *s)
{
	size_t host = *s == '[' ? strcspn(s, "]")
				: strspn(s, "abcdefghijklmnopqrstuvwxyz"
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "0123456789.-");
	char digits[8] = "";
	uint32_t port;
	size_t n;

	if (*s == '[' &&
	    (s[host] != ']' || strspn(s + 1, "0123456789abcdefABCDEF:.") + 1 != host))
		return false;
	if (host == 0 || *s == '.' || *s == '-')
		return false;
	s += host + (*s == '[');
	if (*s == ':') {
		n = strspn(++s, "0123456789");
		if (n == 0 || n >= sizeof(digits))
			return false;
		memcpy(digits, s, n);
		if (text_to_u32(digits, &port) < 0 || port == 0 || port > 65535)
			return false;
		s += n;
	}
	return strcmp(s, "") == 0 || strcmp(s, "/") == 0;
}

/* The socket's path has its slashes written as %2F. */
static bool is_socket_path(const char *s)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%._-";
	size_t n = strspn(s, bytes);

	return strcmp(s + n, "") == 0 || strcmp(s + n, "/") == 0;
}

static int check_uri(const struct value_context *ctx, const char *word)
{
	if ((strncmp(word, "ldaps://", 8) == 0 && is_authority(word + 8)) ||
	    (strncmp(word, "ldap://", 7) == 0 && is_authority(word + 7)) ||
	    (strncmp(word, "ldapi://", 8) == 0 && is_socket_path(word + 8)))
		return 0;
	(void)report_set(ctx->report, 0, "'%s' is not a server's URI", word);
	report_hint(ctx->report, "Write ldaps://HOST, ldap://HOST:PORT or "
				 "ldapi://%%2Frun%%2Fslapd%%2Fldapi; base and filter are keys "
				 "of their own.");
	return -EINVAL;
}

static int add_word(struct config_words *list, const char *word)
{
	char **item = config_value_words_add(list);

	if (!item)
		return -ENOMEM;
	*item = strdup(word);
	return *item ? 0 : -ENOMEM;
}

int config_value_parse_ldap_uris(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words list = { 0 };
	char word[VALUE_WORD_SIZE];
	int r;

	while ((r = config_value_word(&text, word)) > 0) {
		r = check_uri(ctx, word);
		if (r == 0 && list.n == VALUE_LIST_MAX)
			r = config_value_refuse(ctx, "too many servers",
						"At most 64 are taken.");
		if (r == 0)
			r = add_word(&list, word);
		if (r < 0)
			break;
	}
	if (r < 0) {
		if (r == -EINVAL && !ctx->report->what[0])
			r = config_value_refuse(ctx, "a URI is too long",
						"Is a blank missing?");
		config_value_release(VALUE_LDAP_URIS, &list);
		return r;
	}
	config_value_release(VALUE_LDAP_URIS, slot);
	*(struct config_words *)slot = list;
	return 0;
}

/* ---- the map ---- */

static void trim(const char **from, const char **to)
{
	while (*from < *to && (**from == ' ' || **from == '\t'))
		++*from;
	while (*from < *to && ((*to)[-1] == ' ' || (*to)[-1] == '\t'))
		--*to;
}

static bool is_attribute(const char *s, size_t len)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.;_-";

	return len <= CONFIG_ATTRIBUTE_MAX && strspn(s, bytes) >= len &&
	       (len == 0 || *s != '-');
}

/* Reads "FIELD = ATTRIBUTE" into OUT as "FIELD=ATTRIBUTE". */
static int read_rule(const struct value_context *ctx, const char *text,
		     char out[static VALUE_WORD_SIZE], size_t *ret_field_len)
{
	const char *equals = strchr(text, '=');
	const char *field = text, *field_end = equals;
	const char *attribute, *end;
	char name[CONFIG_FIELD_SIZE] = "";

	if (!equals)
		return config_value_refuse(ctx, "not FIELD = ATTRIBUTE",
					   "Write it as in map = service = cn.");
	trim(&field, &field_end);
	attribute = equals + 1;
	end = attribute + strlen(attribute);
	trim(&attribute, &end);
	if ((size_t)(field_end - field) < sizeof(name))
		memcpy(name, field, (size_t)(field_end - field));
	if (!config_service_has_field(name)) {
		(void)report_set(ctx->report, 0, "a service has no '%.*s'",
				 (int)(field_end - field), field);
		config_service_hint_field(name, ctx->report);
		return -EINVAL;
	}
	if (!is_attribute(attribute, (size_t)(end - attribute)))
		return config_value_refuse(
			ctx, "not an attribute's name",
			"Write one, as in map = service = cn, or none to take "
			"nothing from the directory.");
	*ret_field_len = (size_t)(field_end - field);
	(void)snprintf(out, VALUE_WORD_SIZE, "%s=%.*s", name, (int)(end - attribute),
		       attribute);
	return 0;
}

/* A field that was mapped before, in this file or an earlier one, is mapped anew. */
int config_value_parse_ldap_map(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words *list = slot;
	char rule[VALUE_WORD_SIZE];
	size_t len;
	int r;

	if (!*text) {
		config_value_release(VALUE_LDAP_MAP, slot);
		*ctx->n_own = 0;
		return 0;
	}
	r = read_rule(ctx, text, rule, &len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->n; i++) {
		char *copy;

		if (strncmp(list->items[i], rule, len + 1) != 0)
			continue;
		copy = strdup(rule);
		if (!copy)
			return -ENOMEM;
		free(list->items[i]);
		list->items[i] = copy;
		return 0;
	}
	if (list->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many fields", "At most 64 are taken.");
	return add_word(list, rule);
}

/* ---- limits ---- */

int config_value_parse_limit(const struct value_context *ctx, const char *text, void *slot)
{
	static const char hint[] = "Write a number and a share, as in 20 10%.";
	char count[VALUE_WORD_SIZE], share[VALUE_WORD_SIZE], rest[VALUE_WORD_SIZE];
	struct config_limit limit;
	size_t len;

	if (config_value_word(&text, count) != 1 || config_value_word(&text, share) != 1 ||
	    config_value_word(&text, rest) != 0)
		return config_value_refuse(ctx, "not a number and a share", hint);
	len = strlen(share);
	if (share[len - 1] != '%')
		return config_value_refuse(ctx, "the share has no % sign", hint);
	share[len - 1] = '\0';
	if (text_to_u32(count, &limit.count) < 0 || text_to_u32(share, &limit.percent) < 0 ||
	    limit.percent > 100)
		return config_value_refuse(ctx, "not a number and a share", hint);
	*(struct config_limit *)slot = limit;
	return 0;
}
