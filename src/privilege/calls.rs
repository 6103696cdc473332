//! System calls that nothing here makes once packets are read, and that an intruder would.

use std::collections::BTreeMap;

use anyhow::Result;
use libc::{
    SYS_accept, SYS_accept4, SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_capset, SYS_chroot,
    SYS_clock_adjtime, SYS_clock_settime, SYS_connect, SYS_delete_module, SYS_execve, SYS_execveat,
    SYS_finit_module, SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module,
    SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup, SYS_ioprio_set, SYS_kcmp,
    SYS_kexec_file_load, SYS_kexec_load, SYS_keyctl, SYS_listen, SYS_migrate_pages, SYS_mount,
    SYS_mount_setattr, SYS_move_mount, SYS_move_pages, SYS_open_by_handle_at, SYS_open_tree,
    SYS_perf_event_open, SYS_personality, SYS_pidfd_getfd, SYS_pivot_root, SYS_process_madvise,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_reboot,
    SYS_request_key, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam,
    SYS_sched_setscheduler, SYS_setdomainname, SYS_setfsgid, SYS_setfsuid, SYS_setgid,
    SYS_setgroups, SYS_sethostname, SYS_setns, SYS_setpriority, SYS_setregid, SYS_setresgid,
    SYS_setresuid, SYS_setreuid, SYS_settimeofday, SYS_setuid, SYS_swapoff, SYS_swapon, SYS_syslog,
    SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::Network;

/// Calls that fail with EPERM from now on.
const FORBIDDEN: &[i64] = &[
    // Other programs, and their memory. io_uring would be a way round this list.
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_personality,
    // Other users, other namespaces, other roots.
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    // The machine.
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_bpf,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_syslog,
    SYS_acct,
    SYS_quotactl,
    SYS_vhangup,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // The turns of other programs, and their memory's place.
    SYS_sched_setscheduler,
    SYS_sched_setparam,
    SYS_sched_setaffinity,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_process_madvise,
    // Who may call is settled by now.
    SYS_listen,
];

/// Calls that only a run makes that somebody reads from meanwhile.
const SERVING: &[i64] = &[SYS_accept, SYS_accept4];

/// Calls that only a run makes that feeds others, whose connections may break.
const CALLING: &[i64] = &[SYS_connect];

/// Calls that this kind of processor has besides.
#[cfg(target_arch = "x86_64")]
const OWN: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    // The x32 ABI has numbers of its own for execve, ptrace and execveat.
    X32 | 0x208,
    X32 | 0x209,
    X32 | 0x221,
];
#[cfg(not(target_arch = "x86_64"))]
const OWN: &[i64] = &[];

/// Set in the numbers of calls of the x32 ABI, which are the others' otherwise.
const X32: i64 = 0x4000_0000;

/// Forbids them, for good.
pub fn forbid(network: &Network) -> Result<()> {
    // Where the filter cannot be written for the processor, the rest must do.
    let Ok(processor) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    apply_filter(&program(processor, network)?)?;
    Ok(())
}

fn program(processor: TargetArch, network: &Network) -> Result<BpfProgram> {
    let calls = network.reconnects || !network.calls.is_empty();
    let unless = |needed: bool, numbers: &'static [i64]| if needed { &[] } else { numbers };
    let numbers = [
        FORBIDDEN,
        OWN,
        unless(network.serves, SERVING),
        unless(calls, CALLING),
    ];
    let numbers = numbers.into_iter().flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = numbers
        .flat_map(|&call| [call, call | X32])
        .map(|call| (call, Vec::new()))
        .collect();
    let word = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let executable = libc::PROT_EXEC as u64;
    let executable = word(2, SeccompCmpOp::MaskedEq(executable), executable)?;
    let other = word(0, SeccompCmpOp::Ne, 0)?;
    let some = [
        // No memory becomes a program.
        (libc::SYS_mmap, &executable),
        (libc::SYS_mprotect, &executable),
        (libc::SYS_pkey_mprotect, &executable),
        // A thread may ask for its own turns alone.
        (SYS_sched_setattr, &other),
    ];
    for (call, condition) in some {
        for call in [call, call | X32] {
            rules.insert(call, vec![SeccompRule::new(vec![condition.clone()])?]);
        }
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        processor,
    )?;
    Ok(filter.try_into()?)
}
