// SPDX-License-Identifier: GPL-2.0-only
/* CUDA: the host's write-combining memory, and the witness kernel. */
#include <stdio.h>
#include <string.h>

#include "cuda.h"
#include "gpu.h"
#include "witness.ptx.h"

/* Few enough that reads over the bus do not stand in line. */
#define BLOCKS			4
#define THREADS			32
#define SAMPLES			20000	/* a thread: some 50 ms over the bus */

static struct {
	__typeof__(cu_init) *init;
	__typeof__(cu_error_name) *error_name;
	__typeof__(cu_count) *count;
	__typeof__(cu_get) *get;
	__typeof__(cu_name) *name;
	__typeof__(cu_attribute) *attribute;
	__typeof__(cu_uuid) *uuid;
	__typeof__(cu_retain) *retain;
	__typeof__(cu_release) *release;
	__typeof__(cu_set_current) *set_current;
	__typeof__(cu_host_alloc) *host_alloc;
	__typeof__(cu_host_free) *host_free;
	__typeof__(cu_device_pointer) *device_pointer;
	__typeof__(cu_module_load) *module_load;
	__typeof__(cu_module_unload) *module_unload;
	__typeof__(cu_function) *function;
	__typeof__(cu_stream_create) *stream_create;
	__typeof__(cu_stream_query) *stream_query;
	__typeof__(cu_stream_destroy) *stream_destroy;
	__typeof__(cu_launch) *launch;
	__typeof__(cu_import) *import;
	__typeof__(cu_mapped_buffer) *mapped_buffer;
	__typeof__(cu_free) *free;
	__typeof__(cu_destroy_external) *destroy_external;
} cu;

#define CU(member)	offsetof(__typeof__(cu), member)

static const struct symbol symbols[] = {
	{ "cuInit", CU(init) },
	{ "cuGetErrorName", CU(error_name) },
	{ "cuDeviceGetCount", CU(count) },
	{ "cuDeviceGet", CU(get) },
	{ "cuDeviceGetName", CU(name) },
	{ "cuDeviceGetAttribute", CU(attribute) },
	{ "cuDeviceGetUuid", CU(uuid) },
	{ "cuDevicePrimaryCtxRetain", CU(retain) },
	{ "cuDevicePrimaryCtxRelease_v2", CU(release) },
	{ "cuCtxSetCurrent", CU(set_current) },
	{ "cuMemHostAlloc", CU(host_alloc) },
	{ "cuMemFreeHost", CU(host_free) },
	{ "cuMemHostGetDevicePointer_v2", CU(device_pointer) },
	{ "cuModuleLoadDataEx", CU(module_load) },
	{ "cuModuleUnload", CU(module_unload) },
	{ "cuModuleGetFunction", CU(function) },
	{ "cuStreamCreate", CU(stream_create) },
	{ "cuStreamQuery", CU(stream_query) },
	{ "cuStreamDestroy_v2", CU(stream_destroy) },
	{ "cuLaunchKernel", CU(launch) },
	{ "cuImportExternalMemory", CU(import) },
	{ "cuExternalMemoryGetMappedBuffer", CU(mapped_buffer) },
	{ "cuMemFree_v2", CU(free) },
	{ "cuDestroyExternalMemory", CU(destroy_external) },
};

static int device;
static uint8_t device_uuid[16];
static void *context, *module, *kernel, *stream, *host_memory, *external;
static uint64_t imported, results_device;
static uint64_t (*results)[2];

static const char *error_name(int error)
{
	static char text[64];
	const char *name;

	if (!cu.error_name(error, &name) && name)
		return name;
	snprintf(text, sizeof(text), "error %d", error);
	return text;
}

static void check(int error, const char *call)
{
	if (error)
		fail(call, error_name(error));
}

static void load_kernel(void)
{
	static char log[4096];
	int options[] = { JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE };
	void *values[] = { log, (void *)(uintptr_t)sizeof(log) };
	int error = cu.module_load(&module, witness_ptx, 2, options, values);

	if (error && *log)
		printf("# %.*s\n", (int)sizeof(log), log);
	check(error, "cuModuleLoadDataEx");
	check(cu.function(&kernel, module, "witness"), "cuModuleGetFunction");
}

const char *cuda_open(void)
{
	static char why[WHY];
	char name[256];
	int nr, major, minor, ordering, error;

	if (!library_open("libcuda.so.1", symbols, sizeof(symbols) / sizeof(*symbols), &cu,
			  why))
		return why;
	/* Without a GPU, or without the kernel's part of the driver. */
	error = cu.init(0);
	if (error) {
		snprintf(why, sizeof(why), "cuInit: %s", error_name(error));
		return why;
	}
	check(cu.count(&nr), "cuDeviceGetCount");
	if (!nr)
		return "CUDA has no device";
	check(cu.get(&device, 0), "cuDeviceGet");
	check(cu.name(name, sizeof(name), device), "cuDeviceGetName");
	check(cu.uuid(device_uuid, device), "cuDeviceGetUuid");
	check(cu.attribute(&major, COMPUTE_MAJOR, device), "cuDeviceGetAttribute");
	check(cu.attribute(&minor, COMPUTE_MINOR, device), "cuDeviceGetAttribute");
	if (major < 7) {
		snprintf(why, sizeof(why),
			 "compute capability %d.%d: ld.acquire needs 7.0", major, minor);
		return why;
	}
	check(cu.attribute(&ordering, WRITES_ORDERING, device), "cuDeviceGetAttribute");
	printf("# CUDA device: %s, compute capability %d.%d, ordering of writes by others: %d\n",
	       name, major, minor, ordering);
	check(cu.retain(&context, device), "cuDevicePrimaryCtxRetain");
	check(cu.set_current(context), "cuCtxSetCurrent");
	check(cu.stream_create(&stream, 0), "cuStreamCreate");
	check(cu.host_alloc((void **)&results, BLOCKS * THREADS * sizeof(*results),
			    HOSTALLOC_DEVICEMAP), "cuMemHostAlloc");
	check(cu.device_pointer(&results_device, results, 0), "cuMemHostGetDevicePointer_v2");
	load_kernel();
	return NULL;
}

const uint8_t *cuda_uuid(void)
{
	return device_uuid;
}

void cuda_host_memory(struct memory *memory)
{
	check(cu.host_alloc(&host_memory, MEMORY_SIZE,
			    HOSTALLOC_DEVICEMAP | HOSTALLOC_WRITECOMBINED), "cuMemHostAlloc");
	memory->host = host_memory;
	check(cu.device_pointer(&memory->device, host_memory, 0),
	      "cuMemHostGetDevicePointer_v2");
}

uint64_t cuda_import(int fd, size_t size)
{
	struct handle_desc handle = { .type = OPAQUE_FD, .handle.fd = fd, .size = size };
	struct buffer_desc buffer = { .size = size };

	check(cu.import(&external, &handle), "cuImportExternalMemory");
	check(cu.mapped_buffer(&imported, external, &buffer),
	      "cuExternalMemoryGetMappedBuffer");
	return imported;
}

/* The arguments are those of witness.ptx. */
void cuda_watch(const struct memory *memory, uint32_t words, bool ascending)
{
	uint64_t message = memory->device;
	uint32_t order = ascending, samples = SAMPLES;
	void *arguments[] = { &message, &words, &order, &samples, &results_device };

	check(cu.launch(kernel, BLOCKS, 1, 1, THREADS, 1, 1, 0, stream, arguments, NULL),
	      "cuLaunchKernel");
}

bool cuda_watching(struct observation *observation)
{
	int error = cu.stream_query(stream);
	unsigned int i;

	if (error == NOT_READY)
		return true;
	check(error, "cuStreamQuery");
	for (i = 0; i < BLOCKS * THREADS; i++) {
		observation->violations += results[i][0];
		observation->messages += results[i][1];
	}
	return false;
}

void cuda_close(void)
{
	if (!context)
		return;
	if (imported)
		cu.free(imported);
	if (external)
		cu.destroy_external(external);
	if (host_memory)
		cu.host_free(host_memory);
	cu.module_unload(module);
	cu.host_free(results);
	cu.stream_destroy(stream);
	cu.release(device);
}
