// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules about accesses, checked as they come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

#define DOORBELL_SIZE	4

static const char *const names[] = {
	[RULE_NONE]		= "none",
	[RULE_WIDTH]		= "width",
	[RULE_ALIGN]		= "align",
	[RULE_ONCE]		= "once",
	[RULE_ASCENDING]	= "ascending",
	[RULE_FORBIDDEN]	= "forbidden",
	[RULE_PAYLOAD]		= "payload",
};

const char *rule_name(enum rule_kind kind)
{
	return names[kind];
}

enum rule_kind rule_by_name(const char *name)
{
	enum rule_kind kind;

	for (kind = RULE_WIDTH; kind <= RULE_PAYLOAD; kind++)
		if (!strcmp(names[kind], name))
			return kind;
	return RULE_NONE;
}

int rules_add(struct rules *rules, const struct rule_spec *spec)
{
	struct rule *rule = &rules->rule[rules->count];

	if (rules->count == RULES_MAX)
		return -ENOSPC;
	if (!spec->size ||
	    (spec->kind == RULE_PAYLOAD && spec->size <= DOORBELL_SIZE))
		return -EINVAL;
	memset(rule, 0, sizeof(*rule));
	rule->spec = *spec;
	if (spec->kind == RULE_ONCE || spec->kind == RULE_PAYLOAD) {
		rule->written = calloc(1, spec->size);
		if (!rule->written)
			return -ENOMEM;
	}
	rules->count++;
	return 0;
}

void rules_free(struct rules *rules)
{
	size_t i;

	for (i = 0; i < rules->count; i++)
		free(rules->rule[i].written);
	rules->count = 0;
}

/* The part of an access that lies in the rule's range, relative to it. */
static bool overlap(const struct rule_spec *spec,
		    const struct bar_access *access,
		    uint32_t *from, uint32_t *to)
{
	const uint64_t end = (uint64_t)spec->offset + spec->size;
	uint64_t first = access->offset, last = access->offset + access->width;

	if (spec->bar != access->bar || last <= spec->offset || first >= end)
		return false;
	if (first < spec->offset)
		first = spec->offset;
	if (last > end)
		last = end;
	*from = first - spec->offset;
	*to = last - spec->offset;
	return true;
}

static bool is_doorbell(const struct rule_spec *spec,
			const struct bar_access *access)
{
	const uint64_t end = (uint64_t)spec->offset + spec->size;

	return spec->kind == RULE_PAYLOAD && spec->bar == access->bar &&
	       access->write && access->offset + access->width > end - DOORBELL_SIZE &&
	       access->offset < end;
}

/* Is the payload that the doorbell announces there, whole and unchanged? */
static bool payload_complete(const struct rule *rule,
			     const struct bar_access *access,
			     const uint8_t *memory)
{
	const uint32_t doorbell = rule->spec.size - DOORBELL_SIZE;
	const uint8_t *window = memory + rule->spec.offset;
	uint32_t value, length, i;
	uint16_t sum = 0;

	/* A doorbell that is rung in pieces is none. */
	if (access->offset != rule->spec.offset + doorbell ||
	    access->width != DOORBELL_SIZE)
		return false;
	memcpy(&value, window + doorbell, sizeof(value));
	length = value & 0xffff;
	if (length > doorbell)
		return false;
	for (i = doorbell - length; i < doorbell; i++) {
		if (!rule->written[i])
			return false;
		sum += window[i];
	}
	return sum == value >> 16;
}

static bool keeps(struct rule *rule, const struct bar_access *access,
		  const uint8_t *memory)
{
	const struct rule_spec *spec = &rule->spec;
	uint32_t from, to, i;
	bool twice = false;

	if (!overlap(spec, access, &from, &to))
		return true;

	switch (spec->kind) {
	case RULE_WIDTH:
		return access->width <= spec->max_width;
	case RULE_ALIGN:
		return access->width && !(access->width & (access->width - 1)) &&
		       !(access->offset & (access->width - 1));
	case RULE_ONCE:
		if (!access->write)
			return true;
		for (i = from; i < to; i++) {
			twice |= rule->written[i];
			rule->written[i] = 1;
		}
		return !twice;
	case RULE_ASCENDING:
		if (!access->write)
			return true;
		if (access->offset < rule->next)
			return false;
		rule->next = access->offset + access->width;
		return true;
	case RULE_FORBIDDEN:
		return false;
	case RULE_PAYLOAD:
		if (!access->write)
			return true;
		if (is_doorbell(spec, access))
			return payload_complete(rule, access, memory);
		memset(rule->written + from, 1, to - from);
		return true;
	case RULE_NONE:
		break;
	}
	return true;
}

size_t rules_check(struct rules *rules, const struct bar_access *access,
		   const uint8_t *memory, enum rule_kind *broken)
{
	size_t i, n = 0;

	for (i = 0; i < rules->count; i++)
		if (!keeps(&rules->rule[i], access, memory))
			broken[n++] = rules->rule[i].spec.kind;
	return n;
}

static void new_window(struct rule *rule)
{
	if (rule->written)
		memset(rule->written, 0, rule->spec.size);
	rule->next = 0;
}

bool rules_doorbell(struct rules *rules, const struct bar_access *access)
{
	bool rung = false;
	size_t i;

	for (i = 0; i < rules->count; i++)
		rung |= is_doorbell(&rules->rule[i].spec, access);
	for (i = 0; rung && i < rules->count; i++)
		if (rules->rule[i].spec.bar == access->bar)
			new_window(&rules->rule[i]);
	return rung;
}

void rules_new_window(struct rules *rules)
{
	size_t i;

	for (i = 0; i < rules->count; i++)
		new_window(&rules->rule[i]);
}
