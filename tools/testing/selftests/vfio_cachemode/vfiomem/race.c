// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers that race with writers and would see a violation of an order.
 *
 * The writer writes messages whose words all hold the message's number.  Later
 * numbers are larger, so whoever sees a word of message k and then looks at one
 * that was written before it must find k or more there.  Each test is made with
 * a copy that is broken on purpose, too: if the readers don't see that, they
 * see nothing.
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"
#include "vfiomem.h"

#define WORDS	32
#define SECONDS	0.7
#define ENOUGH	10000	/* new messages, seen by the reader */

static const struct vfiomem_attr ram = VFIOMEM_ATTR_RAM;
static const struct vfiomem_attr own = VFIOMEM_ATTR_PRIVATE;

static uint64_t shared[WORDS] __attribute__((aligned(4096)));
static atomic_bool stop;

struct test {
	const char *name;
	void (*write)(const uint64_t *message);
	unsigned long (*read)(void);	/* violations seen */
	bool broken;
};

static void publish(const uint64_t *message)
{
	vfiomem_copy(ram, shared, own, message, sizeof(shared), VFIOMEM_PUBLISH);
}

static void ascend(const uint64_t *message)
{
	vfiomem_copy(ram, shared, own, message, sizeof(shared), VFIOMEM_ASCENDING_WRITE);
}

/* The end first, as a memmove() that runs downwards. */
static void end_first(const uint64_t *message)
{
	unsigned int i;

	for (i = WORDS; i--; )
		vfiomem_store64(ram, &shared[i], message[i]);
}

/* The granule, then what was written before it, in no order of ours. */
static unsigned long read_after_granule(void)
{
	uint64_t granule = vfiomem_load64(ram, &shared[WORDS - 1]), word;
	unsigned long bad = 0;
	unsigned int i;

	vfiomem_rmb();
	for (i = 0; i < WORDS - 1; i++) {
		word = vfiomem_load64(ram, &shared[(i * 7) % (WORDS - 1)]);
		bad += word < granule;
	}
	return bad;
}

/* Downwards: each word was written before the one just seen. */
static unsigned long read_downwards(void)
{
	uint64_t seen = 0, word;
	unsigned long bad = 0;
	unsigned int i;

	for (i = WORDS; i--; ) {
		word = vfiomem_load64(ram, &shared[i]);
		vfiomem_rmb();
		bad += word < seen;
		seen = word;
	}
	return bad;
}

/* The writer goes downwards, so the first word is its last. */
static unsigned long acquire(void)
{
	uint64_t got[WORDS];
	unsigned long bad = 0;
	unsigned int i;

	vfiomem_copy(own, got, ram, shared, sizeof(shared), VFIOMEM_ACQUIRE);
	for (i = 1; i < WORDS; i++)
		bad += got[i] < got[0];
	return bad;
}

static unsigned long acquire_late(void)
{
	uint64_t got[WORDS];
	unsigned long bad = 0;
	unsigned int i;

	vfiomem_copy(own, got + 1, ram, shared + 1, sizeof(shared) - 8, VFIOMEM_RELAXED);
	vfiomem_rmb();
	got[0] = vfiomem_load64(ram, shared);
	for (i = 1; i < WORDS; i++)
		bad += got[i] < got[0];
	return bad;
}

static const struct test tests[] = {
	{ "PUBLISH", publish, read_after_granule, false },
	{ "PUBLISH, broken: the granule first", end_first, read_after_granule, true },
	{ "ASCENDING", ascend, read_downwards, false },
	{ "ASCENDING, broken: downwards", end_first, read_downwards, true },
	{ "ACQUIRE", end_first, acquire, false },
	{ "ACQUIRE, broken: the granule last", end_first, acquire_late, true },
};

/* The two threads on two CPUs: one after the other would race nobody. */
static int cpus[2];

static void stay_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
		err(1, "pthread_setaffinity_np");
}

static bool find_cpus(void)
{
	unsigned int found = 0;
	cpu_set_t all;
	int cpu;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(1, "sched_getaffinity");
	for (cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &all))
			cpus[found++] = cpu;
	return found == 2;
}

static void *writer(void *arg)
{
	const struct test *test = arg;
	uint64_t message[WORDS];
	uint64_t k;
	unsigned int i;

	stay_on(cpus[1]);
	for (k = 1; !atomic_load_explicit(&stop, memory_order_relaxed); k++) {
		for (i = 0; i < WORDS; i++)
			message[i] = k;
		test->write(message);
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1000000000.0;
}

static void run(const struct test *test)
{
	unsigned long reads = 0, violations = 0;
	double start = now();
	uint64_t seen = 0, changes = 0;
	pthread_t thread;

	memset(shared, 0, sizeof(shared));
	atomic_store(&stop, false);
	if (pthread_create(&thread, NULL, writer, (void *)test))
		err(1, "pthread_create");
	/* Long enough to have raced, on a busy machine too. */
	while (test->broken ? !violations : now() < start + SECONDS || changes < ENOUGH) {
		unsigned int i;

		if (now() > start + 60)
			break;
		for (i = 0; i < 1000; i++, reads++) {
			violations += test->read();
			changes += ((volatile uint64_t *)shared)[0] != seen;
			seen = ((volatile uint64_t *)shared)[0];
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	printf("# %s: %lu reads, %lu new messages, %lu violations\n", test->name, reads,
	       (unsigned long)changes, violations);
	if (!violations && changes < ENOUGH)
		ktap_skip(test->name, "the machine is too busy for a race");
	else
		ktap_result(test->broken ? violations : !violations, "%s: %s", test->name,
			    test->broken ? "seen" : "no reader sees a violation");
}

int main(void)
{
	unsigned int i;

	ktap_start();
	if (!find_cpus()) {
		ktap_skip("racing readers", "needs two CPUs");
		return ktap_finish();
	}
	stay_on(cpus[0]);
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		run(&tests[i]);
	return ktap_finish();
}
