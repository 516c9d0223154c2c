/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rotated-auth, the door: answers Postfix's questions about logins from the verifier index.
 * It reads untrusted bytes and holds the verifier keys, and nothing else.
 *
 * DIAGNOSTICS: rotated-auth(8).
 */
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/program.h"
#include "rotated/config/config.h"
#include "rotated/door/door.h"
#include "rotated/door/hot.h"
#include "rotated/door/listen.h"
#include "rotated/door/vaultlink.h"

/* Descriptors that connections may not use up: log, vault, index, listeners, loop. */
#define RESERVED_FILES UINT64_C(32)

/* How often connections past their time are looked for. */
#define SWEEP_PERIOD USEC_PER_SEC

struct parts {
	sd_event *event;
	sd_event_source *sweeper;
	struct door *door;
	struct hot *hot;
	struct vaultlink *vault;
	struct listening listening;
};

static void parts_release(struct parts *p)
{
	vaultlink_free(p->vault);
	hot_free(p->hot);
	listening_close(&p->listening); /* its paths are the configuration's */
	door_free(p->door);
	sd_event_source_disable_unref(p->sweeper);
	sd_event_unref(p->event);
}

static const char usage[] =
	"usage: rotated-auth [--root DIR] [--debug] [--help] [--version]\n"
	"\n"
	"Answers Postfix's questions about logins; runs in the foreground.\n"
	"\n"
	"  --root DIR  put DIR before every path of configuration and state\n"
	"  --debug     log more\n"
	"  --help      print this and exit\n"
	"  --version   print the version and exit\n";

static int load_config(const char *root, struct config **ret)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	int r = config_load(root, 0, ret, &errors);

	for (size_t i = 0; i < errors.n; i++)
		log_report(LOG_LEVEL_ERROR, &errors.items[i]);
	return r;
}

static size_t connections_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_cur > HOT_CONNECTIONS_MAX + RESERVED_FILES)
		return HOT_CONNECTIONS_MAX;
	return files.rlim_cur > 2 * RESERVED_FILES ? files.rlim_cur - RESERVED_FILES
						   : RESERVED_FILES;
}

/* The sweep's timer runs only while there is something to sweep. */
static int arm_sweeper(struct parts *p)
{
	int enabled;
	int r = sd_event_source_get_enabled(p->sweeper, &enabled);

	if (r < 0 || enabled != SD_EVENT_OFF || !hot_needs_sweep(p->hot))
		return r;
	r = sd_event_source_set_time_relative(p->sweeper, SWEEP_PERIOD);
	return r < 0 ? r : sd_event_source_set_enabled(p->sweeper, SD_EVENT_ONESHOT);
}

static int on_hot(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct parts *p = context;

	(void)source;
	(void)fd;
	(void)events;
	hot_serve(p->hot);
	return arm_sweeper(p);
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *context)
{
	struct parts *p = context;

	(void)source;
	(void)usec;
	hot_sweep(p->hot, clock_monotonic());
	return arm_sweeper(p);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)info;
	(void)context;
	(void)sd_notify(0, "STOPPING=1"); /* no manager to tell is no failure */
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info,
		     void *context)
{
	struct parts *p = context;
	struct config *config;

	(void)source;
	(void)info;
	(void)sd_notify(0, "RELOADING=1"); /* as above */
	if (load_config(door_startup_config(p->door)->root, &config) < 0) {
		log_error("the configuration was not taken over; the old one stays in force");
	} else {
		door_reload_take(p->door, config);
		log_notice("the configuration was read anew");
	}
	(void)sd_notify(0, "READY=1"); /* as above */
	return 0;
}

static int add_sources(struct parts *p)
{
	int r;

	r = sd_event_add_io(p->event, NULL, hot_fd(p->hot), EPOLLIN, on_hot, p);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(p->event, &p->sweeper, CLOCK_MONOTONIC, SWEEP_PERIOD, 0,
				       on_sweep, p);
	if (r < 0)
		return r;
	r = sd_event_add_signal(p->event, NULL, SIGTERM, on_stop, p);
	if (r < 0)
		return r;
	r = sd_event_add_signal(p->event, NULL, SIGINT, on_stop, p);
	if (r < 0)
		return r;
	r = sd_event_add_signal(p->event, NULL, SIGHUP, on_reload, p);
	if (r < 0)
		return r;
	r = sd_event_set_watchdog(p->event, true);
	return r < 0 ? r : 0;
}

static int block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* these three cannot fail */
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGPIPE);
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int start_listening(struct parts *p)
{
	struct report report;
	int r;

	r = listening_open(door_startup_config(p->door), &p->listening, &report);
	if (r < 0) {
		log_report(LOG_LEVEL_ERROR, &report);
		return r;
	}
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		r = hot_listen(p->hot, (enum hot_protocol)i, steal_fd(&p->listening.fds[i]));
		if (r < 0)
			return r;
	}
	return 0;
}

static int start(struct parts *p, const char *root)
{
	struct config *config = NULL;
	int r;

	r = load_config(root, &config);
	if (r < 0)
		return r;
	r = door_new_take(config, &p->door);
	if (r < 0)
		return r;
	r = hot_new(p->door, connections_limit(), &p->hot);
	if (r < 0)
		return r;
	r = sd_event_default(&p->event);
	if (r < 0)
		return r;
	r = start_listening(p);
	if (r < 0)
		return r;
	r = add_sources(p);
	if (r < 0)
		return r;
	return vaultlink_new(p->event, door_startup_config(p->door)->vault.door_socket, p->door,
			     &p->vault);
}

int main(int argc, char **argv)
{
	static const struct program program = { .name = "rotated-auth", .usage = usage };
	cleanup_(parts_release) struct parts p = { .listening = LISTENING_INIT };
	struct program_options o;
	int r = program_begin(argc, argv, &program, &o);

	if (r != PROGRAM_RUN)
		return r;
	r = sodium_init() < 0 ? -ENOSYS : 0;
	if (r == 0)
		r = block_signals();
	if (r == 0)
		r = start(&p, o.root);
	if (r < 0) {
		log_error("cannot start: %s", r == -EBADMSG ? "the configuration is not good"
							    : strerrordesc_np(-r));
		return EXIT_FAILURE;
	}
	(void)sd_notify(0, "READY=1"); /* no manager to tell is no failure */
	r = sd_event_loop(p.event);
	if (r < 0)
		log_error("the event loop failed: %s", strerrordesc_np(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
