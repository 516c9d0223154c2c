/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that name something: users, groups, realms, backends, settings. */
#include "rotated/config/value.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { NSS_BUFFER_SIZE = 16384 };

/* Each fills RET: 1, 0 when the system does not know the name, or a negative errno. A number is
 * taken as it is, so that its user need not be known here; the highest one stands for "leave
 * it" in chown(2). */
typedef int find_id_fn(const char *name, struct config_id *ret);

static bool is_number(const char *name, uint32_t *ret)
{
	return text_to_u32(name, ret) == 0 && *ret != UINT32_MAX;
}

static int find_user(const char *name, struct config_id *ret)
{
	cleanup_free char *buffer = malloc(NSS_BUFFER_SIZE);
	struct passwd pw, *found = NULL;
	bool by_number = is_number(name, &ret->id);
	int r;

	if (!buffer)
		return -ENOMEM;
	r = by_number ? getpwuid_r(ret->id, &pw, buffer, NSS_BUFFER_SIZE, &found)
		      : getpwnam_r(name, &pw, buffer, NSS_BUFFER_SIZE, &found);
	ret->group = found ? pw.pw_gid : UINT32_MAX;
	if (!found)
		return r == ENOMEM ? -ENOMEM : by_number;
	ret->id = pw.pw_uid;
	return 1;
}

static int find_group(const char *name, struct config_id *ret)
{
	cleanup_free char *buffer = malloc(NSS_BUFFER_SIZE);
	struct group gr, *found = NULL;
	int r;

	ret->group = UINT32_MAX;
	if (is_number(name, &ret->id))
		return 1;
	if (!buffer)
		return -ENOMEM;
	r = getgrnam_r(name, &gr, buffer, NSS_BUFFER_SIZE, &found);
	if (!found)
		return r == ENOMEM ? -ENOMEM : 0;
	ret->id = gr.gr_gid;
	return 1;
}

static int parse_id(const struct value_context *ctx, const char *text, find_id_fn *find,
		    struct config_id *ret)
{
	struct config_id id = {
		.id = UINT32_MAX
	}; /* nobody, should a caller not ask is_known */
	int r = find(text, &id);

	if (r < 0)
		return r;
	id.is_known = r > 0;
	if (!id.is_known && !ctx->is_default) {
		bool is_user = find == find_user;

		(void)report_set(ctx->report, 0, "there is no %s '%s'",
				 is_user ? "user" : "group", text);
		report_hint(ctx->report, "Make it, or write one that `getent %s` shows.",
			    is_user ? "passwd" : "group");
		return -EINVAL;
	}
	id.name = strdup(text);
	if (!id.name)
		return -ENOMEM;
	*ret = id;
	return 0;
}

static int set_id(const struct value_context *ctx, const char *text, find_id_fn *find,
		  void *slot)
{
	struct config_id id;
	int r = parse_id(ctx, text, find, &id);

	if (r < 0)
		return r;
	free(((struct config_id *)slot)->name);
	*(struct config_id *)slot = id;
	return 0;
}

int config_value_parse_user(const struct value_context *ctx, const char *text, void *slot)
{
	return set_id(ctx, text, find_user, slot);
}

int config_value_parse_group(const struct value_context *ctx, const char *text, void *slot)
{
	return set_id(ctx, text, find_group, slot);
}

static int add_user(const struct value_context *ctx, const char *name, struct config_ids *list)
{
	struct config_id *items = reallocarray(list->items, list->n + 1, sizeof(*items));
	int r;

	if (!items)
		return -ENOMEM;
	list->items = items;
	r = parse_id(ctx, name, find_user, &items[list->n]);
	if (r == 0)
		list->n++;
	return r;
}

int config_value_parse_users(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_ids list = { 0 };
	char word[VALUE_WORD_SIZE];
	int r;

	while ((r = config_value_word(&text, word)) > 0) {
		if (list.n == VALUE_LIST_MAX)
			r = config_value_refuse(ctx, "too many users", "At most 64 are taken.");
		else
			r = add_user(ctx, word, &list);
		if (r < 0)
			break;
	}
	if (r < 0) {
		if (!ctx->report->what[0] && r == -EINVAL)
			r = config_value_refuse(ctx, "not a user's name",
						"The word is too long.");
		config_value_release(VALUE_USERS, &list);
		return r;
	}
	config_value_release(VALUE_USERS, slot);
	*(struct config_ids *)slot = list;
	return 0;
}

typedef int check_word_fn(const struct value_context *ctx, const char *word);

static int add_word(const struct value_context *ctx, const char *word, check_word_fn *check,
		    struct config_words *list)
{
	int r = check(ctx, word);
	char **item;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], word) == 0)
			return config_value_refuse(ctx, "a word is there twice",
						   "Keep one of them.");
	if (list->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many words", "At most 64 are taken.");
	item = config_value_words_add(list);
	if (!item)
		return -ENOMEM;
	*item = strdup(word);
	return *item ? 0 : -ENOMEM;
}

static int parse_words(const struct value_context *ctx, const char *text, check_word_fn *check,
		       struct config_words *ret)
{
	struct config_words list = { 0 };
	char word[VALUE_WORD_SIZE];
	int r;

	while ((r = config_value_word(&text, word)) > 0) {
		r = add_word(ctx, word, check, &list);
		if (r < 0)
			break;
	}
	if (r < 0) {
		if (!ctx->report->what[0] && r == -EINVAL)
			r = config_value_refuse(ctx, "a word is too long",
						"Is a blank missing?");
		config_value_release(VALUE_STACK, &list);
		return r;
	}
	*ret = list;
	return 0;
}

static int check_realm(const struct value_context *ctx, const char *word)
{
	if (text_is_domain(word) || text_is_label(word))
		return 0;
	(void)report_set(ctx->report, 0, "'%s' is not a realm", word);
	report_hint(ctx->report,
		    "Write host or domain names in lower case, as in example.com.");
	return -EINVAL;
}

int config_value_parse_realms(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words list;
	int r = parse_words(ctx, text, check_realm, &list);

	if (r < 0)
		return r;
	config_value_release(VALUE_REALMS, slot);
	*(struct config_words *)slot = list;
	return 0;
}

static int check_backend(const struct value_context *ctx, const char *word)
{
	static const char *const backends[] = { "keystore" };

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (strcmp(word, backends[i]) == 0)
			return 0;
	(void)report_set(ctx->report, 0, "there is no backend '%s'", word);
	report_hint(ctx->report, "Write keystore.");
	return -EINVAL;
}

int config_value_parse_stack(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words list;
	int r;

	if (!*text)
		return config_value_refuse(ctx, "a backend is missing", "Write keystore.");
	r = parse_words(ctx, text, check_backend, &list);
	if (r < 0)
		return r;
	config_value_release(VALUE_STACK, slot);
	*(struct config_words *)slot = list;
	return 0;
}

static int add_sender(const struct value_context *ctx, const char *word,
		      struct config_words *list)
{
	char sender[SENDER_SIZE];
	char **item;

	if (text_to_sender(word, sender) < 0) {
		(void)report_set(ctx->report, 0, "'%s' is not a sender", word);
		report_hint(ctx->report,
			    "Write an address, @example.com for all of a domain, or "
			    "@.example.com for all domains below it; blanks divide.");
		return -EINVAL;
	}
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], sender) == 0)
			return config_value_refuse(ctx, "a sender is there twice",
						   "Keep one of them.");
	if (list->n == VALUE_SENDERS_MAX)
		return config_value_refuse(ctx, "too many senders", "At most 1000 are taken.");
	item = config_value_words_add(list);
	if (!item)
		return -ENOMEM;
	*item = strdup(sender);
	return *item ? 0 : -ENOMEM;
}

/* Adds to what the lines before have given. An empty value takes that back. */
int config_value_parse_senders(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words list = { 0 };
	char word[SENDER_SIZE + 64];
	int r = 0;

	if (*text)
		r = config_value_copy(VALUE_SENDERS, &list, slot);
	while (r == 0 && *(text += strspn(text, " \t"))) {
		size_t len = strcspn(text, " \t");

		(void)snprintf(word, sizeof(word), "%.*s", (int)len, text); /* cut: no sender */
		text += len;
		r = add_sender(ctx, word, &list);
	}
	if (r < 0) {
		config_value_release(VALUE_SENDERS, &list);
		return r;
	}
	config_value_release(VALUE_SENDERS, slot);
	*(struct config_words *)slot = list;
	return 0;
}

static bool is_variable_name(const char *s, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return len > 0 && len < 64 && strspn(s, letters) >= len && !(*s >= '0' && *s <= '9');
}

/* The length of the name when TEXT is a setting that a hook may be given, or -EINVAL. */
static int check_setting(const struct value_context *ctx, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : 0;

	if (!equals || !is_variable_name(text, len))
		return config_value_refuse(ctx, "not a NAME=VALUE setting",
					   "Write a variable's name, '=' and its value, as in "
					   "setting = KEY_FILE=/etc/rotated/tsig.key.");
	if (strncmp(text, "ROTATED_", 8) == 0)
		return config_value_refuse(ctx, "names that start with ROTATED_ are ours",
					   "Choose another name.");
	if (!text_is_plain(text))
		return config_value_refuse(ctx, "the setting has a control character",
					   "Delete it.");
	return (int)len;
}

static size_t find_setting(const struct config_words *list, const char *text, size_t name_len)
{
	size_t i = 0;

	while (i < list->n && strncmp(list->items[i], text, name_len + 1) != 0)
		i++;
	return i;
}

static void drop_setting(struct config_words *list, size_t at)
{
	free(list->items[at]);
	list->n--;
	memmove(list->items + at, list->items + at + 1, (list->n - at) * sizeof(char *));
}

static int add_setting(struct config_words *list, const char *text)
{
	cleanup_free char *copy = strdup(text);
	char **item = copy ? config_value_words_add(list) : NULL;

	if (!item)
		return -ENOMEM;
	*item = steal_ptr(copy);
	return 0;
}

/* Adds to what is there: a name that was inherited is replaced, one that this file has set
 * already is an error. Those of this file are kept at the end of the list. */
int config_value_parse_settings(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words *list = slot;
	int len;
	size_t at;
	int r;

	if (!*text) {
		config_value_release(VALUE_SETTINGS, slot);
		*ctx->n_own = 0;
		return 0;
	}
	len = check_setting(ctx, text);
	if (len < 0)
		return len;
	at = find_setting(list, text, (size_t)len);
	if (at < list->n && at >= list->n - *ctx->n_own) {
		(void)report_set(ctx->report, 0, "%.*s is set twice in this file", len, text);
		report_hint(ctx->report, "Keep one of them.");
		return -EINVAL;
	}
	if (at < list->n)
		drop_setting(list, at);
	if (list->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many settings", "At most 64 are taken.");
	r = add_setting(list, text);
	if (r == 0)
		++*ctx->n_own;
	return r;
}
