//! The filter of system calls, for what Landlock does not hold back.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::restrict::no_filter;
use crate::Result;

/// Rules for system calls: each holds if all of its conditions do, and without rules the call is always refused.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What leads to other processes, or to files past their names.
const OTHERS: [libc::c_long; 15] = [
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_keyctl,
    libc::SYS_mq_open,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_request_key,
    libc::SYS_shmat,
    libc::SYS_syslog,
];

/// What makes sockets. Rings make them without `socket`.
const SOCKETS: [libc::c_long; 4] = [
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_socket,
];

/// The bit by which the ABI x32 numbers the system calls of x86-64, and those that it numbers in its own way: `ptrace`,
/// `process_vm_readv` and `process_vm_writev`.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
#[cfg(target_arch = "x86_64")]
const X32_OTHERS: [i64; 3] = [521, 539, 540];

/// Fails if this processor's system calls cannot be filtered.
pub(super) fn check() -> Result<()> {
    target().map(drop)
}

/// Refuses what no sealed stage may do, and sockets if it has no network, to this thread and to all that it starts.
pub(super) fn install(network: bool) -> Result<()> {
    let mut others = Rules::new();
    for call in OTHERS {
        refuse(&mut others, call, &[]);
    }
    #[cfg(target_arch = "x86_64")]
    others.extend(X32_OTHERS.map(|call| (X32 | call, Vec::new())));
    apply(others, libc::EPERM)?;
    if network {
        return Ok(());
    }
    let mut sockets = Rules::new();
    for call in SOCKETS {
        refuse(&mut sockets, call, &[]);
    }
    let argument = |index, operator, value| {
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value as u64)
    };
    // A pair of sockets leads nowhere else, except that of datagrams, which can be sent to any address.
    let kind = |kind| argument(1, SeccompCmpOp::MaskedEq(0xf), kind);
    let pairs = [
        argument(0, SeccompCmpOp::Ne, libc::AF_UNIX),
        kind(libc::SOCK_DGRAM),
        kind(libc::SOCK_RAW),
    ];
    let rules = pairs.map(|condition| SeccompRule::new(vec![condition?]));
    let rules: Result<Vec<_>, _> = rules.into_iter().collect();
    refuse(
        &mut sockets,
        libc::SYS_socketpair,
        &rules.map_err(no_filter)?,
    );
    apply(sockets, libc::ENETDOWN)
}

/// Adds rules for a system call.
#[allow(
    clippy::useless_conversion,
    reason = "the type of the numbers depends on the system"
)]
fn refuse(rules: &mut Rules, call: libc::c_long, when: &[SeccompRule]) {
    let call = i64::from(call);
    rules.insert(call, when.to_vec());
    #[cfg(target_arch = "x86_64")]
    rules.insert(X32 | call, when.to_vec());
}

fn apply(rules: Rules, error: i32) -> Result<()> {
    let refused = SeccompAction::Errno(error.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, target()?);
    let program = filter.and_then(BpfProgram::try_from).map_err(no_filter)?;
    apply_filter(&program).map_err(no_filter)
}

fn target() -> Result<TargetArch> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(no_filter)
}
