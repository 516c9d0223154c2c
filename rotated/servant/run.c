/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/servant/run.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/clock.h"

enum {
	READ_SIZE = 8 * 1024,
	DRAIN_READS_MAX = 16, /* after its end: more than a pipe holds */
};

static void keep(struct run *r, int fd, const uint8_t *p, size_t len)
{
	bool is_out = fd == r->child.out;
	struct buf *b = is_out ? &r->out : &r->err;
	size_t room = b->max - b->len;

	if (len > room) {
		len = room;
		r->is_out_flooded = r->is_out_flooded || is_out;
	}
	buf_append(b, p, len);
	if (r->is_out_flooded)
		child_signal(&r->child, SIGKILL); /* what it says is of no use any more */
}

/* Reads once; false at the end, or when there is nothing now. */
static bool read_some(struct run *r, int fd)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	keep(r, fd, bytes, (size_t)n);
	explicit_bzero(bytes, (size_t)n);
	return true;
}

static void drain(struct run *r, int fd)
{
	for (unsigned i = 0; i < DRAIN_READS_MAX; i++)
		if (!read_some(r, fd))
			break;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)events;
	/* at its end a pipe is readable for ever */
	return read_some(context, fd) ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static void forget_sources(struct run *r)
{
	sd_event_source_disable_unref(steal_ptr(r->exit_source));
	sd_event_source_disable_unref(steal_ptr(r->out_source));
	sd_event_source_disable_unref(steal_ptr(r->err_source));
	sd_event_source_disable_unref(steal_ptr(r->timer));
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *si, void *context)
{
	struct run *r = context;

	(void)source;
	/* It is a zombie still, so the group's number is its own: what it left behind goes too.
	 */
	child_signal(&r->child, SIGKILL);
	drain(r, r->child.err);
	drain(r, r->child.out);
	r->child.pid = -1; /* its number may be another's from now on */
	forget_sources(r);
	r->ended(r, si, r->context);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct run *r = context;

	(void)source;
	(void)now;
	r->is_overdue = true;
	child_signal(&r->child, SIGKILL);
	return 0;
}

static int watch(struct run *r, sd_event *event, uint64_t timeout)
{
	int n = sd_event_add_child(event, &r->exit_source, r->child.pid, WEXITED,
				   on_exit_of_child, r);

	if (n >= 0)
		n = sd_event_add_io(event, &r->out_source, r->child.out, EPOLLIN, on_readable,
				    r);
	if (n >= 0)
		n = sd_event_add_io(event, &r->err_source, r->child.err, EPOLLIN, on_readable,
				    r);
	if (n >= 0)
		n = sd_event_add_time_relative(event, &r->timer, CLOCK_MONOTONIC, timeout,
					       USEC_PER_MSEC, on_timer, r);
	return n < 0 ? n : 0;
}

int run_start(struct run *r, sd_event *event, const struct run_order *order)
{
	int n;

	*r = (struct run){ .child = CHILD_NONE,
			   .ended = order->ended,
			   .context = order->context };
	r->out.max = order->out_max;
	r->err.max = order->err_max;
	n = child_start(order->main, order->main_context, order->input, &r->child);
	if (n == 0)
		n = watch(r, event, order->timeout);
	if (n < 0)
		run_release(r);
	return n;
}

void run_release(struct run *r)
{
	forget_sources(r);
	if (r->child.pid > 0) {
		child_signal(&r->child, SIGKILL);
		(void)waitpid(r->child.pid, NULL, 0); /* it was killed: it is there to be had */
	}
	closep(&r->child.out);
	closep(&r->child.err);
	buf_release(&r->out);
	buf_release(&r->err);
	*r = (struct run){ .child = CHILD_NONE };
}
