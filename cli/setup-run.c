/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/setup-run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { PATH_SIZE = 64, WORDS_MAX = 64 * 1024 };

static const uint64_t patience = 120 * USEC_PER_SEC;

struct running {
	pid_t pid;
	int pidfd;
	int out; /* ends to read from; -1 at their end */
	int err;
};

static int find_program(const char *name, char path[static PATH_SIZE])
{
	static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, PATH_SIZE, "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int spawn(const char *path, const char *const argv[], const int out[static 2],
		 const int err[static 2], pid_t *ret)
{
	static char search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C";
	char *environment[] = { search, language, NULL };
	char *words[SETUP_ARGUMENTS_MAX];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	size_t n = 0;
	int r;

	for (; argv[n] && n < SETUP_ARGUMENTS_MAX - 1; n++)
		words[n] = (char *)(uintptr_t)argv[n]; /* exec does not write there */
	words[n] = NULL;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE); /* which rotatectl ignores */
	r = posix_spawnattr_init(&attributes);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attributes, &defaults);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, &attributes, words, environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return -r;
}

static int start(const char *path, const char *const argv[], struct running *ret)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int r = 0;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = spawn(path, argv, out, err, &ret->pid);
	closep(&out[1]);
	closep(&err[1]);
	if (r < 0) {
		closep(&out[0]);
		closep(&err[0]);
		return r;
	}
	ret->out = out[0];
	ret->err = err[0];
	ret->pidfd = pidfd_open(ret->pid, 0);
	return 0;
}

/* What is beyond MAX of the buffer is read and dropped: the program must not be stopped by it.
 */
static void take(int *fd, struct buf *to)
{
	char piece[4096];
	ssize_t n = read(*fd, piece, sizeof(piece));

	if (n > 0) {
		buf_append(to, piece, (size_t)n);
		return;
	}
	closep(fd);
	*fd = -1;
}

/* Until both ends are closed and the program is gone. -ETIMEDOUT. */
static int attend(struct running *p, struct buf *out, struct buf *err, uint64_t deadline)
{
	bool is_gone = p->pidfd < 0;

	while (p->out >= 0 || p->err >= 0 || !is_gone) {
		struct pollfd fds[] = { { .fd = p->out, .events = POLLIN },
					{ .fd = p->err, .events = POLLIN },
					{ .fd = is_gone ? -1 : p->pidfd, .events = POLLIN } };
		int n = poll(fds, ARRAY_SIZE(fds), clock_remaining_ms(deadline));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		if (fds[0].revents)
			take(&p->out, out);
		if (fds[1].revents)
			take(&p->err, err);
		is_gone = is_gone || fds[2].revents;
	}
	return 0;
}

/* The last line that says something. */
static const char *last_words(struct buf *err)
{
	const char *text = buf_string(err);
	size_t end;

	if (!text)
		return "";
	end = strlen(text);
	while (end && text[end - 1] == '\n')
		err->data[--end] = '\0';
	return strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
}

static int finish(struct running *p, const char *name, struct buf *err, struct report *r)
{
	int status;
	const char *words;

	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return report_set(r, -errno, "cannot wait for %s", name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	words = last_words(err);
	if (WIFSIGNALED(status))
		return report_set(r, -EIO, "%s was ended by signal %d", name, WTERMSIG(status));
	return report_set(r, -EIO, "%s: %s", name, *words ? words : "failed without a word");
}

int setup_run(const char *const argv[], struct buf *out, struct report *r)
{
	cleanup_buf struct buf err = BUF_INIT_MAX(WORDS_MAX);
	struct running p = { .pid = -1, .pidfd = -1, .out = -1, .err = -1 };
	char path[PATH_SIZE];
	int k = find_program(argv[0], path);
	int end;

	if (k < 0) {
		(void)report_set(r, k, "there is no %s on this machine", argv[0]);
		report_hint(r, "apt-get install postfix");
		return k;
	}
	k = start(path, argv, &p);
	if (k < 0)
		return report_set(r, k, "cannot start %s: %s", path, strerrordesc_np(-k));
	k = attend(&p, out, &err, clock_monotonic() + patience);
	if (k < 0)
		(void)kill(p.pid, SIGKILL); /* it is waited for below */
	closep(&p.out);
	closep(&p.err);
	closep(&p.pidfd);
	end = finish(&p, argv[0], &err, r);
	if (k < 0)
		return report_set(r, k, "%s: %s", argv[0], strerrordesc_np(-k));
	if (end == 0 && buf_error(out) < 0)
		return report_set(r, buf_error(out), "%s printed too much", argv[0]);
	return end;
}
