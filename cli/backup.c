/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store backup and store restore: a stream from the vault into a file, and back. The file takes
 * its name when all of it is on the disk; before that it has none, so that nothing is left of a
 * backup that was interrupted.
 */
#include "cli/cli.h"
#include "cli/passphrase.h"
#include "cli/print.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

enum { PIECE_LEN = 60000, OUT_MODE = 0600, PROGRESS_STEP = 1024 * 1024 };

static bool is_stream(const struct cli *c)
{
	return strcmp(c->operand[0], "-") == 0;
}

static int fail_file(struct cli *c, const char *what, int error)
{
	struct report r;

	(void)report_set(&r, error, "%s: %s", what, strerror(-error));
	if (error == -ENOSPC)
		report_hint(&r, "make room: df -h %s", what);
	return cli_fail(c, CLI_REFUSED, &r);
}

/* For people who watch. */
static void progress(const struct cli *c, uint64_t before, uint64_t now)
{
	if (before / PROGRESS_STEP == now / PROGRESS_STEP || cli_has(c, CLI_OPTION_JSON) ||
	    !isatty(fileno(c->err)))
		return;
	(void)fprintf(c->err, "\r%llu MiB ", (unsigned long long)(now / PROGRESS_STEP));
	(void)fflush(c->err);
}

static void progress_end(const struct cli *c, uint64_t now)
{
	if (now >= PROGRESS_STEP && !cli_has(c, CLI_OPTION_JSON) && isatty(fileno(c->err)))
		(void)fputs("\r             \r", c->err);
}

/* ---- the file that is written ---- */

struct output {
	int fd;
	int dirfd; /* -1: FD is standard output */
	char path[PATH_MAX];
	char *name;		      /* of the file in its directory; inside PATH */
	char temporary[NAME_MAX + 1]; /* "": the file has no name yet */
	uint64_t len;
};

#define OUTPUT_INIT ((struct output){ .fd = -1, .dirfd = -1 })

static void output_release(struct output *o)
{
	if (o->dirfd < 0)
		return;
	if (o->temporary[0])
		(void)unlinkat(o->dirfd, o->temporary, 0); /* nothing else can be done */
	closep(&o->fd);
	closep(&o->dirfd);
}

/* rotated-20261123T083000Z-41.backup, from the time and transaction that the vault told. */
static void make_name(const json_t *info, char out[static NAME_MAX + 1])
{
	const char *time = json_string_value(json_object_get(info, "time"));
	char digits[32];
	size_t n = 0;

	for (; time && *time && *time != '.' && n + 1 < sizeof(digits); time++)
		if (*time != '-' && *time != ':')
			digits[n++] = *time;
	digits[n] = '\0';
	(void)snprintf(out, NAME_MAX + 1, "rotated-%s-%lld.backup", digits,
		       (long long)json_integer_value(json_object_get(info, "txid")));
}

static int choose_path(const char *operand, const json_t *info, struct output *o)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int n;

	if (stat(operand, &st) == 0 && S_ISDIR(st.st_mode)) {
		make_name(info, name);
		n = snprintf(o->path, sizeof(o->path), "%s/%s", operand, name);
	} else {
		n = snprintf(o->path, sizeof(o->path), "%s%s", strchr(operand, '/') ? "" : "./",
			     operand);
	}
	if (n < 0 || (size_t)n >= sizeof(o->path))
		return -ENAMETOOLONG;
	o->name = strrchr(o->path, '/') + 1;
	return *o->name ? 0 : -EISDIR;
}

/* Without a name where the file system can do that, under another one where not. */
static int open_file(struct output *o)
{
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(o->name - o->path), o->path);
	o->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dirfd < 0)
		return -errno;
	o->fd = openat(o->dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, OUT_MODE);
	if (o->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return o->fd < 0 ? -errno : 0;
	(void)snprintf(o->temporary, sizeof(o->temporary), ".rotated-backup.%d.new", getpid());
	o->fd = openat(o->dirfd, o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		       OUT_MODE);
	if (o->fd >= 0)
		return 0;
	o->temporary[0] = '\0';
	return -errno;
}

static int output_open(struct cli *c, const json_t *info, struct output *o)
{
	int r = 0;

	if (is_stream(c)) {
		o->fd = fileno(c->out);
		return CLI_DONE;
	}
	r = choose_path(c->operand[0], info, o);
	if (r == 0)
		r = open_file(o);
	return r < 0 ? fail_file(c, c->operand[0], r) : CLI_DONE;
}

static int give_temporary_name(struct output *o)
{
	char self[64];

	if (o->temporary[0])
		return 0;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	(void)snprintf(o->temporary, sizeof(o->temporary), ".rotated-backup.%d.new", getpid());
	if (linkat(AT_FDCWD, self, o->dirfd, o->temporary, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	o->temporary[0] = '\0';
	return -errno;
}

/* All of it is there: on the disk first, then under its name. */
static int output_finish(struct output *o)
{
	int r;

	if (o->dirfd < 0)
		return 0;
	if (fsync(o->fd) < 0)
		return -errno;
	r = give_temporary_name(o);
	if (r < 0)
		return r;
	if (renameat(o->dirfd, o->temporary, o->dirfd, o->name) < 0)
		return -errno;
	o->temporary[0] = '\0';
	return fsync(o->dirfd) < 0 ? -errno : 0;
}

/* ---- store backup ---- */

/* One piece: 1 when more is to come, 0 after the last, below 0 when WHY is the exit code. */
static int take_piece(struct cli *c, int fd, struct output *o, int *ret_exit)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	const struct frame_field *data;
	int r;

	wire_begin_request(&request, WIRE_STORE_BACKUP_DATA);
	*ret_exit = cli_ask_over(c, fd, WIRE_STORE_BACKUP_DATA, &request, &reply);
	if (*ret_exit != CLI_DONE)
		return -1;
	if (reply.status != WIRE_STATUS_OK) {
		*ret_exit = cli_answer(c, &reply, NULL);
		return -1;
	}
	data = frame_find(&reply.frame, "data");
	r = data ? fs_write_all(o->fd, data->data, data->len) : 0;
	if (r < 0) {
		*ret_exit = fail_file(c, is_stream(c) ? "standard output" : o->path, r);
		return -1;
	}
	progress(c, o->len, o->len + (data ? data->len : 0));
	o->len += data ? data->len : 0;
	return !frame_flag(&reply.frame, "last");
}

static int tell_written(struct cli *c, const struct output *o, json_t *info)
{
	static const struct print_field fields[] = {
		{ "file", "file" },	  { "bytes", "size" },
		{ "records", "records" }, { "transaction", "txid" },
		{ "store", "store_id" },  { "recovery keys that open it", "recipients" },
	};
	FILE *out = is_stream(c) ? c->err : c->out;
	struct report report;

	if (json_object_set_new(info, "file", json_string(is_stream(c) ? "-" : o->path)) < 0 ||
	    json_object_set_new(info, "size", json_integer((json_int_t)o->len)) < 0) {
		(void)report_set(&report, -ENOMEM, "out of memory");
		return cli_fail(c, CLI_REFUSED, &report);
	}
	if (cli_has(c, CLI_OPTION_JSON))
		print_json(out, info);
	else
		print_fields(out, info, fields, ARRAY_SIZE(fields));
	return CLI_DONE;
}

static int download(struct cli *c, int fd, json_t *info)
{
	cleanup_(output_release) struct output o = OUTPUT_INIT;
	int exit_code = output_open(c, info, &o);
	int more = 1;
	int r;

	if (exit_code != CLI_DONE)
		return exit_code;
	while (more > 0)
		more = take_piece(c, fd, &o, &exit_code);
	progress_end(c, o.len);
	if (more < 0)
		return exit_code;
	r = output_finish(&o);
	return r < 0 ? fail_file(c, o.path, r) : tell_written(c, &o, info);
}

/* What a dry run would write. */
static void show_begun(FILE *out, const json_t *json)
{
	static const struct print_field fields[] = {
		{ "records", "records" },
		{ "tombstones", "tombstones" },
		{ "transaction", "txid" },
		{ "store", "store_id" },
		{ "recovery keys that open it", "recipients" },
	};

	print_fields(out, json, fields, ARRAY_SIZE(fields));
}

static int make_backup(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	cleanup_close int fd = -1;
	struct report report;
	int r;

	if (is_stream(c) && isatty(fileno(c->out)) && !cli_has(c, CLI_OPTION_DRY_RUN)) {
		(void)report_set(&report, -EINVAL, "a backup is not for the terminal");
		report_hint(&report, "rotatectl store backup - > FILE");
		return cli_fail(c, CLI_USAGE, &report);
	}
	wire_begin_request(&request, WIRE_STORE_BACKUP);
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(&request, "dry_run", "1");
	if (is_stream(c))
		(void)fflush(c->out);
	r = cli_connect(c, &fd);
	if (r == CLI_DONE)
		r = cli_ask_over(c, fd, WIRE_STORE_BACKUP, &request, &reply);
	if (r != CLI_DONE)
		return r;
	if (reply.status != WIRE_STATUS_OK || cli_has(c, CLI_OPTION_DRY_RUN))
		return cli_answer(c, &reply, show_begun);
	return download(c, fd, reply.json);
}

/* ---- handing a backup over ---- */

static int read_piece(int fd, uint8_t *piece, size_t *ret_len)
{
	size_t len = 0;

	while (len < PIECE_LEN) {
		ssize_t n = read(fd, piece + len, PIECE_LEN - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* Sends one request; CLI_DONE and *RET_OK, or the exit code. */
static int tell_vault(struct cli *c, int fd, enum wire_verb verb, struct buf *request,
		      bool *ret_ok)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	int r = cli_ask_over(c, fd, verb, request, &reply);

	*ret_ok = r == CLI_DONE && reply.status == WIRE_STATUS_OK;
	if (r != CLI_DONE || *ret_ok)
		return r;
	return cli_answer(c, &reply, NULL);
}

static int send_all(struct cli *c, int fd, int file, bool *ret_ok)
{
	uint64_t sent = 0;
	size_t len = 0;

	do {
		cleanup_buf struct buf request = BUF_INIT;
		uint8_t piece[PIECE_LEN];
		int r = read_piece(file, piece, &len);

		*ret_ok = false;
		if (r < 0)
			return fail_file(c, is_stream(c) ? "standard input" : c->operand[0], r);
		wire_begin_request(&request, WIRE_STORE_RESTORE_DATA);
		frame_put(&request, "data", piece, len);
		r = tell_vault(c, fd, WIRE_STORE_RESTORE_DATA, &request, ret_ok);
		if (!*ret_ok) {
			progress_end(c, sent);
			return r;
		}
		progress(c, sent, sent + len);
		sent += len;
	} while (len == PIECE_LEN);
	progress_end(c, sent);
	return CLI_DONE;
}

static void show_read(FILE *out, const json_t *json)
{
	static const struct print_field from[] = {
		{ "made", "time" },
		{ "records", "records" },
		{ "tombstones", "tombstones" },
		{ "transaction", "txid" },
		{ "of the store", "store_id" },
	};
	static const struct print_field now[] = { { "now the store", "store_id" },
						  { "slots", "slots" } };

	print_fields(out, print_member(json, "from"), from, ARRAY_SIZE(from));
	if (print_has(json, "restored"))
		print_fields(out, json, now, ARRAY_SIZE(now));
}

static int end_upload(struct cli *c, int fd)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	wire_begin_request(&request, WIRE_STORE_RESTORE_END);
	r = cli_ask_over(c, fd, WIRE_STORE_RESTORE_END, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_read) : r;
}

static int open_input(struct cli *c, int *ret)
{
	struct report report;

	if (is_stream(c) && !cli_has(c, CLI_OPTION_PASSPHRASE_FD) &&
	    !cli_has(c, CLI_OPTION_PASSPHRASE_FILE)) {
		(void)report_set(&report, -EINVAL,
				 "standard input is the backup: the recovery key has to come "
				 "from elsewhere");
		report_hint(&report, "--passphrase-file FILE, or name the backup's file");
		return cli_fail(c, CLI_USAGE, &report);
	}
	*ret = is_stream(c) ? fcntl(c->in, F_DUPFD_CLOEXEC, 3)
			    : open(c->operand[0], O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? fail_file(c, c->operand[0], -errno) : CLI_DONE;
}

static int upload(struct cli *c, bool is_verify)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_buf struct buf request = BUF_INIT;
	cleanup_close int file = -1;
	cleanup_close int fd = -1;
	bool is_ok = false;
	int r = open_input(c, &file);

	if (r == CLI_DONE)
		r = passphrase_read(c, "recovery key", false, &recovery);
	if (r == CLI_DONE)
		r = cli_connect(c, &fd);
	if (r != CLI_DONE)
		return r;
	wire_begin_request(&request, WIRE_STORE_RESTORE);
	frame_put(&request, "recovery_key", secret_data(recovery), secret_len(recovery));
	if (is_verify)
		frame_put_text(&request, "verify", "1");
	if (cli_has(c, CLI_OPTION_DRY_RUN))
		frame_put_text(&request, "dry_run", "1");
	r = tell_vault(c, fd, WIRE_STORE_RESTORE, &request, &is_ok);
	if (is_ok)
		r = send_all(c, fd, file, &is_ok);
	return is_ok ? end_upload(c, fd) : r;
}

int cli_run_store_backup(struct cli *c)
{
	return cli_has(c, CLI_OPTION_VERIFY) ? upload(c, true) : make_backup(c);
}

int cli_run_store_restore(struct cli *c)
{
	bool is_accept = cli_has(c, CLI_OPTION_ACCEPT_ROLLBACK);
	struct report report;

	if (is_accept != (c->n_operands > 0))
		return is_accept ? cli_accept_rollback(c) : upload(c, false);
	if (is_accept)
		(void)report_set(&report, -EINVAL,
				 "--accept-rollback is about the keystore that is there, FILE "
				 "makes one where there is none: not both");
	else
		(void)report_set(&report, -EINVAL, "store restore lacks FILE");
	report_hint(&report, is_accept ? "rotatectl store restore --accept-rollback --dry-run"
				       : "rotatectl store restore --help");
	return cli_fail(c, CLI_USAGE, &report);
}
