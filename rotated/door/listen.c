/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/listen.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/fs.h"
#include "base/socket.h"
#include "rotated/config/config.h"

static const struct {
	const char *name; /* FileDescriptorName= */
	const char *key;  /* in [door] */
	int type;
} kinds[] = {
	[HOT_AUTH] = { "auth", "auth_socket", SOCK_SEQPACKET },
	[HOT_MUX] = { "mux", "mux_socket", SOCK_STREAM },
	[HOT_MAP] = { "map", "map_socket", SOCK_STREAM },
};

_Static_assert(ARRAY_SIZE(kinds) == HOT_PROTOCOL_MAX_, "a row for every protocol");

static const char *configured_path(const struct config *config, enum hot_protocol protocol)
{
	switch (protocol) {
	case HOT_AUTH:
		return config->door.auth_socket;
	case HOT_MUX:
		return config->door.mux_socket;
	case HOT_MAP:
		return config->door.map_socket;
	case HOT_PROTOCOL_MAX_:
		break;
	}
	return "";
}

static void free_names(char ***names)
{
	for (char **n = *names; n && *n; n++)
		free(*n);
	free(*names);
}

static int take_one(int fd, const char *name, struct listening *l, struct report *report)
{
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		if (strcmp(kinds[i].name, name) != 0 || l->fds[i] >= 0)
			continue;
		if (sd_is_socket(fd, AF_UNIX, kinds[i].type, 1) <= 0 ||
		    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
			return report_set(report, -EINVAL,
					  "the socket \"%s\" that was handed over is of "
					  "another type",
					  name);
		l->fds[i] = fd;
		return 0;
	}
	return report_set(report, -EINVAL,
			  "a socket named \"%s\" was handed over; auth, mux and map are the "
			  "names",
			  name);
}

static int take_sockets(struct listening *l, struct report *report)
{
	cleanup_(free_names) char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	if (n < 0)
		return report_set(report, n, "cannot take the sockets handed over: %s",
				  strerrordesc_np(-n));
	for (int i = 0; i < n; i++) {
		int r = take_one(SD_LISTEN_FDS_START + i, names[i], l, report);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Under a private root there is nobody else to make the folder that the socket is to be in. */
static int make_parent(const struct config *config, const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int n;

	if (!config->root[0])
		return 0;
	n = snprintf(dir, sizeof(dir), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return -ENAMETOOLONG;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return fs_make_dirs(dir, 0755);
}

/* Only root can give a file away; another user's socket stays its own. */
static int set_owner(const struct config_door *door, const char *path)
{
	uid_t uid = door->socket_user.is_known ? door->socket_user.id : (uid_t)-1;
	gid_t gid = door->socket_group.is_known ? door->socket_group.id : (gid_t)-1;

	if (geteuid() != 0)
		return 0;
	return lchown(path, uid, gid) < 0 ? -errno : 0;
}

static int make_one(const struct config *config, enum hot_protocol protocol,
		    struct listening *l)
{
	const char *path = configured_path(config, protocol);
	struct stat st;
	int fd, r;

	r = make_parent(config, path);
	if (r < 0)
		return r;
	fd = socket_listen(path, kinds[protocol].type, config->door.socket_mode);
	if (fd < 0)
		return fd;
	l->fds[protocol] = fd;
	if (lstat(path, &st) < 0)
		return -errno;
	l->made[protocol].path = path;
	l->made[protocol].dev = st.st_dev;
	l->made[protocol].ino = st.st_ino;
	return set_owner(&config->door, path);
}

static int make_missing(const struct config *config, struct listening *l, struct report *report)
{
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		int r;

		if (l->fds[i] >= 0)
			continue;
		r = make_one(config, (enum hot_protocol)i, l);
		if (r < 0) {
			r = report_set(report, r, "cannot listen at %s: %s",
				       configured_path(config, (enum hot_protocol)i),
				       strerrordesc_np(-r));
			report_hint(report, "see [door] %s in rotated.conf", kinds[i].key);
			return r;
		}
	}
	return 0;
}

int listening_open(const struct config *config, struct listening *ret, struct report *report)
{
	cleanup_(listening_close) struct listening l = LISTENING_INIT;
	int r;

	r = take_sockets(&l, report);
	if (r < 0)
		return r;
	r = make_missing(config, &l, report);
	if (r < 0)
		return r;
	*ret = l;
	l = LISTENING_INIT;
	return 0;
}

void listening_close(struct listening *l)
{
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		struct stat st;

		closep(&l->fds[i]);
		l->fds[i] = -1;
		if (l->made[i].path && lstat(l->made[i].path, &st) == 0 &&
		    st.st_dev == l->made[i].dev && st.st_ino == l->made[i].ino)
			(void)unlink(l->made[i].path); /* the next start replaces it too */
		l->made[i].path = NULL;
	}
}
