/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/schedule.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/log.h"
#include "rotated/vault/change.h"
#include "rotated/vault/control.h"
#include "rotated/vault/group.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/store.h"

enum { MOVES_MAX = 64 }; /* far more than an item ever has to make at once */

/* A waiting item is stepped at least this often, so that credited time reaches the disk. */
#define WAKE_MAX (UINT64_C(3600) * USEC_PER_SEC)

/* After the vault itself could not do its part: a full disk, no memory. */
#define TROUBLE_WAIT (15 * USEC_PER_SEC)

static uint64_t boottime(const struct manager *m)
{
	return manager_now(m).boot;
}

static void sleep_for(const struct manager *m, struct item *item, uint64_t usec)
{
	uint64_t now = boottime(m);

	item->wake_at = usec > USEC_NEVER - now ? USEC_NEVER : now + usec;
}

static void rearm(struct manager *m)
{
	uint64_t next = USEC_NEVER;
	int r;

	for (size_t i = 0; i < m->item_count; i++)
		if (m->items[i]->wake_at < next)
			next = m->items[i]->wake_at;
	if (m->probe_at && m->probe_at < next)
		next = m->probe_at;
	r = sd_event_source_set_enabled(m->wake,
					next == USEC_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	if (r >= 0 && next != USEC_NEVER)
		r = sd_event_source_set_time(m->wake, next);
	if (r < 0)
		log_error("the timer can not be set: %s", strerror(-r));
}

static void complain(const struct item *item, const struct report *report)
{
	log_error("%s: a step can not be stored", item->engine.id);
	log_report(LOG_LEVEL_ERROR, report);
}

/* One move. 1: there may be another; 0: the item rests, or has to wait. */
static int move(struct manager *m, struct item *item)
{
	bool was_unsure = item->is_unsure;
	struct engine_observation seen = {
		.event = was_unsure ? ENGINE_EVENT_LOST : ENGINE_EVENT_TICK,
	};
	struct report report = { 0 };
	struct change c;
	int r;

	change_init(&c, item);
	c.was_unsure = was_unsure;
	item->is_unsure = false;
	r = change_step(m, &c, &seen);
	if (r == -EALREADY && was_unsure)
		return 1;
	if (r < 0) {
		log_error("%s: the engine refuses to step: %s", item->engine.id, strerror(-r));
		sleep_for(m, item, TROUBLE_WAIT);
		return 0;
	}
	if (!c.is_changed) {
		item->engine = c.next;
		sleep_for(m, item,
			  c.wake == USEC_NEVER || c.wake < WAKE_MAX ? c.wake : WAKE_MAX);
		return 0;
	}
	r = change_commit(m, &c, &report);
	if (r < 0) {
		item->is_unsure |= was_unsure;
		complain(item, &report);
	}
	if (r < 0 || item->is_unsure) {
		sleep_for(m, item, TROUBLE_WAIT);
		return 0;
	}
	return 1;
}

/* What could not be begun is left alone for a while. */
static bool is_put_off(const struct manager *m, const struct item *item)
{
	return item->is_unsure && item->wake_at > boottime(m) && item->wake_at != USEC_NEVER;
}

static void settle(struct manager *m, struct item *item)
{
	if (is_put_off(m, item))
		return;
	/* nothing is begun that could not be stored */
	if (keystore_health(m->keystore, NULL) != KEYSTORE_HEALTHY) {
		sleep_for(m, item, USEC_NEVER);
		return;
	}
	for (unsigned i = 0; i < MOVES_MAX; i++)
		if (move(m, item) == 0 || group_settles(m, item))
			return;
	log_error("%s: the item does not come to rest", item->engine.id);
	sleep_for(m, item, TROUBLE_WAIT);
}

void schedule_describe(const struct manager *m, const struct config_schedule *s,
		       struct engine_policy *ret)
{
	const struct config_engine *e = &m->config->engine;

	ret->schedule = s->calendar ? USEC_NEVER : s->every;
	ret->up_since = m->started;
	ret->due = (struct due_policy){
		.calendar = s->calendar,
		.jitter = e->jitter,
		.windows = e->window.items,
		.window_count = e->window.n,
		.blackouts = e->blackout.items,
		.blackout_count = e->blackout.n,
		.local = m->zone,
		.catch_up = e->catch_up,
	};
}

void schedule_probe(struct manager *m)
{
	if (m->probe_at == 0)
		m->probe_at = boottime(m) + TROUBLE_WAIT;
	rearm(m);
}

void schedule_trouble(struct manager *m, struct item *item)
{
	item->is_moving = false;
	sleep_for(m, item, TROUBLE_WAIT);
	rearm(m);
}

void schedule_settle(struct manager *m, struct item *item)
{
	if (group_settles(m, item))
		return;
	settle(m, item);
	rearm(m);
}

/* Makes what was gathered true. Items whose move failed are left alone for a while. */
static void flush(struct manager *m)
{
	struct report report = { 0 };

	if (group_flush(m, &report) < 0) {
		log_error("steps that were due can not be stored");
		log_report(LOG_LEVEL_ERROR, &report);
	}
}

/*
 * One move of each item that is_moving, all of them stored together, until all of them rest.
 * Each has its say before any has its second.
 */
static void settle_moving(struct manager *m)
{
	bool is_done = false;

	for (unsigned round = 0; round < MOVES_MAX && !is_done; round++) {
		bool was_gathering = group_gather(m, true);

		is_done = true;
		for (size_t i = 0; i < m->item_count; i++) {
			struct item *item = m->items[i];

			if (!item->is_moving)
				continue;
			if (!group_has_room(m))
				flush(m);
			item->is_moving = move(m, item) > 0;
			is_done &= !item->is_moving;
		}
		flush(m);
		(void)group_gather(m, was_gathering);
	}
	for (size_t i = 0; i < m->item_count; i++) {
		struct item *item = m->items[i];

		if (!item->is_moving)
			continue;
		item->is_moving = false;
		log_error("%s: the item does not come to rest", item->engine.id);
		sleep_for(m, item, TROUBLE_WAIT);
	}
}

void schedule_settle_all(struct manager *m)
{
	if (!store_is_open(m, KEYSTORE_AUTH))
		return;
	for (size_t i = 0; i < m->item_count; i++)
		m->items[i]->is_moving = !is_put_off(m, m->items[i]);
	settle_moving(m);
	rearm(m);
}

/* ITEM was served: others that wait for the same need not sit out a wait that grew while
 * nobody was there. */
static void tell_recovered(struct manager *m, const struct item *item)
{
	static const struct engine_observation recovered = { .event = ENGINE_EVENT_RECOVERED };
	const char *target = item->driver->target ? item->driver->target(m, item) : NULL;

	for (size_t i = 0; target && i < m->item_count; i++) {
		struct item *other = m->items[i];
		const char *same;

		if (other == item || other->driver != item->driver ||
		    other->engine.failures == 0 || other->engine.is_held)
			continue;
		same = other->driver->target(m, other);
		if (same && strcmp(same, target) == 0)
			schedule_observe(m, other, &recovered, NULL);
	}
}

void schedule_observe(struct manager *m, struct item *item,
		      const struct engine_observation *seen, const struct made *made)
{
	struct report report = { 0 };
	struct change c;
	int r;

	change_init(&c, item);
	r = change_step(m, &c, seen);
	if (r < 0) {
		if (seen->event != ENGINE_EVENT_RECOVERED)
			log_debug("%s: an outcome came too late", item->engine.id);
		return;
	}
	c.made = made;
	r = change_commit(m, &c, &report);
	if (r < 0) {
		complain(item, &report);
		item->is_unsure = true;
		sleep_for(m, item, TROUBLE_WAIT);
	}
	control_item_moved(m, item, r < 0 ? &report : NULL);
	schedule_settle(m, item);
	if (r == 0 && seen->event == ENGINE_EVENT_ENDED &&
	    engine_outcome_effect(seen->outcome) == ENGINE_EFFECT_DONE)
		tell_recovered(m, item);
}

static int on_wake(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;
	uint64_t now = boottime(m);

	(void)source;
	(void)usec;
	if (!store_is_open(m, KEYSTORE_AUTH))
		return 0;
	for (size_t i = 0; i < m->item_count; i++)
		m->items[i]->is_moving =
			m->items[i]->wake_at <= now && !is_put_off(m, m->items[i]);
	settle_moving(m);
	change_checkpoint(m, false);
	if (m->probe_at && m->probe_at <= now) {
		m->probe_at = 0;
		if (m->alarms[ALARM_RECONCILE].what[0])
			store_reconcile(m);
		if (m->alarms[ALARM_STORE].what[0])
			change_probe(m);
	}
	rearm(m);
	return 0;
}

/* A timer far away that the kernel cancels when somebody sets the clock. */
static int watch_clock(int fd)
{
	struct itimerspec far = { .it_value = { .tv_sec = INT32_MAX } };
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -errno;
	far.it_value.tv_sec = now.tv_sec + INT32_MAX;
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) < 0)
		return -errno;
	return 0;
}

/* What was credited before the jump is stored now, so that no later start mistakes the jump for
 * time that passed. */
static int on_clock_set(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct manager *m = context;
	uint64_t expirations;

	(void)source;
	(void)events;
	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return 0;
	log_notice("the clock was set");
	if (watch_clock(fd) < 0)
		log_warning("clock changes are not noticed any more: %s", strerror(errno));
	schedule_settle_all(m);
	if (store_is_open(m, KEYSTORE_AUTH))
		change_checkpoint(m, true);
	reseal_resume(m);
	return 0;
}

int schedule_init(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->wake, CLOCK_BOOTTIME, 0, 0, on_wake, m);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->wake, SD_EVENT_OFF);
	if (r < 0)
		return r;
	m->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->clock_fd < 0)
		return -errno;
	r = watch_clock(m->clock_fd);
	if (r < 0)
		return r;
	r = sd_event_add_io(m->event, &m->clock_watch, m->clock_fd, EPOLLIN, on_clock_set, m);
	return r < 0 ? r : 0;
}

void schedule_release(struct manager *m)
{
	sd_event_source_disable_unref(m->wake);
	sd_event_source_disable_unref(m->clock_watch);
	closep(&m->clock_fd);
}
