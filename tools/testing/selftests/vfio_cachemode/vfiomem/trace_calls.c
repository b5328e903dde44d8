// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every access of every routine, compared with the contract.
 *
 *	trace_calls TABLE LEVEL SHARE
 *
 * TABLE is decode.py's for this program, LEVEL one of level.h's.  Of the product
 * n = 0...300 x both alignments mod 64 x attributes x orders, one case in SHARE
 * is taken, and of sizes up to 16 eight times as many.  Which cases is fixed by
 * a hash, not by chance.
 *
 * One result for each promise of each routine and direction, and one for the
 * data.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "level.h"
#include "model.h"
#include "trace.h"
#include "vfiomem.h"
#include "twins.h"

#define MAX_N	300
#define PAGE	4096

#if defined(__x86_64__)
#define ARCH	MODEL_X86
#elif defined(__aarch64__)
#define ARCH	MODEL_ARM64
#elif defined(__riscv)
#define ARCH	MODEL_RISCV64
#elif defined(__powerpc64__)
#define ARCH	MODEL_PPC64LE
#endif

#define ANY_ACCESS	0x7f

static const struct memory {
	const char *name;
	struct vfiomem_attr attr;
	unsigned int treated;	/* access bits that the contract leaves */
} memories[] = {
#define MEMORY(name, mode, max_width, access, treated) \
	{ name, { mode, 0, max_width, access }, treated }
	MEMORY("NONCACHED", VFIOMEM_NONCACHED, 0, 0, 0),
	MEMORY("NONCACHED max 1", VFIOMEM_NONCACHED, 1, 0, 0),
	MEMORY("NONCACHED max 4", VFIOMEM_NONCACHED, 4, 0, 0),
	MEMORY("NONCACHED vector", VFIOMEM_NONCACHED, 0, VFIOMEM_VECTOR, VFIOMEM_VECTOR),
	MEMORY("NONCACHED unaligned", VFIOMEM_NONCACHED, 0, VFIOMEM_UNALIGNED, VFIOMEM_UNALIGNED),
	MEMORY("NONCACHED unaligned vector", VFIOMEM_NONCACHED, 0,
	       VFIOMEM_UNALIGNED | VFIOMEM_VECTOR, VFIOMEM_UNALIGNED | VFIOMEM_VECTOR),
	MEMORY("NONCACHED unaligned vector max 16", VFIOMEM_NONCACHED, 16,
	       VFIOMEM_UNALIGNED | VFIOMEM_VECTOR, VFIOMEM_UNALIGNED | VFIOMEM_VECTOR),
	MEMORY("DEVICE", VFIOMEM_DEVICE, 0, 0, 0),
	MEMORY("DEVICE max 2", VFIOMEM_DEVICE, 2, 0, 0),
	MEMORY("WRITECOMBINE strict", VFIOMEM_WRITECOMBINE, 0, 0, 0),
	MEMORY("WRITECOMBINE vector", VFIOMEM_WRITECOMBINE, 0, VFIOMEM_VECTOR, VFIOMEM_VECTOR),
	MEMORY("WRITECOMBINE", VFIOMEM_WRITECOMBINE, 0, VFIOMEM_UNALIGNED | VFIOMEM_VECTOR |
	       VFIOMEM_READ_IDEMPOTENT | VFIOMEM_WRITE_MERGE,
	       VFIOMEM_UNALIGNED | VFIOMEM_VECTOR),
	MEMORY("NORMAL strict", VFIOMEM_NORMAL, 0, 0, 0),
	MEMORY("NORMAL unaligned max 8", VFIOMEM_NORMAL, 8, VFIOMEM_UNALIGNED, VFIOMEM_UNALIGNED),
	MEMORY("unknown mode", 42, 0, ANY_ACCESS, 0),
	MEMORY("UNKNOWN unaligned", VFIOMEM_UNKNOWN, 0, VFIOMEM_UNALIGNED, VFIOMEM_UNALIGNED),
	MEMORY("guest RAM", VFIOMEM_NORMAL, 0, ANY_ACCESS & ~(VFIOMEM_RAM_UNALIGNED ^ 1),
	       ANY_ACCESS & ~(VFIOMEM_RAM_UNALIGNED ^ 1)),
	/* Not traced: */
	MEMORY("PRIVATE", VFIOMEM_PRIVATE, 0, ANY_ACCESS, ANY_ACCESS),
};

#define NR_MEMORIES	(sizeof(memories) / sizeof(*memories))
#define NR_TRACED	(NR_MEMORIES - 1)
#define PRIVATE		(&memories[NR_TRACED])

enum routine { COPY, MOVE, FILL, LOAD, STORE, GUARDED, GUARDED_FILL, NR_ROUTINES };

static const char * const routine_name[] = {
	"copy", "move with overlap", "fill", "load", "store", "guarded copy",
	"guarded fill",
};

/* What is asked for, and what came of it. */
struct call {
	enum routine routine;
	const struct memory *dst_mem, *src_mem;
	enum model_order dst_order, src_order;
	unsigned int granule;
	uint64_t dst, src;
	size_t n;
	bool twin;		/* the exported function, not the inline */
	unsigned int order;
	int ret;
	uint64_t value;
};

static const struct level *level;
static unsigned int share;

/* What the window holds between calls, and what it is to hold after one. */
static uint8_t initial[TRACE_SIZE], expect[TRACE_SIZE];
static uint8_t private_buffer[2 * PAGE] __attribute__((aligned(PAGE)));

enum { EXACT, ONCE, NATURAL, MINIMAL, ORDER, DATA, NR_CHECKS };

static const char * const check_name[] = {
	"promise 1 (exact width)", "promise 2 (once)", "promise 3 (natural)",
	"promise 4 (minimal)", "promise 5 (order)", "data and return value",
};

static struct tally {
	unsigned long cases, refused, failed[NR_CHECKS];
} tally[NR_ROUTINES][2];

static uint64_t hash(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static void do_call(void *arg)
{
	struct call *c = arg;
	struct vfiomem_attr da = c->dst_mem->attr, sa = c->src_mem->attr;
	volatile void *dst = (void *)c->dst;
	const volatile void *src = (void *)c->src;
	size_t done = 0;

	switch (c->routine) {
	case COPY:
		c->ret = vfiomem_copy(da, dst, sa, src, c->n, c->order);
		break;
	case MOVE:
		c->ret = vfiomem_move(da, dst, sa, src, c->n, c->order, NULL, 0);
		break;
	case FILL:
		c->ret = vfiomem_fill(da, dst, c->value, c->n, c->order);
		break;
	case GUARDED:
		c->ret = vfiomem_copy_guarded(da, dst, sa, src, c->n, c->order, &done);
		if (!c->ret && done != c->n)
			c->ret = -ERANGE;
		break;
	case GUARDED_FILL:
		c->ret = vfiomem_fill_guarded(da, dst, c->value, c->n, c->order, &done);
		if (!c->ret && done != c->n)
			c->ret = -ERANGE;
		break;
	case LOAD:
		if (c->twin)
			c->value = twin_load(sa, src, c->n);
		else if (c->n == 1)
			c->value = vfiomem_load8(sa, src);
		else if (c->n == 2)
			c->value = vfiomem_load16(sa, src);
		else if (c->n == 4)
			c->value = vfiomem_load32(sa, src);
		else
			c->value = vfiomem_load64(sa, src);
		c->ret = 0;
		break;
	case STORE:
		if (c->twin)
			twin_store(da, dst, c->value, c->n);
		else if (c->n == 1)
			vfiomem_store8(da, dst, c->value);
		else if (c->n == 2)
			vfiomem_store16(da, dst, c->value);
		else if (c->n == 4)
			vfiomem_store32(da, dst, c->value);
		else
			vfiomem_store64(da, dst, c->value);
		c->ret = 0;
		break;
	case NR_ROUTINES:
		break;
	}
}

static bool watched(const struct memory *mem)
{
	return mem != PRIVATE;
}

static unsigned int order_bits(const struct call *c)
{
	static const unsigned int bits[] = {
		[MODEL_PUBLISH] = VFIOMEM_PUBLISH,
		[MODEL_ACQUIRE] = VFIOMEM_ACQUIRE,
	};
	unsigned int order = 0;

	order |= c->dst_order == MODEL_ASCENDING ? VFIOMEM_ASCENDING_WRITE :
		 bits[c->dst_order == MODEL_PUBLISH ? MODEL_PUBLISH : 0];
	order |= c->src_order == MODEL_ASCENDING ? VFIOMEM_ASCENDING_READ :
		 bits[c->src_order == MODEL_ACQUIRE ? MODEL_ACQUIRE : 0];
	return order | VFIOMEM_GRANULE(c->granule);
}

static struct model_side side_of(const struct call *c, enum model_dir dir)
{
	const struct memory *mem = dir == MODEL_WRITE ? c->dst_mem : c->src_mem;
	bool guarded = c->routine == GUARDED || c->routine == GUARDED_FILL;
	unsigned int mode = mem->attr.mode;

	struct model_side s = {
		.arch = ARCH,
		.dir = dir,
		.order = dir == MODEL_WRITE ? c->dst_order : c->src_order,
		.p = dir == MODEL_WRITE ? c->dst : c->src,
		.n = c->n,
		.mode = mode > VFIOMEM_NORMAL ? VFIOMEM_WRITECOMBINE : mode,
		.access = mem->treated,
		.max_width = mem->attr.max_width,
		.vector = guarded ? 8 : level->vector,
		.atomic = guarded ? 8 : level->atomic,
		.granule = c->granule,
		.watched = watched(mem),
	};

	/* The CPU may have less for this mode than for others. */
	if (!guarded)
		s.width = vfiomem_width(mem->attr, order_bits(c) & 0xff,
					dir == MODEL_WRITE);
	return s;
}

static void show(const struct call *c, const struct trace_log *log,
		 enum model_dir dir, const char *why)
{
	static unsigned int shown;
	size_t i;

	if (shown++ >= 12)
		return;
	printf("# %s: %s, %s side: dst %s %#lx, src %s %#lx, n %zu, order %#x, ret %d\n",
	       why, routine_name[c->routine],
	       dir == MODEL_WRITE ? "written" : "read", c->dst_mem->name,
	       (long)c->dst, c->src_mem->name, (long)c->src, c->n, c->order, c->ret);
	if (log->error)
		printf("#   at pc %#lx\n", (long)log->pc);
	for (i = 0; i < log->count && i < 24; i++)
		printf("#   %s %#lx width %u%s%s\n",
		       log->ev[i].kind == MODEL_LOAD ? "load" :
		       log->ev[i].kind == MODEL_STORE ? "store" :
		       log->ev[i].kind == MODEL_BARRIER ? "barrier" : "both",
		       (long)log->ev[i].addr, log->ev[i].width,
		       log->ev[i].flags & MODEL_MASKED ? " masked" : "",
		       log->ev[i].flags & MODEL_NONTEMPORAL ? " nontemporal" : "");
}

static void fail(const struct call *c, const struct trace_log *log,
		 enum model_dir dir, const char *why)
{
	static const char * const prefix[] = {
		"exact", "once", "natural", "minimal", "order",
	};
	unsigned int i;

	for (i = 0; i < DATA; i++)
		if (!strncmp(why, prefix[i], strlen(prefix[i])))
			break;
	tally[c->routine][dir].failed[i]++;
	show(c, log, dir, why);
}

/* What this side's accesses and the barriers were, judged. */
static void judge(const struct call *c, const struct trace_log *log,
		  enum model_dir dir)
{
	static struct model_event ev[16384];
	struct model_side s = side_of(c, dir);
	uint64_t buffer = trace_in(s.p, TRACE_SRC) ? TRACE_SRC : TRACE_DST;
	bool guarded = c->routine == GUARDED || c->routine == GUARDED_FILL;
	bool shared = c->routine == MOVE;
	uint64_t last = 0;
	const char *why;
	size_t i, n = 0;

	for (i = 0; i < log->count; i++) {
		const struct model_event *e = &log->ev[i];

		if (e->width && !trace_in(e->addr, buffer))
			continue;
		/* Where both sides lie in one buffer the direction tells them. */
		if (e->width && shared &&
		    e->kind != (dir == MODEL_WRITE ? MODEL_STORE : MODEL_LOAD))
			continue;
		ev[n++] = *e;
	}
	why = model_judge(&s, ev, n);
	for (i = 0; !why && guarded && i < n; i++) {
		if (!ev[i].width)
			continue;
		if (ev[i].addr < last)
			why = "order: a guarded call does not ascend";
		last = ev[i].addr;
	}
	if (why)
		fail(c, log, dir, why);
}

/* The contract lets the library refuse this. */
static bool may_refuse(const struct call *c)
{
	return (c->dst_mem->attr.mode == VFIOMEM_WRITECOMBINE &&
		c->dst_order == MODEL_ASCENDING) ||
	       (c->src_mem->attr.mode == VFIOMEM_WRITECOMBINE &&
		c->src_order == MODEL_ASCENDING);
}

static uint8_t *bytes_at(uint64_t addr)
{
	return addr >= TRACE_WINDOW && addr < TRACE_WINDOW + TRACE_SIZE ?
		trace_shadow(addr) : (uint8_t *)addr;
}

static void try(struct call *c)
{
	bool writes = c->routine != LOAD;
	bool reads = c->routine == COPY || c->routine == MOVE ||
		     c->routine == LOAD || c->routine == GUARDED;
	bool traced_dst = writes && watched(c->dst_mem);
	enum model_dir blame = writes ? MODEL_WRITE : MODEL_READ;
	uint8_t *dst = bytes_at(c->dst), *src = bytes_at(c->src);
	uint8_t *want = expect + (c->dst - TRACE_WINDOW);
	const struct trace_log *log;
	uint8_t data[MAX_N + 8];
	bool bad;

	c->order = order_bits(c);
	if (reads)
		memcpy(data, src, c->n);
	else if (c->routine == STORE)
		memcpy(data, &c->value, c->n);
	else
		memset(data, c->value, c->n);
	if (traced_dst)
		memcpy(want, data, c->n);

	log = trace_run(do_call, c, expect);
	if (writes)
		tally[c->routine][MODEL_WRITE].cases++;
	if (reads)
		tally[c->routine][MODEL_READ].cases++;

	if (!log->error && c->ret && may_refuse(c) && c->ret == -EOPNOTSUPP) {
		size_t i, accesses = 0;

		for (i = 0; i < log->count; i++)
			accesses += log->ev[i].width != 0;
		tally[c->routine][blame].refused++;
		if (accesses)
			fail(c, log, blame, "data: refused after an access");
		goto restore;
	}
	if (log->error) {
		fail(c, log, blame, log->error);
		goto restore;
	}
	if (c->ret) {
		fail(c, log, blame, "data: an error is returned");
		goto restore;
	}
	if (writes && watched(c->dst_mem))
		judge(c, log, MODEL_WRITE);
	if (reads && watched(c->src_mem))
		judge(c, log, MODEL_READ);
	if (c->routine == LOAD)
		bad = memcmp(data, &c->value, c->n);
	else if (traced_dst)
		bad = memcmp(trace_shadow(TRACE_WINDOW), expect, TRACE_SIZE);
	else
		bad = memcmp(data, dst, c->n);
	if (bad)
		fail(c, log, blame, "data: wrong bytes");
restore:
	if (traced_dst) {
		memcpy(want, initial + (c->dst - TRACE_WINDOW), c->n);
		if (log->error)
			memcpy(trace_shadow(TRACE_WINDOW), initial, TRACE_SIZE);
		memcpy(dst, want, c->n);
	}
}

/* Somewhere with this alignment: inside a page, or across the end of one. */
static uint64_t place(uint64_t buffer, unsigned int align, size_t n, uint64_t h)
{
	uint64_t at = PAGE + 1024;

	if (h & 1)	/* a page ends within or right after the range */
		at = 2 * PAGE - (n / 2 + 63) / 64 * 64;
	if ((h & 7) == 3 && n >= 64)	/* right before the end of the range */
		at = 2 * PAGE - n / 64 * 64;
	return buffer + at + align;
}

static bool chosen(uint64_t h, size_t n)
{
	unsigned int every = n <= 16 ? share / 8 : share;

	return every <= 1 || h % every == 0;
}

static bool granule_fits(const struct model_side *s, unsigned int g)
{
	uint64_t edge = s->order == MODEL_PUBLISH ? s->p + s->n : s->p;

	return g <= s->n && g <= model_width(s) && edge % g == 0;
}

/* One point of the product for copy, guarded copy and overlapping move. */
static void try_copy(enum routine routine, enum model_dir dir, unsigned int mem,
		     enum model_order order, size_t n, unsigned int align)
{
	uint64_t h = hash((((((uint64_t)routine * 2 + dir) * 32 + mem) * 4 + order) *
			   512 + n) * 64 + align);
	struct call c = { .routine = routine, .n = n };
	unsigned int other = hash(h) % (NR_MEMORIES + 2);
	unsigned int other_align = hash(h + 1) % 64;
	static const enum model_order write_orders[] = {
		MODEL_RELAXED, MODEL_PUBLISH, MODEL_ASCENDING };
	static const enum model_order read_orders[] = {
		MODEL_RELAXED, MODEL_ACQUIRE, MODEL_ASCENDING };
	enum model_order other_order;
	struct model_side s;
	unsigned int g;

	if (!chosen(h, n))
		return;
	if (other >= NR_MEMORIES)	/* the common ones more often */
		other = NR_MEMORIES - 1 - (other - NR_MEMORIES);
	if (hash(h + 2) % 4 == 0)	/* often the same alignment */
		other_align = align;
	if (routine == MOVE)
		other = mem;
	other_order = (dir == MODEL_WRITE ? read_orders : write_orders)[hash(h + 3) % 3];
	if (&memories[other] == PRIVATE)
		other_order = MODEL_RELAXED;
	if (dir == MODEL_WRITE) {
		c.dst_mem = &memories[mem];
		c.src_mem = &memories[other];
		c.dst_order = order;
		c.src_order = other_order;
		c.dst = place(TRACE_DST, align, n, hash(h + 4));
		c.src = place(TRACE_SRC, other_align, n, hash(h + 5));
	} else {
		c.dst_mem = &memories[other];
		c.src_mem = &memories[mem];
		c.dst_order = other_order;
		c.src_order = order;
		c.dst = place(TRACE_DST, other_align, n, hash(h + 4));
		c.src = place(TRACE_SRC, align, n, hash(h + 5));
	}
	if (!watched(c.dst_mem))
		c.dst = (uint64_t)private_buffer + other_align;
	if (!watched(c.src_mem))
		c.src = (uint64_t)private_buffer + other_align;
	if (routine == MOVE) {
		/* Overlap from above and below, near and far, and none. */
		int64_t d = (int64_t)(hash(h + 6) % (2 * n + 3)) - (int64_t)n - 1;

		if (dir == MODEL_WRITE)
			c.src = c.dst - d;
		else
			c.dst = c.src + d;
	}
	/* A granule for one side, where it fits; both sides would share it. */
	s = side_of(&c, dir);
	g = 1U << hash(h + 7) % 4;
	if ((order == MODEL_PUBLISH || order == MODEL_ACQUIRE) &&
	    other_order != MODEL_PUBLISH && other_order != MODEL_ACQUIRE &&
	    hash(h + 8) % 3 == 0 && granule_fits(&s, g))
		c.granule = g;
	try(&c);
}

static void product(enum routine routine, enum model_dir dir)
{
	static const enum model_order orders[2][3] = {
		[MODEL_WRITE] = { MODEL_RELAXED, MODEL_PUBLISH, MODEL_ASCENDING },
		[MODEL_READ] = { MODEL_RELAXED, MODEL_ACQUIRE, MODEL_ASCENDING },
	};
	unsigned int mem, o, align;
	size_t n;

	for (mem = 0; mem < NR_TRACED; mem++)
		for (o = 0; o < 3; o++)
			for (n = 0; n <= MAX_N; n++)
				for (align = 0; align < 64; align++)
					try_copy(routine, dir, mem, orders[dir][o],
						 n, align);
}

static void fills(enum routine routine)
{
	static const enum model_order orders[] = {
		MODEL_RELAXED, MODEL_PUBLISH, MODEL_ASCENDING };
	unsigned int mem, o, align;
	size_t n;

	for (mem = 0; mem < NR_TRACED; mem++)
		for (o = 0; o < 3; o++)
			for (n = 0; n <= MAX_N; n++)
				for (align = 0; align < 64; align++) {
					uint64_t h = hash(((mem * 3 + o) * 512 + n) * 64 +
							  align + (routine << 30));
					struct call c = {
						.routine = routine, .n = n,
						.dst_mem = &memories[mem],
						.src_mem = PRIVATE,
						.dst_order = orders[o],
						.value = 0x5a,
						.dst = place(TRACE_DST, align, n, h >> 8),
						.src = (uint64_t)private_buffer,
					};

					if (chosen(h, n))
						try(&c);
				}
}

/* Few enough to try all of them. */
static void singles(enum routine routine)
{
	unsigned int mem, align, twin;
	size_t n;

	for (mem = 0; mem < NR_TRACED; mem++)
		for (n = 1; n <= 8; n *= 2)
			for (align = 0; align < 64; align++)
				for (twin = 0; twin < 2; twin++) {
					uint64_t h = hash(((mem * 16 + n) * 64 + align) * 2 + twin);
					struct call c = {
						.routine = routine, .n = n, .twin = twin,
						.dst_mem = &memories[mem],
						.src_mem = &memories[mem],
						.value = 0x1122334455667788,
						.dst = place(TRACE_DST, align, n, h),
						.src = place(TRACE_SRC, align, n, h),
					};

					try(&c);
				}
}

/* The library's W is what the contract says. */
static void widths(void)
{
	static const struct { unsigned int bits; enum model_order order; int write; } orders[] = {
		{ VFIOMEM_RELAXED, MODEL_RELAXED, 0 },
		{ VFIOMEM_RELAXED, MODEL_RELAXED, 1 },
		{ VFIOMEM_PUBLISH, MODEL_PUBLISH, 1 },
		{ VFIOMEM_ACQUIRE, MODEL_ACQUIRE, 0 },
		{ VFIOMEM_ASCENDING, MODEL_ASCENDING, 0 },
		{ VFIOMEM_ASCENDING, MODEL_ASCENDING, 1 },
	};
	unsigned int i, o, bad = 0;

	for (i = 0; i < NR_TRACED; i++) {
		for (o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
			struct call c = {
				.dst_mem = &memories[i], .src_mem = &memories[i],
				.dst_order = orders[o].order, .src_order = orders[o].order,
			};
			struct model_side s = side_of(&c, orders[o].write ?
						      MODEL_WRITE : MODEL_READ);
			unsigned int most, least, have = s.width;

			s.width = 0;
			most = model_width(&s);
			/* Less than the CPU has is right where KVM emulates it. */
			least = most < 8 ? most : 8;
			if (s.mode == VFIOMEM_NORMAL)
				least = most < level->ram ? most : level->ram;
			if ((have >= least && have <= most && !(have & (have - 1))) ||
			    (!have && may_refuse(&c)))
				continue;
			bad++;
			printf("# %s order %#x %s: width %u, not %u to %u\n",
			       memories[i].name, orders[o].bits,
			       orders[o].write ? "write" : "read", have, least, most);
		}
	}
	ktap_result(!bad, "%s: vfiomem_width() is within the contract", level->name);
}

static void results(enum routine routine, enum model_dir dir)
{
	const struct tally *t = &tally[routine][dir];
	const char *side = dir == MODEL_WRITE ? "written" : "read";
	unsigned int i;

	for (i = 0; i < NR_CHECKS; i++)
		ktap_result(t->cases > t->refused && !t->failed[i],
			    "%s: %s, %s side: %s (%lu cases, %lu failed)", level->name,
			    routine_name[routine], side, check_name[i], t->cases,
			    t->failed[i]);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 4)
		errx(2, "usage: %s TABLE LEVEL SHARE", argv[0]);
	level = level_set(argv[2]);
	share = atoi(argv[3]);

	ktap_start();
	if (!level) {
		ktap_skip(argv[2], "this CPU does not have it");
		return ktap_finish();
	}
	for (i = 0; i < TRACE_SIZE; i++)
		initial[i] = hash(i);
	for (i = 0; i < sizeof(private_buffer); i++)
		private_buffer[i] = hash(i + TRACE_SIZE);
	memcpy(expect, initial, TRACE_SIZE);
	trace_init(argv[1]);
	memcpy(trace_shadow(TRACE_WINDOW), initial, TRACE_SIZE);

	widths();
	product(COPY, MODEL_WRITE);
	product(COPY, MODEL_READ);
	product(MOVE, MODEL_WRITE);
	product(MOVE, MODEL_READ);
	product(GUARDED, MODEL_WRITE);
	product(GUARDED, MODEL_READ);
	fills(FILL);
	fills(GUARDED_FILL);
	singles(LOAD);
	singles(STORE);

	for (i = 0; i < NR_ROUTINES; i++) {
		if (i != LOAD)
			results(i, MODEL_WRITE);
		if (i != FILL && i != STORE && i != GUARDED_FILL)
			results(i, MODEL_READ);
	}
	return ktap_finish();
}
