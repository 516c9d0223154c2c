/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load of tests/bench/login-shape, in C so that the door is what is measured:
 *
 *	login-load shape AUTH-SOCKET MUX-SOCKET KNOWN
 *	login-load rate  AUTH-SOCKET PASSWORD MAP-SOCKET SENDER
 *
 * `shape` times single questions, the cases interleaved at random, and prints for each
 * protocol the medians as ratios to that of unknown logins. known-0 to known-(KNOWN-1) must be
 * logins, off-… likewise but not in force, and nothing else. `rate` has PASSWORD accepted for
 * known-0, and SENDER looked up, as fast as clients can ask, and prints the ratios to a
 *ping-pong over AF_UNIX.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/socket.h"
#include "base/text.h"
#include "wire/client.h"
#include "wire/verbs.h"

enum {
	SAMPLES = 5000, /* of each case */
	ROUNDS = 7,
	CLIENTS_MAX = 16,
	MESSAGE_SIZE = 128, /* of the ping-pong; about what a question has */
};

#define ROUND_USEC (400 * USEC_PER_MSEC)
#define PATIENCE   (10 * USEC_PER_SEC)

static void die(const char *what)
{
	(void)fprintf(stderr, "login-load: %s: %s\n", what, strerrordesc_np(errno));
	exit(1);
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	errno = -r;
	die(what);
}

static uint64_t nanoseconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* every kernel has it */
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* xorshift: which case comes next need not be a secret, only without a pattern. */
static uint64_t next_random(void)
{
	static uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* ---- one question ---- */

static void build_question(struct buf *b, enum wire_verb verb, const char *login,
			   const char *password)
{
	wire_begin_request(b, verb);
	frame_put_text(b, "login", login);
	if (verb == WIRE_AUTH_PASSWORD)
		frame_put_text(b, "password", password);
	frame_put_text(b, "mechanism", "PLAIN");
	check(frame_end(b), "frame");
}

static void ask_auth(int fd, const struct buf *question, struct buf *reply)
{
	check(wire_send(fd, question, clock_monotonic() + PATIENCE), "auth socket");
	check(wire_receive(fd, reply, clock_monotonic() + PATIENCE), "auth socket");
}

static void expect_verdict(const struct buf *reply, const char *verdict)
{
	struct frame f;
	char word[16];

	check(frame_parse(reply->data, reply->len, &f), "reply");
	check(frame_text(&f, "verdict", word, sizeof(word)), "verdict");
	if (strcmp(word, verdict) != 0) {
		(void)fprintf(stderr, "login-load: the door says %s, not %s\n", word, verdict);
		exit(1);
	}
}

static void build_mux(struct buf *b, const char *login)
{
	static const char *const rest[] = { "wrong", "smtp", "" };

	buf_clear(b);
	buf_append_be16(b, (uint16_t)strlen(login));
	buf_append_str(b, login);
	for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
		buf_append_be16(b, (uint16_t)strlen(rest[i]));
		buf_append_str(b, rest[i]);
	}
	check(buf_error(b), "mux request");
}

static void ask_mux(const char *path, const struct buf *request)
{
	cleanup_close int fd = socket_connect(path, SOCK_STREAM, clock_monotonic() + PATIENCE);
	char reply[8];

	check(fd, path);
	if (send(fd, request->data, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
		die("mux socket");
	check(socket_wait(fd, POLLIN, clock_monotonic() + PATIENCE), "mux socket");
	if (recv(fd, reply, sizeof(reply), 0) != 4 || memcmp(reply, "\0\2NO", 4) != 0) {
		(void)fprintf(stderr, "login-load: the mux socket does not say NO\n");
		exit(1);
	}
}

/* ---- shape ---- */

enum who { WHO_UNKNOWN, WHO_KNOWN, WHO_OFF, WHO_MAX_ };

static const char *const who_names[WHO_MAX_] = { "unknown", "known", "off" };

enum path { PATH_PASSWORD, PATH_VERIFIER, PATH_MUX, PATH_MAX_ };

static const char *const path_names[PATH_MAX_] = { "auth, wrong password", "auth, verifier",
						   "mux, wrong password" };

struct shape {
	const char *auth, *mux;
	unsigned known;
	int fd;
	double *samples[PATH_MAX_][WHO_MAX_];
};

static double time_one(const struct shape *s, enum path path, enum who who)
{
	cleanup_buf struct buf question = BUF_INIT, reply = BUF_INIT;
	char login[64];
	uint64_t from;
	double spent;

	(void)snprintf(login, sizeof(login), "%s-%u", who_names[who],
		       (unsigned)(next_random() % s->known));
	if (path == PATH_MUX)
		build_mux(&question, login);
	else
		build_question(&question,
			       path == PATH_VERIFIER ? WIRE_AUTH_VERIFIER : WIRE_AUTH_PASSWORD,
			       login, "wrong");
	from = nanoseconds();
	if (path == PATH_MUX)
		ask_mux(s->mux, &question);
	else
		ask_auth(s->fd, &question, &reply);
	spent = (double)(nanoseconds() - from);
	if (path != PATH_MUX)
		expect_verdict(&reply, path == PATH_VERIFIER ? "ok" : "reject");
	return spent / 1000;
}

/* Each turn asks every case once, in an order that differs, so that what else the machine does
 * falls on all of them alike. */
static void run_turn(const struct shape *s, enum path path, size_t turn)
{
	enum who order[WHO_MAX_] = { WHO_UNKNOWN, WHO_KNOWN, WHO_OFF };

	for (size_t i = WHO_MAX_ - 1; i > 0; i--) {
		size_t k = next_random() % (i + 1);
		enum who other = order[k];

		order[k] = order[i];
		order[i] = other;
	}
	for (size_t i = 0; i < WHO_MAX_; i++)
		s->samples[path][order[i]][turn] = time_one(s, path, order[i]);
}

static int run_shape(char **argv)
{
	struct shape s = { .auth = argv[0], .mux = argv[1] };

	check(text_to_u32(argv[2], &s.known), "KNOWN");
	s.fd = wire_connect(s.auth, 0, clock_monotonic() + PATIENCE);
	check(s.fd, s.auth);
	for (size_t p = 0; p < PATH_MAX_; p++) {
		double medians[WHO_MAX_];

		for (size_t w = 0; w < WHO_MAX_; w++) {
			s.samples[p][w] = calloc(SAMPLES, sizeof(double));
			if (!s.samples[p][w])
				die("memory");
		}
		for (size_t i = 0; i < SAMPLES; i++)
			run_turn(&s, (enum path)p, i);
		for (size_t w = 0; w < WHO_MAX_; w++)
			medians[w] = median(s.samples[p][w], SAMPLES);
		(void)printf(
			"%-22s known/unknown %.3f   off/unknown %.3f   (unknown %.1f us)\n",
			path_names[p], medians[WHO_KNOWN] / medians[WHO_UNKNOWN],
			medians[WHO_OFF] / medians[WHO_UNKNOWN], medians[WHO_UNKNOWN]);
		for (size_t w = 0; w < WHO_MAX_; w++)
			free(s.samples[p][w]);
	}
	(void)close(s.fd);
	return 0;
}

/* ---- rate ---- */

/* Answers what comes until it is killed: the least that a daemon of this kind can do. */
static void serve_pings(const int *fds, unsigned n)
{
	struct epoll_event events[CLIENTS_MAX];
	int set = epoll_create1(EPOLL_CLOEXEC);
	char bytes[MESSAGE_SIZE];

	for (unsigned i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fds[i] };

		if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &e) < 0)
			_exit(1);
	}
	for (;;) {
		int ready = epoll_wait(set, events, CLIENTS_MAX, -1);

		for (int i = 0; i < ready; i++) {
			ssize_t got = recv(events[i].data.fd, bytes, sizeof(bytes), 0);

			if (got <= 0 || send(events[i].data.fd, bytes, (size_t)got, 0) != got)
				_exit(0);
		}
	}
}

static void ping(int fd)
{
	char bytes[MESSAGE_SIZE] = { 0 };

	if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes) ||
	    recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
		_exit(1);
}

/* What the clients share with who started them. */
struct tally {
	atomic_bool is_over;
	atomic_ulong done;
};

static pid_t spawn(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* fails for no signal of that name */
	return pid;
}

/* What a client does: log in, look a sender up, or ping. */
struct work {
	const char *name;
	const char *path; /* NULL for pings, which are answered here */
	const char *password;
	const char *sender;
};

static void look_up(int fd, const char *sender)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%zu:senders %s,", 8 + strlen(sender), sender);

	if (len >= (int)sizeof(text) || send(fd, text, (size_t)len, MSG_NOSIGNAL) != len ||
	    recv(fd, text, sizeof(text), 0) < 6 || !strstr(text, ":OK "))
		_exit(1);
}

static void run_client(int fd, const struct work *w, struct tally *t)
{
	const char *password = w->password;
	cleanup_buf struct buf question = BUF_INIT, reply = BUF_INIT;
	unsigned long n = 0;

	if (password)
		build_question(&question, WIRE_AUTH_PASSWORD, "known-0", password);
	for (; !t->is_over; n++) {
		if (password)
			ask_auth(fd, &question, &reply);
		else if (w->sender)
			look_up(fd, w->sender);
		else
			ping(fd);
	}
	if (password)
		expect_verdict(&reply, "ok");
	t->done += n;
}

static double run_clients(const int *fds, unsigned n, const struct work *w)
{
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[CLIENTS_MAX];
	uint64_t from;
	double rate;

	if (t == MAP_FAILED)
		die("memory");
	from = nanoseconds();
	for (unsigned i = 0; i < n; i++) {
		pids[i] = spawn();
		if (pids[i] == 0) {
			run_client(fds[i], w, t);
			_exit(0);
		}
	}
	(void)poll(NULL, 0, ROUND_USEC / USEC_PER_MSEC);
	t->is_over = true;
	for (unsigned i = 0; i < n; i++) {
		int status;

		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			die("a client failed");
	}
	rate = (double)t->done * 1e9 / (double)(nanoseconds() - from);
	(void)munmap(t, sizeof(*t));
	return rate;
}

static double rate_of_pings(unsigned n)
{
	static const struct work pings = { .name = "pings" };
	int ours[CLIENTS_MAX], theirs[CLIENTS_MAX], status;
	double rate;
	pid_t pid;

	for (unsigned i = 0; i < n; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			die("socketpair");
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	pid = spawn();
	if (pid == 0)
		serve_pings(theirs, n);
	rate = run_clients(ours, n, &pings);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0); /* it was killed: it is there to be had */
	for (unsigned i = 0; i < n; i++) {
		(void)close(ours[i]);
		(void)close(theirs[i]);
	}
	return rate;
}

static int connect_for(const struct work *w)
{
	uint64_t deadline = clock_monotonic() + PATIENCE;

	return w->sender ? socket_connect(w->path, SOCK_STREAM, deadline)
			 : wire_connect(w->path, 0, deadline);
}

/* Its sockets are to block: a client has nothing else to do. */
static void make_blocking(int fd)
{
	if (fcntl(fd, F_SETFL, 0) < 0)
		die("fcntl");
}

static double rate_of(const struct work *w, unsigned n)
{
	int fds[CLIENTS_MAX];
	double rate;

	for (unsigned i = 0; i < n; i++) {
		fds[i] = connect_for(w);
		check(fds[i], w->path);
		if (w->sender)
			make_blocking(fds[i]);
	}
	rate = run_clients(fds, n, w);
	for (unsigned i = 0; i < n; i++)
		(void)close(fds[i]);
	return rate;
}

static void compare_rates(const struct work *w, unsigned clients)
{
	double ratios[ROUNDS], rates[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		double pings = rate_of_pings(clients);

		rates[i] = rate_of(w, clients);
		ratios[i] = rates[i] / pings;
	}
	(void)printf("%2u clients: %s/ping-pong %.2f   (%.0f %s/s)\n", clients, w->name,
		     median(ratios, ROUNDS), median(rates, ROUNDS), w->name);
}

static int run_rate(char **argv)
{
	static const unsigned clients[] = { 1, 4, CLIENTS_MAX };
	const struct work works[] = {
		{ .name = "logins", .path = argv[0], .password = argv[1] },
		{ .name = "senders", .path = argv[2], .sender = argv[3] },
	};

	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		for (size_t c = 0; c < ARRAY_SIZE(clients); c++)
			compare_rates(&works[i], clients[c]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "shape") == 0)
		return run_shape(argv + 2);
	if (argc == 6 && strcmp(argv[1], "rate") == 0)
		return run_rate(argv + 2);
	(void)fputs("usage: login-load shape AUTH MUX KNOWN | rate AUTH PASSWORD MAP SENDER\n",
		    stderr);
	return 2;
}
