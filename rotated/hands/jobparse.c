/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/hands/job.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "rotated/hands/ldapsession.h"

enum {
	EXPECT_MAX = 4096,
	SERVERS_TEXT_MAX = 2048,
	RESOLV_CONF_MAX = 64 * 1024,
};

static const char resolv_conf[] = "/etc/resolv.conf";

/* The words of all kinds of jobs for the same thing are the same, but DNS has only one. */
static const char *refusal_word(enum job_kind kind, enum hook_result result)
{
	if (kind == JOB_DNS)
		return dns_result_word(DNS_UNREACHABLE);
	if ((kind == JOB_SMTP || kind == JOB_LDAP) && result == HOOK_CRASHED)
		result = HOOK_TEMPORARY;
	return hook_result_word(result);
}

void job_refuse(struct job *j, enum hook_result result, const char *detail)
{
	struct json json = JSON_INIT(&j->output);

	j->result = refusal_word(j->kind, result);
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

/* Like frame_text(), but a field that is not there is "". */
static bool take_text(const struct frame *f, const char *key, char *ret, size_t size)
{
	int r = frame_text(f, key, ret, size);

	if (r == -ENOENT)
		ret[0] = '\0';
	return r == 0 || r == -ENOENT;
}

/* The number of the WORD in field KEY; -1 for none of them. */
static int take_word(const struct frame *f, const char *key, const char *const *words)
{
	char text[16];

	if (frame_text(f, key, text, sizeof(text)) < 0)
		return -1;
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

static bool take_secret(const struct frame *f, const char *key, struct buf *ret)
{
	const struct frame_field *field = frame_find(f, key);

	if (field)
		buf_append(ret, field->data, field->len);
	return buf_error(ret) == 0;
}

static const char *parse_smtp(const struct frame *f, struct job *j)
{
	static const char *const tls[] = { "starttls", "tls", "none", NULL };
	struct smtp_probe *p = &j->smtp;
	int mode = take_word(f, "tls", tls);

	if (mode < 0)
		return "tls is none of starttls, tls, none";
	p->tls = (enum smtp_tls)mode;
	if (!take_text(f, "server", p->server, sizeof(p->server)) ||
	    !take_text(f, "ca", p->ca, sizeof(p->ca)) ||
	    !take_text(f, "user", p->user, sizeof(p->user)) ||
	    !take_text(f, "mechanism", p->mechanism, sizeof(p->mechanism)))
		return "a field is too long, or not text";
	if (!take_secret(f, "secret", &p->secret))
		return "no memory";
	return smtp_probe_check(p);
}

static const char *parse_ldap_texts(const struct frame *f, struct ldap_request *q)
{
	char cookie[LDAP_COOKIE_SIZE];

	if (!take_text(f, "uris", q->uris, sizeof(q->uris)) ||
	    !take_text(f, "ca", q->ca, sizeof(q->ca)) ||
	    !take_text(f, "bind_dn", q->bind_dn, sizeof(q->bind_dn)) ||
	    !take_text(f, "base", q->base, sizeof(q->base)) ||
	    !take_text(f, "filter", q->filter, sizeof(q->filter)) ||
	    !take_text(f, "attributes", q->attributes, sizeof(q->attributes)) ||
	    !take_text(f, "cookie", cookie, sizeof(cookie)))
		return "a field is too long, or not text";
	q->has_cookie = cookie[0] != '\0';
	/* one of another version of ours is as good as none */
	if (q->has_cookie && ldap_cursor_parse(cookie, &q->cursor) < 0)
		q->has_cookie = false;
	return NULL;
}

static const char *parse_ldap(const struct frame *f, struct job *j)
{
	static const char *const binds[] = { "simple", "external", "anonymous", NULL };
	static const char *const modes[] = { "delta", "full", NULL };
	struct ldap_request *q = j->ldap = calloc(1, sizeof(*q));
	int bind = take_word(f, "bind", binds), mode = take_word(f, "mode", modes);
	const char *why;

	if (!q || !take_secret(f, "password", &q->password))
		return "no memory";
	memcpy(q->id, j->id, sizeof(j->id));
	q->timeout = j->timeout;
	q->starttls = frame_flag(f, "starttls");
	q->limit = LDAP_LIMIT_DEFAULT;
	if (bind < 0 || mode < 0)
		return "bind or mode is none of its words";
	q->bind = (enum ldap_bind)bind;
	q->is_full = mode == 1;
	if (frame_find(f, "limit") &&
	    (frame_number(f, "limit", &q->limit) < 0 || q->limit == 0))
		return "limit is not a number";
	why = parse_ldap_texts(f, q);
	return why ? why : ldap_request_check(q);
}

static const char *parse_job(const struct frame *f, struct job *j)
{
	switch (j->kind) {
	case JOB_HOOK:
		return parse_hook(f, j);
	case JOB_UPSTREAM:
		return parse_upstream(f, j);
	case JOB_DNS:
		return parse_dns(f, j);
	case JOB_SMTP:
		return parse_smtp(f, j);
	case JOB_LDAP:
		return parse_ldap(f, j);
	}
	return "no such job";
}

static const struct {
	enum wire_verb verb;
	enum job_kind kind;
} verbs[] = {
	{ WIRE_JOB_HOOK, JOB_HOOK }, { WIRE_JOB_UPSTREAM, JOB_UPSTREAM },
	{ WIRE_JOB_DNS, JOB_DNS },   { WIRE_JOB_SMTP, JOB_SMTP },
	{ WIRE_JOB_LDAP, JOB_LDAP },
};

bool job_is_known(enum wire_verb verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].verb == verb)
			return true;
	return false;
}

static enum job_kind kind_of(enum wire_verb verb)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(verbs) - 1 && verbs[i].verb != verb)
		i++;
	return verbs[i].kind;
}

int job_from_frame(const struct frame *f, enum wire_verb verb, struct job **ret)
{
	cleanup_job struct job *j = calloc(1, sizeof(*j));
	uint64_t seconds;
	const char *why;

	if (!j)
		return -ENOMEM;
	j->child = CHILD_NONE;
	j->kind = kind_of(verb);
	if (frame_text(f, "id", j->id, sizeof(j->id)) < 0 || !is_id(j->id) ||
	    frame_text(f, "zone", j->zone, sizeof(j->zone)) < 0)
		return -EBADMSG;
	if (frame_number(f, "timeout", &seconds) < 0 || seconds == 0 ||
	    seconds > JOB_TIMEOUT_MAX)
		return -EBADMSG;
	j->timeout = seconds * USEC_PER_SEC;
	why = parse_job(f, j);
	if (why)
		job_refuse(j, HOOK_CONFIG, why);
	*ret = steal_ptr(j);
	return 0;
}
