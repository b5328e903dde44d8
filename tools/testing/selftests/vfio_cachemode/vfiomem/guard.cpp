// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guarded calls on mappings that go away.
 *
 * The mapping is a file's, the file is truncated: an access beyond its end is
 * a SIGBUS, as one to a revoked or poisoned device mapping is.  In C++, so
 * that frames with destructors are what a recovery must not jump over; the
 * library is the same for C.
 */
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <err.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "vfiomem.h"

static const struct vfiomem_attr ram = VFIOMEM_ATTR_RAM;
static const struct vfiomem_attr own = VFIOMEM_ATTR_PRIVATE;
static const struct vfiomem_attr device = VFIOMEM_ATTR(VFIOMEM_DEVICE, 0, 0);

static size_t page;

/* Two pages of a file of which only the first is left. */
struct Truncated {
	int fd;
	uint8_t *p;

	Truncated()
	{
		fd = memfd_create("guard", 0);
		if (fd < 0 || ftruncate(fd, 2 * page))
			err(1, "memfd");
		void *m = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (m == MAP_FAILED)
			err(1, "mmap");
		p = static_cast<uint8_t *>(m);
		for (size_t i = 0; i < 2 * page; i++)
			p[i] = i * 7 + (i >> 8);
		truncate();
	}
	void truncate() { if (ftruncate(fd, page)) err(1, "ftruncate"); }
	void extend() { if (ftruncate(fd, 2 * page)) err(1, "ftruncate"); }
	~Truncated()
	{
		munmap(p, 2 * page);
		close(fd);
	}
};

/* Run @child in a process of its own; return its wait status. */
template <typename Child> static int in_child(Child child)
{
	fflush(stdout);
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		alarm(300);
		_exit(child());
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status;
}

static bool exited(int status, int code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* Every size and alignment around the end of what is left. */
static bool reads(struct vfiomem_attr attr, unsigned int order)
{
	Truncated t;
	uint8_t to[256];
	bool good = true;

	for (size_t before = 0; before <= 70; before++) {
		for (size_t after = 0; after <= 70; after++) {
			size_t n = before + after, done = 999;
			uint8_t *from = t.p + page - before;
			int ret;

			memset(to, 0xee, sizeof(to));
			ret = vfiomem_copy_guarded(own, to, attr, from, n, order, &done);
			if (after) {
				/* Accesses ascend: the prefix ends where one did. */
				good &= ret == -EIO && done <= before && before - done < 8;
			} else {
				good &= !ret && done == n;
			}
			good &= done <= n && !memcmp(to, from, done);
			for (size_t i = done; i < sizeof(to); i++)
				good &= to[i] == 0xee;
		}
	}
	return good;
}

static bool writes(struct vfiomem_attr attr, unsigned int order, bool fill)
{
	Truncated t;
	uint8_t from[256];
	bool good = true;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = fill ? 0x5a : i ^ 0x33;
	for (size_t before = 0; before <= 70; before++) {
		for (size_t after = 0; after <= 70; after++) {
			size_t n = before + after, done = 999;
			uint8_t *to = t.p + page - before;
			int ret;

			memset(t.p + page - 128, 0xee, 128);
			if (fill)
				ret = vfiomem_fill_guarded(attr, to, 0x5a, n, order, &done);
			else
				ret = vfiomem_copy_guarded(attr, to, own, from, n, order, &done);
			if (after)
				good &= ret == -EIO && done <= before && before - done < 8;
			else
				good &= !ret && done == n;
			good &= done <= n && !memcmp(to, from, done);
			for (uint8_t *p = t.p + page - 128; p < t.p + page; p++)
				if (p < to || p >= to + done)
					good &= *p == 0xee;
		}
	}
	return good;
}

/* A frame with a destructor around a guarded call that fails. */
static int destroyed;

struct Witness {
	~Witness() { destroyed++; }
};

static int framed(Truncated &t)
{
	Witness w;
	uint8_t to[64];

	return vfiomem_copy_guarded(own, to, ram, t.p + page - 8, 64, 0, NULL);
}

static volatile sig_atomic_t app_got;
static sigjmp_buf app_escape;

static void app_handler(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	if (vfiomem_guard_handle(info, ucontext))
		return;
	app_got = app_got + 1;
	if (info->si_code <= 0)		/* somebody's kill() */
		return;
	siglongjmp(app_escape, 1);
}

static void app_old_handler(int sig)
{
	(void)sig;
	app_got = app_got + 1;
	siglongjmp(app_escape, 1);
}

/* Knows nothing of the library. */
static void app_plain_handler(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	(void)ucontext;
	app_got = app_got + 1;
	if (info->si_code > 0)
		siglongjmp(app_escape, 1);
}

static void handle(void (*action)(int, siginfo_t *, void *), void (*old)(int), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_flags = flags;
	if (action) {
		sa.sa_flags |= SA_SIGINFO;
		sa.sa_sigaction = action;
	} else {
		sa.sa_handler = old;
	}
	if (sigaction(SIGBUS, &sa, NULL))
		err(1, "sigaction");
}

static bool guarded_read_fails(Truncated &t)
{
	uint8_t to[16];
	size_t done = 9;

	return vfiomem_copy_guarded(own, to, ram, t.p + page, 16, 0, &done) == -EIO &&
	       done == 0;
}

/* An access of the application's own to memory that is gone. */
static bool app_read_reaches_app(Truncated &t)
{
	int before = app_got;

	if (!sigsetjmp(app_escape, 1)) {
		*const_cast<volatile uint8_t *>(t.p + page) = 1;
		return false;
	}
	return app_got == before + 1;
}

/* In the handler of a signal that comes at any time: a guarded call too. */
static Truncated *nested;
static std::atomic<unsigned long> nested_good, nested_bad;

static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	if (guarded_read_fails(*nested))
		nested_good++;
	else
		nested_bad++;
	errno = saved;
}

static void *thread(void *arg)
{
	Truncated *shared = static_cast<Truncated *>(arg);
	Truncated t;
	uint8_t to[256];
	unsigned long bad = 0;

	for (unsigned int i = 0; i < 400; i++) {
		size_t done;
		int ret = vfiomem_copy_guarded(own, to, ram, t.p + page - 100, 200, 0, &done);

		bad += ret != -EIO || done > 100 || memcmp(to, t.p + page - 100, done);
		/* This one goes away and comes back at any time, also halfway. */
		ret = vfiomem_copy_guarded(own, to, ram, shared->p + page - 100, 200, 0,
					   &done);
		bad += ret ? ret != -EIO || done >= 200 : done != 200;
		ret = vfiomem_fill_guarded(ram, shared->p + page, 1, 200, 0, &done);
		bad += ret ? ret != -EIO || done >= 200 : done != 200;
	}
	return reinterpret_cast<void *>(bad);
}

static bool many_threads()
{
	Truncated shared;
	pthread_t threads[8];
	unsigned long bad = 0;

	for (auto &id : threads)
		if (pthread_create(&id, NULL, thread, &shared))
			err(1, "pthread_create");
	for (unsigned int i = 0; i < 200; i++) {
		shared.extend();
		usleep(50);
		shared.truncate();
		usleep(50);
	}
	for (auto &id : threads) {
		void *result;

		pthread_join(id, &result);
		bad += reinterpret_cast<unsigned long>(result);
	}
	return !bad;
}

int main()
{
	page = sysconf(_SC_PAGESIZE);
	ktap_start();

	ktap_result(WTERMSIG(in_child([] {
		Truncated t;
		return guarded_read_fails(t) ? 0 : 1;
	})) == SIGBUS, "without a handler SIGBUS does what it always does");

	ktap_result(exited(in_child([] {
		Truncated t;

		/* Nothing was installed behind our back. */
		struct sigaction sa;
		sigaction(SIGBUS, NULL, &sa);
		if (sa.sa_handler != SIG_DFL)
			return 1;
		handle(app_handler, NULL, 0);
		return guarded_read_fails(t) && app_read_reaches_app(t) &&
		       guarded_read_fails(t) && app_got == 1 ? 0 : 2;
	}), 0), "vfiomem_guard_handle() in a handler of the application's");

	ktap_result(exited(in_child([] {
		Truncated t;

		handle(app_plain_handler, NULL, 0);
		if (vfiomem_guard_install() || vfiomem_guard_install())
			return 1;
		return guarded_read_fails(t) && app_read_reaches_app(t) &&
		       guarded_read_fails(t) && app_got == 1 ? 0 : 2;
	}), 0), "vfiomem_guard_install() passes on what is not ours");

	ktap_result(exited(in_child([] {
		Truncated t;

		handle(NULL, app_old_handler, 0);
		if (vfiomem_guard_install())
			return 1;
		return guarded_read_fails(t) && app_read_reaches_app(t) ? 0 : 2;
	}), 0), "... also to a handler without SA_SIGINFO");

	ktap_result(exited(in_child([] {
		handle(app_plain_handler, NULL, 0);
		if (vfiomem_guard_install())
			return 1;
		kill(getpid(), SIGBUS);
		return app_got == 1 ? 0 : 2;
	}), 0), "... also a SIGBUS that was sent");

	ktap_result(WTERMSIG(in_child([] {
		Truncated t;

		if (vfiomem_guard_install())
			return 1;
		if (!guarded_read_fails(t))
			return 2;
		*const_cast<volatile uint8_t *>(t.p + page) = 1;
		return 3;
	})) == SIGBUS, "... and dies of it where nobody else handles it");

	ktap_result(WTERMSIG(in_child([] {
		if (vfiomem_guard_install())
			return 1;
		kill(getpid(), SIGBUS);
		usleep(1000);
		return 3;
	})) == SIGBUS, "... also if it was sent");

	ktap_result(exited(in_child([] {
		siginfo_t info = {};

		/* Memory went bad that nobody accesses: ignored, and still guarded. */
		signal(SIGBUS, SIG_IGN);
		if (vfiomem_guard_install())
			return 1;
		info.si_signo = SIGBUS;
		info.si_code = BUS_MCEERR_AO;
		struct sigaction sa;
		sigaction(SIGBUS, NULL, &sa);
		ucontext_t context = {};
		sa.sa_sigaction(SIGBUS, &info, &context);
		sigset_t bus;
		sigemptyset(&bus);
		sigaddset(&bus, SIGBUS);
		sigprocmask(SIG_UNBLOCK, &bus, NULL);
		Truncated t;
		return guarded_read_fails(t) ? 0 : 2;
	}), 0), "... an asynchronous one disarms nothing");

	ktap_result(WTERMSIG(in_child([] {
		uint64_t word = 0;

		return (int)vfiomem_load32(VFIOMEM_ATTR_NONE, &word);
	})) == SIGABRT, "an aligned load of no memory aborts");

	ktap_result(WTERMSIG(in_child([] {
		uint64_t word = 0;

		vfiomem_store64(VFIOMEM_ATTR_NONE, &word, 1);
		return 0;
	})) == SIGABRT, "an aligned store to no memory aborts");

	if (vfiomem_guard_install())
		errx(1, "vfiomem_guard_install");

	static const struct {
		const char *name;
		unsigned int order;
	} write_orders[] = {
		{ "RELAXED", 0 }, { "PUBLISH", VFIOMEM_PUBLISH },
		{ "ASCENDING", VFIOMEM_ASCENDING_WRITE },
	}, read_orders[] = {
		{ "RELAXED", 0 }, { "ACQUIRE", VFIOMEM_ACQUIRE },
		{ "ASCENDING", VFIOMEM_ASCENDING_READ },
	};

	for (auto &o : read_orders) {
		ktap_result(reads(ram, o.order), "read, %s: -EIO and the prefix", o.name);
		ktap_result(reads(device, o.order), "read of device memory, %s: -EIO and the prefix",
			    o.name);
	}
	for (auto &o : write_orders) {
		ktap_result(writes(ram, o.order, false), "write, %s: -EIO and the prefix", o.name);
		ktap_result(writes(device, o.order, false),
			    "write of device memory, %s: -EIO and the prefix", o.name);
		ktap_result(writes(ram, o.order, true), "fill, %s: -EIO and the prefix", o.name);
	}

	{
		Truncated t;

		ktap_result(framed(t) == -EIO && destroyed == 1,
			    "a C++ frame around it is left as ever");
	}

	{
		Truncated t;
		uint8_t to[64];
		unsigned long bad = 0, alarms = 0;

		nested = &t;
		signal(SIGALRM, on_alarm);
		while (nested_good + nested_bad < 200) {
			size_t done;

			/* One at a time: a handler may take longer than that. */
			if (nested_good + nested_bad == alarms) {
				alarms++;
				ualarm(200, 0);
			}
			bad += vfiomem_copy_guarded(own, to, ram, t.p + page - 32, 64, 0,
						    &done) != -EIO || done > 32;
		}
		ualarm(0, 0);
		ktap_result(!bad && !nested_bad,
			    "nested: a guarded call in a signal handler inside guarded calls");
	}

	ktap_result(many_threads(), "eight threads, a file that comes and goes");
	return ktap_finish();
}
