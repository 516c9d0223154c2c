/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake-vault.h"

#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/socket.h"
#include "wire/client.h"

enum { PATIENCE = 30 };

static void write_down(FILE *log, const struct frame *f)
{
	for (uint32_t i = 1; i < f->count; i++) {
		const struct frame_field *field = &f->fields[i];

		if (i > 1)
			(void)fprintf(log, " %s=", field->key);
		(void)fwrite(field->data, 1, field->len, log);
	}
	(void)fputc('\n', log);
	(void)fflush(log);
}

static void serve(int listener, const struct fake_turn *turn, FILE *log)
{
	uint64_t deadline = clock_monotonic() + PATIENCE * USEC_PER_SEC;
	cleanup_buf struct buf bytes = BUF_INIT;
	cleanup_close int fd = -1;
	enum wire_verb verb;
	struct frame f;

	if (socket_wait(listener, POLLIN, deadline) < 0)
		return;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || wire_receive(fd, &bytes, deadline) < 0)
		return;
	if (frame_parse(bytes.data, bytes.len, &f) < 0 ||
	    wire_check_request(&f, WIRE_CONTROL, &verb) < 0 || verb != turn->verb)
		(void)fprintf(log, "unexpected\n");
	else
		write_down(log, &f);
	for (size_t i = 0; i < turn->n_frames; i++)
		if (wire_send(fd, &turn->frames[i], deadline) < 0)
			return;
}

pid_t fake_vault_start(const char *root, const struct fake_turn *turns, size_t n)
{
	char path[128];
	int listener;
	FILE *log;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/run/rotated", root);
	assert_int_equal(fs_make_dirs(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/run/rotated/control", root);
	listener = socket_listen(path, SOCK_SEQPACKET, 0600);
	assert_true(listener >= 0);
	(void)snprintf(path, sizeof(path), "%s/requests", root);
	log = fopen(path, "w");
	assert_non_null(log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < n; i++)
			serve(listener, &turns[i], log);
		_exit(0);
	}
	(void)fclose(log);
	close(listener);
	return pid;
}

void fake_vault_stop(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}
