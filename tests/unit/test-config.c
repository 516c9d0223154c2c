/* SPDX-License-Identifier: BSD-2-Clause */
/* What a good configuration turns into, and that a bad one changes nothing. The errors are in
 * test-config-golden.c. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "rotated/config/keys.h"

#define HOUR (UINT64_C(3600) * USEC_PER_SEC)
#define DAY  (24 * HOUR)

struct tree {
	char root[64];
};

static void put(const struct tree *t, const char *name, const char *text)
{
	char path[512];
	char *slash;

	(void)snprintf(path, sizeof(path), "%s/etc/rotated/%s", t->root, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(fs_make_dirs(path, 0755), 0);
	*slash = '/';
	assert_int_equal(fs_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static int make_tree(void **state)
{
	static struct tree t;

	(void)snprintf(t.root, sizeof(t.root), "/tmp/rotated-config-XXXXXX");
	if (!mkdtemp(t.root))
		return -1;
	put(&t, "rotated.conf", "[vault]\n");
	*state = &t;
	return 0;
}

static int remove_tree(void **state)
{
	const struct tree *t = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", t->root);
	return system(command);
}

/* Loads what must be good. */
static struct config *load(const struct tree *t)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = NULL;
	int r = config_load(t->root, CONFIG_CHECK_FILES, &c, &errors);

	for (size_t i = 0; i < errors.n; i++)
		print_error("%s:%u: %s\n", errors.items[i].file, errors.items[i].line,
			    errors.items[i].what);
	config_errors_release(&errors);
	assert_int_equal(r, 0);
	return c;
}

static void assert_under_root(const struct tree *t, const char *path, const char *rest)
{
	assert_int_equal(strncmp(path, t->root, strlen(t->root)), 0);
	assert_string_equal(path + strlen(t->root), rest);
}

static void config_has_a_default_for_every_key(void **state)
{
	cleanup_config struct config *c = load(*state);

	assert_under_root(*state, c->keystore.path, "/var/lib/rotated");
	assert_string_equal(c->keystore.key_file, "");
	assert_int_equal(c->keystore.reseal_every, 90 * DAY);
	assert_int_equal(c->keystore.share_timeout, 600 * USEC_PER_SEC);
	assert_under_root(*state, c->vault.control_socket, "/run/rotated/control");
	assert_under_root(*state, c->vault.door_socket, "/run/rotated/door");
	assert_under_root(*state, c->vault.worker_socket, "/run/rotated/worker");
	assert_under_root(*state, c->vault.audit, "/var/log/rotated/audit");
	assert_string_equal(c->vault.door_user.name, "rotated-auth");
	assert_string_equal(c->vault.worker_user.name, "rotated-worker");
	assert_true(config_ids_has(&c->vault.admins, 0));
	assert_under_root(*state, c->vault.unlock_socket, "/run/rotated/unlock");
	assert_int_equal(c->unlock.helper.n, 0);
	assert_string_equal(c->unlock.helper_user.name, "rotated-key");
	assert_int_equal(c->unlock.timeout, 20 * USEC_PER_SEC);
	assert_string_equal(config_credential_key_word(c->unlock.credential_key), "auto");
	assert_string_equal(c->unlock.credential_pcrs, "");
	assert_under_root(*state, c->door.auth_socket,
			  "/var/spool/postfix/private/rotated-auth");
	assert_under_root(*state, c->door.mux_socket, "/var/spool/postfix/private/rotated-mux");
	assert_under_root(*state, c->door.map_socket, "/var/spool/postfix/private/rotated-map");
	assert_string_equal(c->door.socket_user.name, "postfix");
	assert_string_equal(c->door.socket_group.name, "postfix");
	assert_int_equal(c->door.socket_mode, 0660);
	assert_int_equal(c->door.peers.n, 2);
	assert_int_equal(c->door.realms.n, 0);
	assert_int_equal(c->door.identity.n, 1);
	assert_string_equal(c->door.identity.items[0], "keystore");
	assert_false(c->engine.allow_short_waits);
	assert_int_equal(c->engine.retry_min, 60 * USEC_PER_SEC);
	assert_int_equal(c->engine.retry_max, 6 * HOUR);
	assert_int_equal(c->engine.hold_after, 3 * DAY);
	assert_int_equal(c->password.schedule.every, 90 * DAY);
	assert_int_equal(c->password.overlap, 7 * DAY);
	assert_int_equal(c->password.login, CONFIG_LOGIN_VERSIONED);
	assert_int_equal(c->dkim.schedule.every, 90 * DAY);
	assert_int_equal(c->dkim.overlap, 14 * DAY);
	assert_int_equal(c->dkim.soak, HOUR);
	assert_true(c->dkim.is_soak_auto);
	assert_int_equal(c->dkim.key, CONFIG_DKIM_KEY_RSA2048);
	assert_int_equal(c->dkim.ttl, HOUR);
	assert_string_equal(c->dns.hook, "");
	assert_int_equal(c->dns.setting.n, 0);
	assert_int_equal(c->dns.servers.n, 0);
	assert_int_equal(c->dns.resolver.len, 0);
	assert_int_equal(c->dns.timeout, 120 * USEC_PER_SEC);
	assert_int_equal(c->n_services, 0);
	assert_int_equal(c->n_domains, 0);
}

/* The tree that has them all, as the golden test uses it. */
static void prepare_every_key(const struct tree *t)
{
	char command[8192];
	const char *src = getenv("TOP_SRCDIR");

	(void)snprintf(command, sizeof(command),
		       "rm -rf '%s/etc' && sh '%s/tests/golden/config/prepare' "
		       "'%s/tests/golden/config/good-every-key' '%s'",
		       t->root, src, src, t->root);
	assert_int_equal(system(command), 0);
}

static void config_takes_every_key_of_rotated_conf(void **state)
{
	cleanup_config struct config *c = NULL;
	const struct tree *t = *state;

	prepare_every_key(t);
	c = load(t);
	assert_under_root(t, c->keystore.path, "/srv/rotated");
	assert_under_root(t, c->keystore.key_file, "/etc/rotated/auth.key");
	assert_int_equal(c->keystore.reseal_every, 45 * DAY);
	assert_int_equal(c->keystore.share_timeout, 300 * USEC_PER_SEC);
	assert_under_root(t, c->vault.control_socket, "/run/r/control");
	assert_under_root(t, c->vault.door_socket, "/run/r/door");
	assert_under_root(t, c->vault.worker_socket, "/run/r/worker");
	assert_under_root(t, c->vault.audit, "/var/log/r/audit");
	assert_int_equal(c->vault.door_user.id, 4001);
	assert_int_equal(c->vault.worker_user.id, 4002);
	assert_int_equal(c->vault.worker_user.group, UINT32_MAX); /* nobody has that number */
	assert_int_equal(c->vault.admins.items[0].group, 0);
	assert_true(config_ids_has(&c->vault.admins, 4003));
	assert_false(config_ids_has(&c->vault.admins, 4004));
	assert_under_root(t, c->vault.unlock_socket, "/run/r/unlock");
	assert_int_equal(c->unlock.helper.n, 3);
	assert_string_equal(c->unlock.helper.items[0], "/usr/local/sbin/rotated-clevis");
	assert_string_equal(c->unlock.helper.items[2], "/opt/keys/third");
	assert_int_equal(c->unlock.helper_user.id, 4006);
	assert_int_equal(c->unlock.timeout, 30 * USEC_PER_SEC);
	assert_int_equal(c->unlock.credential_key, CONFIG_CREDENTIAL_KEY_HOST_TPM2);
	assert_string_equal(c->unlock.credential_pcrs, "7+11");
	assert_under_root(t, c->door.auth_socket, "/run/r/auth");
	assert_under_root(t, c->door.mux_socket, "/run/r/mux");
	assert_under_root(t, c->door.map_socket, "/run/r/map");
	assert_int_equal(c->door.socket_user.id, 4004);
	assert_int_equal(c->door.socket_group.id, 4005);
	assert_int_equal(c->door.socket_mode, 0600);
	assert_false(config_ids_has(&c->door.peers, 0));
	assert_int_equal(c->door.realms.n, 2);
	assert_string_equal(c->door.realms.items[1], "mail");
	assert_int_equal(c->engine.retry_min, 120 * USEC_PER_SEC);
	assert_int_equal(c->engine.retry_max, HOUR);
	assert_int_equal(c->engine.hold_after, 2 * DAY);
	assert_int_equal(c->password.schedule.every, USEC_NEVER);
	assert_int_equal(c->password.overlap, 2 * DAY);
	assert_int_equal(c->password.login, CONFIG_LOGIN_STABLE);
	assert_int_equal(c->dkim.schedule.every, 60 * DAY);
	assert_int_equal(c->dkim.overlap, 10 * DAY);
	assert_int_equal(c->dkim.soak, 2 * HOUR);
	assert_false(c->dkim.is_soak_auto);
	assert_int_equal(c->dkim.ttl, HOUR / 2);
	assert_under_root(t, c->dns.hook, "/hooks/publish");
	assert_string_equal(c->dns.setting.items[1], "ZONE_FILE=/etc/zone with blanks");
	assert_int_equal(c->dns.servers.n, 4);
	assert_string_equal(c->dns.servers.items[0].text, "192.0.2.1:53");
	assert_string_equal(c->dns.servers.items[1].text, "192.0.2.2:5353");
	assert_string_equal(c->dns.servers.items[2].text, "[2001:db8::1]:5353");
	assert_string_equal(c->dns.servers.items[3].text, "[2001:db8::2]:53");
	assert_int_equal(c->dns.servers.items[2].addr.any.sa_family, AF_INET6);
	assert_int_equal(c->dns.servers.items[2].len, sizeof(struct sockaddr_in6));
	assert_string_equal(c->dns.resolver.text, "127.0.0.1:53");
	assert_int_equal(c->dns.timeout, 30 * USEC_PER_SEC);
}

static void config_takes_every_key_of_a_service_and_a_domain(void **state)
{
	cleanup_config struct config *c = NULL;
	const struct config_service *s;
	const struct config_domain *d;

	prepare_every_key(*state);
	c = load(*state);
	s = config_service_find(c, "billing");
	assert_non_null(s);
	assert_string_equal(s->description, "Invoices and reminders");
	assert_false(s->enabled);
	assert_int_equal(s->senders.n, 3);
	assert_string_equal(s->senders.items[0], "billing@example.com");
	assert_string_equal(s->senders.items[2], "@.bills.example.com");
	assert_int_equal(s->password.schedule.every, 30 * DAY);
	assert_int_equal(s->password.overlap, DAY);
	assert_int_equal(s->password.login, CONFIG_LOGIN_VERSIONED);
	d = config_domain_find(c, "example.com");
	assert_non_null(d);
	assert_string_equal(d->description, "Our name, with an \xc3\xa9");
	assert_int_equal(d->dkim.schedule.every, 120 * DAY);
	assert_int_equal(d->dkim.overlap, 20 * DAY);
	assert_true(d->dkim.is_soak_auto);
	assert_int_equal(d->dkim.soak, HOUR);
	assert_int_equal(d->dkim.ttl, 2 * HOUR);
	assert_string_equal(d->dns.hook, "");
	assert_int_equal(d->dns.setting.n, 0);
	assert_int_equal(d->dns.servers.n, 0);
	assert_int_equal(d->dns.resolver.len, 0);
	assert_string_equal(d->dns.resolver.text, "");
	assert_int_equal(d->dns.timeout, 10 * USEC_PER_SEC);
}

static void config_takes_every_key_of_an_upstream(void **state)
{
	cleanup_config struct config *c = NULL;
	const struct config_provider *p;

	prepare_every_key(*state);
	c = load(*state);
	p = config_provider_find(c, "ses");
	assert_non_null(p);
	assert_null(config_provider_find(c, "sess"));
	assert_string_equal(p->upstream.server, "[192.0.2.1]:465");
	assert_int_equal(p->upstream.tls, CONFIG_UPSTREAM_TLS_TLS);
	assert_string_equal(p->upstream.user, "relay-%v");
	assert_int_equal(p->upstream.destinations.n, 4);
	assert_int_equal(p->upstream.setting.n, 1);
	assert_int_equal(p->upstream.schedule.every, 30 * DAY);
	assert_int_equal(p->upstream.overlap, 2 * DAY);
	assert_int_equal(p->upstream.soak, 5 * 60 * USEC_PER_SEC);
	assert_int_equal(p->upstream.timeout, 30 * USEC_PER_SEC);
	assert_int_equal(c->upstream.schedule.every, 60 * DAY);
	/* whole names only, and no case */
	assert_ptr_equal(config_provider_for(c, "SMTP.Example.com"), p);
	assert_ptr_equal(config_provider_for(c, "[smtp.example.com]:465"), p);
	assert_ptr_equal(config_provider_for(c, "@example.net"), p);
	assert_null(config_provider_for(c, "b@example.net"));
	assert_null(config_provider_for(c, "[smtp.example.com]"));
	assert_null(config_provider_for(c, ""));
}

/* The two tests above look at each key only when the tree sets it. */
static void config_tree_with_every_key_has_every_key(void **state)
{
	static const char *const files[SCOPE_MAX_] = { "rotated.conf",
						       "services.d/billing.conf",
						       "domains.d/example.com.conf",
						       "upstreams.d/ses.conf" };

	prepare_every_key(*state);
	for (unsigned scope = 0; scope < SCOPE_MAX_; scope++) {
		cleanup_buf struct buf text = BUF_INIT;
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/etc/rotated/%s",
			       ((struct tree *)*state)->root, files[scope]);
		assert_int_equal(fs_read(AT_FDCWD, path, 65536, &text), 0);
		for (unsigned i = 0; i < KEY_MAX_; i++) {
			char line[128];

			if (!(config_keys[i].where & 1U << scope))
				continue;
			(void)snprintf(line, sizeof(line), "\n%s =", config_keys[i].name);
			assert_non_null(strstr(buf_string(&text), line));
		}
	}
}

static void config_schedule_may_be_a_calendar(void **state)
{
	cleanup_config struct config *c = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	const struct config_service *s;

	put(*state, "rotated.conf",
	    "[password]\nschedule = monthly Europe/Berlin\n"
	    "[engine]\nwindow = 02:00-05:00\nwindow = Sat\nblackout = Fri\n");
	put(*state, "rotated.conf.d/10.conf", "[engine]\nblackout =\ncatch_up = skip\n");
	put(*state, "services.d/billing.conf", "[service]\n");
	put(*state, "services.d/crm.conf", "[password]\nschedule = 30d\n");
	c = load(*state);
	s = config_service_find(c, "billing");
	assert_ptr_equal(s->password.schedule.calendar, c->password.schedule.calendar);
	/* February is the least; the zone of the expression makes it an hour less, or more */
	assert_in_range(s->password.schedule.every, 28 * DAY - HOUR, 28 * DAY + HOUR);
	calendar_format(s->password.schedule.calendar, &text);
	assert_string_equal(buf_string(&text), "*-*-01 00:00:00 Europe/Berlin");
	s = config_service_find(c, "crm");
	assert_null(s->password.schedule.calendar);
	assert_int_equal(s->password.schedule.every, 30 * DAY);
	assert_int_equal(c->engine.window.n, 2);
	assert_int_equal(c->engine.blackout.n, 0);
	assert_int_equal(c->engine.catch_up, DUE_CATCH_UP_SKIP);
	assert_int_equal(c->engine.jitter, HOUR);
}

static void config_service_takes_over_the_defaults_of_rotated_conf(void **state)
{
	cleanup_config struct config *c = NULL;

	put(*state, "rotated.conf", "[password]\noverlap = 3d\n[dns]\nservers = 192.0.2.1\n");
	put(*state, "services.d/crm.conf", "[service]\n");
	put(*state, "services.d/billing.conf", "[password]\noverlap = 4d\n");
	put(*state, "services.d/billing-2.conf", "[service]\n");
	put(*state, "domains.d/example.com.conf", "[domain]\n");
	c = load(*state);
	assert_int_equal(c->n_services, 3);
	assert_string_equal(c->services[0].id, "billing");
	assert_string_equal(c->services[1].id, "billing-2");
	assert_int_equal(config_service_find(c, "crm")->password.overlap, 3 * DAY);
	assert_int_equal(config_service_find(c, "billing")->password.overlap, 4 * DAY);
	assert_int_equal(config_service_find(c, "billing")->password.schedule.every, 90 * DAY);
	assert_true(config_service_find(c, "crm")->enabled);
	assert_string_equal(config_domain_find(c, "example.com")->dns.servers.items[0].text,
			    "192.0.2.1:53");
	assert_null(config_service_find(c, "nobody"));
	assert_null(config_domain_find(c, "example.org"));
}

static void config_drop_ins_override_in_name_order(void **state)
{
	cleanup_config struct config *c = NULL;

	put(*state, "rotated.conf", "[password]\noverlap = 1d\nschedule = 50d\n");
	put(*state, "rotated.conf.d/20-b.conf", "[password]\noverlap = 3d\n");
	put(*state, "rotated.conf.d/10-a.conf", "[password]\noverlap = 2d\nschedule = 60d\n");
	c = load(*state);
	assert_int_equal(c->password.overlap, 3 * DAY);
	assert_int_equal(c->password.schedule.every, 60 * DAY);
}

static void config_settings_add_up_and_a_later_file_replaces_by_name(void **state)
{
	cleanup_config struct config *c = NULL;
	const struct config_words *s;

	put(*state, "rotated.conf", "[dns]\nhook = /bin/true\nsetting = A=1\nsetting = B=2\n");
	put(*state, "domains.d/example.com.conf", "[dns]\nsetting = A=3\nsetting = C=4\n");
	put(*state, "domains.d/example.net.conf", "[dns]\nsetting =\nsetting = C=5\n");
	put(*state, "domains.d/example.org.conf", "[domain]\n");
	c = load(*state);
	s = &config_domain_find(c, "example.com")->dns.setting;
	assert_int_equal(s->n, 3);
	assert_string_equal(s->items[0], "B=2");
	assert_string_equal(s->items[1], "A=3");
	assert_string_equal(s->items[2], "C=4");
	s = &config_domain_find(c, "example.net")->dns.setting;
	assert_int_equal(s->n, 1);
	assert_string_equal(s->items[0], "C=5");
	assert_int_equal(config_domain_find(c, "example.org")->dns.setting.n, 2);
}

static void config_takes_the_installed_example(void **state)
{
	cleanup_config struct config *c = NULL;
	const struct tree *t = *state;
	char command[4096];

	(void)snprintf(command, sizeof(command),
		       "rm -rf '%s/etc' && cp -R '%s/examples/etc' '%s/etc' && "
		       "chmod -R u=rwX,go=rX '%s/etc'",
		       t->root, getenv("TOP_SRCDIR"), t->root, t->root);
	assert_int_equal(system(command), 0);
	c = load(t);
	assert_int_equal(config_service_find(c, "billing")->password.schedule.every, 30 * DAY);
	assert_int_equal(config_domain_find(c, "example.com")->dns.servers.n, 2);
}

static void config_failed_load_leaves_the_caller_with_what_it_had(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	struct config *before;

	put(*state, "services.d/billing.conf", "[password]\noverlap = 4d\n");
	c = load(*state);
	before = c;
	put(*state, "services.d/crm.conf", "[service]\n");
	put(*state, "services.d/billing.conf", "[password]\noverlap = 4 parsecs\n");
	assert_int_equal(config_load(((struct tree *)*state)->root, 0, &c, &errors), -EBADMSG);
	assert_int_equal(errors.n, 1);
	assert_ptr_equal(c, before);
	assert_int_equal(c->n_services, 1);
	assert_int_equal(config_service_find(c, "billing")->password.overlap, 4 * DAY);
}

static void config_keeps_a_hundred_errors_and_counts_the_rest(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	cleanup_buf struct buf text = BUF_INIT;

	buf_append_str(&text, "[service]\n");
	for (unsigned i = 0; i < 130; i++)
		buf_append_str(&text, "no such line\n");
	put(*state, "services.d/billing.conf", buf_string(&text));
	assert_int_equal(config_load(((struct tree *)*state)->root, 0, &c, &errors), -EBADMSG);
	assert_int_equal(errors.n, CONFIG_ERRORS_MAX);
	assert_int_equal(errors.dropped, 30);
	assert_int_equal(errors.items[99].line, 101);
}

static void config_does_not_look_at_hooks_unless_asked(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;

	put(*state, "rotated.conf", "[dns]\nhook = dns-nosuch\n");
	assert_int_equal(config_load(((struct tree *)*state)->root, 0, &c, &errors), 0);
	assert_string_equal(c->dns.hook, PKG_LIBEXECDIR "/hooks/dns-nosuch");
}

static void config_never_shows_what_a_setting_holds(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;

	put(*state, "rotated.conf",
	    "[dns]\nsetting = 1TOKEN=hunter2\nsetting = hunter2\n"
	    "setting = A=hunter2\nsetting = A=hunter2\n");
	assert_int_equal(config_load(((struct tree *)*state)->root, 0, &c, &errors), -EBADMSG);
	assert_int_equal(errors.n, 3);
	for (size_t i = 0; i < errors.n; i++) {
		assert_null(strstr(errors.items[i].what, "hunter2"));
		assert_null(strstr(errors.items[i].hint, "hunter2"));
	}
}

static void config_root_may_be_relative_or_end_in_a_slash(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	const struct tree *t = *state;
	char root[sizeof(t->root) + 2];
	char cwd[4096];

	(void)snprintf(root, sizeof(root), "%s//", t->root);
	assert_int_equal(config_load(root, 0, &c, &errors), 0);
	assert_under_root(t, c->keystore.path, "/var/lib/rotated");
	assert_string_equal(c->root, t->root);
	config_free(c);
	c = NULL;

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir("/tmp"), 0);
	assert_int_equal(config_load(t->root + strlen("/tmp/"), 0, &c, &errors), 0);
	assert_int_equal(chdir(cwd), 0);
	assert_string_equal(c->root, t->root);
}

static void config_root_that_is_too_long_or_missing_is_told(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	char root[5000];

	(void)state;
	memset(root, 'x', sizeof(root));
	root[0] = '/';
	root[sizeof(root) - 1] = '\0';
	assert_int_equal(config_load(root, 0, &c, &errors), -EBADMSG);
	assert_int_equal(errors.n, 1);
	config_errors_release(&errors);
	assert_int_equal(config_load("no/such/place", 0, &c, &errors), -EBADMSG);
	assert_non_null(strstr(errors.items[0].what, "no/such/place"));
}

/* The keys that can only fail there are the sockets'. */
static void config_defaults_that_do_not_fit_under_the_root_are_told(void **state)
{
	cleanup_config_errors struct config_errors errors = CONFIG_ERRORS_INIT;
	cleanup_config struct config *c = NULL;
	struct tree deep;
	char root[256];
	char command[600];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/rotated-config-deep/%0100d", 0);
	(void)snprintf(
		command, sizeof(command),
		"mkdir -p %s/etc/rotated && echo '[vault]' > %s/etc/rotated/rotated.conf", root,
		root);
	assert_int_equal(system(command), 0);
	(void)snprintf(deep.root, sizeof(deep.root), "/tmp/rotated-config-deep");
	assert_int_equal(config_load(root, 0, &c, &errors), -EBADMSG);
	assert_int_equal(errors.n, 7);
	assert_non_null(strstr(errors.items[0].what, "[vault] control_socket"));
	assert_non_null(strstr(errors.items[0].hint, "--root"));
	(void)snprintf(command, sizeof(command), "rm -rf %s", deep.root);
	assert_int_equal(system(command), 0);
}

#define ON_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_TREE(config_has_a_default_for_every_key),
		ON_TREE(config_takes_every_key_of_rotated_conf),
		ON_TREE(config_takes_every_key_of_a_service_and_a_domain),
		ON_TREE(config_takes_every_key_of_an_upstream),
		ON_TREE(config_tree_with_every_key_has_every_key),
		ON_TREE(config_schedule_may_be_a_calendar),
		ON_TREE(config_service_takes_over_the_defaults_of_rotated_conf),
		ON_TREE(config_drop_ins_override_in_name_order),
		ON_TREE(config_settings_add_up_and_a_later_file_replaces_by_name),
		ON_TREE(config_takes_the_installed_example),
		ON_TREE(config_failed_load_leaves_the_caller_with_what_it_had),
		ON_TREE(config_keeps_a_hundred_errors_and_counts_the_rest),
		ON_TREE(config_does_not_look_at_hooks_unless_asked),
		ON_TREE(config_never_shows_what_a_setting_holds),
		ON_TREE(config_root_may_be_relative_or_end_in_a_slash),
		cmocka_unit_test(config_root_that_is_too_long_or_missing_is_told),
		cmocka_unit_test(config_defaults_that_do_not_fit_under_the_root_are_told),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
