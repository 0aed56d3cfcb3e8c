/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers of a task in a system call, as the kernel saved them. BPF side only.
 *
 * FIRST_ARGUMENT is still there at the end of the call. On x86 it is what the kernel worked
 * with. On the others it is a copy from before a tracer could change the argument: it may
 * find something, but not rule something out.
 */
#ifndef CONNPIN_REGISTERS_BPF_H
#define CONNPIN_REGISTERS_BPF_H

#include "kernel.h"

/* Members of struct pt_regs: first argument and number of the system call. */
#if defined(__TARGET_ARCH_x86)
#define FIRST_ARGUMENT di
#define SECOND_ARGUMENT si
#define NUMBER orig_ax
#define NR_CONNECT 42 /* arch/x86/entry/syscalls/syscall_64.tbl */
#define TS_COMPAT 2   /* arch/x86/include/asm/thread_info.h */
#elif defined(__TARGET_ARCH_arm64)
#define FIRST_ARGUMENT orig_x0
#define NUMBER syscallno
#define NR_CONNECT 203 /* include/uapi/asm-generic/unistd.h */
#define TIF_32BIT 22   /* arch/arm64/include/asm/thread_info.h */
#elif defined(__TARGET_ARCH_riscv)
#define FIRST_ARGUMENT orig_a0
#elif defined(__TARGET_ARCH_s390)
#define FIRST_ARGUMENT orig_gpr2
#elif defined(__TARGET_ARCH_powerpc)
#define FIRST_ARGUMENT orig_gpr3
#else
#error "which register keeps the first argument of a system call?"
#endif

struct pt_regs {
	unsigned long FIRST_ARGUMENT;
#ifdef __TARGET_ARCH_x86
	unsigned long SECOND_ARGUMENT;
	unsigned long NUMBER;
#elif defined(__TARGET_ARCH_arm64)
	__s32 NUMBER;
#endif
} __attribute__((preserve_access_index));

static __always_inline struct pt_regs *registers_of(struct task_struct *task)
{
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

#endif
