/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of [upstream]: where the relay logs in, and for which mail. */
#include "rotated/config/value.h"

#include <stdio.h>
#include <string.h>

enum { SERVER_MAX = 255 + sizeof("[]:65535") - 1, DESTINATION_MAX = 320 };

int config_value_parse_upstream_tls(const struct value_context *ctx, const char *text,
				    void *slot)
{
	static const char *const words[CONFIG_UPSTREAM_TLS_MAX_] = {
		[CONFIG_UPSTREAM_TLS_STARTTLS] = "starttls",
		[CONFIG_UPSTREAM_TLS_TLS] = "tls",
		[CONFIG_UPSTREAM_TLS_NONE] = "none",
	};

	for (unsigned i = 0; i < CONFIG_UPSTREAM_TLS_MAX_; i++) {
		if (strcmp(text, words[i]) == 0) {
			*(enum config_upstream_tls *)slot = (enum config_upstream_tls)i;
			return 0;
		}
	}
	return config_value_refuse(ctx, "no such choice", "Write starttls or tls or none.");
}

static int set_string(void *slot, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)slot);
	*(char **)slot = copy;
	return 0;
}

/* HOST:PORT, or [ADDRESS]:PORT; it is the worker that resolves it. */
static bool is_server(const char *text)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-";
	bool has_brackets = text[0] == '[';
	const char *host = has_brackets ? text + 1 : text;
	size_t len = strspn(host, has_brackets ? "0123456789abcdefABCDEF:." : name);
	const char *rest = host + len;
	uint32_t port;

	if (len == 0 || strlen(text) > SERVER_MAX || *host == '-' || *host == '.')
		return false;
	if (has_brackets && *rest++ != ']')
		return false;
	return *rest == ':' && text_to_u32(rest + 1, &port) == 0 && port > 0 && port <= 65535;
}

int config_value_parse_upstream_server(const struct value_context *ctx, const char *text,
				       void *slot)
{
	if (*text && !is_server(text))
		return config_value_refuse(ctx, "not a server and its port",
					   "Write smtp.example.com:587 or [192.0.2.1]:587.");
	return set_string(slot, text);
}

/* The user's name goes before a colon in what Postfix reads. */
int config_value_parse_upstream_user(const struct value_context *ctx, const char *text,
				     void *slot)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == ':')
			return config_value_refuse(
				ctx, "not a user's name",
				"Write printable characters without blanks and colons; %v "
				"stands for the number of the version.");
	if (strlen(text) > CONFIG_UPSTREAM_USER_MAX)
		return config_value_refuse(ctx, "the user's name is too long",
					   "At most 200 characters are taken.");
	return set_string(slot, text);
}

static int add_destination(const struct value_context *ctx, const char *word,
			   struct config_words *list)
{
	char **item;

	if (!text_is_plain(word) || strlen(word) > DESTINATION_MAX)
		return config_value_refuse(ctx, "not a destination",
					   "Write what Postfix asks for: smtp.example.com, "
					   "[smtp.example.com]:587, or a sender's address.");
	for (size_t i = 0; i < list->n; i++)
		if (strcasecmp(list->items[i], word) == 0)
			return config_value_refuse(ctx, "a destination is there twice",
						   "Keep one of them.");
	if (list->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many destinations",
					   "At most 64 are taken.");
	item = config_value_words_add(list);
	if (!item)
		return -ENOMEM;
	*item = strdup(word);
	if (!*item)
		return -ENOMEM;
	for (char *p = *item; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	return 0;
}

int config_value_parse_destinations(const struct value_context *ctx, const char *text,
				    void *slot)
{
	struct config_words list = { 0 };
	char word[VALUE_WORD_SIZE];
	int r;

	while ((r = config_value_word(&text, word)) > 0) {
		r = add_destination(ctx, word, &list);
		if (r < 0)
			break;
	}
	if (r < 0) {
		config_value_release(VALUE_DESTINATIONS, &list);
		return ctx->report->what[0] || r != -EINVAL
			       ? r
			       : config_value_refuse(ctx, "a word is too long",
						     "Is a blank missing?");
	}
	config_value_release(VALUE_DESTINATIONS, slot);
	*(struct config_words *)slot = list;
	return 0;
}
