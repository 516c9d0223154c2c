/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "keystore/pages_format.h"

int pages_bad(struct pages_problem *p, uint64_t page, const char *fmt, ...)
{
	va_list ap;

	if (p->what[0])
		return -EBADMSG;
	p->page = page;
	va_start(ap, fmt);
	(void)vsnprintf(p->what, sizeof(p->what), fmt, ap); /* cut to fit */
	va_end(ap);
	return -EBADMSG;
}

int pages_fetch(const struct pages_file *file, size_t at, size_t len, uint64_t page,
		struct pages_problem *problem)
{
	int r = file->fetch ? file->fetch(file->context, at, len) : 0;

	return r == -EIO ? pages_bad(problem, page, "can not be read from the disk") : r;
}

struct tree pages_read_tree(const uint8_t *p)
{
	return (struct tree){
		.pad = get32(p),
		.flags = get16(p + 4),
		.depth = get16(p + 6),
		.entries = get64(p + 32),
		.root = get64(p + 40),
	};
}

static int read_meta(const struct pages_file *file, size_t page_size, uint64_t number,
		     struct meta_page *ret, struct pages_problem *problem)
{
	size_t at = number * page_size;
	const uint8_t *p = file->bytes.data + at;
	const uint8_t *m = p + PAGE_HEADER_LEN;
	int r;

	if (file->bytes.len < at + PAGE_HEADER_LEN + META_FIELDS_LEN)
		return pages_bad(problem, number, "is missing: the file is cut short");
	r = pages_fetch(file, at, PAGE_HEADER_LEN + META_FIELDS_LEN, number, problem);
	if (r < 0)
		return r;
	if (get16(p + 10) != PAGE_META || get64(p) != number || get32(m) != META_MAGIC)
		return pages_bad(problem, number,
				 "is not a meta page: no file of LMDB, or damaged");
	if (get32(m + 4) != META_VERSION) {
		if (!problem->what[0])
			problem->is_newer = true;
		return pages_bad(problem, number,
				 "is of version %u of LMDB's format, not of version %u",
				 get32(m + 4), META_VERSION);
	}
	*ret = (struct meta_page){
		.number = number,
		.map_size = get64(m + 16),
		.free = pages_read_tree(m + 24),
		.names = pages_read_tree(m + 24 + TREE_LEN),
		.last = get64(m + 24 + 2 * (size_t)TREE_LEN),
		.txid = get64(m + 32 + 2 * (size_t)TREE_LEN),
	};
	return 0;
}

static int check_meta(const struct meta_page *m, size_t page_size,
		      struct pages_problem *problem)
{
	if (m->free.pad != page_size || page_size < PAGE_SIZE_MIN ||
	    page_size > PAGE_SIZE_MAX || (page_size & (page_size - 1)))
		return pages_bad(problem, m->number, "says that pages have %u bytes",
				 m->free.pad);
	if ((m->free.flags & ~META_NO_FOLDER) != TREE_HAS_NUMBERS || m->names.flags ||
	    m->names.pad)
		return pages_bad(problem, m->number, "has flags 0x%x and 0x%x", m->free.flags,
				 m->names.flags);
	if (m->txid % META_PAGES != m->number && m->txid != 0)
		return pages_bad(problem, m->number, "is of transaction %" PRIu64, m->txid);
	if (m->last < META_PAGES - 1 || m->last >= m->map_size / page_size ||
	    m->last >= PAGES_MAX)
		return pages_bad(problem, m->number, "says that the last page is %" PRIu64,
				 m->last);
	return 0;
}

static int take_meta(const struct pages_file *file, size_t page_size, uint64_t number,
		     struct meta_page *ret, struct pages_problem *problem)
{
	int r = read_meta(file, page_size, number, ret, problem);

	return r < 0 ? r : check_meta(ret, page_size ? page_size : ret->free.pad, problem);
}

/* The other page may be written at any time, and this one by the transaction after the next:
 * -EAGAIN then. */
static int find_meta_of(const struct pages_file *file, struct meta_page *ret,
			struct pages_problem *problem)
{
	int r = take_meta(file, file->page_size, file->txid % META_PAGES, ret, problem);

	if (r == 0 && ret->txid != file->txid)
		return -EAGAIN;
	return r;
}

int pages_find_meta(const struct pages_file *file, struct meta_page *ret,
		    struct pages_problem *problem)
{
	struct meta_page m[META_PAGES] = { 0 };
	int r;

	problem->place = "the meta pages";
	if (file->txid)
		return find_meta_of(file, ret, problem);
	r = take_meta(file, 0, 0, &m[0], problem);
	if (r == 0)
		r = take_meta(file, m[0].free.pad, 1, &m[1], problem);
	if (r == 0)
		*ret = m[m[0].txid < m[1].txid];
	else
		problem->offset = problem->page * m[0].free.pad;
	return r;
}

int pages_find_any_meta(const struct pages_file *file, struct meta_page *ret)
{
	struct pages_problem ignored = { 0 };
	struct meta_page m;
	bool found = take_meta(file, 0, 0, ret, &ignored) == 0;

	/* where the second one is depends on what the first one says */
	for (size_t size = PAGE_SIZE_MIN; size <= PAGE_SIZE_MAX; size *= 2) {
		if (take_meta(file, size, 1, &m, &ignored) < 0 || (found && m.txid < ret->txid))
			continue;
		*ret = m;
		found = true;
	}
	return found ? 0 : -EBADMSG;
}
