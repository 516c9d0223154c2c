/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of [unlock]: who may give keys, and what credentials are sealed to. */
#include "rotated/config/value.h"

#include <string.h>

enum { PCR_MAX = 23 };

static const char *const credential_keys[CONFIG_CREDENTIAL_KEY_MAX_] = {
	[CONFIG_CREDENTIAL_KEY_AUTO] = "auto",
	[CONFIG_CREDENTIAL_KEY_HOST] = "host",
	[CONFIG_CREDENTIAL_KEY_TPM2] = "tpm2",
	[CONFIG_CREDENTIAL_KEY_HOST_TPM2] = "host+tpm2",
};

const char *config_credential_key_word(enum config_credential_key key)
{
	return credential_keys[key];
}

int config_value_parse_credential_key(const struct value_context *ctx, const char *text,
				      void *slot)
{
	int i = config_value_choose(ctx, text, credential_keys, ARRAY_SIZE(credential_keys));

	if (i < 0)
		return i;
	*(enum config_credential_key *)slot = (enum config_credential_key)i;
	return 0;
}

/* Numbers joined by '+', none twice. */
static bool is_pcrs(const char *text)
{
	uint32_t seen = 0;

	for (;;) {
		size_t len = strspn(text, "0123456789");
		char number[3] = "";
		uint32_t pcr;

		if (len == 0 || len >= sizeof(number))
			return false;
		memcpy(number, text, len);
		if (text_to_u32(number, &pcr) < 0 || pcr > PCR_MAX || seen & UINT32_C(1) << pcr)
			return false;
		seen |= UINT32_C(1) << pcr;
		text += len;
		if (!*text)
			return true;
		if (*text++ != '+')
			return false;
	}
}

int config_value_parse_pcrs(const struct value_context *ctx, const char *text, void *slot)
{
	char *copy;

	if (*text && !is_pcrs(text))
		return config_value_refuse(ctx, "not a list of PCRs",
					   "Write numbers from 0 to 23, as in 7+11.");
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*(char **)slot);
	*(char **)slot = copy;
	return 0;
}

static int add_helper(const struct value_context *ctx, const char *path,
		      struct config_words *list)
{
	int r = config_value_check_path(ctx, path);
	char **item;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], path) == 0)
			return config_value_refuse(ctx, "a helper is there twice",
						   "Keep one of them.");
	if (list->n == VALUE_LIST_MAX)
		return config_value_refuse(ctx, "too many helpers", "At most 64 are taken.");
	item = config_value_words_add(list);
	if (!item)
		return -ENOMEM;
	*item = strdup(path);
	return *item ? 0 : -ENOMEM;
}

/* Adds to what the lines before have given. An empty value takes that back. */
int config_value_parse_helpers(const struct value_context *ctx, const char *text, void *slot)
{
	struct config_words list = { 0 };
	char word[VALUE_WORD_SIZE];
	int r = *text ? config_value_copy(VALUE_HELPERS, &list, slot) : 0;

	while (r == 0 && (r = config_value_word(&text, word)) > 0)
		r = add_helper(ctx, word, &list);
	if (r < 0) {
		if (r == -EINVAL && !ctx->report->what[0])
			r = config_value_refuse(ctx, "a path is too long",
						"Slots hold paths of at most 255 bytes.");
		config_value_release(VALUE_HELPERS, &list);
		return r;
	}
	config_value_release(VALUE_HELPERS, slot);
	*(struct config_words *)slot = list;
	return 0;
}
