/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/job.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "rotated/hands/ldapsession.h"

enum {
	READ_SIZE = 32 * 1024,
	DRAIN_READS_MAX = 8, /* after its end: more than a pipe holds */
	LOGGED_MAX = 16 * 1024,
	OUTPUT_MAX = 60 * 1024, /* leaves room for the other fields of a frame */
};

#define GRACE_USEC     (10 * USEC_PER_SEC)
#define SLACK_USEC     (2 * USEC_PER_SEC) /* a child of ours keeps its own deadline */
#define TIMER_ACCURACY (50 * USEC_PER_MSEC)

const char *job_program(const struct job *j)
{
	static const char *const ours[] = {
		[JOB_DNS] = "dns", [JOB_SMTP] = "smtp", [JOB_LDAP] = "ldap"
	};
	const char *slash = strrchr(j->hook.program, '/');

	if (!job_is_hook(j))
		return ours[j->kind];
	return slash ? slash + 1 : j->hook.program;
}

/* One line of the child's standard error. log_line() takes the control bytes out. */
static void log_child_line(struct job *j)
{
	const char *text = buf_string(&j->line);

	if (text && *text) {
		(void)snprintf(j->last_line, sizeof(j->last_line), "%s", text);
		if (j->logged <= LOGGED_MAX)
			log_info("%s for %s: %s", job_program(j), j->zone, text);
		else if (j->logged - j->line.len <= LOGGED_MAX)
			log_warning("%s for %s: it says too much; the rest is left out",
				    job_program(j), j->zone);
	}
	buf_clear(&j->line);
}

/* As it came, however long the lines are: a secret must not hide at the end of a piece. */
static void hold_error_bytes(struct job *j, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len && j->hook.said.len < LOGGED_MAX; i++)
		buf_append_byte(&j->hook.said, p[i] ? p[i] : '?');
	j->logged += len;
}

static void take_error_bytes(struct job *j, const uint8_t *p, size_t len)
{
	if (j->kind == JOB_UPSTREAM) {
		hold_error_bytes(j, p, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (p[i] != '\n')
			buf_append_byte(&j->line, p[i] ? p[i] : '?');
		j->logged++;
		if (p[i] == '\n' || j->line.len == JOB_LINE_MAX)
			log_child_line(j);
	}
}

/* What is over the limit is read and dropped, so that the child does not wait for us. */
static void take_output_bytes(struct job *j, const uint8_t *p, size_t len)
{
	if (j->kind == JOB_LDAP) {
		ldap_stream_feed(&j->stream, p, len);
		return;
	}
	if (len > HOOK_STDOUT_MAX - j->out.len) {
		len = HOOK_STDOUT_MAX - j->out.len;
		j->is_flooded = true;
	}
	buf_append(&j->out, p, len);
}

/* Reads once; false at the end, or when there is nothing now. */
static bool read_some(struct job *j, int fd)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n == 0 && fd == j->child.out)
		j->is_at_end = true;
	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (fd == j->child.out)
		take_output_bytes(j, bytes, (size_t)n);
	else
		take_error_bytes(j, bytes, (size_t)n);
	return true;
}

static void drain(struct job *j, int fd)
{
	for (unsigned i = 0; i < DRAIN_READS_MAX; i++)
		if (!read_some(j, fd))
			break;
}

static void write_hook_output(struct job *j, const siginfo_t *si, const struct hook_output *o,
			      const char *note)
{
	struct json json = JSON_INIT(&j->output);
	const char *detail = note ? note : j->last_line;

	json_put_object(&json, NULL);
	if (si->si_code == CLD_EXITED)
		json_put_number(&json, "exit", (unsigned)si->si_status);
	else
		json_put_number(&json, "signal", (unsigned)si->si_status);
	if (detail[0])
		json_put_string(&json, "detail", detail);
	hook_output_write(o, &json);
	json_put_object_end(&json);
}

static void end_hook(struct job *j, const siginfo_t *si)
{
	int status = si->si_code == CLD_EXITED ? W_EXITCODE(si->si_status, 0) : si->si_status;
	enum hook_result result = hook_result_from_status(status);
	cleanup_free struct hook_output *o = calloc(1, sizeof(*o));
	const char *note = NULL;

	if (!o) {
		job_refuse(j, HOOK_TEMPORARY, "no memory");
		return;
	}
	/* Its words are a comment; DNS decides. So words that can not be read do no harm. */
	if (j->is_flooded)
		note = "it printed more than 64 KiB, which was not read";
	else if (hook_output_parse(j->out.data ? (const void *)j->out.data : "", j->out.len,
				   o) < 0)
		note = "what it printed is not the JSON of rotated-hooks(7)";
	result = j->is_stopped ? HOOK_TIMEOUT : hook_result_refine(result, o);
	j->result = hook_result_word(result);
	write_hook_output(j, si, o, result == HOOK_OK ? note : NULL);
}

static void log_held_line(struct job *j, const char *line)
{
	if (upstream_line_tells(line, j->hook.secret) ||
	    upstream_line_tells(line, j->hook.made.secret))
		line = "(a line with the secret is left out)";
	(void)snprintf(j->last_line, sizeof(j->last_line), "%s", line); /* cut to fit */
	log_info("%s for %s: %s", job_program(j), j->zone, j->last_line);
}

/* What it said goes to the log now, whole lines only, without those that hold a secret: the end
 * of one that was cut, by us or by the death of the hook, may be the beginning of a secret. */
static void log_held_lines(struct job *j, bool is_cut)
{
	char *p = buf_string(&j->hook.said) ? (char *)j->hook.said.data : NULL;

	is_cut = is_cut || j->logged > j->hook.said.len;
	while (p && *p) {
		char *end = p + strcspn(p, "\n");
		bool is_whole = *end != '\0';

		*end = '\0';
		if (*p && (is_whole || !is_cut))
			log_held_line(j, p);
		p = is_whole ? end + 1 : end;
	}
	if (j->logged > j->hook.said.len)
		log_warning("%s for %s: it says too much; the rest is left out", job_program(j),
			    j->zone);
	buf_release(&j->hook.said);
}

/* The secret in what was printed before it failed may be good at the provider: it is kept out
 * of the log too. */
static void learn_secret(struct job *j, const char *text)
{
	if (!j->hook.made.secret && upstream_output_parse(text, j->out.len, &j->hook.made) < 0)
		j->hook.made.secret = NULL; /* nothing of it is kept */
}

/* Here its words count: a secret that nobody can read is no secret made. */
static void end_upstream(struct job *j, const siginfo_t *si)
{
	static const struct hook_output nothing = { .count = 0 };
	int status = si->si_code == CLD_EXITED ? W_EXITCODE(si->si_status, 0) : si->si_status;
	enum hook_result result = hook_result_from_status(status);
	const char *note = NULL;
	const char *text = j->out.data ? (const char *)j->out.data : "";

	if (result == HOOK_OK && strcmp(j->hook.action, "capabilities") != 0 &&
	    (j->is_flooded || upstream_output_parse(text, j->out.len, &j->hook.made) < 0)) {
		result = HOOK_CRASHED;
		note = "what it printed is not the JSON of rotated-hooks(7)";
	}
	if (result != HOOK_OK && !note)
		learn_secret(j, text);
	buf_release(&j->out);
	log_held_lines(j, si->si_code != CLD_EXITED);
	if (j->is_stopped)
		result = HOOK_TIMEOUT;
	if (result == HOOK_OK && j->hook.made.is_pending)
		result = HOOK_PENDING;
	if (result == HOOK_OK || result == HOOK_PENDING)
		note = j->hook.made.detail;
	else
		upstream_output_release(&j->hook.made);
	j->result = hook_result_word(result);
	write_hook_output(j, si, &nothing, note);
}

/* The WORD of LEN bytes as one of the results of a DNS or SMTP job; NULL when it is none. */
static const char *find_result(enum job_kind kind, const char *word, size_t len)
{
	unsigned max = kind == JOB_DNS ? (unsigned)DNS_RESULT_MAX_ : (unsigned)SMTP_RESULT_MAX_;

	for (unsigned i = 0; i < max; i++) {
		const char *w = kind == JOB_DNS ? dns_result_word((enum dns_result)i)
						: smtp_result_word((enum smtp_result)i);

		if (strlen(w) == len && strncmp(w, word, len) == 0)
			return w;
	}
	return NULL;
}

/* The child is our own code, but it has read what strangers sent: its answer is checked. */
static void end_words(struct job *j, const siginfo_t *si)
{
	const char *text = buf_string(&j->out);
	size_t word = text ? strcspn(text, "\n") : 0;

	if (si->si_code == CLD_EXITED && si->si_status == 0 && text && text[word] == '\n')
		j->result = find_result(j->kind, text, word);
	if (!j->result || j->is_flooded || j->out.len > OUTPUT_MAX) {
		job_refuse(j, j->is_stopped ? HOOK_TIMEOUT : HOOK_CRASHED,
			   j->is_stopped ? "stopped before the servers were asked"
					 : "asking the servers failed");
		return;
	}
	buf_append(&j->output, j->out.data + word + 1, j->out.len - word - 1);
}

static void release_running(struct job *j)
{
	sd_event_source_unref(steal_ptr(j->exit_source));
	sd_event_source_unref(steal_ptr(j->out_source));
	sd_event_source_unref(steal_ptr(j->err_source));
	sd_event_source_unref(steal_ptr(j->timer));
	closep(&j->child.out);
	closep(&j->child.err);
	j->child = CHILD_NONE;
	j->is_running = false;
}

static void end(struct job *j)
{
	release_running(j);
	j->listener->ended(j, j->listener->context);
}

/* What such a job said last may wait in the pipe until the vault has room for it. */
static void settle_stream(struct job *j)
{
	if (!job_stream_pump(j) || !j->has_exited)
		return;
	job_stream_end(j);
	end(j);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct job *j = context;
	int r = 0;

	(void)events;
	/* at its end a pipe is readable for ever */
	if (!read_some(j, fd))
		r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (j->kind == JOB_LDAP && fd == j->child.out)
		settle_stream(j);
	return r;
}

void job_answered(struct job *j, bool is_ok)
{
	if (j->kind != JOB_LDAP || !j->is_running || j->unanswered == 0)
		return;
	j->unanswered--;
	if (!is_ok) {
		j->is_refused = true;
		child_signal(&j->child, SIGKILL);
	}
	settle_stream(j);
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *si, void *context)
{
	struct job *j = context;

	(void)source;
	/* It is a zombie still, so the group's number is its own: what it left behind goes too.
	 */
	child_signal(&j->child, SIGKILL);
	drain(j, j->child.err);
	log_child_line(j);
	if (j->kind == JOB_LDAP) {
		j->has_exited = true;
		j->child.pid = -1; /* its number may be another's from now on */
		settle_stream(j);
		return 0;
	}
	drain(j, j->child.out);
	if (j->kind == JOB_HOOK)
		end_hook(j, si);
	else if (j->kind == JOB_UPSTREAM)
		end_upstream(j, si);
	else
		end_words(j, si);
	end(j);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct job *j = context;

	(void)source;
	(void)now;
	if (j->has_exited) {
		j->is_stopped = true;
		settle_stream(j);
		return 0;
	}
	if (j->is_stopped) {
		child_signal(&j->child, SIGKILL);
		return 0;
	}
	log_warning("%s for %s: stopped, because its time is over", job_program(j), j->zone);
	job_stop(j);
	return 0;
}

static int set_timer(struct job *j, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(j->timer, usec);

	return r < 0 ? r : sd_event_source_set_enabled(j->timer, SD_EVENT_ONESHOT);
}

void job_stop(struct job *j)
{
	uint64_t grace = j->timeout < GRACE_USEC ? j->timeout : GRACE_USEC;

	if (!j->is_running || j->is_stopped)
		return;
	j->is_stopped = true;
	if (j->has_exited)
		grace = 0; /* only the vault is waited for */
	child_signal(&j->child, SIGTERM);
	child_signal(&j->child, SIGCONT); /* one that is stopped can not put things in order */
	if (set_timer(j, grace) < 0)
		child_signal(&j->child, SIGKILL); /* no grace, then, but an end */
}

void job_forget(struct job *j)
{
	j->is_forgotten = true;
	j->is_stopped = true;
	child_signal(&j->child, SIGKILL);
	if (j->has_exited)
		ignore_result(set_timer(j, 0)); /* else at the end of its time */
}

static int watch(struct job *j, sd_event *event)
{
	uint64_t limit = j->timeout + (j->kind == JOB_HOOK ? 0 : SLACK_USEC);
	int r = sd_event_add_child(event, &j->exit_source, j->child.pid, WEXITED,
				   on_exit_of_child, j);

	if (r >= 0)
		r = sd_event_add_io(event, &j->out_source, j->child.out, EPOLLIN, on_readable,
				    j);
	if (r >= 0)
		r = sd_event_add_io(event, &j->err_source, j->child.err, EPOLLIN, on_readable,
				    j);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &j->timer, CLOCK_MONOTONIC, limit,
					       TIMER_ACCURACY, on_timer, j);
	return r < 0 ? r : 0;
}

static int start_child(struct job *j)
{
	static child_main *const ours[] = {
		[JOB_DNS] = dns_child, [JOB_SMTP] = smtp_child, [JOB_LDAP] = ldap_child
	};
	const struct buf *payload = &j->hook.payload;
	cleanup_close int input = -1;

	if (!job_is_hook(j))
		return child_start(ours[j->kind], j, -1, &j->child);
	input = child_input(payload->data ? (const void *)payload->data : "", payload->len);
	if (input < 0)
		return input;
	return child_start(hook_child, j, input, &j->child);
}

/* The child has its own copy. */
static void forget_secrets(struct job *j)
{
	buf_release(&j->smtp.secret);
	if (j->ldap)
		buf_release(&j->ldap->password);
}

int job_start(struct job *j, sd_event *event, const struct job_listener *listener)
{
	int r = start_child(j);

	if (r < 0)
		return r;
	j->out.max = HOOK_STDOUT_MAX;
	j->listener = listener;
	j->stream.id = j->id;
	r = watch(j, event);
	if (r < 0) {
		child_signal(&j->child, SIGKILL);
		(void)waitpid(j->child.pid, NULL, 0); /* it was killed: it is there to be had */
		release_running(j);
		return r;
	}
	j->is_running = true;
	forget_secrets(j);
	return 0;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	child_signal(&j->child, SIGKILL);
	release_running(j);
	forget_secrets(j);
	free(j->ldap);
	ldap_stream_release(&j->stream);
	buf_release(&j->hook.payload);
	buf_release(&j->hook.environment);
	buf_release(&j->hook.said);
	secret_free(j->hook.secret);
	upstream_output_release(&j->hook.made);
	buf_release(&j->dns.expect);
	buf_release(&j->out);
	buf_release(&j->line);
	buf_release(&j->output);
	free(j);
}
