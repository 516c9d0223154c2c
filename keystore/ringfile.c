/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyring file: reading it, or the one before, and replacing it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/internal.h"

static int ring_load_from(struct keystore *ks, const char *name, struct report *report)
{
	struct buf bytes = BUF_INIT;
	struct keyring_file file;
	int r;

	r = keystore_check_file(ks->dirfd, ks->dir, name, report);
	if (r < 0)
		return r;
	r = fs_read(ks->dirfd, name, KEYRING_FILE_MAX, &bytes);
	if (r == 0)
		r = keyring_decode(SPAN_OF(bytes.data, bytes.len), &file);
	if (r < 0) {
		buf_release(&bytes);
		(void)report_set(report, r, "%s/%s is damaged: %s", ks->dir, name,
				 strerrordesc_np(-r));
		report_hint(report, "put back a backup of %s/%s", ks->dir, name);
		return r;
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

int keystore_ring_load(struct keystore *ks, struct report *report)
{
	int r = ring_load_from(ks, KEYRING_NAME, report);

	if ((r == -EBADMSG || r == -EFBIG || r == -ENOENT) && ring_has_prev(ks) &&
	    ring_load_prev(ks) == 0)
		return 0;
	if (r == -ENOENT) {
		(void)report_set(report, r, "%s holds no keystore", ks->dir);
		report_hint(report, "make one: rotatectl init");
	}
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
	cleanup_close int fd =
		openat(ks->dirfd, KEYRING_PREV_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

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

static int write_files(struct keystore *ks, const struct buf *bytes)
{
	cleanup_close int old =
		openat(ks->dirfd, KEYRING_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = fs_replace(ks->dirfd, KEYRING_PREV_NAME, ks->ring_bytes.data,
			   ks->ring_bytes.len, 0600);

	if (r == 0)
		r = fs_replace(ks->dirfd, KEYRING_NAME, bytes->data, bytes->len, 0600);
	if (r == 0)
		overwrite_nameless(old);
	return r;
}

int ring_write(struct keystore *ks, struct keyring *ring, struct report *report)
{
	cleanup_buf struct buf bytes = BUF_INIT;
	int r;

	ring->generation++;
	r = keyring_encode(ring, ks->auth, ks->issuer, &ks->rng, &bytes);
	if (r == 0)
		r = write_files(ks, &bytes);
	if (r < 0)
		return db_report(report, r, "cannot write the keyring in", ks->dir);
	return ring_load_from(ks, KEYRING_NAME, report);
}

int ring_prove(struct keystore *ks, struct report *report)
{
	struct auth_keys *auth = keys_alloc(sizeof(*auth), &ks->locked);
	struct issuer_keys *issuer = keys_alloc(sizeof(*issuer), &ks->locked);
	int r = auth && issuer ? 0 : -ENOMEM;

	if (r == 0) {
		memcpy(auth->root, ks->auth->root, sizeof(auth->root));
		memcpy(issuer->root, ks->issuer->root, sizeof(issuer->root));
		r = keyring_open_auth(&ks->file, auth);
	}
	if (r == 0)
		r = keyring_open_issuer(&ks->file, issuer);
	if (r == 0 && (auth->epochs.count != ks->auth->epochs.count ||
		       issuer->epochs.count != ks->issuer->epochs.count))
		r = -EBADMSG;
	keys_free(auth);
	keys_free(issuer);
	return db_report(report, r, "cannot read back the keyring in", ks->dir);
}
