/* SPDX-License-Identifier: BSD-2-Clause */
/* rotated-worker: the hands. See rotated-worker(8). */
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/program.h"
#include "rotated/hands/worker.h"
#include "rotated/servant/uplink.h"

static const char socket_path[] = "/run/rotated/worker";

static const char help[] =
	"Usage: rotated-worker [OPTION]...\n"
	"Runs hooks and asks DNS for rotated(8), in the foreground.\n"
	"\n"
	"  --root DIR         find the vault's socket under DIR (default: the system)\n"
	"  --vault-user NAME  whose socket that may be, beside root's (default: rotated)\n"
	"  --debug            log more\n"
	"  --help             print this and exit\n"
	"  --version          print the version and exit\n";

static int set_up_signals(sd_event *event)
{
	sigset_t mask;
	int r;

	(void)sigemptyset(&mask); /* these can not fail with these arguments */
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGCHLD);
	r = -pthread_sigmask(SIG_BLOCK, &mask, NULL);
	if (r < 0)
		return r;
	r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
}

static int run(const struct worker_options *options)
{
	cleanup_(sd_event_unrefp) sd_event *event = NULL;
	cleanup_worker struct worker *worker = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = set_up_signals(event);
	if (r >= 0)
		r = sd_event_set_watchdog(event, true);
	if (r >= 0)
		r = worker_new(event, options, &worker);
	if (r < 0) {
		log_error("can not start: %s", strerrordesc_np(-r));
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
	static const struct program program = { .name = "rotated-worker",
						.usage = help,
						.takes_vault_user = true };
	struct worker_options options;
	struct program_options o;
	char path[PATH_MAX];
	int r = program_begin(argc, argv, &program, &o);

	if (r != PROGRAM_RUN)
		return r;
	if (fs_join(o.root, socket_path, path, sizeof(path)) < 0) {
		log_error("%s: too long", o.root);
		return EXIT_FAILURE;
	}
	options =
		(struct worker_options){ .socket = path, .vault_uid = uplink_user(o.vault_user) };
	return run(&options);
}
