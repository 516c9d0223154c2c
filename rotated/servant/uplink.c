/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/servant/uplink.h"

#include <pwd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/client.h"

#define BACKOFF_MIN   (50 * USEC_PER_MSEC)
#define BACKOFF_MAX   (5 * USEC_PER_SEC)
#define HELLO_TIMEOUT (10 * USEC_PER_SEC)

struct outgoing {
	struct outgoing *next;
	struct buf frame;
};

struct uplink {
	struct uplink_options options;
	int fd; /* -1 while there is no connection */
	sd_event_source *io;
	sd_event_source *timer; /* the next try; or, while `is_greeting`, the end of patience */
	uint64_t backoff;
	bool is_greeting;
	bool is_away_told; /* the log knows that the vault is away */
	struct outgoing *first, **last;
};

uid_t uplink_user(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	return pw ? pw->pw_uid : 0;
}

bool uplink_is_connected(const struct uplink *u)
{
	return u->fd >= 0;
}

static void drop_first(struct uplink *u)
{
	struct outgoing *o = u->first;

	u->first = o->next;
	if (!u->first)
		u->last = &u->first;
	buf_release(&o->frame);
	free(o);
}

static int arm_timer(struct uplink *u, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(u->timer, usec);

	return r < 0 ? r : sd_event_source_set_enabled(u->timer, SD_EVENT_ONESHOT);
}

/* Half to all of the step: the daemons of a machine that boots do not knock in step. */
static uint64_t jittered(uint64_t step)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return step / 2 + random % (step / 2 + 1);
}

static void hang_up(struct uplink *u)
{
	sd_event_source_disable_unref(steal_ptr(u->io));
	closep(&u->fd);
	u->fd = -1;
	while (u->first)
		drop_first(u);
}

void uplink_drop(struct uplink *u, const char *why)
{
	if (!u->is_away_told)
		log_notice("the vault is away (%s); trying again until it is back", why);
	u->is_away_told = true;
	u->is_greeting = false;
	hang_up(u);
	(void)sd_notify(0, "STATUS=waiting for the vault"); /* only for people to look at */
	if (arm_timer(u, jittered(u->backoff)) < 0)
		(void)sd_event_exit(u->options.event,
				    EXIT_FAILURE); /* the supervisor starts us anew */
	u->backoff = u->backoff * 2 < BACKOFF_MAX ? u->backoff * 2 : BACKOFF_MAX;
	if (u->options.ops->lost)
		u->options.ops->lost(u->options.context);
}

static int flush(struct uplink *u)
{
	while (u->first) {
		int r = wire_send(u->fd, &u->first->frame, 0);

		if (r == -ETIMEDOUT)
			return sd_event_source_set_io_events(u->io, EPOLLIN | EPOLLOUT);
		if (r < 0)
			return r;
		drop_first(u);
	}
	return sd_event_source_set_io_events(u->io, EPOLLIN);
}

int uplink_send(struct uplink *u, struct buf *frame)
{
	struct outgoing *o = u->fd < 0 ? NULL : calloc(1, sizeof(*o));

	if (!o) {
		buf_release(frame);
		return u->fd < 0 ? -ENOTCONN : -ENOMEM;
	}
	o->frame = *frame;
	*frame = BUF_INIT;
	*u->last = o;
	u->last = &o->next;
	return flush(u);
}

static int take_welcome(struct uplink *u, const struct frame *f)
{
	enum wire_status status;
	int r = wire_check_reply(f, u->options.hello, &status);

	if (r < 0)
		return r;
	if (status != WIRE_STATUS_OK)
		return -EACCES;
	u->is_greeting = false;
	u->is_away_told = false;
	u->backoff = BACKOFF_MIN;
	log_notice("connected to the vault");
	(void)sd_notify(0, "STATUS=connected to the vault"); /* only for people to look at */
	return sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
}

static int take_frame(struct uplink *u, const struct buf *bytes)
{
	struct frame f;
	int r = frame_parse(bytes->data, bytes->len, &f);

	if (r < 0)
		return r;
	return u->is_greeting ? take_welcome(u, &f)
			      : u->options.ops->frame(u->options.context, &f);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	cleanup_buf struct buf bytes = BUF_INIT;
	struct uplink *u = context;
	int r = 0;

	(void)source;
	if (events & EPOLLOUT)
		r = flush(u);
	if (r >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		r = wire_receive(fd, &bytes, 0);
		if (r == 0)
			r = take_frame(u, &bytes);
		else if (r == -ETIMEDOUT)
			r = 0;
	}
	if (r < 0 && u->fd >= 0) {
		if (r != -ECONNRESET)
			log_error("the vault's message can not be used: %s",
				  strerrordesc_np(-r));
		uplink_drop(u, strerrordesc_np(-r));
	}
	return 0;
}

static int greet(struct uplink *u)
{
	cleanup_buf struct buf frame = BUF_INIT;
	int r;

	wire_begin_request(&frame, u->options.hello);
	r = frame_end(&frame);
	if (r < 0)
		return r;
	u->is_greeting = true;
	r = arm_timer(u, HELLO_TIMEOUT);
	return r < 0 ? r : uplink_send(u, &frame);
}

static void try_connect(struct uplink *u)
{
	int fd = wire_connect(u->options.path, u->options.vault_uid, 0);
	int r;

	if (fd == -EPERM && !u->is_away_told)
		log_error("%s belongs to somebody who is not the vault", u->options.path);
	if (fd < 0) {
		uplink_drop(u, strerrordesc_np(-fd));
		return;
	}
	u->fd = fd;
	r = sd_event_add_io(u->options.event, &u->io, fd, EPOLLIN, on_io, u);
	if (r >= 0)
		r = greet(u);
	if (r < 0)
		uplink_drop(u, strerrordesc_np(-r));
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct uplink *u = context;

	(void)source;
	(void)now;
	if (u->is_greeting)
		uplink_drop(u, "it does not answer");
	else
		try_connect(u);
	return 0;
}

int uplink_new(const struct uplink_options *options, struct uplink **ret)
{
	cleanup_(uplink_freep) struct uplink *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->options = *options;
	u->fd = -1;
	u->backoff = BACKOFF_MIN;
	u->last = &u->first;
	r = sd_event_add_time_relative(options->event, &u->timer, CLOCK_MONOTONIC, 0,
				       USEC_PER_MSEC, on_timer, u);
	if (r < 0)
		return r;
	*ret = steal_ptr(u);
	return 0;
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	hang_up(u);
	sd_event_source_disable_unref(u->timer);
	free(u);
}
