/* SPDX-License-Identifier: BSD-2-Clause */
/* rotatectl from argv to output, against a vault that says what it is told to. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "tests/unit/fake-vault.h"

enum { ARGS_MAX = 16, TEXT_MAX = 64 * 1024 };

struct run {
	int exit_code;
	struct buf out;
	struct buf err;
};

static void run_release(struct run *r)
{
	buf_release(&r->out);
	buf_release(&r->err);
}

#define cleanup_run cleanup_(run_release)

static void slurp(FILE *f, struct buf *ret)
{
	long size;

	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size >= 0);
	rewind(f);
	if (size > 0) {
		uint8_t *p = buf_reserve(ret, (size_t)size);

		assert_non_null(p);
		assert_int_equal(fread(p, 1, (size_t)size, f), size);
		ret->len = (size_t)size;
	}
	(void)fclose(f);
}

/* LINE is split at blanks; "@" becomes ROOT. IN is what standard input holds. */
static void run_with(struct cli *c, const char *root, const char *line, const char *in,
		     struct run *ret)
{
	char *argv[ARGS_MAX] = { NULL };
	char copy[512];
	char *rest = copy;
	int argc = 0;
	FILE *input = tmpfile();

	assert_non_null(input);
	assert_true(fputs(in, input) >= 0);
	assert_int_equal(fflush(input), 0);
	rewind(input);
	(void)snprintf(copy, sizeof(copy), "rotatectl %s", line);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = strcmp(word, "@") == 0 ? (char *)(uintptr_t)root : word;
	c->in = fileno(input);
	ret->exit_code = cli_main(c, argc, argv);
	(void)fclose(input);
}

static void run(const char *root, const char *line, const char *in, struct run *ret)
{
	struct cli c = { .out = tmpfile(), .err = tmpfile() };

	ret->out = BUF_INIT;
	ret->err = BUF_INIT;
	assert_non_null(c.out);
	assert_non_null(c.err);
	run_with(&c, root, line, in, ret);
	slurp(c.out, &ret->out);
	slurp(c.err, &ret->err);
}

static int make_root(void **state)
{
	static char path[] = "/tmp/rotated-test-cli-XXXXXX";

	(void)snprintf(path, sizeof(path), "/tmp/rotated-test-cli-XXXXXX");
	*state = mkdtemp(path);
	return *state ? 0 : -1;
}

static int drop_root(void **state)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
	return system(command);
}

static void assert_text(struct buf *b, const char *text)
{
	assert_string_equal(buf_string(b), text);
}

static void assert_holds(struct buf *b, const char *piece)
{
	if (!strstr(buf_string(b), piece))
		fail_msg("\"%s\" is not in:\n%s", piece, buf_string(b));
}

static void assert_requests(const char *root, const char *text)
{
	cleanup_buf struct buf b = BUF_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/requests", root);
	assert_int_equal(fs_read(AT_FDCWD, path, TEXT_MAX, &b), 0);
	assert_text(&b, text);
}

/* A reply of one frame; the fields are name and value in turn, ended by NULL. */
static void turn_init(struct fake_turn *t, enum wire_verb verb, enum wire_status status,
		      const char *const *fields)
{
	*t = (struct fake_turn){ .verb = verb, .n_frames = 1 };
	wire_begin_reply(&t->frames[0], status);
	for (; fields[0]; fields += 2)
		frame_put_text(&t->frames[0], fields[0], fields[1]);
	assert_int_equal(frame_end(&t->frames[0]), 0);
}

static void turn_release(struct fake_turn *t)
{
	for (size_t i = 0; i < t->n_frames; i++)
		buf_release(&t->frames[i]);
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void wrong_words_are_refused_with_the_right_one(void **state)
{
	static const struct {
		const char *line;
		const char *err;
	} cases[] = {
		{ "", "nothing to do was named" },
		{ "statsu", "did you mean rotatectl status?" },
		{ "credentials issue billing", "did you mean rotatectl credential?" },
		{ "credential isue billing", "did you mean rotatectl credential issue?" },
		{ "credential", "credential needs a verb" },
		{ "store slot", "did you mean rotatectl store slot list?" },
		{ "credential issue", "credential issue needs SERVICE" },
		{ "credential issue billing more", "does not take \"more\"" },
		{ "credential issue Billing", "\"Billing\" is not a service id" },
		{ "dkim rotate example", "\"example\" is not a domain" },
		{ "dkim revoke example.com -x", "there is no option -x" },
		{ "credential issue billing --dry-rn", "did you mean --dry-run?" },
		{ "status --dry-run", "status does not take --dry-run" },
		{ "status --root", "--root needs an argument: DIR" },
		{ "status --json=yes", "--json takes no argument" },
		{ "status --json --json", "--json is given twice" },
		{ "credential revoke billing", "say which version, or --all" },
		{ "credential revoke billing.7 --all", "leave it or --all out" },
		{ "credential revoke billing.07", "is not a login" },
		{ "audit show --count many", "--count needs a number" },
		{ "dkim show example.com --private-key", "needs a SELECTOR" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_run struct run r;

		run("", cases[i].line, "", &r);
		assert_holds(&r.err, cases[i].err);
		assert_int_equal(r.exit_code, CLI_USAGE);
		assert_text(&r.out, "");
	}
}

static void every_verb_has_help_and_every_option_a_verb(void **state)
{
	bool is_used[CLI_OPTION_MAX_] = { false };
	cleanup_run struct run all;

	(void)state;
	run("", "--help", "", &all);
	assert_int_equal(all.exit_code, 0);
	for (size_t i = 0; i < CLI_VERB_COUNT; i++) {
		cleanup_run struct run r;
		char name[CLI_NAME_SIZE];
		char line[CLI_NAME_SIZE + 8];

		cli_verb_name(&cli_verbs[i], name);
		(void)snprintf(line, sizeof(line), "%s --help", name);
		run("", line, "", &r);
		assert_int_equal(r.exit_code, 0);
		assert_holds(&r.out, name);
		assert_holds(&r.out, cli_verbs[i].summary);
		assert_holds(&all.out, cli_verbs[i].summary);
		for (size_t k = 0; k < CLI_OPTION_MAX_; k++)
			is_used[k] |= strstr(cli_verbs[i].options, cli_options[k].name) != NULL;
	}
	for (size_t k = CLI_OPTION_VERSION + 1; k < CLI_OPTION_MAX_; k++)
		assert_true(is_used[k]);
}

static void every_option_of_a_verb_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLI_VERB_COUNT; i++) {
		char copy[256];
		char *rest = copy;

		(void)snprintf(copy, sizeof(copy), "%s", cli_verbs[i].options);
		for (char *word; (word = strsep(&rest, " "));) {
			bool is_known = !*word;

			for (size_t k = 0; k < CLI_OPTION_MAX_; k++)
				is_known |= strcmp(cli_options[k].name, word) == 0;
			assert_true(is_known);
		}
	}
}

static void a_vault_that_is_away_means_try_again(void **state)
{
	cleanup_run struct run r;

	run(*state, "--root @ status", "", &r);
	assert_int_equal(r.exit_code, CLI_AGAIN);
	assert_text(&r.out, "");
	assert_holds(&r.err, "rotatectl: rotated is not running");
	assert_holds(&r.err, "  next: rotated --root /tmp/rotated-test-cli-");
}

static void errors_are_json_when_asked_for(void **state)
{
	cleanup_run struct run r;

	run(*state, "--json status --root=/nonexistent", "", &r);
	assert_int_equal(r.exit_code, CLI_AGAIN);
	assert_text(&r.err,
		    "{\"status\":\"again\",\"message\":\"rotated is not running: nothing "
		    "answers at /nonexistent/run/rotated/control\","
		    "\"hint\":\"rotated --root /nonexistent\"}\n");
}

static void status_of_the_reply_is_the_exit_code(void **state)
{
	for (unsigned i = 0; i < WIRE_STATUS_MAX_; i++) {
		cleanup_(turn_release) struct fake_turn turn;
		cleanup_run struct run r;
		pid_t pid;

		turn_init(&turn, WIRE_STORE_SEAL, (enum wire_status)i,
			  FIELDS("message", "it\x1b[2J is so", "hint", "rotatectl unseal"));
		pid = fake_vault_start(*state, &turn, 1);
		run(*state, "--root @ seal --issuer --dry-run", "", &r);
		fake_vault_stop(pid);
		assert_int_equal(r.exit_code, wire_status_exit_code((enum wire_status)i));
		assert_text(i == WIRE_STATUS_OK ? &r.err : &r.out, "");
		assert_text(i == WIRE_STATUS_OK ? &r.out : &r.err,
			    i == WIRE_STATUS_OK
				    ? "it?[2J is so\n  next: rotatectl unseal\n"
				    : "rotatectl: it?[2J is so\n  next: rotatectl unseal\n");
		assert_requests(*state, "Store.Seal dry_run=1 tier=issuer\n");
	}
}

static void a_vault_that_hangs_up_is_not_mistaken_for_an_answer(void **state)
{
	const struct fake_turn turn = { .verb = WIRE_STATUS_GET };
	cleanup_run struct run r;
	pid_t pid = fake_vault_start(*state, &turn, 1);

	run(*state, "--root @ status", "", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, CLI_AGAIN);
	assert_holds(&r.err, "closed the connection without an answer");
}

static void an_answer_of_another_shape_is_refused(void **state)
{
	static const char *const fields[][3] = {
		{ "json", "[]", NULL }, { "json", "{\"a\":1,\"a\":2}", NULL },
		{ "json", "{", NULL },	{ "secret", "x", NULL },
		{ "more", "1", NULL }, /* and nothing of the JSON */
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		cleanup_(turn_release) struct fake_turn turn;
		cleanup_run struct run r;
		pid_t pid;

		turn_init(&turn, WIRE_STATUS_GET, WIRE_STATUS_OK, fields[i]);
		pid = fake_vault_start(*state, &turn, 1);
		run(*state, "--root @ status", "", &r);
		fake_vault_stop(pid);
		assert_int_equal(r.exit_code, CLI_AGAIN);
		assert_holds(&r.err, "an answer that is not understood here");
	}
}

static void issue_confirms_after_the_secret_was_written(void **state)
{
	struct fake_turn turns[2];
	cleanup_run struct run r;
	pid_t pid;

	turn_init(&turns[0], WIRE_CREDENTIAL_ROTATE, WIRE_STATUS_OK,
		  FIELDS("login", "billing.7", "version", "7", "secret", "rtd1_secret"));
	turn_init(&turns[1], WIRE_CREDENTIAL_CONFIRM, WIRE_STATUS_OK,
		  FIELDS("json", "{\"retiring\":{\"login\":\"billing.6\","
				 "\"leaves\":\"2026-11-30T08:30:05Z\"}}"));
	pid = fake_vault_start(*state, turns, 2);
	run(*state, "--root @ credential rotate billing", "", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_text(&r.out, "login   billing.7\nsecret  rtd1_secret\n");
	assert_text(&r.err,
		    "billing.7 is active. The secret is not stored and not shown again.\n"
		    "billing.6 works until 2026-11-30T08:30:05Z.\n");
	assert_requests(*state, "Credential.Rotate service=billing\n"
				"Credential.Confirm service=billing version=7\n");
	run_release(&r);

	pid = fake_vault_start(*state, turns, 2);
	run(*state, "--root @ --json credential rotate billing", "", &r);
	fake_vault_stop(pid);
	assert_text(&r.out, "{\"service\":\"billing\",\"version\":7,\"login\":\"billing.7\","
			    "\"secret\":\"rtd1_secret\"}\n");
	assert_text(&r.err, "");
	turn_release(&turns[0]);
	turn_release(&turns[1]);
}

static void a_secret_that_nobody_received_is_not_confirmed(void **state)
{
	struct cli c = { .out = fopen("/dev/full", "w"), .err = tmpfile() };
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r = { .out = BUF_INIT, .err = BUF_INIT };
	pid_t pid;

	assert_non_null(c.out);
	assert_non_null(c.err);
	turn_init(&turn, WIRE_CREDENTIAL_ISSUE, WIRE_STATUS_OK,
		  FIELDS("login", "billing.1", "version", "1", "secret", "rtd1_secret"));
	pid = fake_vault_start(*state, &turn, 1);
	run_with(&c, *state, "--root @ credential issue billing", "", &r);
	fake_vault_stop(pid);
	slurp(c.err, &r.err);
	(void)fclose(c.out);
	assert_int_equal(r.exit_code, CLI_REFUSED);
	assert_holds(&r.err, "is not confirmed and does not become active");
	assert_holds(&r.err, "next: rotatectl credential issue billing");
	assert_null(strstr(buf_string(&r.err), "rtd1_secret"));
	assert_requests(*state, "Credential.Issue service=billing\n");
}

static void passphrase_comes_from_input_descriptor_or_file(void **state)
{
	static const char *const lines[] = { "--root @ unseal",
					     "--root @ unseal --passphrase-file=%s/pass" };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/pass", (char *)*state);
	assert_int_equal(fs_replace(AT_FDCWD, path, "correct horse\r\n", 15, 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		cleanup_(turn_release) struct fake_turn turn;
		cleanup_run struct run r;
		char line[256];
		pid_t pid;

		turn_init(&turn, WIRE_STORE_UNSEAL, WIRE_STATUS_OK,
			  FIELDS("message", "both tiers are open"));
		pid = fake_vault_start(*state, &turn, 1);
		(void)snprintf(line, sizeof(line), "%s", lines[i]);
		if (i == 1)
			(void)snprintf(line, sizeof(line),
				       "--root @ unseal --passphrase-file=%s", path);
		run(*state, line, i == 0 ? "correct horse\nnext line\n" : "", &r);
		fake_vault_stop(pid);
		assert_text(&r.err, "");
		assert_text(&r.out, "both tiers are open\n");
		assert_requests(*state, "Store.Unseal passphrase=correct horse\n");
	}
}

static void an_empty_passphrase_is_refused_before_anything_is_asked(void **state)
{
	static const char *const lines[] = { "--root @ unseal", "--root @ init",
					     "--root @ unseal --passphrase-fd 999",
					     "--root @ unseal --passphrase-fd -1" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		cleanup_run struct run r;

		run(*state, lines[i], "\n", &r);
		assert_int_equal(r.exit_code, CLI_USAGE);
	}
}

static void init_shows_the_recovery_key_once(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r;
	pid_t pid;

	turn_init(&turn, WIRE_STORE_INIT, WIRE_STATUS_OK, FIELDS("recovery_key", "ABCD-EFGH"));
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ init --unattended", "long passphrase", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_holds(&r.out, "\n    ABCD-EFGH\n");
	assert_requests(*state, "Store.Init passphrase=long passphrase key_file=1\n");
	run_release(&r);

	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ --json init", "long passphrase", &r);
	fake_vault_stop(pid);
	assert_text(&r.out, "{\"recovery_key\":\"ABCD-EFGH\"}\n");
}

/* What the vault says of a slot that it has made. */
static void slot_turn(struct fake_turn *turn, const char *kind, const char *field,
		      const char *secret)
{
	char json[512];

	(void)snprintf(json, sizeof(json),
		       "{\"slots\":[{\"slot\":3,\"id\":\"4d5e6f708192a3b4c5d6e7f8091a2b3c\","
		       "\"kind\":\"%s\",\"tiers\":[\"auth\",\"issuer\"]}]}",
		       kind);
	if (field)
		turn_init(turn, WIRE_STORE_SLOT_ADD, WIRE_STATUS_OK,
			  FIELDS("json", json, field, secret));
	else
		turn_init(turn, WIRE_STORE_SLOT_ADD, WIRE_STATUS_OK, FIELDS("json", json));
}

static void shares_are_shown_once_or_go_to_files_of_their_own(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_buf struct buf file = BUF_INIT;
	cleanup_run struct run r;
	char line[512];
	char path[512];
	struct stat st;
	pid_t pid;

	slot_turn(&turn, "quorum", "shares", "RTS1-A\nRTS1-B\nRTS1-C\n");
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ store slot add quorum --shares 3 --threshold 2", "", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_holds(&r.out, "2 of these 3 shares open the keystore together:\n\n    RTS1-A\n");
	assert_holds(&r.out, "\n    RTS1-C\n");
	assert_holds(&r.out, "rotatectl store slot test 4d5e6f70\n");
	assert_requests(*state, "Store.SlotAdd kind=quorum shares=3 threshold=2\n");
	run_release(&r);

	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ --json store slot add quorum --shares 3 --threshold 2", "", &r);
	fake_vault_stop(pid);
	assert_holds(&r.out, "\"shares\":[\"RTS1-A\",\"RTS1-B\",\"RTS1-C\"]");
	run_release(&r);

	pid = fake_vault_start(*state, &turn, 1);
	(void)snprintf(line, sizeof(line),
		       "--root @ store slot add quorum --shares 3 --threshold 2 --out %s",
		       (const char *)*state);
	run(*state, line, "", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_null(strstr(buf_string(&r.out), "RTS1"));
	(void)snprintf(path, sizeof(path), "%s/rotated-4d5e6f70-share-2-of-3",
		       (const char *)*state);
	assert_int_equal(fs_read(AT_FDCWD, path, 100, &file), 0);
	assert_text(&file, "RTS1-B\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_recovery_key_of_a_new_slot_is_shown_once(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r;
	pid_t pid;

	slot_turn(&turn, "recovery", "recovery_key", "RTR1-ABCD");
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ store slot add recovery", "", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_holds(&r.out, "\n    RTR1-ABCD\n");
	run_release(&r);

	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ --json store slot add recovery", "", &r);
	fake_vault_stop(pid);
	assert_holds(&r.out, "\"recovery_key\":\"RTR1-ABCD\"");
}

static void a_slot_with_nothing_to_show_is_listed(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r;
	pid_t pid;

	slot_turn(&turn, "passphrase", NULL, NULL);
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ store slot add passphrase", "another one\n", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_holds(&r.out, "4d5e6f70  passphrase");
	assert_requests(*state, "Store.SlotAdd kind=passphrase key=another one\n");
}

static void a_directory_that_is_not_there_makes_no_slot(void **state)
{
	cleanup_run struct run r;

	run(*state, "--root @ store slot add recovery --out /no/such/directory", "", &r);
	assert_int_equal(r.exit_code, CLI_REFUSED);
	assert_holds(&r.err, "/no/such/directory");
}

/* The vault says what it needs; then it is asked for and sent. */
static void a_slot_is_tested_with_what_the_vault_asks_for(void **state)
{
	cleanup_run struct run r;
	struct fake_turn turns[2];
	pid_t pid;

	turn_init(&turns[0], WIRE_STORE_SLOT_TEST, WIRE_STATUS_USAGE,
		  FIELDS("needs", "share", "threshold", "3"));
	turn_init(&turns[1], WIRE_STORE_SLOT_TEST, WIRE_STATUS_OK,
		  FIELDS("message", "it opens the keystore"));
	pid = fake_vault_start(*state, turns, 2);
	run(*state, "--root @ store slot test quorum", "RTS1-A\nRTS1-B\n\nnot this\n", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_text(&r.out, "it opens the keystore\n");
	assert_requests(*state, "Store.SlotTest slot=quorum\n"
				"Store.SlotTest slot=quorum key=RTS1-A\nRTS1-B\n\n");
	turn_release(&turns[0]);
	turn_release(&turns[1]);
}

static void a_share_is_entered_like_a_passphrase(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r;
	pid_t pid;

	turn_init(&turn, WIRE_STORE_UNSEAL, WIRE_STATUS_AGAIN,
		  FIELDS("message", "1 of 3 shares entered", "json",
			 "{\"shares\":[{\"entered\":1,\"needed\":3}]}"));
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ unseal --share", "RTS1-A\n", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, CLI_AGAIN);
	assert_holds(&r.err, "1 of 3 shares entered");
	assert_requests(*state, "Store.Unseal share=RTS1-A\n");
}

static void audit_is_verified_with_the_recovery_key_when_asked(void **state)
{
	cleanup_(turn_release) struct fake_turn turn;
	cleanup_run struct run r;
	pid_t pid;

	turn_init(&turn, WIRE_AUDIT_VERIFY, WIRE_STATUS_OK,
		  FIELDS("json", "{\"state\":\"ok\",\"tags\":false}"));
	pid = fake_vault_start(*state, &turn, 1);
	run(*state, "--root @ audit verify --recovery", "ABCD-EFGH", &r);
	fake_vault_stop(pid);
	assert_int_equal(r.exit_code, 0);
	assert_requests(*state, "Audit.Verify recovery_key=ABCD-EFGH\n");
	assert_holds(&r.out, "not the tags (--recovery)\n"); /* the vault's word for it */
}

/* C1 controls and marks that turn the direction of text are valid UTF-8. */
static void nor_can_a_configuration_that_is_checked(void **state)
{
	static const char conf[] = "[vault]\nadmins = a\302\23331m\342\200\256b\n";
	cleanup_run struct run r;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/etc/rotated", (const char *)*state);
	assert_int_equal(fs_make_dirs(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/etc/rotated/rotated.conf", (const char *)*state);
	assert_int_equal(fs_replace(AT_FDCWD, path, conf, strlen(conf), 0644), 0);
	run(*state, "--root @ check", "", &r);
	assert_int_equal(r.exit_code, CLI_REFUSED);
	assert_holds(&r.err, "admins = a?31m?b");
}

static void what_came_from_outside_cannot_drive_the_terminal(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	print_safe(&b, "a\tb\x7f \xc2\x9b"
		       "c \xe2\x80\xae"
		       "d \xff"
		       "e \xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\x91");
	assert_text(&b, "a?b? ?c ?d ?e \xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\x91");
}

/* The answers as they are printed: tests/golden/cli/NAME.json becomes NAME.txt. */
static const struct golden {
	const char *name;
	const char *line;
	enum wire_verb verb;
	enum wire_status status;
	const char *request;
} goldens[] = {
	{ "status-good", "status", WIRE_STATUS_GET, WIRE_STATUS_OK, "" },
	{ "status-bad", "status", WIRE_STATUS_GET, WIRE_STATUS_OK, "" },
	{ "status-new", "status", WIRE_STATUS_GET, WIRE_STATUS_OK, "" },
	{ "plan", "plan", WIRE_PLAN_GET, WIRE_STATUS_OK, "" },
	{ "service-list", "service list", WIRE_SERVICE_LIST, WIRE_STATUS_OK, "" },
	{ "service-list-empty", "service list", WIRE_SERVICE_LIST, WIRE_STATUS_OK, "" },
	{ "service-show", "service show billing", WIRE_SERVICE_SHOW, WIRE_STATUS_OK,
	  " service=billing" },
	{ "credential-list", "credential list billing", WIRE_CREDENTIAL_LIST, WIRE_STATUS_OK,
	  " service=billing" },
	{ "credential-revoke", "credential revoke billing.6", WIRE_CREDENTIAL_REVOKE,
	  WIRE_STATUS_OK, " service=billing version=6" },
	{ "credential-revoke", "credential revoke billing --all", WIRE_CREDENTIAL_REVOKE,
	  WIRE_STATUS_OK, " service=billing all=1" },
	{ "ca-show", "ca show", WIRE_CA_SHOW, WIRE_STATUS_OK, "" },
	{ "ca-bundle", "ca bundle", WIRE_CA_BUNDLE, WIRE_STATUS_OK, "" },
	{ "ca-crl", "ca crl", WIRE_CA_CRL, WIRE_STATUS_OK, "" },
	{ "certificate-list", "certificate list billing", WIRE_CERTIFICATE_LIST, WIRE_STATUS_OK,
	  " service=billing" },
	{ "certificate-show", "certificate show billing", WIRE_CERTIFICATE_SHOW, WIRE_STATUS_OK,
	  " service=billing" },
	{ "certificate-revoke", "certificate revoke billing.6", WIRE_CERTIFICATE_REVOKE,
	  WIRE_STATUS_OK, " service=billing version=6" },
	{ "certificate-revoke", "certificate revoke 40AB4CE9D30F5AA1B35CC4F35331EF624768A227",
	  WIRE_CERTIFICATE_REVOKE, WIRE_STATUS_OK,
	  " serial=40AB4CE9D30F5AA1B35CC4F35331EF624768A227" },
	{ "certificate-revoke", "certificate revoke billing --all", WIRE_CERTIFICATE_REVOKE,
	  WIRE_STATUS_OK, " service=billing all=1" },
	{ "dkim-list", "dkim list", WIRE_DKIM_LIST, WIRE_STATUS_OK, "" },
	{ "dkim-show", "dkim show example.com", WIRE_DKIM_SHOW, WIRE_STATUS_OK,
	  " domain=example.com" },
	{ "dkim-rotate", "dkim rotate example.com", WIRE_DKIM_ROTATE, WIRE_STATUS_OK,
	  " domain=example.com" },
	{ "dkim-revoke", "dkim revoke example.com r20261123", WIRE_DKIM_REVOKE, WIRE_STATUS_OK,
	  " domain=example.com selector=r20261123" },
	{ "upstream-list", "upstream list", WIRE_UPSTREAM_LIST, WIRE_STATUS_OK, "" },
	{ "upstream-show", "upstream show ses", WIRE_UPSTREAM_SHOW, WIRE_STATUS_OK,
	  " upstream=ses" },
	{ "upstream-rotate", "upstream rotate ses", WIRE_UPSTREAM_ROTATE, WIRE_STATUS_OK,
	  " upstream=ses" },
	{ "upstream-revoke", "upstream revoke ses.2", WIRE_UPSTREAM_REVOKE, WIRE_STATUS_OK,
	  " upstream=ses version=2" },
	{ "upstream-test", "upstream test ses", WIRE_UPSTREAM_TEST, WIRE_STATUS_REFUSED,
	  " upstream=ses" },
	{ "ldap-status", "ldap status", WIRE_LDAP_STATUS, WIRE_STATUS_OK, "" },
	{ "ldap-status", "ldap sync", WIRE_LDAP_SYNC, WIRE_STATUS_OK, "" },
	{ "ldap-status", "ldap approve 5f1c8a02 --dry-run", WIRE_LDAP_APPROVE, WIRE_STATUS_OK,
	  " held=5f1c8a02 dry_run=1" },
	{ "dns-check", "dns check example.com", WIRE_DNS_CHECK, WIRE_STATUS_REFUSED,
	  " domain=example.com" },
	{ "hook-test", "hook test example.com", WIRE_HOOK_TEST, WIRE_STATUS_REFUSED,
	  " domain=example.com" },
	{ "audit-show", "audit show --from 118 --count 3", WIRE_AUDIT_SHOW, WIRE_STATUS_OK,
	  " from=118 count=3" },
	{ "audit-verify", "audit verify", WIRE_AUDIT_VERIFY, WIRE_STATUS_REFUSED, "" },
	{ "store-verify", "store verify", WIRE_STORE_VERIFY, WIRE_STATUS_OK, "" },
	{ "store-backup", "store backup /nowhere --dry-run", WIRE_STORE_BACKUP, WIRE_STATUS_OK,
	  " dry_run=1" },
	{ "store-slots", "store slot list", WIRE_STORE_SLOTS, WIRE_STATUS_OK, "" },
	{ "store-slot-test", "store slot test", WIRE_STORE_SLOT_TEST, WIRE_STATUS_REFUSED, "" },
};

static void read_golden(const char *name, const char *suffix, struct buf *ret)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/golden/cli/%s.%s", getenv("TOP_SRCDIR"),
		       name, suffix);
	if (fs_read(AT_FDCWD, path, TEXT_MAX, ret) < 0)
		fail_msg("%s cannot be read", path);
}

/* With GOLDEN_UPDATE set the files are written anew, to be looked at before they are kept. */
static void compare_golden(const char *name, struct buf *text)
{
	cleanup_buf struct buf want = BUF_INIT;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/golden/cli/%s.txt", getenv("TOP_SRCDIR"),
		       name);
	if (getenv("GOLDEN_UPDATE"))
		assert_int_equal(fs_replace(AT_FDCWD, path, text->data, text->len, 0644), 0);
	read_golden(name, "txt", &want);
	assert_string_equal(buf_string(text), buf_string(&want));
}

/* The JSON in two frames, cut in its middle. */
static void golden_turn(const struct golden *g, const struct buf *json, struct fake_turn *ret)
{
	size_t half = json->len / 2;

	*ret = (struct fake_turn){ .verb = g->verb, .n_frames = 2 };
	for (size_t i = 0; i < 2; i++) {
		wire_begin_reply(&ret->frames[i], g->status);
		frame_put(&ret->frames[i], "json", json->data + (i ? half : 0),
			  i ? json->len - half : half);
		if (i == 0)
			frame_put_text(&ret->frames[i], "more", "1");
		else if (g->status != WIRE_STATUS_OK)
			frame_put_text(&ret->frames[i], "message", "it is not as it should be");
		assert_int_equal(frame_end(&ret->frames[i]), 0);
	}
}

static void answers_are_printed_as_the_golden_files_say(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		cleanup_(turn_release) struct fake_turn turn;
		cleanup_buf struct buf json = BUF_INIT;
		cleanup_run struct run r;
		char line[128];
		pid_t pid;

		read_golden(g->name, "json", &json);
		golden_turn(g, &json, &turn);
		pid = fake_vault_start(*state, &turn, 1);
		(void)snprintf(line, sizeof(line), "--root @ %s", g->line);
		run(*state, line, "", &r);
		fake_vault_stop(pid);
		(void)snprintf(line, sizeof(line), "%s%s\n", wire_verb_name(g->verb),
			       g->request);
		assert_requests(*state, line);
		assert_int_equal(r.exit_code, wire_status_exit_code(g->status));
		compare_golden(g->name, &r.out);
		for (const char *p = buf_string(&r.out); *p; p += strcspn(p, "\n") + 1)
			assert_true(strcspn(p, "\n") <= PRINT_WIDTH ||
				    strstr(g->name, "-show"));
	}
}

#define root_test(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_words_are_refused_with_the_right_one),
		cmocka_unit_test(every_verb_has_help_and_every_option_a_verb),
		cmocka_unit_test(every_option_of_a_verb_is_known),
		root_test(a_vault_that_is_away_means_try_again),
		root_test(errors_are_json_when_asked_for),
		root_test(status_of_the_reply_is_the_exit_code),
		root_test(a_vault_that_hangs_up_is_not_mistaken_for_an_answer),
		root_test(an_answer_of_another_shape_is_refused),
		root_test(issue_confirms_after_the_secret_was_written),
		root_test(a_secret_that_nobody_received_is_not_confirmed),
		root_test(passphrase_comes_from_input_descriptor_or_file),
		root_test(an_empty_passphrase_is_refused_before_anything_is_asked),
		root_test(init_shows_the_recovery_key_once),
		root_test(shares_are_shown_once_or_go_to_files_of_their_own),
		root_test(a_recovery_key_of_a_new_slot_is_shown_once),
		root_test(a_slot_with_nothing_to_show_is_listed),
		root_test(a_directory_that_is_not_there_makes_no_slot),
		root_test(a_slot_is_tested_with_what_the_vault_asks_for),
		root_test(a_share_is_entered_like_a_passphrase),
		root_test(audit_is_verified_with_the_recovery_key_when_asked),
		cmocka_unit_test(what_came_from_outside_cannot_drive_the_terminal),
		root_test(nor_can_a_configuration_that_is_checked),
		root_test(answers_are_printed_as_the_golden_files_say),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
