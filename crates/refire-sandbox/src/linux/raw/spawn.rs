use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::{fs::File, thread};

use super::child::{Context, PARKED, enter};
use super::clone3::clone_into;
use super::plan::{Fault, Identity, Plan, Step};
use super::wait::{reap, set_dumpable};

const STACK: usize = 256 << 10;

/// A process that runs its program, confined.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// Starts a process by a plan. Returns when it has executed its program, or has failed to.
///
/// The calling thread is suspended meanwhile, and the child dies with it.
pub(crate) fn spawn(plan: &Plan) -> Result<Spawned, Fault> {
    let at = |step| move |error: io::Error| fault(step, &error);
    let (faults, fault_writer) = pipe().map_err(at(Step::Clone))?;
    // Above the places that the program's own descriptors will take.
    let fault_writer = rustix::io::fcntl_dupfd_cloexec(fault_writer, PARKED)
        .map_err(|error| fault(Step::Clone, &error.into()))?;
    let (ready, ready_writer) = pipe().map_err(at(Step::Clone))?;
    let (go, go_writer) = pipe().map_err(at(Step::Clone))?;
    let exec = ExecPointers::new(plan);
    let pid = AtomicI32::new(0);
    let mut stack = vec![MaybeUninit::<u128>::uninit(); STACK / size_of::<u128>()];
    let mut context = Context {
        plan,
        argv: exec.argv.as_ptr(),
        env: exec.env.as_ptr(),
        faults: fault_writer.as_raw_fd(),
        ready: ready_writer.as_raw_fd(),
        go: go.as_raw_fd(),
        go_writer: go_writer.as_raw_fd(),
        born_there: false,
    };
    let cloned = thread::scope(|scope| {
        // Only a process outside the new user namespace may map more than one identity, and this
        // thread sleeps until the child executes.
        let mapper =
            plan.identity.as_ref().filter(|identity| identity.privileged).map(|identity| {
                let pid = &pid;
                scope.spawn(move || write_maps(identity, ready, pid, go_writer))
            });
        let cloned = clone_child(plan, &mut stack, &mut context, &pid);
        drop(ready_writer);
        let mapped = mapper.map(|mapper| mapper.join().unwrap_or_else(|_| Err(dead_mapper())));
        cloned.map_err(at(Step::Clone))?;
        match mapped {
            Some(Err(error)) => Err(fault(Step::Map, &error)),
            _ => Ok(()),
        }
    });
    drop(fault_writer);
    let pid = pid.load(Ordering::Acquire);
    let reported = read_fault(faults);
    if let Err(fault) = cloned {
        if pid > 0 {
            kill_and_reap(pid);
        }
        return Err(fault);
    }
    if let Some(fault) = reported {
        reap(pid);
        return Err(fault);
    }
    match open_pidfd(pid) {
        Ok(pidfd) => Ok(Spawned { pid, pidfd }),
        Err(error) => {
            kill_and_reap(pid);
            Err(fault(Step::Clone, &error))
        }
    }
}

/// The null-terminated arrays `execve` wants; they borrow from the plan.
struct ExecPointers {
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
}

impl ExecPointers {
    fn new(plan: &Plan) -> Self {
        use super::plan::Exec;
        let (argv, env) = match &plan.exec {
            Exec::Nothing | Exec::Probe(_) => (&[][..], &[][..]),
            Exec::Path { argv, env, .. } | Exec::Open { argv, env, .. } => (&argv[..], &env[..]),
        };
        let pointers = |strings: &[std::ffi::CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
        };
        Self { argv: pointers(argv), env: pointers(env) }
    }
}

fn clone_child(
    plan: &Plan,
    stack: &mut [MaybeUninit<u128>],
    context: &mut Context<'_>,
    pid: &AtomicI32,
) -> io::Result<()> {
    let dumpable = set_dumpable(None);
    // SAFETY: the sets are written before they are read. Signals are blocked while the child
    // borrows this address space, so no handler of this program runs in it.
    let result = unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let result = clone_somewhere(plan, stack, context, pid);
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        result
    };
    // A child that takes another identity makes the shared address space undumpable.
    if let Some(dumpable) = dumpable {
        set_dumpable(Some(dumpable));
    }
    result
}

/// In its control group if the kernel knows how, else outside, to move there by itself.
fn clone_somewhere(
    plan: &Plan,
    stack: &mut [MaybeUninit<u128>],
    context: &mut Context<'_>,
    pid: &AtomicI32,
) -> io::Result<()> {
    let like_vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    let flags = like_vfork | plan.namespaces;
    // SAFETY of both calls: `stack` and `context` outlive the child's use of them, because
    // `CLONE_VFORK` suspends this thread until the child executes or exits. The child runs `enter`,
    // which keeps to system calls and never returns. The stack grows down from the end of an array
    // aligned to 16 bytes. `pid` is written by the kernel before the child runs.
    if let Some(group) = plan.birthplace {
        context.born_there = true;
        // SAFETY: as above.
        if unsafe { clone_into(group, flags, stack, ptr::from_mut(context).cast(), pid) }.is_ok() {
            return Ok(());
        }
        context.born_there = false;
    }
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: as above.
    let result =
        unsafe { libc::clone(enter, top, flags, ptr::from_mut(context).cast(), pid.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn write_maps(identity: &Identity, ready: File, pid: &AtomicI32, mut go: File) -> io::Result<()> {
    let mut byte = [0];
    let mut ready = ready;
    if ready.read(&mut byte)? == 0 {
        return Ok(());
    }
    let pid = pid.load(Ordering::Acquire);
    let write = |name: &str, map: &str| {
        File::options().write(true).open(format!("/proc/{pid}/{name}"))?.write_all(map.as_bytes())
    };
    write("uid_map", &identity.user_map)?;
    write("gid_map", &identity.group_map)?;
    go.write_all(b"g")
}

fn dead_mapper() -> io::Error {
    io::Error::other("the thread that maps identities ended early")
}

fn read_fault(mut faults: File) -> Option<Fault> {
    let mut bytes = [0; 9];
    faults.read_exact(&mut bytes).ok()?;
    let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    Some(Fault {
        step: Step::from_byte(bytes[0])?,
        item: u32::from_ne_bytes(word(1)),
        errno: i32::from_ne_bytes(word(5)),
    })
}

fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: a system call without pointers; its result is a new descriptor that nobody owns yet.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd as i32)) }
    }
}

fn kill_and_reap(pid: i32) {
    // SAFETY: a system call without pointers, on a child that was not reaped.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    reap(pid);
}

fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}

fn fault(step: Step, error: &io::Error) -> Fault {
    Fault { step, item: 0, errno: error.raw_os_error().unwrap_or(libc::EIO) }
}
