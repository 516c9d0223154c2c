/* SPDX-License-Identifier: BSD-2-Clause */
/* A keystore out of a backup: everything is there, the slots open it, and it is another one. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/internal.h"
#include "keystore/restore.h"
#include "keystore/verifier.h"

static void make(struct keystore *ks, struct buf *ret)
{
	cleanup_backup struct keystore_backup *b = NULL;
	struct report report = { 0 };
	size_t len = 0;

	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	do {
		uint8_t *p = buf_reserve(ret, 60000);

		assert_int_equal(keystore_backup_next(b, p, 60000, &len, &report), 0);
		ret->len += len;
	} while (len > 0);
}

/* B into F's directory. */
static int restore_some(struct fixture *f, const struct secret *recovery, const struct buf *b,
			struct keystore_restored *ret, struct report *report)
{
	cleanup_restore struct keystore_restore *r = NULL;
	int k = keystore_restore_begin(f->dir, &f->env, recovery, &r, report);

	for (size_t at = 0; k == 0 && at < b->len; at += 5000)
		k = keystore_restore_push(r, b->data + at,
					  b->len - at < 5000 ? b->len - at : 5000, report);
	return k < 0 ? k : keystore_restore_finish(r, ret, report);
}

static int restore(struct fixture *f, const struct secret *recovery, const struct buf *b,
		   struct keystore_restored *ret)
{
	struct report report = { 0 };
	int r = restore_some(f, recovery, b, ret, &report);

	if (r < 0)
		print_message("%s\n", report.what);
	return r;
}

/* A keystore in F with records, a tombstone and a chain, and the backup of it. */
static struct secret *make_old(struct fixture *f, struct buf *ret)
{
	struct secret *recovery = fixture_create(f);
	cleanup_keystore struct keystore *ks = fixture_open(f);
	struct keystore_audit audit = { .seq = 41, .head = "h", .key = "k" };
	struct keystore_txn *txn = NULL;
	struct report report = { 0 };

	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "secret of a login");
	fixture_put(ks, "billing", KEYSTORE_AUTH, "its second secret");
	fixture_put(ks, "signing", KEYSTORE_ISSUER, "private key");
	fixture_put(ks, "gone", KEYSTORE_AUTH, "what was");
	fixture_remove(ks, "gone");
	for (unsigned i = 0; i < 300; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "filler-%u", i);
		fixture_put(ks, name, i % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER,
			    "so that there are several chunks, which takes some bytes in each "
			    "of three hundred records");
	}
	assert_int_equal(keystore_begin(ks, &txn, &report), 0);
	keystore_set_audit(txn, &audit);
	assert_int_equal(keystore_commit(txn, NULL, &report), 0);
	make(ks, ret);
	return recovery;
}

/* The same machine's clock, another directory. */
static struct fixture beside(const struct fixture *f, const char *name)
{
	struct fixture g = *f;

	fixture_path(f, name, g.dir);
	g.env.clock.context = (void *)(uintptr_t)f;
	return g;
}

static void assert_body(struct keystore *ks, const char *name, uint64_t version,
			const char *body)
{
	const struct keystore_id id = { "password", "verifier", name };
	struct keystore_record *rec = NULL;

	assert_int_equal(keystore_get(ks, &id, &rec), 0);
	assert_int_equal(rec->body_len, strlen(body));
	assert_memory_equal(rec->body, body, rec->body_len);
	assert_int_equal(rec->version, version);
	assert_int_equal(rec->state, 3);
	assert_int_equal(rec->attrs_len, 3);
	assert_int_equal(rec->created, FIXTURE_NOW);
	keystore_record_free(rec);
}

static void accept_it(struct keystore *ks)
{
	struct report report = { 0 };

	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_RESTORED);
	if (keystore_accept(ks, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
}

static void assert_content(struct keystore *ks)
{
	const struct keystore_id gone = { "password", "verifier", "gone" };
	struct keystore_tombstone t;
	struct keystore_audit audit;
	struct keystore_verify totals;
	struct keystore_record *rec;
	struct report report = { 0 };

	assert_body(ks, "billing", 2, "its second secret");
	assert_body(ks, "signing", 1, "private key");
	assert_int_equal(keystore_get(ks, &gone, &rec), -ENOENT);
	assert_int_equal(keystore_get_tombstone(ks, &gone, &t), 0);
	assert_int_equal(t.version, 2);
	assert_int_equal(t.time, FIXTURE_NOW);
	assert_string_equal(t.reason, "revoked by hand");
	assert_int_equal(keystore_audit_get(ks, &audit), 0);
	assert_int_equal(audit.seq, 41);
	assert_int_equal(audit.key[0], 'k');
	if (keystore_verify(ks, &totals, &report) < 0)
		fixture_fail(&report);
	/* besides what was put: the mark of a restore, until it is accepted */
	assert_int_equal(keystore_count(ks),
			 302 + (keystore_health(ks, NULL) == KEYSTORE_RESTORED));
}

/* ---- what comes out ---- */

static void restore_brings_back_every_record_and_tombstone(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_restored done;

	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	assert_int_equal(done.from.records, 302);
	assert_int_equal(done.from.tombstones, 1);
	assert_int_equal(done.slots, 3);
	ks = fixture_open(&g);
	fixture_unlock_both(ks);
	assert_content(ks);
	assert_int_equal(keystore_tombstones(ks), 1);
	assert_true(keystore_txid(ks) > done.from.txid);
	assert_memory_equal(keystore_store_id(ks), done.store_id, 16);
}

static void restored_keystore_opens_with_each_slot_of_before(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_restored done;
	struct report report = { 0 };

	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	ks = fixture_open(&g);
	fixture_unlock_auth(ks);
	assert_false(keystore_is_open(ks, KEYSTORE_BOTH)); /* the key file opens AUTH alone */
	keystore_seal(ks, KEYSTORE_BOTH);
	fixture_unlock_both(ks);
	keystore_seal(ks, KEYSTORE_BOTH);
	assert_int_equal(keystore_unlock_recovery(ks, recovery, &report), 0);
	assert_true(keystore_is_open(ks, KEYSTORE_BOTH));
	/* and it can be changed like any other */
	accept_it(ks);
	assert_int_equal(keystore_rekey(ks, &report), 0);
	keystore_seal(ks, KEYSTORE_BOTH);
	fixture_unlock_auth(ks);
}

/* ---- by which slots it opens ---- */

struct added {
	struct keystore_new_slot slot;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	struct secret *text; /* recovery and quorum: what was handed out */
};

static const char helper_key[] = "fedcba9876543210fedcba9876543210";

static void add_slot(struct keystore *ks, struct added *a)
{
	struct report report = { 0 };

	if (keystore_slot_add(ks, &a->slot, a->id, &a->text, &report) < 0)
		fixture_fail(&report);
	assert_true(a->id[0] || a->id[1] || a->id[2]);
}

static int open_by_shares(struct keystore *ks, const struct added *a)
{
	const char *at = secret_string(a->text);
	int r = -EAGAIN;

	for (unsigned i = 0; i < a->slot.threshold; i++) {
		struct keystore_shares have;
		size_t len = strcspn(at, "\n");
		struct secret *share = secret_new(at, len);

		r = keystore_unlock_share(ks, share, &have, NULL);
		secret_free(share);
		at += len + 1;
	}
	return r;
}

static int open_by(struct keystore *ks, const struct added *a)
{
	switch (a->slot.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		return keystore_unlock_passphrase(ks, a->slot.key, NULL);
	case KEYSTORE_SLOT_KEY_FILE:
		return keystore_unlock_key_file(ks, a->slot.key, NULL);
	case KEYSTORE_SLOT_RECOVERY:
		return keystore_unlock_recovery(ks, a->text, NULL);
	case KEYSTORE_SLOT_QUORUM:
		return open_by_shares(ks, a);
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return keystore_unlock_slot(ks, a->id, a->slot.key, NULL);
	}
}

/* A opens what was restored at G, to the tiers that it opened before, or to none. */
static void assert_opens(struct fixture *g, const struct added *a, enum keystore_tier tiers)
{
	cleanup_keystore struct keystore *ks = fixture_open(g);

	assert_int_equal(open_by(ks, a) == 0, tiers != 0);
	assert_int_equal(keystore_is_open(ks, KEYSTORE_AUTH), tiers != 0);
	assert_int_equal(keystore_is_open(ks, KEYSTORE_ISSUER), tiers == KEYSTORE_BOTH);
	if (tiers)
		assert_body(ks, "billing", 2, "its second secret");
}

static void restored_keystore_opens_by_every_kind_of_slot_and_by_no_other(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	cleanup_secret struct secret *words = fixture_secret("another passphrase");
	cleanup_secret struct secret *file = fixture_secret("abcdef0123456789abcdef0123456789");
	cleanup_secret struct secret *help = fixture_secret(helper_key);
	struct added slots[] = {
		{ .slot = { .type = KEYSTORE_SLOT_PASSPHRASE, .key = words } },
		{ .slot = { .type = KEYSTORE_SLOT_KEY_FILE, .key = file } },
		{ .slot = { .type = KEYSTORE_SLOT_RECOVERY } },
		{ .slot = { .type = KEYSTORE_SLOT_RECOVERY } },
		{ .slot = { .type = KEYSTORE_SLOT_CREDENTIAL,
			    .key = help,
			    .blob = (const uint8_t *)"sealed",
			    .blob_len = 6 } },
		{ .slot = { .type = KEYSTORE_SLOT_EXEC,
			    .tiers = KEYSTORE_BOTH,
			    .key = help,
			    .program = "/usr/bin/age" } },
		{ .slot = { .type = KEYSTORE_SLOT_QUORUM, .shares = 3, .threshold = 2 } },
	};
	static const enum keystore_tier wanted[] = {
		KEYSTORE_BOTH, KEYSTORE_AUTH, KEYSTORE_BOTH, KEYSTORE_BOTH,
		KEYSTORE_AUTH, KEYSTORE_BOTH, KEYSTORE_BOTH,
	};
	struct added gone = { .slot = { .type = KEYSTORE_SLOT_RECOVERY } };
	struct added late = gone;
	struct fixture g = beside(*state, "new");
	struct fixture h = beside(*state, "by-another");
	struct keystore_restored done;

	{
		cleanup_keystore struct keystore *ks = fixture_open(*state);

		fixture_unlock_both(ks);
		for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
			add_slot(ks, &slots[i]);
		add_slot(ks, &gone);
		assert_int_equal(keystore_slot_remove(ks, gone.id, NULL), 0);
		buf_clear(&b);
		make(ks, &b);
		add_slot(ks, &late);
	}
	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	assert_int_equal(done.slots, 3 + ARRAY_SIZE(slots));
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		assert_opens(&g, &slots[i], wanted[i]);
	assert_opens(&g, &gone, 0);
	assert_opens(&g, &late, 0);
	/* each recovery key of then opens the backup too, and no other */
	assert_int_equal(restore(&h, gone.text, &b, &done), -EKEYREJECTED);
	assert_int_equal(restore(&h, late.text, &b, &done), -EKEYREJECTED);
	assert_int_equal(restore(&h, slots[3].text, &b, &done), 0);
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		secret_free(slots[i].text);
	secret_free(gone.text);
	secret_free(late.text);
}

static void restored_keystore_is_another_one(void **state)
{
	struct fixture *f = *state;
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(f, &b);
	struct fixture g = beside(f, "one");
	struct fixture h = beside(f, "two");
	struct keystore_restored one, two;
	char script[PATH_MAX];

	assert_int_equal(restore(&g, recovery, &b, &one), 0);
	assert_int_equal(restore(&h, recovery, &b, &two), 0);
	assert_memory_not_equal(one.store_id, one.from.store_id, 16);
	assert_memory_not_equal(one.store_id, two.store_id, 16);
	/* neither opens the other's store: META is under other roots */
	(void)snprintf(script, sizeof(script), "cp one/keyring two/keyring");
	fixture_shell(f, script);
	{
		cleanup_keystore struct keystore *ks = fixture_open(&h);
		cleanup_secret struct secret *key = fixture_secret(fixture_passphrase);
		struct report report = { 0 };

		assert_int_equal(keystore_unlock_passphrase(ks, key, &report), -EBADMSG);
	}
}

static void restored_keystore_keeps_the_keys_that_logins_depend_on(void **state)
{
	struct fixture *f = *state;
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(f, &b);
	struct fixture g = beside(f, "new");
	cleanup_keystore struct keystore *old = fixture_open(f);
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_restored done;

	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	ks = fixture_open(&g);
	fixture_unlock_both(ks);
	fixture_unlock_both(old);
	assert_memory_equal(ks->auth->verifier.tag, old->auth->verifier.tag, SEAL_KEY_LEN);
	assert_memory_equal(ks->auth->verifier.decoy, old->auth->verifier.decoy, SEAL_KEY_LEN);
	assert_memory_not_equal(ks->auth->root, old->auth->root, KEYRING_ROOT_LEN);
	assert_memory_not_equal(ks->issuer->root, old->issuer->root, KEYRING_ROOT_LEN);
	assert_memory_not_equal(ks->auth->set, old->auth->set, SEAL_KEY_LEN);
	assert_memory_not_equal(epochs_active(&ks->auth->epochs)->key,
				epochs_active(&old->auth->epochs)->key, SEAL_KEY_LEN);
	assert_memory_not_equal(epochs_active(&ks->issuer->epochs)->key,
				epochs_active(&old->issuer->epochs)->key, SEAL_KEY_LEN);
}

/* ---- what was done since is not forgotten ---- */

static void assert_origin(struct keystore *ks, const struct keystore_backup_info *from)
{
	struct keystore_origin o;

	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_RESTORED);
	assert_int_equal(keystore_origin_get(ks, &o), 0);
	assert_memory_equal(o.store_id, from->store_id, sizeof(o.store_id));
	assert_int_equal(o.txid, from->txid);
	assert_int_equal(o.time, FIXTURE_NOW); /* when the backup's state was */
}

static void restored_keystore_is_read_and_not_changed_until_it_is_accepted(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	cleanup_keystore struct keystore *ks = NULL;
	const struct keystore_new_slot slot = { .type = KEYSTORE_SLOT_RECOVERY };
	struct secret *text = NULL;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	struct keystore_restored done;
	struct keystore_origin o;
	struct keystore_txn *txn;
	struct report report = { 0 };

	((struct fixture *)*state)->now += 5 * USEC_PER_SEC; /* the restore is later */
	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	/* whoever opens it, and as often as that is cut off */
	for (unsigned i = 0; i < 2; i++) {
		ks = fixture_open(&g);
		fixture_unlock_both(ks);
		assert_origin(ks, &done.from);
		assert_content(ks);
		assert_int_equal(keystore_begin(ks, &txn, &report), -ESTALE);
		assert_non_null(strstr(report.what, "restored from a backup"));
		assert_true(report.hint[0]);
		assert_int_equal(keystore_rekey(ks, &report), -ESTALE);
		assert_int_equal(keystore_reseal_begin(ks, &report), -ESTALE);
		assert_int_equal(keystore_slot_add(ks, &slot, id, &text, &report), -ESTALE);
		/* accepting it that comes to no end */
		assert_int_equal(keystore_begin_accept(ks, &txn, &report), 0);
		keystore_abort(txn);
		assert_origin(ks, &done.from);
		keystore_close(steal_ptr(ks));
	}
	ks = fixture_open(&g);
	fixture_unlock_both(ks);
	accept_it(ks);
	assert_int_equal(keystore_origin_get(ks, &o), -ENOENT);
	assert_content(ks);
	keystore_close(steal_ptr(ks));
	ks = fixture_open(&g);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	fixture_put(ks, "fresh", KEYSTORE_AUTH, "made since");
}

/* What is not listed since an older backup is not forgotten by a newer one. */
static void restored_keystore_can_be_backed_up_and_keeps_its_origin(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_buf struct buf again = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	struct fixture h = beside(*state, "newer");
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_restored first, second;

	assert_int_equal(restore(&g, recovery, &b, &first), 0);
	ks = fixture_open(&g);
	fixture_unlock_auth(ks);
	make(ks, &again);
	keystore_close(steal_ptr(ks));
	assert_int_equal(restore(&h, recovery, &again, &second), 0);
	assert_true(second.from.txid > first.from.txid);
	ks = fixture_open(&h);
	fixture_unlock_both(ks);
	assert_origin(ks, &first.from);
	assert_content(ks);
}

static void keystore_is_marked_anew_by_each_restore(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	static const char *const names[] = { "one", "two", "three" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct fixture g = beside(*state, names[i]);
		cleanup_keystore struct keystore *ks = NULL;
		struct keystore_restored done;

		assert_int_equal(restore(&g, recovery, &b, &done), 0);
		ks = fixture_open(&g);
		fixture_unlock_both(ks);
		assert_origin(ks, &done.from);
		accept_it(ks);
		assert_content(ks);
		assert_int_equal(keystore_tombstones(ks), 2);
		buf_clear(&b);
		make(ks, &b);
	}
}

/* ---- what does not ---- */

static void assert_nothing(const struct fixture *g)
{
	fixture_shell(g, "test ! -e keyring && test ! -e store && test ! -e anchor && "
			 "test ! -e restoring");
}

static void restore_of_a_cut_backup_leaves_nothing(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	struct keystore_restored done;
	struct report report;

	for (size_t cut = 0; cut < b.len; cut += 9973) {
		struct buf part = { .data = b.data, .len = cut }; /* borrowed */

		assert_int_equal(restore_some(&g, recovery, &part, &done, &report), -ENODATA);
		assert_nothing(&g);
	}
	assert_int_equal(restore(&g, recovery, &b, &done), 0);
}

static void restore_of_an_altered_backup_leaves_nothing(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	struct keystore_restored done;
	struct report report;

	b.data[b.len - 100] ^= 1;
	assert_int_equal(restore_some(&g, recovery, &b, &done, &report), -EBADMSG);
	assert_non_null(strstr(report.what, "chunk 2"));
	assert_nothing(&g);
}

static void restore_onto_a_keystore_is_refused(void **state)
{
	struct fixture *f = *state;
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(f, &b);
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_restored done;
	struct report report;

	assert_int_equal(restore_some(f, recovery, &b, &done, &report), -EEXIST);
	assert_non_null(strstr(report.what, "holds a keystore already"));
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_content(ks);
}

static void restore_that_was_killed_is_nothing_and_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(f, &b);
	struct fixture g = beside(f, "new");
	struct keystore_restored done;
	struct keystore *ks = NULL;
	struct report report = { 0 };
	char text[128];
	int status;
	pid_t pid;

	/* a secret is wiped in a child */
	(void)snprintf(text, sizeof(text), "%s", secret_string(recovery));
	pid = fork();
	if (pid == 0) {
		struct secret *key = fixture_secret(text);
		struct keystore_restore *r = NULL;

		/* all of it, but for the keyring */
		if (keystore_restore_begin(g.dir, &g.env, key, &r, &report) == 0 &&
		    keystore_restore_push(r, b.data, b.len, &report) == 0)
			(void)raise(SIGKILL);
		_exit(1);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	fixture_shell(&g, "test -e store/data.mdb && test -e restoring");
	assert_int_equal(keystore_open(g.dir, &g.env, &ks, &report), -ENOENT);
	assert_nothing(&g);
	assert_int_equal(restore(&g, recovery, &b, &done), 0);
	fixture_shell(&g, "test ! -e restoring");
}

/* All of B, and COUNT steps; what the last of them says. */
static int restore_steps(struct fixture *g, const struct secret *recovery, const struct buf *b,
			 unsigned count, struct keystore_restore **ret)
{
	struct keystore_restored done;
	struct report report = { 0 };
	int k = 1;

	assert_int_equal(keystore_restore_begin(g->dir, &g->env, recovery, ret, &report), 0);
	assert_int_equal(keystore_restore_push(*ret, b->data, b->len, &report), 0);
	for (unsigned i = 0; i < count && k == 1; i++)
		k = keystore_restore_step(*ret, &done, &report);
	return k;
}

static void restore_is_nothing_before_its_last_step(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	cleanup_keystore struct keystore *ks = NULL;
	unsigned steps = 0;
	int k;

	do {
		cleanup_restore struct keystore_restore *r = NULL;

		k = restore_steps(&g, recovery, &b, steps, &r);
		if (k == 0)
			break;
		assert_int_equal(k, 1);
		fixture_shell(&g, "test ! -e keyring && test -e restoring");
		keystore_restore_free(steal_ptr(r));
		assert_nothing(&g);
		steps++;
	} while (true);
	assert_in_range(steps, 3, 100); /* the end of the stream, writing, reading again */
	ks = fixture_open(&g);
	fixture_unlock_both(ks);
	assert_content(ks);
}

/* The disk took what was written, and gives something else back. */
static void restore_reads_again_what_it_wrote(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_secret struct secret *recovery = make_old(*state, &b);
	struct fixture g = beside(*state, "new");
	struct keystore_restore *r = NULL;
	struct keystore_restored done;
	struct report report = { 0 };
	char path[PATH_MAX];
	struct stat st;
	uint8_t byte;
	int fd;
	int k;

	/* the end of the stream; the import: begun, in order, two looks, written */
	assert_int_equal(restore_steps(&g, recovery, &b, 1 + 5, &r), 1);
	fixture_path(&g, "store/data.mdb", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 2 * 4096 + 4095; at < st.st_size; at += 4096) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 1; /* the end of a page is that of its first record */
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	(void)close(fd);
	while ((k = keystore_restore_step(r, &done, &report)) > 0)
		;
	assert_int_equal(k, -EBADMSG);
	assert_non_null(strstr(report.what, "store"));
	keystore_restore_free(r);
	assert_nothing(&g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(restore_brings_back_every_record_and_tombstone),
		TEST(restored_keystore_opens_with_each_slot_of_before),
		TEST(restored_keystore_opens_by_every_kind_of_slot_and_by_no_other),
		TEST(restored_keystore_is_another_one),
		TEST(restored_keystore_keeps_the_keys_that_logins_depend_on),
		TEST(restored_keystore_is_read_and_not_changed_until_it_is_accepted),
		TEST(restored_keystore_can_be_backed_up_and_keeps_its_origin),
		TEST(keystore_is_marked_anew_by_each_restore),
		TEST(restore_of_a_cut_backup_leaves_nothing),
		TEST(restore_of_an_altered_backup_leaves_nothing),
		TEST(restore_onto_a_keystore_is_refused),
		TEST(restore_that_was_killed_is_nothing_and_can_be_repeated),
		TEST(restore_is_nothing_before_its_last_step),
		TEST(restore_reads_again_what_it_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
