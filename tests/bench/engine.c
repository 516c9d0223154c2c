/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ten thousand items over five simulated years: the engine on a virtual clock, against a bare
 * loop over as many events, which takes the soonest from a queue of the same length, touches
 * what it is about, and puts it back. Prints ratios for people; judges in words alone.
 *
 *	engine [ITEMS [YEARS]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rotated/simulation/simulation.h"

#define MINUTE (60 * USEC_PER_SEC)
#define DAY    (UINT64_C(86400) * USEC_PER_SEC)
#define YEAR   (365 * DAY)

enum { ROUNDS = 3, AT_MOST = 10 };

static const struct moment start = { .wall = UINT64_C(1795424400) * USEC_PER_SEC };

static double now_busy(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of /proc/self/status, KiB. */
static unsigned long anonymous_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtoul(line + 8, NULL, 10);
	if (f)
		(void)fclose(f);
	return kib;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "engine: %s\n", what);
	exit(1);
}

static struct simulation *fill(unsigned items, uint64_t seed)
{
	const struct simulation_world world = { .seed = seed, .answer = MINUTE, .person = DAY };
	struct simulation *s;

	if (simulation_new(&start, &world, &s) < 0)
		die("out of memory");
	for (unsigned i = 0; i < items; i++) {
		enum engine_kind kind = (enum engine_kind)(i % ENGINE_KIND_MAX_);
		const struct engine_observation first = { .event = ENGINE_EVENT_ROTATE };
		const struct engine_policy policy = {
			.schedule = 90 * DAY,
			.overlap = 14 * DAY,
			.soak = DAY,
			.retry_min = MINUTE,
			.retry_max = DAY / 4,
			.hold_after = 3 * DAY,
			.is_automatic = engine_kind_has_steps(kind),
			.has_hook = true,
			.may_create = true,
			.may_work = true,
		};
		struct engine_result begun;
		struct engine_item item;
		char id[32];

		(void)snprintf(id, sizeof(id), kind == ENGINE_DKIM ? "d%u.example" : "s%u", i);
		engine_item_init(&item, kind, id, &start);
		if (engine_step(&item, &policy, &start, &first, &begun) < 0 ||
		    simulation_add(s, &begun.next, &policy) < 0)
			die("an item can not be added");
	}
	return s;
}

/* ---- the bare loop ---- */

struct event {
	uint64_t at;
	struct engine_item item; /* as much memory as an actor has */
};

static void sink(struct event **heap, size_t count)
{
	for (size_t i = 0;;) {
		size_t child = 2 * i + 1;
		struct event *was;

		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1]->at < heap[child]->at)
			child++;
		if (heap[child]->at >= heap[i]->at)
			return;
		was = heap[i];
		heap[i] = heap[child];
		heap[child] = was;
		i = child;
	}
}

static double bare_loop(unsigned items, uint64_t events)
{
	struct event **heap = calloc(items, sizeof(struct event *));
	uint64_t random = 88172645463325252U;
	double t;

	for (unsigned i = 0; heap && i < items; i++) {
		heap[i] = calloc(1, sizeof(struct event));
		if (!heap[i])
			die("out of memory");
		heap[i]->at = i;
	}
	if (!heap)
		die("out of memory");
	t = now_busy();
	for (uint64_t i = 0; i < events; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		heap[0]->item.seen.wall = heap[0]->at;
		heap[0]->at += random % DAY;
		sink(heap, items);
	}
	t = now_busy() - t;
	for (unsigned i = 0; i < items; i++)
		free(heap[i]);
	free(heap);
	return t;
}

/* ---- the figures ---- */

static void measure(unsigned items, unsigned years, uint64_t seed)
{
	double least = 0, took = 0, bare = 0;
	unsigned long before = 0, after = 0;
	uint64_t events = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct simulation *s = fill(items, seed);
		double t, b;

		if (simulation_run(s, start.wall + YEAR / 2, UINT32_MAX, NULL, NULL) < 0)
			die("an item did not come to rest");
		before = anonymous_memory();
		t = now_busy();
		events = simulation_events(s);
		if (simulation_run(s, start.wall + years * YEAR, UINT32_MAX, NULL, NULL) < 0)
			die("an item did not come to rest");
		t = now_busy() - t;
		after = anonymous_memory();
		events = simulation_events(s) - events;
		simulation_free(s);
		b = bare_loop(items, events);
		if (i == 0 || t / b < least) {
			least = t / b;
			took = t;
			bare = b;
		}
	}
	(void)printf("engine, %s: %u items, %u years, %" PRIu64 " events: %.2f s; a bare loop %.2f s: "
		     "%.1f times, at most %d: %s; memory %+ld KiB after half a year\n",
		     seed ? "with faults" : "no faults", items, years, events, took, bare, least,
		     AT_MOST, least <= AT_MOST ? "met" : "missed", (long)after - (long)before);
}

int main(int argc, char **argv)
{
	unsigned items = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
	unsigned years = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;

	if (items == 0 || years == 0 || years > 100)
		die("usage: engine [ITEMS [YEARS]]");
	measure(items, years, 0);
	measure(items, years, 1);
	return 0;
}
