//! A control group per worker: memory and processes of everything it runs, together.

mod delegation;
#[cfg(test)]
pub(super) mod fake;
mod place;

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use delegation::{CONTROLLERS, delegated};
pub(super) use place::own_folder;

use super::raw::Plan;
use crate::Limits;

/// What a warm interpreter and its files may need besides the submission.
const ALLOWANCE: u64 = 128 << 20;

/// The folders of one group: one in version 2, one per controller in version 1.
#[derive(Debug)]
pub(super) struct Cgroup {
    folders: Vec<PathBuf>,
    /// The folders, locked for as long as this lives: what is not locked was left behind.
    locks: Vec<OwnedFd>,
    procs: Vec<OwnedFd>,
    /// The folder of version 2, where processes can be born.
    birthplace: Option<OwnedFd>,
    /// A file that counts processes killed for memory, and its line.
    kills: Option<(PathBuf, &'static str)>,
    before: AtomicU64,
}

impl Cgroup {
    /// Version 2 where its controllers are ours to use, else version 1.
    pub(super) fn create(worker: usize, limits: &Limits) -> io::Result<Self> {
        Self::unified(worker, limits).or_else(|two| {
            Self::legacy(worker, limits)
                .map_err(|one| io::Error::other(format!("version 2: {two}; version 1: {one}")))
        })
    }

    /// Version 2 or 1.
    pub(super) fn version(&self) -> u32 {
        if self.folders.len() == 1 { 2 } else { 1 }
    }

    fn unified(worker: usize, limits: &Limits) -> io::Result<Self> {
        let base = delegated(&own_folder("")?, &CONTROLLERS)?;
        let folder = base.join(name(worker));
        let mut group = Self::new();
        group.add(folder.clone())?;
        write(&folder, "memory.max", memory(limits))?;
        let _ = write(&folder, "memory.swap.max", 0);
        let _ = write(&folder, "memory.oom.group", 0);
        write(&folder, "pids.max", processes(limits))?;
        group.birthplace = Some(fs::File::open(&folder)?.into());
        group.kills = Some((folder.join("memory.events"), "oom_kill "));
        group.open()
    }

    fn legacy(worker: usize, limits: &Limits) -> io::Result<Self> {
        let mut group = Self::new();
        for controller in ["memory", "pids"] {
            group.add(own_folder(controller)?.join(name(worker)))?;
        }
        if let [memory_folder, pids_folder] = &group.folders[..] {
            write(memory_folder, "memory.limit_in_bytes", memory(limits))?;
            let _ = write(memory_folder, "memory.memsw.limit_in_bytes", memory(limits));
            write(pids_folder, "pids.max", processes(limits))?;
            group.kills = Some((memory_folder.join("memory.oom_control"), "oom_kill "));
        }
        group.open()
    }

    fn new() -> Self {
        let (folders, locks, procs) = Default::default();
        Self { folders, locks, procs, birthplace: None, kills: None, before: 0.into() }
    }

    fn add(&mut self, folder: PathBuf) -> io::Result<()> {
        if let Some(parent) = folder.parent() {
            sweep(parent);
        }
        fs::create_dir(&folder).map_err(|error| of(&folder, &error))?;
        self.locks.extend(lock(&folder));
        self.folders.push(folder);
        Ok(())
    }

    fn open(mut self) -> io::Result<Self> {
        // A thread that moves itself doesn't wait for all others of the machine to stop forking,
        // which a process does; version 2 lets threads of a process only move together.
        let list = if self.version() == 1 { "tasks" } else { "cgroup.procs" };
        for folder in &self.folders {
            let file = fs::File::options().write(true).open(folder.join(list))?;
            self.procs.push(file.into());
        }
        self.before.store(self.killed(), Ordering::Relaxed);
        Ok(self)
    }

    /// Has a process start in this group.
    pub(super) fn take_in(&self, plan: &mut Plan) {
        plan.birthplace = self.birthplace.as_ref().map(AsRawFd::as_raw_fd);
        plan.cgroups = self.procs.iter().map(AsRawFd::as_raw_fd).collect();
    }

    /// Whether a process was killed for memory since this was last asked.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let now = self.killed();
        self.before.swap(now, Ordering::Relaxed) < now
    }

    fn killed(&self) -> u64 {
        let Some((path, line)) = &self.kills else { return 0 };
        let text = fs::read_to_string(path).unwrap_or_default();
        let count = text.lines().find_map(|l| l.strip_prefix(line));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // Fails while a process is left, and every process was waited for.
            let _ = fs::remove_dir(folder);
        }
    }
}
/// Unique among the sandboxes of this process, too.
fn name(worker: usize) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}-{worker}", std::process::id())
}

const PREFIX: &str = "refire-";

/// Removes groups of programs that were killed before they could. The kernel keeps those that a
/// process is in.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let of_a_worker = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // One younger than this may be about to be locked.
        let age = entry.metadata().and_then(|about| about.modified()).ok();
        let old = age.and_then(|age| age.elapsed().ok()).is_some_and(|age| age > YOUNG);
        if of_a_worker && old && lock(&entry.path()).is_some() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

const YOUNG: Duration = Duration::from_secs(60);

/// The folder, held until this process closes it or ends; `None` where somebody holds it.
fn lock(folder: &Path) -> Option<OwnedFd> {
    let folder = OwnedFd::from(fs::File::open(folder).ok()?);
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(folder)
}

fn memory(limits: &Limits) -> u64 {
    limits.memory_bytes.saturating_add(limits.disk_bytes).saturating_add(ALLOWANCE)
}

fn processes(limits: &Limits) -> u64 {
    u64::from(limits.processes) + 2
}

fn write(folder: &Path, file: &str, value: u64) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string()).map_err(|error| of(&path, &error))
}

/// An error with the path it is about.
fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn groups_of_killed_programs_are_swept_and_no_others() {
        let fake = Fake::new("sandbox-sweep", "", "");
        let [left, held, young, other] =
            ["refire-1-0-0", "refire-2-0-0", "refire-3-0-0", "other"].map(|name| fake.0.join(name));
        for folder in [&left, &held, &young, &other] {
            fs::create_dir(folder).unwrap();
        }
        let old = std::time::SystemTime::now() - 2 * YOUNG;
        for folder in [&left, &held, &other] {
            fs::File::open(folder).unwrap().set_modified(old).unwrap();
        }
        let lock = lock(&held);
        sweep(&fake.0);
        assert!(lock.is_some() && !left.exists());
        assert!(held.exists() && young.exists() && other.exists());
        drop(lock);
        sweep(&fake.0);
        assert!(!held.exists());
    }
}
