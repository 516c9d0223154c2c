/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields inside a sealed body: u8 tag, u32 length, value, in ascending order of tag.
 * Writing goes to memory of a fixed size, since growing would leave copies of secrets behind.
 */
#ifndef KEYSTORE_TLV_H
#define KEYSTORE_TLV_H

#include <stdbool.h>

#include "keystore/seal.h"

enum { TLV_HEAD_LEN = 5 };

struct tlv_writer {
	uint8_t *data; /* borrowed */
	size_t len;
	size_t cap;
	bool overflow;
};

void tlv_put(struct tlv_writer *w, uint8_t tag, struct span value);

struct tlv {
	uint8_t tag;
	struct span value; /* inside the bytes that are read */
};

struct tlv_reader {
	struct span rest;
	uint8_t last;	 /* the highest tag so far */
	uint32_t repeat; /* bits 1 << tag, of those below 32 that may come more than once */
};

/* 1 and the next field, 0 at the end, -EBADMSG when it does not fit or is out of order. Tag 0
 * is never valid. */
must_check int tlv_next(struct tlv_reader *r, struct tlv *ret);

#endif
