/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that stand for themselves: spans, words, text, paths, addresses. */
#include "rotated/config/value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fs.h"

int config_value_parse_bool(const struct value_context *ctx, const char *text, void *slot)
{
	if (text_to_bool(text, slot) < 0)
		return config_value_refuse(ctx, "not yes or no", "Write yes or no.");
	return 0;
}

int config_value_parse_span(const struct value_context *ctx, const char *text, void *slot)
{
	static const char hint[] = "Write a number and a unit, as in 90d, 36h or 1h 30min.";
	uint64_t usec;
	int r = text_to_span(text, &usec);

	if (r == -EINVAL && !*text)
		return config_value_refuse(ctx, "a time span is missing", hint);
	if (r == -EINVAL)
		return config_value_refuse(ctx, "not a time span", hint);
	if (r < 0 || usec > VALUE_SPAN_MAX)
		return config_value_refuse(ctx, "the time span is too long",
					   "Nothing here lasts longer than 100 years.");
	*(uint64_t *)slot = usec;
	return 0;
}

int config_value_parse_schedule(const struct value_context *ctx, const char *text, void *slot)
{
	if (strcmp(text, "never") != 0)
		return config_value_parse_span(ctx, text, slot);
	*(uint64_t *)slot = USEC_NEVER;
	return 0;
}

int config_value_parse_soak(const struct value_context *ctx, const char *text, void *slot)
{
	if (strcmp(text, "auto") != 0)
		return config_value_parse_span(ctx, text, slot);
	*(uint64_t *)slot = VALUE_SOAK_AUTO;
	return 0;
}

int config_value_choose(const struct value_context *ctx, const char *text,
			const char *const words[], size_t n)
{
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int w;

		if (strcmp(text, words[i]) == 0)
			return (int)i;
		w = snprintf(list + len, sizeof(list) - len, "%s%s", i ? " or " : "", words[i]);
		len += w > 0 && (size_t)w < sizeof(list) - len ? (size_t)w : 0;
	}
	(void)report_set(ctx->report, 0, "no such choice"); /* the result is ours below */
	report_hint(ctx->report, "Write %s.", list);
	return -EINVAL;
}

int config_value_parse_login(const struct value_context *ctx, const char *text, void *slot)
{
	static const char *const words[CONFIG_LOGIN_MAX_] = {
		[CONFIG_LOGIN_VERSIONED] = "versioned",
		[CONFIG_LOGIN_STABLE] = "stable",
	};
	int i = config_value_choose(ctx, text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*(enum config_login *)slot = (enum config_login)i;
	return 0;
}

int config_value_parse_dkim_key(const struct value_context *ctx, const char *text, void *slot)
{
	static const char *const words[CONFIG_DKIM_KEY_MAX_] = {
		[CONFIG_DKIM_KEY_RSA2048] = "rsa2048",
	};
	int i = config_value_choose(ctx, text, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	*(enum config_dkim_key *)slot = (enum config_dkim_key)i;
	return 0;
}

int config_value_parse_mode(const struct value_context *ctx, const char *text, void *slot)
{
	mode_t mode = 0;
	size_t len = strlen(text);

	if (len < 3 || len > 4 || strspn(text, "01234567") != len ||
	    (len == 4 && text[0] != '0'))
		return config_value_refuse(ctx, "not a mode",
					   "Write permission bits in octal, as in 0660.");
	for (; *text; text++)
		mode = mode << 3 | (mode_t)(*text - '0');
	if (mode & (S_IWOTH | S_IROTH | S_IXOTH))
		return config_value_refuse(
			ctx, "the mode lets everybody in",
			"Write 0660, and let socket_group or peers admit who may.");
	*(mode_t *)slot = mode;
	return 0;
}

/* Replaces the owned string in SLOT. */
static int set_string(void *slot, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)slot);
	*(char **)slot = copy;
	return 0;
}

int config_value_parse_text(const struct value_context *ctx, const char *text, void *slot)
{
	if (!text_is_plain(text))
		return config_value_refuse(ctx, "the text has a control character",
					   "Delete it; tabs count too.");
	return set_string(slot, text);
}

int config_value_parse_domain(const struct value_context *ctx, const char *text, void *slot)
{
	if (*text && !text_is_domain(text))
		return config_value_refuse(
			ctx, "not a domain",
			"Write a name in lower case with a dot in it and none "
			"at its end, as in relay.example.com.");
	return set_string(slot, text);
}

/* What goes into a certificate has to be read the same way by everybody: RFC 5321 without
 * quotes, and without what a shell or a map file would take for something else. */
int config_value_parse_email(const struct value_context *ctx, const char *text, void *slot)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_-";
	enum { LOCAL_MAX = 64 };
	size_t local = strspn(text, allowed);

	if (*text && (local == 0 || local > LOCAL_MAX || text[0] == '.' || text[local] != '@' ||
		      !text_is_domain(text + local + 1)))
		return config_value_refuse(ctx, "not a mail address",
					   "Write it as in billing@relay.example.com: letters, "
					   "digits and . + _ - before the @, a domain in lower "
					   "case after it.");
	return set_string(slot, text);
}

/* True when one of the parts of PATH is "." or "..": such a path is not what it looks like. */
static bool has_dots(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += len;
		path += strspn(path, "/");
	}
	return false;
}

int config_value_check_path(const struct value_context *ctx, const char *path)
{
	if (!text_is_plain(path))
		return config_value_refuse(ctx, "the path has a control character",
					   "Rename the file.");
	if (path[0] != '/')
		return config_value_refuse(ctx, "not an absolute path",
					   "Write the whole path, from '/' on.");
	if (has_dots(path))
		return config_value_refuse(ctx, "the path has a part '.' or '..'",
					   "Write it without detours.");
	return 0;
}

int config_value_join_path(const struct value_context *ctx, const char *text,
			   char ret[static VALUE_PATH_MAX])
{
	int r = config_value_check_path(ctx, text);

	if (r < 0)
		return r;
	if (fs_join(ctx->root, text, ret, VALUE_PATH_MAX) < 0)
		return config_value_refuse(ctx, "the path is too long", "Use a shorter one.");
	return 0;
}

int config_value_parse_path(const struct value_context *ctx, const char *text, void *slot)
{
	char path[VALUE_PATH_MAX];
	int r = config_value_join_path(ctx, text, path);

	return r < 0 ? r : set_string(slot, path);
}

int config_value_parse_socket(const struct value_context *ctx, const char *text, void *slot)
{
	static const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	char path[VALUE_PATH_MAX];
	int r = config_value_join_path(ctx, text, path);

	if (r < 0)
		return r;
	if (strlen(path) > max) {
		(void)report_set(ctx->report, 0, "the path is too long for a socket");
		report_hint(ctx->report,
			    "A socket's path has at most %zu bytes, --root included.", max);
		return -EINVAL;
	}
	return set_string(slot, path);
}

int config_value_parse_key_file(const struct value_context *ctx, const char *text, void *slot)
{
	char path[VALUE_PATH_MAX];
	int r;

	if (!*text)
		return set_string(slot, "");
	r = config_value_join_path(ctx, text, path);
	if (r == 0 && ctx->flags & CONFIG_CHECK_FILES)
		r = config_value_check_key_file(ctx, path);
	return r < 0 ? r : set_string(slot, path);
}

/* A bare name is one of the hooks that are installed with us. */
static bool is_bare_name(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(s) && *s != '.';
}

int config_value_parse_hook(const struct value_context *ctx, const char *text, void *slot)
{
	char path[VALUE_PATH_MAX];
	int r = 0;

	if (!*text)
		return set_string(slot, "");
	if (is_bare_name(text))
		(void)snprintf(path, sizeof(path), PKG_LIBEXECDIR "/hooks/%s", text);
	else if (text[0] != '/')
		return config_value_refuse(
			ctx, "neither a shipped hook nor an absolute path",
			"Write the whole path from '/' on, without arguments, or a "
			"name such as dns-nsupdate.");
	else
		r = config_value_check_path(ctx, text);
	if (r == 0 && text[0] == '/')
		r = fs_join("", text, path, sizeof(path)) < 0
			    ? config_value_refuse(ctx, "the path is too long",
						  "Use a shorter one.")
			    : 0;
	if (r == 0 && ctx->flags & CONFIG_CHECK_FILES)
		r = config_value_check_hook(ctx, path);
	return r < 0 ? r : set_string(slot, path);
}

/* Splits "ADDR", "ADDR:PORT" or "[ADDR]:PORT" in place; *RET_PORT is NULL without one. */
static bool split_address(char *s, char **ret_host, char **ret_port)
{
	char *close = strchr(s, ']');
	char *colon = strchr(s, ':');

	*ret_host = s;
	*ret_port = NULL;
	if (s[0] == '[') {
		if (!close || (close[1] != '\0' && close[1] != ':'))
			return false;
		*ret_host = s + 1;
		*close = '\0';
		*ret_port = close[1] ? close + 2 : NULL;
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*ret_port = colon + 1;
	}
	return true;
}

static int refuse_address(const struct value_context *ctx, const char *text)
{
	(void)report_set(ctx->report, 0, "'%s' is not an address", text);
	report_hint(ctx->report,
		    "Write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53; a name is not enough.");
	return -EINVAL;
}

static int parse_address(const struct value_context *ctx, const char *text,
			 struct config_address *ret)
{
	struct config_address a = { 0 };
	char copy[VALUE_WORD_SIZE];
	char *host, *port;
	uint32_t number = 53;

	if (strlen(text) >= sizeof(copy))
		return refuse_address(ctx, text);
	(void)snprintf(copy, sizeof(copy), "%s", text);
	if (!split_address(copy, &host, &port))
		return refuse_address(ctx, text);
	if (port && (text_to_u32(port, &number) < 0 || number == 0 || number > 65535)) {
		(void)report_set(ctx->report, 0, "'%s' has no port after the colon", text);
		report_hint(ctx->report, "A port is a number from 1 to 65535.");
		return -EINVAL;
	}
	if (inet_pton(AF_INET, host, &a.addr.in.sin_addr) == 1 && host == copy) {
		a.addr.in.sin_family = AF_INET;
		a.addr.in.sin_port = htons((uint16_t)number);
		a.len = sizeof(a.addr.in);
		(void)snprintf(a.text, sizeof(a.text), "%.45s:%u", host, number);
	} else if (inet_pton(AF_INET6, host, &a.addr.in6.sin6_addr) == 1) {
		a.addr.in6.sin6_family = AF_INET6;
		a.addr.in6.sin6_port = htons((uint16_t)number);
		a.len = sizeof(a.addr.in6);
		(void)snprintf(a.text, sizeof(a.text), "[%.45s]:%u", host, number);
	} else {
		return refuse_address(ctx, text);
	}
	*ret = a;
	return 0;
}

int config_value_parse_address(const struct value_context *ctx, const char *text, void *slot)
{
	if (*text)
		return parse_address(ctx, text, slot);
	*(struct config_address *)slot = (struct config_address){ 0 };
	return 0;
}

int config_value_parse_addresses(const struct value_context *ctx, const char *text, void *slot)
{
	cleanup_free struct config_address *items = NULL;
	struct config_addresses *list = slot;
	char word[VALUE_WORD_SIZE];
	size_t n = 0;
	int r;

	items = reallocarray(NULL, VALUE_LIST_MAX, sizeof(*items));
	if (!items)
		return -ENOMEM;
	while ((r = config_value_word(&text, word)) != 0) {
		if (r < 0)
			return config_value_refuse(ctx, "not an address",
						   "The word is too long.");
		if (n == VALUE_LIST_MAX)
			return config_value_refuse(ctx, "too many addresses", "64 are enough.");
		r = parse_address(ctx, word, &items[n++]);
		if (r < 0)
			return r;
	}
	free(list->items);
	list->items = steal_ptr(items);
	list->n = n;
	return 0;
}
