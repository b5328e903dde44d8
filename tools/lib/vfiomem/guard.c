// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Copies that survive SIGBUS.
 *
 * Each access of a guarded copy has an entry in a table: where its instruction
 * is, and where to go on if it faults.  The signal handler looks the program
 * counter up there and changes it.  Nothing is unwound or jumped over, so it
 * does not matter which frames of which language lie below.
 */
#include <sched.h>
#include <signal.h>
#include <ucontext.h>

#include "internal.h"

#ifdef ARCH_FIXUP

/* Distances from the fields themselves: needs no relocation at run time. */
struct fixup {
	int32_t instruction;
	int32_t recovery;
};

extern const struct fixup __start_vfiomem_fixups[] VFIOMEM_HIDDEN;
extern const struct fixup __stop_vfiomem_fixups[] VFIOMEM_HIDDEN;

#define GUARDED(insn)							       \
	"1:	" insn "\n"						       \
	"2:\n"								       \
	"	.pushsection .text.vfiomem_recovery, \"ax\"\n"		       \
	"3:	" ARCH_FIXUP " 2b\n"					       \
	"	.popsection\n"						       \
	"	.pushsection vfiomem_fixups, \"aR\"\n"			       \
	"	.balign 4\n"						       \
	"	.long 1b - ., 3b - .\n"					       \
	"	.popsection"

/*
 * The operands' numbers are those of VFIOMEM_RAW_LOAD() and _STORE(), and 2 is
 * what recovery sets; nothing but it, and on a load the value, is changed.
 */
#define GUARDED_ACCESS(insn, value, p, faulted)				       \
	__asm__ __volatile__(GUARDED(insn)				       \
			     : "+r" (value), "+" VFIOMEM_ADDRESS(p),	       \
			       "+r" (faulted)				       \
			     : : "memory")

static bool load_faults(const volatile char *p, unsigned int width,
			uint64_t *value)
{
	uint64_t loaded = 0, faulted = 0;

	switch (width) {
	case 1:
		GUARDED_ACCESS(VFIOMEM_LOAD8_INSN, loaded, p, faulted);
		break;
	case 2:
		GUARDED_ACCESS(VFIOMEM_LOAD16_INSN, loaded, p, faulted);
		break;
	case 4:
		GUARDED_ACCESS(VFIOMEM_LOAD32_INSN, loaded, p, faulted);
		break;
	default:
		GUARDED_ACCESS(VFIOMEM_LOAD64_INSN, loaded, p, faulted);
	}
	*value = loaded;
	return faulted;
}

static bool store_faults(volatile char *p, unsigned int width, uint64_t value)
{
	uint64_t faulted = 0;

	switch (width) {
	case 1:
		GUARDED_ACCESS(VFIOMEM_STORE8_INSN, value, p, faulted);
		break;
	case 2:
		GUARDED_ACCESS(VFIOMEM_STORE16_INSN, value, p, faulted);
		break;
	case 4:
		GUARDED_ACCESS(VFIOMEM_STORE32_INSN, value, p, faulted);
		break;
	default:
		GUARDED_ACCESS(VFIOMEM_STORE64_INSN, value, p, faulted);
	}
	return faulted;
}

size_t vfiomem_pieces_guarded(volatile void *to, const volatile void *from,
			      size_t n, uintptr_t align, unsigned int width,
			      unsigned int mode, unsigned int flags)
{
	const volatile char *src = from;
	volatile char *dst = to;
	size_t done = 0, head;

	head = pieces_head(align, n, &width);
	while (done < n) {
		unsigned int w = pieces_next(n - done, &head, width);
		uint64_t value;

		if (load_faults(src + done, w, &value) ||
		    store_faults(dst + done, w, value))
			break;
		done += w;
		if (flags & RUN_SEPARATE_WR)
			arch_separate_writes(mode);
		if (flags & RUN_SEPARATE_RD)
			arch_separate_reads(mode);
	}
	return done;
}

static uintptr_t fixup_address(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

int vfiomem_guard_handle(const void *siginfo, void *ucontext)
{
	const siginfo_t *info = siginfo;
	ucontext_t *context = ucontext;
	const struct fixup *fixup;

	/* Of the kernel's making, and about this very instruction. */
	if (info->si_signo != SIGBUS || info->si_code <= 0 ||
	    info->si_code == BUS_MCEERR_AO)
		return 0;
	for (fixup = __start_vfiomem_fixups; fixup < __stop_vfiomem_fixups;
	     fixup++) {
		if ((uintptr_t)ARCH_CONTEXT_PC(context) !=
		    fixup_address(&fixup->instruction))
			continue;
		ARCH_CONTEXT_PC(context) =
			(__typeof__(ARCH_CONTEXT_PC(context)))
			fixup_address(&fixup->recovery);
		return 1;
	}
	return 0;
}

enum { ABSENT, COMING, INSTALLED };

static int state;
static struct sigaction previous;	/* written before INSTALLED only */

/* Not ours: do what would have been done without us. */
static void pass_on(int signo, siginfo_t *info, void *ucontext)
{
	/* By somebody, or about memory that nobody accesses now: no fault. */
	const bool sent = info->si_code <= 0 || info->si_code == BUS_MCEERR_AO;
	sigset_t mask;

	/* As it would run without us; our return undoes it. */
	if (!(previous.sa_flags & SA_NODEFER)) {
		sigemptyset(&mask);
		sigaddset(&mask, signo);
		pthread_sigmask(SIG_BLOCK, &mask, NULL);
	}
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signo, info, ucontext);
	} else if (previous.sa_handler == SIG_IGN && sent) {
		return;
	} else if (previous.sa_handler == SIG_IGN ||
		   previous.sa_handler == SIG_DFL) {
		/* The access faults again and ends the program, as it must. */
		signal(signo, SIG_DFL);
		if (sent)
			raise(signo);
	} else {
		previous.sa_handler(signo);
	}
}

static void on_sigbus(int signo, siginfo_t *info, void *ucontext)
{
	if (!vfiomem_guard_handle(info, ucontext))
		pass_on(signo, info, ucontext);
}

int vfiomem_guard_install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus };
	int expected = ABSENT;
	int err = 0;

	while (!__atomic_compare_exchange_n(&state, &expected, COMING, false,
					    __ATOMIC_ACQUIRE,
					    __ATOMIC_ACQUIRE)) {
		if (expected == INSTALLED)
			return 0;
		expected = ABSENT;
		sched_yield();
	}
	/*
	 * SA_NODEFER: another signal may come while the handler runs, and make
	 * a guarded call in a handler of its own.
	 */
	if (sigaction(SIGBUS, NULL, &previous)) {
		err = -errno;
	} else {
		action.sa_mask = previous.sa_mask;
		action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
		if (sigaction(SIGBUS, &action, NULL))
			err = -errno;
	}
	__atomic_store_n(&state, err ? ABSENT : INSTALLED, __ATOMIC_RELEASE);
	return err;
}

/* At most 8 bytes wide, and nothing that reads whole lines. */
static void guard_side(struct side *side)
{
	if (side->width > 8)
		side->width = 8;
	side->flags &= ~(unsigned int)RUN_STREAM;
}

static int result(size_t written, size_t n, size_t *done)
{
	if (done)
		*done = written;
	return written == n ? 0 : -EIO;
}

int vfiomem_copy_guarded(struct vfiomem_attr dst_attr, volatile void *dst,
			 struct vfiomem_attr src_attr, const volatile void *src,
			 size_t n, unsigned int order, size_t *done)
{
	struct side to, from;
	size_t written = 0;
	int err;

	if (done)
		*done = 0;
	err = vfiomem_side(&to, dst_attr, dst, n, order, true);
	if (!err)
		err = vfiomem_side(&from, src_attr, src, n, order, false);
	if (!err)
		err = vfiomem_check_order(order, from.watched, to.watched);
	if (err)
		return err;
	guard_side(&to);
	guard_side(&from);
	if (n)
		written = vfiomem_copy_sides(&to, &from, true);
	return result(written, n, done);
}

int vfiomem_fill_guarded(struct vfiomem_attr attr, volatile void *dst,
			 uint8_t value, size_t n, unsigned int order,
			 size_t *done)
{
	struct side side;
	int err;

	if (done)
		*done = 0;
	err = vfiomem_fill_check(&side, attr, dst, n, order);
	if (err)
		return err;
	guard_side(&side);
	return result(vfiomem_fill_side(&side, value, true), n, done);
}

#else /* no table of fixups for this CPU, or a sanitizer that cannot see them */

size_t vfiomem_pieces_guarded(volatile void *to, const volatile void *from,
			      size_t n, uintptr_t align, unsigned int width,
			      unsigned int mode, unsigned int flags)
{
	return vfiomem_pieces(to, from, n, align, width, mode, flags);
}

int vfiomem_guard_handle(const void *siginfo, void *ucontext)
{
	(void)siginfo;
	(void)ucontext;
	return 0;
}

int vfiomem_guard_install(void)
{
	return -EOPNOTSUPP;
}

int vfiomem_copy_guarded(struct vfiomem_attr dst_attr, volatile void *dst,
			 struct vfiomem_attr src_attr, const volatile void *src,
			 size_t n, unsigned int order, size_t *done)
{
	(void)dst_attr;
	(void)dst;
	(void)src_attr;
	(void)src;
	(void)n;
	(void)order;
	if (done)
		*done = 0;
	return -EOPNOTSUPP;
}

int vfiomem_fill_guarded(struct vfiomem_attr attr, volatile void *dst,
			 uint8_t value, size_t n, unsigned int order,
			 size_t *done)
{
	(void)attr;
	(void)dst;
	(void)value;
	(void)n;
	(void)order;
	if (done)
		*done = 0;
	return -EOPNOTSUPP;
}

#endif
