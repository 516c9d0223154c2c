/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A job that tells the vault things while it runs. What the child writes is read only as fast
 * as the vault answers: the pipe between fills up, and the child, and the server that it reads
 * from, wait.
 */
#include "rotated/hands/job.h"

#include <signal.h>

#include "rotated/hands/ldapsession.h"

static bool is_over(const struct job *j)
{
	return j->is_stopped || j->is_refused || j->is_broken;
}

static void break_off(struct job *j)
{
	j->is_broken = true;
	child_signal(&j->child, SIGKILL);
}

static void pass_on(struct job *j)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int r = 1;

	while (!is_over(j) && j->unanswered < JOB_WINDOW) {
		r = ldap_stream_next(&j->stream, &frame);
		if (r <= 0)
			break;
		j->unanswered++;
		r = j->listener->sync(j, &frame, j->listener->context);
		if (r < 0)
			break;
	}
	if (r < 0 && !is_over(j))
		break_off(j);
}

bool job_stream_pump(struct job *j)
{
	bool has_room;

	pass_on(j);
	if (is_over(j))
		return true;
	has_room = j->unanswered < JOB_WINDOW;
	if (!j->is_at_end && sd_event_source_set_enabled(
				     j->out_source, has_room ? SD_EVENT_ON : SD_EVENT_OFF) < 0)
		break_off(j);
	return is_over(j) || (j->is_at_end && has_room && j->unanswered == 0);
}

void job_stream_end(struct job *j)
{
	if (j->is_stopped)
		job_refuse(j, HOOK_TIMEOUT, "stopped before it was done");
	else if (j->is_refused)
		job_refuse(j, HOOK_TEMPORARY, "what was read was not taken");
	else if (j->is_broken || !j->stream.result || ldap_stream_left(&j->stream))
		job_refuse(j, HOOK_TEMPORARY, "reading the directory failed");
	if (j->result)
		return;
	j->result = j->stream.result;
	buf_append(&j->output, j->stream.output.data, j->stream.output.len);
}
