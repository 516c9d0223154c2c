/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/servant/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

enum { EXIT_CONFIG = 78, FIRST_FOREIGN_FD = 3 };

static void reset_signals(void)
{
	struct sigaction def = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* fails for KILL, STOP and the two that libc keeps, which are as they should be */
	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &def, NULL);
	(void)sigemptyset(&none); /* neither can fail with these arguments */
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors may already stand where others are to go, so all are first moved out of the way.
 */
static int place_streams(const int streams[3])
{
	int moved[3];

	for (int i = 0; i < 3; i++) {
		moved[i] = fcntl(streams[i], F_DUPFD, FIRST_FOREIGN_FD);
		if (moved[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(moved[i], i) < 0)
			return -errno;
	return close_range(FIRST_FOREIGN_FD, ~0U, 0) < 0 ? -errno : 0;
}

static int become_separate(pid_t parent, const int streams[3])
{
	int r = place_streams(streams);

	if (r < 0)
		return r;
	if (setsid() < 0 || chdir("/") < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH; /* it died before it could be told to take us along */
	(void)umask(022);      /* umask() cannot fail */
	reset_signals();
	return 0;
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int child_start(child_main *run, const void *context, int input, struct child *ret)
{
	cleanup_close int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cleanup_close int out = -1, err = -1, out_end = -1, err_end = -1;
	pid_t self = getpid(), pid;
	int r;

	if (nothing < 0)
		return -errno;
	r = make_pipe(&out, &out_end);
	if (r == 0)
		r = make_pipe(&err, &err_end);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		const int streams[3] = { input < 0 ? nothing : input, out_end, err_end };

		if (become_separate(self, streams) < 0)
			_exit(EXIT_CONFIG);
		_exit(run(context));
	}
	*ret = (struct child){ .pid = pid, .out = steal_fd(&out), .err = steal_fd(&err) };
	return 0;
}

void child_signal(const struct child *c, int signal)
{
	/* a child that has not yet come to setsid() has no group of its own */
	if (c->pid > 0 && kill(-c->pid, signal) < 0 && errno == ESRCH)
		(void)kill(c->pid,
			   signal); /* not waited for yet, so the pid is still its own */
}

int child_input_pipe(const void *data, size_t len)
{
	cleanup_close int in = -1, out = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	out = fds[0];
	in = fds[1];
	if (len > CHILD_PIPE_MAX)
		return -E2BIG;
	r = fs_write_all(in, data, len);
	return r < 0 ? r : steal_fd(&out);
}

int child_input(const void *data, size_t len)
{
	cleanup_close int fd = memfd_create("rotated-job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fs_write_all(fd, data, len);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return steal_fd(&fd);
}
