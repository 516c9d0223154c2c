/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/tlv.h"

#include <string.h>

#include "base/bytes.h"

void tlv_put(struct tlv_writer *w, uint8_t tag, struct span value)
{
	uint8_t *p = w->data + w->len;

	if (w->overflow || value.len > UINT32_MAX || w->cap - w->len < TLV_HEAD_LEN ||
	    w->cap - w->len - TLV_HEAD_LEN < value.len) {
		w->overflow = true;
		return;
	}
	p[0] = tag;
	store_be32(p + 1, (uint32_t)value.len);
	if (value.len)
		memcpy(p + TLV_HEAD_LEN, value.data, value.len);
	w->len += TLV_HEAD_LEN + value.len;
}

int tlv_next(struct tlv_reader *r, struct tlv *ret)
{
	uint32_t len;
	uint8_t tag;

	if (r->rest.len == 0)
		return 0;
	if (r->rest.len < TLV_HEAD_LEN)
		return -EBADMSG;
	tag = r->rest.data[0];
	if (tag < r->last || tag == 0)
		return -EBADMSG;
	if (tag == r->last && (tag >= 32 || !(r->repeat & (1U << tag))))
		return -EBADMSG;
	len = load_be32(r->rest.data + 1);
	if (len > r->rest.len - TLV_HEAD_LEN)
		return -EBADMSG;
	ret->tag = tag;
	ret->value = SPAN_OF(r->rest.data + TLV_HEAD_LEN, len);
	r->last = tag;
	r->rest = SPAN_OF(r->rest.data + TLV_HEAD_LEN + len, r->rest.len - TLV_HEAD_LEN - len);
	return 1;
}
