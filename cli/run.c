/* SPDX-License-Identifier: BSD-2-Clause */
/* From argv to exit code. */
#include "config.h"

#include "cli/cli.h"

#include <string.h>

/* Of a noun: what nobody but a person can do after something was compromised. */
static const struct {
	const char *noun, *left;
} compromised[] = {
	{ "credential",
	  "Every other login of it is dead. What is left to do:\n"
	  "  give it this secret: until then it can not send\n"
	  "  see who used the old one: journalctl -u rotated-auth\n"
	  "  see what else was kept where it was stolen: rotatectl service show %s\n" },
	{ "certificate",
	  "Every other certificate of it is refused. What is left to do:\n"
	  "  give it this one: until then it can not send\n"
	  "  give the new list to whoever checks one: rotatectl ca crl\n"
	  "  see who used the old one: journalctl -u rotated-auth\n" },
	{ "dkim",
	  "Its other keys are erased here and their records go. What is left to do:\n"
	  "  take the old key out of every signer, and give them the new one when it is active\n"
	  "  see how far it is: rotatectl dkim show %s\n"
	  "  until resolvers forget the old record, for its TTL, what was signed with it verifies\n" },
	{ "upstream",
	  "Its other secrets are being revoked at the provider. What is left to do:\n"
	  "  see that it is done: rotatectl upstream show %s\n"
	  "  look at the provider for what was sent with the old one\n" },
};

static void tell_what_is_left(const struct cli *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(compromised); i++) {
		if (strcmp(compromised[i].noun, c->verb->noun) != 0)
			continue;
		const char *id = strstr(compromised[i].left, "%s");

		if (!id)
			(void)fputs(compromised[i].left, c->err);
		else
			(void)fprintf(c->err, "%.*s%s%s", (int)(id - compromised[i].left),
				      compromised[i].left, c->operand[0], id + 2);
	}
}

static int run(struct cli *c, int argc, char **argv)
{
	int exit_code;
	struct report r;

	if (cli_parse(c, argc, argv, &r) < 0)
		return cli_fail(c, CLI_USAGE, &r);
	if (cli_has(c, CLI_OPTION_VERSION)) {
		(void)fprintf(c->out, "rotatectl %s\n", PACKAGE_VERSION);
		return CLI_DONE;
	}
	if (cli_has(c, CLI_OPTION_HELP)) {
		cli_help(c, c->out);
		return CLI_DONE;
	}
	exit_code = c->verb->run(c);
	if (exit_code == CLI_DONE && cli_has(c, CLI_OPTION_COMPROMISED) &&
	    !cli_has(c, CLI_OPTION_JSON) && !cli_has(c, CLI_OPTION_DRY_RUN))
		tell_what_is_left(c);
	return exit_code;
}

int cli_main(struct cli *c, int argc, char **argv)
{
	int exit_code = run(c, argc, argv);
	struct report r;

	if (fflush(c->out) == 0 && !ferror(c->out))
		return exit_code;
	(void)report_set(&r, -EIO, "cannot write the answer: %s", strerror(errno));
	return cli_fail(c, exit_code == CLI_DONE ? CLI_REFUSED : (enum cli_exit)exit_code, &r);
}
