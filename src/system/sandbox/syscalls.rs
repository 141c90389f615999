//! The system calls that the daemon and its helper may still make, by seccomp.
//!
//! A call that is not listed fails with EPERM: metering continues, and the call does nothing. Where a
//! call could do more than is needed, its arguments are checked.
//!
//! # Source
//! seccomp(2); Documentation/userspace-api/seccomp_filter.rst.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::collections::BTreeMap;

/// System calls of the daemon, whatever their arguments.
const FREE: [c_long; 61] = [
    // Memory and threads.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_wait4,
    // Waiting and clocks.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    // Files, which landlock restricts.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_renameat,
    libc::SYS_unlinkat,
    libc::SYS_flock,
    libc::SYS_fcntl,
    // The access list of the control socket, at a reload.
    libc::SYS_setxattr,
    // Existing sockets.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
];

/// The same under names that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLD: [c_long; 6] = [
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_readlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [c_long; 0] = [];

/// Calls whose arguments are checked.
const BOUND: usize = 11;

/// How many system calls the daemon may make.
pub const CALLS: usize = FREE.len() + OLD.len() + BOUND;

/// Calls of the helper, whatever their arguments.
const HELPER_FREE: [c_long; 16] = [
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_close,
    libc::SYS_write,
    libc::SYS_bind,
    libc::SYS_getsockname,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
];

/// Those whose arguments are checked: bpf, socket, mmap, mprotect.
const HELPER_BOUND: usize = 4;

/// How many system calls the helper may make.
pub const HELPER_CALLS: usize = HELPER_FREE.len() + HELPER_BOUND;

/// Calls of the roster reader, whatever their arguments.
const READER_FREE: [c_long; 20] = [
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_close,
    libc::SYS_write,
    libc::SYS_ppoll,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
];

/// The same under a name that only older architectures have.
#[cfg(target_arch = "x86_64")]
const READER_OLD: [c_long; 1] = [libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const READER_OLD: [c_long; 0] = [];

/// Those whose arguments are checked: socket, mmap, mprotect.
const READER_BOUND: usize = 3;

/// How many system calls the roster reader may make.
pub const READER_CALLS: usize = READER_FREE.len() + READER_OLD.len() + READER_BOUND;

/// Calls of the fleet's courier, whatever their arguments.
const COURIER_FREE: [c_long; 31] = [
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_ppoll,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_fcntl,
];

/// Those whose arguments are checked: socket, mmap, mprotect, ioctl.
const COURIER_BOUND: usize = 4;

/// How many system calls the courier may make.
pub const COURIER_CALLS: usize = COURIER_FREE.len() + READER_OLD.len() + COURIER_BOUND;

/// bpf(2) commands: read and change owners, pin a link, detach a link.
const BPF_DAEMON: [u64; 6] = [1, 2, 3, 4, 6, 34];
/// BPF_PROG_QUERY, BPF_LINK_CREATE.
const BPF_HELPER: [u64; 2] = [16, 28];

/// One rule: every condition holds.
type Rules = Vec<SeccompRule>;
type Built<T> = Result<T, seccompiler::BackendError>;

pub(super) fn allow_daemon(packet_sockets: bool) -> Result<(), seccompiler::Error> {
    let mut domains = vec![libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    if packet_sockets {
        domains.push(libc::AF_PACKET);
    }
    let own = u64::from(std::process::id());
    let bound = [
        (libc::SYS_bpf, any(0, &BPF_DAEMON)?),
        (libc::SYS_socket, any(0, &numbers(&domains))?),
        // For the runtime's own signals.
        (libc::SYS_socketpair, any(0, &numbers(&[libc::AF_UNIX]))?),
        (libc::SYS_mmap, not_executable(2)?),
        (libc::SYS_mprotect, not_executable(2)?),
        // Threads, and no namespaces or processes.
        (libc::SYS_clone, vec![rule(masked(0, flag(libc::CLONE_THREAD), flag(libc::CLONE_THREAD))?)?]),
        (libc::SYS_prctl, any(0, &numbers(&[libc::PR_SET_NAME]))?),
        // The pipe of hooks, at a reload; no device.
        (libc::SYS_mknodat, vec![rule(masked(2, libc::S_IFMT.into(), libc::S_IFIFO.into())?)?]),
        // Making sockets non-blocking, and nothing on devices.
        (libc::SYS_ioctl, any(1, &[libc::FIONBIO])?),
        // Reading limits, not setting them.
        (libc::SYS_prlimit64, any(2, &[0])?),
        // Ending itself.
        (libc::SYS_tgkill, any(0, &[own])?),
    ];
    assert!(bound.len() == BOUND, "every call whose arguments are looked at is counted");
    apply(&FREE.into_iter().chain(OLD).collect::<Vec<_>>(), bound.into())
}

pub(super) fn allow_helper() -> Result<(), seccompiler::Error> {
    let bound = [
        (libc::SYS_bpf, any(0, &BPF_HELPER)?),
        (libc::SYS_socket, any(0, &numbers(&[libc::AF_NETLINK]))?),
        (libc::SYS_mmap, not_executable(2)?),
        (libc::SYS_mprotect, not_executable(2)?),
    ];
    assert!(bound.len() == HELPER_BOUND, "every call whose arguments are looked at is counted");
    apply(&HELPER_FREE, bound.into())
}

pub(super) fn allow_reader() -> Result<(), seccompiler::Error> {
    let bound = [
        // A device's kernel and a program's socket; it cannot listen.
        (libc::SYS_socket, any(0, &numbers(&[libc::AF_NETLINK, libc::AF_UNIX]))?),
        (libc::SYS_mmap, not_executable(2)?),
        (libc::SYS_mprotect, not_executable(2)?),
    ];
    assert!(bound.len() == READER_BOUND, "every call whose arguments are looked at is counted");
    apply(&READER_FREE.into_iter().chain(READER_OLD).collect::<Vec<_>>(), bound.into())
}

pub(super) fn allow_courier() -> Result<(), seccompiler::Error> {
    let bound = [
        // It cannot listen.
        (libc::SYS_socket, any(0, &numbers(&[libc::AF_INET, libc::AF_INET6]))?),
        (libc::SYS_mmap, not_executable(2)?),
        (libc::SYS_mprotect, not_executable(2)?),
        (libc::SYS_ioctl, any(1, &[libc::FIONBIO])?),
    ];
    assert!(bound.len() == COURIER_BOUND, "every call whose arguments are looked at is counted");
    apply(&COURIER_FREE.into_iter().chain(READER_OLD).collect::<Vec<_>>(), bound.into())
}

/// Installs the filter: `clone3` seems not to exist, so that libraries fall back on `clone`, whose flags
/// can be checked; what is not listed is forbidden.
fn apply(free: &[c_long], bound: Vec<(c_long, Rules)>) -> Result<(), seccompiler::Error> {
    let unknown = u32::try_from(libc::ENOSYS).unwrap_or_default();
    let forbidden = u32::try_from(libc::EPERM).unwrap_or_default();
    let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let listed = free.iter().map(|call| (*call, Vec::new()));
    // Both filters run, and an error of either is final: the second leaves clone3 to the first.
    let allowed: BTreeMap<c_long, Rules> =
        listed.chain(bound).chain([(libc::SYS_clone3, Vec::new())]).collect();
    install(absent, SeccompAction::Allow, SeccompAction::Errno(unknown))?;
    install(allowed, SeccompAction::Errno(forbidden), SeccompAction::Allow)
}

fn install(
    rules: BTreeMap<c_long, Rules>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, listed, architecture)?.try_into()?;
    apply_filter(&program)
}

fn rule(condition: SeccompCondition) -> Built<SeccompRule> {
    SeccompRule::new(vec![condition])
}

fn masked(argument: u8, mask: u64, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

/// The argument is one of these.
fn any(argument: u8, values: &[u64]) -> Built<Rules> {
    let equal = |value: &u64| {
        rule(SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, *value)?)
    };
    values.iter().map(equal).collect()
}

/// Memory that is not executable: nothing is compiled or loaded from here on.
fn not_executable(argument: u8) -> Built<Rules> {
    Ok(vec![rule(masked(argument, flag(libc::PROT_EXEC), 0)?)?])
}

fn numbers(values: &[i32]) -> Vec<u64> {
    values.iter().map(|value| flag(*value)).collect()
}

fn flag(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}
