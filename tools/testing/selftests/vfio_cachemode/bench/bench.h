/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small harness for benchmarks whose results survive a noisy machine.
 *
 * Two routines are compared by turns, in slices of some ten microseconds, and
 * the result is the median of the ratios of neighbouring slices: what disturbs
 * one slice mostly disturbs the other, and the rest falls off the median.
 *
 * To add a benchmark: put NAME_bench.c into this directory, with a main() like
 *
 *	int main(int argc, char **argv)
 *	{
 *		bench_init("pool", argc, argv);
 *		struct bench_ratio r = bench_compare("map+unmap, 4 KiB",
 *						     ours, &a, theirs, &b);
 *		bench_at_most("pool: map+unmap of 4 KiB", 0.5, r.ratio,
 *			      "x malloc");
 *		return bench_done();
 *	}
 *
 * `make bench` and `make bench-quick` build and run every *_bench.c, linked
 * with libvfiomem.a, and merge what they report: one table (table.txt), one
 * results.json, one SVG a plot, and raw/NAME.csv with every slice.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Do what is measured @times times. */
typedef void (*bench_fn)(void *arg, size_t times);

struct bench_ratio {
	double ratio;	/* median of a / b */
	double a_ns;	/* medians, for one time */
	double b_ns;
};

/**
 * bench_init() - start
 * @name: names the files of this program's results
 * @argc: main()'s: --quick (fewer slices) and --out DIR are known
 * @argv: main()'s
 */
void bench_init(const char *name, int argc, char **argv);

/**
 * bench_again() - whether to measure everything once more
 *
 * A program that says ``while (bench_again())`` around all its comparisons
 * makes them in several passes, so that what disturbs the machine for a while
 * falls on some rounds of each rather than on all of one.  Medians are over the
 * rounds of all passes, and the last pass writes the results.
 *
 * Return: whether there is another pass.
 */
bool bench_again(void);

/* Whether --quick was given: leave out what is only for a plot. */
bool bench_quick(void);

/**
 * bench_compare() - run two routines by turns
 * @what: names the rows in the raw data
 * @a: the one that is judged
 * @a_arg: its argument
 * @b: the one that it is compared with
 * @b_arg: its argument
 *
 * Takes about 10 ms with --quick and 60 ms without, in all passes together.
 *
 * Return: the median ratio, and the median times.
 */
struct bench_ratio bench_compare(const char *what, bench_fn a, void *a_arg,
				 bench_fn b, void *b_arg);

/* The same for one routine alone: median ns for one time. */
double bench_time(const char *what, bench_fn a, void *arg);

/**
 * bench_pooled() - one value that a pass has found by itself
 * @what: names it
 * @value: the value
 *
 * Return: the median of those of all passes so far.
 */
double bench_pooled(const char *what, double value);

/**
 * bench_at_most() - one target, met if @value is at most @target
 * @name: unique over all programs, as "copy: RELAXED, 1000 bytes and more"
 * @target: what is wanted
 * @value: what was found
 * @unit: "x memcpy", "ns", "accesses"
 */
void bench_at_most(const char *name, double target, double value,
		   const char *unit);
void bench_at_least(const char *name, double target, double value,
		    const char *unit);

/* A target that this machine cannot show, and why.  Not in results.json. */
void bench_skip(const char *name, const char *why);

/* One point of @plot.svg. @x is logarithmic. */
void bench_point(const char *plot, const char *series, double x, double y);

/* A line of free text under the table. */
void bench_note(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Median of @n values, which are sorted in place. */
double bench_median(double *values, size_t n);

/**
 * bench_done() - write the results
 *
 * Return: 0 for main() to return.  A target that is not met is a result and
 * not a failure.
 */
int bench_done(void);

/* Make the compiler believe that the memory at @p is used. */
static inline void bench_use(const void *p)
{
	__asm__ __volatile__("" :: "r" (p) : "memory");
}

#ifdef __cplusplus
}
#endif

#endif /* BENCH_H */
