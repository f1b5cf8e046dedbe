//! The system call filter: what no honest program needs and an escape might.
//!
//! Refused calls fail with `EPERM`. Unknown ones, newer than this list, fail with `ENOSYS`, and so
//! does the second table of x86-64 (x32), which a filter by number would otherwise miss.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// The newest call of the list the filter was written against (`mseal`).
const LAST_KNOWN: u32 = libc::SYS_mseal as u32;
#[cfg(target_arch = "x86_64")]
const X32_BIT: u32 = 0x4000_0000;

/// Network: no sockets but connected pairs.
const NETWORK: &[i64] = &[libc::SYS_socket];

/// Memory that no resource limit counts.
const UNCOUNTED: &[i64] = &[
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Other processes' memory and descriptors.
const SPYING: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_perf_event_open,
    libc::SYS_lookup_dcookie,
];

/// What the kernel counts per user, whose other programs could then have none.
const SHARED: &[i64] = &[libc::SYS_inotify_init1];

/// Descriptors on their way through a socket: also counted per user, and no limit of the sender's
/// bounds how many it leaves there.
const SENDING: &[i64] = &[libc::SYS_sendmsg, libc::SYS_sendmmsg];

/// Mounts and namespaces.
const CONTAINERS: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
];

/// Wide parts of the kernel with a history.
const KERNEL: &[i64] = &[
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_personality,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
];

/// Administration of the machine.
const MACHINE: &[i64] = &[
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_nfsservctl,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_kexec_file_load,
    libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: &[i64] = &[];

/// The filter in the two parts that are put on at different times by warm interpreters, because
/// the kernel takes a third of a millisecond to take in the whole of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters {
    /// What a zygote can do without, too.
    pub(super) common: BpfProgram,
    /// What a zygote needs to confine its children, and to speak of them.
    pub(super) confining: BpfProgram,
    /// As `confining`, for the judge's zygote, which only speaks of its children.
    pub(super) judging: BpfProgram,
}

/// The compiled filters; `None` on an architecture that `seccompiler` doesn't know.
pub(super) fn filters() -> Option<Filters> {
    let always = |calls: Vec<i64>| calls.into_iter().map(|call| (call, Vec::new())).collect();
    let mut common: Rules =
        always([NETWORK, UNCOUNTED, SHARED, SPYING, KERNEL, MACHINE, ARCHITECTURE].concat());
    // Characters typed into a terminal that others read.
    common.insert(libc::SYS_ioctl, vec![argument(1, libc::TIOCSTI)?]);
    let mut program = unknown_calls();
    program.extend(compile(common)?);
    let mut judging: Rules = always(CONTAINERS.to_vec());
    judging.insert(libc::SYS_clone, new_namespaces()?);
    // A child that could outlive its parent would be one that nobody waits for.
    judging.insert(libc::SYS_prctl, vec![argument(0, libc::PR_SET_PDEATHSIG as u64)?]);
    let mut confining = judging.clone();
    confining.extend(always(SENDING.to_vec()));
    Some(Filters { common: program, confining: compile(confining)?, judging: compile(judging)? })
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules) -> Option<BpfProgram> {
    let arch = std::env::consts::ARCH.try_into().ok()?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).ok()?.try_into().ok()
}

/// One rule per flag: any of them is refused.
fn new_namespaces() -> Option<Vec<SeccompRule>> {
    let flags = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let rule = |flag: &i32| {
        let flag = *flag as u64;
        let length = SeccompCmpArgLen::Qword;
        let condition = SeccompCondition::new(0, length, SeccompCmpOp::MaskedEq(flag), flag);
        SeccompRule::new(vec![condition.ok()?]).ok()
    };
    flags.iter().map(rule).collect()
}

fn argument(index: u8, value: u64) -> Option<SeccompRule> {
    let equal = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    SeccompRule::new(vec![equal.ok()?]).ok()
}

/// Instructions in front of the filter. `clone3` hides its flags behind a pointer, so it is said
/// not to exist, and libc falls back to `clone`.
fn unknown_calls() -> Vec<sock_filter> {
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![step(LOAD, 0, 0, 0)];
    program.push(step(JUMP_EQUAL, 1, 0, libc::SYS_clone3 as u32));
    // x32 numbers are above every known one, so this covers them; the bit is named for the reader.
    #[cfg(target_arch = "x86_64")]
    const {
        assert!(X32_BIT > LAST_KNOWN)
    };
    program.push(step(JUMP_GREATER, 0, 1, LAST_KNOWN));
    program.push(step(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32));
    program
}
