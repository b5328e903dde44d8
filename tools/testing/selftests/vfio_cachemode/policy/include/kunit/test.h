/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as the driver's policy tests use, for user space: the same
 * file is compiled that a kernel with CONFIG_KUNIT runs.
 */
#ifndef POLICY_KUNIT_TEST_H
#define POLICY_KUNIT_TEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <linux/kernel.h>

struct kunit {
	const void *param_value;
	bool failed;
	jmp_buf abort;
};

struct kunit_case {
	const char *name;
	void (*run)(struct kunit *test);
	const void *(*generate)(const void *previous, const char **name);
};

struct kunit_suite {
	const char *name;
	const struct kunit_case *test_cases;
};

#define kunit_fail(test, fmt, ...) do {					\
	printf("        # %s:%d: " fmt "\n", __FILE__, __LINE__,	\
	       ##__VA_ARGS__);						\
	(test)->failed = true;						\
} while (0)

#define KUNIT_EXPECT_EQ_MSG(test, left, right, fmt, ...) do {		\
	long long l = (long long)(left), r = (long long)(right);	\
									\
	if (l != r)							\
		kunit_fail(test, "%s is %#llx, not %#llx " fmt, #right, r, l, \
			   ##__VA_ARGS__);				\
} while (0)

#define KUNIT_EXPECT_EQ(test, left, right)				\
	KUNIT_EXPECT_EQ_MSG(test, left, right, "")

#define KUNIT_ASSERT_EQ(test, left, right) do {				\
	KUNIT_EXPECT_EQ(test, left, right);				\
	if ((test)->failed)						\
		longjmp((test)->abort, 1);				\
} while (0)

#define KUNIT_EXPECT_NOT_NULL(test, ptr) do {				\
	if (!(ptr))							\
		kunit_fail(test, "%s is NULL", #ptr);			\
} while (0)

#define KUNIT_ARRAY_PARAM_DESC(prefix, array, member)			\
static const void *prefix##_gen_params(const void *previous,		\
				       const char **name)		\
{									\
	const typeof((array)[0]) *next = previous;			\
									\
	next = next ? next + 1 : (array);				\
	if (next == (array) + ARRAY_SIZE(array))			\
		return NULL;						\
	*name = next->member;						\
	return next;							\
}

#define KUNIT_CASE(fn)			{ .name = #fn, .run = fn }
#define KUNIT_CASE_PARAM(fn, gen)	{ .name = #fn, .run = fn, .generate = gen }

/* Run one case with one parameter. */
static inline bool kunit_run_once(const struct kunit_case *c, const void *param)
{
	struct kunit test = { .param_value = param };

	if (!setjmp(test.abort))
		c->run(&test);
	return !test.failed;
}

/* Print a line of KTAP for each case and parameter; returns the failures. */
static inline int kunit_run(const struct kunit_suite *suite)
{
	const struct kunit_case *c;
	int n = 0, failures = 0;

	printf("KTAP version 1\n");
	for (c = suite->test_cases; c->run; c++) {
		const char *name = "";
		const void *param = NULL;

		do {
			if (c->generate) {
				param = c->generate(param, &name);
				if (!param)
					break;
			}
			bool ok = kunit_run_once(c, param);

			failures += !ok;
			printf("%s %d %s %s\n", ok ? "ok" : "not ok", ++n,
			       c->name, name);
		} while (param);
	}
	printf("1..%d\n", n);
	return failures;
}

#define kunit_test_suite(suite)						\
int main(void)								\
{									\
	return kunit_run(&(suite)) != 0;				\
}

#endif /* POLICY_KUNIT_TEST_H */
