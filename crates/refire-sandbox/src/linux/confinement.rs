//! Plans for processes, from the layers that are in force.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use seccompiler::sock_filter;
use serde::Serialize;

use super::probe::describe;
use super::raw::{Exec, Fault, Landlock, Plan, Spawned, spawn};
use super::rootfs::{RootSpec, scratch_options};
use super::seccomp::{Filters, filters};
use super::{identity, landlock};
use crate::python::Python;
use crate::{Layer, Limits};

const CAP_SETPCAP: u64 = 8;
const CAP_SYS_ADMIN: u64 = 21;
/// What a zygote keeps, inside its own user namespace: namespaces, mounts, and giving both up.
const ZYGOTE_CAPS: u64 = 1 << CAP_SETPCAP | 1 << CAP_SYS_ADMIN;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A submission in an interpreter: every layer, and every limit.
    Candidate,
    /// A compiled submission: with more room on the stack.
    Program,
    /// A warm interpreter, whose children confine themselves before they run a submission.
    Zygote,
    /// The judge's interpreter: every layer, but limits are set by its children.
    Judge,
    /// A compiler: as a submission, with more time and memory.
    Compiler,
}

/// How processes of one sandbox are confined.
#[derive(Debug)]
pub(crate) struct Confinement {
    pub(super) active: Vec<Layer>,
    pub(super) limits: Limits,
    root: RootSpec,
    landlock: Option<Landlock>,
    seccomp: Option<Filters>,
    env: Vec<CString>,
    /// Namespaces of every program.
    isolated: i32,
}

impl Confinement {
    pub(crate) fn new(active: Vec<Layer>, limits: Limits, python: Option<&Python>) -> Self {
        let has = |layer| active.contains(&layer);
        let trees = python.map(|python| python.trees.clone()).unwrap_or_default();
        let root = RootSpec::new(trees);
        let landlock = if has(Layer::MountNamespace) {
            landlock::ruleset(&[c"/".to_owned()], &[c"/tmp"])
        } else {
            landlock::ruleset(&root.host_paths(), &[])
        };
        let seccomp = filters().filter(|_| has(Layer::Seccomp));
        Self {
            landlock: landlock.filter(|_| has(Layer::Landlock)),
            seccomp,
            env: environment(),
            isolated: isolated(),
            active,
            limits,
            root,
        }
    }

    pub(super) fn has(&self, layer: Layer) -> bool {
        self.active.contains(&layer)
    }

    /// A process without a program: for probes.
    ///
    /// # Errors
    /// When a layer that is in force can't be planned: without it there is no process at all.
    pub(super) fn plan(
        &self,
        worker: usize,
        role: Role,
        files: &[(String, Vec<u8>)],
    ) -> io::Result<Plan> {
        let mut namespaces = 0;
        for (layer, flags) in [
            (Layer::UserNamespace, libc::CLONE_NEWUSER),
            (Layer::PidNamespace, libc::CLONE_NEWPID),
            (Layer::NetNamespace, self.isolated),
            (Layer::MountNamespace, libc::CLONE_NEWNS),
        ] {
            if self.has(layer) {
                namespaces |= flags;
            }
        }
        let zygote = role == Role::Zygote;
        let root = if self.has(Layer::MountNamespace) {
            let spec = RootSpec { files: files.to_owned(), ..self.root.clone() };
            Some(spec.build(&self.limits)?)
        } else {
            None
        };
        for (layer, planned) in
            [(Layer::Landlock, self.landlock.is_some()), (Layer::Seccomp, self.seccomp.is_some())]
        {
            if self.has(layer) && !planned {
                return Err(io::Error::other(format!("layer `{layer}` has no rules here")));
            }
        }
        Ok(Plan {
            namespaces,
            identity: self.has(Layer::UserNamespace).then(|| identity::identity(worker)),
            root,
            birthplace: None,
            cgroups: Vec::new(),
            rlimits: self.rlimits(role),
            keep_caps: if zygote { ZYGOTE_CAPS } else { 0 },
            landlock: self.landlock.clone().filter(|_| !zygote),
            seccomp: self.filter(role),
            fds: Vec::new(),
            exec: Exec::Nothing,
        })
    }

    fn filter(&self, role: Role) -> Option<Vec<sock_filter>> {
        let filters = self.seccomp.as_ref()?;
        let filter = match role {
            Role::Zygote => &filters.common,
            Role::Judge => &filters.judging,
            _ => &filters.whole,
        };
        Some(filter.clone())
    }

    /// Resource limits of a role. A zygote's own processor time grows with every child it makes, so
    /// its children set theirs.
    pub(super) fn rlimits(&self, role: Role) -> Vec<(u32, u64)> {
        let limits = &self.limits;
        let mut set = vec![
            (libc::RLIMIT_CORE, 0),
            (libc::RLIMIT_MSGQUEUE, 0),
            (libc::RLIMIT_RTPRIO, 0),
            (libc::RLIMIT_MEMLOCK, 64 << 10),
            // Counted per user too, like timers.
            (libc::RLIMIT_SIGPENDING, 1024),
            (libc::RLIMIT_NOFILE, u64::from(limits.descriptors)),
        ];
        let (cpu, memory) = match role {
            Role::Compiler => (limits.compile_seconds, limits.memory_bytes.max(4 << 30)),
            _ => (limits.cpu_seconds, limits.memory_bytes),
        };
        if matches!(role, Role::Candidate | Role::Program | Role::Compiler) {
            // A thread of an interpreter takes as much address space as its stack may have.
            let stack = if role == Role::Candidate { 8 << 20 } else { 64 << 20 };

            // Only for what the watcher misses: the kernel counts whole seconds and the zygote's too,
            // and by its ticks, which on a busy machine run ahead of the time that was really used.
            set.push((libc::RLIMIT_CPU, kernel_cpu_limit(cpu)));
            set.push((libc::RLIMIT_AS, memory));
            set.push((libc::RLIMIT_FSIZE, limits.disk_bytes));
            set.push((libc::RLIMIT_STACK, stack));
            set.push((libc::RLIMIT_NPROC, u64::from(limits.processes) + 1));
        }
        set
    }

    /// What a zygote's children put on by themselves, as their interpreter reads it.
    pub(super) fn settings(&self, role: Role) -> Vec<u8> {
        let landlock = self.landlock.as_ref().map(|landlock| SettingsLandlock {
            handled: landlock.handled,
            size: landlock.size,
            rules: landlock
                .rules
                .iter()
                .map(|rule| (rule.path.to_string_lossy().into_owned(), rule.access))
                .collect(),
        });
        let mut seccomp = String::new();
        for step in self.seccomp.iter().flat_map(|filters| &filters.confining) {
            let [a, b] = step.code.to_ne_bytes();
            let [c, d, e, f] = step.k.to_ne_bytes();
            for byte in [a, b, step.jt, step.jf, c, d, e, f] {
                seccomp += &format!("{byte:02x}");
            }
        }
        let settings = Settings {
            // The zygote's network and host name are empty and its own; a child inherits them without
            // the right to change them, and no two children live at a time. A network per child
            // would cost a third of all verdicts per second. What outlives a process (System V
            // IPC, files) is each child's own.
            clone_flags: i64::from(
                libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::SIGCHLD,
            ),
            rlimits: self.rlimits(role),
            scratch: scratch_options(&self.limits).to_string_lossy().into_owned(),
            capabilities: vec![CAP_SYS_ADMIN, CAP_SETPCAP],
            landlock,
            seccomp,
            judge_seconds: self.limits.cpu_seconds.ceil() as u64 + 1,
            judge_memory: self.limits.memory_bytes,
            syscalls: [
                ("clone", libc::SYS_clone),
                ("mount", libc::SYS_mount),
                ("prctl", libc::SYS_prctl),
                ("capset", libc::SYS_capset),
                ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
                ("landlock_add_rule", libc::SYS_landlock_add_rule),
                ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
            ]
            .into_iter()
            .collect(),
        };
        serde_json::to_vec(&settings).unwrap_or_default()
    }

    pub(super) fn env(&self) -> Vec<CString> {
        self.env.clone()
    }

    /// Starts a process by a plan, with descriptors from 0 on.
    pub(super) fn start(&self, mut plan: Plan, fds: &[BorrowedFd<'_>]) -> Result<Spawned, Fault> {
        plan.fds = fds.iter().map(AsRawFd::as_raw_fd).collect();
        spawn(&plan)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(describe(fault))
    }
}

/// Namespaces of the network and of what else is the host's own, its control groups' names included
/// where the kernel has any.
fn isolated() -> i32 {
    let groups = Path::new("/proc/self/ns/cgroup").exists();
    let groups = if groups { libc::CLONE_NEWCGROUP } else { 0 };
    libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | groups
}

/// Seconds of processor time at which the kernel kills a program that the watcher missed.
pub(super) fn kernel_cpu_limit(cpu_seconds: f64) -> u64 {
    (2.0 * cpu_seconds).ceil() as u64 + 2
}

/// The environment of every program: nothing of the host's.
fn environment() -> Vec<CString> {
    [
        c"PATH=/usr/local/bin:/usr/bin:/bin",
        c"HOME=/tmp",
        c"TMPDIR=/tmp",
        c"LANG=C.UTF-8",
        // Sets of strings have one order, on every machine and in every run.
        c"PYTHONHASHSEED=0",
        c"PYTHONUTF8=1",
        c"PYTHONDONTWRITEBYTECODE=1",
        c"PYTHONNOUSERSITE=1",
    ]
    .into_iter()
    .map(ToOwned::to_owned)
    .collect()
}

#[derive(Serialize)]
struct Settings {
    clone_flags: i64,
    rlimits: Vec<(u32, u64)>,
    scratch: String,
    capabilities: Vec<u64>,
    landlock: Option<SettingsLandlock>,
    seccomp: String,
    judge_seconds: u64,
    judge_memory: u64,
    syscalls: std::collections::BTreeMap<&'static str, i64>,
}

#[derive(Serialize)]
struct SettingsLandlock {
    handled: [u64; 3],
    size: usize,
    rules: Vec<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_place_for_a_root_there_is_no_process() {
        let layers = vec![Layer::UserNamespace, Layer::PidNamespace, Layer::MountNamespace];
        let mut confinement = Confinement::new(layers, Limits::default(), None);
        assert!(confinement.plan(0, Role::Candidate, &[]).unwrap().root.is_some());
        confinement.root.staging = &["/nowhere", "/nowhere/else"];
        let error = confinement.plan(0, Role::Candidate, &[]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/else"), "{error}");
    }

    #[test]
    fn without_rules_there_is_no_process() {
        for layer in [Layer::Landlock, Layer::Seccomp] {
            let mut confinement = Confinement::new(vec![layer], Limits::default(), None);
            (confinement.landlock, confinement.seccomp) = (None, None);
            let error = confinement.plan(0, Role::Candidate, &[]).unwrap_err().to_string();
            assert!(error.contains(layer.name()), "{error}");
        }
    }
}
