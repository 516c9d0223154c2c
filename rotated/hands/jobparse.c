/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/job.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"

enum {
	EXPECT_MAX = 4096,
	SERVERS_TEXT_MAX = 2048,
	RESOLV_CONF_MAX = 64 * 1024,
};

static const char resolv_conf[] = "/etc/resolv.conf";

void job_refuse(struct job *j, enum hook_result result, const char *detail)
{
	struct json json = JSON_INIT(&j->output);

	j->result =
		job_is_hook(j) ? hook_result_word(result) : dns_result_word(DNS_UNREACHABLE);
	buf_clear(&j->output);
	json_put_object(&json, NULL);
	json_put_string(&json, "detail", detail);
	json_put_object_end(&json);
}

static bool is_id(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || *s == '.' || *s == '_' || *s == '-'))
			return false;
	return true;
}

static int copy_field(const struct frame *f, const char *key, struct buf *ret)
{
	const struct frame_field *field = frame_find(f, key);

	if (!field)
		return 0;
	if (memchr(field->data, '\0', field->len))
		return -EBADMSG;
	buf_append(ret, field->data, field->len);
	return buf_error(ret);
}

/* Only our own names get in: PATH, LD_PRELOAD and the like are not for a job to say. */
static bool is_environment(struct buf *lines)
{
	static const char prefix[] = "ROTATED_SETTING_";
	const char *p = buf_string(lines);

	while (p && *p) {
		size_t line = strcspn(p, "\n");
		size_t name = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

		if (p[line] != '\n' || p[name] != '=' ||
		    strncmp(p, prefix, strlen(prefix)) != 0)
			return false;
		p += line + 1;
	}
	return p != NULL;
}

/* [a-z-]+: a line of the environment is made of it. */
static bool is_action(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

static const char *parse_hook(const struct frame *f, struct job *j)
{
	struct hook_job *h = &j->hook;
	struct dns_name zone;

	if (dns_name_from_text(j->zone, &zone) < 0)
		return "the zone is not a domain name";
	if (frame_text(f, "program", h->program, sizeof(h->program)) < 0 ||
	    h->program[0] != '/')
		return "the hook is not named by an absolute path";
	if (frame_text(f, "action", h->action, sizeof(h->action)) < 0 || !is_action(h->action))
		return "what the hook is to do is not a word";
	if (copy_field(f, "payload", &h->payload) < 0)
		return "what the hook is to read is not text";
	if (copy_field(f, "environment", &h->environment) < 0 ||
	    !is_environment(&h->environment))
		return "the hook's environment is not lines of ROTATED_SETTING_NAME=VALUE";
	return NULL;
}

/* What is said without a secret is not held back, and what is not of the contract is refused.
 */
static const char *parse_upstream(const struct frame *f, struct job *j)
{
	const char *why = parse_hook(f, j);
	struct hook_job *h = &j->hook;
	int r;

	if (why)
		return why;
	r = upstream_payload_secret(h->payload.data, h->payload.len, &h->secret);
	return r == 0 || r == -ENOENT ? NULL : "what the hook is to read is not a JSON object";
}

static int parse_list(const struct frame *f, const char *key, struct dns_servers *ret)
{
	char text[SERVERS_TEXT_MAX];
	int r = frame_text(f, key, text, sizeof(text));

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : dns_servers_parse(text, ret);
}

/* The machine's own resolvers, read anew for every job: they change while we run. */
static void default_resolvers(struct dns_servers *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	const char *s = "";

	if (fs_read(AT_FDCWD, resolv_conf, RESOLV_CONF_MAX, &text) == 0 && buf_string(&text))
		s = buf_string(&text);
	dns_servers_from_resolv_conf(s, ret);
}

static const char *parse_dns(const struct frame *f, struct job *j)
{
	struct dns_check *c = &j->dns.check;
	char name[DOMAIN_MAX + 2];

	if (frame_text(f, "name", name, sizeof(name)) < 0 ||
	    dns_name_from_text(name, &c->name) < 0)
		return "the record's name is not a domain name";
	if (dns_name_from_text(j->zone, &c->zone) < 0)
		return "the zone is not a domain name";
	if (!dns_name_is_under(&c->name, &c->zone))
		return "the record's name is not in the zone";
	if (parse_list(f, "servers", &c->servers) < 0)
		return "servers= is not a list of addresses";
	if (parse_list(f, "resolver", &c->resolvers) < 0)
		return "resolver= is not an address";
	if (c->resolvers.count == 0)
		default_resolvers(&c->resolvers);
	if (!frame_find(f, "expect"))
		return NULL;
	j->dns.expect.max = EXPECT_MAX;
	if (copy_field(f, "expect", &j->dns.expect) < 0)
		return "the text that is expected is too long, or not text";
	c->expect = buf_string(&j->dns.expect);
	return c->expect ? NULL : "no memory";
}

int job_from_frame(const struct frame *f, enum wire_verb verb, struct job **ret)
{
	cleanup_job struct job *j = calloc(1, sizeof(*j));
	uint64_t seconds;
	const char *why;

	if (!j)
		return -ENOMEM;
	j->child = CHILD_NONE;
	j->kind = verb == WIRE_JOB_HOOK	      ? JOB_HOOK
		  : verb == WIRE_JOB_UPSTREAM ? JOB_UPSTREAM
					      : JOB_DNS;
	if (frame_text(f, "id", j->id, sizeof(j->id)) < 0 || !is_id(j->id) ||
	    frame_text(f, "zone", j->zone, sizeof(j->zone)) < 0)
		return -EBADMSG;
	if (frame_number(f, "timeout", &seconds) < 0 || seconds == 0 ||
	    seconds > JOB_TIMEOUT_MAX)
		return -EBADMSG;
	j->timeout = seconds * USEC_PER_SEC;
	why = j->kind == JOB_HOOK	? parse_hook(f, j)
	      : j->kind == JOB_UPSTREAM ? parse_upstream(f, j)
					: parse_dns(f, j);
	if (why)
		job_refuse(j, HOOK_CONFIG, why);
	*ret = steal_ptr(j);
	return 0;
}
