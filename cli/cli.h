/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of rotatectl share: the parsed command line, the two tables it is parsed by,
 * and the ways to ask the vault and to answer the person.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/report.h"
#include "wire/verbs.h"

#include <stdio.h>

struct json_t; /* jansson's; its header and base/json.h do not go together */

enum cli_option {
#define OPTION(id, name, argument, help) CLI_OPTION_##id,
#include "cli/options.def"
#undef OPTION
	CLI_OPTION_MAX_
};

struct cli_option_row {
	const char *name;
	const char *argument; /* NULL: a flag */
	const char *help;
};

extern const struct cli_option_row cli_options[CLI_OPTION_MAX_];

struct cli;

struct cli_verb {
	const char *noun; /* "" for the verbs that have none */
	const char *verb; /* may be two words */
	const char *operands;
	const char *options;
	const char *summary;
	unsigned seconds;
	int (*run)(struct cli *c); /* an exit code; has told the person whatever there was */
};

enum {
	CLI_VERB_COUNT = 0
#define VERB(id, noun, verb, operands, options, seconds, summary) +1
#include "cli/verbs.def"
#undef VERB
};

extern const struct cli_verb cli_verbs[CLI_VERB_COUNT];

enum { CLI_OPERANDS_MAX = 2 };

/* One run. The strings are argv's. */
struct cli {
	const struct cli_verb *verb; /* NULL: none was named */
	const char *noun;	     /* of a --help without a verb; else NULL */
	const char *operand[CLI_OPERANDS_MAX];
	unsigned n_operands;
	const char *option[CLI_OPTION_MAX_]; /* NULL: not given; "" for a flag */

	int in;	   /* descriptor that secrets are read from */
	FILE *out; /* answers */
	FILE *err; /* errors, prompts, remarks */
};

enum cli_exit {
	CLI_DONE = 0,
	CLI_REFUSED = 1,
	CLI_USAGE = 2,
	CLI_NOTHING = 3,
	CLI_AGAIN = 75,
};

/* Parses, runs, and returns the exit code. IN, OUT and ERR are set by the caller. */
int cli_main(struct cli *c, int argc, char **argv);

/* Fills all but the streams. -EINVAL with R filled when it cannot be done as typed. */
must_check int cli_parse(struct cli *c, int argc, char **argv, struct report *r);

static inline bool cli_has(const struct cli *c, enum cli_option option)
{
	return c->option[option] != NULL;
}

/* --root, "" without. */
const char *cli_root(const struct cli *c);

/* Tells what failed, in the form that was asked for. Returns EXIT_CODE. */
int cli_fail(struct cli *c, enum cli_exit exit_code, const struct report *r);

/* The text of --help for C's verb, else its noun, else everything. */
void cli_help(const struct cli *c, FILE *out);

/* "credential issue", "init": VERB with its noun. */
enum { CLI_NAME_SIZE = 64 };
void cli_verb_name(const struct cli_verb *verb, char out[static CLI_NAME_SIZE]);

/* The vault's answer. The fields of FRAME borrow from BYTES. */
struct cli_reply {
	enum wire_status status;
	struct buf bytes;
	struct frame frame;  /* the last one of the reply */
	struct json_t *json; /* owned; NULL when there was none */
};

#define CLI_REPLY_INIT ((struct cli_reply){ .status = WIRE_STATUS_OK })

void cli_reply_release(struct cli_reply *reply);
#define cleanup_reply cleanup_(cli_reply_release)

/* Begins a request for VERB that carries C's operands and --dry-run as fields. */
void cli_request(const struct cli *c, enum wire_verb verb, struct buf *ret);

/* Sends REQUEST and collects the whole reply. CLI_DONE when there is one, whatever its status;
 * otherwise the person has been told and this is the exit code. */
must_check int cli_ask(struct cli *c, enum wire_verb verb, struct buf *request,
		       struct cli_reply *ret);

/* The two halves of cli_ask(), for several questions over one connection. RET_FD is owned. */
must_check int cli_connect(struct cli *c, int *ret_fd);
must_check int cli_ask_over(struct cli *c, int fd, enum wire_verb verb, struct buf *request,
			    struct cli_reply *ret);

/* Prints the answer to people. */
typedef void cli_show_t(FILE *out, const struct json_t *json);

/* Ends a run: the JSON (through SHOW unless --json; SHOW may be NULL), the message and the
 * hint, each to where it belongs. Returns the exit code. */
int cli_answer(struct cli *c, const struct cli_reply *reply, cli_show_t *show);

/* cli_request(), cli_ask() and cli_answer() in one, for a verb that needs nothing else. */
int cli_ask_and_answer(struct cli *c, enum wire_verb verb, cli_show_t *show);

/* store restore --accept-rollback, which is about no file. */
int cli_accept_rollback(struct cli *c);
/* With --passphrase-fd or --passphrase-file: unseals by it. CLI_DONE, or an exit code after the
 * person has been told. */
must_check int cli_open_first(struct cli *c);

/* Writes TEXT, which holds a secret, past the buffers of stdio. The caller wipes it. */
must_check int cli_write_secret(struct cli *c, struct buf *text);

#define VERB(id, noun, verb, operands, options, seconds, summary)                              \
	int cli_run_##id(struct cli *c);
#include "cli/verbs.def"
#undef VERB

#endif
