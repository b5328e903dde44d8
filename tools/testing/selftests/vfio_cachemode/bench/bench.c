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
#define MAX_ROUNDS	1001

static const char *out = "build/bench";
static bool quick;
static FILE *raw, *parts;

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
	size_t n = (quick ? 10e6 : 60e6) / ns;

	if (n > MAX_ROUNDS)
		n = MAX_ROUNDS;
	return n < 11 ? 11 : n;
}

struct bench_ratio bench_compare(const char *what, bench_fn a, void *a_arg,
				 bench_fn b, void *b_arg)
{
	static double ratio[MAX_ROUNDS], a_ns[MAX_ROUNDS], b_ns[MAX_ROUNDS];
	size_t a_times = calibrate(a, a_arg), b_times = calibrate(b, b_arg);
	size_t n = rounds(2 * SLICE_NS), i;
	struct bench_ratio r;

	for (i = 0; i < n; i++) {
		/* Each goes first as often as the other. */
		if (i % 2) {
			b_ns[i] = run(b, b_arg, b_times) / b_times;
			a_ns[i] = run(a, a_arg, a_times) / a_times;
		} else {
			a_ns[i] = run(a, a_arg, a_times) / a_times;
			b_ns[i] = run(b, b_arg, b_times) / b_times;
		}
		ratio[i] = a_ns[i] / b_ns[i];
		fprintf(raw, "\"%s\",%zu,%zu,%.3f,%.3f\n", what, i, a_times,
			a_ns[i], b_ns[i]);
	}
	r.ratio = bench_median(ratio, n);
	r.a_ns = bench_median(a_ns, n);
	r.b_ns = bench_median(b_ns, n);
	return r;
}

double bench_time(const char *what, bench_fn a, void *arg)
{
	static double ns[MAX_ROUNDS];
	size_t times = calibrate(a, arg), n = rounds(SLICE_NS), i;

	for (i = 0; i < n; i++) {
		ns[i] = run(a, arg, times) / times;
		fprintf(raw, "\"%s\",%zu,%zu,%.3f,\n", what, i, times, ns[i]);
	}
	return bench_median(ns, n);
}

static void put_target(const char *name, const char *sense, double wanted,
		       double value, const char *unit, bool met)
{
	fprintf(parts, "target\t%s\t%s\t%.4g\t%.4g\t%s\t%d\n", name, sense,
		wanted, value, unit, met);
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
	fprintf(parts, "skip\t%s\t%s\n", name, why);
}

void bench_point(const char *plot, const char *series, double x, double y)
{
	fprintf(parts, "point\t%s\t%s\t%.6g\t%.6g\n", plot, series, x, y);
}

void bench_note(const char *format, ...)
{
	va_list ap;

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
