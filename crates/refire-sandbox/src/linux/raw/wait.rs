use std::time::Duration;
use std::{io, mem::MaybeUninit, ptr};

/// How a process ended, and what it used together with the children it waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    /// As `wait(2)` reports it; `None` when somebody else took the status.
    pub(crate) status: Option<i32>,
    pub(crate) cpu: Duration,
    /// Largest resident size, in bytes.
    pub(crate) memory: u64,
    /// The processor time, in seconds, at which the kernel kills it, as it was at the end; `None`
    /// when nobody looked.
    pub(crate) cpu_limit: Option<u64>,
}

/// Waits for a child.
pub(crate) fn reap(pid: i32) -> Ended {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live values of the right types; all-zero bytes are a valid
        // `rusage`.
        let (found, usage) = unsafe {
            let found = libc::wait4(pid, &raw mut status, libc::__WALL, usage.as_mut_ptr());
            (found, usage.assume_init_ref())
        };
        if found == pid {
            let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
            let memory = u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10;
            return Ended { status: Some(status), cpu, memory, cpu_limit: None };
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Ended::default();
        }
    }
}

/// Reaps one adopted process that has ended; `false` when there is none.
pub(crate) fn reap_any_zombie() -> bool {
    // SAFETY: the status pointer may be null.
    unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG | libc::__WALL) > 0 }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// Makes this process the parent of orphaned descendants.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // SAFETY: no pointers.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves the calling thread, and what it starts from now on, to an empty network and a host name of
/// its own. Only a privileged process may.
pub(crate) fn leave_network() -> io::Result<()> {
    // SAFETY: no pointers; the flags concern this thread alone.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWUTS) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The user and group this process acts as.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: neither call has arguments, and neither can fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Version of the kernel's Landlock; `None` without it.
pub(crate) fn landlock_abi() -> Option<u32> {
    const VERSION: u32 = 1;
    // SAFETY: a null attribute of size 0 is how the version is asked for.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0_usize, VERSION)
    };
    u32::try_from(abi).ok().filter(|abi| *abi > 0)
}

/// Reads (`None`) or sets whether this process can be dumped; returns what could be restored.
pub(crate) fn set_dumpable(value: Option<i32>) -> Option<i32> {
    // SAFETY: no pointers.
    let result = unsafe {
        match value {
            None => libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0),
            Some(value) => libc::prctl(libc::PR_SET_DUMPABLE, value, 0, 0, 0),
        }
    };
    (result == 0 || result == 1).then_some(result)
}
