/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * argv to struct cli, by the two tables. Options may stand anywhere; "--" ends them. Names are
 * not abbreviated: what works in a script today must not become ambiguous tomorrow.
 */
#include "cli/cli.h"

#include <string.h>

#include "base/suggest.h"
#include "base/text.h"

const struct cli_option_row cli_options[CLI_OPTION_MAX_] = {
#define OPTION(id, name, argument, help) [CLI_OPTION_##id] = { name, argument, help },
#include "cli/options.def"
#undef OPTION
};

const struct cli_verb cli_verbs[CLI_VERB_COUNT] = {
#define VERB(id, noun, verb, operands, options, seconds, summary)                              \
	{ noun, verb, operands, options, summary, seconds, cli_run_##id },
#include "cli/verbs.def"
#undef VERB
};

/* noun, a verb of two words, the operands, and one too many to complain about */
enum { WORDS_MAX = 3 + CLI_OPERANDS_MAX + 1 };

struct words {
	const char *word[WORDS_MAX];
	unsigned n;
};

void cli_verb_name(const struct cli_verb *verb, char out[static CLI_NAME_SIZE])
{
	(void)snprintf(out, CLI_NAME_SIZE, "%s%s%s", verb->noun, *verb->noun ? " " : "",
		       verb->verb);
}

const char *cli_root(const struct cli *c)
{
	return c->option[CLI_OPTION_ROOT] ? c->option[CLI_OPTION_ROOT] : "";
}

static int refuse_unknown_option(const char *word, struct report *r)
{
	const char *names[CLI_OPTION_MAX_];
	const char *near;

	for (unsigned i = 0; i < CLI_OPTION_MAX_; i++)
		names[i] = cli_options[i].name;
	near = suggest_nearest(word + strspn(word, "-"), names, CLI_OPTION_MAX_);
	(void)report_set(r, -EINVAL, "there is no option %s", word);
	if (near)
		report_hint(r, "did you mean --%s?", near);
	else
		report_hint(r, "rotatectl --help");
	return -EINVAL;
}

static int find_option(const char *name, size_t len)
{
	for (int i = 0; i < CLI_OPTION_MAX_; i++)
		if (strlen(cli_options[i].name) == len &&
		    strncmp(cli_options[i].name, name, len) == 0)
			return i;
	return -ENOENT;
}

/* Takes the option at argv[*i], and the argument after it where it needs one. */
static int take_option(struct cli *c, char **argv, int *i, struct report *r)
{
	const char *word = argv[*i];
	const char *name = word[1] == '-' ? word + 2 : "";
	const char *value = strchr(name, '=');
	int option = find_option(name, value ? (size_t)(value - name) : strlen(name));

	if (strcmp(word, "-h") == 0)
		option = CLI_OPTION_HELP;
	if (option < 0)
		return refuse_unknown_option(word, r);
	name = cli_options[option].name;
	if (c->option[option])
		return report_set(r, -EINVAL, "--%s is given twice", name);
	if (!cli_options[option].argument) {
		if (value)
			return report_set(r, -EINVAL, "--%s takes no argument", name);
		c->option[option] = "";
		return 0;
	}
	value = value ? value + 1 : argv[++*i];
	if (!value || !*value)
		return report_set(r, -EINVAL, "--%s needs an argument: %s", name,
				  cli_options[option].argument);
	c->option[option] = value;
	return 0;
}

static int split(struct cli *c, char **argv, struct words *words, struct report *r)
{
	bool options = true;

	for (int i = 1; argv[i]; i++) {
		int k = 0;

		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1])
			k = take_option(c, argv, &i, r);
		else if (words->n < WORDS_MAX)
			words->word[words->n++] = argv[i];
		if (k < 0)
			return k;
	}
	return 0;
}

/* How many words the verb takes up at WORD; 0 when it is not this one. */
static unsigned verb_matches(const struct cli_verb *verb, const char *const *word, unsigned n)
{
	const char *blank = strchr(verb->verb, ' ');

	if (!blank)
		return n > 0 && strcmp(word[0], verb->verb) == 0;
	if (n < 2 || strlen(word[0]) != (size_t)(blank - verb->verb))
		return 0;
	if (strncmp(word[0], verb->verb, strlen(word[0])) != 0)
		return 0;
	return strcmp(word[1], blank + 1) == 0 ? 2 : 0;
}

static bool is_noun(const char *word)
{
	for (unsigned i = 0; i < CLI_VERB_COUNT; i++)
		if (*cli_verbs[i].noun && strcmp(cli_verbs[i].noun, word) == 0)
			return true;
	return false;
}

/* The words that could have stood here: the verbs of NOUN; the nouns too when it is "". */
static unsigned candidates(const char *noun, const char *ret[static 2 * CLI_VERB_COUNT])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CLI_VERB_COUNT; i++) {
		if (strcmp(cli_verbs[i].noun, noun) == 0)
			ret[n++] = cli_verbs[i].verb;
		else if (!*noun && (i == 0 || strcmp(cli_verbs[i].noun, cli_verbs[i - 1].noun)))
			ret[n++] = cli_verbs[i].noun;
	}
	return n;
}

static int refuse_word(const char *noun, const char *word, struct report *r)
{
	const char *names[2 * CLI_VERB_COUNT];
	unsigned n = candidates(noun, names);
	const char *near = suggest_nearest(word, names, n);

	for (unsigned i = n; i-- > 0;) /* "slot" of "slot list", the first of its verbs */
		if (strncmp(names[i], word, strlen(word)) == 0 && names[i][strlen(word)] == ' ')
			near = names[i];

	(void)report_set(r, -EINVAL, *noun ? "%s has no verb \"%s\"" : "%sthere is no \"%s\"",
			 noun, word);
	if (near)
		report_hint(r, "did you mean rotatectl %s%s%s?", noun, *noun ? " " : "", near);
	else
		report_hint(r, "rotatectl %s%s--help", noun, *noun ? " " : "");
	return -EINVAL;
}

/* Finds the verb that WORDS begin with; *ret_used tells how many of them it took. */
static int find_verb(struct cli *c, const struct words *words, unsigned *ret_used,
		     struct report *r)
{
	unsigned skip = is_noun(words->word[0]);

	for (unsigned i = 0; i < CLI_VERB_COUNT; i++) {
		unsigned n = 0;

		if (strcmp(cli_verbs[i].noun, skip ? words->word[0] : "") == 0)
			n = verb_matches(&cli_verbs[i], words->word + skip, words->n - skip);
		if (n) {
			c->verb = &cli_verbs[i];
			*ret_used = skip + n;
			return 0;
		}
	}
	if (skip && cli_has(c, CLI_OPTION_HELP)) {
		c->noun = words->word[0];
		*ret_used = words->n;
		return 0;
	}
	if (words->n > skip)
		return refuse_word(skip ? words->word[0] : "", words->word[skip], r);
	(void)report_set(r, -EINVAL, "%s needs a verb", words->word[0]);
	report_hint(r, "rotatectl %s --help", words->word[0]);
	return -EINVAL;
}

static bool is_login(const char *s)
{
	char service[SERVICE_ID_MAX + 1];
	uint32_t version;

	return text_to_login(s, service, &version) == 0;
}

static bool is_slot_kind(const char *s)
{
	static const char *const kinds[] = { "passphrase", "key-file", "recovery",
					     "credential", "exec",     "quorum" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(s, kinds[i]) == 0)
			return true;
	return false;
}

/* the first digits of an id, or a kind */
static bool is_slot(const char *s)
{
	size_t len = strspn(s, "0123456789abcdef");

	return is_slot_kind(s) || (len > 0 && len <= 32 && !s[len]);
}

/* billing.7, billing, or a serial number */
static bool is_certificate(const char *s)
{
	enum { SERIAL_DIGITS = 40 };

	return is_login(s) || (strlen(s) == SERIAL_DIGITS &&
			       strspn(s, "0123456789abcdefABCDEF") == SERIAL_DIGITS);
}

static bool is_file(const char *s)
{
	enum { FILE_MAX = 4000 };

	return *s && strlen(s) <= FILE_MAX;
}

static bool is_entry(const char *s)
{
	const char *id = strchr(s, '/');

	return id ? text_is_domain(id + 1) || text_is_service_id(id + 1) : text_is_label(s);
}

static const struct operand {
	const char *name;
	bool (*is_valid)(const char *s);
	const char *what;
} operands[] = {
	{ "SERVICE", text_is_service_id, "a service id like billing: a-z, 0-9 and hyphens" },
	{ "LOGIN", is_login, "a login like billing.7, or a service id with --all" },
	{ "CERTIFICATE", is_certificate,
	  "a certificate like billing.7, a serial number, or a service id with --all" },
	{ "DOMAIN", text_is_domain, "a domain in lower case like example.com" },
	{ "UPSTREAM", text_is_service_id,
	  "the id of an upstream like ses: a-z, 0-9 and hyphens" },
	{ "NAME", is_login, "the name of a version like ses.7" },
	{ "KIND", is_slot_kind,
	  "a kind of slot: passphrase, key-file, recovery, credential, exec or quorum" },
	{ "SLOT", is_slot, "a slot: the first digits of its id, or its kind" },
	{ "HELD", text_is_label, "the name of what is held, from ldap status" },
	{ "FILE", is_file, "the name of a file, or - for standard input or output" },
	{ "ENTRY", is_entry, "an entry of store reconcile like password/billing" },
	{ "SELECTOR", text_is_label, "a selector like r20261123" },
};

static int check_operand(const char *name, size_t len, const char *value, struct report *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(operands); i++) {
		if (strncmp(operands[i].name, name, len) != 0 || operands[i].name[len])
			continue;
		if (operands[i].is_valid(value))
			return 0;
		return report_set(r, -EINVAL, "\"%s\" is not %s", value, operands[i].what);
	}
	return report_set(r, -EINVAL, "\"%s\" has no meaning here", value);
}

/* Gives the words left over to the operands of the verb, in order. */
static int take_operands(struct cli *c, const char *const *word, unsigned n, struct report *r)
{
	const char *list = c->verb->operands;
	char name[CLI_NAME_SIZE];
	int k;

	cli_verb_name(c->verb, name);
	while (*list) {
		size_t len = strcspn(list, " ");
		bool optional = *list == '[';

		if (c->n_operands == n && !optional) {
			(void)report_set(r, -EINVAL, "%s needs %.*s", name, (int)len, list);
			report_hint(r, "rotatectl %s --help", name);
			return -EINVAL;
		}
		if (c->n_operands < n) {
			k = check_operand(list + optional, len - 2 * optional,
					  word[c->n_operands], r);
			if (k < 0)
				return k;
			c->operand[c->n_operands] = word[c->n_operands];
			c->n_operands++;
		}
		list += len;
		list += strspn(list, " ");
	}
	if (c->n_operands == n)
		return 0;
	(void)report_set(r, -EINVAL, "%s does not take \"%s\"", name, word[c->n_operands]);
	report_hint(r, "rotatectl %s --help", name);
	return -EINVAL;
}

static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

static int check_options(const struct cli *c, struct report *r)
{
	char name[CLI_NAME_SIZE];

	cli_verb_name(c->verb, name);
	for (unsigned i = CLI_OPTION_VERSION + 1; i < CLI_OPTION_MAX_; i++) {
		if (!c->option[i] || list_has(c->verb->options, cli_options[i].name))
			continue;
		(void)report_set(r, -EINVAL, "%s does not take --%s", name,
				 cli_options[i].name);
		report_hint(r, "rotatectl %s --help", name);
		return -EINVAL;
	}
	return 0;
}

int cli_parse(struct cli *c, int argc, char **argv, struct report *r)
{
	struct words words = { .n = 0 };
	unsigned used = 0;
	int k;

	(void)argc; /* argv ends with NULL */
	k = split(c, argv, &words, r);
	if (k < 0 || cli_has(c, CLI_OPTION_VERSION))
		return k;
	if (words.n == 0 && cli_has(c, CLI_OPTION_HELP))
		return 0;
	if (words.n == 0) {
		(void)report_set(r, -EINVAL, "nothing to do was named");
		report_hint(r, "rotatectl --help");
		return -EINVAL;
	}
	k = find_verb(c, &words, &used, r);
	if (k < 0 || cli_has(c, CLI_OPTION_HELP))
		return k;
	k = take_operands(c, words.word + used, words.n - used, r);
	if (k < 0)
		return k;
	return check_options(c, r);
}
