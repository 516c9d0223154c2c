/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The built plugin in Debian's own libsasl, server and client in one process, against a fake
 * door. Every test starts libsasl anew, with the plugin folder in the order that it names.
 */
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sasl/prop.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <sasl/saslutil.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/unit/fakedoor.h"

struct world {
	struct fakedoor door;
	char ours[64];	/* a folder with librotated.so alone */
	char stock[64]; /* a folder with Debian's mechanisms */
	const char *socket;
	const char *timeout;
	unsigned logged;
	char login[64];
	char authzid[64];
	char password[64];
};

/* libsasl's callbacks carry a context, but what it hands to getopt at load time has none. */
static struct world world;

static int get_option(void *context, const char *plugin, const char *option,
		      const char **result, unsigned *len)
{
	static const char *const fixed[][2] = {
		{ "auxprop_plugin", "rotated" },
		{ "pwcheck_method", "auxprop" },
		{ "mech_list", "PLAIN LOGIN SCRAM-SHA-256" },
	};

	(void)context;
	(void)plugin;
	*result = NULL;
	if (strcmp(option, "rotated_socket") == 0)
		*result = world.socket;
	else if (strcmp(option, "rotated_timeout_ms") == 0)
		*result = world.timeout;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (strcmp(option, fixed[i][0]) == 0)
			*result = fixed[i][1];
	if (!*result)
		return SASL_FAIL;
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int count_log(void *context, int level, const char *message)
{
	(void)context;
	if (level <= SASL_LOG_WARN && strstr(message, "rotated"))
		world.logged++;
	return SASL_OK;
}

static int get_name(void *context, int id, const char **result, unsigned *len)
{
	(void)context;
	*result = id == SASL_CB_USER ? world.authzid : world.login;
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int get_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
	static union {
		sasl_secret_t secret;
		char room[128];
	} s;

	(void)conn;
	(void)context;
	(void)id;
	s.secret.len = strlen(world.password);
	memcpy(s.secret.data, world.password, s.secret.len + 1);
	*ret = &s.secret;
	return SASL_OK;
}

/* gcc takes void (*)(void) as the type between any two function types. */
#define CALLBACK(f) ((int (*)(void))(void (*)(void))(f))

static const sasl_callback_t server_callbacks[] = {
	{ SASL_CB_GETOPT, CALLBACK(get_option), NULL },
	{ SASL_CB_LOG, CALLBACK(count_log), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

static const sasl_callback_t client_callbacks[] = {
	{ SASL_CB_USER, CALLBACK(get_name), NULL },
	{ SASL_CB_AUTHNAME, CALLBACK(get_name), NULL },
	{ SASL_CB_PASS, CALLBACK(get_password), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

static void start_sasl_as(const char *program, const char *first, const char *second)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s:%s", first, second);
	assert_int_equal(sasl_set_path(SASL_PATH_TYPE_PLUGIN, path), SASL_OK);
	assert_int_equal(sasl_client_init(NULL), SASL_OK);
	assert_int_equal(sasl_server_init(server_callbacks, program), SASL_OK);
}

static void start_sasl(const char *first, const char *second)
{
	start_sasl_as("test", first, second);
}

static int setup(void **state)
{
	*state = &world;
	world.logged = 0;
	world.timeout = "5000";
	fakedoor_new(&world.door);
	world.socket = world.door.path;
	fakedoor_start(&world.door);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sasl_done();
	fakedoor_free(&world.door);
	return 0;
}

/* Steps client and server until the server has a result. */
static int converse(sasl_conn_t *client, sasl_conn_t *server, const char *mechanism)
{
	const char *out = NULL, *in = NULL, *chosen;
	unsigned outlen = 0, inlen = 0;
	bool has_initial;
	int r, c;

	c = sasl_client_start(client, mechanism, NULL, &out, &outlen, &chosen);
	assert_true(c == SASL_OK || c == SASL_CONTINUE);
	has_initial = out != NULL;
	r = sasl_server_start(server, mechanism, has_initial ? out : NULL, outlen, &in, &inlen);
	for (int i = 0; r == SASL_CONTINUE && i < 8; i++) {
		c = sasl_client_step(client, in, inlen, NULL, &out, &outlen);
		if (c != SASL_OK && c != SASL_CONTINUE)
			return c;
		r = sasl_server_step(server, out, outlen, &in, &inlen);
	}
	return r;
}

static int try_login(const char *mechanism, const char *login, const char *password)
{
	sasl_conn_t *client = NULL, *server = NULL;
	int r;

	(void)snprintf(world.login, sizeof(world.login), "%s", login);
	(void)snprintf(world.password, sizeof(world.password), "%s", password);
	assert_int_equal(sasl_server_new("smtp", "mx.example.org", NULL, "127.0.0.1;25",
					 "192.0.2.7;4711", server_callbacks, 0, &server),
			 SASL_OK);
	assert_int_equal(sasl_client_new("smtp", "mx.example.org", NULL, NULL, client_callbacks,
					 0, &client),
			 SASL_OK);
	r = converse(client, server, mechanism);
	if (r == SASL_OK) {
		const void *name = NULL;

		assert_int_equal(sasl_getprop(server, SASL_USERNAME, &name), SASL_OK);
		assert_string_equal(name, login);
	}
	sasl_dispose(&client);
	sasl_dispose(&server);
	return r;
}

static const char *const mechanisms[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };

static void assert_every_mechanism_decides(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
		unsigned before = world.door.seen->requests;

		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_OK);
		assert_int_equal(world.door.seen->requests, before + 1);
		assert_string_equal(world.door.seen->mechanism, mechanisms[i]);
		assert_string_equal(world.door.seen->service, "smtp");
		assert_string_equal(world.door.seen->address, "192.0.2.7;4711");
		assert_int_equal(try_login(mechanisms[i], "user", "pencils"), SASL_BADAUTH);
		assert_int_equal(try_login(mechanisms[i], "nobody", "pencil"), SASL_BADAUTH);
	}
	assert_int_equal(world.logged, 0);
}

static void logins_are_decided_when_the_plugin_is_loaded_first(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	assert_every_mechanism_decides();
}

static void logins_are_decided_when_the_plugin_is_loaded_last(void **state)
{
	(void)state;
	start_sasl(world.stock, world.ours);
	assert_every_mechanism_decides();
}

static void one_connection_serves_each_of_the_two_halves(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	for (int i = 0; i < 5; i++)
		for (size_t m = 0; m < ARRAY_SIZE(mechanisms); m++)
			assert_int_equal(try_login(mechanisms[m], "user", "pencil"), SASL_OK);
	assert_int_equal(world.door.seen->connects, 2);
}

static void another_identity_is_refused_without_asking(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	(void)snprintf(world.authzid, sizeof(world.authzid), "root");
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_BADAUTH);
	assert_int_equal(world.door.seen->connects, 0);
	(void)snprintf(world.authzid, sizeof(world.authzid), "user");
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	world.authzid[0] = '\0';
}

static void a_door_that_cannot_tell_is_a_temporary_failure(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
		assert_int_equal(try_login(mechanisms[i], "busy", "pencil"), SASL_UNAVAIL);
		assert_int_equal(try_login(mechanisms[i], "broken", "pencil"), SASL_UNAVAIL);
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_OK);
	}
	assert_int_equal(world.logged, 2 * ARRAY_SIZE(mechanisms));
}

/* sasl_encode64() refuses that challenge, which is how Sendmail comes to say 454. */
static void sendmail_is_given_what_it_answers_with_come_later(void **state)
{
	static const char message[] = "\0user\0pencil";
	sasl_conn_t *server = NULL;
	const char *out = "";
	char encoded[64];
	unsigned len = 0;

	(void)state;
	start_sasl_as("Sendmail", world.ours, world.stock);
	fakedoor_stop(&world.door);
	assert_int_equal(sasl_server_new("smtp", "mx.example.org", NULL, "127.0.0.1;25",
					 "192.0.2.7;4711", server_callbacks, 0, &server),
			 SASL_OK);
	assert_int_equal(
		sasl_server_start(server, "PLAIN", message, sizeof(message) - 1, &out, &len),
		SASL_CONTINUE);
	assert_int_equal(sasl_encode64(out, len, encoded, sizeof(encoded), NULL),
			 SASL_BADPARAM);

	fakedoor_start(&world.door);
	assert_int_equal(
		sasl_server_start(server, "PLAIN", message, sizeof(message) - 1, &out, &len),
		SASL_OK);
	sasl_dispose(&server);
}

static void a_door_that_is_gone_is_a_temporary_failure(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	fakedoor_stop(&world.door);
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_UNAVAIL);
}

static void a_restarted_door_is_found_again_at_once(void **state)
{
	(void)state;
	start_sasl(world.ours, world.stock);
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
		unsigned before;

		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_OK);
		before = world.door.seen->connects;
		fakedoor_stop(&world.door);
		fakedoor_start(&world.door);
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_OK);
		assert_int_equal(world.door.seen->connects, before + 1);
	}
}

/* The time-out is the plugin's own; a plugin without one would hang here for ever. */
static void a_silent_door_is_a_temporary_failure(void **state)
{
	(void)state;
	world.timeout = "300";
	start_sasl(world.ours, world.stock);
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_OK);
		fakedoor_pause(&world.door);
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_UNAVAIL);
		assert_int_equal(try_login(mechanisms[i], "user", "pencil"), SASL_UNAVAIL);
		fakedoor_resume(&world.door);
	}
}

/* What the door says after the plugin gave up must not answer the next question. */
static void a_late_answer_is_nobodys_answer(void **state)
{
	(void)state;
	world.timeout = "1000";
	start_sasl(world.ours, world.stock);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	fakedoor_pause(&world.door);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_UNAVAIL);
	fakedoor_resume(&world.door);
	assert_int_equal(try_login("PLAIN", "user", "wrong"), SASL_BADAUTH);
}

static void a_child_makes_its_own_connection(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	start_sasl(world.ours, world.stock);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(try_login("PLAIN", "user", "pencil") == SASL_OK ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(world.door.seen->connects, 2);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	assert_int_equal(world.door.seen->connects, 2);
}

static int find_plugin_socket(void)
{
	for (int fd = 3; fd < 256; fd++) {
		int type = 0;
		socklen_t len = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_SEQPACKET)
			return fd;
	}
	return -1;
}

static void a_descriptor_that_became_another_file_is_left_alone(void **state)
{
	cleanup_close int file = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	(void)state;
	start_sasl(world.ours, world.stock);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	fd = find_plugin_socket();
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(dup2(file, fd), fd);
	assert_int_equal(try_login("PLAIN", "user", "pencil"), SASL_OK);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(close(fd), 0);
}

/* ---- the entry points called directly ---- */

static void count_any_log(sasl_conn_t *conn, int level, const char *fmt, ...)
{
	(void)conn;
	(void)level;
	(void)fmt;
	world.logged++;
}

static int no_property(sasl_conn_t *conn, int id, const void **ret)
{
	(void)conn;
	(void)id;
	*ret = NULL;
	return SASL_NOTDONE;
}

static const sasl_utils_t fake_utils = {
	.getopt = get_option,
	.log = count_any_log,
	.getprop = no_property,
	.prop_get = prop_get,
	.prop_set = prop_set,
	.prop_erase = prop_erase,
};

struct plugin {
	void *handle;
	sasl_auxprop_plug_t *auxprop;
	sasl_server_plug_t *server;
	int servers;
};

static void load(struct plugin *p)
{
	union {
		void *object;
		sasl_server_plug_init_t *server;
		sasl_auxprop_init_t *auxprop;
	} entry;
	char path[600];
	int version = 0;

	(void)snprintf(path, sizeof(path), "%s/librotated.so", world.ours);
	p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(p->handle);
	entry.object = dlsym(p->handle, "sasl_server_plug_init");
	assert_non_null(entry.object);
	assert_int_equal(entry.server(&fake_utils, SASL_SERVER_PLUG_VERSION, &version,
				      &p->server, &p->servers),
			 SASL_OK);
	assert_int_equal(version, SASL_SERVER_PLUG_VERSION);
	entry.object = dlsym(p->handle, "sasl_auxprop_plug_init");
	assert_non_null(entry.object);
	assert_int_equal(entry.auxprop(&fake_utils, SASL_AUXPROP_PLUG_VERSION, &version,
				       &p->auxprop, "rotated"),
			 SASL_OK);
	assert_int_equal(version, SASL_AUXPROP_PLUG_VERSION);
}

static void unload(struct plugin *p)
{
	for (int i = 0; i < p->servers; i++)
		p->server[i].mech_free(p->server[i].glob_context, &fake_utils);
	p->auxprop->auxprop_free(p->auxprop->glob_context, &fake_utils);
	assert_int_equal(dlclose(p->handle), 0);
}

/* The plugin's answer when NAMES are asked for; what it gave is left in CTX. */
static int look_up(const struct plugin *p, struct propctx *ctx, unsigned flags)
{
	sasl_server_params_t sparams = { .utils = &fake_utils, .propctx = ctx };

	return p->auxprop->auxprop_lookup(p->auxprop->glob_context, &sparams, flags, "user", 4);
}

static struct propctx *request(const char *name)
{
	const char *names[] = { name, NULL };
	struct propctx *ctx = prop_new(0);

	assert_non_null(ctx);
	assert_int_equal(prop_request(ctx, names), SASL_OK);
	return ctx;
}

static const char *value_of(struct propctx *ctx, const char *name)
{
	const char *names[] = { name, NULL };
	struct propval values[2];

	if (prop_getnames(ctx, names, values) < 1 || !values[0].values)
		return NULL;
	return values[0].values[0];
}

static void an_unconfigured_plugin_is_silent_and_says_nothing(void **state)
{
	struct propctx *ctx = request("*authPassword");
	struct plugin p = { 0 };

	(void)state;
	world.socket = NULL;
	load(&p);
	assert_int_equal(p.servers, 0);
	assert_int_equal(look_up(&p, ctx, 0), SASL_NOMECH);
	assert_null(value_of(ctx, "*authPassword"));
	assert_int_equal(world.logged, 0);
	unload(&p);
	prop_dispose(&ctx);
}

static void nothing_is_sent_when_nothing_of_ours_is_asked(void **state)
{
	static const struct {
		const char *name;
		unsigned flags;
	} cases[] = {
		{ "*userPassword", 0 },
		{ "*cmusaslsecretPLAIN", 0 },
		{ "authPassword", SASL_AUXPROP_AUTHZID },
		{ "*authPassword", SASL_AUXPROP_AUTHZID },
		{ "authPassword", 0 },
	};
	struct plugin p = { 0 };

	(void)state;
	load(&p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct propctx *ctx = request(cases[i].name);

		assert_int_equal(look_up(&p, ctx, cases[i].flags), SASL_OK);
		assert_null(value_of(ctx, cases[i].name));
		prop_dispose(&ctx);
	}
	assert_int_equal(world.door.seen->connects, 0);
	unload(&p);
}

static void a_value_that_is_there_stays_unless_it_is_to_be_overridden(void **state)
{
	struct propctx *ctx = request("*authPassword");
	struct plugin p = { 0 };

	(void)state;
	load(&p);
	assert_int_equal(prop_set(ctx, "*authPassword", "other", -1), SASL_OK);
	assert_int_equal(look_up(&p, ctx, 0), SASL_OK);
	assert_string_equal(value_of(ctx, "*authPassword"), "other");
	assert_int_equal(world.door.seen->connects, 0);
	assert_int_equal(look_up(&p, ctx, SASL_AUXPROP_OVERRIDE), SASL_OK);
	assert_memory_equal(value_of(ctx, "*authPassword"), "SCRAM-SHA-256$4096:", 19);
	unload(&p);
	prop_dispose(&ctx);
}

static void a_bad_timeout_is_told_once_for_each_half_and_replaced(void **state)
{
	static const char *const bad[] = { "abc", "5s", "99", "60001", "-1", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct propctx *ctx = request("*authPassword");
		struct plugin p = { 0 };

		world.logged = 0;
		world.timeout = bad[i];
		load(&p);
		assert_int_equal(world.logged, bad[i][0] ? 2 : 0);
		assert_int_equal(look_up(&p, ctx, 0), SASL_OK);
		unload(&p);
		prop_dispose(&ctx);
	}
}

static void an_old_libsasl_is_refused(void **state)
{
	union {
		void *object;
		sasl_server_plug_init_t *server;
		sasl_auxprop_init_t *auxprop;
	} entry;
	sasl_server_plug_t *server = NULL;
	sasl_auxprop_plug_t *auxprop = NULL;
	int version = 0, count = 0;
	struct plugin p = { 0 };

	(void)state;
	load(&p);
	entry.object = dlsym(p.handle, "sasl_server_plug_init");
	assert_int_equal(entry.server(&fake_utils, SASL_SERVER_PLUG_VERSION - 1, &version,
				      &server, &count),
			 SASL_BADVERS);
	entry.object = dlsym(p.handle, "sasl_auxprop_plug_init");
	assert_int_equal(entry.auxprop(&fake_utils, SASL_AUXPROP_PLUG_VERSION - 1, &version,
				       &auxprop, "rotated"),
			 SASL_BADVERS);
	unload(&p);
}

/* ---- */

/* Debian's mechanisms without its auxprop plugins, which would look for a database. */
static bool link_stock(void)
{
	static const char *const names[] = { "libplain.so", "liblogin.so", "libscram.so" };
	glob_t found = { 0 };
	bool complete = false;

	if (glob("/usr/lib/*/sasl2/libscram.so", 0, NULL, &found) == 0) {
		const char *first = found.gl_pathv[0];
		int dir = (int)(strlen(first) - strlen("libscram.so"));

		complete = true;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			char from[512], to[600];

			(void)snprintf(from, sizeof(from), "%.*s%s", dir, first, names[i]);
			(void)snprintf(to, sizeof(to), "%s/%s", world.stock, names[i]);
			complete =
				complete && access(from, R_OK) == 0 && symlink(from, to) == 0;
		}
	}
	globfree(&found);
	return complete;
}

static int make_folders(void **state)
{
	const char *build = getenv("TOP_BUILDDIR");
	char from[512], to[PATH_MAX];

	(void)state;
	(void)snprintf(world.ours, sizeof(world.ours), "/tmp/rotated-ours.XXXXXX");
	(void)snprintf(world.stock, sizeof(world.stock), "/tmp/rotated-stock.XXXXXX");
	assert_non_null(mkdtemp(world.ours));
	assert_non_null(mkdtemp(world.stock));
	(void)snprintf(from, sizeof(from), "%s/.libs/librotated.so", build ? build : ".");
	assert_int_equal(access(from, R_OK), 0);
	assert_non_null(realpath(from, to));
	(void)snprintf(from, sizeof(from), "%s/librotated.so", world.ours);
	assert_int_equal(symlink(to, from), 0);
	return 0;
}

static int remove_folders(void **state)
{
	char command[1200];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s' '%s'", world.ours, world.stock);
	return system(command);
}

int main(void)
{
#define SASL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		SASL_TEST(logins_are_decided_when_the_plugin_is_loaded_first),
		SASL_TEST(logins_are_decided_when_the_plugin_is_loaded_last),
		SASL_TEST(one_connection_serves_each_of_the_two_halves),
		SASL_TEST(another_identity_is_refused_without_asking),
		SASL_TEST(a_door_that_cannot_tell_is_a_temporary_failure),
		SASL_TEST(a_door_that_is_gone_is_a_temporary_failure),
		SASL_TEST(sendmail_is_given_what_it_answers_with_come_later),
		SASL_TEST(a_restarted_door_is_found_again_at_once),
		SASL_TEST(a_silent_door_is_a_temporary_failure),
		SASL_TEST(a_late_answer_is_nobodys_answer),
		SASL_TEST(a_child_makes_its_own_connection),
		SASL_TEST(a_descriptor_that_became_another_file_is_left_alone),
		SASL_TEST(an_unconfigured_plugin_is_silent_and_says_nothing),
		SASL_TEST(nothing_is_sent_when_nothing_of_ours_is_asked),
		SASL_TEST(a_value_that_is_there_stays_unless_it_is_to_be_overridden),
		SASL_TEST(a_bad_timeout_is_told_once_for_each_half_and_replaced),
		SASL_TEST(an_old_libsasl_is_refused),
	};
	void *none = NULL;
	int r;

	make_folders(&none);
	if (!link_stock()) {
		(void)remove_folders(&none);
		(void)fprintf(stderr, "skip: libsasl2-modules is not installed\n");
		return 77;
	}
	r = cmocka_run_group_tests_name("saslplugin", tests, NULL, NULL);
	return remove_folders(&none) ? 1 : r;
}
