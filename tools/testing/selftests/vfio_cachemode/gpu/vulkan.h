/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Vulkan, as far as it is needed, without its headers.
 *
 * Values and layouts are those of the Vulkan specification.  vulkan.c looks the
 * functions up; fake_vulkan.c has some of its own.
 */
#ifndef GPU_VULKAN_H
#define GPU_VULKAN_H

#include <stdint.h>

#define VERSION_1_1		(1U << 22 | 1U << 12)

/* VkResult */
#define INCOMPLETE		5

/* VkStructureType */
#define APPLICATION_INFO	0
#define INSTANCE_CREATE_INFO	1
#define QUEUE_CREATE_INFO	2
#define DEVICE_CREATE_INFO	3
#define MEMORY_ALLOCATE_INFO	5
#define PROPERTIES_2		1000059001
#define ID_PROPERTIES		1000071004
#define EXPORT_ALLOCATE_INFO	1000072002
#define GET_FD_INFO		1000074002

/* VkMemoryPropertyFlagBits */
#define DEVICE_LOCAL		0x1
#define HOST_VISIBLE		0x2
#define HOST_COHERENT		0x4
#define HOST_CACHED		0x8

#define OPAQUE_FD		0x1	/* VkExternalMemoryHandleTypeFlagBits */
#define EXTERNAL_FD		"VK_KHR_external_memory_fd"

struct application_info {
	int type;
	const void *next;
	const char *application;
	uint32_t application_version;
	const char *engine;
	uint32_t engine_version;
	uint32_t api_version;
};

struct instance_create_info {
	int type;
	const void *next;
	uint32_t flags;
	const struct application_info *application;
	uint32_t nr_layers;
	const char *const *layers;
	uint32_t nr_extensions;
	const char *const *extensions;
};

struct queue_create_info {
	int type;
	const void *next;
	uint32_t flags;
	uint32_t family;
	uint32_t nr;
	const float *priorities;
};

struct device_create_info {
	int type;
	const void *next;
	uint32_t flags;
	uint32_t nr_queues;
	const struct queue_create_info *queues;
	uint32_t nr_layers;
	const char *const *layers;
	uint32_t nr_extensions;
	const char *const *extensions;
	const void *features;
};

struct id_properties {
	int type;
	void *next;
	uint8_t device_uuid[16];
	uint8_t driver_uuid[16];
	uint8_t luid[8];
	uint32_t node_mask;
	uint32_t luid_valid;
};

struct properties_2 {
	int type;
	void *next;
	uint32_t api_version;
	uint32_t driver_version;
	uint32_t vendor;
	uint32_t device;
	int device_type;
	char name[256];
	uint64_t rest[128];		/* more than the UUID, limits and sparse properties */
};

struct memory_properties {
	uint32_t nr_types;
	struct {
		uint32_t flags;
		uint32_t heap;
	} types[32];
	uint32_t nr_heaps;
	struct {
		uint64_t size;
		uint32_t flags;
	} heaps[16];
};

struct extension {
	char name[256];
	uint32_t version;
};

struct export_allocate_info {
	int type;
	const void *next;
	uint32_t handle_types;
};

struct allocate_info {
	int type;
	const void *next;
	uint64_t size;
	uint32_t memory_type;
};

struct get_fd_info {
	int type;
	const void *next;
	uint64_t memory;
	uint32_t handle_type;
};

int vk_create_instance(const struct instance_create_info *info,
		       const void *allocator, void **instance)
	__asm__("vkCreateInstance");
void vk_destroy_instance(void *instance, const void *allocator)
	__asm__("vkDestroyInstance");
int vk_physical_devices(void *instance, uint32_t *nr, void **devices)
	__asm__("vkEnumeratePhysicalDevices");
void vk_properties(void *physical, struct properties_2 *properties)
	__asm__("vkGetPhysicalDeviceProperties2");
void vk_memory_properties(void *physical, struct memory_properties *properties)
	__asm__("vkGetPhysicalDeviceMemoryProperties");
int vk_extensions(void *physical, const char *layer, uint32_t *nr,
		  struct extension *extensions)
	__asm__("vkEnumerateDeviceExtensionProperties");
int vk_create_device(void *physical, const struct device_create_info *info,
		     const void *allocator, void **device)
	__asm__("vkCreateDevice");
void vk_destroy_device(void *device, const void *allocator)
	__asm__("vkDestroyDevice");
void *vk_device_function(void *device, const char *name)
	__asm__("vkGetDeviceProcAddr");
int vk_allocate(void *device, const struct allocate_info *info,
		const void *allocator, uint64_t *memory)
	__asm__("vkAllocateMemory");
void vk_free(void *device, uint64_t memory, const void *allocator)
	__asm__("vkFreeMemory");
int vk_map(void *device, uint64_t memory, uint64_t offset, uint64_t size,
	   uint32_t flags, void **p) __asm__("vkMapMemory");
/* Found by vkGetDeviceProcAddr(). */
int vk_get_fd(void *device, const struct get_fd_info *info, int *fd)
	__asm__("vkGetMemoryFdKHR");

#endif /* GPU_VULKAN_H */
