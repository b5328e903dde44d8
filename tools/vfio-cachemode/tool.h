/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-cachemode: the host operator's view of devices that are bound to
 * cachemode-vfio-pci.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name of the module, for modprobe, and of the PCI driver in it. */
#define MODULE	"cachemode-vfio-pci"
#define DRIVER	"cachemode_vfio_pci"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit statuses: told in the man page, so they do not change. */
enum status {
	OK		= 0,
	FAILED		= 1,	/* anything that has no status of its own */
	USAGE		= 2,	/* the command line makes no sense */
	NO_DRIVER	= 3,	/* the kernel module is not loaded */
	NO_PERMISSION	= 4,
	NO_DEVICE	= 5,	/* no such device or region */
	REFUSED		= 6,	/* the kernel or the tool said why */
};

/* Options before the command. */
struct options {
	bool json;
};

extern struct options options;

/*
 * Messages: one line on stderr, after the program's name.
 */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum status usage_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/*
 * Commands.  argv[0] is the command's name.
 */
enum status cmd_list(int argc, char **argv);
enum status cmd_show(int argc, char **argv);
enum status cmd_set(int argc, char **argv);
enum status cmd_watch(int argc, char **argv);
enum status cmd_bind(int argc, char **argv);
enum status cmd_unbind(int argc, char **argv);
enum status cmd_decode(int argc, char **argv);
enum status cmd_probe(int argc, char **argv);
enum status cmd_metrics(int argc, char **argv);

/*
 * PCI addresses and sysfs (pci.c)
 */
struct pci_address {
	uint32_t domain;
	uint8_t bus;
	uint8_t devfn;
};

#define PCI_ADDRESS_LEN	24

bool pci_parse(const char *text, struct pci_address *address);
/* Writes "dddd:bb:dd.f" and returns @text. */
char *pci_format(const struct pci_address *address, char text[PCI_ADDRESS_LEN]);
enum status pci_argument(const char *text, struct pci_address *address);
bool pci_exists(const struct pci_address *address);
/* "vvvv:dddd", or "-" for a device that is gone.  Returns @text. */
char *pci_id(const struct pci_address *address, char text[16]);
/* Name of the driver, or an empty string.  Returns @name. */
char *pci_driver(const struct pci_address *address, char *name, size_t size);
/* Whether a driver of that name gives its devices to VFIO. */
bool pci_driver_is_vfio(const char *name);
/* Complains about a device that is not bound, or not there. */
enum status pci_not_bound(const struct pci_address *address);
/* Number of the IOMMU group, or -1. */
int pci_group(const struct pci_address *address);
/* Reads an attribute of the device, with its newline; 0 or -errno. */
int pci_read(const struct pci_address *address, const char *attribute,
	     char *value, size_t size);
/* Writes @value to an attribute of the device; 0 or -errno. */
int pci_write(const struct pci_address *address, const char *attribute,
	      const char *value);
/* The same for /sys/bus/pci/@path. */
int pci_bus_write(const char *path, const char *value);

/*
 * Numbers (number.c)
 */

/* Bytes, as 4096, 0x1000, 4K, 16M or 2G; the whole of @text. */
bool parse_bytes(const char *text, uint64_t *bytes);
bool parse_u64(const char *text, uint64_t *value);

#define SIZE_LEN	32
/* With a unit: "1536 KiB", "1025.19 MiB".  Returns @text. */
char *format_size(uint64_t bytes, char text[SIZE_LEN]);

/*
 * Modes (mode.c)
 */
const char *mode_name(uint32_t mode);
bool mode_parse(const char *name, uint32_t *mode);
/* Name of access bit @bit, or NULL if it has none. */
const char *access_name(unsigned int bit);

/*
 * Tables and JSON (output.c)
 */
#define TABLE_COLUMNS	10

struct table {
	unsigned int columns;
	unsigned int rows;
	/* Column names; one that starts with '>' is aligned to the right. */
	const char *const *head;
	char *(*cells)[TABLE_COLUMNS];
};

void table_start(struct table *table, const char *const *head);
/* As many strings as the table has columns. */
void table_row(struct table *table, ...);
/* Prints and frees. */
void table_end(struct table *table);
void print_bold(const char *text);

void json_object(const char *name);
void json_object_end(void);
void json_array(const char *name);
void json_array_end(void);
void json_string(const char *name, const char *value);
void json_number(const char *name, uint64_t value);
void json_bool(const char *name, bool value);
/* Ends a line, after the outermost object or array. */
void json_line(void);

/*
 * What the family tells (family.c)
 */
struct area {
	uint64_t offset;
	uint64_t size;
	uint32_t mode;
	uint32_t access;
	uint32_t max_width;
};

#define MAX_AREAS	256

struct region {
	struct pci_address device;
	uint32_t index;
	uint64_t size;
	uint64_t address;
	bool has_address;
	bool prefetchable;
	bool emulated;
	unsigned int nr_areas;
	struct area areas[MAX_AREAS];
	bool has_stats;
	uint64_t faults;
	uint64_t entries_pte;
	uint64_t entries_pmd;
	uint64_t entries_pud;
	uint64_t reads;
	uint64_t writes;
	uint64_t read_bytes;
	uint64_t written_bytes;
};

struct device {
	struct pci_address address;
	bool open;
	unsigned int nr_regions;
	struct region *regions;
};

/* All devices and their regions, in the order of their addresses. */
enum status family_devices(struct device **devices, unsigned int *nr);
void family_free(struct device *devices, unsigned int nr);
/* One of them; complains if it is not bound to the driver. */
enum status family_find(const struct pci_address *address,
			struct device *devices, unsigned int nr,
			struct device **device);

struct policy {
	struct pci_address device;
	uint32_t index;
	bool has_range;
	uint64_t offset;
	uint64_t size;
	uint32_t mode;
	uint32_t max_width;
	bool force;
};

enum status family_set(const struct policy *policy);

enum event {
	EVENT_OPEN,
	EVENT_CLOSE,
	EVENT_RESET,
	EVENT_MODE,
	EVENT_MISSED,	/* the kernel dropped messages */
};

/* @region is given with EVENT_MODE, @device with the others but MISSED. */
typedef void (*event_fn)(enum event event, const struct pci_address *device,
			 const struct region *region);

/* Returns on SIGINT or SIGTERM, or on a failure. */
enum status family_watch(event_fn handle);

/* Text and JSON of a region's areas, for show and watch. */
void json_areas(const struct area *areas, unsigned int nr);
/* "unaligned,vector", or "-".  Returns a static buffer. */
const char *access_names(uint32_t access);
/* "8 B", or "any".  Returns @text. */
char *format_width(uint32_t width, char text[SIZE_LEN]);

#endif /* TOOL_H */
