/* SPDX-License-Identifier: BSD-2-Clause */
/* The door's connections, driven by hand: who is served, who is closed, and when. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/socket.h"
#include "rotated/config/config.h"
#include "rotated/door/door.h"
#include "rotated/door/hot.h"
#include "wire/client.h"
#include "wire/verbs.h"

enum { LIMIT = 4 };

struct world {
	char root[64];
	char paths[HOT_PROTOCOL_MAX_][96];
	struct door *door;
	struct hot *hot;
};

static void make_config(struct world *w, struct config **ret)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	char dir[128], file[192];

	(void)snprintf(dir, sizeof(dir), "%s/etc/rotated", w->root);
	assert_int_equal(fs_make_dirs(dir, 0755), 0);
	(void)snprintf(file, sizeof(file), "%s/rotated.conf", dir);
	assert_int_equal(fs_replace(AT_FDCWD, file, "[door]\n", 7, 0644), 0);
	assert_int_equal(config_load(w->root, 0, ret, &errors), 0);
}

static int setup(void **state)
{
	static struct world w;
	static const int types[] = {
		[HOT_AUTH] = SOCK_SEQPACKET, [HOT_MUX] = SOCK_STREAM, [HOT_MAP] = SOCK_STREAM
	};
	struct config *config = NULL;

	memset(&w, 0, sizeof(w));
	(void)snprintf(w.root, sizeof(w.root), "/tmp/test-hot.XXXXXX");
	assert_non_null(mkdtemp(w.root));
	make_config(&w, &config);
	assert_int_equal(door_new_take(config, &w.door), 0);
	assert_int_equal(hot_new(w.door, LIMIT, &w.hot), 0);
	for (size_t i = 0; i < HOT_PROTOCOL_MAX_; i++) {
		int fd;

		(void)snprintf(w.paths[i], sizeof(w.paths[i]), "%s/%zu", w.root, i);
		fd = socket_listen(w.paths[i], types[i], 0600);
		assert_true(fd >= 0);
		assert_int_equal(hot_listen(w.hot, (enum hot_protocol)i, fd), 0);
	}
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	hot_free(w->hot);
	door_free(w->door);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", w->root);
	return system(command);
}

static int connect_to(struct world *w, enum hot_protocol protocol)
{
	int type = protocol == HOT_AUTH ? SOCK_SEQPACKET : SOCK_STREAM;
	int fd = socket_connect(w->paths[protocol], type, clock_monotonic() + USEC_PER_SEC);

	assert_true(fd >= 0);
	hot_serve(w->hot);
	return fd;
}

/* Whether the door has ended the connection. */
static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void ask(int fd)
{
	cleanup_buf struct buf b = BUF_INIT;

	wire_begin_request(&b, WIRE_AUTH_VERIFIER);
	frame_put_text(&b, "login", "billing.7");
	frame_put_text(&b, "mechanism", "SCRAM-SHA-256");
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(wire_send(fd, &b, clock_monotonic() + USEC_PER_SEC), 0);
}

/* This door has no keys, so its verdict is always the same. */
static bool is_answered(int fd)
{
	cleanup_buf struct buf b = BUF_INIT;
	char verdict[16] = "";
	struct frame f;

	if (wire_receive(fd, &b, clock_monotonic()) < 0)
		return false;
	assert_int_equal(frame_parse(b.data, b.len, &f), 0);
	assert_int_equal(frame_text(&f, "verdict", verdict, sizeof(verdict)), 0);
	assert_string_equal(verdict, "unavail");
	return true;
}

static void a_door_without_keys_is_unavailable_to_both_protocols(void **state)
{
	struct world *w = *state;
	cleanup_close int auth = connect_to(w, HOT_AUTH);
	cleanup_close int mux = connect_to(w, HOT_MUX);
	static const char request[] = "\0\1a\0\1b\0\0\0";
	char reply[8];

	ask(auth);
	assert_int_equal(send(mux, request, sizeof(request), 0), sizeof(request));
	hot_serve(w->hot);
	assert_true(is_answered(auth));
	assert_int_equal(recv(mux, reply, sizeof(reply), 0), 2);
	assert_memory_equal(reply, "\0\0", 2);
	assert_true(is_closed(mux));
	assert_false(is_closed(auth));
}

static void questions_in_a_row_are_answered_in_order(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w, HOT_AUTH);

	for (int i = 0; i < 40; i++)
		ask(fd);
	for (int i = 0; i < 3; i++)
		hot_serve(w->hot);
	for (int i = 0; i < 40; i++)
		assert_true(is_answered(fd));
	assert_false(is_answered(fd));
}

static void the_longest_idle_connection_makes_room(void **state)
{
	struct world *w = *state;
	int fds[LIMIT];

	for (int i = 0; i < LIMIT; i++)
		fds[i] = connect_to(w, HOT_AUTH);
	ask(fds[0]); /* so that the second has been idle longest */
	hot_serve(w->hot);
	assert_true(is_answered(fds[0]));
	for (int i = 0; i < LIMIT; i++)
		assert_false(is_closed(fds[i]));
	{
		cleanup_close int another = connect_to(w, HOT_AUTH);

		assert_true(is_closed(fds[1]));
		assert_false(is_closed(fds[0]));
		ask(another);
		hot_serve(w->hot);
		assert_true(is_answered(another));
	}
	for (int i = 0; i < LIMIT; i++)
		closep(&fds[i]);
	hot_serve(w->hot);
	assert_false(hot_needs_sweep(w->hot));
}

static void connections_are_closed_when_their_time_is_over(void **state)
{
	struct world *w = *state;
	cleanup_close int auth = connect_to(w, HOT_AUTH);
	cleanup_close int mux = connect_to(w, HOT_MUX);
	uint64_t now = clock_monotonic();

	assert_int_equal(send(mux, "\0\1a", 3, 0), 3);
	hot_serve(w->hot);
	hot_sweep(w->hot, now);
	assert_false(is_closed(mux));
	hot_sweep(w->hot, now + (HOT_MUX_WHOLE_SEC + 1) * USEC_PER_SEC);
	assert_true(is_closed(mux));
	assert_false(is_closed(auth));
	hot_sweep(w->hot, now + (HOT_AUTH_IDLE_SEC + 1) * USEC_PER_SEC);
	assert_true(is_closed(auth));
	assert_false(hot_needs_sweep(w->hot));
}

static void a_peer_that_does_not_read_is_not_waited_for(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w, HOT_AUTH);
	cleanup_buf struct buf b = BUF_INIT;
	int r = 0;

	wire_begin_request(&b, WIRE_AUTH_VERIFIER);
	frame_put_text(&b, "login", "billing.7");
	frame_put_text(&b, "mechanism", "SCRAM-SHA-256");
	assert_int_equal(frame_end(&b), 0);
	for (int i = 0; i < 100000 && r == 0; i++) {
		r = wire_send(fd, &b, clock_monotonic());
		hot_serve(w->hot);
	}
	assert_int_equal(r, -EPIPE);
	assert_false(hot_needs_sweep(w->hot));
}

/* Serves in a process of its own whose standard error is a pipe that nobody empties. */
static pid_t serve_with_a_stuck_log(struct world *w)
{
	static const char bytes[4096];
	int pipe_fds[2];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe2(pipe_fds, O_NONBLOCK) < 0)
		_exit(1);
	while (write(pipe_fds[1], bytes, sizeof(bytes)) > 0)
		;
	if (fcntl(pipe_fds[1], F_SETFL, 0) < 0 || dup2(pipe_fds[1], STDERR_FILENO) < 0)
		_exit(1);
	log_open("test", LOG_LEVEL_INFO);
	hot_serve(w->hot);
	_exit(0);
}

static void an_answer_does_not_wait_for_its_line_in_the_log(void **state)
{
	static const char request[] = "\0\1a\0\1b\0\0\0";
	struct world *w = *state;

	for (int i = 0; i <= HOT_MUX; i++) {
		cleanup_close int fd = connect_to(w, (enum hot_protocol)i);
		int r, status;
		pid_t pid;

		if (i == HOT_AUTH)
			ask(fd);
		else
			assert_int_equal(send(fd, request, sizeof(request), 0),
					 sizeof(request));
		pid = serve_with_a_stuck_log(w);
		r = socket_wait(fd, POLLIN, clock_monotonic() + 20 * USEC_PER_SEC);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it did have something to log */
		assert_int_equal(r, 0);
	}
}

int main(void)
{
#define HOT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		HOT_TEST(a_door_without_keys_is_unavailable_to_both_protocols),
		HOT_TEST(questions_in_a_row_are_answered_in_order),
		HOT_TEST(the_longest_idle_connection_makes_room),
		HOT_TEST(connections_are_closed_when_their_time_is_over),
		HOT_TEST(a_peer_that_does_not_read_is_not_waited_for),
		HOT_TEST(an_answer_does_not_wait_for_its_line_in_the_log),
	};

	log_open("test-door-hot", LOG_LEVEL_ERROR); /* not a line for every refusal */
	return cmocka_run_group_tests_name("door-hot", tests, NULL, NULL);
}
