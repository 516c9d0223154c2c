/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/datafile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "keystore/db.h"

enum {
	CHUNK = 1024 * 1024, /* that is read at once */
	PATIENCE = 30,	     /* seconds: after that it is a disk that hangs */
};

struct datafile {
	char path[PATH_MAX];
	uint8_t *map;
	size_t len;
	size_t page_size;  /* the machine's */
	uint8_t *is_there; /* for each CHUNK: it is in memory */
	const char *const *tables;
	atomic_bool is_stopped;
	pthread_t thread;
	bool has_thread; /* it is not joined: what is below is its own */
	int result;
	struct pages_problem problem;
};

/* ---- having it in memory ---- */

/* So that a sector that cannot be read is an error here, and not SIGBUS there. Kernels before
 * 5.14 do not know how: EINVAL. */
static int populate(const struct datafile *d, size_t from, size_t to)
{
	if (to > d->len)
		to = d->len;
	if (madvise(d->map + from, to - from, MADV_POPULATE_READ) == 0 || errno == EINVAL)
		return 0;
	return errno == ENOMEM ? -ENOMEM : -EIO;
}

/* AT and LEN alone, when the disk does not give all that is around them. */
static int populate_few(const struct datafile *d, size_t at, size_t len)
{
	return populate(d, at - at % d->page_size, at + len);
}

static int fetch(void *context, size_t at, size_t len)
{
	struct datafile *d = context;

	if (atomic_load_explicit(&d->is_stopped, memory_order_relaxed))
		return -ECANCELED;
	for (size_t i = at / CHUNK; i <= (at + len - 1) / CHUNK; i++) {
		if (d->is_there[i])
			continue;
		if (populate(d, i * CHUNK, (i + 1) * CHUNK) < 0)
			return populate_few(d, at, len);
		d->is_there[i] = true;
	}
	return 0;
}

/* ---- the thread ---- */

static struct pages_file file_of(struct datafile *d)
{
	return (struct pages_file){
		.bytes = SPAN_OF(d->map, d->len),
		.fetch = fetch,
		.context = d,
		.tables = d->tables,
	};
}

static void *run(void *context)
{
	struct datafile *d = context;
	const struct pages_file file = file_of(d);

	d->result = pages_check(&file, &d->problem);
	return NULL;
}

/* Signals are for the thread that was there before. Where no thread is to be had, all is done
 * at once. */
static void start(struct datafile *d)
{
	sigset_t all, old;

	(void)sigfillset(&all); /* never fails */
	if (pthread_sigmask(SIG_SETMASK, &all, &old) == 0) {
		d->has_thread = pthread_create(&d->thread, NULL, run, d) == 0;
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL); /* it was the mask before */
	}
	if (!d->has_thread)
		(void)run(d);
}

/* ---- opening ---- */

static int map_file(struct datafile *d, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size == 0)
		return -ENOENT;
	d->len = (size_t)st.st_size;
	d->page_size = (size_t)sysconf(_SC_PAGESIZE);
	d->is_there = calloc(d->len / CHUNK + 1, sizeof(*d->is_there));
	if (!d->is_there)
		return -ENOMEM;
	map = mmap(NULL, d->len, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	d->map = map;
	return 0;
}

static int report_damage(const struct datafile *d, struct report *report)
{
	const struct pages_problem *p = &d->problem;

	(void)report_set(report, -EBADMSG,
			 "%s is damaged: page %" PRIu64 " (byte %" PRIu64 ", of %s%s) %s",
			 d->path, p->page, p->offset, p->is_table ? "table " : "", p->place,
			 p->what);
	if (p->is_newer)
		report_hint(report, "install the rotated that wrote it, or a newer one");
	else
		report_hint(report, DATAFILE_HINT);
	return -EBADMSG;
}

static int begin(struct datafile *d, int fd, struct report *report)
{
	struct pages_file file;
	int r = map_file(d, fd);

	if (r < 0)
		return r;
	file = file_of(d);
	d->result = pages_check_names(&file, &d->problem);
	if (d->result == 0)
		start(d);
	else if (d->result != -EBADMSG)
		return d->result;
	else if (!pages_can_salvage(&file))
		return report_damage(d, report);
	d->problem.is_newer = false; /* one page alone is not of a newer format but damaged */
	return 0;
}

int datafile_open(const struct datafile_place *place, struct datafile **ret,
		  struct report *report)
{
	cleanup_datafile struct datafile *d = calloc(1, sizeof(*d));
	cleanup_close int fd = openat(place->dirfd, place->name,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r = fd < 0 ? -errno : 0;

	*ret = NULL;
	if (!d)
		return report_set(report, -ENOMEM, "out of memory");
	if (r == 0)
		r = fs_join(place->dir, place->name, d->path, sizeof(d->path));
	d->tables = place->tables;
	if (r == 0)
		r = begin(d, fd, report);
	if (r == -ENOENT)
		return 0;
	if (r < 0 && r != -EBADMSG) {
		(void)report_set(report, r, "cannot read %s/%s: %s", place->dir, place->name,
				 strerrordesc_np(-r));
		db_hint(report, r, place->dir);
	}
	if (r == 0)
		*ret = steal_ptr(d);
	return r;
}

int datafile_check_open(MDB_env *db, uint64_t txid, const char *const *tables,
			struct pages_problem *ret)
{
	cleanup_datafile struct datafile *d = calloc(1, sizeof(*d));
	struct pages_file file;
	mdb_filehandle_t fd;
	MDB_stat stat;
	int r;

	if (!d)
		return -ENOMEM;
	(void)mdb_env_get_fd(db, &fd); /* fail only for a NULL */
	(void)mdb_env_stat(db, &stat);
	d->tables = tables;
	r = map_file(d, fd);
	if (r < 0)
		return r;
	file = file_of(d);
	file.txid = txid;
	file.page_size = stat.ms_psize;
	return pages_check(&file, ret);
}

bool datafile_may_open(const struct datafile *d)
{
	return d->has_thread || d->result == 0;
}

/* ---- the end ---- */

static int join(struct datafile *d)
{
	struct timespec until;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
	until.tv_sec += PATIENCE;
	r = pthread_clockjoin_np(d->thread, NULL, CLOCK_MONOTONIC, &until);
	d->has_thread = r != 0;
	return -r;
}

int datafile_wait(struct datafile *d, struct report *report)
{
	int r = d->has_thread ? join(d) : 0;

	if (r < 0) {
		(void)report_set(report, r, "%s: after %d s it is not read to its end", d->path,
				 PATIENCE);
		report_hint(report, "look for disk errors: journalctl -k; then try again");
		return r;
	}
	if (d->result == -EBADMSG)
		return report_damage(d, report);
	if (d->result < 0)
		(void)report_set(report, d->result, "cannot read %s: %s", d->path,
				 strerrordesc_np(-d->result));
	return d->result;
}

uint64_t datafile_size(const struct datafile *d)
{
	return d->len;
}

int datafile_salvage(struct datafile *d, pages_entry_fn *visit, void *context)
{
	const struct pages_file file = file_of(d);
	struct pages_problem ignored;

	return pages_salvage(&file, visit, context, &ignored);
}

void datafile_close(struct datafile *d)
{
	if (!d)
		return;
	atomic_store_explicit(&d->is_stopped, true, memory_order_relaxed);
	if (d->has_thread)
		(void)pthread_join(d->thread, NULL); /* which it has to be, or it would leak */
	if (d->map)
		(void)munmap(d->map, d->len); /* as it was mapped */
	free(d->is_there);
	free(d);
}
