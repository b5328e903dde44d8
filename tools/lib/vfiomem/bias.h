/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A spinlock that is biased towards one thread.
 *
 * Most locks of a pool are nearly always taken by one and the same thread. It
 * becomes the lock's favourite, and from then on it takes no locked instruction,
 * and waits for no store: it says in a plain store that it is inside, and looks
 * whether it still is the favourite. Anybody else takes the spinlock first, then
 * deposes the favourite and waits until it is out:
 *
 *	the favourite			another
 *
 *	inside = me			favourite = nobody
 *	(1)				(2)
 *	is favourite still me?		is inside still set?
 *
 * With a full barrier at (1) and at (2) at least one of the two sees the other.
 * But (1) is what is to be saved, so membarrier(2) at (2) puts a barrier into
 * whatever each thread of this process is doing, and at (1) there is one for the
 * compiler only. It takes about a microsecond, interrupts the other CPUs, and is
 * paid for seldom: to become the favourite a thread has to take the lock so many
 * times in a row, and after each deposition twice as many. A lock that is really
 * shared is a spinlock soon.
 *
 * A lock has only one favourite in its life, because that thread may have been
 * stopped just before it says that it is inside, to go on long after it was
 * deposed; what it then writes must not be another favourite's.
 * (Model: tools/testing/selftests/vfio_cachemode/pool/bias.pml)
 *
 * A thread is known by a number that no other thread ever had, and not 0. A lock
 * that is all zeroes is ready for use.
 */
#ifndef VFIOMEM_BIAS_H
#define VFIOMEM_BIAS_H

#include <linux/membarrier.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct bias_lock {
	/* The favourite now, or 0; written by who holds the spinlock. */
	atomic_ulong favourite;
	/* The favourite as long as it holds the lock as that, written by nobody else. */
	atomic_ulong inside;
	atomic_uint taken;		/* the spinlock */
	/* Written by who holds the lock: how many times in a row it was taken ... */
	unsigned int times;
	/* ... by which thread. Once that was the favourite it stays the only one. */
	atomic_ulong by;
	unsigned int depositions;
};

#define BIAS_TIMES		64	/* in a row for the first favourite */
#define BIAS_DEPOSITIONS	24	/* no more doubling after so many */

/* Whether membarrier() works; set by bias_prepare(). */
static atomic_bool bias_possible;

/* Before locks are used, in each process. Without membarrier() there is no bias. */
static inline void bias_prepare(void)
{
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		atomic_store(&bias_possible, true);
}

static inline void bias_pause(unsigned int *spins)
{
	if (++*spins % 128 == 0)
		sched_yield();		/* its holder lost the CPU */
}

/* The spinlock is held: get the favourite out. */
static void bias_depose(struct bias_lock *l)
{
	unsigned int spins = 0;

	atomic_store_explicit(&l->favourite, 0, memory_order_relaxed);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)) {
		/*
		 * A filter of system calls that came later. By the end of a
		 * sleep every store of before has left its CPU.
		 */
		struct timespec pause = { .tv_nsec = 1000000 };

		atomic_store(&bias_possible, false);
		nanosleep(&pause, NULL);
	}
	while (atomic_load_explicit(&l->inside, memory_order_acquire))
		bias_pause(&spins);
	l->depositions += l->depositions < BIAS_DEPOSITIONS;
}

/* Whether this thread is, or could become, the favourite. */
static inline bool bias_is_by(const struct bias_lock *l, unsigned long me)
{
	return atomic_load_explicit(&l->by, memory_order_relaxed) == me;
}

/* The spinlock was just taken. */
static void bias_settle(struct bias_lock *l, unsigned long me)
{
	if (atomic_load_explicit(&l->favourite, memory_order_relaxed))
		bias_depose(l);
	if (!bias_is_by(l, me)) {
		if (!l->depositions)
			atomic_store_explicit(&l->by, me, memory_order_relaxed);
		l->times = 0;
	} else if (++l->times >> l->depositions >= BIAS_TIMES &&
		   atomic_load_explicit(&bias_possible, memory_order_relaxed)) {
		atomic_store_explicit(&l->favourite, me, memory_order_relaxed);
	}
}

static inline void bias_unlock_as_favourite(struct bias_lock *l)
{
	atomic_store_explicit(&l->inside, 0, memory_order_release);
}

/* Take the lock as its favourite, or return false. */
static inline bool bias_lock_as_favourite(struct bias_lock *l, unsigned long me)
{
	if (atomic_load_explicit(&l->favourite, memory_order_relaxed) != me)
		return false;
	atomic_store_explicit(&l->inside, me, memory_order_relaxed);
	/* (1) above: what orders this for the CPU is bias_depose(). */
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&l->favourite, memory_order_relaxed) == me)
		return true;
	bias_unlock_as_favourite(l);
	return false;
}

/* Take the lock, unless another thread has it as a spinlock. */
static bool bias_trylock(struct bias_lock *l, unsigned long me)
{
	if (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire))
		return false;
	bias_settle(l, me);
	return true;
}

static void bias_lock_spin(struct bias_lock *l, unsigned long me)
{
	unsigned int spins = 0;

	while (!bias_trylock(l, me))
		while (atomic_load_explicit(&l->taken, memory_order_relaxed))
			bias_pause(&spins);
}

static inline void bias_lock(struct bias_lock *l, unsigned long me)
{
	if (!bias_lock_as_favourite(l, me))
		bias_lock_spin(l, me);
}

static inline void bias_unlock(struct bias_lock *l, unsigned long me)
{
	if (atomic_load_explicit(&l->inside, memory_order_relaxed) == me)
		bias_unlock_as_favourite(l);
	else
		atomic_store_explicit(&l->taken, 0, memory_order_release);
}

#endif /* VFIOMEM_BIAS_H */
