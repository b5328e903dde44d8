// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and write() of device memory against a model: any offset and length,
 * over the end of what exists, with every kind of bad or slow user buffer, and
 * never with the memory lock held while user memory is touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "vfio_test.h"

FIXTURE(rdwr)
{
	struct vfio_device device;
	struct area area;
	uint64_t page;
};

FIXTURE_VARIANT(rdwr)
{
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(rdwr, normal) { .mode = VFIO_MMAP_CACHE_MODE_NORMAL };
FIXTURE_VARIANT_ADD(rdwr, writecombine) {
	.mode = VFIO_MMAP_CACHE_MODE_WRITECOMBINE
};

FIXTURE_SETUP(rdwr)
{
	self->page = sysconf(_SC_PAGESIZE);
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_TRUE(memory_area(self->device.fd, variant->mode, &self->area)) {
		TH_LOG("no memory of mode %u", variant->mode);
	}
	ASSERT_EQ(0, self->area.a.offset);
	ASSERT_LT(MIB(64), self->area.a.size);
}

FIXTURE_TEARDOWN(rdwr)
{
	vfio_close(&self->device);
}

static void fill_random(unsigned char *p, size_t n, uint64_t *seed)
{
	uint64_t v;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		v = random64(seed);
		memcpy(p + i, &v, 8);
	}
	for (v = random64(seed); i < n; i++, v >>= 8)
		p[i] = v;
}

/* Lengths that a copier may treat differently, most of them short. */
static size_t random_length(uint64_t *seed, size_t most)
{
	const uint64_t r = random64(seed);

	switch (r % 8) {
	case 0 ... 2:
		return 1 + (r >> 8) % 16;
	case 3 ... 5:
		return 1 + (r >> 8) % 300;
	case 6:
		return 1 + (r >> 8) % 9000;
	}
	return 1 + (r >> 8) % most;
}

/* A window of the region beside its model, written and read at random. */
static void window(struct __test_metadata *_metadata, int fd,
		   const struct area *area, uint64_t start, size_t size,
		   unsigned int rounds, uint64_t seed)
{
	const size_t longest = KIB(200);	/* over several bounces */
	unsigned char *model = malloc(size), *buffer = malloc(longest + 16);
	unsigned char *in;
	uint64_t offset;
	size_t n, exists;
	unsigned int k;

	exists = start < area->a.size ? area->a.size - start : 0;
	if (exists > size)
		exists = size;
	fill_random(model, size, &seed);
	ASSERT_EQ(size, pwrite(fd, model, size, area->base + start));
	memset(model + exists, 0xff, size - exists);

	for (k = 0; k < rounds; k++) {
		offset = random64(&seed) % size;
		/* Half of them close to the end of what exists. */
		if (exists && exists < size && random64(&seed) % 2)
			offset = exists - 1 - random64(&seed) % 64;
		n = random_length(&seed, longest);
		if (n > size - offset)
			n = size - offset;
		in = buffer + random64(&seed) % 16;
		if (random64(&seed) % 2) {
			fill_random(in, n, &seed);
			ASSERT_EQ(n, pwrite(fd, in, n,
					    area->base + start + offset));
			if (offset < exists)
				memcpy(model + offset, in,
				       n < exists - offset ? n :
				       exists - offset);
		} else {
			memset(in, 0xa5, n);
			ASSERT_EQ(n, pread(fd, in, n,
					   area->base + start + offset));
			ASSERT_EQ(0, memcmp(in, model + offset, n)) {
				TH_LOG("round %u: %zu bytes at %#llx", k, n,
				       (unsigned long long)(start + offset));
			}
		}
	}
	/* And as a whole: nothing outside of the writes has changed. */
	in = malloc(size);
	ASSERT_EQ(size, pread(fd, in, size, area->base + start));
	EXPECT_EQ(0, memcmp(in, model, size));
	free(in);
	free(buffer);
	free(model);
}

TEST_F(rdwr, random_at_the_start)
{
	window(_metadata, self->device.fd, &self->area, 0, MIB(1), 600, 1);
}

TEST_F(rdwr, random_over_the_end)
{
	const uint64_t end = self->area.a.size;
	uint64_t size = KIB(512);

	if (self->area.region_size - end < size / 2)
		size = size / 2 + self->area.region_size - end;
	window(_metadata, self->device.fd, &self->area, end - KIB(256), size,
	       600, 2);
}

/* What a mapping shows is what read and write do: one memory, one attribute. */
TEST_F(rdwr, agrees_with_a_mapping)
{
	unsigned char *buffer = malloc(KIB(256)), *mapped;
	uint64_t seed = 4, offset;
	unsigned int i, k;
	size_t n;

	mapped = map_area(self->device.fd, &self->area, 0, KIB(512), 0);
	for (k = 0; k < 40; k++) {
		offset = random64(&seed) % KIB(256);
		n = random_length(&seed, KIB(256));
		fill_random(buffer, n, &seed);
		ASSERT_EQ(n, pwrite(self->device.fd, buffer, n,
				    self->area.base + offset));
		for (i = 0; i < n; i++)
			ASSERT_EQ(buffer[i],
				  ((volatile unsigned char *)mapped)[offset + i]);
		((volatile unsigned char *)mapped)[offset + n / 2] ^= 0xff;
		buffer[n / 2] ^= 0xff;
		ASSERT_EQ(1, pread(self->device.fd, buffer + n / 2, 1,
				   self->area.base + offset + n / 2));
		EXPECT_EQ(buffer[n / 2],
			  ((volatile unsigned char *)mapped)[offset + n / 2]);
	}
	munmap(mapped, KIB(512));
	free(buffer);
}

/* Behind what exists: all ones, dropped.  Behind the region: as vfio-pci. */
TEST_F(rdwr, behind_the_end)
{
	const uint64_t size = self->area.region_size;
	const int fd = self->device.fd;
	unsigned char bytes[64];
	unsigned int i;

	if (size > self->area.a.size) {
		memset(bytes, 0, sizeof(bytes));
		EXPECT_EQ(64, pwrite(fd, bytes, 64, self->area.base + size - 64));
		memset(bytes, 0, sizeof(bytes));
		EXPECT_EQ(64, pread(fd, bytes, 64, self->area.base + size - 64));
		for (i = 0; i < 64; i++)
			EXPECT_EQ(0xff, bytes[i]);
	}
	EXPECT_EQ(16, pread(fd, bytes, 64, self->area.base + size - 16));
	EXPECT_EQ(16, pwrite(fd, bytes, 64, self->area.base + size - 16));
	EXPECT_EQ(-1, pread(fd, bytes, 1, self->area.base + size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(fd, bytes, 1, self->area.base + size));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, pread(fd, bytes, 0, self->area.base));
	EXPECT_EQ(0, pwrite(fd, bytes, 0, self->area.base));
}

/*
 * While memory is off nothing is touched: an error, or all ones and dropped
 * writes.  It is there again, unchanged, afterwards.
 */
TEST_F(rdwr, memory_disabled)
{
	const int fd = self->device.fd;
	const off_t at = self->area.base + 0x4000;
	uint64_t before = 0x1122334455667788, v;
	ssize_t n;

	ASSERT_EQ(8, pwrite(fd, &before, 8, at));
	set_memory_enable(fd, false);
	v = 0;
	n = pread(fd, &v, 8, at);
	EXPECT_TRUE((n == 8 && v == ~0ULL) || (n == -1 && errno == EIO));
	v = 0;
	n = pwrite(fd, &v, 8, at);
	EXPECT_TRUE(n == 8 || (n == -1 && errno == EIO));
	set_memory_enable(fd, true);
	ASSERT_EQ(8, pread(fd, &v, 8, at));
	EXPECT_EQ(before, v);
}

/*
 * In low power read() and write() wake the device first (<linux/vfio.h> at
 * VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY): only mappings are disabled.
 */
TEST_F(rdwr, low_power)
{
	const int fd = self->device.fd;
	const off_t at = self->area.base + 0x5000;
	uint64_t wrote = 0x0102030405060708, v = 0;

	ASSERT_EQ(8, pwrite(fd, &wrote, 8, at));
	ASSERT_EQ(0, __low_power(fd, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	EXPECT_EQ(8, pread(fd, &v, 8, at));
	EXPECT_EQ(wrote, v);
	wrote = ~wrote;
	EXPECT_EQ(8, pwrite(fd, &wrote, 8, at));
	ASSERT_EQ(0, __low_power(fd, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	EXPECT_EQ(8, pread(fd, &v, 8, at));
	EXPECT_EQ(wrote, v);
}

TEST_F(rdwr, bad_buffers)
{
	const size_t size = KIB(256);
	const int fd = self->device.fd;
	unsigned char *p, *model = malloc(size);
	uint64_t seed = 5;
	ssize_t n;

	fill_random(model, size, &seed);
	ASSERT_EQ(size, pwrite(fd, model, size, self->area.base));
	EXPECT_EQ(-1, pread(fd, NULL, 8, self->area.base));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(fd, NULL, 8, self->area.base));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(fd, (void *)(~0UL << 20), 8, self->area.base));
	EXPECT_EQ(EFAULT, errno);

	/* The buffer ends in the middle: what was done is right, or refused. */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + size / 2, size / 2));
	n = pread(fd, p, size, self->area.base);
	if (n < 0) {
		EXPECT_EQ(EFAULT, errno);
	} else {
		ASSERT_LE(n, size / 2);
		EXPECT_EQ(0, memcmp(p, model, n));
	}
	memset(p, 0x77, size / 2);
	n = pwrite(fd, p, size, self->area.base);
	EXPECT_TRUE(n == -1 ? errno == EFAULT : n <= (ssize_t)(size / 2));
	p = malloc(size);
	ASSERT_EQ(size, pread(fd, p, size, self->area.base));
	EXPECT_EQ(0, memcmp(p + size / 2, model + size / 2, size / 2));

	/* A buffer that may not be written. */
	p = mmap(NULL, self->page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	EXPECT_EQ(-1, pread(fd, p, 8, self->area.base));
	EXPECT_EQ(EFAULT, errno);
	free(model);
}

/*
 * The buffer is the device's own mapping, not faulted in: the fault wants the
 * memory lock.  A driver that holds it over the copy stops here for ever.
 */
TEST_F(rdwr, buffer_is_the_device_s_own_mapping)
{
	const size_t size = MIB(3);
	const int fd = self->device.fd;
	unsigned char *model = malloc(size), *back = malloc(size);
	unsigned char *mapped;
	uint64_t seed = 6;

	fill_random(model, size, &seed);
	ASSERT_EQ(size, pwrite(fd, model, size, self->area.base));

	mapped = map_area(fd, &self->area, MIB(8), size, 0);
	ASSERT_EQ(size, pread(fd, mapped, size, self->area.base));
	ASSERT_EQ(size, pread(fd, back, size, self->area.base + MIB(8)));
	EXPECT_EQ(0, memcmp(back, model, size));
	munmap(mapped, size);

	mapped = map_area(fd, &self->area, MIB(8), size, self->page);
	ASSERT_EQ(size, pwrite(fd, mapped, size, self->area.base + MIB(16)));
	ASSERT_EQ(size, pread(fd, back, size, self->area.base + MIB(16)));
	EXPECT_EQ(0, memcmp(back, model, size));
	munmap(mapped, size);

	/* While memory is off the buffer faults: an answer, and no hang. */
	mapped = map_area(fd, &self->area, MIB(8), size, 0);
	set_memory_enable(fd, false);
	EXPECT_NE(size, pread(fd, mapped, size, self->area.base));
	set_memory_enable(fd, true);
	munmap(mapped, size);
	free(model);
	free(back);
}

struct slow_page {
	int uffd;
	char *page;
	uint64_t size;
	atomic_bool asked;
	atomic_bool answer;
};

/* Answers a page fault only once it is told to. */
static void *slow_pager(void *arg)
{
	struct slow_page *slow = arg;
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)slow->page, slow->size },
	};
	struct uffd_msg msg;

	if (read(slow->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return NULL;
	atomic_store(&slow->asked, true);
	while (!atomic_load(&slow->answer))
		usleep(1000);
	ioctl(slow->uffd, UFFDIO_ZEROPAGE, &zero);
	return NULL;
}

struct reader {
	int fd;
	void *buffer;
	size_t size;
	off_t offset;
	bool write;
	ssize_t result;
};

static void *transfer(void *arg)
{
	struct reader *r = arg;

	r->result = r->write ? pwrite(r->fd, r->buffer, r->size, r->offset) :
			       pread(r->fd, r->buffer, r->size, r->offset);
	return NULL;
}

/*
 * The user's page is not there until we say so (userfaultfd).  Meanwhile a
 * writer of the memory lock (memory disable, reset) must get it at once.
 */
static void slow_buffer(struct __test_metadata *_metadata, int fd,
			const struct area *area, uint64_t page, bool write)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct slow_page slow = { .size = page };
	struct reader reader = {
		.fd = fd, .size = page, .offset = area->base, .write = write,
	};
	pthread_t pager, thread;
	uint64_t start, took;

	slow.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (slow.uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(slow.uffd, UFFDIO_API, &api));
	slow.page = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, slow.page);
	reg.range.start = (uintptr_t)slow.page;
	reg.range.len = page;
	ASSERT_EQ(0, ioctl(slow.uffd, UFFDIO_REGISTER, &reg));
	reader.buffer = slow.page;
	ASSERT_EQ(0, pthread_create(&pager, NULL, slow_pager, &slow));
	ASSERT_EQ(0, pthread_create(&thread, NULL, transfer, &reader));
	while (!atomic_load(&slow.asked))
		usleep(1000);

	start = now_ms();
	set_memory_enable(fd, false);
	set_memory_enable(fd, true);
	took = now_ms() - start;
	TH_LOG("memory lock taken and released in %llu ms",
	       (unsigned long long)took);
	EXPECT_FALSE(atomic_load(&slow.answer));
	atomic_store(&slow.answer, true);
	pthread_join(thread, NULL);
	pthread_join(pager, NULL);
	EXPECT_EQ(page, reader.result);
	close(slow.uffd);
	munmap(slow.page, page);
}

TEST_F(rdwr, slow_buffer_does_not_hold_the_memory_lock)
{
	slow_buffer(_metadata, self->device.fd, &self->area, self->page, false);
	slow_buffer(_metadata, self->device.fd, &self->area, self->page, true);
}

TEST_F(rdwr, dropped_pages)
{
	const size_t size = KIB(128);
	unsigned char *p, *back = malloc(size);
	unsigned int k;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (k = 0; k < 4; k++) {
		memset(p, k + 1, size);
		ASSERT_EQ(size, pwrite(self->device.fd, p, size,
				       self->area.base));
		ASSERT_EQ(0, madvise(p, size, MADV_DONTNEED));
		ASSERT_EQ(size, pread(self->device.fd, p, size,
				      self->area.base));
		memset(back, k + 1, size);
		EXPECT_EQ(0, memcmp(p, back, size));
	}
	munmap(p, size);
	free(back);
}

struct disturber {
	int fd;
	bool reset;
	atomic_bool stop;
	atomic_uint rounds;
};

static void *disturb(void *arg)
{
	struct disturber *d = arg;

	while (!atomic_load(&d->stop)) {
		if (d->reset)
			ioctl(d->fd, VFIO_DEVICE_RESET);
		set_memory_enable(d->fd, false);
		usleep(1000);
		set_memory_enable(d->fd, true);
		usleep(1000);
		atomic_fetch_add(&d->rounds, 1);
	}
	return NULL;
}

/*
 * Resets and disables all the while: each transfer is whole, cut short, an
 * error, or (where nothing could be reached) all ones.
 */
TEST_F(rdwr, concurrent_reset_and_disable)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct disturber d = { .fd = self->device.fd };
	const size_t size = KIB(300);
	unsigned char *p = malloc(size);
	const uint64_t start = now_ms();
	unsigned int whole = 0, cut = 0, i;
	pthread_t thread;
	ssize_t n;

	ASSERT_EQ(0, ioctl(self->device.fd, VFIO_DEVICE_GET_INFO, &info));
	d.reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	memset(p, 0x42, size);
	ASSERT_EQ(size, pwrite(self->device.fd, p, size, self->area.base));
	ASSERT_EQ(0, pthread_create(&thread, NULL, disturb, &d));
	/* On a busy host until there was something to bear. */
	while (now_ms() - start < 3000 ||
	       (atomic_load(&d.rounds) < 2 && now_ms() - start < 120000)) {
		memset(p, 0, size);
		n = pread(self->device.fd, p, size, self->area.base);
		if (n < 0) {
			ASSERT_EQ(EIO, errno);
			cut++;
			continue;
		}
		for (i = 0; i < n && (p[i] == 0x42 || p[i] == 0xff); i++)
			;
		ASSERT_EQ(n, i);
		if (n == size)
			whole++;
		else
			cut++;
		memset(p, 0x42, size);
		n = pwrite(self->device.fd, p, size, self->area.base);
		if (n < 0)
			ASSERT_EQ(EIO, errno);
	}
	atomic_store(&d.stop, true);
	pthread_join(thread, NULL);
	TH_LOG("%u whole, %u cut or refused, %u disturbances", whole, cut,
	       atomic_load(&d.rounds));
	EXPECT_LE(2, atomic_load(&d.rounds));
	ASSERT_EQ(size, pread(self->device.fd, p, size, self->area.base));
	for (i = 0; i < size && p[i] == 0x42; i++)
		;
	EXPECT_EQ(size, i);
	free(p);
}

/* Slow under emulation, so with one mode only. */
FIXTURE(huge)
{
	struct vfio_device device;
	struct area area;
};

FIXTURE_SETUP(huge)
{
	vfio_bind(gpu_bdf(), driver_name());
	vfio_open(&self->device, gpu_bdf());
	ASSERT_TRUE(memory_area(self->device.fd, VFIO_MMAP_CACHE_MODE_NORMAL,
				&self->area));
}

FIXTURE_TEARDOWN(huge)
{
	vfio_close(&self->device);
}

/* An address range of @size bytes that takes 2 MiB of memory. */
static void *cheap_buffer(size_t size)
{
	int fd = memfd_create("buffer", MFD_CLOEXEC);
	size_t at;
	char *p;

	if (fd < 0 || ftruncate(fd, MIB(2)))
		fatal("memfd");
	p = mmap(NULL, size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fatal("no address space");
	for (at = 0; at < size; at += MIB(2))
		if (mmap(p + at, MIB(2), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			fatal("mmap");
	close(fd);
	return p;
}

/* The kernel's copies on x86 are string instructions, QEMU's slowest. */
#ifdef __x86_64__
#define MUCH	MIB(128)
#else
#define MUCH	GIB(1)
#endif

TEST_F(huge, read)
{
	const uint64_t end = self->area.a.size;
	const size_t size = MUCH;
	uint64_t start, last = 0x8877665544332211;
	unsigned char *p;

	if (end < size)
		SKIP(return, "too little memory: give the machine more");
	ASSERT_EQ(8, pwrite(self->device.fd, &last, 8,
			    self->area.base + end - 8));
	p = cheap_buffer(size);
	start = now_ms();
	ASSERT_EQ(size, pread(self->device.fd, p, size,
			      self->area.base + end - size));
	TH_LOG("%zu MiB read in %llu ms", size >> 20,
	       (unsigned long long)(now_ms() - start));
	EXPECT_EQ(0, memcmp(p + size - 8, &last, 8));
	munmap(p, size);
}

#define MARK	0x600dbadc0ffee000ULL

/*
 * A process that is killed in the middle of a huge read does not go on with it:
 * the buffer's end stays as it was.  A busy host may bring the kill too late,
 * but not each time.
 */
TEST_F(huge, killed_while_reading)
{
	const size_t size = GIB(1);
	const int fd = self->device.fd;
	const off_t base = self->area.base;
	volatile uint64_t *first, *last;
	unsigned int tries;
	uint64_t v = ~MARK;
	pid_t pid, gone;
	int status;
	char *p;

	if (self->area.region_size < size)
		SKIP(return, "less than 1 GiB: give the machine more memory");
	p = cheap_buffer(size);
	/* The end is memory of its own, which no other piece is read into. */
	ASSERT_NE(MAP_FAILED, mmap(p + size - MIB(2), MIB(2),
				   PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
				   -1, 0));
	first = (void *)p;
	last = (void *)(p + size - 8);
	ASSERT_EQ(8, pwrite(fd, &v, 8, base));
	ASSERT_EQ(8, pwrite(fd, &v, 8, base + size - 8));
	for (tries = 0; tries < 8; tries++) {
		*first = MARK;
		*last = MARK;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(pread(fd, p, size, base) == size ? 0 : 1);
		do {
			usleep(1000);
			gone = waitpid(pid, &status, WNOHANG);
		} while (!gone && *first == MARK);
		if (!gone) {
			kill(pid, SIGKILL);
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
		}
		ASSERT_TRUE(WIFSIGNALED(status) || !WEXITSTATUS(status));
		if (*last == MARK)
			break;
	}
	EXPECT_GT(8, tries);
	munmap(p, size);
}

TEST_HARNESS_MAIN
