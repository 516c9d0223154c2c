/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rotated-checkpassword: the checkpassword interface, https://cr.yp.to/checkpwd/interface.html,
 * in front of rotated-auth. It changes no uid and no folder: a service is no user of this host.
 *
 * DIAGNOSTICS: misuse and trouble, on standard error; a refusal is logged by rotated-auth.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/socket.h"
#include "checkpassword/ask.h"

enum { ACCEPTED = 0, REFUSED = 1, MISUSED = 2, LATER = 111 };
enum { CREDENTIALS_FD = 3, PATH_SIZE = 4096 };

static const uint64_t patience = 10 * USEC_PER_SEC; /* for all of it, up to the verdict */

static const char usage[] =
	"usage: rotated-checkpassword [--root DIR] [--socket PATH] PROGRAM [ARGUMENT ...]\n"
	"\n"
	"Reads login and password from descriptor 3, and runs PROGRAM when they are right.\n"
	"\n"
	"  --root DIR     put DIR before the default path of the socket\n"
	"  --socket PATH  where rotated-auth listens\n"
	"  --help         print this and exit\n"
	"  --version      print the version and exit\n";

struct options {
	const char *root;
	const char *socket; /* NULL: the default below the root */
	char **program;
};

/* Ours stand before PROGRAM; everything from there on is its own. -1 to go on. */
static int read_options(char **argv, struct options *o)
{
	for (argv++; *argv && **argv == '-'; argv++) {
		if (strcmp(*argv, "--") == 0) {
			argv++;
			break;
		}
		if (strcmp(*argv, "--help") == 0)
			return fputs(usage, stdout) < 0 ? MISUSED : ACCEPTED;
		if (strcmp(*argv, "--version") == 0)
			return printf("rotated-checkpassword %s\n", PACKAGE_VERSION) < 0
				       ? MISUSED
				       : ACCEPTED;
		if (strcmp(*argv, "--root") == 0 && argv[1])
			o->root = *++argv;
		else if (strcmp(*argv, "--socket") == 0 && argv[1])
			o->socket = *++argv;
		else
			break;
	}
	o->program = argv;
	if (*argv && **argv != '-')
		return -1;
	(void)fputs(usage, stderr); /* there is nowhere else to say it */
	return MISUSED;
}

/* Up to the end of the file, or one byte more than there may be. The number of bytes. */
static ssize_t read_all(char *data, size_t size, uint64_t deadline)
{
	size_t len = 0;

	while (len < size) {
		int r = socket_wait(CREDENTIALS_FD, POLLIN, deadline);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(CREDENTIALS_FD, data + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* As tcpserver and its like tell who calls; nothing is believed of it, it is for the log. */
static const char *find_address(char ret[static 128])
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	const char *ip = getenv("TCPREMOTEIP"), *port = getenv("TCPREMOTEPORT");

	if (!ip || !text_is_plain(ip) || strlen(ip) > 64)
		return NULL;
	if (!port || !text_is_plain(port) || strlen(port) > 16)
		port = "";
	(void)snprintf(ret, 128, "%s%s%s", ip, *port ? ";" : "", port);
	return ret;
}

static int decide(const struct options *o, const char *data, size_t len, uint64_t deadline)
{
	char path[PATH_SIZE], address[128], service[SERVICE_ID_MAX + 1];
	struct credentials credentials;
	struct question q = { .socket = o->socket,
			      .credentials = &credentials,
			      .deadline = deadline,
			      .address = find_address(address) };
	struct report report;
	int r;

	r = credentials_parse(data, len, &credentials);
	if (r == -E2BIG)
		return REFUSED; /* no login or password of ours is that long */
	if (r < 0) {
		log_error("descriptor 3 does not bring login, password and timestamp, each "
			  "ended by a NUL");
		return MISUSED;
	}
	if (!o->socket) {
		if (fs_join(o->root, "/var/spool/postfix/private/rotated-auth", path,
			    sizeof(path)) < 0)
			return MISUSED;
		q.socket = path;
	}
	r = ask_door(&q, service, &report);
	if (r < 0) {
		log_report(LOG_LEVEL_ERROR, &report);
		return LATER;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	if (r > 0 && setenv("USER", service, 1) < 0)
		return LATER;
	return r > 0 ? ACCEPTED : REFUSED;
}

static int check(const struct options *o)
{
	uint64_t deadline = clock_monotonic() + patience;
	char data[CREDENTIALS_MAX + 1];
	ssize_t n = read_all(data, sizeof(data), deadline);
	int result;

	if (n == -EBADF)
		(void)fputs(usage, stderr); /* started by a person, most likely */
	else if (n < 0)
		log_error("descriptor 3: %s", strerrordesc_np((int)-n));
	if (n < 0)
		result = n == -EBADF ? MISUSED : LATER;
	else
		result = decide(o, data, (size_t)n, deadline);
	explicit_bzero(data, sizeof(data));
	(void)close(CREDENTIALS_FD); /* it is not PROGRAM's to read */
	return result;
}

/* The password is in no core file of ours; PROGRAM gets the limit back. */
static int limit_cores(struct rlimit *ret)
{
	struct rlimit none;

	if (getrlimit(RLIMIT_CORE, ret) < 0)
		return -errno;
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = ret->rlim_max };
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .root = "" };
	struct rlimit cores;
	int r;

	(void)argc; /* argv ends with NULL */
	if (fs_claim_streams() < 0)
		return LATER;
	r = read_options(argv, &o);
	if (r >= 0)
		return r;
	log_open("rotated-checkpassword", LOG_LEVEL_INFO);
	if (limit_cores(&cores) < 0)
		return LATER;
	r = check(&o);
	if (r != ACCEPTED)
		return r;
	if (setrlimit(RLIMIT_CORE, &cores) < 0)
		return LATER;
	(void)execvp(o.program[0], o.program); /* returns only when it failed */
	log_error("%s: %s", o.program[0], strerrordesc_np(errno));
	return LATER;
}
