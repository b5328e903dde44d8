// SPDX-License-Identifier: GPL-2.0-only
/*
 * The protocol of tools/lib/vfiomem/pool.c between stripes, gate and queue,
 * for spin: the inlines have the names of the functions that they follow.
 *
 * Two users that map and unmap one unit at a time, each on its own stripe but
 * unmapping on the other's as well; waiters that want two of the two units,
 * one of which may be cancelled. Checked in every interleaving:
 *
 * - never more than the budget is out (the assertions in got());
 * - at the end of everything no unit is missing (monitor);
 * - nobody waits for ever: a waiter that is never served while everybody else
 *   is done is an invalid end state.
 *
 * A relaxed load of the gate under a stripe's lock may give any value that the
 * gate had since the lock was taken. So the load is a step of its own just
 * after that, and others may run before the value is used.
 *
 * With one of these defined, spin must find what is broken:
 *	PLANT_LOOK_FIRST	the gate is read before the stripe's lock is taken
 *	PLANT_EMPTY_FIRST	stripes are emptied before the gate is shut
 *	PLANT_LEAVE		unmap leaves credits without a look at the gate
 *	PLANT_GREEDY		map takes credits that are not there
 */
#define BUDGET	2
#define USERS	2
#define WAITERS	2
#ifndef ROUNDS
#define ROUNDS	1
#endif
#define MAX_CREDITS 1

bool mutex;
bool gate;
byte available = BUDGET;	/* budget - handed */
bool lock[USERS];
byte credits[USERS];

byte queue[WAITERS];		/* numbers of waiters, the first at 0 */
byte queued;
byte need[WAITERS];
bool granted[WAITERS];
bool cancelled[WAITERS];

byte out;			/* by everybody's own count */
byte done;

inline acquire(l) { atomic { !l -> l = true } }
inline release(l) { l = false }

inline got(units)
{
	atomic { out = out + units; assert(out <= BUDGET) }
}

inline reclaim_all()
{
	do
	:: k < USERS ->
		acquire(lock[k]);
		d_step {
			available = available + credits[k];
			credits[k] = 0;
			lock[k] = false;
			k++
		}
	:: else -> k = 0; break
	od
}

inline set_gate() { gate = queued > 0 }

/* One step up to the gate: nobody else may look at what it works on. */
inline serve()
{
	d_step {
		do
		:: queued > 0 && available >= need[queue[0]] ->
			available = available - need[queue[0]];
			out = out + need[queue[0]];
			assert(out <= BUDGET);
			granted[queue[0]] = true;
			queue[0] = queue[1];
			queued--
		:: else -> break
		od
	};
	set_gate()
}

/* vfiomem_pool_try_map() of one unit: try_stripe(), then try_middle() */
inline try_map(s)
{
	ok = false;
#ifdef PLANT_LOOK_FIRST
	look = gate;
#endif
	acquire(lock[s]);
#ifndef PLANT_LOOK_FIRST
	look = gate;
#endif
	if
#ifdef PLANT_GREEDY
	:: credits[s] < 1 && !look -> ok = true; got(1)
#endif
	:: credits[s] >= 1 && !look -> credits[s]--; ok = true; got(1)
	:: else
	fi;
	release(lock[s]);
	look = false;
	if
	:: ok
	:: else ->
		acquire(mutex);
		if
		:: queued > 0
		:: else ->
			reclaim_all();
			if
			:: available >= 1 -> available--; ok = true; got(1)
			:: else
			fi
		fi;
		release(mutex)
	fi
}

/* vfiomem_pool_unmap() of one unit whose slot is at home in stripe h */
inline unmap(h)
{
	out--;
#ifdef PLANT_LOOK_FIRST
	look = gate;
#endif
	acquire(lock[h]);
#ifndef PLANT_LOOK_FIRST
	look = gate;
#endif
#ifdef PLANT_LEAVE
	look = false;
#endif
	if
	:: look || credits[h] + 1 > MAX_CREDITS -> middle = true
	:: else -> middle = false; credits[h]++
	fi;
	release(lock[h]);
	if
	:: middle ->
		acquire(mutex);
		available++;
		serve();
		release(mutex)
	:: else
	fi;
	look = false;
	middle = false
}

proctype user(byte s)
{
	byte k, n;
	bool ok, look, middle;

	do
	:: n < ROUNDS ->
		n++;
		try_map(s);
		if
		:: ok ->
			if
			:: unmap(s)
			:: unmap(1 - s)
			fi
		:: else
		fi
	:: else -> break
	od;
	done++
}

/* get_or_queue(), and what a waiter does with its grant */
proctype waiter(byte w)
{
	byte k, n;
	bool look, middle;

	acquire(mutex);
	if
	:: queued == 0 ->
#ifdef PLANT_EMPTY_FIRST
		reclaim_all();
		gate = true
#else
		gate = true;
		reclaim_all()
#endif
	:: else
	fi;
	if
	:: queued == 0 && available >= need[w] ->
		available = available - need[w];
		got(need[w]);
		granted[w] = true
	:: else ->
		atomic { queue[queued] = w; queued++ }
	fi;
	set_gate();
	release(mutex);

	granted[w] || cancelled[w];
	if
	:: granted[w] ->
		n = need[w];
		do
		:: n > 0 ->
			n--;
			if
			:: unmap(0)
			:: unmap(1)
			fi
		:: else -> break
		od
	:: else
	fi;
	done++
}

/* vfiomem_pool_cancel() of the first in the queue, at any time */
proctype canceller()
{
	acquire(mutex);
	if
	:: queued > 0 ->
		cancelled[queue[0]] = true;
		atomic { queue[0] = queue[1]; queued-- };
		serve()
	:: else
	fi;
	release(mutex);
	done++
}

proctype monitor()
{
	done == USERS + WAITERS + 1;
	assert(out == 0 && queued == 0 && !gate);
	assert(available + credits[0] + credits[1] == BUDGET)
}

init
{
	atomic {
		need[0] = 2;
		need[1] = 1;
		run user(0);
		run user(1);
		run waiter(0);
		run waiter(1);
		run canceller();
		run monitor()
	}
}
