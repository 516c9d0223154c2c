/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyring file: reading it, or the one before, and replacing it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/internal.h"

static int tell_unread(const struct keystore *ks, const char *name, int r,
		       struct report *report)
{
	if (r == -EPROTONOSUPPORT) {
		(void)report_set(report, r, "%s/%s was written by a newer rotated", ks->dir,
				 name);
		report_hint(report, "upgrade rotated; nothing was changed");
		return r;
	}
	if (r == -ENOTSUP) {
		(void)report_set(report, r, "%s/%s was written by an unreleased version", ks->dir,
				 name);
		report_hint(report, "make a new keystore: rotatectl init in an empty %s", ks->dir);
		return r;
	}
	(void)report_set(report, r, "%s/%s is damaged: %s", ks->dir, name, strerrordesc_np(-r));
	report_hint(report, "put back a backup of %s/%s", ks->dir, name);
	return r;
}

static int ring_load_from(struct keystore *ks, const char *name, struct report *report)
{
	struct buf bytes = BUF_INIT;
	struct keyring_file file;
	int r;

	r = keystore_check_file(ks, name, S_IFREG, report);
	if (r < 0)
		return r;
	r = fs_read(ks->dirfd, name, KEYRING_FILE_MAX, &bytes);
	if (r == 0)
		r = keyring_decode(SPAN_OF(bytes.data, bytes.len), &file);
	if (r < 0) {
		buf_release(&bytes);
		return tell_unread(ks, name, r, report);
	}
	buf_release(&ks->ring_bytes);
	ks->ring_bytes = bytes;
	ks->file = file;
	return 0;
}

bool ring_has_prev(const struct keystore *ks)
{
	return !ks->from_prev && faccessat(ks->dirfd, KEYRING_PREV_NAME, F_OK, 0) == 0;
}

int ring_load_prev(struct keystore *ks)
{
	int r = ring_load_from(ks, KEYRING_PREV_NAME, NULL);

	ks->from_prev = r == 0;
	return r;
}

/* A store alone is what an interrupted creation leaves, or the keyring was lost. */
static void tell_absent(const struct keystore *ks, struct report *report)
{
	if (faccessat(ks->dirfd, STORE_NAME "/data.mdb", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		(void)report_set(report, -ENOENT, "%s holds a store, and %s/keyring is missing",
				 ks->dir, ks->dir);
		report_hint(report,
			    "put back %s/keyring; after an init that was cut off: "
			    "rotatectl init",
			    ks->dir);
	} else {
		(void)report_set(report, -ENOENT, "there is no keystore in %s yet", ks->dir);
		report_hint(report, "rotatectl init");
	}
}

int keystore_ring_load(struct keystore *ks, struct report *report)
{
	int r = ring_load_from(ks, KEYRING_NAME, report);

	if ((r == -EBADMSG || r == -EFBIG || r == -ENOENT) && ring_has_prev(ks) &&
	    ring_load_prev(ks) == 0)
		return 0;
	if (r == -ENOENT)
		tell_absent(ks, report);
	return r;
}

/* As far as the disk allows: an SSD, a file system that copies on write or one with snapshots
 * may keep the old blocks. */
static void overwrite(int fd)
{
	static const uint8_t zero[4096];
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		for (off_t left = st.st_size; left > 0; left -= (off_t)sizeof(zero))
			ignore_result(fs_write_all(fd, zero,
						   left < (off_t)sizeof(zero)
							   ? (size_t)left
							   : sizeof(zero))); /* best effort */
	(void)fsync(fd);
}

/* The previous keyring opens what a removed slot opened: once the new one is proven it goes. */
void ring_drop_prev(struct keystore *ks)
{
	cleanup_close int fd = openat(ks->dirfd, KEYRING_PREV_NAME,
				      O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	overwrite(fd);
	(void)unlinkat(ks->dirfd, KEYRING_PREV_NAME, 0); /* it is tried again next time */
	(void)fsync(ks->dirfd);
}

void ring_settle(struct keystore *ks)
{
	if (ks->from_prev) {
		if (fs_replace(ks->dirfd, KEYRING_NAME, ks->ring_bytes.data, ks->ring_bytes.len,
			       0600) < 0)
			return; /* keyring.prev stays, and opens again next time */
		ks->from_prev = false;
	}
	ring_drop_prev(ks);
}

/* The file that is replaced is made unreadable too, unless it has another name: then it is
 * somebody's copy. */
static void overwrite_nameless(int fd)
{
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0)
		overwrite(fd);
}

static int read_back(const struct keystore *ks, const struct buf *bytes)
{
	cleanup_buf struct buf now = BUF_INIT;
	int r = fs_read(ks->dirfd, KEYRING_NAME, KEYRING_FILE_MAX, &now);

	if (r < 0)
		return r;
	return now.len == bytes->len && memcmp(now.data, bytes->data, now.len) == 0 ? 0 : -EIO;
}

void ring_put_back(struct keystore *ks)
{
	if (ks->ring_is_ahead)
		ks->ring_is_ahead = fs_replace(ks->dirfd, KEYRING_NAME, ks->ring_bytes.data,
					       ks->ring_bytes.len, 0600) < 0;
}

int ring_replace(struct keystore *ks, const struct buf *bytes)
{
	cleanup_close int old =
		openat(ks->dirfd, KEYRING_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r = fs_replace(ks->dirfd, KEYRING_PREV_NAME, ks->ring_bytes.data,
			   ks->ring_bytes.len, 0600);

	if (r < 0)
		return r;
	r = fs_replace(ks->dirfd, KEYRING_NAME, bytes->data, bytes->len, 0600);
	if (r == 0)
		r = read_back(ks, bytes);
	if (r < 0) {
		/* it may have its name already, and only the sync have failed */
		ks->ring_is_ahead = true;
		ring_put_back(ks); /* or later, when the disk is back */
		return r;
	}
	ks->ring_is_ahead = false;
	ks->from_prev = false;
	overwrite_nameless(old);
	return 0;
}
