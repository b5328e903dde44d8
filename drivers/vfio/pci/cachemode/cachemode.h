/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-pci variant driver that maps each range of a device with the right
 * memory type, and reports what the page tables hold.
 *
 * Words: a *region* is a VFIO region at a BAR's index that this driver serves
 * itself, and an *area* is a range of it with one memory type.  A BAR without
 * a struct cachemode_region is served by vfio-pci-core.
 */
#ifndef _CACHEMODE_H
#define _CACHEMODE_H

#include <linux/list.h>
#include <linux/memory-failure.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/vfio_pci_core.h>
#include <uapi/linux/vfio_cachemode.h>

#include "policy.h"

struct cachemode_device;
struct cachemode_region;
struct netlink_ext_ack;

/*
 * What page tables hold (effective.c): the only file that knows CPUs.
 */
extern const struct cachemode_cpu cachemode_cpu;
u64 cachemode_phys_max(void);
unsigned int cachemode_effective_mode(const void __iomem *io, u64 size,
				      enum vfio_mmap_cache_mode wanted);
pgprot_t cachemode_pgprot(pgprot_t prot, enum vfio_mmap_cache_mode mode);

/*
 * Statistics (stats.c)
 */

/* Orders of page-table entries that a fault can install. */
enum cachemode_entry {
	CACHEMODE_ENTRY_PTE,
	CACHEMODE_ENTRY_PMD,
	CACHEMODE_ENTRY_PUD,
	CACHEMODE_NR_ENTRIES
};

/**
 * struct cachemode_stats - what happened to a region since it was made: when the
 *	driver was bound, or its policy set
 * @faults: page faults taken, those that had to be taken again included
 * @entries: page-table entries installed, by enum cachemode_entry
 * @reads: read() calls
 * @writes: write() calls
 * @read_bytes: bytes that these reads returned
 * @written_bytes: bytes that these writes took
 */
struct cachemode_stats {
	u64 faults;
	u64 entries[CACHEMODE_NR_ENTRIES];
	u64 reads;
	u64 writes;
	u64 read_bytes;
	u64 written_bytes;
};

void cachemode_stats_fault(struct cachemode_region *region, unsigned int order,
			   bool installed);
void cachemode_stats_rw(struct cachemode_region *region, size_t done,
			bool write);
void cachemode_stats_sum(const struct cachemode_region *region,
			 struct cachemode_stats *sum);

/*
 * Regions and areas
 */

/**
 * struct cachemode_area - a range of a region with one memory type
 * @region: where it belongs
 * @offset: first byte, within the region; page aligned
 * @size: bytes; page aligned, except where the region ends with it
 * @wanted: the mode that policy chose
 * @max_width: widest access that the device takes, in bytes; 0: no limit
 * @mode: the mode in effect, valid while the device is open
 * @access: VFIO_MMAP_ACCESS_* bits that go with @mode
 * @io: the kernel's mapping, of the same mode as all users'; lives while the
 *	device is open (x86 takes the mode of each user's page-table entry from
 *	the reservation that this mapping holds)
 * @poison: how memory_failure() finds the users of this area
 * @poison_registered: @poison is known to memory_failure()
 */
struct cachemode_area {
	struct cachemode_region *region;
	u64 offset;
	u64 size;
	enum vfio_mmap_cache_mode wanted;
	u32 max_width;

	enum vfio_mmap_cache_mode mode;
	u32 access;
	void __iomem *io;
	struct pfn_address_space poison;
	bool poison_registered;
};

/**
 * struct cachemode_region - a region that this driver serves itself
 * @cdev: the device
 * @index: VFIO region index, which is the BAR's number
 * @backing: what is behind it
 * @phys: where the first byte is
 * @size: bytes that region info tells: a power of two
 * @present: bytes from the start that exist, at most @size
 * @bar: what the guest wrote to the emulated BAR's two registers, as bytes
 * @areas: sorted, without gaps or overlaps, from 0 to @present
 * @nr_areas: number of @areas
 * @stats: counters
 */
struct cachemode_region {
	struct cachemode_device *cdev;
	unsigned int index;
	enum cachemode_backing backing;
	phys_addr_t phys;
	u64 size;
	u64 present;
	__le64 bar;
	struct cachemode_area *areas;
	unsigned int nr_areas;
	struct cachemode_stats __percpu *stats;
};

static inline bool
cachemode_region_emulated(const struct cachemode_region *region)
{
	return region && (region->backing == CACHEMODE_BACKING_COHERENT ||
			  region->backing == CACHEMODE_BACKING_CARVE_OUT);
}

struct cachemode_region *
cachemode_region_alloc(struct cachemode_device *cdev, unsigned int index,
		       enum cachemode_backing backing, phys_addr_t phys,
		       u64 present);
void cachemode_region_free(struct cachemode_region *region);
int cachemode_region_map(struct cachemode_region *region);
void cachemode_region_unmap(struct cachemode_region *region);
int cachemode_regions_open(struct cachemode_device *cdev);
void cachemode_regions_close(struct cachemode_device *cdev);
struct cachemode_area *cachemode_region_find(struct cachemode_region *region,
					     u64 offset, u64 *end);
struct cachemode_area *
cachemode_region_map_area(struct cachemode_region *region, u64 offset,
			  u64 size);
int cachemode_get_region_info_caps(struct vfio_device *core_vdev,
				   struct vfio_region_info *info,
				   struct vfio_info_cap *caps);

/**
 * enum cachemode_ready_by - how device memory says that it is ready
 * @CACHEMODE_READY_ALWAYS: it does not say
 * @CACHEMODE_READY_BAR0: status registers in BAR 0
 * @CACHEMODE_READY_CXL: the CXL device DVSEC
 */
enum cachemode_ready_by {
	CACHEMODE_READY_ALWAYS,
	CACHEMODE_READY_BAR0,
	CACHEMODE_READY_CXL,
};

/**
 * enum cachemode_reset - resets that may be under way, each begun and ended by
 * itself
 * @CACHEMODE_RESET_FUNCTION: VFIO's or sysfs's, of this function
 * @CACHEMODE_RESET_LINK: error recovery's, of all behind a port.  While the
 *	kernel prepares it the function can still be reset by others
 */
enum cachemode_reset {
	CACHEMODE_RESET_FUNCTION = BIT(0),
	CACHEMODE_RESET_LINK = BIT(1),
};

/**
 * struct cachemode_device - a function that is bound to this driver
 * @core: vfio-pci-core's part
 * @regions: the BARs that we serve; NULL: the core does.  Changes only while
 *	the device is closed
 * @hidden: bit n: region n does not exist for the user (the upper half of an
 *	emulated BAR, whatever the physical BAR there is)
 * @taken: bit n: the core's map of physical BAR n is down, and the BAR is
 *	reserved by us; while open
 * @core_bar_mode: mode in effect of the BARs that the core serves; while open
 * @devmem: device memory, claimed while bound; NULL: there is none
 * @ready_by: how device memory says that it is ready
 * @cxl_dvsec: config space offset of the CXL device DVSEC
 * @state_lock: see below
 * @open: the device is open; areas and modes do not change while it is
 * @live: open is over and close has not begun: modes are in effect
 * @power_lock: see below
 * @reset_lock: see below
 * @in_reset: enum cachemode_reset bits of the resets that are under way: while
 *	there is one nobody may touch the device's memory
 * @ready: memory was seen ready since the last reset, and the last time that it
 *	may have been without power
 * @not_ready_since: jiffies when it was first found not ready since then, 0: never
 * @not_ready_told: that it took too long since then is in the log
 * @nl_entry: in the list of devices that netlink.c shows
 * @ioeventfds_lock: see below
 * @ioeventfds: of the BARs that we serve
 * @nr_ioeventfds: length of @ioeventfds
 *
 * Lock order, outermost first:
 *
 * - vfio_device_set.lock: held by VFIO around open and close
 * - netlink.c's lock of all devices
 * - state_lock: @open, @live, @regions and their areas' wanted modes.  Whoever
 *   changes them holds it and sees @open false; the paths of an open device
 *   read them without it
 * - power_lock: held around a write to the power management registers and what
 *	follows from it
 * - mmap_lock: held by the kernel around mmap and faults
 * - ioeventfds_lock: @ioeventfds and @nr_ioeventfds.  To add or remove one waits
 *	for one that writes, under the locks that follow
 * - vfio_pci_core_device.memory_lock: whether memory is enabled and powered.
 *   Held for reading around each access and each insertion of a page-table
 *   entry.  User memory is never touched under it: that may fault on a mapping
 *   of this very device, which takes it again after mmap_lock
 * - reset_lock: @in_reset, @ready and @not_ready_*.  Held for reading
 *   around each access and insertion, so that when a reset has set @in_reset
 *   and zapped, no entry is left.  Resets that VFIO starts hold memory_lock for
 *   writing already; others (sysfs, error recovery) do not, hence this lock
 */
struct cachemode_device {
	struct vfio_pci_core_device core;
	struct cachemode_region *regions[PCI_STD_NUM_BARS];
	unsigned long hidden;
	unsigned long taken;
	unsigned int core_bar_mode[PCI_STD_NUM_BARS];

	struct resource *devmem;
	enum cachemode_ready_by ready_by;
	u16 cxl_dvsec;

	struct mutex state_lock;	/* see the lock order above */
	bool open;
	bool live;

	struct mutex power_lock;	/* see the lock order above */

	struct rw_semaphore reset_lock;
	unsigned int in_reset;
	bool ready;
	unsigned long not_ready_since;
	bool not_ready_told;

	struct list_head nl_entry;

	struct mutex ioeventfds_lock;	/* see the lock order above */
	struct list_head ioeventfds;
	unsigned int nr_ioeventfds;
};

static inline struct cachemode_device *
to_cachemode(struct vfio_device *core_vdev)
{
	return container_of(core_vdev, struct cachemode_device, core.vdev);
}

/* Device memory that is no BAR (devmem.c) */
int cachemode_devmem_init(struct cachemode_device *cdev);
void cachemode_devmem_exit(struct cachemode_device *cdev);

/* Readiness and resets (ready.c) */
void cachemode_ready_init(struct cachemode_device *cdev);
int cachemode_ready_probe(struct cachemode_device *cdev);
bool cachemode_region_ready(const struct cachemode_region *region);
int cachemode_ready_wait(struct cachemode_region *region, unsigned int ms);
void cachemode_ready_recheck(struct cachemode_device *cdev);
void cachemode_let_sleep(struct cachemode_device *cdev);
void cachemode_reset_begin(struct cachemode_device *cdev,
			   enum cachemode_reset reset);
void cachemode_reset_end(struct cachemode_device *cdev,
			 enum cachemode_reset reset);

/* Memory failures (poison.c) */
void cachemode_poison_register(struct cachemode_area *area);
void cachemode_poison_unregister(struct cachemode_area *area);

/* Physical BARs (bar.c, ioeventfd.c) */
int cachemode_bars_open(struct cachemode_device *cdev);
void cachemode_bars_close(struct cachemode_device *cdev);
const void __iomem *cachemode_bar0(struct cachemode_device *cdev);
int cachemode_ioeventfd_set(struct cachemode_region *region,
			    const struct vfio_device_ioeventfd *arg);
void cachemode_ioeventfds_remove(struct cachemode_device *cdev);
long cachemode_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
		     unsigned long arg);

/* vfio_device_ops (mmap.c, rdwr.c, config.c) */
int cachemode_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma);
void cachemode_zap(struct cachemode_device *cdev);
unsigned long cachemode_vma_pfn(const struct cachemode_region *region,
				const struct vm_area_struct *vma);
extern const struct vm_operations_struct cachemode_vm_ops;
ssize_t cachemode_read(struct vfio_device *core_vdev, char __user *buf,
		       size_t count, loff_t *ppos);
ssize_t cachemode_write(struct vfio_device *core_vdev, const char __user *buf,
			size_t count, loff_t *ppos);
void cachemode_area_io(struct cachemode_area *area, u64 offset, u8 *buf,
		       size_t count, bool write);
ssize_t cachemode_config_rw(struct cachemode_device *cdev, char __user *buf,
			    size_t count, loff_t *ppos, bool write);

/* The operator's policy for BARs (bar_policy.c) */
#define CACHEMODE_MAX_REQUESTS	16

/**
 * struct cachemode_request - what the operator wants for a range of a BAR
 * @offset: first byte, within the BAR
 * @size: bytes
 * @mode: enum vfio_mmap_cache_mode
 * @max_width: widest access, in bytes; 0: no limit
 */
struct cachemode_request {
	u64 offset;
	u64 size;
	u32 mode;
	u32 max_width;
};

int cachemode_bar_set_policy(struct cachemode_device *cdev, unsigned int index,
			     const struct cachemode_request *requests,
			     unsigned int nr, bool force,
			     struct netlink_ext_ack *extack);

/* Netlink (netlink.c) */
int cachemode_nl_init(void);
void cachemode_nl_exit(void);
void cachemode_nl_add(struct cachemode_device *cdev);
void cachemode_nl_remove(struct cachemode_device *cdev);
void cachemode_nl_changed(void);
void cachemode_nl_notify(struct cachemode_device *cdev, u32 cmd);

#endif /* _CACHEMODE_H */
