// SPDX-License-Identifier: GPL-2.0-only
/*
 * A libcuda.so.1 without a GPU: memory is the process's own, and a thread does
 * what the witness kernel does.
 *
 * The call that FAKE_FAILS names fails.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda.h"
#include "fake.h"

#define UNKNOWN	999	/* CUDA_ERROR_UNKNOWN */
#define INVALID	1	/* CUDA_ERROR_INVALID_VALUE */

static char handle;	/* its address is every handle */
static size_t imported_size;
static int imported_fd;

static struct {
	const uint64_t *message;
	uint32_t words, ascending, samples, threads;
	uint64_t (*results)[2];
	pthread_t thread;
	int running;
	atomic_int done;
} kernel;

int cu_init(unsigned int flags)
{
	return fails("cuInit") || flags ? UNKNOWN : 0;
}

int cu_error_name(int error, const char **name)
{
	*name = error == INVALID ? "CUDA_ERROR_INVALID_VALUE" : "CUDA_ERROR_UNKNOWN";
	return fails("cuGetErrorName");
}

int cu_count(int *count)
{
	*count = 1;
	return fails("cuDeviceGetCount") ? UNKNOWN : 0;
}

int cu_get(int *device, int ordinal)
{
	*device = 7;
	return fails("cuDeviceGet") ? UNKNOWN : ordinal ? INVALID : 0;
}

int cu_name(char *name, int size, int device)
{
	snprintf(name, size, "fake");
	return fails("cuDeviceGetName") ? UNKNOWN : device == 7 ? 0 : INVALID;
}

int cu_attribute(int *value, int attribute, int device)
{
	*value = attribute == COMPUTE_MAJOR ? 9 : 0;
	return fails("cuDeviceGetAttribute") ? UNKNOWN : device == 7 ? 0 : INVALID;
}

int cu_uuid(uint8_t *uuid, int device)
{
	memcpy(uuid, FAKE_UUID, 16);
	return fails("cuDeviceGetUuid") ? UNKNOWN : device == 7 ? 0 : INVALID;
}

int cu_retain(void **context, int device)
{
	*context = &handle;
	return fails("cuDevicePrimaryCtxRetain") ? UNKNOWN : device == 7 ? 0 : INVALID;
}

int cu_release(int device)
{
	return device == 7 ? 0 : INVALID;
}

int cu_set_current(void *context)
{
	return fails("cuCtxSetCurrent") ? UNKNOWN : context == &handle ? 0 : INVALID;
}

int cu_host_alloc(void **p, size_t size, unsigned int flags)
{
	if (fails("cuMemHostAlloc"))
		return UNKNOWN;
	if (!(flags & HOSTALLOC_DEVICEMAP))
		return INVALID;
	*p = aligned_alloc(4096, (size + 4095) & ~4095UL);
	return *p ? 0 : UNKNOWN;
}

int cu_host_free(void *p)
{
	free(p);
	return 0;
}

int cu_device_pointer(uint64_t *device, void *host, unsigned int flags)
{
	*device = (uintptr_t)host;
	return fails("cuMemHostGetDevicePointer_v2") ? UNKNOWN : flags ? INVALID : 0;
}

int cu_module_load(void **module, const void *image, unsigned int nr,
		   int *options, void **values)
{
	*module = &handle;
	if (fails("cuModuleLoadDataEx")) {
		if (nr == 2 && options[0] == JIT_ERROR_LOG && options[1] == JIT_ERROR_LOG_SIZE)
			snprintf(values[0], (uintptr_t)values[1], "ptxas: refused\nby order\n");
		return UNKNOWN;
	}
	return strstr(image, ".entry witness(") ? 0 : INVALID;
}

int cu_module_unload(void *module)
{
	return module == &handle ? 0 : INVALID;
}

int cu_function(void **function, void *module, const char *name)
{
	*function = &handle;
	return fails("cuModuleGetFunction") ? UNKNOWN :
	       module == &handle && !strcmp(name, "witness") ? 0 : INVALID;
}

int cu_stream_create(void **stream, unsigned int flags)
{
	*stream = &handle;
	return fails("cuStreamCreate") ? UNKNOWN : flags ? INVALID : 0;
}

int cu_stream_destroy(void *stream)
{
	return stream == &handle ? 0 : INVALID;
}

/* witness.ptx, sample by sample. */
static void *run(void *unused)
{
	uint32_t id, sample;

	(void)unused;
	for (id = 0; id < kernel.threads; id++) {
		uint32_t bits = id * 2654435761U, late, early;
		uint64_t seen = 0, a, b;

		memset(kernel.results[id], 0, sizeof(*kernel.results));
		for (sample = 0; sample < kernel.samples; sample++) {
			bits = bits * 1664525 + 1013904223;
			late = kernel.ascending ? 1 + (bits >> 8) % (kernel.words - 1) :
						  kernel.words - 1;
			bits = bits * 1664525 + 1013904223;
			early = bits >> 31 ? (bits >> 8) % late : late - 1;
			a = __atomic_load_n(&kernel.message[late], __ATOMIC_ACQUIRE);
			b = __atomic_load_n(&kernel.message[early], __ATOMIC_RELAXED);
			kernel.results[id][0] += b < a;
			kernel.results[id][1] += a > seen;
			seen = a > seen ? a : seen;
		}
	}
	kernel.done = 1;
	return NULL;
}

int cu_launch(void *function, unsigned int grid_x, unsigned int grid_y,
	      unsigned int grid_z, unsigned int block_x, unsigned int block_y,
	      unsigned int block_z, unsigned int shared, void *stream,
	      void **arguments, void **extra)
{
	uint64_t message, results;

	if (fails("cuLaunchKernel"))
		return UNKNOWN;
	if (function != &handle || stream != &handle || shared || extra || kernel.running ||
	    grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1)
		return INVALID;
	memcpy(&message, arguments[0], sizeof(message));
	memcpy(&kernel.words, arguments[1], sizeof(kernel.words));
	memcpy(&kernel.ascending, arguments[2], sizeof(kernel.ascending));
	memcpy(&kernel.samples, arguments[3], sizeof(kernel.samples));
	memcpy(&results, arguments[4], sizeof(results));
	kernel.message = (const void *)(uintptr_t)message;
	kernel.results = (void *)(uintptr_t)results;
	kernel.threads = grid_x * block_x;
	kernel.done = 0;
	kernel.running = !pthread_create(&kernel.thread, NULL, run, NULL);
	return kernel.running ? 0 : UNKNOWN;
}

int cu_stream_query(void *stream)
{
	if (fails("cuStreamQuery"))
		return UNKNOWN;
	if (stream != &handle)
		return INVALID;
	if (kernel.running && !kernel.done)
		return NOT_READY;
	if (kernel.running)
		pthread_join(kernel.thread, NULL);
	kernel.running = 0;
	return 0;
}

int cu_import(void **external, const struct handle_desc *desc)
{
	if (fails("cuImportExternalMemory"))
		return UNKNOWN;
	if (desc->type != OPAQUE_FD || desc->flags)
		return INVALID;
	*external = &handle;
	imported_fd = desc->handle.fd;
	imported_size = desc->size;
	return 0;
}

int cu_mapped_buffer(uint64_t *device, void *external, const struct buffer_desc *desc)
{
	void *p;

	if (fails("cuExternalMemoryGetMappedBuffer"))
		return UNKNOWN;
	if (external != &handle || desc->offset || desc->size > imported_size || desc->flags)
		return INVALID;
	p = mmap(NULL, desc->size, PROT_READ | PROT_WRITE, MAP_SHARED, imported_fd, 0);
	*device = (uintptr_t)p;
	return p == MAP_FAILED ? UNKNOWN : 0;
}

int cu_free(uint64_t device)
{
	return munmap((void *)(uintptr_t)device, imported_size) ? UNKNOWN : 0;
}

int cu_destroy_external(void *external)
{
	close(imported_fd);
	return external == &handle ? 0 : INVALID;
}
