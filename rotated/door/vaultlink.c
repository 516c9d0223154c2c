/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DIAGNOSTICS: at notice when keys come or go and when the vault comes back; at warning, once
 * for each outage, when it cannot be reached or breaks the protocol.
 */
#include "rotated/door/vaultlink.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "keystore/verifier.h"
#include "modules/keystore.h"
#include "rotated/door/door.h"
#include "rotated/door/outbound.h"
#include "wire/client.h"
#include "wire/verbs.h"

struct vaultlink {
	sd_event *event;		   /* borrowed */
	const char *path;		   /* borrowed */
	struct keystore_backend *keystore; /* borrowed */
	struct outbound *outbound;	   /* borrowed */
	int fd;
	sd_event_source *io;	/* while connected */
	sd_event_source *timer; /* the next attempt, or the end of patience with a greeting */
	unsigned retry_ms;
	bool is_greeting; /* Door.Hello was not answered yet */
	bool is_outage;	  /* told already */
};

static void disconnect(struct vaultlink *v)
{
	v->io = sd_event_source_disable_unref(v->io);
	v->timer = sd_event_source_disable_unref(v->timer);
	closep(&v->fd);
	v->fd = -1;
	v->is_greeting = false;
	outbound_disconnected(v->outbound);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context);

static int set_timer(struct vaultlink *v, uint64_t delay)
{
	v->timer = sd_event_source_disable_unref(v->timer);
	return sd_event_add_time_relative(v->event, &v->timer, CLOCK_MONOTONIC, delay, 0,
					  on_timer, v);
}

/* Drops the connection and comes again later. Doors that lost the same vault do not come back
 * in step. */
static int try_later(struct vaultlink *v, int r)
{
	uint64_t delay = v->retry_ms * USEC_PER_MSEC;

	if (!v->is_outage)
		log_warning("no word from the vault at %s: %s; logins go on with %s", v->path,
			    strerrordesc_np(-r),
			    keystore_backend_has_keys(v->keystore)
				    ? "the keys at hand"
				    : "temporary refusals until it has been reached");
	v->is_outage = true;
	disconnect(v);
	delay += randombytes_uniform((uint32_t)delay / 2);
	v->retry_ms = v->retry_ms * 2 < VAULTLINK_RETRY_MAX_MS ? v->retry_ms * 2
							       : VAULTLINK_RETRY_MAX_MS;
	return set_timer(v, delay);
}

static void tell_status(const struct vaultlink *v)
{
	/* no manager to tell is no failure */
	(void)sd_notifyf(0, "STATUS=%s",
			 keystore_backend_has_keys(v->keystore)
				 ? "Serving logins."
				 : "Waiting for the vault to be unsealed; logins are told to "
				   "come later.");
}

/* The vault goes over to other keys only after it has heard that we have them. */
static int tell_what_we_have(const struct vaultlink *v)
{
	cleanup_buf struct buf have = BUF_INIT;
	uint8_t id[VERIFIER_KEYS_ID_LEN];
	int r;

	wire_begin_request(&have, WIRE_DOOR_HAVE);
	if (keystore_backend_set_id(v->keystore, id))
		frame_put(&have, "set", id, sizeof(id));
	if (keystore_backend_next_id(v->keystore, id))
		frame_put(&have, "next", id, sizeof(id));
	r = frame_end(&have);
	return r < 0 ? r : wire_send(v->fd, &have, 0);
}

static int take_keys(struct vaultlink *v, const struct frame *f)
{
	const struct frame_field *keys = frame_find(f, "keys");
	const struct frame_field *next = frame_find(f, "next");
	bool had_keys = keystore_backend_has_keys(v->keystore);
	int r;

	if (!keys)
		return -EBADMSG;
	r = keystore_backend_set_keys(v->keystore, keys->data, keys->len);
	if (r == 0 && next)
		r = keystore_backend_set_next(v->keystore, next->data, next->len);
	if (r < 0)
		return r;
	if (had_keys)
		log_debug("the keys of the verifier index were renewed");
	else
		log_notice("the vault handed over the keys of the verifier index");
	tell_status(v);
	return tell_what_we_have(v);
}

/* A vault that is sealed after a restart leaves the door with the keys it has: only an order
 * to seal takes them away. */
static int on_answer(struct vaultlink *v, const struct frame *f)
{
	enum wire_status status;
	int r;

	if (!v->is_greeting)
		return frame_find(f, "id") ? outbound_on_reply(v->outbound, f) : -EBADMSG;
	v->is_greeting = false;
	v->timer = sd_event_source_disable_unref(v->timer);
	r = wire_check_reply(f, WIRE_DOOR_HELLO, &status);
	if (r < 0)
		return r;
	if (status != WIRE_STATUS_OK && status != WIRE_STATUS_AGAIN)
		return -EPERM;
	v->retry_ms = VAULTLINK_RETRY_MIN_MS;
	if (v->is_outage)
		log_notice("the vault at %s is there", v->path);
	v->is_outage = false;
	outbound_connected(v->outbound, v->fd);
	if (frame_find(f, "keys"))
		return take_keys(v, f);
	tell_status(v);
	return 0;
}

static int on_push(struct vaultlink *v, const struct frame *f)
{
	enum wire_verb verb;
	int r = wire_check_request(f, WIRE_PUSH, &verb);

	if (r < 0)
		return r;
	if (verb == WIRE_DOOR_KEYS)
		return take_keys(v, f);
	if (verb != WIRE_DOOR_SEALED)
		return -EOPNOTSUPP;
	if (keystore_backend_has_keys(v->keystore))
		log_notice("the vault was sealed; logins are told to come later");
	keystore_backend_drop_keys(v->keystore);
	tell_status(v);
	return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *context)
{
	cleanup_buf struct buf input = BUF_INIT;
	struct vaultlink *v = context;
	struct frame f;
	int r;

	(void)source;
	(void)events;
	r = wire_receive(fd, &input, 0);
	if (r == -ETIMEDOUT)
		return 0; /* nothing there after all */
	if (r == 0)
		r = frame_parse(input.data, input.len, &f);
	if (r == 0)
		r = frame_find(&f, "status") ? on_answer(v, &f) : on_push(v, &f);
	return r < 0 ? try_later(v, r) : 0;
}

/* Whoever owns the folder of the vault's socket decides what listens there, so that user is the
 * vault's. */
static uid_t folder_owner(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat st;

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(dir))
		return 0;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	if (stat(dir, &st) < 0 || (st.st_mode & 0022))
		return 0;
	return st.st_uid;
}

static int greet(struct vaultlink *v)
{
	cleanup_buf struct buf hello = BUF_INIT;
	int r;

	wire_begin_request(&hello, WIRE_DOOR_HELLO);
	if (keystore_backend_has_keys(v->keystore))
		frame_put_text(&hello, "has_keys", "1");
	r = frame_end(&hello);
	if (r < 0)
		return r;
	v->is_greeting = true;
	return wire_send(v->fd, &hello, 0);
}

static int connect_now(struct vaultlink *v)
{
	int r;

	v->fd = wire_connect(v->path, folder_owner(v->path), 0);
	if (v->fd < 0)
		return v->fd;
	r = greet(v);
	if (r < 0)
		return r;
	r = sd_event_add_io(v->event, &v->io, v->fd, EPOLLIN, on_input, v);
	if (r >= 0) /* new keys before the logins that need them, if both have waited */
		r = sd_event_source_set_priority(v->io, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return r;
	return set_timer(v, VAULTLINK_ANSWER_SEC * USEC_PER_SEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct vaultlink *v = context;
	int r;

	(void)source;
	(void)usec;
	if (v->is_greeting)
		return try_later(v, -ETIMEDOUT);
	r = connect_now(v);
	return r < 0 ? try_later(v, r) : 0;
}

int vaultlink_new(sd_event *event, const char *path, struct door *door, struct vaultlink **ret)
{
	cleanup_(vaultlink_freep) struct vaultlink *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	v->event = event;
	v->path = path;
	v->keystore = door_keystore(door);
	v->outbound = door_outbound(door);
	v->fd = -1;
	v->retry_ms = VAULTLINK_RETRY_MIN_MS;
	r = set_timer(v, 0);
	if (r < 0)
		return r;
	*ret = steal_ptr(v);
	return 0;
}

void vaultlink_free(struct vaultlink *v)
{
	if (!v)
		return;
	disconnect(v);
	free(v);
}
