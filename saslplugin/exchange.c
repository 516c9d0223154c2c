/* SPDX-License-Identifier: BSD-2-Clause */
#include "saslplugin/exchange.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "wire/client.h"

/* A connection, and enough to tell whether the descriptor still is that connection. */
struct link {
	int fd;
	pid_t pid;
	dev_t dev;
	ino_t ino;
};

#define LINK_NONE ((struct link){ .fd = -1 })

struct exchange {
	struct options options;
	pthread_mutex_t lock; /* of `link` */
	struct link link;
};

/* A program that closed all its descriptors may have another file under this number by now. */
static bool link_is_there(const struct link *l)
{
	struct stat st;

	return l->fd >= 0 && fstat(l->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_dev == l->dev && st.st_ino == l->ino;
}

static void link_drop(struct link *l)
{
	if (link_is_there(l))
		closep(&l->fd);
	*l = LINK_NONE;
}

static int link_open(struct link *l, const char *path, uint64_t deadline)
{
	cleanup_close int fd = wire_connect(path, 0, deadline);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*l = (struct link){
		.fd = steal_fd(&fd), .pid = getpid(), .dev = st.st_dev, .ino = st.st_ino
	};
	return 0;
}

static int round_trip(int fd, const struct buf *request, struct buf *reply, uint64_t deadline)
{
	int r = wire_send(fd, request, deadline);

	if (r < 0)
		return r;
	return wire_receive(fd, reply, deadline);
}

static bool is_dead(int r)
{
	return r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN;
}

struct trip {
	const char *path;
	const struct buf *request;
	struct buf *reply;
	uint64_t deadline;
};

/*
 * A kept connection may have died since it was used: then one new one is tried. After any
 * failure the connection is dropped, because an answer that comes late must not be taken for
 * the answer to the next question.
 */
static int ask_over(struct link *l, const struct trip *t)
{
	bool kept;
	int r;

	if (l->pid != getpid() || !link_is_there(l))
		link_drop(l); /* after a fork this closes our copy only */
	kept = l->fd >= 0;
	r = kept ? 0 : link_open(l, t->path, t->deadline);
	if (r == 0)
		r = round_trip(l->fd, t->request, t->reply, t->deadline);
	if (kept && is_dead(r)) {
		link_drop(l);
		r = link_open(l, t->path, t->deadline);
		if (r == 0)
			r = round_trip(l->fd, t->request, t->reply, t->deadline);
	}
	if (r < 0)
		link_drop(l);
	return r;
}

static int build(struct buf *out, const struct exchange_question *q)
{
	wire_begin_request(out, q->verb);
	frame_put_text(out, "login", q->login);
	if (q->verb == WIRE_AUTH_PASSWORD)
		frame_put(out, "password", q->password, q->password_len);
	frame_put_text(out, "mechanism", q->mechanism);
	if (q->address)
		frame_put_text(out, "address", q->address);
	if (q->service)
		frame_put_text(out, "service", q->service);
	return frame_end(out);
}

static int read_verdict(const struct frame *f, const struct exchange_question *q,
			struct exchange_answer *ret)
{
	char word[16];
	int r;

	r = frame_text(f, "verdict", word, sizeof(word));
	if (r < 0)
		return r;
	if (strcmp(word, "reject") == 0 || strcmp(word, "notfound") == 0) {
		*ret = (struct exchange_answer){ .accepted = false };
		return 0;
	}
	if (strcmp(word, "ok") != 0)
		return -EAGAIN;
	/* straight into RET: no copy of a verifier is left behind */
	if (q->verb == WIRE_AUTH_VERIFIER &&
	    frame_text(f, "verifier", ret->verifier, sizeof(ret->verifier)) < 0)
		return -EBADMSG;
	ret->accepted = true;
	return 0;
}

static int read_answer(const struct buf *reply, const struct exchange_question *q,
		       struct exchange_answer *ret)
{
	enum wire_status status;
	struct frame f;
	int r;

	r = frame_parse(reply->data, reply->len, &f);
	if (r < 0)
		return r;
	r = wire_check_reply(&f, q->verb, &status);
	if (r < 0)
		return r;
	return status == WIRE_STATUS_OK ? read_verdict(&f, q, ret) : -EAGAIN;
}

int exchange_ask(struct exchange *x, const struct exchange_question *question,
		 struct exchange_answer *ret)
{
	cleanup_buf struct buf request = BUF_INIT;
	cleanup_buf struct buf reply = BUF_INIT;
	const struct trip trip = { x->options.socket, &request, &reply,
				   clock_monotonic() + x->options.timeout };
	int r;

	r = build(&request, question);
	if (r < 0)
		return r;
	/* Not a wait: what another thread does with its connection has no deadline of ours. */
	if (pthread_mutex_trylock(&x->lock) == 0) {
		r = ask_over(&x->link, &trip);
		(void)pthread_mutex_unlock(&x->lock); /* we hold it */
	} else {
		struct link once = LINK_NONE;

		r = ask_over(&once, &trip);
		link_drop(&once);
	}
	if (r < 0)
		return r;
	return read_answer(&reply, question, ret);
}

struct exchange *exchange_new(const struct options *options)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->options = *options;
	x->link = LINK_NONE;
	(void)pthread_mutex_init(&x->lock, NULL); /* cannot fail with default attributes */
	return x;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	if (x->link.pid == getpid())
		link_drop(&x->link);
	(void)pthread_mutex_destroy(&x->lock); /* nobody can hold it any more */
	free(x);
}

const char *exchange_path(const struct exchange *x)
{
	return x->options.socket;
}
