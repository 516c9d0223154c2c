/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/door/hot.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/socket.h"
#include "rotated/door/authframe.h"
#include "rotated/door/door.h"
#include "rotated/door/map.h"
#include "rotated/door/muxframe.h"
#include "rotated/door/outbound.h"
#include "wire/frame.h"

enum {
	EVENTS_MAX = 64,
	ACCEPTS_MAX = 16,  /* in one go, so that a flood of them does not starve the others */
	MESSAGES_MAX = 16, /* likewise, of one connection */
};

struct list {
	struct connection *head, *tail; /* by rising deadline: every refresh goes to the tail */
};

/* What an epoll event points at. */
struct source {
	enum { SOURCE_LISTENER, SOURCE_CONNECTION } kind;
	enum hot_protocol protocol;
	int fd; /* -1: closed in this round, and freed at its end */
};

struct connection {
	struct source source;
	struct connection *prev, *next;
	uint64_t deadline;
	struct secret *input; /* HOT_MUX, HOT_MAP: what has come so far */
	size_t input_len;
	bool is_waiting; /* HOT_MAP: for the vault; nothing is read meanwhile */
};

/* S->kind must be SOURCE_CONNECTION. */
static struct connection *connection_of(struct source *s)
{
	void *p = (char *)s - offsetof(struct connection, source);

	return p;
}

struct hot {
	struct door *door; /* borrowed */
	int epoll_fd;
	size_t n, max;
	struct source listeners[HOT_PROTOCOL_MAX_];
	bool is_paused; /* accept() failed for want of something; the sweep tries again */
	struct list lists[HOT_PROTOCOL_MAX_];
	struct connection *dead;
	struct secret *frame;	 /* FRAME_MAX bytes, for one HOT_AUTH request at a time */
	struct secret *password; /* of the request that is being decided; else empty */
};

static void list_remove(struct list *l, struct connection *c)
{
	*(c->prev ? &c->prev->next : &l->head) = c->next;
	*(c->next ? &c->next->prev : &l->tail) = c->prev;
	c->prev = c->next = NULL;
}

static void list_append(struct list *l, struct connection *c)
{
	c->prev = l->tail;
	c->next = NULL;
	*(l->tail ? &l->tail->next : &l->head) = c;
	l->tail = c;
}

static const struct {
	unsigned patience; /* seconds */
	size_t input_max;
} protocols[] = {
	[HOT_AUTH] = { HOT_AUTH_IDLE_SEC, 0 },
	[HOT_MUX] = { HOT_MUX_WHOLE_SEC, MUX_REQUEST_MAX },
	[HOT_MAP] = { HOT_MAP_IDLE_SEC, MAP_INPUT_MAX },
};

_Static_assert(ARRAY_SIZE(protocols) == HOT_PROTOCOL_MAX_, "a row for every protocol");

static uint64_t patience(enum hot_protocol protocol)
{
	return protocols[protocol].patience * USEC_PER_SEC;
}

static void refresh(struct hot *h, struct connection *c)
{
	struct list *l = &h->lists[c->source.protocol];

	list_remove(l, c);
	c->deadline = clock_monotonic() + patience(c->source.protocol);
	list_append(l, c);
}

/* Events of the current round may still point at C, so it is buried at the round's end. */
static void connection_close(struct hot *h, struct connection *c)
{
	if (c->is_waiting)
		outbound_forget(door_outbound(h->door), c);
	list_remove(&h->lists[c->source.protocol], c);
	closep(&c->source.fd); /* which takes it out of the epoll set */
	c->source.fd = -1;
	secret_free(steal_ptr(c->input));
	h->n--;
	c->next = h->dead;
	h->dead = c;
}

static void bury(struct hot *h)
{
	while (h->dead) {
		struct connection *c = h->dead;

		h->dead = c->next;
		free(c);
	}
}

static int watch(struct hot *h, struct source *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	return epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0 ? -errno : 0;
}

static void set_paused(struct hot *h, bool is_paused)
{
	h->is_paused = is_paused;
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		struct epoll_event e = { .events = is_paused ? 0 : EPOLLIN,
					 .data.ptr = &h->listeners[i] };

		if (h->listeners[i].fd >= 0 &&
		    epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, h->listeners[i].fd, &e) < 0)
			door_complain(h->door, "cannot watch a listening socket: %s",
				      strerrordesc_np(errno));
	}
}

/* Takes FD over. -ENOMEM and the like leave it closed. */
static int adopt(struct hot *h, enum hot_protocol protocol, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c) {
		closep(&fd);
		return -ENOMEM;
	}
	c->source.kind = SOURCE_CONNECTION;
	c->source.protocol = protocol;
	c->source.fd = fd;
	c->deadline = clock_monotonic() + patience(protocol);
	list_append(&h->lists[protocol], c);
	h->n++;
	if (protocols[protocol].input_max > 0) {
		c->input = secret_alloc(protocols[protocol].input_max);
		r = c->input ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = watch(h, &c->source);
	if (r < 0)
		connection_close(h, c);
	return r;
}

static bool is_welcome(struct hot *h, int fd)
{
	struct socket_peer peer;
	int r = socket_peer(fd, &peer);

	if (r == 0 && door_allows(h->door, peer.uid))
		return true;
	if (r == 0)
		door_complain(h->door, "uid %u is not in [door] peers: turned away",
			      (unsigned)peer.uid);
	return false;
}

/* An idle connection of the plugin's or a table's is the one to spare: its owner connects anew.
 * A mux one has a login under way. */
static void make_room(struct hot *h)
{
	struct connection *c = h->lists[HOT_AUTH].head;

	if (!c)
		c = h->lists[HOT_MAP].head;
	if (!c)
		c = h->lists[HOT_MUX].head;
	if (c)
		connection_close(h, c);
}

static void accept_some(struct hot *h, struct source *s)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			door_complain(h->door, "cannot accept a connection: %s",
				      strerrordesc_np(errno));
			make_room(h);
			set_paused(h, true);
			return;
		}
		if (!is_welcome(h, fd)) {
			closep(&fd);
			continue;
		}
		if (h->n >= h->max)
			make_room(h);
		if (adopt(h, s->protocol, fd) < 0)
			door_complain(h->door, "cannot keep a connection: out of memory");
	}
}

/* A peer that does not read its answers is not waited for. */
static bool send_now(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void forget_password(struct hot *h)
{
	ignore_result(secret_set(h->password, NULL, 0)); /* nothing always fits */
}

/* One frame and its answer; false when the connection is of no more use. */
static bool serve_frame(struct hot *h, int fd, const uint8_t *data, size_t len)
{
	cleanup_buf struct buf reply = BUF_INIT;
	struct identity_answer answer;
	struct door_request request;
	struct door_verdict verdict;
	bool is_alive;
	int r;

	r = authframe_parse(data, len, door_realms(h->door), h->password, &request);
	if (r < 0) {
		door_complain(h->door, "a request on the auth socket is malformed: %s",
			      strerrordesc_np(-r));
		return false;
	}
	verdict = door_answer(h->door, &request, &answer);
	forget_password(h);
	r = authframe_reply(&verdict, &reply);
	explicit_bzero(&answer, sizeof(answer));
	is_alive = r == 0 && send_now(fd, reply.data, reply.len);
	door_log_verdict(h->door, &request, &verdict);
	return is_alive;
}

static void serve_auth(struct hot *h, struct connection *c)
{
	uint8_t *data = secret_fill(h->frame);

	for (int i = 0; i < MESSAGES_MAX; i++) {
		ssize_t n = recv(c->source.fd, data, FRAME_MAX, MSG_TRUNC);
		bool is_alive;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		is_alive = n > 0 && n <= FRAME_MAX &&
			   serve_frame(h, c->source.fd, data, (size_t)n);
		if (n > 0)
			explicit_bzero(data, n < FRAME_MAX ? (size_t)n : FRAME_MAX);
		if (!is_alive) {
			connection_close(h, c);
			return;
		}
	}
	refresh(h, c);
}

static struct mux_slice mux_reply(enum door_outcome outcome)
{
	switch (outcome) {
	case DOOR_ACCEPT:
		return mux_reply_ok();
	case DOOR_REFUSE:
		return mux_reply_no();
	case DOOR_LATER:
	case DOOR_OUTCOME_MAX_:
		break;
	}
	return mux_reply_later();
}

/* The connection ends after it; an answer that is lost reads as "later". */
static void mux_answer(struct hot *h, int fd, const struct mux_request *m)
{
	struct door_verdict verdict = { .outcome = DOOR_LATER };
	struct identity_answer answer;
	struct door_request request;
	struct mux_slice reply;
	int r = muxframe_request(m, door_realms(h->door), h->password, &request);

	if (r == 0)
		verdict = door_answer(h->door, &request, &answer);
	forget_password(h);
	explicit_bzero(&answer, sizeof(answer));
	reply = mux_reply(verdict.outcome);
	(void)send_now(fd, reply.data, reply.len); /* see above */
	if (r == 0)
		door_log_verdict(h->door, &request, &verdict);
}

/* What has come on a saslauthd connection: answer it, wait for more, or give up. */
static void serve_mux(struct hot *h, struct connection *c)
{
	uint8_t *data = secret_fill(c->input);
	ssize_t n = recv(c->source.fd, data + c->input_len, MUX_REQUEST_MAX - c->input_len, 0);
	struct mux_request m;
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_close(h, c);
		return;
	}
	c->input_len += (size_t)n;
	r = mux_parse(data, c->input_len, &m);
	if (r == -EAGAIN)
		return;
	if (r == 0)
		mux_answer(h, c->source.fd, &m);
	else
		door_complain(h->door, "a request on the mux socket is malformed");
	connection_close(h, c);
}

/* ---- Postfix's tables ---- */

static int set_waiting(struct hot *h, struct connection *c, bool is_waiting)
{
	/* its end is told even to who asks for nothing */
	struct epoll_event e = { .events = is_waiting ? 0 : EPOLLIN, .data.ptr = &c->source };

	c->is_waiting = is_waiting;
	return epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, c->source.fd, &e) < 0 ? -errno : 0;
}

/* Takes the first query off what has come and answers it. 0; -EAGAIN when none is whole;
 * -EINPROGRESS when the vault is asked; anything else ends the connection. */
static int answer_query(struct hot *h, struct connection *c)
{
	cleanup_buf struct buf reply = BUF_INIT;
	uint8_t *data = secret_fill(c->input);
	struct map_query q;
	size_t used;
	int r = map_parse(data, c->input_len, &q, &used);

	if (r == -EBADMSG)
		door_complain(h->door, "a query on the map socket is malformed");
	if (r < 0)
		return r;
	r = map_answer(h->door, &q, c, &reply);
	c->input_len -= used;
	memmove(data, data + used, c->input_len);
	if (r == 0)
		r = buf_error(&reply);
	if (r < 0)
		return r;
	return send_now(c->source.fd, reply.data, reply.len) ? 0 : -EPIPE;
}

/* Answers in order what has come; while the vault is asked the rest has to wait. */
static void answer_queries(struct hot *h, struct connection *c)
{
	int r;

	while ((r = answer_query(h, c)) == 0)
		refresh(h, c);
	if (r == -EINPROGRESS) {
		refresh(h, c);
		r = set_waiting(h, c, true);
	}
	if (r < 0 && r != -EAGAIN)
		connection_close(h, c);
}

static void serve_map(struct hot *h, struct connection *c)
{
	uint8_t *data = secret_fill(c->input);
	ssize_t n;

	if (c->is_waiting) { /* who asked is gone */
		connection_close(h, c);
		return;
	}
	n = recv(c->source.fd, data + c->input_len, MAP_INPUT_MAX - c->input_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_close(h, c);
		return;
	}
	c->input_len += (size_t)n;
	answer_queries(h, c);
}

/* Never from within hot_serve(): a connection that ends here may be buried at once. */
static void on_outbound(void *context, void *waiter, const struct outbound_answer *a)
{
	cleanup_buf struct buf reply = BUF_INIT;
	struct connection *c = waiter;
	struct hot *h = context;
	int r = set_waiting(h, c, false);

	map_outbound_reply(h->door, a, &reply);
	if (r == 0)
		r = buf_error(&reply);
	if (r < 0 || !send_now(c->source.fd, reply.data, reply.len))
		connection_close(h, c);
	else
		answer_queries(h, c);
	bury(h);
}

static void serve_source(struct hot *h, struct source *s)
{
	if (s->fd < 0)
		return; /* closed by an earlier event of this round */
	if (s->kind == SOURCE_LISTENER) {
		accept_some(h, s);
		return;
	}
	switch (s->protocol) {
	case HOT_AUTH:
		serve_auth(h, connection_of(s));
		break;
	case HOT_MUX:
		serve_mux(h, connection_of(s));
		break;
	case HOT_MAP:
		serve_map(h, connection_of(s));
		break;
	case HOT_PROTOCOL_MAX_:
		break;
	}
}

void hot_serve(struct hot *h)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(h->epoll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		serve_source(h, events[i].data.ptr);
	bury(h);
}

void hot_sweep(struct hot *h, uint64_t now)
{
	outbound_sweep(door_outbound(h->door), now);
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++)
		while (h->lists[i].head && h->lists[i].head->deadline <= now)
			connection_close(h, h->lists[i].head);
	bury(h);
	if (h->is_paused)
		set_paused(h, false);
}

bool hot_needs_sweep(const struct hot *h)
{
	return h->n > 0 || h->is_paused;
}

int hot_listen(struct hot *h, enum hot_protocol protocol, int fd)
{
	struct source *s = &h->listeners[protocol];

	s->fd = fd;
	return watch(h, s);
}

int hot_fd(const struct hot *h)
{
	return h->epoll_fd;
}

int hot_new(struct door *door, size_t connections_max, struct hot **ret)
{
	cleanup_(hot_freep) struct hot *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->door = door;
	h->max = connections_max;
	h->epoll_fd = -1;
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++)
		h->listeners[i] = (struct source){ SOURCE_LISTENER, (enum hot_protocol)i, -1 };
	h->frame = secret_alloc(FRAME_MAX);
	h->password = secret_alloc(MUX_REQUEST_MAX);
	if (!h->frame || !h->password)
		return -ENOMEM;
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll_fd < 0)
		return -errno;
	outbound_tell(door_outbound(door), on_outbound, h);
	*ret = steal_ptr(h);
	return 0;
}

void hot_free(struct hot *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		while (h->lists[i].head)
			connection_close(h, h->lists[i].head);
		closep(&h->listeners[i].fd);
	}
	bury(h);
	closep(&h->epoll_fd);
	secret_free(h->frame);
	secret_free(h->password);
	free(h);
}
