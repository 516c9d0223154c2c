/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/unlock/porter.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/report.h"
#include "base/text.h"
#include "rotated/servant/run.h"
#include "rotated/servant/uplink.h"
#include "rotated/unlock/command.h"
#include "rotated/unlock/question.h"

enum {
	ASKED_MAX = 16, /* at once */
	WORDS_SIZE = 320,
};

_Static_assert(KEY_MAX >= QUESTION_BLOB_MAX, "what is kept of a program's output");

struct asked {
	struct asked *next;
	struct porter *porter;
	struct question question;
	struct command command;
	struct run run;
};

struct porter {
	struct porter_options options;
	struct config *config;
	char *path; /* of the socket, which only a restart changes */
	struct uplink *uplink;
	struct asked *asked;
	unsigned asked_count;
};

struct answer {
	enum question_result result;
	struct report report;
	struct secret *secret;
	const struct buf *blob;
};

static void asked_free(struct asked *a)
{
	if (!a)
		return;
	run_release(&a->run);
	question_release(&a->question);
	free(a);
}

DEFINE_CLEANUP(struct asked, asked_free)

/* ---- answers ---- */

static int build_done(const char *id, const struct answer *answer, struct buf *ret)
{
	wire_begin_request(ret, WIRE_UNLOCK_DONE);
	frame_put_text(ret, "id", id);
	frame_put_text(ret, "result", question_result_word(answer->result));
	if (answer->secret)
		frame_put(ret, "secret", secret_data(answer->secret),
			  secret_len(answer->secret));
	if (answer->blob)
		frame_put(ret, "blob", answer->blob->data, answer->blob->len);
	if (answer->report.what[0])
		frame_put_text(ret, "message", answer->report.what);
	if (answer->report.hint[0])
		frame_put_text(ret, "hint", answer->report.hint);
	return frame_end(ret);
}

static void tell(struct porter *p, const struct question *q, const struct answer *answer)
{
	cleanup_buf struct buf frame = BUF_INIT;
	const char *what = q->kind == QUESTION_HELPER ? q->program : q->name;

	if (answer->result == QUESTION_OK)
		log_info("%s: ok", what);
	else
		log_warning("%s: %s: %s", what, question_result_word(answer->result),
			    answer->report.what);
	if (!uplink_is_connected(p->uplink))
		return;
	if (build_done(q->id, answer, &frame) < 0 || uplink_send(p->uplink, &frame) < 0)
		uplink_drop(p->uplink, "an answer can not be sent");
}

static void take_off(struct asked *a)
{
	struct asked **at = &a->porter->asked;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->porter->asked_count--;
}

/* ---- how a program ended ---- */

static void set_failed(struct asked *a, const siginfo_t *si, struct answer *answer)
{
	const char *program = a->command.argv[0];
	char words[WORDS_SIZE];

	question_last_words(&a->run.err, &a->run.out, words, sizeof(words));
	answer->result = QUESTION_FAILED;
	if (si->si_code == CLD_EXITED)
		(void)report_set(&answer->report, 0, "%s failed with status %d%s%s", program,
				 si->si_status, words[0] ? ": " : "", words);
	else
		(void)report_set(&answer->report, 0, "%s was ended by signal %d%s%s", program,
				 si->si_status, words[0] ? ": " : "", words);
	command_hint(&a->question, words, &answer->report);
}

static void set_overdue(struct asked *a, struct answer *answer)
{
	char span[SPAN_TEXT_SIZE];

	text_from_span(a->question.timeout, span);
	answer->result = QUESTION_TIMED_OUT;
	(void)report_set(&answer->report, 0, "%s did not end within %s, and was killed",
			 a->command.argv[0], span);
	command_hint(&a->question, "", &answer->report);
}

static void set_made(struct asked *a, struct answer *answer)
{
	const struct buf *out = &a->run.out;

	if (a->question.kind == QUESTION_ENCRYPT && out->len > 0 && !a->run.is_out_flooded) {
		answer->blob = out;
		return;
	}
	if (a->question.kind == QUESTION_ENCRYPT) {
		answer->result = QUESTION_FAILED;
		(void)report_set(&answer->report, 0, "%s made a credential of %s",
				 a->command.argv[0],
				 out->len ? "more than 4096 bytes" : "no bytes");
	} else if (question_key(&a->question, a->command.argv[0], out, &answer->secret,
				&answer->report) < 0) {
		answer->result = QUESTION_FAILED;
		command_hint(&a->question, "", &answer->report);
	}
}

static void on_ended(struct run *r, const siginfo_t *si, void *context)
{
	cleanup_(asked_freep) struct asked *a = context;
	struct answer answer = { .result = QUESTION_OK };

	take_off(a);
	if (r->is_overdue)
		set_overdue(a, &answer);
	else if (!r->is_out_flooded && (si->si_code != CLD_EXITED || si->si_status != 0))
		set_failed(a, si, &answer);
	else
		set_made(a, &answer);
	tell(a->porter, &a->question, &answer);
	secret_free(answer.secret);
}

/* ---- questions ---- */

static int start(struct asked *a)
{
	struct run_order order = {
		.main = command_child,
		.main_context = &a->command,
		.timeout = a->question.timeout,
		/* one more than is taken tells that there was more */
		.out_max = KEY_MAX + 2,
		.err_max = QUESTION_ERROR_MAX,
		.ended = on_ended,
		.context = a,
	};
	cleanup_close int input =
		child_input_pipe(a->question.input.data, a->question.input.len);
	int r;

	if (input < 0)
		return input;
	order.input = input;
	r = run_start(&a->run, a->porter->options.event, &order);
	buf_release(&a->question.input); /* the pipe has it */
	return r;
}

static void refuse(struct porter *p, const struct question *q, const struct report *why)
{
	const struct answer answer = { .result = QUESTION_REFUSED, .report = *why };

	tell(p, q, &answer);
}

static int take_question(struct porter *p, const struct frame *f, enum wire_verb verb)
{
	cleanup_(asked_freep) struct asked *a = calloc(1, sizeof(*a));
	struct report why = { 0 };
	int r;

	if (!a)
		return -ENOMEM;
	a->porter = p;
	a->run.child = CHILD_NONE;
	r = question_parse(f, verb, &a->question, &why);
	if (r == -EBADMSG)
		return r;
	if (r == 0 && p->asked_count == ASKED_MAX)
		r = report_set(&why, -EBUSY, "too many questions at once");
	if (r == 0)
		r = command_build(&a->command, &a->question, p->config, &why);
	if (r == 0) {
		r = start(a);
		if (r < 0)
			(void)report_set(&why, r, "%s can not be started: %s",
					 a->command.argv[0], strerrordesc_np(-r));
	}
	if (r < 0) {
		refuse(p, &a->question, &why);
		return 0;
	}
	a->next = p->asked;
	p->asked = steal_ptr(a);
	p->asked_count++;
	return 0;
}

static int on_frame(void *context, const struct frame *f)
{
	enum wire_verb verb;
	int r;

	if (frame_find(f, "status"))
		return 0; /* our answer came; what the vault makes of it is its own affair */
	r = wire_check_request(f, WIRE_PUSH, &verb);
	if (r < 0)
		return r;
	if (verb != WIRE_UNLOCK_OPEN && verb != WIRE_UNLOCK_SEAL)
		return -EOPNOTSUPP;
	return take_question(context, f, verb);
}

/* Nobody waits for a key any more: none is to be lying around. */
static void on_lost(void *context)
{
	struct porter *p = context;

	while (p->asked) {
		struct asked *a = p->asked;

		take_off(a);
		asked_free(a);
	}
}

/* ---- life ---- */

int porter_new_take(struct config *config, const struct porter_options *options,
		    struct porter **ret)
{
	static const struct uplink_ops ops = { .frame = on_frame, .lost = on_lost };
	cleanup_(porter_freep) struct porter *p = calloc(1, sizeof(*p));
	struct uplink_options up = {
		.event = options->event,
		.vault_uid = options->vault_uid,
		.hello = WIRE_UNLOCK_HELLO,
		.ops = &ops,
		.context = p,
	};
	int r;

	if (!p) {
		config_free(config);
		return -ENOMEM;
	}
	p->config = config;
	p->options = *options;
	p->path = strdup(config->vault.unlock_socket);
	if (!p->path)
		return -ENOMEM;
	up.path = p->path;
	r = uplink_new(&up, &p->uplink);
	if (r < 0)
		return r;
	*ret = steal_ptr(p);
	return 0;
}

void porter_reload_take(struct porter *p, struct config *config)
{
	config_free(p->config);
	p->config = config;
}

const char *porter_root(const struct porter *p)
{
	return p->config->root;
}

void porter_free(struct porter *p)
{
	if (!p)
		return;
	on_lost(p);
	uplink_free(p->uplink);
	config_free(p->config);
	free(p->path);
	free(p);
}
