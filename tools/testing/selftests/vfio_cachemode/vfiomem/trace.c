// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record of every access that code makes to two buffers.
 */
#include <err.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace.h"

#define MAX_EVENTS	16384
#define MAX_INSNS	8192	/* that get a slot */
#define SLOT		32	/* bytes: an instruction and the way back */
#define AROUND		128	/* bytes checked before and after a store */

static const struct trace_insn *insns;
static size_t nr_insns;

static uint8_t *slots;
static const struct trace_insn *slot_insn[MAX_INSNS];
static uint16_t *slot_of;	/* by index into insns; 0: none yet */
static unsigned int nr_slots = 1;

static struct model_event events[MAX_EVENTS];
static uint64_t pcs[MAX_EVENTS];
static struct trace_log trace = { .ev = events, .pcs = pcs };
static sigjmp_buf escape;
static bool running;

/* A store on its way: what was there, and what may be there afterwards. */
static struct {
	const uint8_t *expect;
	uint8_t saved[TRACE_SIZE];
	uint64_t from, to, addr, width, pc;
} store;

/* The registers that were moved for an instruction that traps after its slot. */
static int moved[2];

static bool in_window(uint64_t addr)
{
	return addr >= TRACE_WINDOW && addr < TRACE_WINDOW + TRACE_SIZE;
}

static const struct trace_insn *find(uint64_t pc)
{
	size_t lo = 0, hi = nr_insns;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (insns[mid].pc == pc)
			return &insns[mid];
		if (insns[mid].pc < pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static uint8_t *slot_for(const struct trace_insn *insn)
{
	uint16_t *nr = &slot_of[insn - insns];
	uint8_t *at;

	if (!*nr) {
		if (nr_slots == MAX_INSNS)
			abort();
		*nr = nr_slots++;
		slot_insn[*nr] = insn;
		at = slots + *nr * SLOT;
		memcpy(at, (void *)insn->pc, insn->len);
		/* ldr x0, [x0] leaves no base to move back. */
		if (insn->flags & MODEL_STRING ||
		    !trace_resume(at + insn->len,
				  insn->kind == MODEL_LOAD && insn->data == insn->base ?
				  -1 : insn->base, insn->pc + insn->len))
			trace_breakpoint(at + insn->len);
		__builtin___clear_cache((char *)at, (char *)at + SLOT);
	}
	return slots + *nr * SLOT;
}

/* Give up on this call: what comes after would not be the truth. */
static void give_up(const char *why, uint64_t pc)
{
	trace.error = why;
	trace.pc = pc;
	siglongjmp(escape, 1);
}

/* Make every byte around a store differ from what it should write. */
static void store_prepare(uint64_t addr, uint64_t width, uint64_t pc)
{
	uint64_t i;

	store.addr = addr;
	store.width = width;
	store.pc = pc;
	store.from = addr - TRACE_WINDOW;
	store.from -= store.from < AROUND ? store.from : AROUND;
	store.to = addr - TRACE_WINDOW + width + AROUND;
	if (store.to > TRACE_SIZE)
		store.to = TRACE_SIZE;
	for (i = store.from; i < store.to; i++) {
		uint8_t *b = trace_shadow(TRACE_WINDOW + i);

		store.saved[i] = *b;
		*b = ~store.expect[i];
	}
}

static const char *store_check(void)
{
	const char *why = NULL;
	uint64_t i;

	for (i = store.from; i < store.to; i++) {
		uint8_t *b = trace_shadow(TRACE_WINDOW + i);
		uint64_t addr = TRACE_WINDOW + i;
		bool inside = addr >= store.addr &&
			      addr < store.addr + store.width;

		if (*b == (uint8_t)~store.expect[i]) {
			if (inside)
				why = "a store writes less than it says, or wrong data";
			*b = store.saved[i];
		} else if (!inside) {
			why = "a store writes more than it says";
		} else if (*b != store.expect[i]) {
			why = "a store writes wrong data";
		}
	}
	store.width = 0;
	return why;
}

/* The store before this event has been executed by now. */
static void settle(void)
{
	const char *why;

	if (!store.width)
		return;
	why = store_check();
	if (why)
		give_up(why, store.pc);
}

static void record(const struct model_event *ev, uint64_t pc)
{
	if (trace.count == MAX_EVENTS)
		give_up("too many events", pc);
	pcs[trace.count] = pc;
	events[trace.count++] = *ev;
}

static void move(ucontext_t *uc, int reg, unsigned int nr)
{
	moved[nr] = reg;
	if (reg >= 0)
		*trace_reg(uc, reg) += TRACE_DELTA;
}

/* x86 rep movs and rep stos: two pointers and a count. */
static void string(ucontext_t *uc, const struct trace_insn *insn)
{
	uint64_t bytes = *trace_reg(uc, insn->mask) * insn->element;
	uint64_t dst = *trace_reg(uc, insn->base);
	struct model_event ev = { .width = bytes, .flags = MODEL_STRING };

	if (insn->index >= 0 && in_window(*trace_reg(uc, insn->index))) {
		ev.kind = MODEL_LOAD;
		ev.addr = *trace_reg(uc, insn->index);
		record(&ev, insn->pc);
		move(uc, insn->index, 1);
	}
	if (in_window(dst)) {
		ev.kind = MODEL_STORE;
		ev.addr = dst;
		record(&ev, insn->pc);
		move(uc, insn->base, 0);
		store_prepare(dst, bytes, insn->pc);
	}
}

static void plain(ucontext_t *uc, const struct trace_insn *insn)
{
	struct model_event ev = {
		.kind = insn->kind, .flags = insn->flags, .width = insn->width,
	};
	uint64_t index = 0;

	if (insn->index >= 0) {
		index = *trace_reg(uc, insn->index);
		if (insn->extend == 1)
			index = (uint32_t)index;
		else if (insn->extend == 2)
			index = (int64_t)(int32_t)index;
	}
	ev.addr = *trace_reg(uc, insn->base) + (index << insn->shift) +
		  insn->disp;
	if (insn->mask >= 0) {
		uint64_t mask = trace_mask(uc, insn->mask);
		unsigned int elements = insn->width / insn->element, skip;

		if (elements < 64)
			mask &= (1ULL << elements) - 1;
		if (!mask)
			give_up("a fault of an empty mask", insn->pc);
		skip = __builtin_ctzll(mask);
		mask >>= skip;
		if (mask & (mask + 1))
			give_up("a mask with a hole", insn->pc);
		ev.addr += skip * insn->element;
		ev.width = __builtin_popcountll(mask) * insn->element;
		ev.flags |= MODEL_MASKED;
	}
	if (!in_window(ev.addr) || !in_window(ev.addr + ev.width - 1))
		give_up("the address computed is not the one that faulted", insn->pc);
	record(&ev, insn->pc);
	move(uc, insn->base, 0);
	if (insn->kind & MODEL_STORE) {
		if (insn->kind & MODEL_LOAD || insn->data == insn->base)
			give_up("a store that cannot be followed", insn->pc);
		store_prepare(ev.addr, ev.width, insn->pc);
	}
}

static void on_segv(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *uc = ucontext;
	const struct trace_insn *insn = find(*trace_pc(uc));

	if (!running) {
		/* A fault of the test's own: die of it, here. */
		signal(sig, SIG_DFL);
		return;
	}
	settle();
	if (!in_window((uint64_t)info->si_addr))
		give_up("an access far outside", *trace_pc(uc));
	if (!insn || !insn->width || insn->base < 0)
		give_up("an instruction that is not understood", *trace_pc(uc));
	moved[0] = -1;
	moved[1] = -1;
	if (insn->flags & MODEL_STRING)
		string(uc, insn);
	else
		plain(uc, insn);
	*trace_pc(uc) = (uint64_t)slot_for(insn);
}

/* The instruction at @at, in its slot, has been executed: move back. */
static void after_slot(ucontext_t *uc, uint64_t at)
{
	const struct trace_insn *insn = slot_insn[(at - trace_slots) / SLOT];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		int reg = moved[i];

		if (reg >= 0 && !(insn->kind == MODEL_LOAD && insn->data == reg))
			*trace_reg(uc, reg) -= TRACE_DELTA;
	}
	*trace_pc(uc) = insn->pc + insn->len;
}

static void on_trap(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *uc = ucontext;
	uint64_t pc = *trace_pc(uc) - trace_breakpoint_skip;
	const struct trace_insn *insn;

	(void)sig;
	(void)info;
	if (pc >= trace_slots && pc < trace_slots + MAX_INSNS * SLOT) {
		after_slot(uc, pc);
		return;
	}
	settle();
	insn = find(pc);
	if (!insn || insn->kind != MODEL_BARRIER)
		abort();
	if (running) {
		struct model_event ev = { .kind = MODEL_BARRIER, .barrier = insn->barrier };

		record(&ev, pc);
	}
	/* One thread, memory of one kind: nothing to wait for. */
	*trace_pc(uc) = insn->pc + insn->len;
}

static void *map(uint64_t at, size_t size, int prot)
{
	void *p = mmap((void *)at, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)at)
		err(1, "mmap at %#lx", (unsigned long)at);
	return p;
}

static void read_table(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", name);
	insns = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (insns == MAP_FAILED)
		err(1, "%s", name);
	close(fd);
	nr_insns = st.st_size / sizeof(*insns);
	slot_of = calloc(nr_insns, sizeof(*slot_of));
	if (!slot_of)
		err(1, "slots");
}

static void patch_barriers(void)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	size_t i;

	for (i = 0; i < nr_insns; i++) {
		uint64_t from = insns[i].pc & -page;
		uint64_t to = insns[i].pc + insns[i].len;

		if (insns[i].kind != MODEL_BARRIER)
			continue;
		if (mprotect((void *)from, to - from,
			     PROT_READ | PROT_WRITE | PROT_EXEC))
			err(1, "mprotect");
		trace_breakpoint((void *)insns[i].pc);
		__builtin___clear_cache((char *)insns[i].pc, (char *)to);
	}
}

void trace_init(const char *table)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	read_table(table);
	map(TRACE_WINDOW, TRACE_SIZE, PROT_NONE);
	map(TRACE_SHADOW, TRACE_SIZE, PROT_READ | PROT_WRITE);
	slots = map(trace_slots, MAX_INSNS * SLOT,
		    PROT_READ | PROT_WRITE | PROT_EXEC);
	sigfillset(&sa.sa_mask);
	sa.sa_sigaction = on_segv;
	if (sigaction(SIGSEGV, &sa, NULL))
		err(1, "sigaction");
	sa.sa_sigaction = on_trap;
	if (sigaction(SIGTRAP, &sa, NULL))
		err(1, "sigaction");
	patch_barriers();
}

const struct trace_log *trace_run(void (*call)(void *arg), void *arg,
				  const uint8_t *expect)
{
	sigset_t none;

	trace.count = 0;
	trace.error = NULL;
	store.expect = expect;
	store.width = 0;
	if (!sigsetjmp(escape, 0)) {
		running = true;
		call(arg);
		settle();
	} else {
		/* Out of a handler, which had blocked everything. */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	running = false;
	return &trace;
}
