/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CUDA's driver API, as far as it is needed, without its headers.
 *
 * Names, values and layouts are those of NVIDIA's "CUDA Driver API" reference.
 * A name with _v2 is what NVIDIA's header makes of the one in the reference.
 * cuda.c looks the functions up; fake_cuda.c has some of its own.
 */
#ifndef GPU_CUDA_H
#define GPU_CUDA_H

#include <stddef.h>
#include <stdint.h>

#define NOT_READY		600	/* CUDA_ERROR_NOT_READY */
#define COMPUTE_MAJOR		75	/* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR */
#define COMPUTE_MINOR		76
#define WRITES_ORDERING		118	/* .._GPU_DIRECT_RDMA_WRITES_ORDERING */
#define HOSTALLOC_DEVICEMAP	0x02
#define HOSTALLOC_WRITECOMBINED	0x04
#define JIT_ERROR_LOG		5	/* CU_JIT_ERROR_LOG_BUFFER */
#define JIT_ERROR_LOG_SIZE	6
#define OPAQUE_FD		1	/* CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD */

struct handle_desc {			/* CUDA_EXTERNAL_MEMORY_HANDLE_DESC */
	int type;
	union {
		int fd;
		void *pointers[2];
	} handle;
	uint64_t size;
	unsigned int flags;
	unsigned int reserved[16];
};

struct buffer_desc {			/* CUDA_EXTERNAL_MEMORY_BUFFER_DESC */
	uint64_t offset;
	uint64_t size;
	unsigned int flags;
	unsigned int reserved[16];
};

int cu_init(unsigned int flags) __asm__("cuInit");
int cu_error_name(int error, const char **name) __asm__("cuGetErrorName");
int cu_count(int *count) __asm__("cuDeviceGetCount");
int cu_get(int *device, int ordinal) __asm__("cuDeviceGet");
int cu_name(char *name, int size, int device) __asm__("cuDeviceGetName");
int cu_attribute(int *value, int attribute, int device)
	__asm__("cuDeviceGetAttribute");
int cu_uuid(uint8_t *uuid, int device) __asm__("cuDeviceGetUuid");
int cu_retain(void **context, int device) __asm__("cuDevicePrimaryCtxRetain");
int cu_release(int device) __asm__("cuDevicePrimaryCtxRelease_v2");
int cu_set_current(void *context) __asm__("cuCtxSetCurrent");
int cu_host_alloc(void **p, size_t size, unsigned int flags)
	__asm__("cuMemHostAlloc");
int cu_host_free(void *p) __asm__("cuMemFreeHost");
int cu_device_pointer(uint64_t *device, void *host, unsigned int flags)
	__asm__("cuMemHostGetDevicePointer_v2");
int cu_module_load(void **module, const void *image, unsigned int nr,
		   int *options, void **values) __asm__("cuModuleLoadDataEx");
int cu_module_unload(void *module) __asm__("cuModuleUnload");
int cu_function(void **function, void *module, const char *name)
	__asm__("cuModuleGetFunction");
int cu_stream_create(void **stream, unsigned int flags)
	__asm__("cuStreamCreate");
int cu_stream_query(void *stream) __asm__("cuStreamQuery");
int cu_stream_destroy(void *stream) __asm__("cuStreamDestroy_v2");
int cu_launch(void *function, unsigned int grid_x, unsigned int grid_y,
	      unsigned int grid_z, unsigned int block_x, unsigned int block_y,
	      unsigned int block_z, unsigned int shared, void *stream,
	      void **arguments, void **extra) __asm__("cuLaunchKernel");
int cu_import(void **external, const struct handle_desc *desc)
	__asm__("cuImportExternalMemory");
int cu_mapped_buffer(uint64_t *device, void *external,
		     const struct buffer_desc *desc)
	__asm__("cuExternalMemoryGetMappedBuffer");
int cu_free(uint64_t device) __asm__("cuMemFree_v2");
int cu_destroy_external(void *external) __asm__("cuDestroyExternalMemory");

#endif /* GPU_CUDA_H */
