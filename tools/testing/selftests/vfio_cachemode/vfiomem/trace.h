/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record of every access that code makes to two buffers.
 *
 * The buffers lie in a window that no access right is given to, so the MMU
 * stops every access there, whatever code makes it.  The handler looks the
 * instruction up in a table made from the disassembly (decode.py), computes the
 * address, moves the base register to a second mapping of the same memory and
 * lets a copy of the instruction run there.  A store is checked in addition:
 * which bytes changed, and to what.  Barriers in the code under test are
 * replaced by breakpoints.
 *
 * One instruction is one event: that an emulator splits it does not show.
 */
#ifndef VFIOMEM_TRACE_H
#define VFIOMEM_TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "model.h"

/*
 * The window, as the code under test gets it: two buffers of 16 KiB.  It is
 * above the heap, which x86 puts up to 1 GiB after a static program's end
 * (arch_randomize_brk() in arch/x86/kernel/process.c).
 */
#define TRACE_WINDOW	0x60000000UL
#define TRACE_SIZE	0x8000UL
#define TRACE_SRC	TRACE_WINDOW
#define TRACE_DST	(TRACE_WINDOW + TRACE_SIZE / 2)

/* The same memory, as the test may touch it. */
#define TRACE_DELTA	0x10000
#define TRACE_SHADOW	(TRACE_WINDOW + TRACE_DELTA)

static inline uint8_t *trace_shadow(uint64_t addr)
{
	return (uint8_t *)(addr - TRACE_WINDOW + TRACE_SHADOW);
}

/* Whether @addr is in the buffer at @buffer (TRACE_SRC or TRACE_DST). */
static inline bool trace_in(uint64_t addr, uint64_t buffer)
{
	return addr >= buffer && addr < buffer + TRACE_SIZE / 2;
}

struct trace_log {
	struct model_event *ev;
	uint64_t *pcs;		/* of the instructions that made them */
	size_t count;
	const char *error;	/* what could not be followed, or is wrong; or NULL */
	uint64_t pc;		/* where that was */
};

/* Read the table and install the handlers.  Exits with a message on failure. */
void trace_init(const char *table);

/*
 * Run @call(@arg) and record it.  @expect, as large as the window, is what the
 * window is to hold afterwards: stores are checked against it.
 */
const struct trace_log *trace_run(void (*call)(void *arg), void *arg,
				  const uint8_t *expect);

/* Per architecture. */

/* As decode.py writes it, sorted by pc. */
struct trace_insn {
	uint64_t pc;
	int64_t disp;
	uint16_t flags;		/* enum model_flag */
	uint16_t width;		/* bytes; 0: the instruction is not understood */
	uint8_t kind;		/* enum model_kind */
	uint8_t barrier;	/* enum model_barrier */
	uint8_t len;		/* of the instruction */
	uint8_t shift;		/* of the index register */
	int8_t base, index, mask, data;	/* register numbers, -1: none */
	uint8_t extend;		/* of the index: 0 none, 1 unsigned, 2 signed 32 bit */
	uint8_t element;	/* of a masked vector, or of a string */
	uint8_t pad[2];
};

/* Where the copies of instructions live: in reach of a branch to the program. */
extern const uint64_t trace_slots;

uint64_t *trace_pc(ucontext_t *uc);
uint64_t *trace_reg(ucontext_t *uc, int number);
uint64_t trace_mask(ucontext_t *uc, int number);
/* Write a breakpoint to @at; return its length. */
size_t trace_breakpoint(void *at);
/*
 * Write, to @at, code that moves register @reg (-1: none) back to the window and
 * goes on at @to.  Return false if that takes more than a few instructions: the
 * handler does it, after a breakpoint.
 */
bool trace_resume(void *at, int reg, uint64_t to);
/* How far the pc has gone past a breakpoint when it is reported. */
extern const unsigned int trace_breakpoint_skip;

#endif /* VFIOMEM_TRACE_H */
