/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/manager.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "rotated/vault/control.h"
#include "rotated/vault/door.h"
#include "rotated/vault/facts.h"
#include "rotated/vault/foresight.h"
#include "rotated/vault/group.h"
#include "rotated/vault/items.h"
#include "rotated/vault/keygen.h"
#include "rotated/vault/ldap.h"
#include "rotated/vault/reseal.h"
#include "rotated/vault/schedule.h"
#include "rotated/vault/shares.h"
#include "rotated/vault/store.h"
#include "rotated/vault/unlock.h"
#include "rotated/vault/verify.h"
#include "rotated/vault/worker.h"

struct moment manager_now(const struct manager *m)
{
	return clock_now(&m->clock);
}

void manager_notify(const struct manager *m)
{
	const char *state = "no keystore yet: rotatectl init";

	if (store_is_open(m, KEYSTORE_BOTH))
		state = "open";
	else if (store_is_open(m, KEYSTORE_AUTH))
		state = "logins open, issuing sealed";
	else if (m->keystore)
		state = "sealed: rotatectl unseal";
	else if (m->keystore_problem.what[0])
		state = "the keystore can not be opened: rotatectl status";
	(void)sd_notifyf(0, "STATUS=%s", state); /* nobody has to listen */
}

/* ---- configuration ---- */

/* The first error stands for all; the log has each. */
static int load_config(const char *root, struct config **ret, struct report *report)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	int r = config_load(root, CONFIG_CHECK_FILES, ret, &errors);

	if (r == 0)
		return 0;
	for (size_t i = 0; i < errors.n; i++)
		log_report(LOG_LEVEL_ERROR, &errors.items[i]);
	if (errors.n > 0) {
		*report = errors.items[0];
		if (!report->hint[0])
			report_hint(report, "rotatectl check");
	} else {
		report_set(report, r, "the configuration can not be read: %s", strerror(-r));
	}
	return r;
}

/* Of the wall that calendars without a zone mean. */
static void load_zone(struct manager *m)
{
	struct zone *fresh = NULL;
	int r = zone_open_local(&fresh);

	if (r < 0)
		log_warning("the time zone of this machine can not be read, UTC is taken: %s",
			    strerror(-r));
	zone_free(m->zone);
	m->zone = fresh;
}

static void tell_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%ju",
			 (uintmax_t)clock_monotonic()); /* nobody has to listen */
}

void manager_reload(struct manager *m)
{
	struct report report = { 0 };
	struct config *fresh;
	char summary[CONFIG_SUMMARY_SIZE];
	int r;

	tell_reloading();
	r = load_config(m->root, &fresh, &report);
	if (r < 0) {
		log_error("the configuration was not taken over: the old one stays in force");
		alarm_raise(m, ALARM_CONFIG, &report);
	} else {
		foresight_cancel(m, "the configuration was read again meanwhile", "Ask again.");
		config_free(m->config);
		m->config = fresh;
		load_zone(m);
		alarm_clear(m, ALARM_CONFIG);
		ldap_reload(m->ldap);
		config_summary(fresh, summary);
		log_notice("the configuration was taken over: %s", summary);
		if (store_require_change(m, KEYSTORE_AUTH, NULL) == 0 &&
		    facts_refresh(m, &report) < 0)
			alarm_raise(m, ALARM_INDEX, &report);
		schedule_settle_all(m);
		reseal_resume(m);
	}
	(void)sd_notify(0, "READY=1"); /* also the end of RELOADING */
}

/* ---- signals ---- */

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info,
		     void *context)
{
	(void)source;
	(void)info;
	manager_reload(context);
	return 0;
}

static int add_signals(struct manager *m)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int r;

	(void)sigemptyset(&set); /* never fails */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGHUP, on_hangup, m);
	return r < 0 ? r : 0;
}

/* ---- every hour ---- */

#define HOUR (UINT64_C(3600) * USEC_PER_SEC)

/* A door that died in a lookup would keep old pages of the index until the next change. */
static int on_hour(sd_event_source *source, uint64_t usec, void *context)
{
	struct manager *m = context;
	int dead = m->index ? index_writer_clear_readers(m->index) : 0;
	int r = sd_event_source_set_time_relative(source, HOUR);

	(void)usec;
	if (dead > 0)
		log_notice("%d readers of the verifier index had died in a lookup", dead);
	else if (dead < 0)
		log_warning("readers of the verifier index can not be looked at: %s",
			    strerror(-dead));
	if (r >= 0)
		r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return r;
}

/* ---- life ---- */

static int open_sockets(struct manager *m, struct report *report)
{
	int r = control_new(m, &m->control, report);

	if (r == 0)
		r = door_new(m, &m->door, report);
	if (r == 0)
		r = worker_new(m, &m->worker, report);
	if (r == 0)
		r = unlock_new(m, &m->unlock, report);
	return r;
}

static int set_up(struct manager *m, struct report *report)
{
	int r = sd_event_default(&m->event);

	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	if (r >= 0)
		r = add_signals(m);
	if (r >= 0)
		r = schedule_init(m);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &m->hourly, CLOCK_MONOTONIC, HOUR, 0,
					       on_hour, m);
	if (r >= 0)
		r = group_new(&m->group);
	if (r >= 0)
		r = keygen_new(m, &m->keygen);
	if (r >= 0)
		r = ldap_new(m, &m->ldap);
	if (r >= 0)
		r = reseal_new(m, &m->reseal);
	if (r < 0)
		return report_set(report, r, "the event loop can not be set up: %s",
				  strerror(-r));
	return open_sockets(m, report);
}

int manager_new(const char *root, struct manager **ret, struct report *report)
{
	cleanup_manager struct manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->clock_fd = -1;
	m->clock = clock_real_with_sync();
	m->started = manager_now(m).wall;
	load_zone(m);
	m->root = strdup(root);
	if (!m->root)
		return -ENOMEM;
	r = load_config(root, &m->config, report);
	if (r == -EBADMSG) { /* each mistake is in the log already */
		report_set(report, r, "can not start: the configuration is not good");
		report_hint(report, "rotatectl check");
	}
	if (r == 0)
		r = set_up(m, report);
	if (r < 0)
		return r;
	store_start(m);
	*ret = steal_ptr(m);
	return 0;
}

void manager_alive(void)
{
	/* the second for a start, which has a time limit of its own; nobody has to listen */
	(void)sd_notify(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000");
}

int manager_run(struct manager *m)
{
	(void)sd_notify(0, "READY=1"); /* nobody has to listen */
	manager_notify(m);
	log_notice("ready");
	return sd_event_loop(m->event);
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	(void)sd_notify(0, "STOPPING=1");
	if (m->config) {
		bool is_whole = m->worker && m->door && m->keygen && m->unlock;

		verify_cancel(m);
		foresight_cancel(m, "the vault ends", "rotatectl status");
		control_free(steal_ptr(m->control));
		/* before the store is sealed, of which it is then not told: logins go on while
		 * there is no vault */
		door_free(steal_ptr(m->door));
		if (is_whole)
			store_seal(m, KEYSTORE_BOTH);
	}
	unlock_free(m->unlock);
	worker_free(m->worker);
	door_free(m->door);
	keygen_free(m->keygen);
	ldap_free(m->ldap);
	group_free(m->group);
	shares_free(m);
	reseal_free(m->reseal);
	keystore_close(m->keystore);
	schedule_release(m);
	sd_event_source_disable_unref(m->hourly);
	sd_event_unref(m->event);
	config_free(m->config);
	zone_free(m->zone);
	free(m->root);
	free(m);
}
