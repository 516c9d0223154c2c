/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/client.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "wire/frame.h"

int wire_connect(const char *path, uid_t also, uint64_t deadline)
{
	cleanup_close int fd = socket_connect(path, SOCK_SEQPACKET, deadline);
	struct socket_peer peer;
	int r;

	if (fd < 0)
		return fd;
	r = socket_peer(fd, &peer);
	if (r < 0)
		return r;
	if (peer.uid != 0 && peer.uid != geteuid() && peer.uid != also)
		return -EPERM;
	return steal_fd(&fd);
}

int wire_send(int fd, const struct buf *frame, uint64_t deadline)
{
	for (;;) {
		ssize_t n = send(fd, frame->data, frame->len, MSG_NOSIGNAL);
		int r;

		if (n >= 0)
			return 0; /* a SOCK_SEQPACKET message goes whole or not at all */
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = socket_wait(fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
}

int wire_receive(int fd, struct buf *reply, uint64_t deadline)
{
	uint8_t *p;

	buf_clear(reply);
	reply->max = FRAME_MAX;
	p = buf_reserve(reply, FRAME_MAX);
	if (!p)
		return buf_error(reply);
	for (;;) {
		ssize_t n = recv(fd, p, FRAME_MAX, MSG_TRUNC);
		int r;

		if (n == 0)
			return -ECONNRESET;
		if (n > FRAME_MAX)
			return -EBADMSG;
		if (n > 0) {
			reply->len = (size_t)n;
			return 0;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = socket_wait(fd, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}
