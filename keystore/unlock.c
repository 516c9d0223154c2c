/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots: opening tiers through them, adding and removing them, and the keyring file. */
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/internal.h"
#include "keystore/recovery.h"

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

static bool has_prev(const struct keystore *ks)
{
	return !ks->from_prev && faccessat(ks->dirfd, KEYRING_PREV_NAME, F_OK, 0) == 0;
}

static int ring_load_prev(struct keystore *ks)
{
	int r = ring_load_from(ks, KEYRING_PREV_NAME, NULL);

	ks->from_prev = r == 0;
	return r;
}

int keystore_ring_load(struct keystore *ks, struct report *report)
{
	int r = ring_load_from(ks, KEYRING_NAME, report);

	if ((r == -EBADMSG || r == -EFBIG || r == -ENOENT) && has_prev(ks) &&
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

/* A keyring that opened is the one to have under its own name. */
static void settle_ring(struct keystore *ks)
{
	if (ks->from_prev) {
		if (fs_replace(ks->dirfd, KEYRING_NAME, ks->ring_bytes.data, ks->ring_bytes.len,
			       0600) < 0)
			return; /* keyring.prev stays, and opens again next time */
		ks->from_prev = false;
	}
	ring_drop_prev(ks);
}

/* Finds the slot that KEY opens. */
static int open_slot(const struct keystore *ks, enum keystore_slot_type type, struct span key,
		     struct roots *roots, enum keystore_tier *ret_tiers)
{
	const struct keyring *ring = &ks->file.ring;
	int result = -ENOENT;

	for (size_t i = 0; i < ring->slot_count; i++) {
		int r;

		if (ring->slots[i].info.type != type)
			continue;
		r = keyring_slot_open(&ring->slots[i], ring->store_id, key, roots);
		if (r == 0)
			*ret_tiers = ring->slots[i].info.tiers;
		if (r != -EKEYREJECTED)
			return r;
		result = r;
	}
	return result;
}

static int open_auth(struct keystore *ks, const struct roots *roots)
{
	struct auth_keys *keys = keys_alloc(sizeof(*keys), &ks->locked);
	int r;

	if (!keys)
		return -ENOMEM;
	memcpy(keys->root, roots->bytes, KEYRING_ROOT_LEN);
	r = keyring_open_auth(&ks->file, keys);
	if (r < 0) {
		keys_free(keys);
		return r;
	}
	keys_protect(keys);
	ks->auth = keys;
	return 0;
}

static int open_issuer(struct keystore *ks, const struct roots *roots)
{
	struct issuer_keys *keys = keys_alloc(sizeof(*keys), &ks->locked);
	int r;

	if (!keys)
		return -ENOMEM;
	memcpy(keys->root, roots->bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	r = keyring_open_issuer(&ks->file, keys);
	if (r < 0) {
		keys_free(keys);
		return r;
	}
	keys_protect(keys);
	ks->issuer = keys;
	return 0;
}

/* Tries the loaded keyring: slot, then bodies. */
static int try_ring(struct keystore *ks, enum keystore_slot_type type, struct span key,
		    struct roots *roots)
{
	enum keystore_tier tiers = 0;
	int r;

	r = open_slot(ks, type, key, roots, &tiers);
	if (r == 0 && !ks->auth)
		r = open_auth(ks, roots);
	if (r == 0 && !ks->issuer && tiers & KEYSTORE_ISSUER)
		r = open_issuer(ks, roots);
	return r;
}

static int tell(struct report *report, int r, const struct keystore *ks,
		enum keystore_slot_type type)
{
	const char *name = keystore_slot_type_name(type);

	if (r == -EKEYREJECTED) {
		(void)report_set(report, r, "this %s opens no slot of %s", name, ks->dir);
		report_hint(report, type == KEYSTORE_SLOT_RECOVERY
					    ? "is it the recovery key of this keystore?"
					    : "try again; the recovery key opens it as well");
	} else if (r == -ENOENT) {
		(void)report_set(report, r, "%s has no %s slot", ks->dir, name);
		report_hint(report, "use the passphrase or the recovery key");
	} else if (r == -ENOMEM) {
		(void)report_set(report, r, "not enough memory for Argon2id");
		report_hint(report, "up to 2 GiB may be needed: free -m");
	} else if (r < 0) {
		(void)report_set(report, r, "%s/keyring was altered: %s", ks->dir,
				 strerrordesc_np(-r));
		report_hint(report, "put back a backup of %s/keyring", ks->dir);
	}
	return r;
}

static int unlock_with(struct keystore *ks, enum keystore_slot_type type, struct span key,
		       struct report *report, struct roots *roots)
{
	bool was_open = ks->auth;
	int r;

	r = try_ring(ks, type, key, roots);
	if (r == -EBADMSG && !was_open && has_prev(ks) && ring_load_prev(ks) == 0) {
		keystore_seal(ks, KEYSTORE_BOTH);
		r = try_ring(ks, type, key, roots);
	}
	if (r < 0) {
		if (!was_open)
			keystore_seal(ks, KEYSTORE_BOTH);
		return tell(report, r, ks, type);
	}
	if (was_open)
		return 0;
	r = state_load(ks, report);
	if (r < 0) {
		keystore_seal(ks, KEYSTORE_BOTH);
		return r;
	}
	if (ks->health == KEYSTORE_HEALTHY)
		settle_ring(ks);
	return 0;
}

static int unlock(struct keystore *ks, enum keystore_slot_type type, struct span key,
		  struct report *report)
{
	struct roots *roots = keys_alloc(sizeof(*roots), &ks->locked);
	int r;

	if (!roots)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = unlock_with(ks, type, key, report, roots);
	keys_free(roots);
	return r;
}

int keystore_unlock_passphrase(struct keystore *ks, const struct secret *passphrase,
			       struct report *report)
{
	if (secret_len(passphrase) > KEYSTORE_PASSPHRASE_MAX)
		return tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_PASSPHRASE);
	return unlock(ks, KEYSTORE_SLOT_PASSPHRASE,
		      SPAN_OF(secret_data(passphrase), secret_len(passphrase)), report);
}

int keystore_unlock_key_file(struct keystore *ks, const struct secret *content,
			     struct report *report)
{
	if (secret_len(content) > KEYSTORE_KEY_FILE_MAX)
		return tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_KEY_FILE);
	return unlock(ks, KEYSTORE_SLOT_KEY_FILE,
		      SPAN_OF(secret_data(content), secret_len(content)), report);
}

int keystore_unlock_recovery(struct keystore *ks, const struct secret *text,
			     struct report *report)
{
	uint8_t key[RECOVERY_KEY_LEN];
	int r = recovery_parse(secret_string(text), secret_len(text), key, report);

	if (r == 0)
		r = unlock(ks, KEYSTORE_SLOT_RECOVERY, SPAN(key), report);
	sodium_memzero(key, sizeof(key));
	return r;
}

bool keystore_is_open(const struct keystore *ks, enum keystore_tier tier)
{
	return (!(tier & KEYSTORE_AUTH) || ks->auth) &&
	       (!(tier & KEYSTORE_ISSUER) || ks->issuer);
}

void keystore_seal(struct keystore *ks, enum keystore_tier tier)
{
	keys_free(ks->issuer);
	ks->issuer = NULL;
	if (!(tier & KEYSTORE_AUTH))
		return;
	state_forget(ks);
	keys_free(ks->auth);
	ks->auth = NULL;
}

const struct verifier_keys *keystore_verifier_keys(const struct keystore *ks)
{
	return ks->auth ? &ks->auth->verifier : NULL;
}

int keystore_audit_first_key(const struct keystore *ks, const struct secret *recovery,
			     uint8_t ret[static KEYSTORE_AUDIT_LEN], struct report *report)
{
	uint8_t key[RECOVERY_KEY_LEN];
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	r = recovery_parse(secret_string(recovery), secret_len(recovery), key, report);
	if (r < 0)
		return r;
	if (crypto_box_seal_open(ret, ks->auth->audit_first, KEYRING_AUDIT_FIRST_LEN,
				 ks->auth->recovery_pk, key) != 0)
		r = tell(report, -EKEYREJECTED, ks, KEYSTORE_SLOT_RECOVERY);
	sodium_memzero(key, sizeof(key));
	return r;
}

/* ---- slots ---- */

const char *keystore_slot_type_name(enum keystore_slot_type type)
{
	static const char *const names[KEYSTORE_SLOT_TYPE_MAX_] = {
		[KEYSTORE_SLOT_PASSPHRASE] = "passphrase",
		[KEYSTORE_SLOT_KEY_FILE] = "key-file",
		[KEYSTORE_SLOT_RECOVERY] = "recovery",
	};

	return type < KEYSTORE_SLOT_TYPE_MAX_ && names[type] ? names[type] : "?";
}

size_t keystore_slot_count(const struct keystore *ks)
{
	return ks->file.ring.slot_count;
}

void keystore_slot_get(const struct keystore *ks, size_t index, struct keystore_slot *ret)
{
	*ret = ks->file.ring.slots[index].info;
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

/* Makes RING the keyring: on disk first, then here, then in META. */
static int replace_ring(struct keystore *ks, struct keyring *ring, struct report *report)
{
	int r = ring_write(ks, ring, report);

	return r < 0 ? r : txn_commit_empty(ks, report);
}

static int may_change_slots(const struct keystore *ks, struct report *report)
{
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (ks->issuer)
		return 0;
	(void)report_set(report, -ENOKEY, "changing slots needs both tiers open");
	report_hint(report, "rotatectl unseal");
	return -ENOKEY;
}

int keystore_slot_add(struct keystore *ks, enum keystore_slot_type type,
		      const struct secret *key, struct report *report)
{
	const struct keystore_slot kind = {
		.type = type,
		.tiers = type == KEYSTORE_SLOT_KEY_FILE ? KEYSTORE_AUTH : KEYSTORE_BOTH,
	};
	const struct slot_source src = {
		.rng = &ks->rng,
		.store_id = ks->file.ring.store_id,
		.now = clock_now(&ks->clock).wall,
		.pwhash_ops = ks->pwhash_ops,
		.pwhash_mem = ks->pwhash_mem,
	};
	struct keyring ring = ks->file.ring;
	struct roots *roots;
	int r;

	r = may_change_slots(ks, report);
	if (r < 0)
		return r;
	if (type == KEYSTORE_SLOT_RECOVERY) {
		(void)report_set(report, -EINVAL, "a recovery slot is made at creation only");
		report_hint(report, "add a passphrase or a key file instead");
		return -EINVAL;
	}
	if (ring.slot_count == KEYRING_SLOTS_MAX) {
		(void)report_set(report, -ENOSPC, "all %d slots are in use", KEYRING_SLOTS_MAX);
		report_hint(report, "remove one that is not needed any more");
		return -ENOSPC;
	}
	r = keystore_check_key(type, key, report);
	if (r < 0)
		return r;
	roots = keys_alloc(sizeof(*roots), &ks->locked);
	if (!roots)
		return report_set(report, -ENOMEM, "out of guarded memory");
	memcpy(roots->bytes, ks->auth->root, KEYRING_ROOT_LEN);
	memcpy(roots->bytes + KEYRING_ROOT_LEN, ks->issuer->root, KEYRING_ROOT_LEN);
	r = keyring_slot_make(&src, &kind, SPAN_OF(secret_data(key), secret_len(key)), roots,
			      &ring.slots[ring.slot_count]);
	keys_free(roots);
	if (r < 0)
		return tell(report, r, ks, type);
	ring.slot_count++;
	return replace_ring(ks, &ring, report);
}

static size_t count_type(const struct keyring *ring, enum keystore_slot_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < ring->slot_count; i++)
		n += ring->slots[i].info.type == type;
	return n;
}

static int refuse_last(enum keystore_slot_type type, struct report *report)
{
	(void)report_set(report, -EPERM, "the last %s slot stays",
			 keystore_slot_type_name(type));
	report_hint(report, type == KEYSTORE_SLOT_PASSPHRASE
				    ? "add another passphrase first"
				    : "without it a forgotten passphrase would be the end");
	return -EPERM;
}

int keystore_slot_remove(struct keystore *ks, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			 struct report *report)
{
	struct keyring ring = ks->file.ring;
	size_t i = 0;
	int r;

	r = may_change_slots(ks, report);
	if (r < 0)
		return r;
	while (i < ring.slot_count &&
	       memcmp(ring.slots[i].info.id, id, KEYSTORE_SLOT_ID_LEN) != 0)
		i++;
	if (i == ring.slot_count)
		return report_set(report, -ENOENT, "there is no such slot");
	if (ring.slots[i].info.type != KEYSTORE_SLOT_KEY_FILE &&
	    count_type(&ring, ring.slots[i].info.type) == 1)
		return refuse_last(ring.slots[i].info.type, report);
	memmove(&ring.slots[i], &ring.slots[i + 1],
		(ring.slot_count - i - 1U) * sizeof(ring.slots[0]));
	ring.slot_count--;
	return replace_ring(ks, &ring, report);
}
