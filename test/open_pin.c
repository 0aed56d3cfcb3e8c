// SPDX-License-Identifier: MIT
/*
 * open_pin PIN r|rw: open a pinned map with the kernel's own words, for reading or
 * for both, then try to write the first element. What each of them said.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char key[64] = "", value[65536] = "";
	union bpf_attr attr;
	int fd;

	if (argc != 3)
		return 2;
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (__u64)(unsigned long)argv[1];
	attr.file_flags = strcmp(argv[2], "r") == 0 ? BPF_F_RDONLY : 0;
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0) {
		printf("open: %s\n", strerror(errno));
		return 1;
	}
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (__u32)fd;
	attr.key = (__u64)(unsigned long)key;
	attr.value = (__u64)(unsigned long)value;
	if (syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) == 0)
		puts("update: done");
	else
		printf("update: %s\n", strerror(errno));
	return 0;
}
