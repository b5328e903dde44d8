// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvfiomem on real write-combining memory, with a GPU as the witness.
 *
 *	witness cuda|vulkan [--quick] [--out DIR]
 *
 * cuda: the host's own memory, write-combining.  vulkan: memory of the GPU,
 * mapped through its BAR.  For each: every size and alignment, by the bytes; a
 * kernel on the GPU that reads while the CPU writes, and would see an order
 * broken; bandwidth beside memcpy() and others, into DIR as of bench.h.
 *
 * Copies that are broken on purpose go the same way: a witness that does not
 * see them sees nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../vfiomem/ktap.h"
#include "bench.h"
#include "gpu.h"

#define COUNT(a)	(sizeof(a) / sizeof(*(a)))
#define OWN		VFIOMEM_ATTR_PRIVATE

_Noreturn void fail(const char *what, const char *why)
{
	ktap_result(false, "%s: %s", what, why);
	exit(ktap_finish());
}

bool library_open(const char *name, const struct symbol *symbols, size_t nr,
		  void *table, char *why)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	size_t i;

	if (!library) {
		snprintf(why, WHY, "%s", dlerror());
		return false;
	}
	for (i = 0; i < nr; i++) {
		void *function = dlsym(library, symbols[i].name);

		if (!function)
			fail(symbols[i].name, "not in the library");
		memcpy((char *)table + symbols[i].offset, &function, sizeof(function));
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Bytes
 */

#define LONGEST		300U
#define ALIGNMENTS	64U
#define GUARD		64U	/* untouched bytes on either side that are looked at */
#define WINDOW		512U	/* all of that */

struct order {
	const char *name;
	unsigned int order;
	bool write;
};

static const struct order orders[] = {
	{ "written RELAXED", VFIOMEM_RELAXED, true },
	{ "written PUBLISH", VFIOMEM_PUBLISH, true },
	{ "written ASCENDING", VFIOMEM_ASCENDING_WRITE, true },
	{ "read RELAXED", VFIOMEM_RELAXED, false },
	{ "read ACQUIRE", VFIOMEM_ACQUIRE, false },
	{ "read ASCENDING", VFIOMEM_ASCENDING_READ, false },
};

static void randomize(uint8_t *p, size_t n)
{
	static uint64_t seed = 1;

	while (n--) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		*p++ = seed;
	}
}

/* Words, by code that is not under test. */
static void store_words(uint8_t *to, const uint8_t *from, size_t n)
{
	size_t i;

	for (i = 0; i < n; i += 8) {
		uint64_t word;

		memcpy(&word, from + i, 8);
		*(volatile uint64_t *)(to + i) = word;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void load_words(uint8_t *to, const uint8_t *from, size_t n)
{
	size_t i;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < n; i += 8) {
		uint64_t word = *(const volatile uint64_t *)(from + i);

		memcpy(to + i, &word, 8);
	}
}

/* What @host holds, as @want says; only what may have changed is read. */
static bool write_is_right(struct vfiomem_attr attr, const struct order *order,
			   uint8_t *host, uint8_t *want, size_t at, size_t n, int *ret)
{
	const size_t from = (at - GUARD) & ~7UL, to = (at + n + GUARD + 7) & ~7UL;
	uint8_t src[LONGEST + ALIGNMENTS], found[WINDOW];
	uint8_t *p = src + (n * 5 + at * 3) % ALIGNMENTS;

	randomize(src, sizeof(src));
	*ret = vfiomem_copy(attr, host + at, OWN, p, n, order->order);
	if (*ret)
		return false;
	memcpy(want + at, p, n);
	load_words(found, host + from, to - from);
	return !memcmp(found, want + from, to - from);
}

static bool read_is_right(struct vfiomem_attr attr, const struct order *order,
			  uint8_t *host, uint8_t *want, size_t at, size_t n, int *ret)
{
	const size_t to = GUARD + (n * 5 + at * 3) % ALIGNMENTS;
	uint8_t found[WINDOW], expected[WINDOW];

	randomize(found, sizeof(found));
	memcpy(expected, found, sizeof(found));
	memcpy(expected + to, want + at, n);
	*ret = vfiomem_copy(OWN, found + to, attr, host + at, n, order->order);
	return !*ret && !memcmp(found, expected, sizeof(found));
}

static void test_bytes(const struct memory *memory, struct vfiomem_attr attr,
		       const char *attr_name, const struct order *order)
{
	unsigned int n, a, bad = 0;
	uint8_t want[WINDOW];
	char name[128];
	int ret;

	randomize(want, sizeof(want));
	store_words(memory->host, want, sizeof(want));
	for (n = 0; n <= LONGEST; n++) {
		for (a = 0; a < ALIGNMENTS; a++) {
			if ((order->write ? write_is_right : read_is_right)
			    (attr, order, memory->host, want, GUARD + a, n, &ret))
				continue;
			if (ret == -EOPNOTSUPP)
				goto unsupported;
			if (!bad++)
				printf("# first wrong one: %u bytes at %u, returned %d\n",
				       n, a, ret);
			store_words(memory->host, want, sizeof(want));
		}
	}
	ktap_result(!bad, "%s, %s, %s: bytes of 0 to %u at 0 to %u, none beside them",
		    memory->name, attr_name, order->name, LONGEST, ALIGNMENTS - 1);
	return;

unsupported:
	snprintf(name, sizeof(name), "%s, %s, %s", memory->name, attr_name, order->name);
	ktap_skip(name, "not on this CPU");
}

/* ------------------------------------------------------------------------
 * Order
 */

#define MOST_WORDS	8192U
#define ENOUGH		2000U	/* messages that the witness has seen */
#define PATIENCE	20	/* seconds */

struct race {
	const char *name;
	int (*write)(void *to, const uint64_t *message, uint32_t words);
	uint32_t words;
	bool ascending;		/* what the witness looks for */
	enum { NONE, SOME, ANY } violations;
};

static int publish(void *to, const uint64_t *message, uint32_t words)
{
	return vfiomem_copy(WC, to, OWN, message, words * 8UL, VFIOMEM_PUBLISH);
}

static int ascend(void *to, const uint64_t *message, uint32_t words)
{
	return vfiomem_copy(WC, to, OWN, message, words * 8UL, VFIOMEM_ASCENDING_WRITE);
}

static int relax(void *to, const uint64_t *message, uint32_t words)
{
	return vfiomem_copy(WC, to, OWN, message, words * 8UL, VFIOMEM_RELAXED);
}

static int granule_first(void *to, const uint64_t *message, uint32_t words)
{
	vfiomem_store64(WC, (uint64_t *)to + words - 1, message[words - 1]);
	vfiomem_flush_wc();
	return relax(to, message, words - 1);
}

static int downwards(void *to, const uint64_t *message, uint32_t words)
{
	while (words--)
		vfiomem_store64(WC, (uint64_t *)to + words, message[words]);
	return 0;
}

/* The broken ones are large: the GPU needs a while from one read to the next. */
static const struct race races[] = {
	{ "PUBLISH, 256 bytes", publish, 32, false, NONE },
	{ "PUBLISH, 4 KiB", publish, 512, false, NONE },
	{ "PUBLISH, 64 KiB", publish, MOST_WORDS, false, NONE },
	{ "PUBLISH, broken: the granule first", granule_first, MOST_WORDS, false, SOME },
	{ "ASCENDING, 256 bytes", ascend, 32, true, NONE },
	{ "ASCENDING, 4 KiB", ascend, 512, true, NONE },
	{ "ASCENDING, broken: downwards", downwards, MOST_WORDS, true, SOME },
	/* Nothing is promised; what is seen here a missing barrier may cause. */
	{ "RELAXED, 256 bytes", relax, 32, false, ANY },
	{ "RELAXED, 4 KiB, as ASCENDING", relax, 512, true, ANY },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool saw_enough(const struct race *race, const struct observation *o, double seconds)
{
	if (race->violations == SOME)
		return o->violations;
	return seconds > (bench_quick() ? 0.1 : 3) && o->messages >= ENOUGH;
}

static void test_race(const struct memory *memory, const struct race *race, const char *name)
{
	static uint64_t message[MOST_WORDS];
	struct observation o = { 0 };
	double start = now();
	uint64_t k = 0;
	uint32_t i;
	int ret;

	/* Nothing of the race before may come late. */
	memset(message, 0, sizeof(message));
	downwards(memory->host, message, MOST_WORDS);
	vfiomem_flush_wc();
	do {
		cuda_watch(memory, race->words, race->ascending);
		do {
			k++;
			for (i = 0; i < race->words; i++)
				message[i] = k;
			ret = race->write(memory->host, message, race->words);
			vfiomem_flush_wc();
		} while (cuda_watching(&o));
	} while (!ret && !saw_enough(race, &o, now() - start) && now() < start + PATIENCE);

	printf("# %s: %llu messages, %llu seen by the witness, %llu violations\n", name,
	       (unsigned long long)k, (unsigned long long)o.messages,
	       (unsigned long long)o.violations);
	if (ret == -EOPNOTSUPP)
		ktap_skip(name, "not on this CPU");
	else if (race->violations == NONE)
		ktap_result(!ret && !o.violations && o.messages >= ENOUGH,
			    "%s: the witness sees no violation", name);
	else if (race->violations == SOME)
		ktap_result(o.violations, "%s: the witness sees it", name);
}

static void test_order(const struct memory *memory, const char *no_witness)
{
	unsigned int i;

	for (i = 0; i < COUNT(races); i++) {
		char name[128];

		snprintf(name, sizeof(name), "%s: %s", memory->name, races[i].name);
		if (memory->device)
			test_race(memory, &races[i], name);
		else if (races[i].violations != ANY)
			ktap_skip(name, no_witness);
	}
}

/* ------------------------------------------------------------------------ */

static void test_memory(struct memory *memory, const char *no_witness)
{
	char name[128];
	unsigned int i;

	snprintf(name, sizeof(name), "%s: the mapping is write-combining", memory->name);
	mapping_measure(memory);
	if (memory->kind == WRITE_COMBINING)
		ktap_result(true, "%s", name);
	else
		ktap_skip(name, "it is not: what follows is true of other memory only");
	for (i = 0; i < COUNT(orders); i++) {
		test_bytes(memory, WC, "wide", &orders[i]);
		/* Aligned accesses of at most 8 bytes. */
		test_bytes(memory, VFIOMEM_ATTR(VFIOMEM_WRITECOMBINE, 8, 0), "strict",
			   &orders[i]);
	}
	test_order(memory, no_witness);
	bandwidth(memory);
}

static void test_cuda(void)
{
	struct memory memory = { .name = "host memory" };
	const char *none = cuda_open();

	if (none) {
		ktap_skip("host memory, by CUDA", none);
		bench_skip("write-combining host memory", none);
		return;
	}
	cuda_host_memory(&memory);
	test_memory(&memory, NULL);
}

static void test_vulkan(void)
{
	struct memory memory = { .name = "device memory" };
	const char *none, *no_witness = cuda_open();
	int fd = -1;

	none = vulkan_open(no_witness ? NULL : cuda_uuid(), &memory, &fd);
	if (none) {
		ktap_skip("device memory, by Vulkan", none);
		bench_skip("write-combining device memory", none);
		return;
	}
	if (fd >= 0)
		memory.device = cuda_import(fd, MEMORY_SIZE);
	else if (!no_witness)
		no_witness = "Vulkan's device is not CUDA's, or does not export its memory";
	test_memory(&memory, no_witness);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	bool vulkan = !strcmp(what, "vulkan");

	if (!vulkan && strcmp(what, "cuda")) {
		fprintf(stderr, "usage: %s cuda|vulkan [--quick] [--out DIR]\n", argv[0]);
		return 2;
	}
	bench_init(vulkan ? "gpu-vulkan" : "gpu-cuda", argc - 1, argv + 1);
	ktap_start();
	if (vulkan)
		test_vulkan();
	else
		test_cuda();
	vulkan_close();
	cuda_close();
	bench_done();
	return ktap_finish();
}
