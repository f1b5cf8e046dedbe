//! What a child does in the borrowed address space of its parent.
//!
//! Contract: only system calls, on data that the plan holds. Nothing here allocates, locks, or
//! unwinds; there is no slice indexing with a computed index, and no arithmetic that could
//! overflow.

use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use libc::{c_char, c_int, c_long, c_void};
use seccompiler::sock_filter;

use super::plan::{
    Bind, Entry, EntryKind, Exec, Fault, Identity, Landlock, Plan, Probe, Root, Step,
};

/// What the parent hands over on its stack.
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    pub(super) argv: *const *const c_char,
    pub(super) env: *const *const c_char,
    pub(super) faults: RawFd,
    pub(super) ready: RawFd,
    pub(super) go: RawFd,
    pub(super) go_writer: RawFd,
    /// Whether the child is in its control group from birth.
    pub(super) born_there: bool,
}

const MAX_BINDS: usize = 32;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const ATTR_RDONLY_NOSUID_NODEV: u64 = 1 | 2 | 4;
const AT_RECURSIVE: c_int = 0x8000;
const CLOSE_RANGE_CLOEXEC: c_int = 4;
/// Descriptors are moved up here before they take their final places.
pub(super) const PARKED: RawFd = 64;

type Result<T = ()> = std::result::Result<T, Fault>;

/// Entry point of the child: runs the plan, or reports where it stopped and exits with 125.
pub(super) extern "C" fn enter(context: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a live `Context` and sleeps while it is used.
    let context = unsafe { &*context.cast::<Context<'_>>() };
    match run(context) {
        Ok(()) => exit(0),
        Err(fault) => {
            let [a, b, c, d] = fault.item.to_ne_bytes();
            let [e, f, g, h] = fault.errno.to_ne_bytes();
            let bytes = [fault.step as u8, a, b, c, d, e, f, g, h];
            // SAFETY: the pointer and the length are those of a live array.
            unsafe { libc::write(context.faults, bytes.as_ptr().cast(), bytes.len()) };
            exit(125)
        }
    }
}

fn run(context: &Context<'_>) -> Result {
    let plan = context.plan;
    session()?;
    if let Some(identity) = &plan.identity {
        map(identity, context)?;
    }
    if !context.born_there {
        for (item, file) in (0..).zip(&plan.cgroups) {
            // "0" stands for the process that writes it.
            write_all(*file, b"0").map_err(at(Step::Cgroup, item))?;
        }
    }
    match &plan.root {
        Some(root) => build_root(root)?,
        None => {
            // SAFETY: the string ends in zero.
            let entered = unsafe { libc::chdir(c"/".as_ptr()) };
            check(entered.into()).map_err(at(Step::Session, 3))?;
        }
    }
    // Before the limits, which may not leave room to move descriptors about.
    let program = descriptors(context)?;
    switch(plan)?;
    for (item, (resource, limit)) in (0..).zip(&plan.rlimits) {
        let limit = libc::rlimit64 { rlim_cur: *limit, rlim_max: *limit };
        let none = ptr::null_mut::<libc::rlimit64>();
        // SAFETY: the pointer is to a live `rlimit64`; 0 is this process.
        let result =
            unsafe { libc::syscall(libc::SYS_prlimit64, 0, *resource, &raw const limit, none) };
        check(result).map_err(at(Step::Limit, item))?;
    }
    drop_capabilities(plan.keep_caps)?;
    // SAFETY: no pointers in either call. The parent's death is set after the change of identity,
    // which clears it.
    unsafe {
        let death = libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        check(death.into()).map_err(at(Step::Session, 1))?;
        let result = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        check(result.into()).map_err(at(Step::NoNewPrivs, 0))?;
    }
    if let Some(landlock) = &plan.landlock {
        restrict(landlock)?;
    }
    if let Some(instructions) = &plan.seccomp {
        filter(instructions)?;
    }
    execute(context, program)
}

fn session() -> Result {
    // SAFETY: no pointers except to live, initialised values. Handlers of the parent don't survive
    // `execve`, but ignored signals do, and so does the mask.
    unsafe {
        check(libc::setsid().into()).map_err(at(Step::Session, 0))?;
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        let result = libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        check(result.into()).map_err(at(Step::Session, 2))?;
    }
    Ok(())
}

fn map(identity: &Identity, context: &Context<'_>) -> Result {
    if identity.privileged {
        // SAFETY: pointers and lengths are those of live arrays.
        unsafe { libc::close(context.go_writer) };
        write_all(context.ready, b"r").map_err(at(Step::Map, 0))?;
        let mut byte = [0_u8];
        // SAFETY: as above.
        let read = unsafe { libc::read(context.go, byte.as_mut_ptr().cast(), 1) };
        return if read == 1 { Ok(()) } else { Err(fault(Step::Map, 1)) };
    }
    // Without a privilege the kernel wants `setgroups` given up before a group is mapped.
    write_file(c"/proc/self/setgroups", b"deny").map_err(at(Step::Map, 2))?;
    write_file(c"/proc/self/uid_map", identity.user_map.as_bytes()).map_err(at(Step::Map, 3))?;
    write_file(c"/proc/self/gid_map", identity.group_map.as_bytes()).map_err(at(Step::Map, 4))
}

fn build_root(root: &Root) -> Result {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    mount(c"none", c"/", None, private, None).map_err(at(Step::Private, 0))?;
    // Sources are opened first: the staging folder may hide them.
    let mut sources = [-1; MAX_BINDS];
    for (item, (slot, bind)) in
        (0..).zip(sources.iter_mut().zip(root.binds.iter().chain(&root.devices)))
    {
        *slot = open(&bind.source, libc::O_PATH | libc::O_CLOEXEC).map_err(at(Step::Open, item))?;
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    mount(c"refire", &root.staging, Some(c"tmpfs"), flags, Some(c"size=1m,nr_inodes=256,mode=755"))
        .map_err(at(Step::Mount, 0))?;
    // SAFETY: the pointer is to a string that ends in zero.
    let entered = unsafe { libc::chdir(root.staging.as_ptr()) };
    check(entered.into()).map_err(at(Step::Mount, 1))?;
    for (item, entry) in (0..).zip(&root.entries) {
        make(entry).map_err(at(Step::Entry, item))?;
    }
    for (item, (bind, source)) in (0..).zip(root.binds.iter().zip(&sources)) {
        bind_mount(bind, *source).map_err(at(Step::Bind, item))?;
    }
    read_only().map_err(at(Step::ReadOnly, 0))?;
    let device_sources = sources.iter().skip(root.binds.len());
    for (item, (bind, source)) in (0..).zip(root.devices.iter().zip(device_sources)) {
        bind_mount(bind, *source).map_err(at(Step::Device, item))?;
    }
    mount_proc();
    if !root.scratch.is_empty() {
        mount(c"refire", c"tmp", Some(c"tmpfs"), flags, Some(&root.scratch))
            .map_err(at(Step::Scratch, 0))?;
    }
    pivot(root)
}

/// A `/proc` of the child's own process namespace, with nothing but processes in it where the
/// kernel knows how. Containers that hide parts of their own `/proc` don't allow it; then there is
/// none.
fn mount_proc() {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    for options in [Some(c"subset=pid"), None] {
        if mount(c"proc", c"proc", Some(c"proc"), flags, options).is_ok() {
            return;
        }
    }
}

fn make(entry: &Entry) -> io::Result<()> {
    // SAFETY: every pointer is to a string that ends in zero.
    let result = unsafe {
        match &entry.kind {
            EntryKind::Folder => libc::mkdir(entry.path.as_ptr(), 0o755),
            EntryKind::Link(to) => libc::symlink(to.as_ptr(), entry.path.as_ptr()),
            EntryKind::File(contents) => return write_new(&entry.path, contents),
        }
    };
    check(result.into()).map(drop)
}

fn write_new(path: &CStr, contents: &[u8]) -> io::Result<()> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC;
    let file = open(path, flags)?;
    let result = write_all(file, contents);
    // SAFETY: the descriptor is ours.
    unsafe { libc::close(file) };
    result
}

fn bind_mount(bind: &Bind, source: RawFd) -> io::Result<()> {
    let mut path = [0_u8; 32];
    let source = descriptor_path(source, &mut path);
    mount(source, &bind.target, None, libc::MS_BIND | libc::MS_REC, None)
}

/// `/proc/self/fd/N`, written without allocating.
fn descriptor_path(fd: RawFd, buffer: &mut [u8; 32]) -> &CStr {
    const PREFIX: &[u8] = b"/proc/self/fd/";
    let mut digits = [0_u8; 10];
    let mut count = 0_usize;
    let mut rest = fd.unsigned_abs();
    for digit in &mut digits {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
        count = count.wrapping_add(1);
        if rest == 0 {
            break;
        }
    }
    let number = digits.iter().take(count).rev();
    for (to, from) in buffer.iter_mut().zip(PREFIX.iter().chain(number)) {
        *to = *from;
    }
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"")
}

fn read_only() -> io::Result<()> {
    let attributes = [ATTR_RDONLY_NOSUID_NODEV, 0, 0, 0];
    // SAFETY: the attributes are a live `struct mount_attr`, four words, and the size is theirs.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            c".".as_ptr(),
            AT_RECURSIVE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    check(result).map(drop)
}

/// Makes the current folder the root, and drops the old one out of sight.
fn pivot(root: &Root) -> Result {
    let dot = c".".as_ptr();
    let home = if root.scratch.is_empty() { c"/" } else { c"/tmp" };
    // SAFETY: every pointer is to a string that ends in zero.
    unsafe {
        check(libc::syscall(libc::SYS_pivot_root, dot, dot)).map_err(at(Step::Pivot, 0))?;
        check(libc::umount2(dot, libc::MNT_DETACH).into()).map_err(at(Step::Pivot, 1))?;
        check(libc::chdir(c"/".as_ptr()).into()).map_err(at(Step::Pivot, 2))?;
        check(libc::chdir(home.as_ptr()).into()).map_err(at(Step::Pivot, 3))?;
    }
    Ok(())
}

/// Takes the identity inside. The raw calls change this process only; the functions of libc would
/// change every thread of the parent.
fn switch(plan: &Plan) -> Result {
    let Some(identity) = plan.identity.as_ref().filter(|identity| identity.privileged) else {
        return Ok(());
    };
    let id = c_long::from(identity.inside);
    // SAFETY: no pointers; a list of no groups may be null.
    unsafe {
        let groups = libc::syscall(libc::SYS_setgroups, 0, ptr::null::<u32>());
        check(groups).map_err(at(Step::Switch, 0))?;
        check(libc::syscall(libc::SYS_setresgid, id, id, id)).map_err(at(Step::Switch, 1))?;
        let keep = libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0);
        check(keep.into()).map_err(at(Step::Switch, 2))?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id)).map_err(at(Step::Switch, 3))?;
    }
    Ok(())
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// Low and high half of effective, permitted and inheritable capabilities.
#[repr(C)]
#[derive(Default)]
struct CapabilitySets([[u32; 3]; 2]);

impl CapabilitySets {
    fn of(keep: u64) -> Self {
        let (low, high) = (keep as u32, (keep >> 32) as u32);
        Self([[low; 3], [high; 3]])
    }
}

/// Keeps `keep` and gives up every other capability, for good: also out of the bounding set, so
/// that no program can bring one back.
fn drop_capabilities(keep: u64) -> Result {
    let mut sets = CapabilitySets::default();
    // SAFETY: header and sets are live and of the layout that version 3 asks for.
    unsafe {
        let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
        let got = libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets);
        check(got).map_err(at(Step::Capabilities, 0))?;
    }
    let permitted = sets.0.iter().any(|half| half.iter().any(|set| *set != 0));
    if permitted {
        for [effective, permitted, _] in &mut sets.0 {
            *effective = *permitted;
        }
        set_capabilities(&sets).map_err(at(Step::Capabilities, 1))?;
        for capability in 0..64_u32 {
            if keep & (1 << capability) == 0 && !drop_bounding(capability) {
                break;
            }
        }
    }
    set_capabilities(&CapabilitySets::of(keep)).map_err(at(Step::Capabilities, 2))?;
    for capability in 0..64_u32 {
        if keep & (1 << capability) != 0 {
            let raise = libc::PR_CAP_AMBIENT_RAISE;
            // SAFETY: no pointers.
            let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, 0, 0) };
            check(raised.into()).map_err(at(Step::Capabilities, 3))?;
        }
    }
    Ok(())
}

/// `false` beyond the last capability of this kernel.
fn drop_bounding(capability: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 }
}

fn set_capabilities(sets: &CapabilitySets) -> io::Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: as in `drop_capabilities`.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, ptr::from_ref(sets)) };
    check(result).map(drop)
}

#[repr(C, packed)]
struct PathBeneath {
    access: u64,
    parent: c_int,
}

fn restrict(landlock: &Landlock) -> Result {
    const PATH_BENEATH: c_int = 1;
    // SAFETY: the attribute is a live array of at least `size` bytes; strings end in zero; rules
    // are live and have the packed layout the kernel asks for.
    unsafe {
        let attribute = landlock.handled.as_ptr();
        let ruleset = libc::syscall(libc::SYS_landlock_create_ruleset, attribute, landlock.size, 0);
        let ruleset = check(ruleset).map_err(at(Step::Landlock, 0))?;
        for (item, rule) in (1..).zip(&landlock.rules) {
            let parent = open(&rule.path, libc::O_PATH | libc::O_CLOEXEC);
            let parent = parent.map_err(at(Step::Landlock, item))?;
            let beneath = PathBeneath { access: rule.access, parent };
            let added = libc::syscall(
                libc::SYS_landlock_add_rule,
                ruleset,
                PATH_BENEATH,
                &raw const beneath,
                0,
            );
            check(added).map_err(at(Step::Landlock, item))?;
            libc::close(parent);
        }
        let restricted = libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0);
        check(restricted).map_err(at(Step::Landlock, 100))?;
        libc::syscall(libc::SYS_close, ruleset);
    }
    Ok(())
}

/// Puts descriptor `i` of the plan at `i`, marks all others to be closed by `execve`, and returns
/// where the program to run is, if it is a descriptor.
fn descriptors(context: &Context<'_>) -> Result<RawFd> {
    let plan = context.plan;
    let mut program = -1;
    // SAFETY: no pointers; the descriptors are this process's own copies.
    unsafe {
        if let Exec::Open { program: from, .. } = plan.exec {
            program = libc::fcntl(from, libc::F_DUPFD_CLOEXEC, PARKED);
            check(program.into()).map_err(at(Step::Descriptors, 0))?;
        }
        let mut parked = [-1; MAX_BINDS];
        for (item, (slot, from)) in (1..).zip(parked.iter_mut().zip(&plan.fds)) {
            *slot = libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, PARKED);
            check((*slot).into()).map_err(at(Step::Descriptors, item))?;
        }
        let count = plan.fds.len() as c_int;
        for (to, from) in (0..count).zip(parked) {
            check(libc::dup2(from, to).into()).map_err(at(Step::Descriptors, 100))?;
        }
        let all = c_int::MAX;
        let closed = libc::syscall(libc::SYS_close_range, count, all, CLOSE_RANGE_CLOEXEC);
        check(closed).map_err(at(Step::Descriptors, 101))?;
    }
    Ok(program)
}

fn filter(instructions: &[sock_filter]) -> Result {
    let program = libc::sock_fprog {
        len: instructions.len() as u16,
        filter: instructions.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program is live, and its instructions have the kernel's layout.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, 0, 0) };
    check(result.into()).map_err(at(Step::Seccomp, 0)).map(drop)
}

fn execute(context: &Context<'_>, program: RawFd) -> Result {
    // SAFETY: the arrays end in null, and their strings in zero.
    unsafe {
        match &context.plan.exec {
            Exec::Nothing => return Ok(()),
            Exec::Probe(probe) => return try_deed(*probe),
            Exec::Path { path, .. } => libc::execve(path.as_ptr(), context.argv, context.env),
            Exec::Open { .. } => {
                let empty = c"".as_ptr();
                let (argv, env) = (context.argv, context.env);
                libc::syscall(libc::SYS_execveat, program, empty, argv, env, libc::AT_EMPTY_PATH)
                    as c_int
            }
        };
    }
    Err(fault(Step::Exec, 0))
}

/// Succeeds when the deed fails.
fn try_deed(probe: Probe) -> Result {
    let done = Fault { step: Step::Probe, item: 0, errno: 0 };
    // SAFETY: the child of `clone` shares this address space and exits at once, on a stack of its
    // own that lives until `CLONE_VFORK` lets this one go on; strings end in zero.
    unsafe {
        match probe {
            Probe::Fork(limit) => {
                extern "C" fn leave(_: *mut c_void) -> c_int {
                    exit(0)
                }
                let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
                for _ in 0..limit {
                    let mut stack = [0_u128; 512];
                    let top = stack.as_mut_ptr_range().end.cast();
                    if libc::clone(leave, top, flags, ptr::null_mut()) < 0 {
                        return Ok(());
                    }
                }
                Err(done)
            }
            Probe::Socket => {
                let opened = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
                if opened < 0 { Ok(()) } else { Err(done) }
            }
            Probe::Write => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
                if open(c"/refire-probe", flags).is_err() { Ok(()) } else { Err(done) }
            }
        }
    }
}

fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> io::Result<()> {
    let kind = kind.map_or(ptr::null(), CStr::as_ptr);
    let options = options.map_or(ptr::null(), CStr::as_ptr).cast();
    // SAFETY: every pointer is null or to a string that ends in zero.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, options) };
    check(result.into()).map(drop)
}

fn open(path: &CStr, flags: c_int) -> io::Result<RawFd> {
    // SAFETY: the string ends in zero.
    let fd = unsafe { libc::open(path.as_ptr(), flags, 0o644) };
    check(fd.into()).map(|_| fd)
}

fn write_file(path: &CStr, contents: &[u8]) -> io::Result<()> {
    let file = open(path, libc::O_WRONLY | libc::O_CLOEXEC)?;
    let result = write_all(file, contents);
    // SAFETY: the descriptor is ours.
    unsafe { libc::close(file) };
    result
}

fn write_all(file: RawFd, mut contents: &[u8]) -> io::Result<()> {
    while !contents.is_empty() {
        // SAFETY: pointer and length are those of a live slice.
        let written = unsafe { libc::write(file, contents.as_ptr().cast(), contents.len()) };
        let written = check(written as c_long)?;
        contents = contents.get(written as usize..).unwrap_or_default();
    }
    Ok(())
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn at(step: Step, item: u32) -> impl FnOnce(io::Error) -> Fault {
    move |error| Fault { step, item, errno: error.raw_os_error().unwrap_or(0) }
}

fn fault(step: Step, item: u32) -> Fault {
    at(step, item)(io::Error::last_os_error())
}

fn exit(code: c_int) -> ! {
    // SAFETY: leaves at once; exit handlers belong to the parent.
    unsafe { libc::_exit(code) }
}
