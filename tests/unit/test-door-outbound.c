/* SPDX-License-Identifier: BSD-2-Clause */
/* The table `outbound`: what the vault is asked, and what becomes of who asked. */
#include "tests/unit/door-map-fixture.h"

static uint64_t asked_id(struct world *w, const char *key)
{
	cleanup_buf struct buf b = BUF_INIT;
	char got[256];
	uint64_t id = 0;
	struct frame f;
	enum wire_verb verb;

	assert_int_equal(wire_receive(w->vault, &b, clock_monotonic()), 0);
	assert_int_equal(frame_parse(b.data, b.len, &f), 0);
	assert_int_equal(wire_check_request(&f, WIRE_DOOR, &verb), 0);
	assert_int_equal(verb, WIRE_DOOR_OUTBOUND);
	assert_int_equal(frame_text(&f, "key", got, sizeof(got)), 0);
	assert_string_equal(got, key);
	assert_int_equal(frame_number(&f, "id", &id), 0);
	return id;
}

static int answer(struct world *w, uint64_t id, enum wire_status status, const char *login[2])
{
	cleanup_buf struct buf b = BUF_INIT;
	struct frame f;

	wire_begin_reply(&b, status);
	frame_put_number(&b, "id", id);
	if (login[0])
		frame_put_text(&b, "user", login[0]);
	if (login[1])
		frame_put_text(&b, status == WIRE_STATUS_OK ? "secret" : "message", login[1]);
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(frame_parse(b.data, b.len, &f), 0);
	return outbound_on_reply(door_outbound(w->door), &f);
}

static void an_outbound_login_comes_from_the_vault(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	uint64_t id;

	outbound_connected(door_outbound(w->door), w->link);
	query(w, fd, "outbound", "[smtp.example.net]:587");
	assert_string_equal(heard(fd), "");
	id = asked_id(w, "[smtp.example.net]:587");
	assert_int_equal(answer(w, id, WIRE_STATUS_OK, (const char *[2]){ "relay", "s:3 cr" }),
			 0);
	assert_string_equal(heard(fd), "15:OK relay:s:3 cr,");
	query(w, fd, "outbound", "other");
	id = asked_id(w, "other");
	assert_int_equal(answer(w, id, WIRE_STATUS_NOTHING, (const char *[2]){ NULL, NULL }),
			 0);
	assert_string_equal(heard(fd), "9:NOTFOUND ,");
	query(w, fd, "outbound", "other");
	id = asked_id(w, "other");
	assert_int_equal(answer(w, id, WIRE_STATUS_AGAIN, (const char *[2]){ NULL, "sealed" }),
			 0);
	assert_string_equal(heard(fd), "11:TEMP sealed,");
	assert_int_equal(answer(w, id, WIRE_STATUS_AGAIN, (const char *[2]){ NULL, "late" }),
			 0);
	assert_string_equal(heard(fd), "");
}

static void a_login_that_postfix_would_misread_is_put_off(void **state)
{
	static const char *const bad[][2] = { { "re:lay", "secret" }, { "relay", NULL },
					      { NULL, "secret" },     { "relay", "a\nb" },
					      { "re\nlay", "b" },     { "", "b" } };
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);

	outbound_connected(door_outbound(w->door), w->link);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		query(w, fd, "outbound", "x");
		assert_int_equal(answer(w, asked_id(w, "x"), WIRE_STATUS_OK,
					(const char *[2]){ bad[i][0], bad[i][1] }),
				 0);
		assert_string_equal(heard(fd),
				    "52:TEMP the vault gave a login that Postfix can not use,");
	}
}

static void queries_behind_an_outbound_one_wait_for_it(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	uint64_t first, second;

	give_keys(w);
	outbound_connected(door_outbound(w->door), w->link);
	say(w, fd, "10:outbound a,21:senders b@example.com,10:outbound b,8:send");
	first = asked_id(w, "a");
	say(w, fd, "ers ,");
	assert_string_equal(heard(fd), "");
	assert_int_equal(answer(w, first, WIRE_STATUS_NOTHING, (const char *[2]){ NULL, NULL }),
			 0);
	assert_string_equal(heard(fd), "9:NOTFOUND ,8:OK web.1,");
	second = asked_id(w, "b");
	assert_true(second != first);
	assert_int_equal(
		answer(w, second, WIRE_STATUS_NOTHING, (const char *[2]){ NULL, NULL }), 0);
	hot_serve(w->hot);
	assert_string_equal(heard(fd), "9:NOTFOUND ,9:NOTFOUND ,");
}

static void a_client_that_left_leaves_nothing_behind(void **state)
{
	struct world *w = *state;
	int fd = connect_to(w);
	uint64_t id;

	outbound_connected(door_outbound(w->door), w->link);
	query(w, fd, "outbound", "a");
	id = asked_id(w, "a");
	assert_true(hot_needs_sweep(w->hot));
	closep(&fd);
	hot_serve(w->hot);
	assert_false(hot_needs_sweep(w->hot));
	assert_int_equal(answer(w, id, WIRE_STATUS_OK, (const char *[2]){ "relay", "secret" }),
			 0);
	outbound_disconnected(door_outbound(w->door));
}

static void a_client_that_only_listens_still_hears(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	uint64_t id;

	outbound_connected(door_outbound(w->door), w->link);
	query(w, fd, "outbound", "a");
	(void)shutdown(fd, SHUT_WR);
	hot_serve(w->hot);
	id = asked_id(w, "a");
	assert_int_equal(answer(w, id, WIRE_STATUS_OK, (const char *[2]){ "relay", "secret" }),
			 0);
	assert_string_equal(heard(fd), "15:OK relay:secret,");
	hot_serve(w->hot);
	assert_true(is_closed(fd));
}

static void a_vault_that_is_away_or_silent_is_not_waited_for(void **state)
{
	static const char away[] = "48:TEMP the vault is away: systemctl status rotated,";
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	uint64_t now = clock_monotonic();

	assert_string_equal(lookup(w, fd, "outbound", "a"), away);
	outbound_connected(door_outbound(w->door), w->link);
	query(w, fd, "outbound", "a");
	hot_sweep(w->hot, now + USEC_PER_SEC);
	assert_string_equal(heard(fd), "");
	hot_sweep(w->hot, now + (OUTBOUND_ANSWER_SEC + 3) * USEC_PER_SEC);
	assert_string_equal(heard(fd), "30:TEMP the vault does not answer,");
	query(w, fd, "outbound", "b");
	outbound_disconnected(door_outbound(w->door));
	assert_string_equal(heard(fd), "24:TEMP the vault went away,");
	assert_string_equal(lookup(w, fd, "outbound", "a"), away);
	assert_false(is_closed(fd));
}

static void keys_that_no_destination_can_have_are_not_asked_for(void **state)
{
	struct world *w = *state;
	cleanup_close int fd = connect_to(w);
	char key[OUTBOUND_KEY_MAX + 2];

	outbound_connected(door_outbound(w->door), w->link);
	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	assert_string_equal(lookup(w, fd, "outbound", key), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "outbound", "a b"), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "outbound", "a\tb"), "9:NOTFOUND ,");
	assert_string_equal(lookup(w, fd, "outbound", ""), "9:NOTFOUND ,");
}

static void only_so_many_questions_are_open_at_once(void **state)
{
	struct world *w = *state;
	struct outbound *o = door_outbound(w->door);
	cleanup_close int fd = connect_to(w);
	int waiters[2 * OUTBOUND_PENDING_MAX];
	size_t n = 0;
	int r;

	outbound_connected(o, w->link);
	while ((r = outbound_ask(o, &waiters[n], (const uint8_t *)"a", 1, clock_monotonic())) ==
	       0)
		n++;
	assert_int_equal(r, -EBUSY);
	assert_true(n > 0 && n <= OUTBOUND_PENDING_MAX);
	assert_string_equal(lookup(w, fd, "outbound", "b"),
			    "35:TEMP too many lookups are under way,");
	for (size_t i = 0; i < n; i++)
		outbound_forget(o, &waiters[i]);
	outbound_disconnected(o); /* tells nobody */
}

static void what_the_vault_may_not_say_is_refused(void **state)
{
	struct world *w = *state;
	cleanup_buf struct buf b = BUF_INIT;
	struct frame f;

	wire_begin_reply(&b, WIRE_STATUS_OK);
	frame_put_text(&b, "id", "x");
	assert_int_equal(frame_end(&b), 0);
	assert_int_equal(frame_parse(b.data, b.len, &f), 0);
	assert_int_equal(outbound_on_reply(door_outbound(w->door), &f), -EBADMSG);
}

int main(void)
{
#define DOOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		DOOR_TEST(an_outbound_login_comes_from_the_vault),
		DOOR_TEST(a_login_that_postfix_would_misread_is_put_off),
		DOOR_TEST(queries_behind_an_outbound_one_wait_for_it),
		DOOR_TEST(a_client_that_left_leaves_nothing_behind),
		DOOR_TEST(a_client_that_only_listens_still_hears),
		DOOR_TEST(a_vault_that_is_away_or_silent_is_not_waited_for),
		DOOR_TEST(keys_that_no_destination_can_have_are_not_asked_for),
		DOOR_TEST(only_so_many_questions_are_open_at_once),
		DOOR_TEST(what_the_vault_may_not_say_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
