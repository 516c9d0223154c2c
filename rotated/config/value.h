/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types that a configuration value can have: how its text is read into a member of struct
 * config, copied to a heir, and released. Private to rotated/config.
 */
#ifndef ROTATED_CONFIG_VALUE_H
#define ROTATED_CONFIG_VALUE_H

#include "base/clock.h"
#include "rotated/config/config.h"

/*
 *	X(type, C type of the member, how people call it)
 *
 * Each has a row in the table of value.c.
 */
#define VALUE_TYPES(X)                                                                         \
	X(ADDRESS, struct config_address, "address")                                           \
	X(ADDRESSES, struct config_addresses, "list of addresses")                             \
	X(BOOL, bool, "yes or no")                                                             \
	X(CALENDAR, struct config_schedule, "time span or calendar expression")                \
	X(CA_FILE, char *, "path")                                                             \
	X(CATCH_UP, enum due_catch_up, "word")                                                 \
	X(CREDENTIAL_KEY, enum config_credential_key, "word")                                  \
	X(DESTINATIONS, struct config_words, "list of destinations")                           \
	X(DKIM_KEY, enum config_dkim_key, "word")                                              \
	X(DOMAIN, char *, "domain")                                                            \
	X(EMAIL, char *, "mail address")                                                       \
	X(GROUP, struct config_id, "group")                                                    \
	X(HELPERS, struct config_words, "list of programs")                                    \
	X(HOOK, char *, "program")                                                             \
	X(KEY_FILE, char *, "path")                                                            \
	X(LDAP_BIND, enum config_ldap_bind, "word")                                            \
	X(LDAP_MAP, struct config_words, "FIELD = ATTRIBUTE")                                  \
	X(LDAP_URIS, struct config_words, "list of URIs")                                      \
	X(LIMIT, struct config_limit, "number and share")                                      \
	X(LOGIN, enum config_login, "word")                                                    \
	X(MODE, mode_t, "mode")                                                                \
	X(PATH, char *, "path")                                                                \
	X(PCRS, char *, "list of PCRs")                                                        \
	X(PERIODS, struct config_periods, "times")                                             \
	X(REALMS, struct config_words, "list of realms")                                       \
	X(SCHEDULE, uint64_t, "time span")                                                     \
	X(SENDERS, struct config_words, "list of addresses")                                   \
	X(SETTINGS, struct config_words, "NAME=VALUE")                                         \
	X(SOAK, uint64_t, "time span")                                                         \
	X(SOCKET, char *, "path")                                                              \
	X(SPAN, uint64_t, "time span")                                                         \
	X(STACK, struct config_words, "list of backends")                                      \
	X(TEXT, char *, "text")                                                                \
	X(UPSTREAM_SERVER, char *, "server")                                                   \
	X(UPSTREAM_TLS, enum config_upstream_tls, "word")                                      \
	X(UPSTREAM_USER, char *, "user")                                                       \
	X(USER, struct config_id, "user")                                                      \
	X(USERS, struct config_ids, "list of users")

enum value_type {
#define X(type, ctype, name) VALUE_##type,
	VALUE_TYPES(X)
#undef X
		VALUE_MAX_
};

enum {
	VALUE_LIST_MAX = 64, /* items in a list */
	VALUE_SENDERS_MAX = 1000,
	VALUE_PATH_MAX = 4096, /* bytes, ROOT and NUL included */
};

/* What soak = auto is until rules.c resolves it. */
#define VALUE_SOAK_AUTO USEC_NEVER

/* A hundred years: sums of a few spans never overflow. */
#define VALUE_SPAN_MAX (UINT64_C(36525) * 24 * 3600 * 1000000)

struct value_context {
	const char *root;
	unsigned flags;	       /* CONFIG_CHECK_FILES */
	bool is_default;       /* not written by anybody: unknown users are no error */
	size_t *n_own;	       /* SETTINGS: how many of the last items are from this file */
	struct report *report; /* never NULL */
};

/*
 * Reads TEXT and replaces what SLOT holds. -EINVAL with a report whose `what` says what is
 * wrong with the value and whose `hint` says what to write, SLOT untouched; or -ENOMEM.
 */
must_check int config_value_parse(enum value_type type, const struct value_context *ctx,
				  const char *text, void *slot);

/* Makes the empty SLOT an independent copy of FROM. -ENOMEM. */
must_check int config_value_copy(enum value_type type, void *slot, const void *from);

/* Frees what SLOT holds and leaves it empty. */
void config_value_release(enum value_type type, void *slot);

/* More than one line of the key in a file add up. */
bool config_value_is_repeatable(enum value_type type);

/* The value may be shown in a report. */
bool config_value_is_public(enum value_type type);

/* The parsers, for the table in value.c. Same contract as config_value_parse(). */
typedef int config_value_parse_fn(const struct value_context *ctx, const char *text,
				  void *slot);
config_value_parse_fn config_value_parse_address, config_value_parse_addresses,
	config_value_parse_domain, config_value_parse_email, config_value_parse_bool,
	config_value_parse_ca_file, config_value_parse_ldap_bind, config_value_parse_ldap_map,
	config_value_parse_ldap_uris, config_value_parse_limit, config_value_parse_dkim_key,
	config_value_parse_group, config_value_parse_hook, config_value_parse_key_file,
	config_value_parse_login, config_value_parse_mode, config_value_parse_path,
	config_value_parse_realms, config_value_parse_schedule, config_value_parse_senders,
	config_value_parse_settings, config_value_parse_soak, config_value_parse_socket,
	config_value_parse_span, config_value_parse_stack, config_value_parse_text,
	config_value_parse_user, config_value_parse_users, config_value_parse_destinations,
	config_value_parse_upstream_server, config_value_parse_upstream_tls,
	config_value_parse_upstream_user, config_value_parse_credential_key,
	config_value_parse_helpers, config_value_parse_pcrs, config_value_parse_calendar,
	config_value_parse_periods, config_value_parse_catch_up;

/* For the table in value.c, too. */
int config_value_copy_calendar(void *slot, const void *from);
void config_value_release_calendar(void *slot);
void config_value_release_periods(void *slot);

/* Fills the report with WHAT and HINT. Returns -EINVAL. */
int config_value_refuse(const struct value_context *ctx, const char *what, const char *hint);

/*
 * Takes the next word off *S into WORD; blanks and tabs divide. 1, 0 at the end, -EINVAL for a
 * word that does not fit.
 */
enum { VALUE_WORD_SIZE = 256 };
must_check int config_value_word(const char **s, char word[static VALUE_WORD_SIZE]);

/* An absolute path under ROOT, or -EINVAL with a report. */
must_check int config_value_join_path(const struct value_context *ctx, const char *text,
				      char ret[static VALUE_PATH_MAX]);

/* TEXT is absolute, plain and without detours, or -EINVAL with a report. */
must_check int config_value_check_path(const struct value_context *ctx, const char *text);

/* The index of TEXT in WORDS, or -EINVAL with a report that lists them. */
must_check int config_value_choose(const struct value_context *ctx, const char *text,
				   const char *const words[], size_t n);

/* Room for one more: the new item, zeroed, or NULL when memory is short. */
char **config_value_words_add(struct config_words *words);

/* For the two file types, when ctx->flags ask for it: -EINVAL with a report, or 0. */
must_check int config_value_check_hook(const struct value_context *ctx, const char *path);
must_check int config_value_check_ca_file(const struct value_context *ctx, const char *path);
must_check int config_value_check_key_file(const struct value_context *ctx, const char *path);

#endif
