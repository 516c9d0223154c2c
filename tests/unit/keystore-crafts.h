/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that somebody made up, in a data file of a store of RECORDS records in a table of
 * two levels, some with long values: one edit for each thing that a page can say wrongly. */
#ifndef TESTS_UNIT_KEYSTORE_CRAFTS_H
#define TESTS_UNIT_KEYSTORE_CRAFTS_H

#include "tests/unit/keystore-fixture.h"

#include "base/buf.h"
#include "keystore/pages_format.h"

enum {
	PAGE = 4096,
	RECORDS = 300,
	LEAF_MAX = 40, /* records that one page holds */
};

/* Where things are in the file, in bytes; found once. */
struct layout {
	size_t meta;			/* the page that is used */
	size_t other;			/* the other one */
	size_t names;			/* the leaf that names the tables */
	size_t cur;			/* the node in it of that table: its record */
	size_t branch, leaf, last_leaf; /* of cur */
	size_t large;			/* first page of a long value */
	size_t large_node;
	size_t free; /* a leaf of the free list */
};

static inline uint64_t at64(const struct buf *b, size_t at)
{
	return get64(b->data + at);
}

static size_t node_of(const struct buf *b, size_t page, unsigned i)
{
	return page + get16(b->data + page + PAGE_HEADER_LEN + 2 * (size_t)i);
}

static inline unsigned nodes_of(const struct buf *b, size_t page)
{
	return (unsigned)(get16(b->data + page + 12) - PAGE_HEADER_LEN) / 2;
}

static inline size_t child_of(const struct buf *b, size_t page, unsigned i)
{
	const uint8_t *n = b->data + node_of(b, page, i);

	return PAGE * (get16(n) | (size_t)get16(n + 2) << 16);
}

static const size_t META_FREE = PAGE_HEADER_LEN + 24;
static const size_t META_NAMES = META_FREE + TREE_LEN;
static const size_t META_LAST = META_NAMES + TREE_LEN;
static const size_t META_TXID = META_LAST + 8;
static const size_t TREE_ROOT = 40;

static void find_long(const struct buf *b, size_t leaf, struct layout *l)
{
	for (unsigned i = 0; i < nodes_of(b, leaf); i++) {
		size_t n = node_of(b, leaf, i);

		if (!(get16(b->data + n + 4) & NODE_IS_LONG))
			continue;
		l->large_node = n + NODE_HEADER_LEN + get16(b->data + n + 6);
		l->large = PAGE * at64(b, l->large_node);
	}
}

static void find_cur(const struct buf *b, struct layout *l)
{
	for (unsigned i = 0; i < nodes_of(b, l->names); i++) {
		size_t n = node_of(b, l->names, i);

		if (memcmp(b->data + n + NODE_HEADER_LEN, "cur", 3) == 0)
			l->cur = n + NODE_HEADER_LEN + 3;
	}
	assert_true(l->cur > 0);
	assert_int_equal(get16(b->data + l->cur + 6), 2); /* depth */
	l->branch = PAGE * at64(b, l->cur + TREE_ROOT);
	for (unsigned i = 0; i < nodes_of(b, l->branch); i++) {
		l->last_leaf = child_of(b, l->branch, i);
		find_long(b, l->last_leaf, l);
	}
	l->leaf = child_of(b, l->branch, 1);
	assert_true(l->large > 0);
}

static inline struct layout find_layout(const struct buf *b)
{
	struct layout l = { .meta = PAGE };

	if (at64(b, META_TXID) > at64(b, PAGE + META_TXID))
		l = (struct layout){ .other = PAGE };
	l.names = PAGE * at64(b, l.meta + META_NAMES + TREE_ROOT);
	l.free = PAGE * at64(b, l.meta + META_FREE + TREE_ROOT);
	while (get16(b->data + l.free + 10) == PAGE_BRANCH)
		l.free = child_of(b, l.free, 0);
	find_cur(b, &l);
	return l;
}

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* The child INDEX of the branch of cur becomes PAGE_NUMBER. */
static void set_child(const struct buf *b, const struct layout *l, unsigned index,
		      uint64_t page_number)
{
	uint8_t *n = b->data + node_of(b, l->branch, index);

	put16(n, (uint16_t)page_number);
	put16(n + 2, (uint16_t)(page_number >> 16));
	put16(n + 4, (uint16_t)(page_number >> 32));
}

typedef size_t craft_fn(struct buf *b, const struct layout *l);

/* Each returns where the page is that is to be named. */
static size_t branch_leads_to_itself(struct buf *b, const struct layout *l)
{
	set_child(b, l, 1, l->branch / PAGE);
	return l->branch;
}

static size_t two_branches_lead_to_one_leaf(struct buf *b, const struct layout *l)
{
	set_child(b, l, 2, l->leaf / PAGE);
	return l->branch;
}

static size_t branch_leads_out_of_the_file(struct buf *b, const struct layout *l)
{
	set_child(b, l, 1, at64(b, l->meta + META_LAST) + 1);
	return l->branch;
}

static size_t branch_leads_far_out(struct buf *b, const struct layout *l)
{
	set_child(b, l, 1, UINT64_C(0xffffffffffff));
	return l->branch;
}

static size_t branch_leads_to_a_meta_page(struct buf *b, const struct layout *l)
{
	set_child(b, l, 1, 1);
	return l->branch;
}

static size_t branch_leads_to_the_table_of_names(struct buf *b, const struct layout *l)
{
	set_child(b, l, 1, l->names / PAGE);
	return l->branch;
}

static size_t leaf_is_called_a_branch(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + 10, PAGE_BRANCH);
	return l->leaf;
}

static size_t leaf_has_another_number(struct buf *b, const struct layout *l)
{
	put64(b->data + l->leaf, 3);
	return l->leaf;
}

static size_t leaf_ends_beyond_the_page(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + 12, PAGE - 2);
	return l->leaf;
}

static size_t leaf_begins_beyond_the_page(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + 14, PAGE + 2);
	return l->leaf;
}

static size_t leaf_is_empty(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + 12, PAGE_HEADER_LEN);
	return l->leaf;
}

static size_t entry_lies_in_the_head(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + PAGE_HEADER_LEN + 2, 4);
	return l->leaf;
}

static size_t entry_lies_beyond_the_page(struct buf *b, const struct layout *l)
{
	put16(b->data + l->leaf + PAGE_HEADER_LEN + 2, 65534);
	return l->leaf;
}

static size_t entries_are_in_one_place(struct buf *b, const struct layout *l)
{
	uint8_t *first = b->data + l->leaf + PAGE_HEADER_LEN;

	put16(first + 2, get16(first));
	return l->leaf;
}

/* The first entry from FROM on whose value is in the page itself. */
static unsigned short_value(const struct buf *b, size_t page, unsigned from)
{
	while (get16(b->data + node_of(b, page, from) + 4) & 1) /* F_BIGDATA */
		from++;
	return from;
}

/* What one gains the other loses, so that the page is full all the same. */
static size_t entries_overlap(struct buf *b, const struct layout *l)
{
	unsigned first = short_value(b, l->last_leaf, 0);
	uint8_t *one = b->data + node_of(b, l->last_leaf, first);
	uint8_t *two = b->data + node_of(b, l->last_leaf, short_value(b, l->last_leaf, first + 1));
	uint8_t *low = one < two ? one : two;
	uint8_t *high = one < two ? two : one;

	put16(low, (uint16_t)(get16(low) + 64));
	put16(high, (uint16_t)(get16(high) - 64));
	return l->last_leaf;
}

static size_t value_reaches_beyond_the_page(struct buf *b, const struct layout *l)
{
	put16(b->data + node_of(b, l->leaf, 0), PAGE);
	return l->leaf;
}

static size_t value_is_too_short(struct buf *b, const struct layout *l)
{
	uint8_t *n = b->data + node_of(b, l->leaf, 0);

	put16(n, (uint16_t)(get16(n) - 2));
	return l->leaf;
}

/* The entry that lies lowest, so that the long key is still within the page. */
static size_t key_is_too_long(struct buf *b, const struct layout *l)
{
	uint8_t *n = b->data + l->last_leaf + get16(b->data + l->last_leaf + 14);

	put16(n, 0);
	put16(n + 6, 600);
	return l->last_leaf;
}

static size_t key_is_missing(struct buf *b, const struct layout *l)
{
	put16(b->data + node_of(b, l->leaf, 0) + 6, 0);
	return l->leaf;
}

static size_t keys_are_exchanged(struct buf *b, const struct layout *l)
{
	uint8_t *p = b->data + l->leaf + PAGE_HEADER_LEN;
	uint16_t first = get16(p);

	put16(p, get16(p + 2));
	put16(p + 2, first);
	return l->leaf;
}

static size_t leaves_are_exchanged(struct buf *b, const struct layout *l)
{
	size_t second = child_of(b, l->branch, 2);

	set_child(b, l, 1, second / PAGE);
	set_child(b, l, 2, l->leaf / PAGE);
	return second;
}

static size_t entry_has_duplicates(struct buf *b, const struct layout *l)
{
	b->data[node_of(b, l->leaf, 0) + 4] |= 0x04;
	return l->leaf;
}

static size_t long_value_is_said_of_a_short_one(struct buf *b, const struct layout *l)
{
	b->data[node_of(b, l->leaf, 0) + 4] |= NODE_IS_LONG;
	return l->leaf;
}

static size_t long_value_leads_out_of_the_file(struct buf *b, const struct layout *l)
{
	put64(b->data + l->large_node, UINT64_MAX / 2);
	return 0;
}

static size_t long_value_has_too_few_pages(struct buf *b, const struct layout *l)
{
	put16(b->data + l->large + 12, 1);
	return l->large;
}

static size_t long_value_has_pages_without_end(struct buf *b, const struct layout *l)
{
	memset(b->data + l->large + 12, 0xff, 4);
	return 0;
}

static size_t long_value_is_no_such_page(struct buf *b, const struct layout *l)
{
	put16(b->data + l->large + 10, PAGE_LEAF);
	return l->large;
}

static size_t table_is_too_deep(struct buf *b, const struct layout *l)
{
	put16(b->data + l->cur + 6, TREE_DEPTH_MAX + 1);
	return l->names;
}

static size_t table_is_deeper_than_it_is(struct buf *b, const struct layout *l)
{
	put16(b->data + l->cur + 6, 3);
	return 0;
}

static size_t table_has_duplicates(struct buf *b, const struct layout *l)
{
	put16(b->data + l->cur + 4, 0x04);
	return l->names;
}

static size_t table_has_no_root(struct buf *b, const struct layout *l)
{
	put64(b->data + l->cur + TREE_ROOT, NO_PAGE);
	return l->names;
}

static size_t table_counts_too_many(struct buf *b, const struct layout *l)
{
	put64(b->data + l->cur + 32, RECORDS + 1);
	return l->names;
}

static size_t table_is_of_something_else(struct buf *b, const struct layout *l)
{
	b->data[l->cur - 1] = 'x';
	return l->names;
}

static size_t free_list_has_a_page_in_use(struct buf *b, const struct layout *l)
{
	size_t n = node_of(b, l->free, 0);

	put64(b->data + n + NODE_HEADER_LEN + 16, l->leaf / PAGE);
	return l->free;
}

static size_t free_list_is_longer_than_its_value(struct buf *b, const struct layout *l)
{
	size_t n = node_of(b, l->free, 0);

	put64(b->data + n + NODE_HEADER_LEN + 8, UINT64_MAX / 8);
	return l->free;
}

static size_t free_list_is_of_the_future(struct buf *b, const struct layout *l)
{
	unsigned last = nodes_of(b, l->free) - 1;
	size_t n = node_of(b, l->free, last);

	put64(b->data + n + NODE_HEADER_LEN, at64(b, l->meta + META_TXID) + 1);
	return l->free;
}

static size_t meta_page_is_of_a_newer_format(struct buf *b, const struct layout *l)
{
	put16(b->data + l->meta + PAGE_HEADER_LEN + 4, 2);
	return l->meta;
}

static size_t meta_page_has_no_magic(struct buf *b, const struct layout *l)
{
	b->data[l->meta + PAGE_HEADER_LEN] ^= 1;
	return l->meta;
}

static size_t older_meta_page_has_no_magic(struct buf *b, const struct layout *l)
{
	b->data[l->other + PAGE_HEADER_LEN] ^= 1;
	return l->other;
}

static size_t meta_page_has_small_pages(struct buf *b, const struct layout *l)
{
	put16(b->data + l->meta + META_FREE, 512);
	return l->meta;
}

static size_t meta_page_has_endless_pages(struct buf *b, const struct layout *l)
{
	put64(b->data + l->meta + META_LAST, UINT64_MAX / PAGE);
	return l->meta;
}

static size_t meta_page_is_of_another_transaction(struct buf *b, const struct layout *l)
{
	put64(b->data + l->meta + META_TXID, at64(b, l->meta + META_TXID) + 1);
	return l->meta;
}

/* LOST: how many records may be lost by it, when they do not depend on one page alone. */
static const struct craft {
	const char *name;
	craft_fn *edit;
	const char *what; /* in the text */
	unsigned lost;
} crafts[] = {
#define CRAFT(edit, what, lost)                                                                \
	{                                                                                      \
#edit, edit, what, lost                                                        \
	}
	CRAFT(branch_leads_to_itself, "is in use elsewhere", LEAF_MAX),
	CRAFT(two_branches_lead_to_one_leaf, "is in use elsewhere", LEAF_MAX),
	CRAFT(branch_leads_out_of_the_file, "which cannot be", LEAF_MAX),
	CRAFT(branch_leads_far_out, "which cannot be", LEAF_MAX),
	CRAFT(branch_leads_to_a_meta_page, "which cannot be", LEAF_MAX),
	CRAFT(branch_leads_to_the_table_of_names, "is in use elsewhere", LEAF_MAX),
	CRAFT(leaf_is_called_a_branch, "is of kind", LEAF_MAX),
	CRAFT(leaf_has_another_number, "says that it is page 3", LEAF_MAX),
	CRAFT(leaf_ends_beyond_the_page, "impossible bounds", LEAF_MAX),
	CRAFT(leaf_begins_beyond_the_page, "impossible bounds", LEAF_MAX),
	CRAFT(leaf_is_empty, "too few entries", LEAF_MAX),
	CRAFT(entry_lies_in_the_head, "in an impossible place", 1),
	CRAFT(entry_lies_beyond_the_page, "in an impossible place", 1),
	CRAFT(entries_are_in_one_place, "out of order", 1),
	CRAFT(entries_overlap, "overlap", 2),
	CRAFT(value_reaches_beyond_the_page, "reaching beyond its end", 1),
	CRAFT(value_is_too_short, "do not fill it", 1),
	CRAFT(key_is_too_long, "a key of 600 bytes", 1),
	CRAFT(key_is_missing, "a key of 0 bytes", 1),
	CRAFT(keys_are_exchanged, "out of order", 0),
	CRAFT(leaves_are_exchanged, "out of order", 0),
	CRAFT(entry_has_duplicates, "with flags 0x4", 1),
	CRAFT(long_value_is_said_of_a_short_one, "do not fill it", 1),
	CRAFT(long_value_leads_out_of_the_file, "which cannot be", 1),
	CRAFT(long_value_has_too_few_pages, "pages for a value that takes", 1),
	CRAFT(long_value_has_pages_without_end, "which cannot be", 1),
	CRAFT(long_value_is_no_such_page, "is of kind", 1),
	CRAFT(table_is_too_deep, "a tree of depth 33", RECORDS),
	CRAFT(table_is_deeper_than_it_is, "is of kind", RECORDS),
	CRAFT(table_has_duplicates, "table cur with flags 0x4", RECORDS),
	CRAFT(table_has_no_root, "a tree without a root", RECORDS),
	CRAFT(table_counts_too_many, "counts 301 entries where there are 300", 0),
	CRAFT(table_is_of_something_else, "names a table", RECORDS),
	CRAFT(free_list_has_a_page_in_use, "", 0),
	CRAFT(free_list_is_longer_than_its_value, "a free list that is too long", 0),
	CRAFT(free_list_is_of_the_future, "a transaction to come", 0),
	CRAFT(meta_page_is_of_a_newer_format, "is of version 2", 0),
	CRAFT(meta_page_has_no_magic, "is not a meta page", 0),
	CRAFT(older_meta_page_has_no_magic, "is not a meta page", 0),
	CRAFT(meta_page_has_small_pages, "512 bytes", 0),
	CRAFT(meta_page_has_endless_pages, "says that the last page is", 0),
	CRAFT(meta_page_is_of_another_transaction, "is of transaction", 0),
};

#endif
