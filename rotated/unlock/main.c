/* SPDX-License-Identifier: BSD-2-Clause */
/* rotated-unlock: the porter. See rotated-unlock(8). */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "base/program.h"
#include "rotated/config/config.h"
#include "rotated/servant/uplink.h"
#include "rotated/unlock/porter.h"

static const char usage[] =
	"usage: rotated-unlock [--root DIR] [--vault-user NAME] [--debug]\n"
	"       rotated-unlock --help | --version\n"
	"\n"
	"Gets the keys of credential and exec slots for rotated(8); runs in the foreground.\n"
	"\n"
	"  --root DIR         put DIR before every path of configuration and state\n"
	"  --vault-user NAME  whose socket that may be, beside root's (default: rotated)\n"
	"  --debug            log more\n"
	"  --help             print this and exit\n"
	"  --version          print the version and exit\n";

static int load_config(const char *root, struct config **ret)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	int r = config_load(root, 0, ret, &errors);

	for (size_t i = 0; i < errors.n; i++)
		log_report(LOG_LEVEL_ERROR, &errors.items[i]);
	return r;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info,
		     void *context)
{
	struct porter *p = context;
	struct config *config;

	(void)source;
	(void)info;
	(void)sd_notify(0, "RELOADING=1"); /* nobody has to listen, here and below */
	if (load_config(porter_root(p), &config) < 0) {
		log_error("the configuration was not taken over; the old one stays in force");
	} else {
		porter_reload_take(p, config);
		log_notice("the configuration was read anew");
	}
	(void)sd_notify(0, "READY=1");
	return 0;
}

static int block_signals(void)
{
	sigset_t mask;

	(void)sigemptyset(&mask); /* these can not fail with these arguments */
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGHUP);
	(void)sigaddset(&mask, SIGCHLD);
	return -pthread_sigmask(SIG_BLOCK, &mask, NULL);
}

static int add_signals(sd_event *event, struct porter *p)
{
	int r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);

	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	return r < 0 ? r : sd_event_add_signal(event, NULL, SIGHUP, on_reload, p);
}

/* Keys pass through the buffers of frames and pipes: none of our pages goes to swap. */
static void lock_memory(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_warning("memory can not be locked: %s; keys might get into swap",
			    strerrordesc_np(errno));
}

static int run(const char *root, const char *vault_user)
{
	cleanup_(sd_event_unrefp) sd_event *event = NULL;
	cleanup_(porter_freep) struct porter *porter = NULL;
	struct porter_options options = { .vault_uid = uplink_user(vault_user) };
	struct config *config = NULL;
	int r = load_config(root, &config);

	if (r >= 0)
		r = block_signals();
	if (r >= 0)
		r = sd_event_new(&event);
	if (r >= 0)
		r = sd_event_set_watchdog(event, true);
	if (r < 0) {
		config_free(config);
	} else {
		options.event = event;
		r = porter_new_take(config, &options, &porter);
	}
	if (r >= 0)
		r = add_signals(event, porter);
	if (r < 0) {
		log_error("can not start: %s", r == -EBADMSG ? "the configuration is not good"
							     : strerrordesc_np(-r));
		return EXIT_FAILURE;
	}
	(void)sd_notify(0, "READY=1\nSTATUS=waiting for the vault"); /* nobody listens: fine */
	r = sd_event_loop(event);
	(void)sd_notify(0, "STOPPING=1");
	if (r < 0)
		log_error("the event loop failed: %s", strerrordesc_np(-r));
	return r < 0 ? EXIT_FAILURE : r;
}

int main(int argc, char **argv)
{
	static const struct program program = { .name = "rotated-unlock",
						.usage = usage,
						.takes_vault_user = true };
	struct program_options o;
	int r = program_begin(argc, argv, &program, &o);

	if (r != PROGRAM_RUN)
		return r;
	lock_memory();
	return run(o.root, o.vault_user);
}
