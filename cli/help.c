/* SPDX-License-Identifier: BSD-2-Clause */
/* --help, made from the tables that the parser uses. */
#include "cli/cli.h"

#include <string.h>

enum { COLUMN = 36 }; /* where the summaries begin */

static void show_entry(FILE *out, const char *left, const char *right)
{
	int width = (int)strlen(left);

	(void)fprintf(out, "  %s", left);
	if (width + 4 > COLUMN)
		(void)fprintf(out, "\n%*s%s\n", COLUMN, "", right);
	else
		(void)fprintf(out, "%*s%s\n", COLUMN - width - 2, "", right);
}

static void show_option(FILE *out, const struct cli_option_row *option)
{
	char left[CLI_NAME_SIZE];

	(void)snprintf(left, sizeof(left), "--%s%s%s", option->name,
		       option->argument ? " " : "", option->argument ? option->argument : "");
	show_entry(out, left, option->help);
}

static void show_verb_line(FILE *out, const struct cli_verb *verb)
{
	char name[CLI_NAME_SIZE];
	char left[2 * CLI_NAME_SIZE];

	cli_verb_name(verb, name);
	(void)snprintf(left, sizeof(left), "%s%s%s", name, *verb->operands ? " " : "",
		       verb->operands);
	show_entry(out, left, verb->summary);
}

/* Calls SHOW for each row of options.def that LIST names. */
static void for_options(FILE *out, const char *list,
			void (*show)(FILE *out, const struct cli_option_row *option))
{
	while (*list) {
		size_t len = strcspn(list, " ");

		for (unsigned i = 0; i < CLI_OPTION_MAX_; i++)
			if (strlen(cli_options[i].name) == len &&
			    strncmp(cli_options[i].name, list, len) == 0)
				show(out, &cli_options[i]);
		list += len;
		list += strspn(list, " ");
	}
}

static void show_usage_option(FILE *out, const struct cli_option_row *option)
{
	(void)fprintf(out, " [--%s%s%s]", option->name, option->argument ? " " : "",
		      option->argument ? option->argument : "");
}

static void show_verb(FILE *out, const struct cli_verb *verb)
{
	char name[CLI_NAME_SIZE];

	cli_verb_name(verb, name);
	(void)fprintf(out, "usage: rotatectl [--root DIR] [--json] %s%s%s", name,
		      *verb->operands ? " " : "", verb->operands);
	for_options(out, verb->options, show_usage_option);
	(void)fprintf(out, "\n\n%s\n", verb->summary);
	if (*verb->options) {
		(void)fputc('\n', out);
		for_options(out, verb->options, show_option);
	}
}

void cli_help(const struct cli *c, FILE *out)
{
	const char *noun = NULL;

	if (c->verb) {
		show_verb(out, c->verb);
		return;
	}
	(void)fprintf(out, "usage: rotatectl [--root DIR] [--json] %s VERB ...\n",
		      c->noun ? c->noun : "NOUN");
	for (unsigned i = 0; i < CLI_VERB_COUNT; i++) {
		if (c->noun && strcmp(cli_verbs[i].noun, c->noun) != 0)
			continue;
		if (!noun || strcmp(noun, cli_verbs[i].noun) != 0)
			(void)fputc('\n', out);
		noun = cli_verbs[i].noun;
		show_verb_line(out, &cli_verbs[i]);
	}
	if (c->noun)
		return;
	(void)fputc('\n', out);
	for (unsigned i = 0; i <= CLI_OPTION_VERSION; i++)
		show_option(out, &cli_options[i]);
	(void)fputs("\nrotatectl VERB --help and rotatectl NOUN VERB --help tell the options "
		    "of one "
		    "verb.\nExit codes: 0 done, 1 refused or failed, 2 usage, 3 nothing to do, "
		    "75 try again.\n",
		    out);
}
