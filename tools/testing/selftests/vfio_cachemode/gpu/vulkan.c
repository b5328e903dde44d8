// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory that Vulkan lets the CPU map.
 *
 * Memory that is DEVICE_LOCAL, HOST_VISIBLE and HOST_COHERENT but not
 * HOST_CACHED lies behind a BAR of a discrete GPU, and its driver maps it
 * write-combining.
 */
#include <stdio.h>
#include <string.h>

#include "gpu.h"
#include "vulkan.h"

#define MAX_DEVICES		16
#define MAX_EXTENSIONS		512

static struct {
	__typeof__(vk_create_instance) *create_instance;
	__typeof__(vk_destroy_instance) *destroy_instance;
	__typeof__(vk_physical_devices) *physical_devices;
	__typeof__(vk_properties) *properties;
	__typeof__(vk_memory_properties) *memory_properties;
	__typeof__(vk_extensions) *extensions;
	__typeof__(vk_create_device) *create_device;
	__typeof__(vk_destroy_device) *destroy_device;
	__typeof__(vk_device_function) *device_function;
	__typeof__(vk_allocate) *allocate;
	__typeof__(vk_free) *free;
	__typeof__(vk_map) *map;
} vk;

#define VK(member)	offsetof(__typeof__(vk), member)

static const struct symbol symbols[] = {
	{ "vkCreateInstance", VK(create_instance) },
	{ "vkDestroyInstance", VK(destroy_instance) },
	{ "vkEnumeratePhysicalDevices", VK(physical_devices) },
	{ "vkGetPhysicalDeviceProperties2", VK(properties) },
	{ "vkGetPhysicalDeviceMemoryProperties", VK(memory_properties) },
	{ "vkEnumerateDeviceExtensionProperties", VK(extensions) },
	{ "vkCreateDevice", VK(create_device) },
	{ "vkDestroyDevice", VK(destroy_device) },
	{ "vkGetDeviceProcAddr", VK(device_function) },
	{ "vkAllocateMemory", VK(allocate) },
	{ "vkFreeMemory", VK(free) },
	{ "vkMapMemory", VK(map) },
};

static void *instance, *device;
static uint64_t device_memory;

static const char *result_text(int result)
{
	static char text[64];

	snprintf(text, sizeof(text), "VkResult %d", result);
	return text;
}

static void check(int result, const char *call)
{
	if (result)
		fail(call, result_text(result));
}

/* Return: the memory type, preferably one that is not cached; -1 for none. */
static int memory_type(void *physical)
{
	const uint32_t wanted = DEVICE_LOCAL | HOST_VISIBLE | HOST_COHERENT;
	struct memory_properties properties = { 0 };
	int found = -1;
	uint32_t i;

	vk.memory_properties(physical, &properties);
	for (i = properties.nr_types; i--; ) {
		uint32_t flags = properties.types[i].flags;

		if ((flags & wanted) == wanted && (found < 0 || !(flags & HOST_CACHED)))
			found = i;
	}
	return found;
}

/* Return: the device with @uuid, or else the first that will do, or NULL. */
static void *find_device(void **devices, uint32_t nr, const uint8_t *uuid, char *name,
			 bool *is_uuid)
{
	void *found = NULL;
	uint32_t i;

	*is_uuid = false;
	for (i = 0; i < nr && !*is_uuid; i++) {
		struct id_properties id = { .type = ID_PROPERTIES };
		struct properties_2 properties = { .type = PROPERTIES_2, .next = &id };

		vk.properties(devices[i], &properties);
		if (properties.api_version < VERSION_1_1 || memory_type(devices[i]) < 0)
			continue;
		*is_uuid = uuid && !memcmp(id.device_uuid, uuid, sizeof(id.device_uuid));
		if (found && !*is_uuid)
			continue;
		found = devices[i];
		memcpy(name, properties.name, sizeof(properties.name));
	}
	return found;
}

static bool exports_memory(void *physical)
{
	static struct extension extensions[MAX_EXTENSIONS];
	uint32_t nr = MAX_EXTENSIONS, i;
	int result = vk.extensions(physical, NULL, &nr, extensions);

	if (result != INCOMPLETE)
		check(result, "vkEnumerateDeviceExtensionProperties");
	for (i = 0; i < nr; i++)
		if (!strcmp(extensions[i].name, EXTERNAL_FD))
			return true;
	return false;
}

static int export_memory(void)
{
	__typeof__(vk_get_fd) *get_fd;
	struct get_fd_info info = {
		.type = GET_FD_INFO, .memory = device_memory, .handle_type = OPAQUE_FD,
	};
	void *function = vk.device_function(device, "vkGetMemoryFdKHR");
	int fd;

	if (!function)
		fail("vkGetDeviceProcAddr", "no vkGetMemoryFdKHR");
	memcpy(&get_fd, &function, sizeof(get_fd));
	check(get_fd(device, &info, &fd), "vkGetMemoryFdKHR");
	return fd;
}

static void open_device(void *physical, bool exports)
{
	static const char *const extension = EXTERNAL_FD;
	const float priority = 1;
	struct queue_create_info queue = {
		.type = QUEUE_CREATE_INFO, .nr = 1, .priorities = &priority,
	};
	struct device_create_info info = {
		.type = DEVICE_CREATE_INFO, .nr_queues = 1, .queues = &queue,
		.nr_extensions = exports, .extensions = &extension,
	};
	struct export_allocate_info export = {
		.type = EXPORT_ALLOCATE_INFO, .handle_types = OPAQUE_FD,
	};
	struct allocate_info allocate = {
		.type = MEMORY_ALLOCATE_INFO, .next = exports ? &export : NULL,
		.size = MEMORY_SIZE, .memory_type = memory_type(physical),
	};

	check(vk.create_device(physical, &info, NULL, &device), "vkCreateDevice");
	check(vk.allocate(device, &allocate, NULL, &device_memory), "vkAllocateMemory");
}

const char *vulkan_open(const uint8_t *uuid, struct memory *memory, int *fd)
{
	static char why[WHY], name[256];
	struct application_info application = {
		.type = APPLICATION_INFO, .api_version = VERSION_1_1,
	};
	struct instance_create_info info = {
		.type = INSTANCE_CREATE_INFO, .application = &application,
	};
	void *devices[MAX_DEVICES], *physical, *p;
	uint32_t nr = MAX_DEVICES;
	bool same, exports;
	int result;

	if (!library_open("libvulkan.so.1", symbols, sizeof(symbols) / sizeof(*symbols), &vk,
			  why))
		return why;
	/* Without a driver, or with one that finds no GPU. */
	result = vk.create_instance(&info, NULL, &instance);
	if (result) {
		snprintf(why, sizeof(why), "vkCreateInstance: %s", result_text(result));
		return why;
	}
	result = vk.physical_devices(instance, &nr, devices);
	if (result && result != INCOMPLETE) {
		snprintf(why, sizeof(why), "vkEnumeratePhysicalDevices: %s",
			 result_text(result));
		return why;
	}
	physical = find_device(devices, nr, uuid, name, &same);
	if (!physical)
		return "no Vulkan device has memory that the CPU can map";
	printf("# Vulkan device: %s\n", name);
	/* Only CUDA imports it, and only on the same GPU. */
	exports = same && exports_memory(physical);
	open_device(physical, exports);
	check(vk.map(device, device_memory, 0, MEMORY_SIZE, 0, &p), "vkMapMemory");
	if ((uintptr_t)p % 64)
		fail("vkMapMemory", "a pointer that is not aligned to 64");
	memory->host = p;
	*fd = exports ? export_memory() : -1;
	return NULL;
}

void vulkan_close(void)
{
	if (device) {
		vk.free(device, device_memory, NULL);
		vk.destroy_device(device, NULL);
	}
	if (instance)
		vk.destroy_instance(instance, NULL);
}
