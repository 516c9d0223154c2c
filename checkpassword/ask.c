/* SPDX-License-Identifier: BSD-2-Clause */
#include "checkpassword/ask.h"

#include <string.h>
#include <unistd.h>

#include "wire/client.h"
#include "wire/verbs.h"

static int build(struct buf *out, const struct question *q)
{
	wire_begin_request(out, WIRE_AUTH_PASSWORD);
	frame_put_text(out, "login", q->credentials->login);
	frame_put_text(out, "password", q->credentials->password);
	frame_put_text(out, "mechanism", "checkpassword");
	if (q->address)
		frame_put_text(out, "address", q->address);
	return frame_end(out);
}

/* 1 or 0, or -EAGAIN when the door cannot tell; -EBADMSG for what is no answer. */
static int read_answer(const struct buf *reply, char service[static SERVICE_ID_MAX + 1])
{
	enum wire_status status;
	char verdict[16];
	struct frame f;
	int r;

	r = frame_parse(reply->data, reply->len, &f);
	if (r < 0)
		return r;
	r = wire_check_reply(&f, WIRE_AUTH_PASSWORD, &status);
	if (r < 0)
		return r;
	if (status != WIRE_STATUS_OK)
		return -EAGAIN;
	r = frame_text(&f, "verdict", verdict, sizeof(verdict));
	if (r < 0)
		return r;
	if (strcmp(verdict, "reject") == 0)
		return 0;
	if (strcmp(verdict, "ok") != 0)
		return -EAGAIN;
	r = frame_text(&f, "identity", service, SERVICE_ID_MAX + 1);
	return r < 0 ? r : 1;
}

static int converse(const struct question *q, char service[static SERVICE_ID_MAX + 1])
{
	cleanup_buf struct buf request = BUF_INIT;
	cleanup_buf struct buf reply = BUF_INIT;
	cleanup_close int fd = -1;
	int r;

	r = build(&request, q);
	if (r < 0)
		return r;
	fd = wire_connect(q->socket, 0, q->deadline);
	if (fd < 0)
		return fd;
	r = wire_send(fd, &request, q->deadline);
	if (r < 0)
		return r;
	r = wire_receive(fd, &reply, q->deadline);
	return r < 0 ? r : read_answer(&reply, service);
}

/* Each of these has cost somebody a night. */
static void explain(const struct question *q, int error, struct report *r)
{
	(void)report_set(r, error, "%s: %s", q->socket, strerrordesc_np(-error));
	if (error == -EAGAIN) {
		(void)report_set(r, error, "%s: rotated-auth cannot tell now", q->socket);
		report_hint(r, "rotatectl status; when it is sealed, rotatectl unseal");
	} else if (error == -ECONNRESET || error == -EPIPE) {
		(void)report_set(r, error, "%s: rotated-auth turned uid %u away", q->socket,
				 (unsigned)geteuid());
		report_hint(r, "name this user in peers= of [door] in rotated.conf, then "
			       "systemctl reload rotated-auth");
	} else if (error == -EACCES) {
		(void)report_set(r, error, "%s: uid %u may not open it", q->socket,
				 (unsigned)geteuid());
		report_hint(r, "give the socket a place, a group and a mode that this user "
			       "reaches: auth_socket=, socket_group= and socket_mode= of "
			       "[door], or the same in rotated-auth.socket");
	} else if (error == -EPERM) {
		(void)report_set(r, error,
				 "%s is served by a user that is neither root nor "
				 "this one: it is told no password",
				 q->socket);
	} else if (error == -ENOENT || error == -ECONNREFUSED) {
		report_hint(r, "systemctl start rotated-auth; when it listens elsewhere, say "
			       "where by --socket");
	}
}

int ask_door(const struct question *q, char service[static SERVICE_ID_MAX + 1],
	     struct report *r)
{
	int k = converse(q, service);

	if (k < 0)
		explain(q, k, r);
	return k;
}
