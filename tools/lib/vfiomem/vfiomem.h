/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/**
 * DOC: libvfiomem
 *
 * Access to memory that a device or a guest watches.
 *
 * memcpy() may split, repeat, widen and reorder accesses.  Nobody minds while
 * nobody looks; a device register, a ring that a guest polls, or a mapping
 * that takes only aligned accesses does.  The calls below say what each of
 * their accesses is.
 *
 * Errors are negative errno values, and each has one meaning here::
 *
 *	-EINVAL		the arguments contradict each other or the memory
 *	-EOPNOTSUPP	this CPU cannot do that on memory of this mode
 *	-ENOBUFS	the order asked for needs more scratch than there is
 *	-EIO		a guarded call met memory that is gone
 *	-ENODEV		the region cannot be mapped
 *	-EPROTO		the kernel's answer contradicts itself
 *
 * or come from the system call that failed.  A call that returns -EINVAL,
 * -EOPNOTSUPP or -ENOBUFS has accessed nothing, but for those of a space across
 * the borders of ranges.
 */
#ifndef VFIOMEM_H
#define VFIOMEM_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__LP64__)
#error "libvfiomem needs a 64-bit CPU: it promises single accesses of 8 bytes"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here is the library's interface; all else is hidden. */
#pragma GCC visibility push(default)

/*
 * The inlines are exported as functions of the same names as well, for
 * languages that cannot use a C inline.  A binding generator that wants to see
 * plain declarations can define this as empty.
 */
#ifndef VFIOMEM_INLINE
#define VFIOMEM_INLINE static inline
#endif

/* ------------------------------------------------------------------------
 * Attributes
 */

/**
 * enum vfiomem_mode - how memory is mapped
 *
 * The first four are those of enum vfio_mmap_cache_mode.  The values are
 * names, not an order.  Any other value is treated as UNKNOWN memory that
 * allows nothing, whatever the access bits say.
 *
 * @VFIOMEM_NONCACHED: x86 UC or UC-; arm64 Device-nGnRnE
 * @VFIOMEM_DEVICE: arm64 Device-nGnRE
 * @VFIOMEM_WRITECOMBINE: x86 WC; arm64 Normal Non-cacheable
 * @VFIOMEM_NORMAL: cacheable and coherent
 * @VFIOMEM_UNKNOWN: any of these, and nobody says which: accessed as NONCACHED,
 *	and ordered by barriers as WRITECOMBINE
 * @VFIOMEM_PRIVATE: ordinary memory that nobody else looks at
 * @VFIOMEM_NONE: no memory that the CPU can reach: every call answers -EINVAL
 */
enum vfiomem_mode {
	VFIOMEM_NONCACHED	= 0,
	VFIOMEM_DEVICE		= 1,
	VFIOMEM_WRITECOMBINE	= 2,
	VFIOMEM_NORMAL		= 3,
	VFIOMEM_UNKNOWN		= 0x80,
	VFIOMEM_PRIVATE		= 0x83,	/* NORMAL, and a bit */
	VFIOMEM_NONE		= 0xff,
};

/**
 * DOC: Access bits
 *
 * What may be done to memory, with the values of VFIO_MMAP_ACCESS_* in
 * <linux/vfio_cachemode.h>::
 *
 *	VFIOMEM_UNALIGNED	unaligned accesses do not fault
 *	VFIOMEM_VECTOR		accesses of more than 8 bytes
 *	VFIOMEM_ATOMIC		CPU read-modify-write
 *	VFIOMEM_READ_IDEMPOTENT	it bears repeated and early reads
 *	VFIOMEM_WRITE_MERGE	it bears combined and late writes
 *	VFIOMEM_COHERENT	with the device's own accesses
 *	VFIOMEM_ZERO_LINE	cache line zeroing works
 */
#define VFIOMEM_UNALIGNED	(1U << 0)
#define VFIOMEM_VECTOR		(1U << 1)
#define VFIOMEM_ATOMIC		(1U << 2)
#define VFIOMEM_READ_IDEMPOTENT	(1U << 3)
#define VFIOMEM_WRITE_MERGE	(1U << 4)
#define VFIOMEM_COHERENT	(1U << 5)
#define VFIOMEM_ZERO_LINE	(1U << 6)

/**
 * struct vfiomem_attr - what may be done to a piece of memory
 *
 * Eight bytes, passed by value in a register.  All zeroes is the strictest:
 * uncached, aligned accesses of at most 8 bytes.
 *
 * @mode: enum vfiomem_mode
 * @reserved: 0
 * @max_width: widest access that the memory takes, in bytes, a power of two
 *	(another value counts as the power of two below it); 0: no limit
 * @access: VFIOMEM_UNALIGNED and its like
 */
struct vfiomem_attr {
	uint8_t mode;
	uint8_t reserved;
	uint16_t max_width;
	uint32_t access;
};

#ifdef __cplusplus
#define VFIOMEM_ATTR(mode, max_width, access) \
	(vfiomem_attr{ (uint8_t)(mode), 0, (uint16_t)(max_width), (access) })
#else
#define VFIOMEM_ATTR(mode, max_width, access) \
	((struct vfiomem_attr){ (mode), 0, (max_width), (access) })
#endif

/* Where the CPU does not fault on, or emulate, unaligned cacheable accesses. */
#if defined(__x86_64__) || defined(__aarch64__) || defined(__powerpc64__)
#define VFIOMEM_RAM_UNALIGNED	VFIOMEM_UNALIGNED
#else
#define VFIOMEM_RAM_UNALIGNED	0U
#endif

/**
 * VFIOMEM_ATTR_RAM - guest memory
 *
 * vCPUs and devices watch it, so each byte is read once and written once, and
 * the orders hold.
 */
#define VFIOMEM_ATTR_RAM						      \
	VFIOMEM_ATTR(VFIOMEM_NORMAL, 0, VFIOMEM_RAM_UNALIGNED | VFIOMEM_VECTOR |\
		     VFIOMEM_ATOMIC | VFIOMEM_READ_IDEMPOTENT |		      \
		     VFIOMEM_WRITE_MERGE | VFIOMEM_COHERENT | VFIOMEM_ZERO_LINE)

/**
 * VFIOMEM_ATTR_PRIVATE - memory of the caller's own
 *
 * Nobody watches: on this side of a copy no promise but the bytes.
 */
#define VFIOMEM_ATTR_PRIVATE						      \
	VFIOMEM_ATTR(VFIOMEM_PRIVATE, 0, VFIOMEM_RAM_UNALIGNED | VFIOMEM_VECTOR |\
		     VFIOMEM_ATOMIC | VFIOMEM_READ_IDEMPOTENT |		      \
		     VFIOMEM_WRITE_MERGE | VFIOMEM_COHERENT | VFIOMEM_ZERO_LINE)

/* Memory that cannot be accessed at all, such as a hole in a region. */
#define VFIOMEM_ATTR_NONE	VFIOMEM_ATTR(VFIOMEM_NONE, 0, 0)

/* ------------------------------------------------------------------------
 * Copies
 */

/**
 * enum vfiomem_order - in which order the accesses of a call are seen
 *
 * An order belongs to a side.  A side whose mode is VFIOMEM_PRIVATE is not
 * watched and has none.  ACQUIRE and ASCENDING_READ are for a watched source,
 * PUBLISH and ASCENDING_WRITE for a watched destination: on a side that is not
 * watched, and in a call that has no such side, they are -EINVAL.  Where both
 * sides are watched an order of each may be combined, as in
 * ``VFIOMEM_ACQUIRE | VFIOMEM_PUBLISH``; the side that none is given for is
 * RELAXED.  ASCENDING means every watched side, and is right for any call.
 *
 * Two orders for one side, and PLAIN together with another, are -EINVAL.
 *
 * @VFIOMEM_RELAXED: no order.  Until vfiomem_wmb(), vfiomem_rmb() or
 *	vfiomem_flush_wc() nothing is said about who sees what when.
 * @VFIOMEM_PUBLISH: the last granule of the destination is an access of its
 *	own.  It becomes visible after all other bytes of the call, and after
 *	all earlier stores of this thread to memory of any mode.  On NORMAL
 *	memory it also comes after the thread's earlier loads, as a release.
 *	For a device that polls RAM to learn of what was written to its own
 *	WRITECOMBINE memory, see vfiomem_wmb().
 * @VFIOMEM_ACQUIRE: the first granule of the source is an access of its own,
 *	and is read before the other bytes of the call.
 * @VFIOMEM_ASCENDING_WRITE: every write is visible before the next one, in
 *	address order.
 * @VFIOMEM_ASCENDING_READ: every read is done before the next one, in address
 *	order.
 * @VFIOMEM_ASCENDING: both, on the sides that are watched
 * @VFIOMEM_PLAIN: nobody watches now.  On NORMAL memory that takes every
 *	access this is libc's memmove() or memset(); on other memory, RELAXED.
 */
enum vfiomem_order {
	VFIOMEM_RELAXED		= 0,
	VFIOMEM_PUBLISH		= 1 << 0,
	VFIOMEM_ACQUIRE		= 1 << 1,
	VFIOMEM_ASCENDING_WRITE	= 1 << 2,
	VFIOMEM_ASCENDING_READ	= 1 << 3,
	VFIOMEM_ASCENDING	= (1 << 2) | (1 << 3),
	VFIOMEM_PLAIN		= 1 << 4,
};

/**
 * VFIOMEM_GRANULE() - give the granule of PUBLISH or ACQUIRE
 * @g: its size in bytes
 *
 * Used as ``VFIOMEM_PUBLISH | VFIOMEM_GRANULE(2)``; where PUBLISH and ACQUIRE
 * are combined it holds for both.  @g is 1, 2, 4 or 8, at most n and at most
 * W, and the end of the destination (PUBLISH) or the start of the source
 * (ACQUIRE) is aligned to it, or the call is -EINVAL.  It is -EINVAL without
 * PUBLISH or ACQUIRE, too.
 *
 * The default, which a @g of 0 means, is the largest power of two up to
 * min(8, W, n) that divides that end or start.
 */
#define VFIOMEM_GRANULE(g)	((unsigned int)(g) << 8)

/**
 * vfiomem_width() - the widest access that a call makes
 * @attr: the memory
 * @order: the order, as given to the call
 * @write: not 0 for a destination, 0 for a source
 *
 * The W of the promises below.  It depends on the CPU, and does not change
 * while a program runs.  On x86 under a hypervisor it is at most 16 for memory
 * that is neither NORMAL nor WRITECOMBINE: an access to an emulated register
 * traps, and hypervisors do not emulate wider moves.
 *
 * Return: bytes, a power of two; 0 where the call would be refused.
 */
unsigned int vfiomem_width(struct vfiomem_attr attr, unsigned int order,
			   int write);

/**
 * vfiomem_copy() - copy bytes to, from or between watched memory
 * @dst_attr: what @dst is
 * @dst: where to
 * @src_attr: what @src is
 * @src: where from; the two ranges do not overlap (see vfiomem_move())
 * @n: how many bytes; 0 is nothing, but the arguments are checked
 * @order: enum vfiomem_order values, and VFIOMEM_GRANULE()
 *
 * On each watched side, whatever the other side is, with W = vfiomem_width()
 * for that side and p the pointer:
 *
 * 1. Exact width.  n of 1, 2, 4 or 8 that is at most W, with p aligned to n or
 *    UNALIGNED, is one access instruction of n bytes.  It is atomic if p is
 *    aligned.  Only a granule that is smaller than n goes before this.
 * 2. Once.  Every byte of the range is touched by one access, and no byte
 *    outside it by any.
 * 3. Natural.  Without UNALIGNED every access is aligned to its size.
 * 4. Minimal.  Otherwise, with V the largest power of two up to W that has a
 *    multiple in [p, p + n], h = -p mod V and t = (n - h) mod V, there are
 *    popcount(h) + (n - h - t) / V + popcount(t) accesses: the head ascending
 *    in size, the body in accesses of V, the tail descending.  On NORMAL
 *    memory with UNALIGNED there may be fewer.  For PUBLISH and ACQUIRE this
 *    counts the bytes besides the granule, which is one more.
 * 5. Order, as asked for and as any CPU or coherent device sees it.  What
 *    ASCENDING orders is accesses: in an unaligned one, which is made for an n
 *    of 2, 4 or 8 only, bytes have no order.
 *
 * On NORMAL memory with UNALIGNED, VECTOR and no limit of width, RELAXED keeps
 * 1 and 2 only, and all orders but ASCENDING may use masked vector accesses.
 * ASCENDING uses accesses of at most 8 bytes, or 16 where the CPU's manual
 * says that such a one is atomic.
 *
 * A VFIOMEM_PRIVATE side has the bytes, and nothing else.
 *
 * These are about instructions.  On WRITECOMBINE memory with READ_IDEMPOTENT
 * and no limit of width below 64, a read may fetch the whole line of 64 bytes
 * that it lies in.
 *
 * Context: async-signal-safe; takes no lock, allocates nothing.
 * Return: 0, -EINVAL (an attribute of VFIOMEM_NONE, an order or granule that
 * does not fit, a range that wraps around the address space) or -EOPNOTSUPP.
 */
int vfiomem_copy(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order);

/**
 * vfiomem_move() - vfiomem_copy() for ranges that may overlap
 * @dst_attr: what @dst is
 * @dst: where to
 * @src_attr: what @src is
 * @src: where from
 * @n: how many bytes
 * @order: enum vfiomem_order values, and VFIOMEM_GRANULE()
 * @scratch: memory of the caller's, or NULL
 * @scratch_size: its size in bytes
 *
 * The promises of vfiomem_copy() hold.  Ranges that overlap must do so in one
 * mapping: the same bytes seen through two mappings are not recognised.
 *
 * Where @dst overlaps @src from above, and an ASCENDING order is asked for,
 * bytes have to be saved before they are overwritten: with d = dst - src, d of
 * them, or, if that is less and no order is asked for the source, n - d.  Up
 * to 2048 are saved on the stack.  For more, @scratch must hold 2 * d + 4096
 * bytes, or n - d + 64 of them.  It is never needed otherwise.
 *
 * Context: as vfiomem_copy(); uses about 9 KiB of stack.
 * Return: as vfiomem_copy(), or -ENOBUFS.
 */
int vfiomem_move(struct vfiomem_attr dst_attr, volatile void *dst,
		 struct vfiomem_attr src_attr, const volatile void *src,
		 size_t n, unsigned int order,
		 void *scratch, size_t scratch_size);

/**
 * vfiomem_fill() - set bytes
 * @attr: what @dst is
 * @dst: where to
 * @value: the byte
 * @n: how many bytes
 * @order: a write order, with VFIOMEM_GRANULE() if wanted
 *
 * The promises of vfiomem_copy() for its destination.  Cache lines are never
 * zeroed by a special instruction, except by libc under PLAIN on memory with
 * ZERO_LINE, or on PRIVATE memory.
 *
 * Context: as vfiomem_copy().
 * Return: as vfiomem_copy().
 */
int vfiomem_fill(struct vfiomem_attr attr, volatile void *dst, uint8_t value,
		 size_t n, unsigned int order);

/* ------------------------------------------------------------------------
 * Guarded copies: for mappings that may be revoked, poisoned or not ready
 */

/**
 * vfiomem_copy_guarded() - vfiomem_copy() that survives SIGBUS
 * @dst_attr: what @dst is
 * @dst: where to
 * @src_attr: what @src is
 * @src: where from
 * @n: how many bytes
 * @order: enum vfiomem_order values, and VFIOMEM_GRANULE()
 * @done: if not NULL, set to the number of bytes, from the start of @dst, that
 *	were written; @src may have been read a little farther
 *
 * Accesses run in address order, at most 8 bytes wide, and keep the promises
 * of vfiomem_copy() with a W of that.  Needs vfiomem_guard_install(), or
 * vfiomem_guard_handle() in the application's handler: without, SIGBUS does
 * what it always does.
 *
 * Context: as vfiomem_copy(); any number of threads, also from inside a
 * signal handler, while SIGBUS is not blocked: the kernel ends a program that
 * faults with it blocked.
 * Return: 0; -EIO if an access met SIGBUS; -EOPNOTSUPP on a CPU without an
 * implementation of its own; or as vfiomem_copy().
 */
int vfiomem_copy_guarded(struct vfiomem_attr dst_attr, volatile void *dst,
			 struct vfiomem_attr src_attr, const volatile void *src,
			 size_t n, unsigned int order, size_t *done);

/**
 * vfiomem_fill_guarded() - vfiomem_fill() that survives SIGBUS
 * @attr: what @dst is
 * @dst: where to
 * @value: the byte
 * @n: how many bytes
 * @order: a write order, with VFIOMEM_GRANULE() if wanted
 * @done: if not NULL, set to the number of bytes written
 *
 * Context: as vfiomem_copy_guarded().
 * Return: as vfiomem_copy_guarded().
 */
int vfiomem_fill_guarded(struct vfiomem_attr attr, volatile void *dst,
			 uint8_t value, size_t n, unsigned int order,
			 size_t *done);

/**
 * vfiomem_guard_install() - install a SIGBUS handler for guarded calls
 *
 * For a program without a SIGBUS handler of its own, or one whose handler was
 * installed before: a SIGBUS that no guarded call caused is passed on to what
 * was there.  Once is enough; more calls do nothing.
 *
 * Context: thread-safe; not from a signal handler.
 * Return: 0; -EOPNOTSUPP on a CPU without guarded copies; or a negative errno
 * of sigaction().
 */
int vfiomem_guard_install(void);

/**
 * vfiomem_guard_handle() - let a SIGBUS handler of the application's recover
 * @info: the siginfo_t that the handler got
 * @ucontext: the ucontext_t that the handler got
 *
 * If an access of a guarded call raised the signal, @ucontext is changed so
 * that the call goes on, with -EIO, when the handler returns.
 *
 * Context: async-signal-safe.
 * Return: 1 if it was ours and the handler should return, 0 if not.
 */
int vfiomem_guard_handle(const void *info, void *ucontext);

/* ------------------------------------------------------------------------
 * Barriers
 */

/**
 * vfiomem_wmb() - earlier stores are visible before later stores
 *
 * Stores of this thread to memory of any mode, as any CPU or device sees them.
 * On arm64 that is a device in the outer shareable domain.  Stores to
 * WRITECOMBINE memory of a device's own, followed by a flag in RAM that the
 * same device polls, need vfiomem_flush_wc() in between: the first may still
 * be in a buffer when the flag is seen.
 */
VFIOMEM_INLINE void vfiomem_wmb(void)
{
#if defined(__x86_64__)
	/* WB and UC stores are in order; WC and non-temporal ones are not. */
	__asm__ __volatile__("sfence" ::: "memory");
#elif defined(__aarch64__)
	/* Outer shareable: a DMA master is an observer too. */
	__asm__ __volatile__("dmb oshst" ::: "memory");
#elif defined(__riscv) && __riscv_xlen == 64
	/* o: a C fence leaves device output out. */
	__asm__ __volatile__("fence ow, ow" ::: "memory");
#elif defined(__powerpc64__)
	/* Only the heavyweight one orders cacheable against caching-inhibited. */
	__asm__ __volatile__("sync" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/**
 * vfiomem_rmb() - earlier loads are done before later loads
 */
VFIOMEM_INLINE void vfiomem_rmb(void)
{
#if defined(__x86_64__)
	/* Loads from WC memory, MOVNTDQA above all, are not in order. */
	__asm__ __volatile__("lfence" ::: "memory");
#elif defined(__aarch64__)
	__asm__ __volatile__("dmb oshld" ::: "memory");
#elif defined(__riscv) && __riscv_xlen == 64
	__asm__ __volatile__("fence ir, ir" ::: "memory");
#elif defined(__powerpc64__)
	__asm__ __volatile__("sync" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/**
 * vfiomem_flush_wc() - send write-combined stores on their way
 *
 * What was written to WRITECOMBINE memory leaves the CPU's buffers now, and
 * before any later store: to be called before a doorbell.
 */
VFIOMEM_INLINE void vfiomem_flush_wc(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("sfence" ::: "memory");
#elif defined(__aarch64__)
	/* A dmb orders gathered stores but does not push them out. */
	__asm__ __volatile__("dsb st" ::: "memory");
#elif defined(__riscv) && __riscv_xlen == 64
	__asm__ __volatile__("fence ow, ow" ::: "memory");
#elif defined(__powerpc64__)
	__asm__ __volatile__("sync" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* ------------------------------------------------------------------------
 * Single loads and stores
 */

/*
 * The instructions.  In assembly, because a compiler may split, merge, repeat
 * or leave out what C says, volatile or not.  The "memory" clobber keeps plain
 * C accesses on their side.  Addresses are bare registers: a hypervisor can
 * take such an access apart if it traps.
 */
#if defined(VFIOMEM_INSTRUMENT)
/* For builds with a sanitizer, which cannot see into assembly. */
#elif defined(__x86_64__)
#define VFIOMEM_LOAD8_INSN	"movzbl (%1), %k0"
#define VFIOMEM_LOAD16_INSN	"movzwl (%1), %k0"
#define VFIOMEM_LOAD32_INSN	"movl (%1), %k0"
#define VFIOMEM_LOAD64_INSN	"movq (%1), %q0"
#define VFIOMEM_STORE8_INSN	"movb %b0, (%1)"
#define VFIOMEM_STORE16_INSN	"movw %w0, (%1)"
#define VFIOMEM_STORE32_INSN	"movl %k0, (%1)"
#define VFIOMEM_STORE64_INSN	"movq %q0, (%1)"
#elif defined(__aarch64__)
#define VFIOMEM_LOAD8_INSN	"ldrb %w0, [%1]"
#define VFIOMEM_LOAD16_INSN	"ldrh %w0, [%1]"
#define VFIOMEM_LOAD32_INSN	"ldr %w0, [%1]"
#define VFIOMEM_LOAD64_INSN	"ldr %x0, [%1]"
#define VFIOMEM_STORE8_INSN	"strb %w0, [%1]"
#define VFIOMEM_STORE16_INSN	"strh %w0, [%1]"
#define VFIOMEM_STORE32_INSN	"str %w0, [%1]"
#define VFIOMEM_STORE64_INSN	"str %x0, [%1]"
#elif defined(__riscv) && __riscv_xlen == 64
#define VFIOMEM_LOAD8_INSN	"lbu %0, 0(%1)"
#define VFIOMEM_LOAD16_INSN	"lhu %0, 0(%1)"
#define VFIOMEM_LOAD32_INSN	"lwu %0, 0(%1)"
#define VFIOMEM_LOAD64_INSN	"ld %0, 0(%1)"
#define VFIOMEM_STORE8_INSN	"sb %0, 0(%1)"
#define VFIOMEM_STORE16_INSN	"sh %0, 0(%1)"
#define VFIOMEM_STORE32_INSN	"sw %0, 0(%1)"
#define VFIOMEM_STORE64_INSN	"sd %0, 0(%1)"
#elif defined(__powerpc64__)
#define VFIOMEM_LOAD8_INSN	"lbz %0, 0(%1)"
#define VFIOMEM_LOAD16_INSN	"lhz %0, 0(%1)"
#define VFIOMEM_LOAD32_INSN	"lwz %0, 0(%1)"
#define VFIOMEM_LOAD64_INSN	"ld %0, 0(%1)"
#define VFIOMEM_STORE8_INSN	"stb %0, 0(%1)"
#define VFIOMEM_STORE16_INSN	"sth %0, 0(%1)"
#define VFIOMEM_STORE32_INSN	"stw %0, 0(%1)"
#define VFIOMEM_STORE64_INSN	"std %0, 0(%1)"
#endif

#if defined(__powerpc64__)
#define VFIOMEM_ADDRESS		"b"	/* not r0, which reads as 0 */
#else
#define VFIOMEM_ADDRESS		"r"
#endif

/* What one of them can do: access a device, and be unaligned. */
#if defined(VFIOMEM_LOAD8_INSN)
#define VFIOMEM_ALL_MODES	1
#define VFIOMEM_ONE_UNALIGNED	1
#elif defined(VFIOMEM_INSTRUMENT)
#define VFIOMEM_ALL_MODES	1
#define VFIOMEM_ONE_UNALIGNED	0
#else
#define VFIOMEM_ALL_MODES	0
#define VFIOMEM_ONE_UNALIGNED	0
#endif

#if defined(VFIOMEM_LOAD8_INSN)
#define VFIOMEM_RAW_LOAD(bits, value, p)				       \
	__asm__ __volatile__(VFIOMEM_LOAD##bits##_INSN			       \
			     : "=r" (value) : VFIOMEM_ADDRESS(p) : "memory")
#define VFIOMEM_RAW_STORE(bits, value, p)				       \
	__asm__ __volatile__(VFIOMEM_STORE##bits##_INSN			       \
			     : : "r" (value), VFIOMEM_ADDRESS(p) : "memory")
#else
/* Compilers leave relaxed atomics whole; only aligned ones come here. */
#define VFIOMEM_RAW_LOAD(bits, value, p)				       \
	((value) = __atomic_load_n((const volatile vfiomem_u##bits *)(p),      \
				   __ATOMIC_RELAXED))
#define VFIOMEM_RAW_STORE(bits, value, p)				       \
	__atomic_store_n((volatile vfiomem_u##bits *)(p),		       \
			 (uint##bits##_t)(value), __ATOMIC_RELAXED)
#endif

typedef uint8_t  __attribute__((__may_alias__)) vfiomem_u8;
typedef uint16_t __attribute__((__may_alias__)) vfiomem_u16;
typedef uint32_t __attribute__((__may_alias__)) vfiomem_u32;
typedef uint64_t __attribute__((__may_alias__)) vfiomem_u64;

/* For the inlines below: the access in the pieces that the memory takes. */
uint64_t vfiomem_load_pieces(struct vfiomem_attr attr, const volatile void *p,
			     unsigned int size);
void vfiomem_store_pieces(struct vfiomem_attr attr, volatile void *p,
			  uint64_t value, unsigned int size);

/*
 * Whether one access of @size bytes at @p is right: it is no wider than the
 * limit (max_width - 1 makes "none" the largest value), and @p is aligned or
 * need not be.  What depends on the attribute alone comes first: a loop over
 * one piece of memory then tests one bit.
 */
static inline int vfiomem_is_one_access(struct vfiomem_attr attr,
					const volatile void *p,
					unsigned int size)
{
	/* Of no CPU's and of VFIOMEM_NONE, the slow path aborts. */
	const unsigned int fits =
		((uint16_t)(attr.max_width - 1U) >= size - 1) &
		(attr.mode != VFIOMEM_NONE) &
		(VFIOMEM_ALL_MODES | (attr.mode == VFIOMEM_NORMAL));
	const unsigned int anywhere =
		VFIOMEM_ONE_UNALIGNED & fits &
		((attr.access & VFIOMEM_UNALIGNED) != 0) &
		((attr.mode <= VFIOMEM_NORMAL) | (attr.mode == VFIOMEM_PRIVATE));

	return __builtin_expect(anywhere, 1) ||
	       (fits && ((uintptr_t)p & (size - 1)) == 0);
}

/**
 * DOC: One load or store
 *
 * Of 32 bits, and all others likewise::
 *
 *	uint32_t vfiomem_load32(struct vfiomem_attr attr, const volatile void *p);
 *	void vfiomem_store32(struct vfiomem_attr attr, volatile void *p, uint32_t value);
 *
 *	vfiomem_load8	vfiomem_store8
 *	vfiomem_load16	vfiomem_store16	vfiomem_load16_le	vfiomem_store16_le
 *	vfiomem_load32	vfiomem_store32	vfiomem_load32_le	vfiomem_store32_le
 *	vfiomem_load64	vfiomem_store64	vfiomem_load64_le	vfiomem_store64_le
 *
 * For what cannot be one access the inlines call vfiomem_load_pieces() and
 * vfiomem_store_pieces(), which are exported for them alone.
 *
 * Promises 1 to 4 of vfiomem_copy(), RELAXED.  Values are host-endian, those
 * of the _le forms little-endian in memory.  On a CPU that vfiomem_width()
 * gives 0 for, on memory that is not NORMAL, the program is aborted, and so it
 * is on any CPU for VFIOMEM_NONE: there is no error to return, and a wrong
 * access to a device is worse.
 */
#define VFIOMEM_DEFINE_ACCESS(bits)					       \
VFIOMEM_INLINE uint##bits##_t						       \
vfiomem_load##bits(struct vfiomem_attr attr, const volatile void *p)	       \
{									       \
	uint64_t value;							       \
									       \
	if (__builtin_expect(!vfiomem_is_one_access(attr, p, bits / 8), 0))    \
		return (uint##bits##_t)vfiomem_load_pieces(attr, p, bits / 8); \
	VFIOMEM_RAW_LOAD(bits, value, p);				       \
	/* As the instruction says; the compiler need not extend it again. */  \
	if (value > UINT##bits##_MAX)					       \
		__builtin_unreachable();				       \
	return (uint##bits##_t)value;					       \
}									       \
VFIOMEM_INLINE void							       \
vfiomem_store##bits(struct vfiomem_attr attr, volatile void *p,		       \
		    uint##bits##_t value)				       \
{									       \
	if (__builtin_expect(!vfiomem_is_one_access(attr, p, bits / 8), 0))    \
		vfiomem_store_pieces(attr, p, value, bits / 8);		       \
	else								       \
		VFIOMEM_RAW_STORE(bits, value, p);			       \
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VFIOMEM_LE(bits, value)	(value)
#else
#define VFIOMEM_LE(bits, value)	__builtin_bswap##bits(value)
#endif

#define VFIOMEM_DEFINE_ACCESS_LE(bits)					       \
VFIOMEM_INLINE uint##bits##_t						       \
vfiomem_load##bits##_le(struct vfiomem_attr attr, const volatile void *p)      \
{									       \
	return VFIOMEM_LE(bits, vfiomem_load##bits(attr, p));		       \
}									       \
VFIOMEM_INLINE void							       \
vfiomem_store##bits##_le(struct vfiomem_attr attr, volatile void *p,	       \
			 uint##bits##_t value)				       \
{									       \
	vfiomem_store##bits(attr, p, VFIOMEM_LE(bits, value));		       \
}

VFIOMEM_DEFINE_ACCESS(8)
VFIOMEM_DEFINE_ACCESS(16)
VFIOMEM_DEFINE_ACCESS(32)
VFIOMEM_DEFINE_ACCESS(64)
VFIOMEM_DEFINE_ACCESS_LE(16)
VFIOMEM_DEFINE_ACCESS_LE(32)
VFIOMEM_DEFINE_ACCESS_LE(64)

#undef VFIOMEM_DEFINE_ACCESS
#undef VFIOMEM_DEFINE_ACCESS_LE

/* ------------------------------------------------------------------------
 * Regions of a VFIO device
 */

/**
 * struct vfiomem_area - a range of a region that may be mapped
 * @offset: first byte, within the region; page aligned
 * @size: bytes, never 0
 * @attr: what the memory is
 */
struct vfiomem_area {
	uint64_t offset;
	uint64_t size;
	struct vfiomem_attr attr;
};

/**
 * struct vfiomem_region - a region of a VFIO device
 *
 * Made by vfiomem_region_open(), and read only.  It may grow at its end.
 *
 * @areas: the mappable ranges, sorted by offset, not overlapping
 * @nr_areas: how many; 0 for a region that cannot be mapped
 * @index: the region's index, such as VFIO_PCI_BAR0_REGION_INDEX
 * @size: bytes
 * @fd_offset: where the region starts in the device's file, for pread(),
 *	pwrite() and mmap()
 * @flags: VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP and others
 * @reported: 1 if the kernel reported the attributes, 0 if they are the
 *	strictest that fit any mapping
 */
struct vfiomem_region {
	const struct vfiomem_area *areas;
	uint32_t nr_areas;
	uint32_t index;
	uint64_t size;
	uint64_t fd_offset;
	uint32_t flags;
	uint32_t reported;
};

/**
 * vfiomem_region_open() - read what VFIO says about a region
 * @device_fd: a VFIO device, from a group or opened as a cdev.  It is used by
 *	vfiomem_region_map(), and must stay open for that; it is not closed
 * @index: the region's index
 * @region: set to the region
 *
 * Where the kernel does not report VFIO_REGION_INFO_CAP_MMAP_CACHE_MODE, the
 * areas are what may be mapped, UNKNOWN, with no access bits but UNALIGNED,
 * and this only where the CPU never faults: what is right for any mapping.
 * The same holds for a capability of an unknown version.  An area that is
 * reported with an unknown mode is UNKNOWN, too, with no access bits at all.
 *
 * Context: may allocate; thread-safe.
 * Return: 0, -EPROTO if the kernel's answer is malformed, -ENOMEM, or a
 * negative errno of the ioctl.
 */
int vfiomem_region_open(int device_fd, uint32_t index,
			struct vfiomem_region **region);

/**
 * vfiomem_region_close() - free a region
 * @region: the region, or NULL
 *
 * Its mappings stay.
 */
void vfiomem_region_close(struct vfiomem_region *region);

/**
 * vfiomem_region_map() - map an area, or a part of one
 * @region: the region
 * @offset: within the region, page aligned
 * @size: bytes, to within one area; 0 means to the end of the area
 * @prot: PROT_READ, PROT_WRITE or both
 * @addr: set to the address
 * @mapped: if not NULL, set to the number of bytes
 *
 * The address is aligned as @offset is, up to 1 GiB (with pages of 4 KiB) as
 * far as the size warrants, so that the kernel can use huge entries; if other
 * threads take all such places first, it is not.
 *
 * Return: 0; -EINVAL if the range is not page aligned or in no single area;
 * -ENODEV if the region has no areas; -EOPNOTSUPP if this CPU has no accesses
 * for such memory; or a negative errno of mmap().
 */
int vfiomem_region_map(const struct vfiomem_region *region, uint64_t offset,
		       size_t size, int prot, void **addr, size_t *mapped);

/**
 * vfiomem_region_unmap() - undo vfiomem_region_map()
 * @addr: the address
 * @size: the number of bytes that were mapped
 *
 * Return: 0 or a negative errno of munmap().
 */
int vfiomem_region_unmap(void *addr, size_t size);

/**
 * vfiomem_region_area() - find the area of an offset
 * @region: the region
 * @offset: within the region
 *
 * Return: the area, or NULL where nothing can be mapped.
 */
VFIOMEM_INLINE const struct vfiomem_area *
vfiomem_region_area(const struct vfiomem_region *region, uint64_t offset)
{
	const struct vfiomem_area *area = region->areas;
	uint32_t n = region->nr_areas;

	while (n > 1) {
		uint32_t half = n / 2;

		/*
		 * A branch, and nothing that the compiler could make of it:
		 * most lookups find what the last one did, and need not wait
		 * for the comparison then.
		 */
		if (area[half].offset <= offset) {
			area += half;
			__asm__("" : "+r" (area));
		}
		n -= half;
	}
	/* Wraps around, to more than any size, below the area. */
	return n && offset - area->offset < area->size ? area : NULL;
}

/**
 * vfiomem_region_attr() - the attribute of an offset
 * @region: the region
 * @offset: within the region
 *
 * Return: the attribute; VFIOMEM_ATTR_NONE where nothing can be mapped.
 */
VFIOMEM_INLINE struct vfiomem_attr
vfiomem_region_attr(const struct vfiomem_region *region, uint64_t offset)
{
	const struct vfiomem_area *area = vfiomem_region_area(region, offset);

	return area ? area->attr : VFIOMEM_ATTR_NONE;
}

/* ------------------------------------------------------------------------
 * Bounce pool
 *
 * Errors, besides those above:
 *
 *	-EAGAIN		no budget now, or not yet
 *	-EMSGSIZE	more than the whole budget
 *	-EDEADLK	would wait for something that only the caller can end
 *	-EALREADY	was given back before
 *	-ENOENT		does not wait
 *	-ESHUTDOWN	the pool was closed
 */

struct vfiomem_pool;

/**
 * struct vfiomem_pool_options - how a pool is made
 * @size: sizeof(struct vfiomem_pool_options)
 * @budget: bytes that may be granted at any time; can be changed later
 * @arena: memory that all buffers lie in, or NULL; it must outlive the pool
 * @arena_size: bytes of @arena
 * @alloc: without an arena, where memory comes from; NULL for libc. Asked for
 *	whole pages of 4096 bytes; returns NULL when there is none. Called with
 *	a lock of the pool held: it must not call into the pool.
 * @free: gives back what @alloc gave
 * @opaque: handed to @alloc and @free
 */
struct vfiomem_pool_options {
	size_t size;
	size_t budget;
	void *arena;
	size_t arena_size;
	void *(*alloc)(void *opaque, size_t align, size_t size);
	void (*free)(void *opaque, void *ptr, size_t size);
	void *opaque;
};

/**
 * struct vfiomem_piece - a piece of guest memory
 * @addr: its first address
 * @len: bytes
 */
struct vfiomem_piece {
	uint64_t addr;
	size_t len;
};

/* The caller fills the whole buffer first: it need not be zeroed. */
#define VFIOMEM_GRANT_FILLED	(1u << 0)

/**
 * struct vfiomem_grant - what a caller makes of a grant that is only a part
 * @min: fewest bytes that help; 0 means one granule
 * @granularity: a part is a multiple of this; 0 means 1
 * @owner: who holds the grant (a request, a queue); NULL means this thread.
 *	An owner that holds a grant of a pool may not wait for another of it.
 * @flags: VFIOMEM_GRANT_*
 */
struct vfiomem_grant {
	size_t min;
	size_t granularity;
	const void *owner;
	uint32_t flags;
};

/**
 * struct vfiomem_buf - a bounce buffer that was granted
 * @ptr: its memory; lies at the same offset within 4096 as the guest address
 * @len: its bytes
 *
 * The rest is the library's, and tells this grant from all others.
 */
struct vfiomem_buf {
	void *ptr;
	size_t len;
	/* private: */
	uint64_t serial;
	uint32_t slot;
	uint32_t reserved;
};

/**
 * struct vfiomem_pool_waiter - a request that waits for budget
 * @granted: called once, when the grant is there (@result > 0: buffers filled
 *	in, the bytes are the caller's) or never will be (@result < 0). It runs on the
 *	thread that released the bytes, without a lock held, and may call
 *	anything but what blocks. The waiter may be freed or used again in it.
 *	NULL: @eventfd is signalled and vfiomem_pool_collect() has the result.
 * @eventfd: used where @granted is NULL; not to be closed before its signal
 *	was read or vfiomem_pool_cancel() returned
 * @pieces: the list of which a prefix is wanted; valid until the grant
 * @nr: entries of @pieces and of @bufs
 * @bufs: where the buffers are told; valid until the grant
 * @how: how the grant may be cut
 *
 * The rest is the library's.
 */
struct vfiomem_pool_waiter {
	void (*granted)(struct vfiomem_pool_waiter *waiter, int result);
	int eventfd;
	unsigned int nr;
	const struct vfiomem_piece *pieces;
	struct vfiomem_buf *bufs;
	struct vfiomem_grant how;

	/* private: */
	struct vfiomem_pool_waiter *next;
	struct vfiomem_grant exact;
	const void *thread;
	size_t total;
	uint64_t since;
	int result;
	uint32_t done;
};

/**
 * struct vfiomem_pool_stats - a pool's figures
 * @budget: bytes
 * @in_use: bytes granted now
 * @peak: highest number of bytes ever granted, or granted and held ready by
 *	threads for their next grant
 * @buffers: buffers out now
 * @grants: requests that got bytes
 * @partial: those of them that got fewer than they asked for
 * @waits: requests that were queued
 * @waited_ns: time that they were, together
 * @waiting: requests queued now
 */
struct vfiomem_pool_stats {
	uint64_t budget;
	uint64_t in_use;
	uint64_t peak;
	uint64_t buffers;
	uint64_t grants;
	uint64_t partial;
	uint64_t waits;
	uint64_t waited_ns;
	uint64_t waiting;
};

/**
 * vfiomem_pool_create() - make a pool
 * @pool: set to the pool
 * @options: what it is made of; copied
 *
 * The pool is for the threads of one process: a child of fork() may not use
 * the pools of its parent. Its shortest locks are spinlocks, whose waiters call
 * sched_yield(): a thread of SCHED_FIFO or SCHED_RR may not use a pool together
 * with threads of lower priority on the same CPU, whom it would never let
 * finish.
 *
 * Return: 0, -EINVAL (also for an arena without a whole page) or -ENOMEM.
 */
int vfiomem_pool_create(struct vfiomem_pool **pool,
			const struct vfiomem_pool_options *options);

/**
 * vfiomem_pool_destroy() - close a pool
 * @pool: the pool
 *
 * Requests that wait are answered with -ESHUTDOWN, callbacks that other
 * threads run are waited for, and nothing more is granted. Where buffers are
 * still out they stay good, and are to be unmapped as ever; the last of them
 * frees the pool. vfiomem_pool_stats() says how many there are.
 *
 * A late call with the handle, but for vfiomem_pool_stats() and
 * vfiomem_pool_cancel(), gets -ESHUTDOWN, as long as no pool was created since:
 * that may have the same handle, and gets the call.
 *
 * Return: 0; -EBUSY if buffers were out; -ESHUTDOWN if the pool was closed
 * before; -EDEADLK in a callback of this pool; -EINVAL.
 */
int vfiomem_pool_destroy(struct vfiomem_pool *pool);

/**
 * vfiomem_pool_set_budget() - change the budget
 * @pool: the pool
 * @budget: bytes; may be less than what is out now
 *
 * With more budget waiters are served at once. With less nothing new is
 * granted until enough came back, and a waiter whose minimum is more than the
 * budget gets -EMSGSIZE when it is first in the queue.
 *
 * Return: 0, -ESHUTDOWN or -EINVAL.
 */
int vfiomem_pool_set_budget(struct vfiomem_pool *pool, size_t budget);

/**
 * vfiomem_pool_stats() - read a pool's figures
 * @pool: the pool
 * @stats: filled in; exact when no other thread uses the pool meanwhile
 *
 * Return: 0 or -EINVAL.
 */
int vfiomem_pool_stats(struct vfiomem_pool *pool,
		       struct vfiomem_pool_stats *stats);

/**
 * vfiomem_pool_try_map() - a bounce buffer, or a part of one, without waiting
 * @pool: the pool
 * @addr: guest address: the buffer has the same offset within 4096
 * @len: bytes wanted
 * @how: how the grant may be cut, and who holds it; NULL for the defaults
 * @buf: filled in; its len says how many bytes were granted
 *
 * The buffer is zeroed, unless VFIOMEM_GRANT_FILLED says that this is not
 * needed.
 *
 * Context: does not block, beyond a mutex that is never held for long.
 * Return: 0; -EAGAIN if the budget is used or others wait for it; -EMSGSIZE if
 * the minimum is more than the budget; -ENOMEM; -ESHUTDOWN; -EINVAL.
 */
int vfiomem_pool_try_map(struct vfiomem_pool *pool, uint64_t addr, size_t len,
			 const struct vfiomem_grant *how,
			 struct vfiomem_buf *buf);

/**
 * vfiomem_pool_map() - a bounce buffer, or a part of one, when there is budget
 * @pool: the pool
 * @addr: guest address
 * @len: bytes wanted
 * @how: how the grant may be cut, and who holds it; NULL for the defaults
 * @buf: filled in
 *
 * Context: may sleep.
 * Return: as vfiomem_pool_try_map(), but for -EAGAIN: -EDEADLK if it would
 * have to wait and the owner holds a grant of this pool, or a callback runs.
 */
int vfiomem_pool_map(struct vfiomem_pool *pool, uint64_t addr, size_t len,
		     const struct vfiomem_grant *how, struct vfiomem_buf *buf);

/**
 * vfiomem_pool_try_map_sg() - bounce buffers for a prefix of a list
 * @pool: the pool
 * @pieces: the list
 * @nr: its entries
 * @how: minimum and granularity are of the sum
 * @bufs: @nr of them; as many as the return value says are filled in. All of
 *	these but the last are as long as their pieces.
 *
 * The budget for the prefix is taken in one step: of two requests that do not
 * fit together one gets all that it wants, rather than each a half.
 *
 * Return: how many buffers; or as vfiomem_pool_try_map().
 */
int vfiomem_pool_try_map_sg(struct vfiomem_pool *pool,
			    const struct vfiomem_piece *pieces, unsigned int nr,
			    const struct vfiomem_grant *how,
			    struct vfiomem_buf *bufs);

/**
 * vfiomem_pool_map_sg() - bounce buffers for a prefix, when there is budget
 * @pool: the pool
 * @pieces: the list
 * @nr: its entries
 * @how: minimum and granularity are of the sum
 * @bufs: @nr of them
 *
 * Context: may sleep.
 * Return: how many buffers; or as vfiomem_pool_map().
 */
int vfiomem_pool_map_sg(struct vfiomem_pool *pool,
			const struct vfiomem_piece *pieces, unsigned int nr,
			const struct vfiomem_grant *how,
			struct vfiomem_buf *bufs);

/**
 * vfiomem_pool_unmap() - give a buffer back
 * @pool: the pool that granted it
 * @buf: the buffer, as it was filled in
 *
 * Any thread may do so. It may run callbacks of waiters that now get bytes.
 *
 * Return: 0; -EALREADY if this grant was given back before; -EINVAL if it is
 * none of this pool's; -ESHUTDOWN if the pool is gone.
 */
int vfiomem_pool_unmap(struct vfiomem_pool *pool,
		       const struct vfiomem_buf *buf);

/**
 * vfiomem_pool_wait() - get a grant now, or be told when there is one
 * @pool: the pool
 * @waiter: the request
 *
 * Waiters are served in the order in which they came, each as soon as its
 * minimum is there. Nobody who comes later gets bytes before them.
 *
 * Return: how many buffers were granted at once, and no callback or signal
 * will come; 0 if the waiter was queued; or as vfiomem_pool_map().
 */
int vfiomem_pool_wait(struct vfiomem_pool *pool,
		      struct vfiomem_pool_waiter *waiter);

/**
 * vfiomem_pool_collect() - the result of a waiter whose eventfd was signalled
 * @pool: the pool
 * @waiter: the waiter; the caller's own again unless the result is -EAGAIN
 *
 * Return: how many buffers; -EAGAIN if there is no result yet; -ENOENT if it
 * does not wait; -ESHUTDOWN if the pool is closed; or a waiter's error.
 */
int vfiomem_pool_collect(struct vfiomem_pool *pool,
			 struct vfiomem_pool_waiter *waiter);

/**
 * vfiomem_pool_cancel() - stop waiting
 * @pool: the pool
 * @waiter: the waiter
 *
 * On return no callback of the waiter runs or will run. A grant that it did
 * not learn of yet goes back to the pool.
 *
 * Return: 0 if it was in time; -ENOENT if the waiter had its answer before;
 * -EDEADLK in the waiter's own callback; -EINVAL.
 */
int vfiomem_pool_cancel(struct vfiomem_pool *pool,
			struct vfiomem_pool_waiter *waiter);

/* ------------------------------------------------------------------------
 * Memory space
 *
 * Errors, besides those above:
 *
 *	-ENXIO		there is nothing at that address
 *	-EACCES		not in that direction
 *	-EBUSY		mappings are out
 */

struct vfiomem_space;

/**
 * enum vfiomem_range_type - what lies behind a range
 * @VFIOMEM_RANGE_RAM: ordinary memory of the process, that can be pinned
 * @VFIOMEM_RANGE_ROM: reads come from memory, writes go to a callback
 * @VFIOMEM_RANGE_DEVICE: a mapping of a device's memory, with an attribute
 * @VFIOMEM_RANGE_IO: callbacks
 */
enum vfiomem_range_type {
	VFIOMEM_RANGE_RAM,
	VFIOMEM_RANGE_ROM,
	VFIOMEM_RANGE_DEVICE,
	VFIOMEM_RANGE_IO,
};

/**
 * struct vfiomem_io - the callbacks of a range
 * @read: read @width bytes at @offset of the range, as the CPU would load them
 * @write: the same for a write
 * @min_width: narrowest access that they take, a power of two; 0 means 1
 * @max_width: widest access, at most 8; 0 means 8
 *
 * Accesses are aligned to their width and ascend. They run without a lock
 * held, on any thread, and may use the space: map, unmap, add, remove. They
 * return 0 or a negative errno, which ends the call that led to them.
 */
struct vfiomem_io {
	int (*read)(void *opaque, uint64_t offset, unsigned int width,
		    uint64_t *value);
	int (*write)(void *opaque, uint64_t offset, unsigned int width,
		     uint64_t value);
	unsigned int min_width;
	unsigned int max_width;
};

/**
 * DOC: Flags of ranges, spaces and mappings
 *
 * In a range's flags::
 *
 *	VFIOMEM_RANGE_READONLY	it cannot be written
 *
 * In those of a space::
 *
 *	VFIOMEM_SPACE_GUARDED	copies from and to DEVICE ranges survive SIGBUS,
 *				see vfiomem_copy_guarded()
 *
 * In those of a mapping, one of READ and WRITE::
 *
 *	VFIOMEM_MAP_READ	the caller reads guest memory
 *	VFIOMEM_MAP_WRITE	the caller writes guest memory
 *	VFIOMEM_MAP_CPU_ONLY	only the CPU touches it: no O_DIRECT, no vhost, no
 *				registered buffer, for the kernel cannot pin the
 *				pages of a device's mapping
 */
#define VFIOMEM_RANGE_READONLY	(1U << 0)

/**
 * struct vfiomem_range - a range of guest-physical addresses
 * @base: its first address
 * @size: bytes, not 0; may reach the end of the address space
 * @priority: of ranges that overlap the highest is seen, and of those with the
 *	same the one that was added last
 * @type: enum vfiomem_range_type
 * @flags: VFIOMEM_RANGE_*
 * @host: where the memory of RAM, ROM and DEVICE is mapped
 * @attr: what the memory of DEVICE is
 * @io: for IO, and the writes of ROM; NULL there means read-only
 * @opaque: handed to the callbacks
 */
struct vfiomem_range {
	uint64_t base;
	uint64_t size;
	int32_t priority;
	uint32_t type;
	uint32_t flags;
	void *host;
	struct vfiomem_attr attr;
	const struct vfiomem_io *io;
	void *opaque;
};

#define VFIOMEM_SPACE_GUARDED	(1U << 0)

/**
 * struct vfiomem_space_options - how a space is made
 * @size: sizeof(struct vfiomem_space_options)
 * @flags: VFIOMEM_SPACE_*
 * @pool: where bounce buffers come from; must outlive the space
 * @dirty: told after a range was written, without a lock held; or NULL
 * @opaque: handed to @dirty
 */
struct vfiomem_space_options {
	size_t size;
	uint32_t flags;
	struct vfiomem_pool *pool;
	void (*dirty)(void *opaque, uint64_t addr, uint64_t len);
	void *opaque;
};

#define VFIOMEM_MAP_READ	(1U << 0)
#define VFIOMEM_MAP_WRITE	(1U << 1)
#define VFIOMEM_MAP_CPU_ONLY	(1U << 2)

/* vfiomem_space_map_sg() and its like take at most so many pieces at a time. */
#define VFIOMEM_MAP_LIST	32

/**
 * struct vfiomem_mapping - guest memory that can be accessed at a pointer
 * @ptr: the pointer; at the guest address's offset within 4096 if bounced
 * @len: bytes
 * @addr: the guest address
 *
 * The rest is the library's. A mapping may be moved, but not copied.
 */
struct vfiomem_mapping {
	void *ptr;
	size_t len;
	uint64_t addr;

	/* private: */
	void *range;
	struct vfiomem_buf buf;
	uint32_t flags;
	uint32_t stripe;
	uint32_t state;
	uint32_t reserved;
};

/**
 * struct vfiomem_space_waiter - a request that waits for budget
 * @granted: as in struct vfiomem_pool_waiter, but never NULL; @result is the
 *	number of mappings
 * @pieces: the list; used only by vfiomem_space_wait() itself
 * @nr: its entries
 * @flags: VFIOMEM_MAP_*
 * @how: how the grant may be cut, and who holds it
 * @mappings: @nr of them; valid until the grant
 *
 * The rest is the library's.
 */
struct vfiomem_space_waiter {
	void (*granted)(struct vfiomem_space_waiter *waiter, int result);
	const struct vfiomem_piece *pieces;
	unsigned int nr;
	uint32_t flags;
	struct vfiomem_grant how;
	struct vfiomem_mapping *mappings;

	/* private: */
	struct vfiomem_space *space;
	unsigned int held;
	struct vfiomem_pool_waiter wait;
	struct vfiomem_piece list[VFIOMEM_MAP_LIST];
	struct vfiomem_buf bufs[VFIOMEM_MAP_LIST];
};

/**
 * vfiomem_space_create() - make an empty space
 * @space: set to the space
 * @options: what it is made of; copied
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int vfiomem_space_create(struct vfiomem_space **space,
			 const struct vfiomem_space_options *options);

/**
 * vfiomem_space_destroy() - free a space
 * @space: the space; no other call on it may run or come
 *
 * Return: 0; -EBUSY, and nothing was done, if mappings are out; -EINVAL.
 */
int vfiomem_space_destroy(struct vfiomem_space *space);

/**
 * vfiomem_space_add() - add a range
 * @space: the space
 * @range: the range; copied. What it refers to must stay as long as
 *	vfiomem_space_wait_unused() does not return for it.
 * @id: set to a number that is not used again
 *
 * Who looks up an address meanwhile sees the space before or after, and is
 * never stopped.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int vfiomem_space_add(struct vfiomem_space *space,
		      const struct vfiomem_range *range, uint64_t *id);

/**
 * vfiomem_space_remove() - take a range away
 * @space: the space
 * @id: of the range
 *
 * On return no new mapping or copy finds it. Those that have it go on, and
 * write back to it.
 *
 * It needs no memory, and so cannot fail for want of it.
 *
 * Return: 0; -ENOENT if there is no such range; -EINVAL.
 */
int vfiomem_space_remove(struct vfiomem_space *space, uint64_t id);

/**
 * vfiomem_space_wait_unused() - wait until nothing uses a removed range
 * @space: the space
 * @id: of the range
 *
 * The caller may have no mapping of it itself, nor any bounced one from the
 * space's pool: who waits for budget in vfiomem_space_map() or
 * vfiomem_space_wait() holds the range already, and may need those bytes.
 *
 * Return: 0, also if there is no such range; -EBUSY if it was not removed;
 * -EDEADLK in a callback; -EINVAL.
 */
int vfiomem_space_wait_unused(struct vfiomem_space *space, uint64_t id);

/**
 * vfiomem_space_try_map_sg() - map a prefix of a list, without waiting
 * @space: the space
 * @pieces: the list
 * @nr: its entries
 * @flags: VFIOMEM_MAP_READ or VFIOMEM_MAP_WRITE, VFIOMEM_MAP_CPU_ONLY
 * @how: how the budget may be cut, and who holds the grant; NULL for defaults
 * @mappings: @nr of them; as many as the return value says are filled in
 *
 * Each mapping lies within one range, begins where its piece does, and only
 * the last may be shorter than that. A prefix is of one kind: all direct or
 * all bounced. So the caller does what it can with it, and comes again.
 *
 * A pointer is direct where the memory is RAM (or a ROM's, to read), or that
 * of a device which is NORMAL, COHERENT, UNALIGNED, VECTOR, ZERO_LINE and has
 * no width limit, and @flags has VFIOMEM_MAP_CPU_ONLY. No promise holds
 * through it. Otherwise it is a bounce buffer: filled here if to be read,
 * written back by vfiomem_space_unmap() if to be written, with the promises
 * of vfiomem_copy(). A part of a range with callbacks is a multiple of their
 * min_width as well as of the granularity in @how.
 *
 * Return: how many mappings; -ENXIO, -EACCES, -EAGAIN and what else
 * vfiomem_pool_try_map() and vfiomem_copy() or a callback return.
 */
int vfiomem_space_try_map_sg(struct vfiomem_space *space,
			     const struct vfiomem_piece *pieces, unsigned int nr,
			     uint32_t flags, const struct vfiomem_grant *how,
			     struct vfiomem_mapping *mappings);

/**
 * vfiomem_space_map_sg() - map a prefix of a list, when there is budget
 * @space: the space
 * @pieces: the list
 * @nr: its entries
 * @flags: VFIOMEM_MAP_*
 * @how: how the budget may be cut, and who holds the grant; NULL for defaults
 * @mappings: @nr of them
 *
 * Context: may sleep.
 * Return: as vfiomem_space_try_map_sg(), with -EDEADLK for -EAGAIN as in
 * vfiomem_pool_map().
 */
int vfiomem_space_map_sg(struct vfiomem_space *space,
			 const struct vfiomem_piece *pieces, unsigned int nr,
			 uint32_t flags, const struct vfiomem_grant *how,
			 struct vfiomem_mapping *mappings);

/**
 * vfiomem_space_try_map() - map one piece, or the first part of it
 * @space: the space
 * @addr: guest address
 * @len: bytes; the mapping's len says how many it has
 * @flags: VFIOMEM_MAP_*
 * @how: how the budget may be cut, and who holds the grant; NULL for defaults
 * @mapping: filled in
 *
 * Return: 0, or as vfiomem_space_try_map_sg().
 */
int vfiomem_space_try_map(struct vfiomem_space *space, uint64_t addr, size_t len,
			  uint32_t flags, const struct vfiomem_grant *how,
			  struct vfiomem_mapping *mapping);

/**
 * vfiomem_space_map() - map one piece, when there is budget
 * @space: the space
 * @addr: guest address
 * @len: bytes
 * @flags: VFIOMEM_MAP_*
 * @how: how the budget may be cut, and who holds the grant; NULL for defaults
 * @mapping: filled in
 *
 * Context: may sleep.
 * Return: 0, or as vfiomem_space_map_sg().
 */
int vfiomem_space_map(struct vfiomem_space *space, uint64_t addr, size_t len,
		      uint32_t flags, const struct vfiomem_grant *how,
		      struct vfiomem_mapping *mapping);

/**
 * vfiomem_space_wait() - map a prefix now, or be told when it is
 * @space: the space
 * @waiter: the request
 *
 * Return: how many mappings there are at once, and no callback will come; 0 if
 * the waiter was queued; or as vfiomem_space_map_sg().
 */
int vfiomem_space_wait(struct vfiomem_space *space,
		       struct vfiomem_space_waiter *waiter);

/**
 * vfiomem_space_cancel() - stop waiting
 * @space: the space
 * @waiter: the waiter
 *
 * Return: as vfiomem_pool_cancel().
 */
int vfiomem_space_cancel(struct vfiomem_space *space,
			 struct vfiomem_space_waiter *waiter);

/**
 * vfiomem_space_unmap() - end a mapping
 * @space: the space
 * @mapping: the mapping
 * @access_len: of a mapping to be written: how many bytes from its start were
 *
 * Writes a bounce buffer's [0, @access_len) back to the range that was mapped,
 * be it removed or not, in PUBLISH order, and tells @dirty. Whatever it
 * returns but -EALREADY, the mapping is gone and its budget is free.
 *
 * Return: 0; -EINVAL if @access_len is more than the mapping has: nothing of a
 * bounce buffer is written back then, and all of a direct mapping is told as
 * dirty; -EALREADY if it was unmapped before; or an error of the copy or of a
 * callback.
 */
int vfiomem_space_unmap(struct vfiomem_space *space,
			struct vfiomem_mapping *mapping, size_t access_len);

/**
 * vfiomem_space_read() - copy out of guest memory
 * @space: the space
 * @addr: guest address
 * @buf: memory of the caller's own
 * @n: how many bytes, across any borders
 * @order: a read order, see vfiomem_copy()
 *
 * Each part that lies in one range keeps the promises of vfiomem_copy(), and
 * the order holds across the borders.
 *
 * Return: 0; -ENXIO; -EACCES; -EINVAL, also if what is to be accessed is
 * narrower than a callback takes; or an error of the copy or of a callback. What
 * comes before the range that it comes from was copied.
 */
int vfiomem_space_read(struct vfiomem_space *space, uint64_t addr, void *buf,
		       size_t n, unsigned int order);

/**
 * vfiomem_space_write() - copy into guest memory
 * @space: the space
 * @addr: guest address
 * @buf: memory of the caller's own
 * @n: how many bytes, across any borders
 * @order: a write order
 *
 * Return: as vfiomem_space_read().
 */
int vfiomem_space_write(struct vfiomem_space *space, uint64_t addr,
			const void *buf, size_t n, unsigned int order);

/**
 * vfiomem_space_fill() - set bytes of guest memory
 * @space: the space
 * @addr: guest address
 * @value: the byte
 * @n: how many bytes, across any borders
 * @order: a write order
 *
 * Return: as vfiomem_space_read().
 */
int vfiomem_space_fill(struct vfiomem_space *space, uint64_t addr, uint8_t value,
		       size_t n, unsigned int order);

/* ------------------------------------------------------------------------
 * CXL: memory that a guest programs into its address space
 */

/**
 * struct vfiomem_cxl_decoder - an HDM decoder as it is programmed
 * @base: first host-physical (to the guest) address
 * @size: bytes of that, of all ways together
 * @skip: bytes of device memory passed over before; of an endpoint's decoder
 * @ways: over how many targets it interleaves; 0 for a reserved encoding
 * @target: port of the first target; of a host bridge's or a switch's decoder
 * @committed: not 0 if it decodes
 * @reserved: 0
 */
struct vfiomem_cxl_decoder {
	uint64_t base;
	uint64_t size;
	uint64_t skip;
	uint32_t ways;
	uint32_t target;
	uint32_t committed;
	uint32_t reserved;
};

/**
 * struct vfiomem_cxl_window - a fixed memory window that the VMM declared
 * @base: its first address
 * @size: bytes
 * @ways: over how many host bridges it interleaves
 * @reserved: 0
 */
struct vfiomem_cxl_window {
	uint64_t base;
	uint64_t size;
	uint32_t ways;
	uint32_t reserved;
};

/**
 * struct vfiomem_cxl_port - what is between the window and the device
 * @decoders: of a host bridge or switch, in their order
 * @nr_decoders: how many; 0 where there are none, because one way is all there is
 * @target: port through which this device is reached
 */
struct vfiomem_cxl_port {
	const struct vfiomem_cxl_decoder *decoders;
	uint32_t nr_decoders;
	uint32_t target;
};

/**
 * struct vfiomem_cxl_backing - memory behind a range of device addresses
 * @dpa: first device-physical address
 * @size: bytes
 * @host: where it is mapped
 * @attr: what the mapping is
 * @dynamic: not 0 for dynamic capacity, which is never mapped
 * @reserved: 0
 */
struct vfiomem_cxl_backing {
	uint64_t dpa;
	uint64_t size;
	void *host;
	struct vfiomem_attr attr;
	uint32_t dynamic;
	uint32_t reserved;
};

/**
 * struct vfiomem_cxl_device - a memory device and the way to it
 * @windows: the fixed memory windows
 * @ports: from the host bridge down
 * @decoders: the device's own, in their order
 * @backings: the device's memory
 * @nr_windows: entries of @windows
 * @nr_ports: entries of @ports
 * @nr_decoders: entries of @decoders
 * @nr_backings: entries of @backings
 */
struct vfiomem_cxl_device {
	const struct vfiomem_cxl_window *windows;
	const struct vfiomem_cxl_port *ports;
	const struct vfiomem_cxl_decoder *decoders;
	const struct vfiomem_cxl_backing *backings;
	uint32_t nr_windows;
	uint32_t nr_ports;
	uint32_t nr_decoders;
	uint32_t nr_backings;
};

/**
 * struct vfiomem_cxl_overlay - what a decoder shows in a space now
 * @id: the range, or 0; all zero to begin with
 *
 * The rest is the library's.
 */
struct vfiomem_cxl_overlay {
	uint64_t id;
	/* private: */
	uint64_t base;
	uint64_t size;
	void *host;
	struct vfiomem_attr attr;
};

/**
 * vfiomem_cxl_read_decoders() - read an HDM decoder capability structure
 * @hdm: its registers
 * @size: bytes of them
 * @endpoint: not 0 for a device's, which have a skip; 0 for a port's
 * @decoders: filled in
 * @max: entries of @decoders
 *
 * As long as a device's HDM Decoder Enable bit is clear none of its decoders
 * decodes, and none is said to be committed.
 *
 * Return: how many decoders there are, or -EINVAL if they do not fit into
 * @size or @max, or their number is a reserved encoding.
 */
int vfiomem_cxl_read_decoders(const uint32_t *hdm, size_t size, int endpoint,
			      struct vfiomem_cxl_decoder *decoders,
			      unsigned int max);

/**
 * vfiomem_cxl_resolve() - the memory that a decoder shows, and where
 * @device: the device
 * @decoder: which of its decoders
 * @range: base, size, host, attr and type are filled in
 *
 * Only what can be a mapping is: within one window and one backing, and with
 * no interleave on the way.
 *
 * Return: 0; -ENOENT if this decoder or one before it is not committed;
 * -ENXIO if no window or port leads here, or no memory is behind it;
 * -EOPNOTSUPP for interleave and dynamic capacity, which stay I/O; -EINVAL.
 */
int vfiomem_cxl_resolve(const struct vfiomem_cxl_device *device,
			unsigned int decoder, struct vfiomem_range *range);

/**
 * vfiomem_cxl_apply() - show what the decoders now say
 * @space: the space
 * @device: the device
 * @priority: of the overlays; above that of the window's own I/O range
 * @overlays: one for each decoder of the device
 *
 * To be called after each change of a decoder on the way. Overlays that are no
 * longer right go before others come. As with any range that is removed,
 * vfiomem_space_wait_unused() tells when nobody uses it any more; the id of an
 * overlay has to be read before for this.
 *
 * Return: how many overlays there are, -EINVAL or -ENOMEM.
 */
int vfiomem_cxl_apply(struct vfiomem_space *space,
		      const struct vfiomem_cxl_device *device, int32_t priority,
		      struct vfiomem_cxl_overlay *overlays);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* VFIOMEM_H */
