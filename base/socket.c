/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/socket.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"

enum { LISTEN_BACKLOG = 128 };

static int fill_address(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, len);
	return 0;
}

/* Only a refusal says that nobody listens: a socket of another type, or one that we may not
 * connect to, is somebody's. */
static bool is_answering(const char *path, int type)
{
	cleanup_close int fd = socket_connect(path, type, clock_monotonic() + USEC_PER_SEC);

	return fd != -ECONNREFUSED;
}

int socket_listen(const char *path, int type, mode_t mode)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	struct stat st;
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	r = fill_address(path, &address);
	if (r < 0)
		return r;
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return -EEXIST;
		if (is_answering(path, type))
			return -EADDRINUSE;
		if (unlink(path) < 0)
			return -errno;
	}
	mask = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask); /* umask() cannot fail */
	if (r < 0)
		return r;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

int socket_wait(int fd, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, clock_remaining_ms(deadline));

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A full backlog gives EAGAIN on AF_UNIX, and nothing to poll for: ask again in small steps. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline)
{
	for (;;) {
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_remaining_ms(deadline) == 0)
			return -ETIMEDOUT;
		if (errno == EAGAIN)
			(void)poll(NULL, 0, 2); /* a pause; waking early only asks sooner */
	}
}

int socket_connect(const char *path, int type, uint64_t deadline)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int r;

	if (fd < 0)
		return -errno;
	r = fill_address(path, &address);
	if (r < 0)
		return r;
	r = connect_until(fd, &address, deadline);
	if (r < 0)
		return r;
	return steal_fd(&fd);
}

int socket_peer(int fd, struct socket_peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*ret = (struct socket_peer){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
	return 0;
}
