/* SPDX-License-Identifier: BSD-2-Clause */
/* The writing side of the audit log. */
#include "rotated/vault/audit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "keystore/files.h"

struct audit {
	int dir_fd;
	int fd;
	unsigned segment;
	off_t size;	   /* of the segment, all of it whole lines */
	bool has_leftover; /* behind it lies a line that was refused and could not be cut off */
	size_t segment_max;
	struct keystore_audit end;
	uint64_t newest_txid; /* of the lines that were taken up */
	char alarm[REPORT_TEXT_MAX];
};

static void segment_name(unsigned segment, char ret[static 16])
{
	(void)snprintf(ret, 16, "%08u.log", segment % 100000000); /* 12 characters */
}

static void raise_alarm(struct audit *a, const char *what)
{
	(void)snprintf(a->alarm, sizeof(a->alarm), "%s at line %ju", what,
		       (uintmax_t)a->end.seq); /* it fits */
}

void audit_next_key(uint8_t key[static KEYSTORE_AUDIT_LEN])
{
	static const uint8_t label[] = "rotated-audit-next";
	uint8_t next[KEYSTORE_AUDIT_LEN];

	(void)crypto_generichash(next, sizeof(next), label, sizeof(label), key,
				 KEYSTORE_AUDIT_LEN); /* fails only for bad lengths */
	memcpy(key, next, KEYSTORE_AUDIT_LEN);
	sodium_memzero(next, sizeof(next));
}

void audit_line_hash(const char *line, size_t len, uint8_t ret[static KEYSTORE_AUDIT_LEN])
{
	(void)crypto_generichash(ret, KEYSTORE_AUDIT_LEN, (const uint8_t *)line, len, NULL, 0);
}

void audit_line_tag(const char *line, size_t len, const uint8_t key[static KEYSTORE_AUDIT_LEN],
		    uint8_t ret[static KEYSTORE_AUDIT_LEN])
{
	(void)crypto_generichash(ret, KEYSTORE_AUDIT_LEN, (const uint8_t *)line, len, key,
				 KEYSTORE_AUDIT_LEN);
}

/* ---- files ---- */

static int open_segment(struct audit *a, unsigned segment, int flags)
{
	char name[16];
	struct stat st;
	int fd;

	segment_name(segment, name);
	fd = openat(a->dir_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	if ((flags & O_CREAT) && fsync(a->dir_fd) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	if (a->fd >= 0)
		(void)close(a->fd); /* every line was written and checked already */
	a->fd = fd;
	a->segment = segment;
	a->size = st.st_size;
	return 0;
}

/* The newest segment, or the first when there is none. WHY: what is there instead of a file. */
static int open_newest(struct audit *a, const char *dir, struct report *why)
{
	unsigned newest = 1;
	char name[16];
	int r;

	for (;;) {
		segment_name(newest + 1, name);
		if (faccessat(a->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
		newest++;
	}
	segment_name(newest, name);
	r = files_check_type(&(struct files_place){ a->dir_fd, dir, name }, S_IFREG, why);
	if (r < 0 && r != -ENOENT)
		return r;
	*why = (struct report){ 0 };
	return open_segment(a, newest, O_CREAT);
}

/* The first segment that does not exist yet. Lines that wait for audit_sync() do not wait in a
 * file that is not ours any more. */
static int begin_segment(struct audit *a)
{
	int r = fdatasync(a->fd) < 0 ? -errno : -EEXIST;

	for (unsigned n = a->segment + 1; r == -EEXIST; n++)
		r = open_segment(a, n, O_CREAT | O_EXCL);
	return r;
}

/* The file we write to is still the one that its name leads to. */
static bool is_in_place(const struct audit *a)
{
	char name[16];
	struct stat ours, there;

	segment_name(a->segment, name);
	if (fstat(a->fd, &ours) < 0 ||
	    fstatat(a->dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return ours.st_ino == there.st_ino && ours.st_dev == there.st_dev &&
	       ours.st_size >= a->size;
}

/* ---- taking up the chain ---- */

struct resume {
	struct audit *a;
	bool has_end;  /* the line that the keystore remembers was found, and fits */
	bool is_first; /* nothing was written when the keystore last looked */
	uint64_t last;
};

/* Lines after the remembered end must carry on the chain under its key. */
static int resume_line(void *context, const char *line, size_t len)
{
	struct resume *s = context;
	struct keystore_audit *end = &s->a->end;
	uint8_t hash[KEYSTORE_AUDIT_LEN], tag[KEYSTORE_AUDIT_LEN];
	struct audit_line parsed;
	uint64_t txid;

	if (audit_line_parse(line, len, &parsed) < 0)
		return 0; /* verification is not done here */
	s->last = parsed.seq;
	audit_line_hash(line, len, hash);
	if (parsed.seq == end->seq && memcmp(hash, end->head, sizeof(hash)) == 0)
		s->has_end = true;
	if (parsed.seq != end->seq + 1 || !(s->has_end || s->is_first))
		return 0;
	audit_line_tag(line, parsed.mac_at, end->key, tag);
	if (sodium_memcmp(parsed.prev, end->head, sizeof(tag)) != 0 ||
	    sodium_memcmp(parsed.mac, tag, sizeof(tag)) != 0)
		return 0;
	memcpy(end->head, hash, sizeof(hash));
	end->seq++;
	audit_next_key(end->key);
	txid = audit_line_number(line, len, "\"txid\":");
	if (txid > s->a->newest_txid)
		s->a->newest_txid = txid;
	return 0;
}

/* A kill in the middle of a write leaves a line without its end: nobody was told of it. */
static int cut_unfinished_line(struct audit *a)
{
	off_t size = a->size;
	char last;

	while (size > 0) {
		if (pread(a->fd, &last, 1, size - 1) != 1)
			return -EIO;
		if (last == '\n')
			break;
		size--;
	}
	if (size == a->size)
		return 0;
	if (ftruncate(a->fd, size) < 0)
		return -errno;
	a->size = size;
	return 0;
}

static int take_up(struct audit *a, const char *dir)
{
	struct resume s = { .a = a, .is_first = a->end.seq == 0 };
	int r = cut_unfinished_line(a);

	if (r < 0)
		return r;
	r = audit_walk(dir, resume_line, &s, NULL);
	if (r < 0)
		return r;
	if ((s.has_end || s.is_first) && s.last == a->end.seq)
		return 0;
	raise_alarm(a,
		    "the audit log was cut or altered while the vault was away: it should end");
	return a->size > 0 ? begin_segment(a) : 0;
}

static int tell_unopened(const char *dir, int r, struct report *why, struct report *report)
{
	if (!why->what[0]) {
		(void)report_set(why, r, "the audit log in %s can not be opened: %s", dir,
				 strerror(-r));
		report_hint(why, "look at owner, mode and mount: ls -lan %s; findmnt -T %s",
			    dir, dir);
	}
	if (report)
		*report = *why;
	return r;
}

int audit_open(const char *dir, const struct keystore_audit *end, size_t segment_max,
	       struct audit **ret, struct report *report)
{
	cleanup_audit struct audit *a = calloc(1, sizeof(*a));
	struct report why = { 0 };
	int r;

	if (!a)
		return -ENOMEM;
	a->dir_fd = -1;
	a->fd = -1;
	a->end = *end;
	a->segment_max = segment_max;
	r = fs_make_dirs(dir, 0700);
	if (r == 0) {
		a->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = a->dir_fd < 0 ? -errno : open_newest(a, dir, &why);
	}
	if (r == 0)
		r = take_up(a, dir);
	if (r < 0)
		return tell_unopened(dir, r, &why, report);
	*ret = steal_ptr(a);
	return 0;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	closep(&a->fd);
	closep(&a->dir_fd);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

/* ---- appending ---- */

static void put_hex(struct json *j, const char *key, const uint8_t bytes[static 32])
{
	char hex[2 * KEYSTORE_AUDIT_LEN + 1];

	json_put_string(j, key, sodium_bin2hex(hex, sizeof(hex), bytes, KEYSTORE_AUDIT_LEN));
}

static void put_time(struct json *j, uint64_t wall)
{
	char text[CLOCK_TEXT_SIZE + 8];
	size_t len;

	clock_format(wall, text);
	len = strlen(text);
	(void)snprintf(text + len - 1, sizeof(text) - len + 1, ".%06uZ",
		       (unsigned)(wall % USEC_PER_SEC)); /* it fits */
	json_put_string(j, "t", text);
}

static void format_line(const struct audit *a, const struct audit_event *e, struct buf *out)
{
	struct json j = JSON_INIT(out);
	uint8_t tag[KEYSTORE_AUDIT_LEN];

	json_put_object(&j, NULL);
	json_put_number(&j, "v", 1);
	json_put_number(&j, "seq", a->end.seq + 1);
	put_time(&j, e->wall);
	json_put_string(&j, "ev", e->event);
	json_put_string(&j, "actor", e->actor);
	if (e->object)
		json_put_string(&j, "obj", e->object);
	else
		json_put_null(&j, "obj");
	if (e->version)
		json_put_number(&j, "ver", e->version);
	else
		json_put_null(&j, "ver");
	json_put_string(&j, "outcome", e->outcome);
	json_put_string(&j, "req", e->request);
	if (e->txid)
		json_put_number(&j, "txid", e->txid);
	else
		json_put_null(&j, "txid");
	put_hex(&j, "prev", a->end.head);
	if (buf_error(out) == 0)
		audit_line_tag((const char *)out->data, out->len, a->end.key, tag);
	put_hex(&j, "mac", tag);
	json_put_object_end(&j);
}

/* All of the line or nothing of it. */
static int write_line(struct audit *a, const struct buf *line, bool is_durable)
{
	int r = fs_write_all(a->fd, line->data, line->len);

	if (r == 0 && is_durable && fdatasync(a->fd) < 0)
		r = -errno;
	if (r < 0) {
		a->has_leftover = ftruncate(a->fd, a->size) < 0;
		return r;
	}
	a->size += (off_t)line->len;
	return 0;
}

/* Another line with its number must not follow it. */
static int cut_leftover(struct audit *a)
{
	if (a->has_leftover && ftruncate(a->fd, a->size) < 0)
		return -errno;
	a->has_leftover = false;
	return 0;
}

static int ready_segment(struct audit *a)
{
	int r = cut_leftover(a);

	if (r < 0)
		return r;
	if (!is_in_place(a)) {
		raise_alarm(a,
			    "the audit log was removed, replaced or cut while it was written,");
		return begin_segment(a);
	}
	if (a->size > 0 && (size_t)a->size >= a->segment_max)
		return begin_segment(a);
	return 0;
}

int audit_append(struct audit *a, const struct audit_event *event, bool is_durable,
		 struct report *report)
{
	cleanup_buf struct buf line = BUF_INIT_MAX(AUDIT_LINE_MAX);
	int r;

	format_line(a, event, &line);
	buf_append_byte(&line, '\n');
	r = buf_error(&line);
	if (r == 0)
		r = ready_segment(a);
	if (r == 0)
		r = write_line(a, &line, is_durable);
	if (r < 0) {
		report_set(report, r, "the audit log can not be written: %s", strerror(-r));
		report_hint(report, "make room on its disk, then try again");
		return r;
	}
	audit_line_hash((const char *)line.data, line.len - 1, a->end.head);
	a->end.seq++;
	audit_next_key(a->end.key);
	return 0;
}

void audit_mark(const struct audit *a, struct audit_mark *ret)
{
	*ret = (struct audit_mark){ a->end, a->size, a->segment };
}

int audit_sync(struct audit *a, const struct audit_mark *mark, struct report *report)
{
	int r;

	if (a->end.seq == mark->end.seq || fdatasync(a->fd) == 0)
		return 0;
	r = -errno;
	report_set(report, r, "the audit log can not be written: %s", strerror(-r));
	report_hint(report, "make room on its disk, then try again");
	if (a->segment == mark->segment) {
		ignore_result(ftruncate(a->fd, mark->size)); /* what stays is of no harm */
		a->size = mark->size;
		a->end = mark->end;
	}
	return r;
}

void audit_end(const struct audit *a, struct keystore_audit *ret)
{
	*ret = a->end;
}

uint64_t audit_newest_txid(const struct audit *a)
{
	return a->newest_txid;
}

const char *audit_alarm(const struct audit *a)
{
	return a->alarm[0] ? a->alarm : NULL;
}
