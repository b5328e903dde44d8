// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvfiomem on trapped BARs of the mock, in a guest.
 *
 *	lib_test nic|doorbell|msix-middle BDF
 *
 * The driver reports what the BARs are, the library maps and accesses them,
 * and the mock logs what reaches the device.  lib_judge reads that log on the
 * host; what the mock's own rules say is checked here.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../../lib/vfiomem/vfiomem.h"
#include "../vfio_test.h"
#include "../vfiomem/ktap.h"
#include "device.h"
#include "guest.h"
#include "lib_calls.h"
#include "window.h"

static const char *bdf;
static struct vfio_device device;
static uint8_t buffer[8192] __attribute__((aligned(64)));

static uint64_t violations(void)
{
	char reply[WINDOW_REPLY_SIZE];

	if (window_do(bdf, reply, sizeof(reply), "violations"))
		fatal("the mock does not answer");
	return strtoull(reply, NULL, 0);
}

static void forgive(void)
{
	if (window_do(bdf, NULL, 0, "forgive"))
		fatal("the mock does not answer");
}

/* Map a BAR whole, by what the driver says of it. */
static uint8_t *map_bar(unsigned int index, struct vfiomem_attr *attr)
{
	struct vfiomem_region *region;
	void *map;
	int ret;

	ret = vfiomem_region_open(device.fd, index, &region);
	if (!ret)
		ret = vfiomem_region_map(region, 0, 0, PROT_READ | PROT_WRITE,
					 &map, NULL);
	if (ret)
		fatal("BAR %u: %s", index, strerror(-ret));
	if (!region->reported)
		fatal("BAR %u: the driver reports no mode", index);
	*attr = vfiomem_region_attr(region, 0);
	printf("# BAR %u: mode %u, access %#x, max_width %u\n", index,
	       attr->mode, attr->access, attr->max_width);
	vfiomem_region_close(region);
	return map;
}

/* A copy that a careless programmer might write; see lib_calls.h. */
static void descending(volatile uint8_t *to, const uint8_t *from, size_t n)
{
	while (n--)
		to[n] = from[n];
}

/* What follows belongs to no call. */
static void end_calls(void)
{
	const struct call end = { .kind = CALL_END };

	window_mark(bdf, call_mark(&end));
}

/* Mark a call and do it on @bar's map.  Return: the library's answer. */
static int do_call(const struct call *c, volatile uint8_t *bar,
		   struct vfiomem_attr attr)
{
	/* Not aligned with the device's side, so that neither helps the other. */
	uint8_t *local = buffer + 64 + (c->offset * 5 + c->n) % 16;
	volatile uint8_t *p = bar + c->offset;
	const unsigned int order = c->order |
		(c->granule ? VFIOMEM_GRANULE(c->granule) : 0);
	uint64_t value = 0;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < c->n; i++)
		local[i] = call_byte(c, i);
	memcpy(&value, local, c->n < 8 ? c->n : 8);

	window_mark(bdf, call_mark(c));
	switch (c->kind) {
	case CALL_COPY_TO:
		ret = vfiomem_copy(attr, p, VFIOMEM_ATTR_PRIVATE, local, c->n,
				   order);
		break;
	case CALL_MOVE_TO:
		ret = vfiomem_move(attr, p, VFIOMEM_ATTR_PRIVATE, local, c->n,
				   order, NULL, 0);
		break;
	case CALL_COPY_FROM:
		ret = vfiomem_copy(VFIOMEM_ATTR_PRIVATE, local, attr, p, c->n,
				   order);
		break;
	case CALL_FILL:
		ret = vfiomem_fill(attr, p, call_byte(c, 0), c->n, order);
		break;
	case CALL_STORE:
		if (c->n == 1)
			vfiomem_store8(attr, p, value);
		else if (c->n == 2)
			vfiomem_store16(attr, p, value);
		else if (c->n == 4)
			vfiomem_store32(attr, p, value);
		else
			vfiomem_store64(attr, p, value);
		break;
	case CALL_LOAD:
		if (c->n == 1)
			value = vfiomem_load8(attr, p);
		else if (c->n == 2)
			value = vfiomem_load16(attr, p);
		else if (c->n == 4)
			value = vfiomem_load32(attr, p);
		else
			value = vfiomem_load64(attr, p);
		break;
	case CALL_MEMCPY:
		memcpy((void *)p, local, c->n);
		break;
	case CALL_DESCENDING:
		descending(p, local, c->n);
		break;
	case CALL_END:
	case CALL_KINDS:
		break;
	}
	/* What was read is what the device holds: the judge knows both. */
	if (!ret && (c->kind == CALL_COPY_FROM || c->kind == CALL_LOAD)) {
		uint64_t seen = 0;
		char reply[WINDOW_REPLY_SIZE];

		if (c->kind == CALL_LOAD)
			memcpy(local, &value, 8);
		for (i = 0; i < c->n && i < 8; i++)
			seen |= (uint64_t)local[i] << 8 * i;
		if (window_do(bdf, reply, sizeof(reply), "peek %u %u %u",
			      c->bar, c->offset, c->n < 8 ? c->n : 8) ||
		    strtoull(reply, NULL, 0) != seen)
			ret = -EBADMSG;
	}
	return ret;
}

static const unsigned int write_orders[] = {
	VFIOMEM_RELAXED, VFIOMEM_PUBLISH, VFIOMEM_ASCENDING_WRITE,
};

static const unsigned int read_orders[] = {
	VFIOMEM_RELAXED, VFIOMEM_ACQUIRE, VFIOMEM_ASCENDING_READ,
};

/* Every size that is one access, and all others up to @more, at all offsets. */
static void exact_and_minimal(volatile uint8_t *bar, unsigned int index,
			      unsigned int base, struct vfiomem_attr attr,
			      unsigned int more)
{
	struct call c = { .bar = index, .max_width = attr.max_width };
	unsigned int calls = 0, refused = 0, o, i;

	for (c.n = 1; c.n <= more; c.n += c.n < 20 ? 1 : 11) {
		for (o = 0; o < 16; o++) {
			c.offset = base + o;
			for (i = 0; i < 3; i++) {
				c.kind = CALL_COPY_TO;
				c.order = write_orders[i];
				refused += do_call(&c, bar, attr) != 0;
				c.kind = CALL_FILL;
				refused += do_call(&c, bar, attr) != 0;
				c.kind = CALL_COPY_FROM;
				c.order = read_orders[i];
				refused += do_call(&c, bar, attr) != 0;
				calls += 3;
			}
			c.kind = CALL_MOVE_TO;
			c.order = VFIOMEM_RELAXED;
			refused += do_call(&c, bar, attr) != 0;
			calls++;
			/* Inlines: what an access instruction can do. */
			if ((c.n & (c.n - 1)) || c.n > 8 || c.offset % c.n ||
			    (attr.max_width && c.n > attr.max_width))
				continue;
			c.kind = CALL_STORE;
			refused += do_call(&c, bar, attr) != 0;
			c.kind = CALL_LOAD;
			refused += do_call(&c, bar, attr) != 0;
			calls += 2;
		}
	}
	/* Granules that the caller chooses. */
	c.order = VFIOMEM_PUBLISH;
	c.kind = CALL_COPY_TO;
	for (c.granule = 1; c.granule <= 8; c.granule *= 2) {
		if (attr.max_width && c.granule > attr.max_width)
			break;
		for (c.n = c.granule; c.n < 24; c.n++) {
			c.offset = base + 64 - c.n;
			refused += do_call(&c, bar, attr) != 0;
			calls++;
		}
	}
	end_calls();
	ktap_result(!refused, "BAR %u, width up to %u: %u calls", index,
		    attr.max_width, calls);
	if (refused)
		printf("# %u calls were refused or read something else\n",
		       refused);
}

/* The same judge has to find fault with these. */
static void broken_copies(volatile uint8_t *bar, unsigned int index,
			  unsigned int base, struct vfiomem_attr attr)
{
	struct call c = { .bar = index, .max_width = attr.max_width };
	unsigned int o;

	for (c.n = 1; c.n < 40; c.n += 7) {
		for (o = 0; o < 16; o += 8) {
			c.offset = base + o;
			c.kind = CALL_MEMCPY;
			do_call(&c, bar, attr);
			c.kind = CALL_DESCENDING;
			c.order = VFIOMEM_ASCENDING_WRITE;
			do_call(&c, bar, attr);
			c.order = 0;
		}
	}
	end_calls();
}

/* arm64 libc's memcpy() dies of unaligned accesses there: see that it does. */
static bool dies(void (*job)(volatile uint8_t *bar), volatile uint8_t *bar)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		job(bar);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static void careless(volatile uint8_t *bar)
{
	memcpy((void *)(bar + 0x3001), buffer, 93);
}

/* ---- profile nic */

/*
 * The NIC takes 4 bytes at most.  Told so, the library keeps to it; the mock
 * reports whoever was not told.
 */
static void test_nic(void)
{
	struct vfiomem_attr attr, limited;
	uint8_t *bar = map_bar(2, &attr);

	limited = VFIOMEM_ATTR(attr.mode, 4, 0);
	exact_and_minimal(bar, 2, 0x100, limited, 64);
	ktap_result(violations() == 0, "the NIC saw no access of more than 4 bytes");

	vfiomem_store64(VFIOMEM_ATTR(attr.mode, 0, 0), bar + 0x200, 1);
	ktap_result(violations() == 1, "the NIC reports one of 8");
	forgive();
}

/* ---- profile doorbell */

#define WINDOW_START	0x1000
#define DOORBELL	0x2000
#define DONE		(IOVA + 0x800)

/* Payload of @n bytes with the doorbell behind it, in @buffer. */
static uint32_t fill_message(unsigned int n, unsigned int round)
{
	uint32_t doorbell;
	uint16_t sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		buffer[i] = i * 11 + round;
		sum += buffer[i];
	}
	doorbell = n | (uint32_t)sum << 16;
	memcpy(buffer + n, &doorbell, 4);
	return doorbell;
}

/*
 * The device answers each doorbell by writing its value, or all ones if the
 * payload was not complete when it came, to guest memory.
 */
static bool answered(volatile uint32_t *status, uint32_t want)
{
	unsigned int i;

	for (i = 0; i < 20000 && !*status; i++)
		usleep(1000);
	return *status == want;
}

/* Payload and doorbell in one call: the order is the library's to keep. */
static void test_doorbell(uint8_t *bar, struct vfiomem_attr attr)
{
	volatile uint32_t *memory = dma_memory(&device, 4096);
	volatile uint32_t *status = memory + (DONE - IOVA) / 4;
	unsigned int n, bad = 0, rung = 0;
	uint32_t doorbell;

	vfiomem_store64(attr, bar + 0x8000 + ENGINE_DONE, DONE);

	for (n = 1; n < 4096; n += n < 80 ? 1 : 509) {
		doorbell = fill_message(n, n);
		*status = 0;
		if (vfiomem_copy(attr, bar + DOORBELL - n, VFIOMEM_ATTR_PRIVATE,
				 buffer, n + 4,
				 VFIOMEM_PUBLISH | VFIOMEM_GRANULE(4)) ||
		    !answered(status, doorbell))
			bad++;
		rung++;
	}
	ktap_result(!bad && violations() == 0,
		    "%u doorbells, each after the whole of its payload", rung);

	/* What libc makes of it, or a copy from the end: caught. */
	doorbell = fill_message(40, 1);
	*status = 0;
	descending(bar + DOORBELL - 40, buffer, 44);
	ktap_result(answered(status, ~0U) && violations() > 0,
		    "a descending copy is caught: %d rules broken",
		    (int)violations());
	forgive();
	doorbell = fill_message(47, 1);
	*status = 0;
	vfiomem_copy(attr, bar + DOORBELL - 47, VFIOMEM_ATTR_PRIVATE,
		     buffer, 40, VFIOMEM_RELAXED);
	vfiomem_store32(attr, bar + DOORBELL, doorbell);
	ktap_result(answered(status, ~0U) && violations() > 0,
		    "a doorbell before the last bytes is caught");
	forgive();
}

/* A BAR that is mapped, not trapped: both sides see the same bytes. */
static void test_mapped_bar(void)
{
	struct vfiomem_attr attr;
	uint8_t *bar = map_bar(2, &attr);
	char reply[WINDOW_REPLY_SIZE];

	vfiomem_store64(attr, bar + 0x1238, 0xfeedfacecafebeef);
	ktap_result(!window_do(bdf, reply, sizeof(reply), "peek 2 0x1238 8") &&
		    !strcmp(reply, "0xfeedfacecafebeef"),
		    "the device finds what was stored in a mapped BAR");
	window_do(bdf, NULL, 0, "poke 2 0x2000 4 0x1234");
	ktap_result(vfiomem_load32(attr, bar + 0x2000) == 0x1234,
		    "and the other way round");
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void measure(uint8_t *bar, struct vfiomem_attr attr)
{
	const unsigned int count = 20000;
	double start = seconds();
	unsigned int i;

	for (i = 0; i < count; i++)
		vfiomem_store32(attr, bar + 0x3000, i);
	printf("# %.0f stores a second under QEMU\n",
	       count / (seconds() - start));
	start = seconds();
	for (i = 0; i < count; i++)
		vfiomem_load32(attr, bar + 0x3000);
	printf("# %.0f loads a second under QEMU\n",
	       count / (seconds() - start));
}

static void doorbell_tests(void)
{
	struct vfiomem_attr attr, strict;
	uint8_t *bar = map_bar(0, &attr);

	strict = VFIOMEM_ATTR(attr.mode, 0, 0);
	exact_and_minimal(bar, 0, 0x3000, strict, 64);
	broken_copies(bar, 0, 0x3000, strict);
#ifdef __aarch64__
	ktap_result(dies(careless, bar), "libc's memcpy() of 93 bytes dies of SIGBUS");
#else
	ktap_result(!dies(careless, bar), "libc's memcpy() of 93 bytes does not die");
#endif
	test_doorbell(bar, strict);
	test_mapped_bar();
	measure(bar, strict);
	forgive();
}

/* ---- profile msix-middle */

/*
 * The registers on both sides of the MSI-X table are like any others, and each
 * vector of the table reaches the one who asked for it.
 */
static void test_msix(void)
{
	const struct profile *part = profile_find("msix-middle");
	volatile uint32_t *memory = dma_memory(&device, MIB(1));
	volatile uint32_t *status = memory + 0x40000 / 4;
	unsigned int vector, bad = 0;
	struct vfiomem_attr attr, strict;
	uint8_t *bar = map_bar(0, &attr);
	int event[16];

	strict = VFIOMEM_ATTR(attr.mode, 0, 0);
	exact_and_minimal(bar, 0, part->msix.table - 0x100, strict, 12);
	exact_and_minimal(bar, 0, part->msix.pba + 0x1000, strict, 12);

	for (vector = 0; vector < 16; vector++)
		event[vector] = take_interrupt(&device, VFIO_PCI_MSIX_IRQ_INDEX,
					       vector);
	memory[0] = 0x12345678;
	for (vector = 0; vector < 16; vector++) {
		*status = 0;
		start_engine((volatile uint32_t *)(bar + part->engine), IOVA,
			     IOVA + 0x1000 * (vector + 1), 4, IOVA + 0x40000,
			     vector);
		bad += !told(event[vector], status, 20000) ||
		       *status != ENGINE_OK ||
		       memory[0x400 * (vector + 1)] != 0x12345678;
	}
	ktap_result(!bad, "16 copies, each with %s",
		    has_interrupts() ? "its own MSI-X vector" :
				       "its status word");
	ktap_result(!violations(), "no rule was broken");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: lib_test nic|doorbell|msix-middle BDF\n");
		return 2;
	}
	bdf = argv[2];
	vfio_bind(bdf, driver_name());
	vfio_open(&device, bdf);
	ktap_start();
	if (!strcmp(argv[1], "nic"))
		test_nic();
	else if (!strcmp(argv[1], "msix-middle"))
		test_msix();
	else
		doorbell_tests();
	return ktap_finish();
}
