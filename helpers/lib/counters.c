// SPDX-License-Identifier: MIT
#include "counters.h"

#include "bpf.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POSSIBLE_CPUS "/sys/devices/system/cpu/possible"
#define CPUS_MAX 8192 /* the largest NR_CPUS that Linux can be configured with */

/*
 * How many CPUs TEXT names in the kernel's cpulist format: "0-3,8" is 5. 0 when it is
 * something else.
 */
static unsigned count_cpus(const char *text)
{
	uint64_t first, last, total = 0;

	while (*text && *text != '\n') {
		text = scan_u64(text, &first);
		last = first;
		if (text && *text == '-')
			text = scan_u64(text + 1, &last);
		if (!text || last < first || last > CPUS_MAX)
			return 0;
		total += last - first + 1;
		if (*text == ',')
			text++;
	}
	return (unsigned)total;
}

/* How many CPUs the kernel may use, 1 to CPUS_MAX, or -errno. The file is read once. */
static int possible_cpus(void)
{
	static int cpus;
	char text[4096];
	ssize_t n;
	int fd;

	if (cpus)
		return cpus;
	fd = open(POSSIBLE_CPUS, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	cpus = (int)count_cpus(text);
	if (cpus < 1 || cpus > CPUS_MAX)
		cpus = -EINVAL;
	return cpus;
}

int sum_counters(int map, __u64 *sum, size_t count)
{
	struct bpf_map_info info;
	size_t stride, bytes;
	int cpus = possible_cpus();
	int rc = bpf_map_info(map, &info);
	const __u64 *values;
	void *memory;

	if (rc)
		return rc;
	if (cpus < 0)
		return cpus;
	memset(sum, 0, count * sizeof(*sum));
	stride = (info.value_size + 7) / 8;
	if (count > stride)
		count = stride;
	bytes = stride * 8 * (size_t)cpus;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	for (__u32 key = 0; key < info.max_entries && !rc; key++) {
		rc = bpf_lookup(map, &key, memory);
		values = memory;
		for (int cpu = 0; cpu < cpus && !rc; cpu++, values += stride)
			for (size_t i = 0; i < count; i++)
				sum[i] += values[i];
	}
	munmap(memory, bytes);
	return rc;
}
