/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/refusals.h"

struct server {
	struct server_options options;
	int fd;
	bool is_ours; /* made here, so removed here */
	char *path;
	sd_event_source *io;
	unsigned connections;
	struct refusals refusals; /* anybody may knock at a socket of mode 0666 */
};

/* The socket that systemd passed under NAME; -1 when there is none. */
static int inherited(const char *name)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	int fd = -1;

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0 && fd < 0)
			fd = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return fd;
}

static int make_socket(const char *path, mode_t mode)
{
	cleanup_free char *dir = strdup(path);
	char *slash;
	int r;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		r = fs_make_dirs(dir, 0755);
		if (r < 0)
			return r;
	}
	return socket_listen(path, SOCK_SEQPACKET, mode);
}

/* A knocking stranger must not fill the log. */
static bool may_complain(struct server *s)
{
	uint64_t held_back;

	if (!refusals_allow(&s->refusals, clock_monotonic(), &held_back))
		return false;
	if (held_back)
		log_warning("%s socket: %ju more warnings were not logged", s->options.name,
			    (uintmax_t)held_back);
	return true;
}

static void admit(struct server *s, int fd)
{
	struct socket_peer peer = { .uid = (uid_t)-1 };

	if (socket_peer(fd, &peer) < 0 || (peer.uid != 0 && peer.uid != geteuid() &&
					   !s->options.is_allowed(s->options.context, &peer))) {
		if (may_complain(s))
			log_warning("%s socket: pid %d of uid %u may not connect",
				    s->options.name, (int)peer.pid, (unsigned)peer.uid);
		closep(&fd);
		return;
	}
	if (s->connections >= s->options.connections_max) {
		if (may_complain(s))
			log_warning("%s socket: more than %u connections", s->options.name,
				    s->options.connections_max);
		closep(&fd);
		return;
	}
	s->connections++;
	s->options.accepted(s->options.context, fd);
}

bool server_take(struct server *s)
{
	int conn = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn >= 0)
		admit(s, conn);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_warning("%s socket: accept: %s", s->options.name, strerror(errno));
	return conn >= 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source;
	(void)fd;
	(void)events;
	(void)server_take(context); /* the loop comes back for the next */
	return 0;
}

int server_new(const struct server_options *options, struct server **ret, struct report *report)
{
	struct server *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->refusals = refusals_init(clock_monotonic());
	s->path = strdup(options->path);
	s->fd = inherited(options->name);
	if (s->fd >= 0 && fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno; /* a client that is gone by then must not block accept4() */
	if (s->fd < 0) {
		s->fd = make_socket(options->path, options->mode);
		s->is_ours = s->fd >= 0;
	}
	if (!s->path || s->fd < 0)
		r = s->path ? s->fd : -ENOMEM;
	if (r >= 0)
		r = sd_event_add_io(options->event, &s->io, s->fd, EPOLLIN, on_connect, s);
	if (r < 0) {
		report_set(report, r, "the %s socket %s can not be made: %s", options->name,
			   options->path, strerror(-r));
		server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void server_release(struct server *s)
{
	s->connections--;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->io);
	closep(&s->fd);
	if (s->is_ours && s->path)
		(void)unlink(s->path); /* the next start replaces what is left */
	free(s->path);
	free(s);
}
