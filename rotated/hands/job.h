/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One job that the vault gave us. Each runs in a child process of its own: a hook because it is
 * a foreign program; what talks to a server because a child can wait for a slow one, hold its
 * deadline, and take a hostile answer without any of it touching the other jobs, and the code
 * that asks stays a plain sequence of steps.
 */
#ifndef ROTATED_HANDS_JOB_H
#define ROTATED_HANDS_JOB_H

#include <systemd/sd-event.h>

#include "base/report.h"
#include "base/text.h"
#include "rotated/servant/child.h"
#include "rotated/hands/dnscheck.h"
#include "rotated/hands/hookresult.h"
#include "rotated/hands/ldapstream.h"
#include "rotated/hands/smtpprobe.h"
#include "rotated/hands/upstream.h"
#include "wire/verbs.h"

enum {
	JOB_ID_MAX = 64,
	JOB_ACTION_MAX = 31,
	JOB_PROGRAM_MAX = 1023,
	JOB_TIMEOUT_MAX = 3600, /* seconds */
	JOB_LINE_MAX = 512,	/* of standard error, in the log */
};

enum job_kind { JOB_HOOK, JOB_UPSTREAM, JOB_DNS, JOB_SMTP, JOB_LDAP };

enum { JOB_WINDOW = 16 }; /* Worker.Sync frames of a job that the vault has not answered */

struct ldap_request;

struct job;
typedef void job_ended(struct job *j, void *context);

/* Sends a frame of a running job to the vault; job_answered() is to be called when it answers.
 * Takes what FRAME holds. */
typedef int job_sync(struct job *j, struct buf *frame, void *context);

struct job_listener {
	job_ended *ended;
	job_sync *sync;
	void *context;
};

/* Of a JOB_UPSTREAM what it says is held back until it is known which secrets were in it. */
struct hook_job {
	char program[JOB_PROGRAM_MAX + 1];
	char action[JOB_ACTION_MAX + 1];
	struct buf payload;
	struct buf environment; /* lines NAME=VALUE */
	struct secret *secret;	/* of the payload; NULL for none */
	struct buf said;	/* lines of standard error */
	struct upstream_output made;
};

struct dns_job {
	struct dns_check check;
	struct buf expect;
};

struct job {
	struct job *next; /* in the worker's list */
	enum job_kind kind;
	char id[JOB_ID_MAX + 1];
	char zone[DOMAIN_MAX + 2];
	uint64_t timeout; /* microseconds */
	struct hook_job hook;
	struct dns_job dns;
	struct smtp_probe smtp;
	struct ldap_request *ldap; /* owned; NULL for the other kinds */

	/* while it runs */
	bool is_running;
	bool is_forgotten; /* nobody wants to hear how it ends */
	bool is_stopped;   /* by us: the outcome is unknown */
	bool is_flooded;   /* it printed more than is kept */
	struct child child;
	sd_event_source *exit_source, *out_source, *err_source, *timer;
	struct buf out;	 /* its standard output, as far as kept */
	struct buf line; /* of its standard error, not yet ended */
	size_t logged;	 /* bytes of it that went to the log */
	char last_line[JOB_LINE_MAX + 1];
	const struct job_listener *listener;

	/* of a job that tells the vault things while it runs */
	struct ldap_stream stream;
	unsigned unanswered;
	bool is_at_end;	 /* of the child's output */
	bool is_broken;	 /* what the child said makes no sense, or can not be passed on */
	bool is_refused; /* the vault does not want to hear more */
	bool has_exited;

	/* once it has ended */
	const char *result; /* a word of wire/verbs.def */
	struct buf output;  /* JSON */
};

/*
 * From a Job.Hook or Job.Dns frame whose fields were checked against the table. -EBADMSG when
 * there is no job in it that could be answered, as without an id. One that can not be run for
 * another reason is returned with its `result` set already. Owned by the caller.
 */
must_check int job_from_frame(const struct frame *f, enum wire_verb verb, struct job **ret);

/* Runs a program of the site, for its zone alone at a time. */
static inline bool job_is_hook(const struct job *j)
{
	return j->kind == JOB_HOOK || j->kind == JOB_UPSTREAM;
}

/* Whether VERB is that of a job. */
bool job_is_known(enum wire_verb verb);

/* Ends J before it ran: RESULT for a hook, or `unreachable`, with DETAIL. */
void job_refuse(struct job *j, enum hook_result result, const char *detail);

/* Starts J. The listener (borrowed) is told once how it ended, from the event loop; it may free
 * J then. After a failure J is as it was. */
must_check int job_start(struct job *j, sd_event *event, const struct job_listener *listener);

/* The vault has answered the oldest Worker.Sync of J. J may have ended afterwards. */
void job_answered(struct job *j, bool is_ok);

/* What the log calls it. */
const char *job_program(const struct job *j);

/* Asks the job to end: SIGTERM, and SIGKILL after a time of grace. It ends as `timeout`. */
void job_stop(struct job *j);

/* Kills it now and forgets what it was for; `ended` is still called. */
void job_forget(struct job *j);

/* NULL is allowed. A job that still runs is killed. */
void job_free(struct job *j);

DEFINE_CLEANUP(struct job, job_free)
#define cleanup_job cleanup_(job_freep)

/* Bodies of the child processes: child_main with a struct job as context. */
int hook_child(const void *job);
int dns_child(const void *job);
int smtp_child(const void *job);
int ldap_child(const void *job);

/* Between job.c and jobstream.c: reads on where the child's output may be passed on; true when
 * all of it was, or nothing more will be. */
bool job_stream_pump(struct job *j);
void job_stream_end(struct job *j);

/* Whether the program of a hook may be run: -EPERM for one that others can write, else what the
 * file system says. WHY tells it to the operator. */
must_check int hook_check_program(const char *path, struct report *why);

#endif
