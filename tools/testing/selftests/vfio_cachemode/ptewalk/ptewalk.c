// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read back what the page tables hold (tests only, see ptewalk.h).
 *
 * VFIO's reports are about the memory type in effect, so the tests must not
 * ask the same code that made the mapping.  This walks the page tables from
 * their root and looks the type up in the CPU's own register.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vfio_cachemode.h>

#include "ptewalk.h"

struct cpu_type {
	u8 encoding;			/* in PAT or MAIR_EL1 */
	u32 mode;
	const char *name;
};

#if defined(CONFIG_X86_64)

#include <asm/msr.h>

/* Intel SDM volume 3, "Page Attribute Table"; AMD APM volume 2, the same. */
static const struct cpu_type cpu_types[] = {
	{ 0x00, VFIO_MMAP_CACHE_MODE_NONCACHED, "UC" },
	{ 0x01, VFIO_MMAP_CACHE_MODE_WRITECOMBINE, "WC" },
	{ 0x04, VFIO_MMAP_CACHE_MODE_NONCACHED, "WT" },
	{ 0x05, VFIO_MMAP_CACHE_MODE_NONCACHED, "WP" },
	{ 0x06, VFIO_MMAP_CACHE_MODE_NORMAL, "WB" },
	{ 0x07, VFIO_MMAP_CACHE_MODE_NONCACHED, "UC-" },
};

static u8 entry_encoding(u64 entry, u64 size)
{
	unsigned int pat_bit = size == PAGE_SIZE ? 7 : 12;
	unsigned int index = (entry >> 3 & 3) | (entry >> pat_bit & 1) << 2;
	u32 table[2];

	rdmsr(MSR_IA32_CR_PAT, table[0], table[1]);
	return table[index / 4] >> index % 4 * 8 & 0xff;
}

static pgd_t *kernel_pgd(u64 address)
{
	/* Every mm has the kernel's half. */
	return pgd_offset(current->mm, address);
}

#elif defined(CONFIG_ARM64)

#include <asm/sysreg.h>

/* Arm ARM, MAIR_EL1: 0b0000dd00 is Device, anything else outer then inner. */
static const struct cpu_type cpu_types[] = {
	{ 0x00, VFIO_MMAP_CACHE_MODE_NONCACHED, "Device-nGnRnE" },
	{ 0x04, VFIO_MMAP_CACHE_MODE_DEVICE, "Device-nGnRE" },
	{ 0x44, VFIO_MMAP_CACHE_MODE_WRITECOMBINE, "Normal-NC" },
	{ 0xf0, VFIO_MMAP_CACHE_MODE_NORMAL, "Normal-Tagged" },
	{ 0xff, VFIO_MMAP_CACHE_MODE_NORMAL, "Normal" },
};

static u8 entry_encoding(u64 entry, u64 size)
{
	unsigned int index = entry >> 2 & 7;

	return read_sysreg(mair_el1) >> index * 8 & 0xff;
}

static pgd_t *kernel_pgd(u64 address)
{
	/*
	 * The kernel's half has a root of its own, which is not exported.
	 * Above its address is the ASID, and bit 0 is CnP.
	 */
	phys_addr_t root = read_sysreg(ttbr1_el1) & GENMASK_ULL(47, 1);

	return pgd_offset_pgd((pgd_t *)__va(root), address);
}

#else
#error "ptewalk knows x86-64 and arm64"
#endif

static void found(struct ptewalk *walk, u64 pfn, u64 entry, u64 size,
		  bool writable)
{
	u8 encoding = entry_encoding(entry, size);
	size_t i;

	walk->phys = (pfn << PAGE_SHIFT) + (walk->address & (size - 1));
	walk->entry = entry;
	walk->size = size;
	walk->writable = writable;
	for (i = 0; i < ARRAY_SIZE(cpu_types); i++) {
		if (cpu_types[i].encoding == encoding) {
			walk->mode = cpu_types[i].mode;
			strscpy(walk->type, cpu_types[i].name,
				sizeof(walk->type));
			return;
		}
	}
	walk->mode = U32_MAX;
	snprintf(walk->type, sizeof(walk->type), "type %#x", encoding);
}

/*
 * Find the entry of walk->address below @pgd.  Where there is none: false, and
 * walk->size is how much address space the missing entry would have covered.
 */
static bool walk_down(pgd_t *pgd, struct ptewalk *walk)
{
	u64 address = walk->address;
	p4d_t *p4d;
	pud_t *pud, pudval;
	pmd_t *pmd, pmdval;
	pte_t pteval;

	walk->size = PGDIR_SIZE;
	if (pgd_none(READ_ONCE(*pgd)))
		return false;
	p4d = p4d_offset(pgd, address);
	walk->size = P4D_SIZE;
	if (p4d_none(READ_ONCE(*p4d)))
		return false;
	pud = pud_offset(p4d, address);
	pudval = READ_ONCE(*pud);
	walk->size = PUD_SIZE;
	if (!pud_present(pudval))
		return false;
	if (pud_leaf(pudval)) {
		found(walk, pud_pfn(pudval), pud_val(pudval), PUD_SIZE,
		      pud_write(pudval));
		return true;
	}
	pmd = pmd_offset(pud, address);
	pmdval = READ_ONCE(*pmd);
	walk->size = PMD_SIZE;
	if (!pmd_present(pmdval))
		return false;
	if (pmd_leaf(pmdval)) {
		found(walk, pmd_pfn(pmdval), pmd_val(pmdval), PMD_SIZE,
		      pmd_write(pmdval));
		return true;
	}
	pteval = READ_ONCE(*pte_offset_kernel(pmd, address));
	walk->size = PAGE_SIZE;
	if (!pte_present(pteval))
		return false;
	found(walk, pte_pfn(pteval), pte_val(pteval), PAGE_SIZE,
	      pte_write(pteval));
	return true;
}

/*
 * The mmap lock keeps the VMA, and the VMA keeps its page tables: a pfn
 * mapping is no candidate for the collapse that frees tables under a VMA.
 */
static int walk_user(struct ptewalk *walk)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, walk->address);
	if (!vma)
		ret = -EFAULT;
	else if (!(vma->vm_flags & VM_PFNMAP))
		ret = -EINVAL;
	else
		ret = walk_down(pgd_offset(mm, walk->address), walk) ?
		      0 : -ENOENT;
	mmap_read_unlock(mm);
	return ret;
}

/*
 * Nothing stops the kernel from freeing its tables below us, which it does
 * only where a huge entry replaces them: good enough for a test.
 */
static int walk_kernel(struct ptewalk *walk)
{
	u64 wanted = walk->phys, address, first;

	for (address = max_t(u64, walk->address, VMALLOC_START);
	     address < VMALLOC_END;
	     address = ALIGN_DOWN(address, walk->size) + walk->size) {
		walk->address = address;
		if (walk_down(kernel_pgd(address), walk)) {
			first = walk->phys & ~(walk->size - 1);
			walk->address = ALIGN_DOWN(address, walk->size) +
					(wanted - first);
			if (wanted >= first && wanted - first < walk->size &&
			    walk->address >= address) {
				walk->phys = wanted;
				return 0;
			}
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return -ENOENT;
}

static long ptewalk_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct ptewalk walk;
	int ret;

	if (cmd != PTEWALK_USER && cmd != PTEWALK_KERNEL)
		return -ENOTTY;
	if (copy_from_user(&walk, (void __user *)arg, sizeof(walk)))
		return -EFAULT;
	ret = cmd == PTEWALK_USER ? walk_user(&walk) : walk_kernel(&walk);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, &walk, sizeof(walk)) ?
	       -EFAULT : 0;
}

static const struct file_operations ptewalk_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = ptewalk_ioctl,
};

static struct miscdevice ptewalk_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ptewalk",
	.fops = &ptewalk_fops,
};
module_misc_device(ptewalk_device);

MODULE_DESCRIPTION("Read page-table entries back (tests only)");
MODULE_LICENSE("GPL");
