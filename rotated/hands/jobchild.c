/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens on the child's side of the fork. */
#include "rotated/hands/job.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "rotated/hands/ldapread.h"

enum { EXIT_TEMPORARY = 75, EXIT_CONFIG = 78, ENVIRONMENT_MAX = 128 };

int hook_check_program(const char *path, struct report *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return report_set(why, -errno, "%s: %s", path, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return report_set(why, -EINVAL, "%s: not a file", path);
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		(void)report_set(why, -EPERM, "%s: not run, because others may write it", path);
		report_hint(why, "chmod go-w %s", path);
		return -EPERM;
	}
	if (access(path, X_OK) < 0)
		return report_set(why, -errno, "%s: can not be executed", path);
	return 0;
}

/* Adds LINE unless its name is there: what was said first holds. */
static void add_variable(char **env, char *line)
{
	size_t name = strcspn(line, "=") + 1;
	size_t n = 0;

	for (; env[n]; n++)
		if (strncmp(env[n], line, name) == 0)
			return;
	if (n < ENVIRONMENT_MAX)
		env[n] = line;
}

/* Cuts LINES in place. */
static void add_lines(char **env, struct buf *lines)
{
	char *p = buf_string(lines) ? (char *)lines->data : NULL;

	while (p && *p) {
		char *end = p + strcspn(p, "\n");
		char *next = *end ? end + 1 : end;

		*end = '\0';
		add_variable(env, p);
		p = next;
	}
}

int hook_child(const void *context)
{
	const struct job *j = context;
	struct buf own = BUF_INIT, given = BUF_INIT;
	char *env[ENVIRONMENT_MAX + 1] = { NULL };
	char *argv[] = { strdup(j->hook.program), strdup(j->hook.action), NULL };

	/* The order is the rank: the fixed ones, then what the job says, then what its payload
	 * says. Nothing is released: exec or exit does that. */
	buf_append_str(&own, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLANG=C\n");
	buf_printf(&own, "ROTATED_VERB=%s\n", j->hook.action);
	add_lines(env, &own);
	buf_append(&given, j->hook.environment.data, j->hook.environment.len);
	if (j->kind == JOB_HOOK &&
	    hook_payload_environment(j->hook.payload.data, j->hook.payload.len, &given) < 0)
		(void)fprintf(stderr, "what the hook is to read is not a JSON object\n");
	buf_printf(&given, "ROTATED_ZONE=%s\n", j->zone);
	add_lines(env, &given);
	if (!argv[0] || !argv[1] || buf_error(&own) < 0 || buf_error(&given) < 0)
		return EXIT_TEMPORARY;

	(void)execve(j->hook.program, argv, env);
	(void)fprintf(stderr, "can not be executed: %s\n", strerrordesc_np(errno));
	return EXIT_CONFIG;
}

/* Prints a result word, a newline, and the detail in JSON. */
static int print_result(const char *word, struct buf *json)
{
	cleanup_buf struct buf out = BUF_INIT;
	int r;

	buf_printf(&out, "%s\n", word);
	buf_append(&out, json->data, json->len);
	r = buf_error(json) < 0 ? buf_error(json) : buf_error(&out);
	if (r == 0)
		r = fs_write_all(STDOUT_FILENO, out.data, out.len);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int dns_child(const void *context)
{
	const struct job *j = context;
	struct dns_check check = j->dns.check;
	cleanup_buf struct buf json = BUF_INIT;
	struct dns_report report;

	check.deadline = clock_monotonic() + j->timeout;
	dns_check_run(&check, &report);
	dns_report_write(&report, &json);
	return print_result(dns_result_word(dns_report_result(&report)), &json);
}

int smtp_child(const void *context)
{
	const struct job *j = context;
	struct smtp_probe probe = j->smtp;
	cleanup_buf struct buf out = BUF_INIT;
	struct json json = JSON_INIT(&out);
	struct smtp_report report;

	smtp_probe_run(&probe, j->timeout, &report);
	buf_release(&probe.secret);
	json_put_object(&json, NULL);
	json_put_string(&json, "detail", report.detail);
	if (report.code)
		json_put_number(&json, "code", report.code);
	else
		json_put_null(&json, "code");
	json_put_object_end(&json);
	return print_result(smtp_result_word(report.result), &out);
}

int ldap_child(const void *context)
{
	const struct job *j = context;
	int r = ldap_read(j->ldap, STDOUT_FILENO);

	buf_release(&j->ldap->password);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
