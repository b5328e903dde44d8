// SPDX-License-Identifier: GPL-2.0-only
/*
 * What page tables hold: memory types as this CPU has them.
 */

#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>

#include "cachemode.h"

#define ANY_ACCESS	(VFIO_MMAP_ACCESS_UNALIGNED | VFIO_MMAP_ACCESS_VECTOR)

#if defined(CONFIG_X86)

#include <asm/pgtable_types.h>

/*
 * x86 faults on no alignment and no width, whatever the memory type (Intel SDM
 * volume 3, "Memory Cache Control"; AMD APM volume 2, "Memory System").
 */
const struct cachemode_cpu cachemode_cpu = {
	.access = {
		[VFIO_MMAP_CACHE_MODE_NONCACHED] = ANY_ACCESS,
		[VFIO_MMAP_CACHE_MODE_WRITECOMBINE] = ANY_ACCESS,
		[VFIO_MMAP_CACHE_MODE_NORMAL] = ANY_ACCESS |
						VFIO_MMAP_ACCESS_ATOMIC |
						VFIO_MMAP_ACCESS_ZERO_LINE,
	},
};

/**
 * cachemode_phys_max - the highest physical address that can be mapped
 *
 * Return: the address of its last byte
 */
u64 cachemode_phys_max(void)
{
	/* Set from the CPU's physical address width, see setup_arch(). */
	return iomem_resource.end;
}

static unsigned int mode_of_entry(pteval_t bits)
{
	static const struct {
		enum page_cache_mode type;
		unsigned int mode;
	} types[] = {
		/*
		 * Without PAT several types share an encoding: the one that
		 * promises least comes first.
		 */
		{ _PAGE_CACHE_MODE_UC, VFIO_MMAP_CACHE_MODE_NONCACHED },
		{ _PAGE_CACHE_MODE_UC_MINUS, VFIO_MMAP_CACHE_MODE_NONCACHED },
		{ _PAGE_CACHE_MODE_WC, VFIO_MMAP_CACHE_MODE_WRITECOMBINE },
		{ _PAGE_CACHE_MODE_WB, VFIO_MMAP_CACHE_MODE_NORMAL },
	};
	unsigned int i;

	bits &= _PAGE_CACHE_MASK;
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (bits == cachemode2protval(types[i].type))
			return types[i].mode;
	return CACHEMODE_MODE_OTHER;
}

/**
 * cachemode_effective_mode - the mode that page tables hold
 * @io: the kernel's mapping of the range
 * @size: bytes of it
 * @wanted: the mode that it was mapped with
 *
 * The kernel discards what a mapping asks for and takes the type that the
 * range is reserved with (track_pfn_insert(), pfnmap_setup_cachemode_pfn()),
 * for its own mappings and for every user's.  So read its own page tables.
 *
 * Return: the mode, or CACHEMODE_MODE_OTHER if it has no name, or if the range
 * has more than one
 */
unsigned int cachemode_effective_mode(const void __iomem *io, u64 size,
				      enum vfio_mmap_cache_mode wanted)
{
	unsigned long addr = (unsigned long)io & PAGE_MASK;
	unsigned long end = (unsigned long)io + size;
	unsigned int mode = CACHEMODE_MODE_OTHER;
	bool first = true;

	while (addr < end) {
		unsigned int level, here;
		pteval_t bits;
		pte_t *pte;

		pte = lookup_address(addr, &level);
		if (!pte)
			return CACHEMODE_MODE_OTHER;
		bits = pte_val(*pte);
		if (level != PG_LEVEL_4K)
			bits = protval_large_2_4k(bits);
		here = mode_of_entry(bits);
		if (!first && here != mode)
			return CACHEMODE_MODE_OTHER;
		mode = here;
		first = false;
		addr = ALIGN_DOWN(addr, page_level_size(level)) +
		       page_level_size(level);
	}
	return mode;
}

#elif defined(CONFIG_ARM64)

#include <asm/cpufeature.h>
#include <asm/memory.h>
#include <asm/pgtable-hwdef.h>
#include <asm/sysreg.h>

/*
 * Device memory faults on unaligned accesses and on DC ZVA (Arm ARM, B2.7.2
 * and DC ZVA's own page); a pair or vector access to it is not one access, and
 * has no syndrome for a hypervisor that emulates it.
 */
const struct cachemode_cpu cachemode_cpu = {
	.access = {
		[VFIO_MMAP_CACHE_MODE_WRITECOMBINE] = ANY_ACCESS |
						VFIO_MMAP_ACCESS_ZERO_LINE,
		[VFIO_MMAP_CACHE_MODE_NORMAL] = ANY_ACCESS |
						VFIO_MMAP_ACCESS_ATOMIC |
						VFIO_MMAP_ACCESS_ZERO_LINE,
	},
};

/* What the CPU has, and what an entry of this kernel's can hold. */
u64 cachemode_phys_max(void)
{
	u64 features = read_sanitised_ftr_reg(SYS_ID_AA64MMFR0_EL1);
	unsigned int range = FIELD_GET(ID_AA64MMFR0_EL1_PARANGE_MASK, features);

	return min_t(u64, PHYS_MASK,
		     BIT_ULL(id_aa64mmfr0_parange_to_phys_shift(range)) - 1);
}

/*
 * cachemode_effective_mode - the mode that page tables hold
 * @io: the kernel's mapping of the range
 * @size: bytes of it
 * @wanted: the mode that it was mapped with
 *
 * A page-table entry has an index into MAIR_EL1, and gets the one that it was
 * made with.  What that index means is read from the register: workarounds for
 * errata change it there.
 *
 * Return: the mode, or CACHEMODE_MODE_OTHER if it has no name
 */
unsigned int cachemode_effective_mode(const void __iomem *io, u64 size,
				      enum vfio_mmap_cache_mode wanted)
{
	pgprot_t prot = cachemode_pgprot(PAGE_SHARED, wanted);
	unsigned int index = (pgprot_val(prot) & PTE_ATTRINDX_MASK) >> 2;

	switch ((u8)(read_sysreg(mair_el1) >> (index * 8))) {
	case MAIR_ATTR_DEVICE_nGnRnE:
		return VFIO_MMAP_CACHE_MODE_NONCACHED;
	case MAIR_ATTR_DEVICE_nGnRE:
		return VFIO_MMAP_CACHE_MODE_DEVICE;
	case MAIR_ATTR_NORMAL_NC:
		return VFIO_MMAP_CACHE_MODE_WRITECOMBINE;
	case MAIR_ATTR_NORMAL:
	case MAIR_ATTR_NORMAL_TAGGED:
		return VFIO_MMAP_CACHE_MODE_NORMAL;
	default:
		return CACHEMODE_MODE_OTHER;
	}
}

#else
#error "cachemode does not know the memory types of this architecture"
#endif

/**
 * cachemode_pgprot - a user mapping's protection, with a mode
 * @prot: the protection, cacheable
 * @mode: the mode
 *
 * Return: @prot with @mode
 */
pgprot_t cachemode_pgprot(pgprot_t prot, enum vfio_mmap_cache_mode mode)
{
	switch (mode) {
	case VFIO_MMAP_CACHE_MODE_NORMAL:
		break;
	case VFIO_MMAP_CACHE_MODE_WRITECOMBINE:
		prot = pgprot_writecombine(prot);
		break;
	case VFIO_MMAP_CACHE_MODE_DEVICE:
		prot = pgprot_device(prot);
		break;
	case VFIO_MMAP_CACHE_MODE_NONCACHED:
		prot = pgprot_noncached(prot);
		break;
	}
	/* As the kernel's own mapping of memory that is not RAM has it. */
	return pgprot_decrypted(prot);
}
