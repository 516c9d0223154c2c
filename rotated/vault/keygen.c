/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/keygen.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/driver.h"
#include "rotated/vault/schedule.h"

struct task {
	struct task *next;
	struct item *item; /* NULL: cancelled */
	uint32_t version, serial;

	/* the thread's from its start until it signals */
	enum config_dkim_key kind;
	bool has_thread;
	int event_fd;
	int result;
	struct secret *private;
	uint8_t public[DKIM_PUBLIC_MAX];
	size_t public_len;
};

struct keygen {
	struct manager *m;
	int event_fd;
	sd_event_source *io;
	pthread_t thread;
	struct task *running;
	struct task *waiting; /* oldest first */
};

static void task_free(struct task *t)
{
	if (!t)
		return;
	secret_free(t->private);
	free(t);
}

static void tell(struct keygen *k, const struct task *t)
{
	struct made made = {
		.version = t->version,
		.open = t->public,
		.open_len = t->public_len,
		.hidden = t->private ? secret_data(t->private) : NULL,
		.hidden_len = t->private ? secret_len(t->private) : 0,
	};
	struct engine_observation seen = {
		.event = t->result < 0 ? ENGINE_EVENT_ENDED : ENGINE_EVENT_CREATED,
		.version = t->version,
		.serial = t->serial,
		.outcome = ENGINE_OUTCOME_TEMPORARY,
		.detail = "the key can not be made",
	};

	if (t->item)
		schedule_observe(k->m, t->item, &seen, t->result < 0 ? NULL : &made);
}

static void signal_end(const struct task *t)
{
	static const uint64_t one = 1;

	ignore_result(write(t->event_fd, &one, sizeof(one)) < 0); /* only if 2^64 were lost */
}

static void *run(void *context)
{
	struct task *t = context;

	t->result = dkim_key_generate(t->kind, &t->private, t->public, &t->public_len);
	signal_end(t);
	return NULL;
}

/* Signals are for the event loop's thread. */
static int start_thread(struct keygen *k, struct task *t)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all); /* never fails */
	r = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r == 0) {
		r = pthread_create(&k->thread, NULL, run, t);
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL); /* it was the mask before */
	}
	return -r;
}

/* A thread that can not be had ends its task through the loop as well. */
static void start_next(struct keygen *k)
{
	struct task *t = k->waiting;
	int r;

	if (k->running || !t)
		return;
	k->waiting = t->next;
	k->running = t;
	t->has_thread = true;
	r = start_thread(k, t);
	if (r == 0)
		return;
	t->has_thread = false;
	t->result = r;
	signal_end(t);
}

static int on_made(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct keygen *k = context;
	struct task *t = steal_ptr(k->running);
	uint64_t count;

	(void)source;
	(void)events;
	ignore_result(read(fd, &count, sizeof(count)) < 0);
	if (!t)
		return 0;
	if (t->has_thread)
		(void)pthread_join(k->thread, NULL); /* it has signalled: this takes no time */
	tell(k, t);
	task_free(t);
	start_next(k);
	return 0;
}

int keygen_start(struct keygen *k, struct item *item, const struct engine_action *action,
		 enum config_dkim_key kind)
{
	struct task *t = calloc(1, sizeof(*t));
	struct task **end = &k->waiting;

	if (!t)
		return -ENOMEM;
	t->item = item;
	t->version = action->version;
	t->serial = action->serial;
	t->kind = kind;
	t->event_fd = k->event_fd;
	while (*end)
		end = &(*end)->next;
	*end = t;
	start_next(k);
	return 0;
}

/* Its job is still the item's: the next step has to count it as lost. */
static void forget(struct task *t)
{
	if (!t->item)
		return;
	t->item->is_unsure = true;
	t->item->wake_at = 0;
	t->item = NULL;
}

void keygen_cancel(struct keygen *k)
{
	if (k->running)
		forget(k->running);
	while (k->waiting) {
		struct task *t = k->waiting;

		k->waiting = t->next;
		forget(t);
		task_free(t);
	}
}

int keygen_new(struct manager *m, struct keygen **ret)
{
	struct keygen *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->m = m;
	k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = k->event_fd < 0 ? -errno : 0;
	if (r == 0)
		r = sd_event_add_io(m->event, &k->io, k->event_fd, EPOLLIN, on_made, k);
	if (r < 0) {
		closep(&k->event_fd);
		free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void keygen_free(struct keygen *k)
{
	if (!k)
		return;
	keygen_cancel(k);
	if (k->running && k->running->has_thread)
		(void)pthread_join(k->thread, NULL); /* a fraction of a second */
	task_free(k->running);
	sd_event_source_disable_unref(k->io);
	closep(&k->event_fd);
	free(k);
}
