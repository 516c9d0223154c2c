/* SPDX-License-Identifier: BSD-2-Clause */
/* status and plan: what is, and what will be. */
#include "cli/cli.h"
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

static const char *member(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool is_open(const json_t *keystore, const char *tier)
{
	return strcmp(member(keystore, tier), "open") == 0;
}

/* "1 service", "3 services" */
static void show_count(FILE *out, const json_t *counts, const char *key, const char *one)
{
	json_int_t n = json_integer_value(json_object_get(counts, key));

	(void)fprintf(out, "%" JSON_INTEGER_FORMAT " %s%s", n, one, n == 1 ? "" : "s");
}

/* What is due and has not begun. */
static void show_reseal_due(FILE *out, const json_t *keystore)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "reseal    due since %s%s\n",
		      print_cell(keystore, "reseal_at", cell),
		      is_open(keystore, "issuer") ? "" : "; WAITS: rotatectl unseal");
}

static void show_reseal(FILE *out, const json_t *reseal)
{
	const char *remark = "";
	char cell[PRINT_CELL_SIZE];

	if (strcmp(member(reseal, "waits_for"), "issuer") == 0)
		remark = "; WAITS: rotatectl unseal";
	else if (strcmp(member(reseal, "waits_for"), "door") == 0)
		remark = "; waits for rotated-auth to take the new keys";

	(void)fprintf(out, "reseal    %s of ", print_cell(reseal, "done", cell));
	show_count(out, reseal, "total", "record");
	(void)fprintf(out, "%s\n", remark);
}

static void show_compact(FILE *out, const json_t *compact)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "compact   %s of ", print_cell(compact, "done", cell));
	show_count(out, compact, "total", "record");
	(void)fprintf(out, "%s\n",
		      print_has(compact, "waits") ? "; waits for the end of a backup" : "");
}

/* Not whose: that is between those who hold them. */
static void show_shares(FILE *out, const json_t *shares)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "shares    %s of ", print_cell(shares, "entered", cell));
	(void)fprintf(out, "%s entered", print_cell(shares, "needed", cell));
	print_if(out, shares, "until", ", kept until ", "");
	(void)fputc('\n', out);
}

static void show_keystore(FILE *out, const json_t *keystore)
{
	char cell[PRINT_CELL_SIZE];
	const char *state = member(keystore, "state");

	if (strcmp(state, "absent") == 0) {
		(void)fputs("keystore  there is none yet\n", out);
		return;
	}
	(void)fprintf(out, "keystore  logins %s, issuing %s",
		      is_open(keystore, "auth") ? "open" : "SEALED",
		      is_open(keystore, "issuer") ? "open" : "SEALED");
	if (strcmp(state, "damaged") == 0)
		(void)fputs(", DAMAGED", out);
	(void)fputs("; ", out);
	show_count(out, keystore, "records", "record");
	(void)fprintf(out, ", transaction %s\n", print_cell(keystore, "txid", cell));
	if (json_is_object(json_object_get(keystore, "reseal")))
		show_reseal(out, json_object_get(keystore, "reseal"));
	else if (print_has(keystore, "reseal_due"))
		show_reseal_due(out, keystore);
	if (json_is_object(json_object_get(keystore, "compact")))
		show_compact(out, json_object_get(keystore, "compact"));
	for (size_t i = 0; i < json_array_size(json_object_get(keystore, "shares")); i++)
		show_shares(out, json_array_get(json_object_get(keystore, "shares"), i));
}

static void show_memory(FILE *out, const json_t *memory)
{
	const char *state = member(memory, "state");

	(void)fprintf(out, "memory    %s",
		      strcmp(state, "ok") == 0	      ? "locked"
		      : strcmp(state, "partial") == 0 ? "PARTLY LOCKED"
						      : "NOT LOCKED");
	if (print_has(memory, "bytes"))
		(void)fprintf(out, ", %" JSON_INTEGER_FORMAT " KiB",
			      json_integer_value(json_object_get(memory, "bytes")) / 1024);
	print_if(out, memory, "detail", "\n          ", "");
	(void)fputc('\n', out);
}

static void show_peer(FILE *out, const char *name, const json_t *peer, const char *remark)
{
	char cell[PRINT_CELL_SIZE];

	if (print_has(peer, "connected"))
		(void)fprintf(out, "%s  connected since %s%s\n", name,
			      print_cell(peer, "since", cell), remark);
	else
		(void)fprintf(out, "%s  NOT CONNECTED\n", name);
}

static void show_counts(FILE *out, const json_t *counts)
{
	(void)fputs("counts    ", out);
	show_count(out, counts, "services", "service");
	print_if(out, counts, "services_disabled", " (", " disabled)");
	(void)fputs(", ", out);
	show_count(out, counts, "credentials", "login");
	(void)fputs(", ", out);
	show_count(out, counts, "domains", "domain");
	(void)fputs(", ", out);
	show_count(out, counts, "dkim_keys", "signing key");
	if (json_integer_value(json_object_get(counts, "upstreams")) > 0) {
		(void)fputs(", ", out);
		show_count(out, counts, "upstreams", "upstream");
	}
	(void)fputc('\n', out);
}

static void show_directory(FILE *out, const json_t *ldap)
{
	char cell[PRINT_CELL_SIZE];

	if (!json_is_object(ldap))
		return;
	(void)fprintf(out, "directory %s, ", print_cell(ldap, "state", cell));
	show_count(out, ldap, "services", "service");
	if (json_is_integer(json_object_get(ldap, "age")))
		(void)fprintf(out, ", as of %s ago", print_span(ldap, "age", cell));
	print_if(out, ldap, "error", ": ", "");
	print_if(out, ldap, "next_attempt", "; next at ", "");
	(void)fputc('\n', out);
}

static void show_each(FILE *out, const json_t *list, const char *head,
		      void (*show)(FILE *out, const json_t *entry))
{
	if (json_array_size(list) == 0)
		return;
	(void)fprintf(out, "\n%s\n", head);
	for (size_t i = 0; i < json_array_size(list); i++)
		show(out, json_array_get(list, i));
}

static void show_waiting(FILE *out, const json_t *step)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "  %s ",
		      print_has(step, "at") ? print_cell(step, "at", cell)
					    : "now                 ");
	(void)fprintf(out, "%s", print_cell(step, "action", cell));
	print_if(out, step, "kind", " ", "");
	print_if(out, step, "id", " ", "\n");
}

static void show_issuer_waits(FILE *out, const json_t *waits)
{
	const json_t *steps = json_object_get(waits, "steps");
	json_int_t more = json_integer_value(json_object_get(waits, "total")) -
			  (json_int_t)json_array_size(steps);

	show_each(out, steps, "What the sealed ISSUER tier keeps waiting (rotatectl unseal):",
		  show_waiting);
	if (more > 0)
		(void)fprintf(out, "  and %" JSON_INTEGER_FORMAT " more: rotatectl plan\n",
			      more);
}

static void show_item(FILE *out, const json_t *item)
{
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "  %s ", print_cell(item, "kind", cell));
	(void)fputs(print_cell(item, "id", cell), out);
	print_if(out, item, "name", " ", "");
	print_if(out, item, "step", " (", ")");
	(void)fprintf(out, ": %s", print_cell(item, "state", cell));
	print_if(out, item, "since", " since ", "");
	(void)fputc('\n', out);
	print_if(out, item, "reason", "    ", "\n");
	print_if(out, item, "attempts", "    tried ", " times");
	print_if(out, item, "next_attempt",
		 print_has(item, "attempts") ? ", next at " : "    next at ", "");
	if (print_has(item, "attempts") || print_has(item, "next_attempt"))
		(void)fputc('\n', out);
	print_if(out, item, "hint", "    next: ", "\n");
}

static void show_alarm(FILE *out, const json_t *alarm)
{
	print_if(out, alarm, "what", "  ", "\n");
	print_if(out, alarm, "hint", "    next: ", "\n");
}

static void show_status(FILE *out, const json_t *json)
{
	const json_t *memory = json_object_get(json, "memory");
	const json_t *audit = json_object_get(json, "audit");
	const json_t *door = json_object_get(json, "door");
	const json_t *porter = json_object_get(json, "porter");
	char cell[PRINT_CELL_SIZE];

	(void)fprintf(out, "rotated   %s", print_cell(json, "version", cell));
	(void)fprintf(out, ", pid %s", print_cell(json, "pid", cell));
	(void)fprintf(out, ", since %s\n", print_cell(json, "started", cell));
	show_keystore(out, json_object_get(json, "keystore"));
	show_memory(out, memory);
	show_peer(out, "door    ", door, print_has(door, "has_keys") ? "" : ", WITHOUT KEYS");
	show_peer(out, "worker  ", json_object_get(json, "worker"), "");
	if (print_has(porter, "needed") || print_has(porter, "connected"))
		show_peer(out, "porter  ", porter, "");
	(void)fprintf(out, "audit     %s, ", print_has(audit, "ok") ? "ok" : "BROKEN");
	show_count(out, audit, "records", "record");
	print_if(out, audit, "detail", ": ", "");
	(void)fputc('\n', out);
	show_counts(out, json_object_get(json, "counts"));
	show_directory(out, json_object_get(json, "ldap"));
	show_each(out, json_object_get(json, "alarms"),
		  "What needs you, worst first:", show_alarm);
	show_issuer_waits(out, json_object_get(json, "issuer_waits"));
	show_each(out, json_object_get(json, "items"),
		  "What is on its way or stuck:", show_item);
	if (json_array_size(json_object_get(json, "alarms")) == 0)
		(void)fputs("\nNothing needs you.\n", out);
}

int cli_run_status(struct cli *c)
{
	return cli_ask_and_answer(c, WIRE_STATUS_GET, show_status);
}

static void show_plan(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "WHEN", "WHAT", "OF", "NAME", "WHY" };
	static const char *const keys[] = { "at", "action", "id", "name", "why" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "Nothing is planned." };

	print_table(out, json_object_get(json, "actions"), &table);
	show_issuer_waits(out, json_object_get(json, "issuer_waits"));
}

static void show_foresight(FILE *out, const json_t *json)
{
	static const char *const heads[] = { "WHEN", "WHAT", "OF", "NAME", "WHY" };
	static const char *const keys[] = { "at", "what", "id", "name", "why" };
	static const struct print_table table = { heads, keys, ARRAY_SIZE(keys),
						  "Nothing happens until then." };
	static const char *const total_heads[] = { "OF", "ROTATIONS", "TROUBLES", "HELD" };
	static const char *const total_keys[] = { "kind", "rotations", "troubles", "held" };
	static const struct print_table totals = { total_heads, total_keys,
						   ARRAY_SIZE(total_keys), "" };

	print_table(out, json_object_get(json, "events"), &table);
	print_if(out, json, "more", "and ", " more\n");
	if (json_array_size(json_object_get(json, "totals")) > 0) {
		(void)fputc('\n', out);
		print_table(out, json_object_get(json, "totals"), &totals);
	}
	(void)fputs("\nReckoned with the schedules and policies of now, people who come within a "
		    "day,\n", out);
	(void)fputs(print_has(json, "faults") ? "and an outside that fails on and off.\n"
					      : "and an outside that does what it is asked.\n",
		    out);
	if (!print_has(json, "is_issuer_open"))
		(void)fputs("The ISSUER tier is sealed now: new secrets wait for "
			    "rotatectl unseal\n",
			    out);
}

static int foresee(struct cli *c)
{
	cleanup_reply struct cli_reply reply = CLI_REPLY_INIT;
	cleanup_buf struct buf request = BUF_INIT;
	int r;

	cli_request(c, WIRE_PLAN_SIMULATE, &request);
	frame_put_text(&request, "until", c->option[CLI_OPTION_UNTIL]);
	if (cli_has(c, CLI_OPTION_FAULTS))
		frame_put_text(&request, "faults", c->option[CLI_OPTION_FAULTS]);
	r = cli_ask(c, WIRE_PLAN_SIMULATE, &request, &reply);
	return r == CLI_DONE ? cli_answer(c, &reply, show_foresight) : r;
}

int cli_run_plan(struct cli *c)
{
	if (cli_has(c, CLI_OPTION_UNTIL))
		return foresee(c);
	return cli_ask_and_answer(c, WIRE_PLAN_GET, show_plan);
}

int cli_run_simulate(struct cli *c)
{
	struct report report;

	if (cli_has(c, CLI_OPTION_UNTIL))
		return foresee(c);
	report_set(&report, -EINVAL, "simulate needs --until DATE");
	report_hint(&report, "rotatectl simulate --until 2030-01-01 --faults 1");
	return cli_fail(c, CLI_USAGE, &report);
}
