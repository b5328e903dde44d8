/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules about accesses to trapped BARs, checked as the accesses come.
 */
#ifndef MOCKGPU_RULES_H
#define MOCKGPU_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule_kind {
	RULE_NONE,
	RULE_WIDTH,		/* no access wider than max_width */
	RULE_ALIGN,		/* every access is naturally aligned */
	RULE_ONCE,		/* no byte is written twice in a window */
	RULE_ASCENDING,		/* writes of a window come in address order */
	RULE_FORBIDDEN,		/* no access at all */
	/*
	 * The range is payload, and its last 4 bytes a doorbell.  The value
	 * written there is length | sum << 16: the payload is that many bytes
	 * just before the doorbell, all written since the last doorbell, whose
	 * sum modulo 65536 is given.
	 */
	RULE_PAYLOAD,
};

struct rule_spec {
	enum rule_kind kind;
	uint8_t bar;
	uint8_t max_width;
	uint32_t offset;
	uint32_t size;
};

struct rule {
	struct rule_spec spec;
	uint8_t *written;	/* RULE_ONCE, RULE_PAYLOAD: a byte for each */
	uint64_t next;		/* RULE_ASCENDING: the lowest that may follow */
};

#define RULES_MAX	16

struct rules {
	struct rule rule[RULES_MAX];
	size_t count;
};

struct bar_access {
	uint8_t bar;
	bool write;
	uint64_t offset;
	uint32_t width;
};

int rules_add(struct rules *rules, const struct rule_spec *spec);
void rules_free(struct rules *rules);

/*
 * rules_check - does this access keep the rules?
 *
 * @memory: the BAR's memory, after the access
 * @broken: the kinds that it breaks, RULES_MAX at most
 *
 * Return: how many it breaks.
 */
size_t rules_check(struct rules *rules, const struct bar_access *access,
		   const uint8_t *memory, enum rule_kind *broken);

/*
 * Was this access a doorbell?  It ends the window: RULE_ONCE, RULE_ASCENDING
 * and RULE_PAYLOAD start anew in the BAR.
 */
bool rules_doorbell(struct rules *rules, const struct bar_access *access);

/* Start a new window by hand, in every BAR. */
void rules_new_window(struct rules *rules);

const char *rule_name(enum rule_kind kind);

/* RULE_NONE if there is none of that name. */
enum rule_kind rule_by_name(const char *name);

#endif /* MOCKGPU_RULES_H */
