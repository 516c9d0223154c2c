/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/passphrase.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "base/fs.h"
#include "base/text.h"

static int fail(struct cli *c, enum cli_exit exit_code, const char *what, const char *why)
{
	struct report r;

	(void)report_set(&r, -EINVAL, "%s: %s", what, why);
	return cli_fail(c, exit_code, &r);
}

/* Byte by byte, so that nothing behind the line is taken from whoever reads next. */
static int read_line(int fd, struct buf *line)
{
	for (;;) {
		uint8_t *p = buf_reserve(line, 1);
		ssize_t n;

		if (!p)
			return buf_error(line);
		n = read(fd, p, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || *p == '\n')
			return 0;
		line->len++;
	}
}

/* The line that FD gives; a carriage return before its end is dropped. Of an empty one *ret
 * stays NULL. */
static int take_any_line(struct cli *c, int fd, const char *from, struct secret **ret)
{
	cleanup_buf struct buf line = BUF_INIT_MAX(PASSPHRASE_MAX);
	int r = read_line(fd, &line);

	if (r == -E2BIG)
		return fail(c, CLI_USAGE, from, "the line is longer than 1024 bytes");
	if (r < 0)
		return fail(c, CLI_REFUSED, from, strerror(-r));
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return CLI_DONE;
	if (memchr(line.data, 0, line.len))
		return fail(c, CLI_USAGE, from, "it holds a NUL byte");
	*ret = secret_new(line.data, line.len);
	return *ret ? CLI_DONE : fail(c, CLI_REFUSED, from, strerror(ENOMEM));
}

static int take_line(struct cli *c, int fd, const char *from, struct secret **ret)
{
	int r = take_any_line(c, fd, from, ret);

	return r == CLI_DONE && !*ret ? fail(c, CLI_USAGE, from, "it is empty") : r;
}

/* Waits for a typed line or for one of HELD, which are blocked and stay pending. */
static int wait_for_line(int fd, const sigset_t *held)
{
	cleanup_close int signals = signalfd(-1, held, SFD_CLOEXEC);
	struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
				   { .fd = signals, .events = POLLIN } };

	if (signals < 0)
		return -errno;
	while (poll(polled, ARRAY_SIZE(polled), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return polled[1].revents ? -EINTR : 0;
}

static int take_typed_line(struct cli *c, const sigset_t *held, bool is_optional,
			   struct secret **ret)
{
	int r = wait_for_line(c->in, held);

	if (r < 0)
		return fail(c, CLI_REFUSED, "the passphrase",
			    r == -EINTR ? "interrupted" : strerror(-r));
	return is_optional ? take_any_line(c, c->in, "the passphrase", ret)
			   : take_line(c, c->in, "the passphrase", ret);
}

/* A signal that would end or stop us takes effect only when the echo is back on. */
static int ask_terminal(struct cli *c, const char *prompt, bool is_optional,
			struct secret **ret)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct termios before;
	struct termios quiet;
	sigset_t held;
	sigset_t old;
	int r;

	if (tcgetattr(c->in, &before) < 0)
		return fail(c, CLI_REFUSED, "the passphrase", strerror(errno));
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON | ECHONL;
	(void)sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)sigaddset(&held, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &old);
	/* before the prompt: who answers it at once is not echoed, and not flushed away */
	if (tcsetattr(c->in, TCSAFLUSH, &quiet) < 0) {
		r = fail(c, CLI_REFUSED, "cannot turn the echo off", strerror(errno));
	} else {
		(void)fprintf(c->err, "%s: ", prompt);
		(void)fflush(c->err);
		r = take_typed_line(c, &held, is_optional, ret);
	}
	(void)tcsetattr(c->in, TCSAFLUSH, &before);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

static int ask_twice(struct cli *c, const char *prompt, struct secret **ret)
{
	cleanup_secret struct secret *first = NULL;
	cleanup_secret struct secret *second = NULL;
	int r = ask_terminal(c, prompt, false, &first);

	if (r == CLI_DONE)
		r = ask_terminal(c, "the same again", false, &second);
	if (r != CLI_DONE)
		return r;
	if (!secret_equal(first, second))
		return fail(c, CLI_USAGE, "the passphrase", "the two are not the same");
	*ret = steal_ptr(first);
	return CLI_DONE;
}

static int read_from_file(struct cli *c, const char *path, struct secret **ret)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return fail(c, CLI_REFUSED, path, strerror(errno));
	return take_line(c, fd, path, ret);
}

static int read_from_descriptor(struct cli *c, const char *number, struct secret **ret)
{
	uint32_t fd;

	if (text_to_u32(number, &fd) < 0 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
		return fail(c, CLI_USAGE, "--passphrase-fd", "this is no open descriptor");
	return take_line(c, (int)fd, "the passphrase", ret);
}

int passphrase_read(struct cli *c, const char *prompt, bool twice, struct secret **ret)
{
	if (cli_has(c, CLI_OPTION_PASSPHRASE_FD))
		return read_from_descriptor(c, c->option[CLI_OPTION_PASSPHRASE_FD], ret);
	if (cli_has(c, CLI_OPTION_PASSPHRASE_FILE))
		return read_from_file(c, c->option[CLI_OPTION_PASSPHRASE_FILE], ret);
	if (!isatty(c->in))
		return take_line(c, c->in, "the passphrase on standard input", ret);
	return twice ? ask_twice(c, prompt, ret) : ask_terminal(c, prompt, false, ret);
}

int passphrase_read_optional(struct cli *c, const char *prompt, struct secret **ret)
{
	if (!isatty(c->in))
		return take_any_line(c, c->in, "standard input", ret);
	return ask_terminal(c, prompt, true, ret);
}

int passphrase_read_file(struct cli *c, const char *path, size_t size, struct secret **ret)
{
	cleanup_buf struct buf content = BUF_INIT;
	int r = fs_read(AT_FDCWD, path, size, &content);

	if (r < 0)
		return fail(c, CLI_REFUSED, path, strerror(-r));
	*ret = secret_new(content.data, content.len);
	return *ret ? CLI_DONE : fail(c, CLI_REFUSED, path, strerror(ENOMEM));
}
