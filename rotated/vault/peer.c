/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/peer.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

enum { QUEUE_MAX = 512 };

/* Who does not take an answer for this long does not want it. */
#define SEND_TIMEOUT (30 * USEC_PER_SEC)

struct outgoing {
	struct outgoing *next;
	struct buf frame;
};

struct peer {
	int fd;
	struct socket_peer credentials;
	struct peer_options options;
	uint64_t idle; /* 0: options.idle */
	sd_event_source *io, *timer;
	struct outgoing *first, **last;
	unsigned queued;
	bool is_busy, is_dead;
	unsigned in_callback;
};

static void drop_first(struct peer *p)
{
	struct outgoing *o = p->first;

	p->first = o->next;
	if (!p->first)
		p->last = &p->first;
	p->queued--;
	buf_release(&o->frame);
	free(o);
}

static void peer_free(struct peer *p)
{
	sd_event_source_disable_unref(p->io);
	sd_event_source_disable_unref(p->timer);
	closep(&p->fd);
	if (p->options.ops)
		p->options.ops->closed(p);
	while (p->first)
		drop_first(p);
	free(p);
}

void peer_close(struct peer *p)
{
	if (!p)
		return;
	p->is_dead = true;
	if (p->in_callback == 0)
		peer_free(p);
}

static void leave_callback(struct peer *p)
{
	if (--p->in_callback == 0 && p->is_dead)
		peer_free(p);
}

/* Lets the loop find the connection broken, so that nobody is freed under its caller. */
static void hang_up(struct peer *p)
{
	(void)shutdown(p->fd, SHUT_RDWR); /* fails only when it is broken already */
}

static bool is_heard(const struct peer *p)
{
	return !p->is_dead && !p->is_busy && !(p->options.takes_turns && p->first);
}

static uint64_t idle_of(const struct peer *p)
{
	return p->idle ? p->idle : p->options.idle;
}

/* What to wait for, and how long. A failure here is a failure of the loop: hang up. */
static void update(struct peer *p)
{
	uint32_t events = (is_heard(p) ? EPOLLIN : 0U) | (p->first ? EPOLLOUT : 0U);
	uint64_t wait = p->first ? SEND_TIMEOUT : p->is_busy ? 0 : idle_of(p);
	int r = sd_event_source_set_io_events(p->io, events);

	if (r >= 0 && wait > 0) {
		r = sd_event_source_set_time(p->timer, clock_monotonic() + wait);
		if (r >= 0)
			r = sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
	} else if (r >= 0) {
		r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	}
	if (r < 0)
		hang_up(p);
}

/* 1: sent; 0: not now; below: the other side is gone. */
static int send_now(struct peer *p, const struct buf *frame)
{
	ssize_t n;

	do
		n = send(p->fd, frame->data, frame->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 1;
	return errno == EAGAIN ? 0 : -errno;
}

static int enqueue(struct peer *p, struct buf *frame)
{
	struct outgoing *o;

	if (p->queued == QUEUE_MAX)
		return -ENOBUFS;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->frame = *frame;
	*frame = BUF_INIT;
	*p->last = o;
	p->last = &o->next;
	p->queued++;
	return 0;
}

void peer_send(struct peer *p, struct buf *frame)
{
	int r = 0;

	if (!p->is_dead) {
		r = p->first ? 0 : send_now(p, frame);
		if (r == 0)
			r = enqueue(p, frame);
		if (r < 0)
			hang_up(p);
		else
			update(p);
	}
	buf_release(frame);
}

static void flush(struct peer *p)
{
	while (p->first) {
		int r = send_now(p, &p->first->frame);

		if (r < 0)
			peer_close(p);
		if (r <= 0)
			return;
		drop_first(p);
	}
}

static void receive(struct peer *p)
{
	cleanup_buf struct buf b = BUF_INIT_MAX(FRAME_MAX);
	uint8_t *space = buf_reserve(&b, FRAME_MAX);
	struct frame f;
	ssize_t n = space ? recv(p->fd, space, FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC) : -1;

	if (n < 0 && space && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || n > FRAME_MAX) {
		peer_close(p);
		return;
	}
	b.len = (size_t)n;
	if (frame_parse(b.data, b.len, &f) < 0) {
		log_debug("pid %d sent something that is no frame", (int)p->credentials.pid);
		peer_close(p);
		return;
	}
	p->options.ops->frame(p, &f);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct peer *p = context;

	(void)source;
	(void)fd;
	p->in_callback++;
	if (events & EPOLLOUT)
		flush(p);
	if ((events & EPOLLIN) && is_heard(p))
		receive(p);
	else if (events & (EPOLLHUP | EPOLLERR))
		peer_close(p);
	if (!p->is_dead)
		update(p);
	leave_callback(p);
	return 0;
}

void peer_take(struct peer *p)
{
	p->in_callback++;
	if (is_heard(p))
		receive(p);
	if (!p->is_dead)
		update(p);
	leave_callback(p);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	peer_close(context);
	return 0;
}

int peer_new(int fd, const struct peer_options *options, struct peer **ret)
{
	struct peer *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		closep(&fd);
		return -ENOMEM;
	}
	p->fd = fd;
	p->last = &p->first;
	r = socket_peer(fd, &p->credentials);
	if (r >= 0)
		r = sd_event_add_io(options->event, &p->io, fd, EPOLLIN, on_io, p);
	if (r >= 0)
		r = sd_event_add_time(options->event, &p->timer, CLOCK_MONOTONIC, 0, 0,
				      on_timer, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	if (r < 0) {
		peer_free(p); /* tells nobody: it has no ops yet */
		return r;
	}
	p->options = *options;
	update(p);
	*ret = p;
	return 0;
}

void *peer_context(const struct peer *p)
{
	return p->options.context;
}

const struct socket_peer *peer_credentials(const struct peer *p)
{
	return &p->credentials;
}

void peer_set_busy(struct peer *p, bool is_busy)
{
	p->is_busy = is_busy;
	if (!p->is_dead)
		update(p);
}

void peer_set_idle(struct peer *p, uint64_t idle)
{
	p->idle = idle;
	if (!p->is_dead)
		update(p);
}
