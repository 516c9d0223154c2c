/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include "tests/unit/fakedoor.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/socket.h"
#include "wire/client.h"
#include "wire/verbs.h"

enum { CONNECTIONS_MAX = 32 };

static const char verifier[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
			       "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			       "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/* No password leads to these keys. */
static const char decoy[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static void reply_verdict(struct buf *out, enum wire_verb verb, const struct frame *f)
{
	const struct frame_field *password = frame_find(f, "password");
	char login[64] = "";
	bool is_user;

	ignore_result(frame_text(f, "login", login, sizeof(login))); /* "" is nobody */
	is_user = strcmp(login, "user") == 0;
	if (strcmp(login, "broken") == 0) {
		buf_clear(out);
		buf_append_str(out, "no frame");
		return;
	}
	wire_begin_reply(out, WIRE_STATUS_OK);
	if (strcmp(login, "busy") == 0) {
		frame_put_text(out, "verdict", "unavail");
	} else if (verb == WIRE_AUTH_VERIFIER) {
		frame_put_text(out, "verdict", "ok");
		frame_put_text(out, "verifier", is_user ? verifier : decoy);
	} else {
		bool is_right = is_user && password && password->len == 6 &&
				memcmp(password->data, "pencil", 6) == 0;

		frame_put_text(out, "verdict", is_right ? "ok" : "reject");
		if (is_right)
			frame_put_text(out, "identity", login);
	}
	assert_int_equal(frame_end(out), 0);
}

static void note(const struct frame *f, const char *key, char *out, size_t size)
{
	if (frame_text(f, key, out, size) < 0)
		out[0] = '\0';
}

/* False when the connection is over. */
static bool serve(struct fakedoor_seen *seen, int fd)
{
	cleanup_buf struct buf request = BUF_INIT;
	cleanup_buf struct buf reply = BUF_INIT;
	enum wire_verb verb;
	struct frame f;

	if (wire_receive(fd, &request, clock_monotonic() + USEC_PER_SEC) < 0)
		return false;
	if (frame_parse(request.data, request.len, &f) < 0 ||
	    wire_check_request(&f, WIRE_AUTH, &verb) < 0)
		return false;
	note(&f, "mechanism", seen->mechanism, sizeof(seen->mechanism));
	note(&f, "service", seen->service, sizeof(seen->service));
	note(&f, "address", seen->address, sizeof(seen->address));
	atomic_fetch_add(&seen->requests, 1);
	reply_verdict(&reply, verb, &f);
	return wire_send(fd, &reply, clock_monotonic() + USEC_PER_SEC) == 0;
}

static void accept_one(struct fakedoor_seen *seen, struct pollfd fds[static CONNECTIONS_MAX])
{
	nfds_t i = 1;

	while (i < CONNECTIONS_MAX && fds[i].fd >= 0)
		i++;
	if (i == CONNECTIONS_MAX)
		return; /* the backlog holds it */
	fds[i].fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	atomic_fetch_add(&seen->connects, 1);
}

static void run(struct fakedoor_seen *seen, int listener)
{
	struct pollfd fds[CONNECTIONS_MAX];

	for (nfds_t i = 0; i < CONNECTIONS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = i ? -1 : listener, .events = POLLIN };
	for (;;) {
		if (poll(fds, CONNECTIONS_MAX, -1) < 0)
			_exit(1);
		for (nfds_t i = 1; i < CONNECTIONS_MAX; i++) {
			if (fds[i].fd >= 0 && fds[i].revents && !serve(seen, fds[i].fd)) {
				(void)close(fds[i].fd); /* a test's child: nothing to tell */
				fds[i].fd = -1;
			}
		}
		if (fds[0].revents)
			accept_one(seen, fds);
	}
}

void fakedoor_new(struct fakedoor *d)
{
	memset(d, 0, sizeof(*d));
	(void)snprintf(d->dir, sizeof(d->dir), "/tmp/fakedoor.XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	(void)snprintf(d->path, sizeof(d->path), "%s/door", d->dir);
	d->seen = mmap(NULL, sizeof(*d->seen), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(d->seen, MAP_FAILED);
}

void fakedoor_start(struct fakedoor *d)
{
	int listener = socket_listen(d->path, SOCK_SEQPACKET, 0600);
	pid_t parent = getpid();

	assert_true(listener >= 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		ignore_result(prctl(PR_SET_PDEATHSIG, SIGKILL)); /* no orphan after a crash */
		if (getppid() == parent)
			run(d->seen, listener);
		_exit(1);
	}
	assert_int_equal(close(listener), 0);
}

void fakedoor_stop(struct fakedoor *d)
{
	if (d->pid == 0)
		return;
	assert_int_equal(kill(d->pid, SIGKILL), 0);
	assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
	d->pid = 0;
}

void fakedoor_pause(struct fakedoor *d)
{
	int status;

	assert_int_equal(kill(d->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(d->pid, &status, WUNTRACED), d->pid);
	assert_true(WIFSTOPPED(status));
}

void fakedoor_resume(struct fakedoor *d)
{
	assert_int_equal(kill(d->pid, SIGCONT), 0);
}

void fakedoor_free(struct fakedoor *d)
{
	fakedoor_stop(d);
	(void)unlink(d->path); /* may never have been made */
	assert_int_equal(rmdir(d->dir), 0);
	assert_int_equal(munmap(d->seen, sizeof(*d->seen)), 0);
}
