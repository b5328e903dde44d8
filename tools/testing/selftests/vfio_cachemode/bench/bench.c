// SPDX-License-Identifier: GPL-2.0-only
/* A small harness for benchmarks whose results survive a noisy machine. */
#include <err.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define SLICE_NS	20000
#define PASSES		5

static const char *out = "build/bench";
static bool quick;
static FILE *raw, *parts;
static unsigned int pass;	/* from 1; 0 in a program without */

/* What one comparison has found so far, in all passes. */
struct series {
	struct series *next;
	char *what;
	unsigned int pass;	/* the last that added to it */
	size_t n, a_times, b_times;
	double *ratio, *a_ns, *b_ns;
};

static struct series *all_series;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static double run(bench_fn fn, void *arg, size_t times)
{
	uint64_t start = now();

	fn(arg, times);
	return now() - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* The median of @n values that stay as they are. */
static double median_of(const double *values, size_t n)
{
	double *copy = malloc(n * sizeof(*copy)), median;

	if (!copy)
		err(1, "malloc");
	memcpy(copy, values, n * sizeof(*copy));
	median = bench_median(copy, n);
	free(copy);
	return median;
}

static FILE *create(const char *dir, const char *name, const char *suffix)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s.%s", out, dir, name, suffix);
	f = fopen(path, "w");
	if (!f)
		err(1, "%s", path);
	return f;
}

void bench_init(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			quick = true;
		else if (!strcmp(argv[i], "--out") && i + 1 < argc)
			out = argv[++i];
		else
			errx(2, "usage: %s [--quick] [--out DIR]", argv[0]);
	}
	raw = create("raw", name, "csv");
	parts = create("parts", name, "tsv");
	fputs("what,round,times,a_ns,b_ns\n", raw);
}

bool bench_again(void)
{
	return pass++ < PASSES;
}

static bool results_count(void)
{
	return !pass || pass >= PASSES;
}

bool bench_quick(void)
{
	return quick;
}

/* So many times that they take a slice; the shortest try counts. */
static size_t calibrate(bench_fn fn, void *arg)
{
	size_t times = 1;
	double ns = 0;

	for (;;) {
		unsigned int i;

		ns = run(fn, arg, times);
		for (i = 0; i < 2; i++) {
			double again = run(fn, arg, times);

			ns = again < ns ? again : ns;
		}
		if (ns > SLICE_NS / 2)
			break;
		times *= 2;
	}
	times = times * SLICE_NS / ns;
	return times ? times : 1;
}

static size_t rounds(double ns)
{
	size_t n = (quick ? 10e6 : 60e6) / ns / (pass ? PASSES : 1);

	return n < 11 ? 11 : n;
}

static struct series *find_series(const char *what)
{
	struct series *s;

	for (s = all_series; s && strcmp(s->what, what); s = s->next)
		;
	if (s && s->pass == pass)
		errx(1, "two comparisons are called \"%s\"", what);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (s)
			s->what = strdup(what);
		if (!s || !s->what)
			err(1, "malloc");
		s->next = all_series;
		all_series = s;
	}
	s->pass = pass;
	return s;
}

static void make_room(double **values, size_t n)
{
	*values = realloc(*values, n * sizeof(**values));
	if (!*values)
		err(1, "malloc");
}

struct bench_ratio bench_compare(const char *what, bench_fn a, void *a_arg,
				 bench_fn b, void *b_arg)
{
	struct series *s = find_series(what);
	size_t end = s->n + rounds(2 * SLICE_NS);

	make_room(&s->ratio, end);
	make_room(&s->a_ns, end);
	make_room(&s->b_ns, end);
	if (!s->a_times) {
		s->a_times = calibrate(a, a_arg);
		s->b_times = calibrate(b, b_arg);
	}
	run(a, a_arg, s->a_times);
	run(b, b_arg, s->b_times);
	for (; s->n < end; s->n++) {
		double a_ns, b_ns;

		/* Each goes first as often as the other. */
		if (s->n % 2) {
			b_ns = run(b, b_arg, s->b_times) / s->b_times;
			a_ns = run(a, a_arg, s->a_times) / s->a_times;
		} else {
			a_ns = run(a, a_arg, s->a_times) / s->a_times;
			b_ns = run(b, b_arg, s->b_times) / s->b_times;
		}
		s->a_ns[s->n] = a_ns;
		s->b_ns[s->n] = b_ns;
		s->ratio[s->n] = a_ns / b_ns;
		fprintf(raw, "\"%s\",%zu,%zu,%.3f,%.3f\n", what, s->n, s->a_times,
			a_ns, b_ns);
	}
	return (struct bench_ratio){
		.ratio = median_of(s->ratio, s->n),
		.a_ns = median_of(s->a_ns, s->n),
		.b_ns = median_of(s->b_ns, s->n),
	};
}

double bench_time(const char *what, bench_fn a, void *arg)
{
	struct series *s = find_series(what);
	size_t end = s->n + rounds(SLICE_NS);

	make_room(&s->a_ns, end);
	if (!s->a_times)
		s->a_times = calibrate(a, arg);
	run(a, arg, s->a_times);
	for (; s->n < end; s->n++) {
		s->a_ns[s->n] = run(a, arg, s->a_times) / s->a_times;
		fprintf(raw, "\"%s\",%zu,%zu,%.3f,\n", what, s->n, s->a_times,
			s->a_ns[s->n]);
	}
	return median_of(s->a_ns, s->n);
}

double bench_pooled(const char *what, double value)
{
	struct series *s = find_series(what);

	make_room(&s->a_ns, s->n + 1);
	s->a_ns[s->n++] = value;
	return median_of(s->a_ns, s->n);
}

static void put_target(const char *name, const char *sense, double wanted,
		       double value, const char *unit, bool met)
{
	if (results_count())
		fprintf(parts, "target\t%s\t%s\t%.4g\t%.4g\t%s\t%d\n", name,
			sense, wanted, value, unit, met);
}

void bench_at_most(const char *name, double wanted, double value,
		   const char *unit)
{
	put_target(name, "<=", wanted, value, unit, value <= wanted);
}

void bench_at_least(const char *name, double wanted, double value,
		    const char *unit)
{
	put_target(name, ">=", wanted, value, unit, value >= wanted);
}

void bench_skip(const char *name, const char *why)
{
	if (results_count())
		fprintf(parts, "skip\t%s\t%s\n", name, why);
}

void bench_point(const char *plot, const char *series, double x, double y)
{
	if (results_count())
		fprintf(parts, "point\t%s\t%s\t%.6g\t%.6g\n", plot, series, x,
			y);
}

void bench_note(const char *format, ...)
{
	va_list ap;

	if (!results_count())
		return;
	fputs("note\t", parts);
	va_start(ap, format);
	vfprintf(parts, format, ap);
	va_end(ap);
	fputc('\n', parts);
}

int bench_done(void)
{
	if (fclose(raw) || fclose(parts))
		err(1, "results");
	return 0;
}
