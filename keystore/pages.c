/* SPDX-License-Identifier: BSD-2-Clause */
/* Every page below the meta page; how they are made is in pages_format.h. */
#include "keystore/pages.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "keystore/pages_format.h"

/* One walk; what it is at, and what it has seen. */
struct walk {
	const struct pages_file *file;
	size_t page_size;
	uint64_t last;
	uint64_t txid;
	uint64_t *reached;     /* a bit for each page */
	bool is_brief;	       /* no tables, no free list */
	pages_entry_fn *visit; /* NULL: the first problem ends it */
	void *context;
	struct pages_problem *problem;

	const char *table; /* NULL: names or free list */
	bool is_free;
	bool is_names;
	unsigned depth; /* of the tree */
	uint64_t entries;
};

/* The keys that may be below a page: LOW and more, less than HIGH. */
struct range {
	struct span low;
	struct span high;   /* data NULL: no bound */
	struct span before; /* the key before, in the same page */
};

struct node {
	struct span key;
	uint16_t flags;
	uint32_t len;  /* of a leaf's value */
	uint64_t page; /* of a branch, or of a long value */
	struct span value;
};

/* ---- pages ---- */

static const uint8_t *page_at(const struct walk *w, uint64_t number)
{
	return w->file->bytes.data + number * w->page_size;
}

static bool is_reached(const struct walk *w, uint64_t page)
{
	return w->reached[page / 64] >> (page % 64) & 1;
}

/* COUNT pages from FIRST on, of which nothing else may be a part. FROM names them. */
static int reach(struct walk *w, uint64_t from, uint64_t first, uint64_t count)
{
	if (first < META_PAGES || first > w->last || count > w->last - first + 1)
		return pages_bad(w->problem, from,
				 "refers to page %" PRIu64 ", which cannot be", first);
	for (uint64_t i = first; i < first + count; i++) {
		if (is_reached(w, i))
			return pages_bad(
				w->problem, from,
				"refers to page %" PRIu64 ", which is in use elsewhere", i);
		w->reached[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return 0;
}

static int fetch(const struct walk *w, uint64_t first, uint64_t count)
{
	if (first + count > w->file->bytes.len / w->page_size)
		return pages_bad(w->problem, first, "is missing: the file is cut short");
	return pages_fetch(w->file, first * w->page_size, count * w->page_size, first,
			   w->problem);
}

/* Pages of which the bytes are needed. */
static int reach_bytes(struct walk *w, uint64_t from, uint64_t first, uint64_t count)
{
	int r = reach(w, from, first, count);

	return r < 0 ? r : fetch(w, first, count);
}

static int check_header(const struct walk *w, uint64_t number, uint16_t kind)
{
	const uint8_t *p = page_at(w, number);

	if (get64(p) != number)
		return pages_bad(w->problem, number, "says that it is page %" PRIu64, get64(p));
	if (get16(p + 10) != kind)
		return pages_bad(w->problem, number, "is of kind 0x%x, not 0x%x", get16(p + 10),
				 kind);
	return 0;
}

/* ---- nodes ---- */

static unsigned node_count(const uint8_t *page)
{
	return (unsigned)(get16(page + 12) - PAGE_HEADER_LEN) / 2;
}

/* Bounds of the page's own fields. */
static int check_bounds(const struct walk *w, uint64_t number, unsigned least)
{
	const uint8_t *p = page_at(w, number);
	uint16_t lower = get16(p + 12);
	uint16_t upper = get16(p + 14);

	if (lower < PAGE_HEADER_LEN || lower % 2 || upper % 2 || lower > upper ||
	    upper > w->page_size)
		return pages_bad(w->problem, number, "has impossible bounds %u and %u", lower,
				 upper);
	if (node_count(p) < least)
		return pages_bad(w->problem, number, "has too few entries: %u", node_count(p));
	return 0;
}

/* Splits node INDEX; what it refers to is not looked at. RET_LEN is what it takes of the page.
 */
static int read_node(const struct walk *w, uint64_t number, unsigned index, struct node *ret,
		     size_t *ret_len)
{
	const uint8_t *p = page_at(w, number);
	bool is_leaf = get16(p + 10) == PAGE_LEAF;
	size_t at = get16(p + PAGE_HEADER_LEN + 2 * (size_t)index);
	size_t len = NODE_HEADER_LEN;
	const uint8_t *n = p + at;

	if (at < get16(p + 14) || at % 2 || at + len > w->page_size)
		return pages_bad(w->problem, number, "has entry %u in an impossible place, %zu",
				 index, at);
	*ret = (struct node){ .key = { n + len, get16(n + 6) }, .flags = get16(n + 4) };
	len += ret->key.len;
	if (is_leaf) {
		ret->len = get16(n) | (uint32_t)get16(n + 2) << 16;
		len += ret->flags & NODE_IS_LONG ? sizeof(uint64_t) : ret->len;
	} else {
		ret->page =
			get16(n) | (uint64_t)get16(n + 2) << 16 | (uint64_t)ret->flags << 32;
	}
	if (at + len > w->page_size)
		return pages_bad(w->problem, number, "has entry %u reaching beyond its end",
				 index);
	if (is_leaf && ret->flags & NODE_IS_LONG)
		ret->page = get64(ret->key.data + ret->key.len);
	else if (is_leaf)
		ret->value = SPAN_OF(ret->key.data + ret->key.len, ret->len);
	*ret_len = len + len % 2;
	return 0;
}

static int compare(const struct walk *w, struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r;

	if (w->is_free) { /* both are of that length: check_key() */
		uint64_t x = get64(a.data);
		uint64_t y = get64(b.data);

		return (x > y) - (x < y);
	}
	r = memcmp(a.data, b.data, len);
	return r ? r : (a.len > b.len) - (a.len < b.len);
}

static int check_key(const struct walk *w, uint64_t number, unsigned index, struct span key,
		     struct range range)
{
	if (key.len < 1 || key.len > KEY_MAX || (w->is_free && key.len != sizeof(uint64_t)))
		return pages_bad(w->problem, number, "has entry %u with a key of %zu bytes",
				 index, key.len);
	if ((range.before.data && compare(w, range.before, key) >= 0) ||
	    (range.low.data && compare(w, range.low, key) > 0) ||
	    (range.high.data && compare(w, key, range.high) >= 0))
		return pages_bad(w->problem, number, "has entry %u out of order", index);
	return 0;
}

/*
 * All nodes of a page: in bounds, in order, and filling what is above upper without a gap or an
 * overlap, since LMDB moves them about by their lengths. The first key of a branch means
 * nothing.
 */
static int check_nodes(const struct walk *w, uint64_t number, struct range range)
{
	const uint8_t *p = page_at(w, number);
	bool is_branch = get16(p + 10) == PAGE_BRANCH;
	uint64_t taken[PAGE_SIZE_MAX / 2 / 64];
	size_t sum = 0;

	memset(taken, 0, w->page_size / 16);
	for (unsigned i = 0; i < node_count(p); i++) {
		struct node n;
		size_t len;
		size_t at;
		int r = read_node(w, number, i, &n, &len);

		if (r == 0 && !(is_branch && i == 0)) {
			r = check_key(w, number, i, n.key, range);
			range.before = n.key;
		}
		if (r < 0)
			return r;
		at = (size_t)(n.key.data - NODE_HEADER_LEN - p) / 2;
		if (taken[at / 64] >> (at % 64) & 1)
			return pages_bad(w->problem, number, "has entry %u inside another", i);
		taken[at / 64] |= UINT64_C(1) << (at % 64);
		sum += len;
	}
	if (sum != w->page_size - get16(p + 14))
		return pages_bad(w->problem, number, "has entries that do not fill it");
	/* with the sum right, each node must begin where one ends */
	for (size_t at = get16(p + 14); at < w->page_size;) {
		const uint8_t *n = p + at;
		size_t len = NODE_HEADER_LEN + get16(n + 6);

		if (!(taken[at / 2 / 64] >> (at / 2 % 64) & 1))
			return pages_bad(w->problem, number, "has entries that overlap");
		if (!is_branch)
			len += get16(n + 4) & NODE_IS_LONG
				       ? sizeof(uint64_t)
				       : get16(n) | (uint32_t)get16(n + 2) << 16;
		at += len + len % 2;
	}
	return 0;
}

/* ---- values ---- */

static int read_long(struct walk *w, uint64_t number, struct node *n)
{
	uint64_t need = ((uint64_t)n->len + PAGE_HEADER_LEN - 1) / w->page_size + 1;
	uint64_t have;
	int r;

	if (n->page < META_PAGES || n->page > w->last)
		return pages_bad(w->problem, number,
				 "refers to page %" PRIu64 ", which cannot be", n->page);
	r = fetch(w, n->page, 1);
	if (r == 0)
		r = check_header(w, n->page, PAGE_LONG);
	if (r < 0)
		return r;
	have = get32(page_at(w, n->page) + 12);
	if (have < need)
		return pages_bad(w->problem, n->page,
				 "has %" PRIu64 " pages for a value that takes %" PRIu64, have,
				 need);
	r = reach_bytes(w, number, n->page, have);
	if (r == 0)
		n->value = SPAN_OF(page_at(w, n->page) + PAGE_HEADER_LEN, n->len);
	return r;
}

/* A transaction's pages: how many, then their numbers, falling. */
static int check_free(struct walk *w, uint64_t number, const struct node *n)
{
	uint64_t before = w->last + 1;
	uint64_t key = get64(n->key.data);
	uint64_t count;

	if (key < 1 || key > w->txid)
		return pages_bad(w->problem, number, "frees pages of a transaction to come");
	if (n->len % sizeof(uint64_t) || n->len < sizeof(uint64_t))
		return pages_bad(w->problem, number, "has a free list of %u bytes", n->len);
	count = get64(n->value.data);
	if (count > n->len / sizeof(uint64_t) - 1)
		return pages_bad(w->problem, number, "has a free list that is too long");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t page = get64(n->value.data + i * sizeof(uint64_t));
		int r;

		if (page >= before)
			return pages_bad(w->problem, number, "has a free list out of order");
		before = page;
		r = reach(w, number, page, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk_tree(struct walk *w, uint64_t from, const struct tree *t);

#define NAMES "the names of tables"

/* Where a problem is that turns up from here on. */
static void set_place(struct walk *w, const char *place, bool is_table)
{
	if (w->problem->what[0])
		return;
	w->problem->place = place;
	w->problem->is_table = is_table;
}

static const char *find_table(const struct walk *w, struct span key)
{
	for (size_t i = 0; w->file->tables[i]; i++)
		if (strlen(w->file->tables[i]) == key.len &&
		    memcmp(w->file->tables[i], key.data, key.len) == 0)
			return w->file->tables[i];
	return NULL;
}

static int walk_table(struct walk *w, uint64_t number, const struct node *n)
{
	const char *table = find_table(w, n->key);
	struct walk outer = *w;
	struct tree t;
	int r;

	if (!table || n->flags != NODE_IS_TREE || n->len != TREE_LEN)
		return pages_bad(w->problem, number,
				 "names a table that is not of this kind of file");
	t = pages_read_tree(n->value.data);
	if (t.flags || t.pad)
		return pages_bad(w->problem, number, "has table %s with flags 0x%x", table,
				 t.flags);
	if (w->is_brief)
		return 0;
	set_place(w, table, true);
	w->table = table;
	w->is_names = false;
	r = walk_tree(w, number, &t);
	*w = outer;
	set_place(w, NAMES, false);
	return r;
}

static int take_entry(struct walk *w, uint64_t number, struct node *n)
{
	int r = 0;

	w->entries++;
	if (w->is_names)
		return walk_table(w, number, n);
	if (n->flags & ~NODE_IS_LONG)
		return pages_bad(w->problem, number, "has an entry with flags 0x%x", n->flags);
	if (n->flags & NODE_IS_LONG)
		r = read_long(w, number, n);
	if (r < 0)
		return r;
	if (w->is_free)
		return check_free(w, number, n);
	return w->visit ? w->visit(w->context, w->table, n->key, n->value) : 0;
}

/* ---- trees ---- */

/* When salvaging, damage costs what is below it and no more. */
static int go_on(const struct walk *w, int r)
{
	return r == -EBADMSG && w->visit ? 0 : r;
}

static int walk_leaf(struct walk *w, uint64_t number)
{
	unsigned count = node_count(page_at(w, number));
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		struct node n;
		size_t len;

		r = read_node(w, number, i, &n, &len);
		if (r == 0)
			r = take_entry(w, number, &n);
		r = go_on(w, r);
	}
	return r;
}

static int walk_page(struct walk *w, uint64_t from, uint64_t number, struct range range,
		     unsigned level)
{
	bool is_leaf = level + 1 == w->depth;
	unsigned count;
	int r = reach_bytes(w, from, number, 1);

	if (r == 0)
		r = check_header(w, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH);
	/* a branch of the free list may be left with one below it */
	if (r == 0)
		r = check_bounds(w, number, is_leaf || w->is_free ? 1 : 2);
	if (r == 0) /* each node is looked at again before it is used */
		r = go_on(w, check_nodes(w, number, range));
	if (r < 0)
		return r;
	if (is_leaf)
		return walk_leaf(w, number);
	count = node_count(page_at(w, number));
	for (unsigned i = 0; i < count && r == 0; i++) {
		struct range below = range;
		struct node n;
		struct node next;
		size_t len;

		r = read_node(w, number, i, &n, &len);
		if (r == 0 && i > 0)
			below.low = n.key;
		if (r == 0 && i + 1 < count) {
			r = read_node(w, number, i + 1, &next, &len);
			if (r == 0)
				below.high = next.key;
			r = go_on(w, r);
		}
		if (r == 0)
			r = walk_page(w, number, n.page, below, level + 1);
		r = go_on(w, r);
	}
	return r;
}

static int walk_tree(struct walk *w, uint64_t from, const struct tree *t)
{
	int r;

	if (t->root == NO_PAGE) {
		if (t->depth || t->entries)
			return pages_bad(w->problem, from, "has a tree without a root");
		return 0;
	}
	if (t->depth < 1 || t->depth > TREE_DEPTH_MAX)
		return pages_bad(w->problem, from, "has a tree of depth %u", t->depth);
	w->depth = t->depth;
	w->entries = 0;
	r = walk_page(w, from, t->root, (struct range){ 0 }, 0);
	if (r == 0 && w->entries != t->entries)
		return pages_bad(w->problem, from,
				 "counts %" PRIu64 " entries where there are %" PRIu64,
				 t->entries, w->entries);
	return r;
}

static int walk_all(struct walk *w, const struct meta_page *m)
{
	int r;

	set_place(w, NAMES, false);
	w->is_names = true;
	r = go_on(w, walk_tree(w, m->number, &m->names));
	if (r < 0 || w->visit || w->is_brief)
		return r;
	set_place(w, "the free list", false);
	w->is_names = false;
	w->is_free = true;
	return walk_tree(w, m->number, &m->free);
}

static int walk_file(struct walk *w)
{
	struct meta_page m;
	int r;

	*w->problem = (struct pages_problem){ 0 };
	r = pages_find_meta(w->file, &m, w->problem);
	if (r == -EBADMSG && w->visit)
		r = pages_find_any_meta(w->file, &m);
	if (r < 0)
		return r;
	w->page_size = m.free.pad;
	w->last = m.last;
	w->txid = m.txid;
	/* what lies beyond the file needs no bit of its own but in a free list */
	w->reached = calloc(m.last / 64 + 1, sizeof(*w->reached));
	if (!w->reached)
		return -ENOMEM;
	r = walk_all(w, &m);
	w->problem->offset = w->problem->page * w->page_size;
	free(w->reached);
	return r;
}

int pages_check(const struct pages_file *file, struct pages_problem *ret)
{
	struct walk w = { .file = file, .problem = ret };

	return walk_file(&w);
}

int pages_check_names(const struct pages_file *file, struct pages_problem *ret)
{
	struct walk w = { .file = file, .is_brief = true, .problem = ret };

	return walk_file(&w);
}

bool pages_can_salvage(const struct pages_file *file)
{
	struct meta_page m;

	return pages_find_any_meta(file, &m) == 0;
}

int pages_salvage(const struct pages_file *file, pages_entry_fn *visit, void *context,
		  struct pages_problem *ret)
{
	struct walk w = { .file = file, .visit = visit, .context = context, .problem = ret };

	return walk_file(&w);
}
