/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/outbound.h"

#include <string.h>

#include "base/clock.h"
#include "wire/client.h"
#include "wire/verbs.h"

struct question {
	uint64_t id;  /* 0: this place is free */
	void *waiter; /* NULL: nobody waits any more, but the vault is going to answer */
	uint64_t deadline;
};

struct outbound {
	int fd; /* borrowed; -1: the vault is away */
	uint64_t last_id;
	outbound_told_fn *told;
	void *context;
	struct question questions[OUTBOUND_PENDING_MAX];
};

int outbound_new(struct outbound **ret)
{
	struct outbound *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->fd = -1;
	*ret = o;
	return 0;
}

void outbound_free(struct outbound *o)
{
	free(o);
}

void outbound_tell(struct outbound *o, outbound_told_fn *told, void *context)
{
	o->told = told;
	o->context = context;
}

/* The place is free before anybody is told, who may want it for the next question. */
static void answer(struct outbound *o, struct question *q, const struct outbound_answer *a)
{
	void *waiter = q->waiter;

	*q = (struct question){ 0 };
	if (waiter)
		o->told(o->context, waiter, a);
}

static void put_off(struct outbound *o, struct question *q, const char *reason)
{
	const struct outbound_answer a = { .outcome = OUTBOUND_LATER, .reason = reason };

	answer(o, q, &a);
}

void outbound_connected(struct outbound *o, int fd)
{
	o->fd = fd;
}

void outbound_disconnected(struct outbound *o)
{
	o->fd = -1;
	for (size_t i = 0; i < OUTBOUND_PENDING_MAX; i++)
		if (o->questions[i].id)
			put_off(o, &o->questions[i], "the vault went away");
}

/* No text of a configuration can be what holds a control character. */
static bool is_key(const uint8_t *key, size_t len)
{
	if (len == 0 || len > OUTBOUND_KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (key[i] <= ' ' || key[i] == 0x7f)
			return false;
	return true;
}

static struct question *find_free(struct outbound *o)
{
	for (size_t i = 0; i < OUTBOUND_PENDING_MAX; i++)
		if (!o->questions[i].id)
			return &o->questions[i];
	return NULL;
}

static int send_question(struct outbound *o, uint64_t id, const uint8_t *key, size_t len)
{
	cleanup_buf struct buf f = BUF_INIT;
	int r;

	wire_begin_request(&f, WIRE_DOOR_OUTBOUND);
	frame_put_number(&f, "id", id);
	frame_put(&f, "key", key, len);
	r = frame_end(&f);
	return r < 0 ? r : wire_send(o->fd, &f, 0);
}

int outbound_ask(struct outbound *o, void *waiter, const uint8_t *key, size_t len, uint64_t now)
{
	struct question *q;
	int r;

	if (!is_key(key, len))
		return -EINVAL;
	if (o->fd < 0)
		return -ENOTCONN;
	q = find_free(o);
	if (!q)
		return -EBUSY;
	r = send_question(o, o->last_id + 1, key, len);
	if (r < 0)
		return r == -ETIMEDOUT ? -EBUSY : r; /* it has not read those before */
	*q = (struct question){
		.id = ++o->last_id,
		.waiter = waiter,
		.deadline = now + OUTBOUND_ANSWER_SEC * USEC_PER_SEC,
	};
	return 0;
}

void outbound_forget(struct outbound *o, const void *waiter)
{
	for (size_t i = 0; i < OUTBOUND_PENDING_MAX; i++)
		if (o->questions[i].id && o->questions[i].waiter == waiter)
			o->questions[i].waiter = NULL;
}

/* A user with a colon would be split there by Postfix, and part of it taken for the password;
 * whatever is below a blank cannot be said in AUTH. */
static bool is_login(const struct frame_field *user, const struct frame_field *secret)
{
	if (!user || !secret || user->len == 0 || secret->len == 0 ||
	    memchr(user->data, ':', user->len))
		return false;
	for (size_t i = 0; i < user->len; i++)
		if (user->data[i] < ' ')
			return false;
	for (size_t i = 0; i < secret->len; i++)
		if (secret->data[i] < ' ')
			return false;
	return true;
}

static void tell_reply(struct outbound *o, struct question *q, const struct frame *f,
		       enum wire_status status)
{
	const struct frame_field *user = frame_find(f, "user");
	const struct frame_field *secret = frame_find(f, "secret");
	struct outbound_answer a = { .outcome = OUTBOUND_LATER };
	char reason[OUTBOUND_REASON_SIZE];

	if (status == WIRE_STATUS_NOTHING) {
		a.outcome = OUTBOUND_UNKNOWN;
	} else if (status == WIRE_STATUS_OK && is_login(user, secret)) {
		a.outcome = OUTBOUND_FOUND;
		a.user = user->data;
		a.user_len = user->len;
		a.secret = secret->data;
		a.secret_len = secret->len;
	} else if (status == WIRE_STATUS_OK) {
		a.reason = "the vault gave a login that Postfix can not use";
	} else {
		a.reason = frame_text(f, "message", reason, sizeof(reason)) == 0
				   ? reason
				   : "the vault can not say now";
	}
	answer(o, q, &a);
}

int outbound_on_reply(struct outbound *o, const struct frame *f)
{
	enum wire_status status;
	uint64_t id;

	if (wire_check_reply(f, WIRE_DOOR_OUTBOUND, &status) < 0 ||
	    frame_number(f, "id", &id) < 0 || id == 0)
		return -EBADMSG;
	for (size_t i = 0; i < OUTBOUND_PENDING_MAX; i++)
		if (o->questions[i].id == id) {
			tell_reply(o, &o->questions[i], f, status);
			break;
		}
	return 0; /* one that is not there was given up */
}

void outbound_sweep(struct outbound *o, uint64_t now)
{
	for (size_t i = 0; i < OUTBOUND_PENDING_MAX; i++)
		if (o->questions[i].id && o->questions[i].deadline <= now)
			put_off(o, &o->questions[i], "the vault does not answer");
}
