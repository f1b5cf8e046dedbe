use std::ffi::CString;
use std::os::fd::RawFd;

use seccompiler::sock_filter;

/// Everything a child does between its birth and its program, prepared while allocation is still
/// allowed. Absent parts are skipped, never replaced by something weaker.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// `CLONE_NEW*` flags.
    pub(crate) namespaces: i32,
    /// Who the child is in its user namespace.
    pub(crate) identity: Option<Identity>,
    /// The file system it sees.
    pub(crate) root: Option<Root>,
    /// Folder of the control group it is born in, where that can be.
    pub(crate) birthplace: Option<RawFd>,
    /// Otherwise, lists of control groups that it writes itself into.
    pub(crate) cgroups: Vec<RawFd>,
    /// `(resource, soft and hard limit)`.
    pub(crate) rlimits: Vec<(u32, u64)>,
    /// Capabilities it keeps through `execve`, all others are dropped; a zygote needs some.
    pub(crate) keep_caps: u64,
    pub(crate) landlock: Option<Landlock>,
    /// The system call filter.
    pub(crate) seccomp: Option<Vec<sock_filter>>,
    /// Descriptor `i` of the program; everything else is closed.
    pub(crate) fds: Vec<RawFd>,
    pub(crate) exec: Exec,
}

/// A user namespace's map of identities, and the one to take.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Contents of `uid_map`.
    pub(crate) user_map: String,
    /// Contents of `gid_map`.
    pub(crate) group_map: String,
    /// Whether the parent must write the maps: it maps an identity besides the caller's own.
    pub(crate) privileged: bool,
    /// The user and group inside.
    pub(crate) inside: u32,
}

/// A new root file system, built on a temporary one and made read-only.
#[derive(Debug)]
pub(crate) struct Root {
    /// An existing folder that the new root is mounted on, in the child's own mount namespace.
    pub(crate) staging: CString,
    /// Folders, files and links, in order, relative to the new root.
    pub(crate) entries: Vec<Entry>,
    /// Read-only trees and files.
    pub(crate) binds: Vec<Bind>,
    /// Device nodes, bound after the rest became read-only.
    pub(crate) devices: Vec<Bind>,
    /// Mount options of the scratch folder `/tmp`, which bound its size; empty for none.
    pub(crate) scratch: CString,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: CString,
    pub(crate) kind: EntryKind,
}

#[derive(Debug)]
pub(crate) enum EntryKind {
    Folder,
    File(Vec<u8>),
    Link(CString),
}

#[derive(Debug)]
pub(crate) struct Bind {
    pub(crate) source: CString,
    pub(crate) target: CString,
}

/// A Landlock ruleset; masks hold only what the kernel's version knows.
#[derive(Clone, Debug)]
pub(crate) struct Landlock {
    /// `handled_access_fs`, `handled_access_net`, `scoped`.
    pub(crate) handled: [u64; 3],
    /// Bytes of the three that this kernel knows.
    pub(crate) size: usize,
    pub(crate) rules: Vec<LandlockRule>,
}

#[derive(Clone, Debug)]
pub(crate) struct LandlockRule {
    pub(crate) path: CString,
    pub(crate) access: u64,
}

/// What to run at the end.
#[derive(Debug, Default)]
pub(crate) enum Exec {
    /// Nothing: the child checks what it can and exits with 0.
    #[default]
    Nothing,
    /// Checks a layer by doing what it should prevent.
    Probe(Probe),
    /// A program inside the new root.
    Path { path: CString, argv: Vec<CString>, env: Vec<CString> },
    /// A program held open as descriptor `program` of [`Plan::fds`].
    Open { program: RawFd, argv: Vec<CString>, env: Vec<CString> },
}

/// A deed that must fail in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Starting more processes than `RLIMIT_NPROC` or the cgroup allows.
    Fork(u32),
    /// Opening a network socket.
    Socket,
    /// Creating a file outside the scratch folder.
    Write,
}

/// Where a child stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    /// Index within the step, of a mount or a limit.
    pub(crate) item: u32,
    /// `errno`, 0 when a probe succeeded that should have failed.
    pub(crate) errno: i32,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a child was doing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Step { $($(#[$doc])* $name,)* }

        impl Step {
            pub(super) fn from_byte(byte: u8) -> Option<Self> {
                [$(Self::$name),*].into_iter().find(|step| *step as u8 == byte)
            }
        }
    };
}

steps! {
    /// Creating the process with its namespaces.
    Clone,
    /// Its own session, and death with its parent.
    Session,
    /// Mapping identities in the user namespace.
    Map,
    /// Joining its control groups.
    Cgroup,
    /// Making mounts private.
    Private,
    /// Opening what will be bound.
    Open,
    /// Mounting the new root.
    Mount,
    /// A folder, file or link of the new root.
    Entry,
    /// Binding a tree.
    Bind,
    /// Making the root read-only.
    ReadOnly,
    /// Binding a device.
    Device,
    /// Mounting the scratch folder.
    Scratch,
    /// Changing to the new root.
    Pivot,
    /// Taking another identity.
    Switch,
    /// A resource limit.
    Limit,
    /// Dropping capabilities.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Landlock.
    Landlock,
    /// The system call filter.
    Seccomp,
    /// Placing descriptors.
    Descriptors,
    /// A probe did what it should not be able to do.
    Probe,
    /// Running the program.
    Exec,
}
