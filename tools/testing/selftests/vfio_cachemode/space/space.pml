// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a lookup in tools/lib/vfiomem/space.c holds a range, and how a change
 * waits until it may go, for spin.
 *
 * The changer shows two ranges by turns, each in the view that is not in use,
 * and ends the memory of the one that is shown no more as soon as nobody holds
 * it. Readers look up, hold, check and use. Checked in every interleaving: what
 * a reader uses is alive, and nobody holds anything in the end. The C code's
 * accesses that matter here are sequentially consistent, as spin's are.
 *
 * With one of these defined, spin must find what is broken:
 *	PLANT_NO_CHECK		a reader does not read the generation again
 *	PLANT_CHECK_FIRST	it does so before it holds the range
 *	PLANT_END_FIRST		the changer looks for holders before it shows the change
 */
#define READERS	2
#define CHANGES	3

byte generation;
byte view[2];		/* which range is seen */
byte holds[2];
bool alive[2];
byte done;

proctype reader()
{
	byte g, r;

again:
	g = generation;
	r = view[g % 2];
#ifdef PLANT_CHECK_FIRST
	if
	:: generation != g -> goto again
	:: else
	fi;
#endif
	holds[r]++;
#if !defined(PLANT_NO_CHECK) && !defined(PLANT_CHECK_FIRST)
	if
	:: generation != g -> holds[r]--; goto again
	:: else
	fi;
#endif
	assert(alive[r]);
	assert(alive[r]);	/* for as long as it is held */
	holds[r]--;
	done++
}

proctype changer()
{
	byte shown, new, n;

	do
	:: n < CHANGES ->
		n++;
		new = 1 - shown;
		alive[new] = true;
#ifdef PLANT_END_FIRST
		holds[shown] == 0;
#endif
		view[(generation + 1) % 2] = new;
		generation++;
#ifndef PLANT_END_FIRST
		holds[shown] == 0;
#endif
		alive[shown] = false;
		shown = new
	:: else -> break
	od;
	done++
}

init
{
	byte i;

	atomic {
		alive[0] = true;
		view[0] = 0;
		view[1] = 1;
		do
		:: i < READERS -> run reader(); i++
		:: else -> break
		od;
		run changer()
	};
	done == READERS + 1;
	assert(holds[0] == 0 && holds[1] == 0)
}
