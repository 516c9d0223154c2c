/* SPDX-License-Identifier: BSD-2-Clause */
/* One question to the vault and its answer, which may come in several frames. */
#include "cli/cli.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/print.h"
#include "rotated/config/config.h"
#include "wire/client.h"

enum { PATH_SIZE = 4096, MESSAGE_SIZE = REPORT_TEXT_MAX };

void cli_reply_release(struct cli_reply *reply)
{
	buf_release(&reply->bytes);
	json_decref(reply->json);
	reply->json = NULL;
}

/* Where the vault listens. A configuration that does not load must not keep an operator from
 * asking for the status: the default place is tried then. */
static int find_socket(const struct cli *c, char path[static PATH_SIZE])
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *config = NULL;
	int n;

	if (config_load(cli_root(c), 0, &config, &errors) < 0)
		return fs_join(cli_root(c), "/run/rotated/control", path, PATH_SIZE);
	n = snprintf(path, PATH_SIZE, "%s", config->vault.control_socket);
	return n < 0 || n >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

/* The vault runs as whoever owns the directory of its socket: systemd makes that directory for
 * the unit's user, and nobody else could put a socket there. */
static uid_t expected_server(const char *path)
{
	char dir[PATH_SIZE];
	struct stat st;
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_mode & S_IWOTH))
		return 0;
	return st.st_uid;
}

static int fail_connect(struct cli *c, const char *path, int error)
{
	struct report r;

	switch (error) {
	case -EACCES:
		(void)report_set(&r, error, "%s may not be opened by this user", path);
		report_hint(&r, "run it as root, or put the user into the group rotated and "
				"into admins= in [vault]");
		return cli_fail(c, CLI_REFUSED, &r);
	case -EPERM:
		(void)report_set(&r, error, "%s is served by a user that is not rotated's",
				 path);
		report_hint(&r, "find out who: ss -xlp src %s", path);
		return cli_fail(c, CLI_REFUSED, &r);
	case -ENAMETOOLONG:
		(void)report_set(&r, error, "%s is too long for a socket", path);
		report_hint(&r, "choose a shorter --root");
		return cli_fail(c, CLI_USAGE, &r);
	case -ENOENT:
	case -ECONNREFUSED:
		(void)report_set(&r, error, "rotated is not running: nothing answers at %s",
				 path);
		if (*cli_root(c))
			report_hint(&r, "rotated --root %s", cli_root(c));
		else
			report_hint(&r, "systemctl start rotated");
		return cli_fail(c, CLI_AGAIN, &r);
	default:
		(void)report_set(&r, error, "cannot speak to rotated at %s: %s", path,
				 strerror(-error));
		return cli_fail(c, CLI_AGAIN, &r);
	}
}

static int fail_talk(struct cli *c, int error)
{
	struct report r;

	if (error == -ETIMEDOUT)
		(void)report_set(&r, error, "rotated did not answer within %u seconds",
				 c->verb->seconds);
	else if (error == -ECONNRESET || error == -EPIPE)
		(void)report_set(&r, error, "rotated closed the connection without an answer");
	else if (error == -EBADMSG || error == -EPROTO)
		(void)report_set(&r, error,
				 "rotated gave an answer that is not understood here");
	else
		(void)report_set(&r, error, "cannot speak to rotated: %s", strerror(-error));
	report_hint(&r, *cli_root(c) ? "look at what rotated says on its standard error"
				     : "journalctl -u rotated -n 50");
	return cli_fail(c, CLI_AGAIN, &r);
}

/* The fields of the request that have the names of C's operands and options. */
void cli_request(const struct cli *c, enum wire_verb verb, struct buf *ret)
{
	const char *list = c->verb->operands;

	wire_begin_request(ret, verb);
	for (unsigned i = 0; i < c->n_operands; i++) {
		char field[FRAME_KEY_MAX + 1] = "";
		size_t n = 0;

		for (; *list && *list != ' '; list++)
			if (*list >= 'A' && *list <= 'Z' && n < FRAME_KEY_MAX)
				field[n++] = (char)(*list - 'A' + 'a');
		list += strspn(list, " ");
		frame_put_text(ret, field, c->operand[i]);
	}
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(ret, "dry_run", "1");
	if (cli_has(c, CLI_OPTION_COMPROMISED))
		frame_put_text(ret, "compromised", "1");
}

/* Appends this frame's piece of the JSON. One that says that more is to come must bring some:
 * nobody keeps us with frames of nothing. */
static int collect(const struct frame *f, struct buf *text)
{
	const struct frame_field *piece = frame_find(f, "json");

	if (piece)
		buf_append(text, piece->data, piece->len);
	else if (frame_flag(f, "more"))
		return -EBADMSG;
	return buf_error(text);
}

static int receive(int fd, enum wire_verb verb, uint64_t deadline, struct cli_reply *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	do {
		r = wire_receive(fd, &ret->bytes, deadline);
		if (r < 0)
			return r;
		r = frame_parse(ret->bytes.data, ret->bytes.len, &ret->frame);
		if (r < 0)
			return r;
		r = wire_check_reply(&ret->frame, verb, &ret->status);
		if (r < 0)
			return r;
		r = collect(&ret->frame, &text);
		if (r < 0)
			return r;
		/* a frame that is there already is received after the deadline too */
		if (frame_flag(&ret->frame, "more") && clock_remaining_ms(deadline) == 0)
			return -ETIMEDOUT;
	} while (frame_flag(&ret->frame, "more"));
	if (text.len == 0)
		return 0;
	ret->json = json_loadb((const char *)text.data, text.len,
			       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	return json_is_object(ret->json) ? 0 : -EBADMSG;
}

static uint64_t deadline_of(const struct cli *c)
{
	return clock_monotonic() + c->verb->seconds * USEC_PER_SEC;
}

int cli_connect(struct cli *c, int *ret_fd)
{
	char path[PATH_SIZE];
	int fd;
	int r = find_socket(c, path);

	if (r < 0)
		return fail_connect(c, cli_root(c), r);
	fd = wire_connect(path, expected_server(path), deadline_of(c));
	if (fd < 0)
		return fail_connect(c, path, fd);
	*ret_fd = fd;
	return CLI_DONE;
}

int cli_ask_over(struct cli *c, int fd, enum wire_verb verb, struct buf *request,
		 struct cli_reply *ret)
{
	uint64_t deadline = deadline_of(c);
	int r = frame_end(request);

	if (r == 0)
		r = wire_send(fd, request, deadline);
	if (r >= 0)
		r = receive(fd, verb, deadline, ret);
	return r < 0 ? fail_talk(c, r) : CLI_DONE;
}

int cli_ask(struct cli *c, enum wire_verb verb, struct buf *request, struct cli_reply *ret)
{
	cleanup_close int fd = -1;
	int r = cli_connect(c, &fd);

	return r == CLI_DONE ? cli_ask_over(c, fd, verb, request, ret) : r;
}

int cli_ask_and_answer(struct cli *c, enum wire_verb verb, cli_show_t *show)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	cli_request(c, verb, &request);
	r = cli_ask(c, verb, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show) : r;
}
