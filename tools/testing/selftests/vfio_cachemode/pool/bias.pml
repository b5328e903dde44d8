// SPDX-License-Identifier: GPL-2.0-only
/*
 * The biased lock of tools/lib/vfiomem/bias.h, for spin.
 *
 * Each thread takes the lock again and again, and may become the favourite at
 * any time that it holds it, if nobody else ever was. What a favourite writes
 * to inside goes through a buffer first, as in a CPU that has no reason to
 * hurry; membarrier() is modelled by what it promises: some time during the
 * call the buffers are empty. Checked in every interleaving: two are never in
 * at once, and nobody waits for ever.
 *
 * With one of these defined, spin must find what is broken:
 *	PLANT_NO_MEMBARRIER	the deposer only looks whether somebody is inside
 *	PLANT_LOOK_FIRST	the favourite looks before it says that it is inside
 *	PLANT_NO_WAIT		the deposer does not wait for the favourite
 *	PLANT_HEIR		another thread may be the favourite later
 */
#define THREADS	3
#define TIMES	2

byte favourite;		/* 1 to THREADS, or 0 */
byte inside;
byte by;		/* the only favourite that there may be */
bool taken;
byte in;		/* how many hold the lock */
byte done;
chan buffers[THREADS + 1] = [2] of { byte };

/* What the CPUs' buffers hold reaches memory some time. */
active proctype memory()
{
	byte value;

end:
	do
	:: atomic { buffers[1]?value -> inside = value }
	:: atomic { buffers[2]?value -> inside = value }
	:: atomic { buffers[3]?value -> inside = value }
	od
}

proctype thread(byte me)
{
	byte n;

	do
	:: n < TIMES ->
		n++;
#ifdef PLANT_LOOK_FIRST
		if
		:: favourite == me -> buffers[me]!me; goto locked
		:: else
		fi;
#else
		if
		:: favourite == me ->
			buffers[me]!me;
			if
			:: favourite == me -> goto locked
			:: else -> buffers[me]!0
			fi
		:: else
		fi;
#endif
		atomic { !taken -> taken = true };
		if
		:: favourite != 0 ->
			favourite = 0;
#ifndef PLANT_NO_MEMBARRIER
			empty(buffers[1]);
			empty(buffers[2]);
			empty(buffers[3]);
#endif
#ifndef PLANT_NO_WAIT
			inside == 0
#endif
		:: else
		fi;
#ifdef PLANT_HEIR
		by = me;
#else
		if
		:: by == 0 -> by = me
		:: else
		fi;
#endif
		if
		:: by == me -> favourite = me
		:: true
		fi;
		in++;
		assert(in == 1);
		in--;
		empty(buffers[me]);	/* a release: what came before is seen before */
		taken = false;
		goto next;
locked:
		in++;
		assert(in == 1);
		in--;
		buffers[me]!0;
next:
		skip
	:: else -> break
	od;
	done++
}

init
{
	byte i;

	atomic {
		do
		:: i < THREADS -> i++; run thread(i)
		:: else -> break
		od
	};
	done == THREADS
}
