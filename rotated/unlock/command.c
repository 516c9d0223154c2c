/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/unlock/command.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fs.h"

enum { EXIT_CONFIG = 78 };

static const char creds[] = "/usr/bin/systemd-creds";

static void add_word(struct command *c, const char *a, const char *b)
{
	size_t n = 0;

	while (c->argv[n])
		n++;
	/* every caller's words fit: names are short, programs as long as a word */
	(void)snprintf(c->words[n], COMMAND_WORD_SIZE, "%s%s", a, b);
	c->argv[n] = c->words[n];
}

static void build_creds(struct command *c, const struct question *q,
			const struct config *config)
{
	bool is_encrypt = q->kind == QUESTION_ENCRYPT;

	add_word(c, creds, "");
	add_word(c, is_encrypt ? "encrypt" : "decrypt", "");
	add_word(c, "--name=", q->name);
	if (is_encrypt) {
		add_word(c, "--with-key=",
			 config_credential_key_word(config->unlock.credential_key));
		/* its own default, PCR 7, is not what an update of Secure Boot's lists survives
		 */
		add_word(c, "--tpm2-pcrs=", config->unlock.credential_pcrs);
	}
	add_word(c, "-", "");
	add_word(c, "-", "");
}

static bool is_configured(const struct config *config, const char *program)
{
	for (size_t i = 0; i < config->unlock.helper.n; i++)
		if (strcmp(config->unlock.helper.items[i], program) == 0)
			return true;
	return false;
}

static int build_helper(struct command *c, const struct question *q,
			const struct config *config, struct report *report)
{
	const struct config_id *user = &config->unlock.helper_user;

	if (!is_configured(config, q->program)) {
		(void)report_set(report, 0, "%s is not among the helpers", q->program);
		report_hint(report,
			    "add helper = %s to [unlock] of rotated.conf, then systemctl "
			    "reload rotated-unlock",
			    q->program);
		return -EPERM;
	}
	if (config_check_program(q->program, report) < 0)
		return -EPERM;
	if (!user->is_known || user->group == UINT32_MAX ||
	    (geteuid() != 0 && user->id != geteuid())) {
		(void)report_set(report, 0, "%s can not be run as %s", q->program, user->name);
		report_hint(report, "systemd-sysusers, or set helper_user in [unlock]");
		return -EPERM;
	}
	c->is_helper = true;
	c->user = user->id;
	c->group = user->group;
	add_word(c, q->program, "");
	return 0;
}

int command_build(struct command *ret, const struct question *q, const struct config *config,
		  struct report *report)
{
	*ret = (struct command){ .argv = { NULL } };
	if (q->kind == QUESTION_HELPER)
		return build_helper(ret, q, config, report);
	build_creds(ret, q, config);
	/* a root of our own has a host of its own */
	if (config->root[0] && fs_join(config->root, "/var/lib/systemd/credential.secret",
				       ret->secret_path, sizeof(ret->secret_path)) < 0)
		return report_set(report, -ENAMETOOLONG, "%s: too long", config->root);
	return 0;
}

/* Root gives up everything but the user; anybody else is that user already. */
static int become(const struct command *c)
{
	if (!c->is_helper || geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(c->group, c->group, c->group) < 0 ||
	    setresuid(c->user, c->user, c->user) < 0)
		return -errno;
	return 0;
}

int command_child(const void *context)
{
	const struct command *c = context;
	pid_t parent = getppid();
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char locale[] = "LC_ALL=C";
	char secret[sizeof(c->secret_path) + 32];
	char level[] = "SYSTEMD_LOG_LEVEL=err";
	char *env[] = { path, locale, NULL, NULL, NULL };
	char *argv[COMMAND_WORDS_MAX + 1];

	memcpy(argv, c->argv, sizeof(argv));
	if (!c->is_helper)
		env[2] = level;
	if (c->secret_path[0]) {
		(void)snprintf(secret, sizeof(secret), "SYSTEMD_CREDENTIAL_SECRET=%s",
			       c->secret_path);
		env[3] = secret;
	}
	/* a change of user takes the order to die with the parent back */
	if (become(c) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
		(void)fprintf(stderr, "can not become the helper's user: %s\n",
			      strerrordesc_np(errno));
		return EXIT_CONFIG;
	}
	(void)execve(argv[0], argv, env);
	(void)fprintf(stderr, "can not be executed: %s\n", strerrordesc_np(errno));
	return EXIT_CONFIG;
}

void command_hint(const struct question *q, const char *words, struct report *report)
{
	if (q->kind == QUESTION_ENCRYPT)
		report_hint(report, "see credential_key in rotated.conf(5): is there a TPM?");
	else if (strstr(words, "Embedded credential name"))
		report_hint(
			report,
			"it was made for another slot: rotatectl store slot add credential");
	else
		report_hint(report, "rotatectl unseal; journalctl -u rotated-unlock");
}
