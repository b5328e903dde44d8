/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What the files of the copy core share.
 *
 * A copy is a run of accesses to each watched side.  copy.c decides which
 * accesses a side gets; pieces.c makes them; arch/ knows what the CPU can do:
 *
 *	arch_has_device		whether it can access anything but cacheable
 *				memory
 *	ARCH_WIDEST		its widest access, for dropping code
 *	arch_width()		its widest access by mode, order and direction
 *	arch_copy16(), ..32()	one access of more than 8 bytes
 *	arch_copy16s(), ..64s()	such accesses, over a range
 *	arch_relaxed()		the fastest copy that touches each byte once
 *	arch_relaxed_short()	the same without a call, if it can
 *	arch_realign()		copy between lines that lie differently, if it
 *				can; no order
 *	arch_move_up()		write upwards over what is read, if it can
 *	arch_separate*()	barrier between two accesses of ASCENDING order
 *	arch_before_publish()	barrier before the granule of PUBLISH
 *	arch_publish()		that and the granule
 *	arch_after_acquire()	barrier after the granule of ACQUIRE
 *	arch_before_stream()	barrier before reads with RUN_STREAM
 *	ARCH_FIXUP, ARCH_CONTEXT_PC()	for guard.c; only where it can recover
 */
#ifndef VFIOMEM_INTERNAL_H
#define VFIOMEM_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vfiomem.h"

#define VFIOMEM_HIDDEN	__attribute__((__visibility__("hidden")))

/*
 * A function that is called as it is written: not inlined, and its arguments
 * not taken apart into more than there are registers for, which would turn a
 * jump to it into a call with a stack frame around it.
 */
#if defined(__clang__)
#define APART	__attribute__((__noinline__))
#else
#define APART	__attribute__((__noipa__))
#endif

/*
 * glibc keeps room for a few bytes of each thread that are reached without a
 * call.  musl does not: a program could not dlopen() the library then.
 */
#ifdef __GLIBC__
#define THREAD_LOCAL	_Thread_local __attribute__((__tls_model__("initial-exec")))
#else
#define THREAD_LOCAL	_Thread_local
#endif

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* copy8(), copy16(), copy32(), copy64(): one load, one store. */
#define DEFINE_COPY(bits)						       \
static inline void copy##bits(volatile void *dst, const volatile void *src)   \
{									       \
	const uintptr_t low = bits / 8 - 1;				       \
	uint64_t value = 0;						       \
	vfiomem_u##bits part;						       \
									       \
	if (VFIOMEM_ONE_UNALIGNED || !((uintptr_t)src & low)) {			       \
		VFIOMEM_RAW_LOAD(bits, value, src);			       \
	} else {							       \
		memcpy(&part, (const void *)src, sizeof(part));		       \
		value = part;						       \
	}								       \
	if (VFIOMEM_ONE_UNALIGNED || !((uintptr_t)dst & low)) {			       \
		VFIOMEM_RAW_STORE(bits, value, dst);			       \
	} else {							       \
		part = (vfiomem_u##bits)value;				       \
		memcpy((void *)dst, &part, sizeof(part));		       \
	}								       \
}

DEFINE_COPY(8)
DEFINE_COPY(16)
DEFINE_COPY(32)
DEFINE_COPY(64)
#undef DEFINE_COPY

/* The same for a size that is known late: 1, 2, 4 or 8. */
static inline void copy_scalar(volatile void *dst, const volatile void *src,
			       size_t n)
{
	if (n == 8)
		copy64(dst, src);
	else if (n == 4)
		copy32(dst, src);
	else if (n == 2)
		copy16(dst, src);
	else
		copy8(dst, src);
}

/* How the accesses of a run are made. */
enum run_flags {
	RUN_STREAM	= 1 << 0,	/* reads may fetch whole lines */
	RUN_SEPARATE_RD	= 1 << 1,	/* barrier after each, for reads */
	RUN_SEPARATE_WR	= 1 << 2,	/* barrier after each, for writes */
	RUN_ANY		= RUN_STREAM | RUN_SEPARATE_RD | RUN_SEPARATE_WR,
};

/*
 * How many bytes lie before the first multiple of V in the range; @width
 * becomes V, the widest that has one.
 */
static inline size_t pieces_head(uintptr_t align, size_t n, unsigned int *width)
{
	size_t head = -align & (*width - 1);

	while (head > n) {
		*width /= 2;
		head = -align & (*width - 1);
	}
	return head;
}

/* The width of the next access, with @n bytes and @head of them to go. */
static inline unsigned int pieces_next(size_t n, size_t *head,
				       unsigned int width)
{
	if (*head) {
		width = (unsigned int)(*head & -*head);
		*head -= width;
	} else {
		while (width > n)
			width /= 2;
	}
	return width;
}

/**
 * vfiomem_pieces() - copy by naturally aligned accesses, in address order
 * @dst: where to
 * @src: where from
 * @n: how many bytes
 * @align: what the accesses are aligned by: @dst, @src, or a number that is
 *	congruent to one of them; 0 for no alignment at all
 * @width: widest access, a power of two
 * @mode: of the watched side, for the barriers
 * @flags: enum run_flags
 *
 * Return: @n.
 */
VFIOMEM_HIDDEN
size_t vfiomem_pieces(volatile void *dst, const volatile void *src, size_t n,
		      uintptr_t align, unsigned int width, unsigned int mode,
		      unsigned int flags);

#if defined(__x86_64__) && !defined(VFIOMEM_INSTRUMENT)
#include "arch/x86/arch.h"
#elif defined(__aarch64__) && !defined(VFIOMEM_INSTRUMENT)
#include "arch/arm64/arch.h"
#elif defined(__riscv) && !defined(VFIOMEM_INSTRUMENT)
#include "arch/riscv/arch.h"
#elif defined(__powerpc64__) && !defined(VFIOMEM_INSTRUMENT)
#include "arch/powerpc/arch.h"
#else
#include "arch/generic/arch.h"
#endif

/* The same, from guard.c: at most 8 bytes wide; returns less if it faults. */
VFIOMEM_HIDDEN
size_t vfiomem_pieces_guarded(volatile void *dst, const volatile void *src,
			      size_t n, uintptr_t align, unsigned int width,
			      unsigned int mode, unsigned int flags);

/* One watched side of a copy, as the arguments of a call describe it. */
struct side {
	uintptr_t addr;
	size_t n;
	uintptr_t align;	/* @addr, or 0 if one unaligned access is right */
	unsigned int width;	/* W */
	unsigned int granule;	/* of PUBLISH or ACQUIRE; 0: none */
	unsigned int mode;	/* for the barriers: one of the first four */
	unsigned int flags;	/* enum run_flags */
	bool watched;
	bool ascending;
	bool any_once;		/* any accesses do that touch each byte once */
};

/* Fill in a side, and check it; see copy.c. */
VFIOMEM_HIDDEN
int vfiomem_side(struct side *side, struct vfiomem_attr attr,
		 const volatile void *p, size_t n, unsigned int order,
		 bool write);

/* Check what concerns both sides. */
VFIOMEM_HIDDEN
int vfiomem_check_order(unsigned int order, bool src_watched, bool dst_watched);

/* The accesses of @side to its bytes [@from, @to).  Return: bytes done. */
VFIOMEM_HIDDEN
size_t vfiomem_side_run(const struct side *side, volatile char *dst,
			const volatile char *src, size_t from, size_t to,
			bool guarded);

/* The granule of @side, with its barrier.  Return: whether it was done. */
VFIOMEM_HIDDEN
bool vfiomem_side_publish(const struct side *side, volatile char *dst,
			  const volatile char *src, bool guarded);
VFIOMEM_HIDDEN
bool vfiomem_side_acquire(const struct side *side, volatile char *dst,
			  const volatile char *src, bool guarded);

/* Copy between two sides that were checked.  Return: bytes written. */
VFIOMEM_HIDDEN
size_t vfiomem_copy_sides(struct side *dst, const struct side *src,
			  bool guarded);

/* Bytes that go through a stage at a time: it fits into L1 beside all else. */
#define STAGE_CHUNK	2048

/**
 * struct stage - memory that bytes rest in between two sides
 * @buffer: the memory
 * @size: its size, at least 2 * @distance + STAGE_CHUNK + 2 * ARCH_WIDEST
 * @distance: how far reads must be ahead of writes: dst - src, where writing
 *	overwrites what is still to be read; else 0
 * @split: bytes of the source from here on were read before, ...
 * @saved: ... and are here
 */
struct stage {
	char *buffer;
	size_t size;
	size_t distance;
	size_t split;
	const char *saved;
};

/* Copy in address order, each side in accesses of its own. */
VFIOMEM_HIDDEN
size_t vfiomem_copy_staged(const struct side *dst, const struct side *src,
			   const struct stage *stage, bool guarded);

/* Check the arguments of a fill; fill a side that was checked. */
VFIOMEM_HIDDEN
int vfiomem_fill_check(struct side *side, struct vfiomem_attr attr,
		       volatile void *dst, size_t n, unsigned int order);
VFIOMEM_HIDDEN
size_t vfiomem_fill_side(const struct side *side, uint8_t value, bool guarded);

/* What vfiomem_region_open() makes of @size bytes of answer.  For @fd. */
VFIOMEM_HIDDEN
int vfiomem_region_parse(const void *answer, size_t size, int fd,
			 struct vfiomem_region **parsed);

/* Whether libc may have its way with this memory. */
static inline bool attr_is_plain(struct vfiomem_attr attr)
{
	const uint32_t all = VFIOMEM_UNALIGNED | VFIOMEM_VECTOR |
			     VFIOMEM_ZERO_LINE;

	return attr.mode == VFIOMEM_PRIVATE ||
	       (attr.mode == VFIOMEM_NORMAL && !attr.max_width &&
		(attr.access & all) == all);
}

/*
 * Whether only "once" has to be kept, or nothing: cacheable memory, of any
 * alignment and width.  PRIVATE differs from NORMAL in one bit.
 *
 * Return: 0 if so.
 */
static inline uint64_t not_anything(struct vfiomem_attr a,
				    struct vfiomem_attr b)
{
	const struct vfiomem_attr wanted = {
		.mode = VFIOMEM_NORMAL,
		.access = VFIOMEM_UNALIGNED | VFIOMEM_VECTOR,
	}, asked = {
		.mode = (uint8_t)~(VFIOMEM_NORMAL ^ VFIOMEM_PRIVATE),
		.max_width = UINT16_MAX,
		.access = VFIOMEM_UNALIGNED | VFIOMEM_VECTOR,
	};
	uint64_t x, y, want, mask;

	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	memcpy(&want, &wanted, sizeof(want));
	memcpy(&mask, &asked, sizeof(mask));
	return VFIOMEM_ONE_UNALIGNED ? ((x ^ want) | (y ^ want)) & mask : 1;
}

#endif /* VFIOMEM_INTERNAL_H */
