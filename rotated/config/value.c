/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of value types, and what the types have in common. */
#include "rotated/config/value.h"

#include <string.h>

typedef int value_copy_fn(void *slot, const void *from);
typedef void value_release_fn(void *slot);

static void release_string(void *slot)
{
	char **s = slot;

	free(*s);
	*s = NULL;
}

static int copy_string(void *slot, const void *from)
{
	char *copy = strdup(*(char *const *)from);

	if (!copy)
		return -ENOMEM;
	*(char **)slot = copy;
	return 0;
}

static void release_words(void *slot)
{
	struct config_words *words = slot;

	for (size_t i = 0; i < words->n; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct config_words){ 0 };
}

char **config_value_words_add(struct config_words *words)
{
	char **items = reallocarray(words->items, words->n + 1, sizeof(*items));

	if (!items)
		return NULL;
	words->items = items;
	items[words->n] = NULL;
	return &items[words->n++];
}

static int copy_words(void *slot, const void *from)
{
	const struct config_words *source = from;
	struct config_words copy = { 0 };

	for (size_t i = 0; i < source->n; i++) {
		char **word = config_value_words_add(&copy);

		if (word)
			*word = strdup(source->items[i]);
		if (!word || !*word) {
			release_words(&copy);
			return -ENOMEM;
		}
	}
	*(struct config_words *)slot = copy;
	return 0;
}

static void release_addresses(void *slot)
{
	struct config_addresses *list = slot;

	free(list->items);
	*list = (struct config_addresses){ 0 };
}

static int copy_addresses(void *slot, const void *from)
{
	const struct config_addresses *source = from;
	struct config_addresses copy = { .n = source->n };

	if (source->n) {
		copy.items = reallocarray(NULL, source->n, sizeof(*copy.items));
		if (!copy.items)
			return -ENOMEM;
		memcpy(copy.items, source->items, source->n * sizeof(*copy.items));
	}
	*(struct config_addresses *)slot = copy;
	return 0;
}

static void release_id(void *slot)
{
	struct config_id *id = slot;

	free(id->name);
	*id = (struct config_id){ 0 };
}

static void release_ids(void *slot)
{
	struct config_ids *ids = slot;

	for (size_t i = 0; i < ids->n; i++)
		release_id(&ids->items[i]);
	free(ids->items);
	*ids = (struct config_ids){ 0 };
}

/* A type without `release` is copied as bytes. One with it and without `copy` is never
 * inherited: config_value_copy() refuses it, and no test would pass. */
static const struct {
	config_value_parse_fn *parse;
	value_copy_fn *copy;
	value_release_fn *release;
	size_t size;
	bool is_repeatable;
	bool is_private;
} types[VALUE_MAX_] = {
	[VALUE_ADDRESS] = { .parse = config_value_parse_address,
			    .size = sizeof(struct config_address) },
	[VALUE_ADDRESSES] = { .parse = config_value_parse_addresses,
			      .copy = copy_addresses,
			      .release = release_addresses },
	[VALUE_BOOL] = { .parse = config_value_parse_bool, .size = sizeof(bool) },
	[VALUE_CALENDAR] = { .parse = config_value_parse_calendar,
			     .copy = config_value_copy_calendar,
			     .release = config_value_release_calendar },
	[VALUE_CATCH_UP] = { .parse = config_value_parse_catch_up,
			     .size = sizeof(enum due_catch_up) },
	[VALUE_CA_FILE] = { .parse = config_value_parse_ca_file,
			    .copy = copy_string,
			    .release = release_string },
	[VALUE_CREDENTIAL_KEY] = { .parse = config_value_parse_credential_key,
				   .size = sizeof(enum config_credential_key) },
	[VALUE_DESTINATIONS] = { .parse = config_value_parse_destinations,
				 .copy = copy_words,
				 .release = release_words },
	[VALUE_DKIM_KEY] = { .parse = config_value_parse_dkim_key,
			     .size = sizeof(enum config_dkim_key) },
	[VALUE_DOMAIN] = { .parse = config_value_parse_domain,
			   .copy = copy_string,
			   .release = release_string },
	[VALUE_EMAIL] = { .parse = config_value_parse_email,
			  .copy = copy_string,
			  .release = release_string },
	[VALUE_GROUP] = { .parse = config_value_parse_group, .release = release_id },
	[VALUE_HELPERS] = { .parse = config_value_parse_helpers,
			    .copy = copy_words,
			    .release = release_words,
			    .is_repeatable = true },
	[VALUE_HOOK] = { .parse = config_value_parse_hook,
			 .copy = copy_string,
			 .release = release_string },
	[VALUE_KEY_FILE] = { .parse = config_value_parse_key_file,
			     .copy = copy_string,
			     .release = release_string },
	[VALUE_LDAP_BIND] = { .parse = config_value_parse_ldap_bind,
			      .size = sizeof(enum config_ldap_bind) },
	[VALUE_LDAP_MAP] = { .parse = config_value_parse_ldap_map,
			     .copy = copy_words,
			     .release = release_words,
			     .is_repeatable = true },
	[VALUE_LDAP_URIS] = { .parse = config_value_parse_ldap_uris,
			      .copy = copy_words,
			      .release = release_words },
	[VALUE_LIMIT] = { .parse = config_value_parse_limit,
			  .size = sizeof(struct config_limit) },
	[VALUE_LOGIN] = { .parse = config_value_parse_login,
			  .size = sizeof(enum config_login) },
	[VALUE_MODE] = { .parse = config_value_parse_mode, .size = sizeof(mode_t) },
	[VALUE_PATH] = { .parse = config_value_parse_path,
			 .copy = copy_string,
			 .release = release_string },
	[VALUE_PCRS] = { .parse = config_value_parse_pcrs,
			 .copy = copy_string,
			 .release = release_string },
	[VALUE_PERIODS] = { .parse = config_value_parse_periods,
			    .release = config_value_release_periods,
			    .is_repeatable = true },
	[VALUE_REALMS] = { .parse = config_value_parse_realms,
			   .copy = copy_words,
			   .release = release_words },
	[VALUE_SCHEDULE] = { .parse = config_value_parse_schedule, .size = sizeof(uint64_t) },
	[VALUE_SENDERS] = { .parse = config_value_parse_senders,
			    .copy = copy_words,
			    .release = release_words,
			    .is_repeatable = true },
	/* may carry what a hook logs in with: never shown */
	[VALUE_SETTINGS] = { .parse = config_value_parse_settings,
			     .copy = copy_words,
			     .release = release_words,
			     .is_repeatable = true,
			     .is_private = true },
	[VALUE_SOAK] = { .parse = config_value_parse_soak, .size = sizeof(uint64_t) },
	[VALUE_SOCKET] = { .parse = config_value_parse_socket,
			   .copy = copy_string,
			   .release = release_string },
	[VALUE_SPAN] = { .parse = config_value_parse_span, .size = sizeof(uint64_t) },
	[VALUE_STACK] = { .parse = config_value_parse_stack,
			  .copy = copy_words,
			  .release = release_words },
	[VALUE_TEXT] = { .parse = config_value_parse_text,
			 .copy = copy_string,
			 .release = release_string },
	[VALUE_UPSTREAM_SERVER] = { .parse = config_value_parse_upstream_server,
				    .copy = copy_string,
				    .release = release_string },
	[VALUE_UPSTREAM_TLS] = { .parse = config_value_parse_upstream_tls,
				 .size = sizeof(enum config_upstream_tls) },
	[VALUE_UPSTREAM_USER] = { .parse = config_value_parse_upstream_user,
				  .copy = copy_string,
				  .release = release_string },
	[VALUE_USER] = { .parse = config_value_parse_user, .release = release_id },
	[VALUE_USERS] = { .parse = config_value_parse_users, .release = release_ids },
};

int config_value_parse(enum value_type type, const struct value_context *ctx, const char *text,
		       void *slot)
{
	return types[type].parse(ctx, text, slot);
}

int config_value_copy(enum value_type type, void *slot, const void *from)
{
	if (types[type].copy)
		return types[type].copy(slot, from);
	if (types[type].release)
		return -ENOTSUP; /* not a type of an inherited key */
	memcpy(slot, from, types[type].size);
	return 0;
}

void config_value_release(enum value_type type, void *slot)
{
	if (types[type].release)
		types[type].release(slot);
}

bool config_value_is_repeatable(enum value_type type)
{
	return types[type].is_repeatable;
}

bool config_value_is_public(enum value_type type)
{
	return !types[type].is_private;
}

int config_value_refuse(const struct value_context *ctx, const char *what, const char *hint)
{
	(void)report_set(ctx->report, 0, "%s", what); /* the result is ours below */
	report_hint(ctx->report, "%s", hint);
	return -EINVAL;
}

int config_value_word(const char **s, char word[static VALUE_WORD_SIZE])
{
	size_t len;

	*s += strspn(*s, " \t");
	len = strcspn(*s, " \t");
	if (len == 0)
		return 0;
	if (len >= VALUE_WORD_SIZE)
		return -EINVAL;
	memcpy(word, *s, len);
	word[len] = '\0';
	*s += len;
	return 1;
}
