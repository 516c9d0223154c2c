/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-apply.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cli/setup-run.h"
#include "cli/setup-undo.h"

enum { SASL_MAX = 64 * 1024, HEAD = 4 };

static int postconf(const char *config_dir, const char *mode, struct buf *out, struct report *r)
{
	const char *argv[] = { "postconf", "-c", config_dir, mode, NULL };

	return setup_run(argv, out, r);
}

static int read_main(const char *config_dir, struct setup_present *ret, struct report *r)
{
	const char *argv[SETUP_ARGUMENTS_MAX] = { "postconf", "-c", config_dir, "-x" };
	cleanup_buf struct buf out = BUF_INIT_MAX(SETUP_OUTPUT_MAX);
	size_t n = HEAD;
	int k;

	for (size_t i = 0; setup_parameters[i] && n < SETUP_ARGUMENTS_MAX - 1; i++)
		argv[n++] = setup_parameters[i];
	k = setup_run(argv, &out, r);
	if (k < 0)
		return k;
	k = setup_pairs_parse(buf_string(&out) ? buf_string(&out) : "", &ret->main);
	return k < 0 ? report_set(r, k, "postconf -x printed what is not understood here") : 0;
}

static int read_master(const char *config_dir, struct setup_present *ret, struct report *r)
{
	cleanup_buf struct buf services = BUF_INIT_MAX(SETUP_OUTPUT_MAX);
	cleanup_buf struct buf options = BUF_INIT_MAX(SETUP_OUTPUT_MAX);
	int k = postconf(config_dir, "-M", &services, r);

	if (k == 0)
		k = postconf(config_dir, "-P", &options, r);
	if (k < 0)
		return k;
	k = setup_services_parse(buf_string(&services) ? buf_string(&services) : "",
				 &ret->services);
	if (k == 0)
		k = setup_pairs_parse(buf_string(&options) ? buf_string(&options) : "",
				      &ret->options);
	return k < 0 ? report_set(r, k,
				  "postconf printed a master.cf that is not understood here")
		     : 0;
}

static int read_sasl(const struct setup_site *site, struct setup_present *ret, struct report *r)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int k;

	setup_sasl_path(site, ret, path, sizeof(path));
	k = fs_read(AT_FDCWD, path, SASL_MAX, &text);
	if (k == -ENOENT)
		return 0;
	if (k < 0)
		return report_set(r, k, "%s: %s", path, strerrordesc_np(-k));
	ret->sasl = strdup(buf_string(&text) ? buf_string(&text) : "");
	return ret->sasl ? 0 : report_set(r, -ENOMEM, "out of memory");
}

int setup_read(const char *config_dir, const struct setup_site *site, struct setup_present *ret,
	       struct report *r)
{
	int k = read_main(config_dir, ret, r);

	if (k == 0)
		k = read_master(config_dir, ret, r);
	if (k == 0)
		k = read_sasl(site, ret, r);
	return k;
}

/* All changes of one kind in one call, so that they are written at once. */
static int change_by_postconf(const char *config_dir, const struct setup_plan *plan,
			      enum setup_where where, const char *mode, struct report *r)
{
	const char *argv[SETUP_ARGUMENTS_MAX] = { "postconf", "-c", config_dir, mode };
	char *texts[SETUP_CHANGES_MAX] = { 0 };
	cleanup_buf struct buf out = BUF_INIT_MAX(SETUP_OUTPUT_MAX);
	size_t n = 0;
	int k = 0;

	for (size_t i = 0; k == 0 && i < plan->n_changes; i++) {
		const struct setup_change *c = &plan->changes[i];

		if (c->where != where)
			continue;
		if (asprintf(&texts[n], "%s=%s", c->name, c->value) < 0) {
			texts[n] = NULL;
			k = report_set(r, -ENOMEM, "out of memory");
			break;
		}
		argv[HEAD + n] = texts[n];
		n++;
	}
	if (k == 0 && n)
		k = setup_run(argv, &out, r);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	return k;
}

static int write_sasl(const char *path, const char *text, struct report *r)
{
	char folder[PATH_MAX];
	struct stat st;
	mode_t mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0644; /* it holds no secret */
	char *slash;
	int k;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		return report_set(r, -EINVAL, "%s is not an absolute path", path);
	*slash = '\0';
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return report_set(r, -errno, "%s: %s", folder, strerrordesc_np(errno));
	k = fs_replace(AT_FDCWD, path, text, strlen(text), mode);
	return k < 0 ? report_set(r, k, "%s: %s", path, strerrordesc_np(-k)) : 0;
}

static int make_changes(const char *config_dir, const struct setup_plan *plan,
			const char *sasl_path, struct report *r)
{
	const char *const check[] = { "postfix", "-c", config_dir, "check", NULL };
	cleanup_buf struct buf out = BUF_INIT_MAX(SETUP_OUTPUT_MAX);
	int k = change_by_postconf(config_dir, plan, SETUP_MAIN, "-e", r);

	if (k == 0)
		k = change_by_postconf(config_dir, plan, SETUP_SERVICE, "-M", r);
	if (k == 0)
		k = change_by_postconf(config_dir, plan, SETUP_OPTION, "-P", r);
	if (k == 0 && plan->sasl)
		k = write_sasl(sasl_path, plan->sasl, r);
	return k < 0 ? k : setup_run(check, &out, r);
}

/* Postfix must have understood each line as it was meant. */
static int check_result(const char *config_dir, const struct setup_site *site, struct report *r)
{
	cleanup_setup_present struct setup_present p = SETUP_PRESENT_INIT;
	cleanup_setup_plan struct setup_plan plan = SETUP_PLAN_INIT;
	int k = setup_read(config_dir, site, &p, r);

	if (k < 0)
		return k;
	k = setup_plan_make(site, &p, &plan);
	if (k < 0)
		return report_set(r, k, "the changes cannot be checked: %s",
				  strerrordesc_np(-k));
	if (plan.n_changes == 0)
		return 0;
	return report_set(r, -EIO, "Postfix did not take %s = %s", plan.changes[0].name,
			  plan.changes[0].value);
}

static int collect_files(const char *config_dir, const struct setup_plan *plan,
			 const char *sasl_path, struct setup_files *ret, struct report *r)
{
	bool touches[2] = { false, false };
	char path[PATH_MAX];
	int k = 0;

	for (size_t i = 0; i < plan->n_changes; i++)
		if (plan->changes[i].where != SETUP_SASL)
			touches[plan->changes[i].where != SETUP_MAIN] = true;
	for (size_t i = 0; k == 0 && i < ARRAY_SIZE(touches); i++) {
		if (!touches[i])
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", config_dir,
			       i ? "master.cf" : "main.cf");
		k = setup_files_add(ret, path, r);
	}
	return k == 0 && plan->sasl ? setup_files_add(ret, sasl_path, r) : k;
}

int setup_apply(const char *config_dir, const struct setup_site *site,
		const struct setup_present *p, const struct setup_plan *plan, struct report *r)
{
	cleanup_setup_files struct setup_files before = { .n = 0 };
	char sasl_path[PATH_MAX];
	struct report trouble;
	int k;

	setup_sasl_path(site, p, sasl_path, sizeof(sasl_path));
	k = collect_files(config_dir, plan, sasl_path, &before, r);
	if (k == 0)
		k = setup_undo_prepare(config_dir, &before, r);
	if (k < 0)
		return k;
	k = make_changes(config_dir, plan, sasl_path, r);
	if (k == 0)
		k = check_result(config_dir, site, r);
	if (k < 0 && setup_files_put_back(&before, &trouble) < 0) {
		*r = trouble;
		report_hint(r, "the files as they were are in %s/rotated-setup", config_dir);
	}
	if (setup_undo_seal(config_dir, &before, &trouble) < 0 && k == 0) {
		*r = trouble;
		return -EIO;
	}
	return k;
}
