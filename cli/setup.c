/* SPDX-License-Identifier: BSD-2-Clause */
/* setup: what Postfix needs to use rotated. Reads our configuration and Postfix's; no vault. */
#include "cli/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/setup-apply.h"
#include "cli/setup-run.h"
#include "cli/setup-show.h"
#include "cli/setup-undo.h"
#include "rotated/config/config.h"

enum { SERVICE_SIZE = 128 };

struct setup {
	struct cli *c;
	char config_dir[PATH_MAX];
	char sasl_path[PATH_MAX];
	char service[SERVICE_SIZE];
	struct setup_site site;
	struct setup_present present;
	struct setup_plan plan;
	int lock; /* -1: nothing is to be changed */
};

static bool has_senders(const struct config *config)
{
	for (size_t i = 0; i < config->n_services; i++)
		if (config->services[i].senders.n)
			return true;
	return false;
}

static const char *find_without_senders(const struct config *config)
{
	for (size_t i = 0; i < config->n_services; i++)
		if (config->services[i].senders.n == 0)
			return config->services[i].id;
	return NULL;
}

/* Those that were asked for; else those that our configuration speaks of. */
static unsigned choose_features(const struct cli *c, const struct config *config)
{
	unsigned features = 0;

	if (cli_has(c, CLI_OPTION_PASSWORDS))
		features |= SETUP_PASSWORDS;
	if (cli_has(c, CLI_OPTION_CERTIFICATES))
		features |= SETUP_CERTIFICATES;
	if (cli_has(c, CLI_OPTION_OUTBOUND))
		features |= SETUP_OUTBOUND;
	if (cli_has(c, CLI_OPTION_SENDERS))
		features |= SETUP_SENDERS;
	if (features)
		return features;
	features = SETUP_PASSWORDS;
	if (*config->ca.trust_domain)
		features |= SETUP_CERTIFICATES;
	if (config->n_providers)
		features |= SETUP_OUTBOUND;
	if (has_senders(config))
		features |= SETUP_SENDERS;
	return features;
}

/* NAME of --service is as in master.cf: a name, or ADDRESS:PORT. */
static int choose_service(struct setup *s, struct report *r)
{
	const char *name = s->c->option[CLI_OPTION_SERVICE];
	int n;

	if (!name)
		return 0;
	n = snprintf(s->service, sizeof(s->service), "%s/inet", name);
	if (n < 0 || (size_t)n >= sizeof(s->service) || strpbrk(name, " \t\n=/{}"))
		return report_set(r, -EINVAL, "\"%s\" is no name of a service in master.cf",
				  name);
	s->site.service = s->service;
	return 0;
}

static int find_config_dir(struct setup *s, struct report *r)
{
	const char *dir = s->c->option[CLI_OPTION_CONFIG_DIR];
	char path[PATH_MAX];
	int k = dir ? 0 : fs_join(cli_root(s->c), "/etc/postfix", s->config_dir, PATH_MAX);

	if (k < 0)
		return report_set(r, k, "the path of main.cf is too long");
	if (dir && !realpath(dir, s->config_dir))
		return report_set(r, -errno, "%s: %s", dir, strerrordesc_np(errno));
	if ((size_t)snprintf(path, sizeof(path), "%s/main.cf", s->config_dir) >= sizeof(path))
		return report_set(r, -ENAMETOOLONG, "the path of main.cf is too long");
	if (access(path, R_OK) == 0)
		return 0;
	(void)report_set(r, -errno, "%s: %s", path, strerrordesc_np(errno));
	report_hint(r, "apt-get install postfix, or say by --config-dir where its main.cf is");
	return -ENOENT;
}

/* One at a time: what another one is about to write would be kept, or put back, half done. */
static int lock(struct setup *s)
{
	struct report r;

	s->lock = open(s->config_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return CLI_DONE;
	if (errno == EWOULDBLOCK) {
		(void)report_set(&r, -EBUSY, "another setup is at work in %s", s->config_dir);
		return cli_fail(s->c, CLI_AGAIN, &r);
	}
	(void)report_set(&r, -errno, "%s: %s", s->config_dir, strerrordesc_np(errno));
	return cli_fail(s->c, CLI_REFUSED, &r);
}

/* Reads everything and makes the plan. An exit code; the person has been told. */
static int prepare(struct setup *s, const struct config *config)
{
	struct report r;
	int k;

	s->site.auth_socket = config->door.auth_socket;
	s->site.map_socket = config->door.map_socket;
	s->site.without_senders = find_without_senders(config);
	s->site.features = choose_features(s->c, config);
	k = choose_service(s, &r);
	if (k < 0)
		return cli_fail(s->c, CLI_USAGE, &r);
	k = setup_read(s->config_dir, &s->site, &s->present, &r);
	if (k < 0)
		return cli_fail(s->c, CLI_REFUSED, &r);
	k = setup_plan_make(&s->site, &s->present, &s->plan);
	if (k < 0) {
		(void)report_set(&r, k, "the changes cannot be planned: %s",
				 strerrordesc_np(-k));
		return cli_fail(s->c, CLI_REFUSED, &r);
	}
	setup_sasl_path(&s->site, &s->present, s->sasl_path, sizeof(s->sasl_path));
	return CLI_DONE;
}

/* Postfix reads main.cf when a process starts; master.cf only when it is told to. */
static int reload(struct setup *s)
{
	const char *const argv[] = { "postfix", "-c", s->config_dir, "reload", NULL };
	cleanup_buf struct buf out = BUF_INIT;
	struct report r;

	if (!cli_has(s->c, CLI_OPTION_RELOAD)) {
		(void)fprintf(s->c->err, "next: postfix%s%s reload\n",
			      cli_has(s->c, CLI_OPTION_CONFIG_DIR) ? " -c " : "",
			      cli_has(s->c, CLI_OPTION_CONFIG_DIR) ? s->config_dir : "");
		return CLI_DONE;
	}
	if (setup_run(argv, &out, &r) < 0)
		return cli_fail(s->c, CLI_REFUSED, &r);
	return CLI_DONE;
}

static void show(struct setup *s, bool is_applied)
{
	const struct setup_view view = { s->config_dir, s->sasl_path, is_applied };
	cleanup_buf struct buf out = BUF_INIT;
	char features[SETUP_FEATURES_SIZE];
	const char *text;

	setup_features_text(s->site.features, features);
	if (cli_has(s->c, CLI_OPTION_JSON)) {
		setup_show_json(&s->plan, &view, s->site.features, &out);
		buf_append_str(&out, "\n");
	} else {
		buf_printf(&out, "Postfix in %s, for %s: %zu change%s%s\n", s->config_dir,
			   features, s->plan.n_changes, s->plan.n_changes == 1 ? "" : "s",
			   s->plan.n_changes == 0 ? "; nothing to do" : "");
		setup_show(&s->plan, &view, &out);
	}
	text = buf_string(&out);
	(void)fputs(text ? text : "", s->c->out);
}

static int apply(struct setup *s)
{
	struct report r;
	int k;

	if (s->plan.n_changes == 0) {
		show(s, false);
		return CLI_NOTHING;
	}
	k = setup_apply(s->config_dir, &s->site, &s->present, &s->plan, &r);
	if (k < 0) {
		if (!*r.hint)
			report_hint(&r, "every file is as it was");
		return cli_fail(s->c, CLI_REFUSED, &r);
	}
	show(s, true);
	(void)fprintf(s->c->err, "made; rotatectl setup postfix --undo takes it back\n");
	return reload(s);
}

static int plan_and_act(struct setup *s, const struct config *config)
{
	int code = prepare(s, config);

	if (code != CLI_DONE)
		return code;
	if (cli_has(s->c, CLI_OPTION_APPLY) && !cli_has(s->c, CLI_OPTION_DRY_RUN))
		return apply(s);
	show(s, false);
	if (s->plan.n_changes == 0)
		return CLI_NOTHING;
	if (!cli_has(s->c, CLI_OPTION_JSON))
		(void)fprintf(s->c->err,
			      "nothing was changed; the same with --apply does it\n");
	return CLI_DONE;
}

static int undo(struct setup *s)
{
	bool is_dry = cli_has(s->c, CLI_OPTION_DRY_RUN);
	struct report r;
	int k = setup_undo(s->config_dir, cli_has(s->c, CLI_OPTION_FORCE), is_dry, &r);

	if (k == -ENOENT)
		return cli_fail(s->c, CLI_NOTHING, &r);
	if (k < 0)
		return cli_fail(s->c, CLI_REFUSED, &r);
	if (is_dry) {
		(void)fprintf(s->c->err, "the files of %s would be put back as they were\n",
			      s->config_dir);
		return CLI_DONE;
	}
	(void)fprintf(s->c->err, "the files of %s are as they were before setup\n",
		      s->config_dir);
	return reload(s);
}

static int load(struct cli *c, struct config **ret)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	struct report r;

	if (config_load(cli_root(c), 0, ret, &errors) == 0)
		return CLI_DONE;
	(void)report_set(&r, -EBADMSG, "our own configuration is not good");
	report_hint(&r, "rotatectl check");
	return cli_fail(c, CLI_REFUSED, &r);
}

static int act(struct setup *s)
{
	cleanup_config struct config *config = NULL;
	bool is_undo = cli_has(s->c, CLI_OPTION_UNDO);
	bool is_change = is_undo || cli_has(s->c, CLI_OPTION_APPLY);
	int code = is_change && !cli_has(s->c, CLI_OPTION_DRY_RUN) ? lock(s) : CLI_DONE;

	if (code != CLI_DONE)
		return code;
	if (is_undo)
		return undo(s);
	code = load(s->c, &config);
	return code == CLI_DONE ? plan_and_act(s, config) : code;
}

int cli_run_setup_postfix(struct cli *c)
{
	struct setup s = { .c = c, .lock = -1 };
	struct report r;
	int code;

	if (cli_has(c, CLI_OPTION_UNDO) && cli_has(c, CLI_OPTION_APPLY)) {
		(void)report_set(&r, -EINVAL, "--apply and --undo exclude each other");
		return cli_fail(c, CLI_USAGE, &r);
	}
	if (find_config_dir(&s, &r) < 0)
		return cli_fail(c, CLI_REFUSED, &r);
	code = act(&s);
	setup_plan_release(&s.plan);
	setup_present_release(&s.present);
	closep(&s.lock);
	return code;
}
