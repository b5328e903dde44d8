// SPDX-License-Identifier: GPL-2.0-only
/*
 * A libvulkan.so.1 without a GPU: its device's memory is a memfd.
 *
 * The call that FAKE_FAILS names fails.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"
#include "vulkan.h"

#define UNKNOWN		(-13)	/* VK_ERROR_UNKNOWN */

static char handle;		/* its address is every handle */
static int memory = -1;
static uint64_t memory_size;

int vk_create_instance(const struct instance_create_info *info,
		       const void *allocator, void **instance)
{
	if (fails("vkCreateInstance") || info->type != INSTANCE_CREATE_INFO || allocator ||
	    info->application->api_version < VERSION_1_1)
		return UNKNOWN;
	*instance = &handle;
	return 0;
}

void vk_destroy_instance(void *instance, const void *allocator)
{
	(void)instance;
	(void)allocator;
}

int vk_physical_devices(void *instance, uint32_t *nr, void **devices)
{
	if (fails("vkEnumeratePhysicalDevices") || instance != &handle || !*nr)
		return UNKNOWN;
	*nr = 1;
	devices[0] = &handle;
	return 0;
}

void vk_properties(void *physical, struct properties_2 *properties)
{
	struct id_properties *id = properties->next;

	(void)physical;
	properties->api_version = VERSION_1_1;
	memcpy(properties->name, "fake", sizeof("fake"));
	if (id && id->type == ID_PROPERTIES)
		memcpy(id->device_uuid, FAKE_UUID, sizeof(id->device_uuid));
}

/* FAKE_FAILS=vkGetPhysicalDeviceMemoryProperties: none that the CPU can map. */
void vk_memory_properties(void *physical, struct memory_properties *properties)
{
	(void)physical;
	properties->nr_types = 2;
	properties->types[0].flags = HOST_VISIBLE | HOST_COHERENT | HOST_CACHED;
	properties->types[1].flags = DEVICE_LOCAL | HOST_VISIBLE | HOST_COHERENT;
	if (fails("vkGetPhysicalDeviceMemoryProperties"))
		properties->nr_types = 1;
}

int vk_extensions(void *physical, const char *layer, uint32_t *nr,
		  struct extension *extensions)
{
	if (fails("vkEnumerateDeviceExtensionProperties") || physical != &handle || layer ||
	    !*nr)
		return UNKNOWN;
	*nr = 1;
	memcpy(extensions[0].name, EXTERNAL_FD, sizeof(EXTERNAL_FD));
	return 0;
}

int vk_create_device(void *physical, const struct device_create_info *info,
		     const void *allocator, void **device)
{
	if (fails("vkCreateDevice") || physical != &handle || allocator ||
	    info->type != DEVICE_CREATE_INFO || info->nr_queues != 1 ||
	    info->queues->type != QUEUE_CREATE_INFO || info->queues->nr != 1)
		return UNKNOWN;
	*device = &handle;
	return 0;
}

void vk_destroy_device(void *device, const void *allocator)
{
	(void)device;
	(void)allocator;
}

void *vk_device_function(void *device, const char *name)
{
	__typeof__(vk_get_fd) *function = vk_get_fd;
	void *p;

	memcpy(&p, &function, sizeof(p));
	return fails("vkGetDeviceProcAddr") || device != &handle ||
	       strcmp(name, "vkGetMemoryFdKHR") ? NULL : p;
}

int vk_allocate(void *device, const struct allocate_info *info,
		const void *allocator, uint64_t *out)
{
	if (fails("vkAllocateMemory") || device != &handle || allocator ||
	    info->type != MEMORY_ALLOCATE_INFO || info->memory_type != 1)
		return UNKNOWN;
	memory = memfd_create("fake", 0);
	if (memory < 0 || ftruncate(memory, info->size))
		return UNKNOWN;
	memory_size = info->size;
	*out = 5;
	return 0;
}

void vk_free(void *device, uint64_t which, const void *allocator)
{
	(void)device;
	(void)which;
	(void)allocator;
	close(memory);
}

int vk_map(void *device, uint64_t which, uint64_t offset, uint64_t size,
	   uint32_t flags, void **p)
{
	if (fails("vkMapMemory") || device != &handle || which != 5 || offset ||
	    size != memory_size || flags)
		return UNKNOWN;
	*p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	return *p == MAP_FAILED ? UNKNOWN : 0;
}

int vk_get_fd(void *device, const struct get_fd_info *info, int *fd)
{
	if (fails("vkGetMemoryFdKHR") || device != &handle || info->type != GET_FD_INFO ||
	    info->memory != 5 || info->handle_type != OPAQUE_FD)
		return UNKNOWN;
	*fd = dup(memory);
	return *fd < 0 ? UNKNOWN : 0;
}
