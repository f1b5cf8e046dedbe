//! `clone3` for a child that borrows its parent's memory, which libc has no function for: one that
//! is born in a control group of version 2 doesn't have to move there, and a move stops all forks of
//! the machine for milliseconds.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicI32;

/// Starts `enter` as `libc::clone` would, in the group whose folder is open as `group`.
///
/// # Errors
/// Also where the kernel, or a filter around this process, doesn't have the call.
///
/// # Safety
/// As for `libc::clone`, with `CLONE_VM` and `CLONE_VFORK` among the flags: stack and context
/// outlive the child's use of them, and `enter` doesn't return.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone_into(
    group: RawFd,
    flags: i32,
    stack: &mut [MaybeUninit<u128>],
    context: *mut c_void,
    pid: &AtomicI32,
) -> io::Result<()> {
    // libc's constant is too narrow for it.
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: all-zero bytes are valid arguments.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((flags & !libc::CSIGNAL) as u32) | INTO_CGROUP;
    arguments.exit_signal = u64::from((flags & libc::CSIGNAL) as u32);
    arguments.parent_tid = pid.as_ptr() as u64;
    arguments.stack = stack.as_mut_ptr() as u64;
    arguments.stack_size = size_of_val(stack) as u64;
    arguments.cgroup = group as u64;
    let result: i64;
    // SAFETY: the kernel reads live arguments of the size it is told. Only the child sees 0: it
    // starts at the end of its own stack, which is aligned to 16 bytes as calls want it, and never
    // leaves `enter`. The kernel changes no register of the parent but those named.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const arguments,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") context,
            in("r13") super::child::enter as extern "C" fn(*mut c_void) -> libc::c_int,
            out("rcx") _,
            out("r11") _,
        );
    }
    if result < 0 { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(()) }
}

/// Nobody wrote the call down for this processor.
///
/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn clone_into(
    _: RawFd,
    _: i32,
    _: &mut [MaybeUninit<u128>],
    _: *mut c_void,
    _: &AtomicI32,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir, remove_dir};
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use crate::linux::cgroup::fake::alone;
    use crate::linux::cgroup::own_folder;
    use crate::linux::raw::{Exec, Plan, reap, spawn};

    /// What `/proc/self/cgroup` tells a child born in a folder.
    fn groups_of_a_child(birthplace: &Path) -> String {
        let folder = File::open(birthplace).unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let (mut told, theirs) = std::io::pipe().unwrap();
        let line = c"while read group; do echo $group; done < /proc/self/cgroup";
        let argv = vec![c"sh".into(), c"-c".into(), line.into()];
        let plan = Plan {
            birthplace: Some(folder.as_raw_fd()),
            fds: vec![null.as_raw_fd(), theirs.as_raw_fd(), null.as_raw_fd()],
            exec: Exec::Path { path: c"/bin/sh".into(), argv, env: Vec::new() },
            ..Plan::default()
        };
        let child = spawn(&plan).unwrap();
        drop(theirs);
        let mut text = String::new();
        told.read_to_string(&mut text).unwrap();
        assert_eq!(reap(child.pid).status, Some(0));
        text
    }

    #[test]
    fn a_child_is_born_in_its_group() {
        let _turn = alone();
        let skip = |why: &str| println!("skipped: layer `cgroup`: {why}");
        let Ok(own) = own_folder("") else { return skip("no version 2 is mounted") };
        let name = format!("refire-born-{}", std::process::id());
        let group = own.join(&name);
        if create_dir(&group).is_err() {
            return skip("this process may not make a group");
        }
        let told = groups_of_a_child(&group);
        remove_dir(&group).unwrap();
        if cfg!(target_arch = "x86_64") {
            assert!(told.lines().any(|line| line.ends_with(&name)), "{told}");
        }
    }

    #[test]
    fn where_there_is_no_group_it_is_born_outside() {
        let _turn = alone();
        assert!(groups_of_a_child(Path::new("/tmp")).contains("::/"));
    }
}
