/* SPDX-License-Identifier: BSD-2-Clause */
/* Audit.*: reading and checking the log. */
#include <sodium.h>
#include <string.h>

#include "base/json.h"
#include "rotated/vault/audit.h"
#include "rotated/vault/control.h"

enum { COUNT_DEFAULT = 50, COUNT_MAX = 1000 };

struct excerpt {
	struct json json;
	uint64_t from, to;    /* sequence numbers, both included */
	uint64_t first, last; /* what there is */
};

/* A line without its chain is an object of the answer as it stands. */
static int write_line(void *context, const char *line, size_t len)
{
	struct excerpt *x = context;
	struct audit_line parsed;

	if (audit_line_parse(line, len, &parsed) < 0)
		return 0;
	if (x->first == 0)
		x->first = parsed.seq;
	x->last = parsed.seq;
	if (parsed.seq < x->from || parsed.seq > x->to)
		return 0;
	if (x->json.need_comma)
		buf_append_str(x->json.out, ",");
	buf_append(x->json.out, line, parsed.prev_at);
	buf_append_str(x->json.out, "}");
	x->json.need_comma = true;
	return 0;
}

static int choose(const struct request *req, struct excerpt *x)
{
	struct keystore_audit end;
	uint64_t count = COUNT_DEFAULT;
	int r = frame_number(req->frame, "count", &count);

	if ((r < 0 && r != -ENOENT) || count == 0 || count > COUNT_MAX)
		return -EINVAL;
	audit_end(req->m->audit, &end);
	x->from = end.seq > count ? end.seq - count + 1 : 1;
	r = frame_number(req->frame, "from", &x->from);
	if (r < 0 && r != -ENOENT)
		return -EINVAL;
	x->to = x->from > UINT64_MAX - count ? UINT64_MAX : x->from + count - 1;
	return 0;
}

enum wire_status verb_audit_show(struct request *req)
{
	struct excerpt x = { .json = JSON_INIT(&req->reply.json) };
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return request_fail(req, r);
	if (choose(req, &x) < 0)
		return request_refuse(req, WIRE_STATUS_USAGE, NULL,
				      "from and count are numbers, count at most %d",
				      COUNT_MAX);
	json_put_object(&x.json, NULL);
	json_put_array(&x.json, "records");
	x.json.need_comma = false;
	r = audit_walk(req->m->config->vault.audit, write_line, &x, NULL);
	if (r < 0 && r != -ENOENT)
		return request_fail(req, r);
	json_put_array_end(&x.json);
	json_put_number(&x.json, "first", x.first);
	json_put_number(&x.json, "last", x.last);
	json_put_object_end(&x.json);
	return WIRE_STATUS_OK;
}

static void write_verdict(const struct audit_verdict *v, bool has_tags, struct buf *ret)
{
	struct json j = JSON_INIT(ret);

	json_put_object(&j, NULL);
	json_put_string(&j, "state", audit_state_word(v->state));
	json_put_bool(&j, "tags", has_tags);
	json_put_number(&j, "records", v->records);
	json_put_number(&j, "first", v->first);
	json_put_number(&j, "last", v->last);
	json_put_number(&j, "segments", v->segments);
	if (v->state == AUDIT_OK)
		json_put_null(&j, "at");
	else
		json_put_number(&j, "at", v->at);
	json_put_null(&j, "detail");
	json_put_object_end(&j);
}

/* 1: FIRST_KEY is the key of line 1; 0: nobody has offered what opens it. */
static int take_first_key(struct request *req, uint8_t first_key[static KEYSTORE_AUDIT_LEN])
{
	const struct frame_field *field = frame_find(req->frame, "recovery_key");
	cleanup_secret struct secret *recovery = NULL;
	int r;

	if (!field)
		return 0;
	recovery = secret_new(field->data, field->len);
	if (!recovery)
		return -ENOMEM;
	r = keystore_audit_first_key(req->m->keystore, recovery, first_key, &req->reply.report);
	return r < 0 ? r : 1;
}

static int verify(struct request *req, bool *ret_has_tags, struct audit_verdict *ret)
{
	uint8_t first_key[KEYSTORE_AUDIT_LEN];
	struct keystore_audit end;
	int r = request_require(req, KEYSTORE_AUTH);

	if (r < 0)
		return r;
	r = take_first_key(req, first_key);
	if (r < 0)
		return r;
	*ret_has_tags = r > 0;
	audit_end(req->m->audit, &end);
	r = audit_verify(req->m->config->vault.audit, &end, *ret_has_tags ? first_key : NULL,
			 ret);
	sodium_memzero(first_key, sizeof(first_key));
	sodium_memzero(&end, sizeof(end));
	return r;
}

enum wire_status verb_audit_verify(struct request *req)
{
	struct audit_verdict verdict;
	bool has_tags;
	int r = verify(req, &has_tags, &verdict);

	if (r < 0)
		return request_fail(req, r);
	write_verdict(&verdict, has_tags, &req->reply.json);
	if (verdict.state == AUDIT_OK)
		return WIRE_STATUS_OK;
	return request_refuse(
		req, WIRE_STATUS_REFUSED, has_tags ? NULL : "rotatectl audit verify --recovery",
		"the audit log is %s at line %ju",
		verdict.state == AUDIT_GAP ? "missing lines" : audit_state_word(verdict.state),
		(uintmax_t)verdict.at);
}
