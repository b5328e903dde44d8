/* SPDX-License-Identifier: GPL-2.0-only */
/* Expectations: a test goes on, and fails in the end. */
#ifndef EXPECT_H
#define EXPECT_H

#include "ktap.h"

static unsigned int bad;	/* failed expectations of the test that runs */

#define expect(condition)						\
do {									\
	if (!(condition)) {						\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);\
		bad++;							\
	}								\
} while (0)

#define expect_eq(found, wanted)					\
do {									\
	long long found_ = (long long)(found), wanted_ = (long long)(wanted);	\
									\
	if (found_ != wanted_) {					\
		printf("# %s:%d: %s is %lld, not %lld\n", __FILE__,	\
		       __LINE__, #found, found_, wanted_);		\
		bad++;							\
	}								\
} while (0)

struct test {
	const char *name;
	void (*run)(void);
};

/* Return: the program's exit status. */
static int run_tests(const struct test *tests, unsigned int nr)
{
	ktap_start();
	for (unsigned int i = 0; i < nr; i++) {
		bad = 0;
		tests[i].run();
		ktap_result(!bad, "%s", tests[i].name);
	}
	return ktap_finish();
}

#endif
