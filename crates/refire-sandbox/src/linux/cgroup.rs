//! A control group per worker: memory and processes of everything it runs, together.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Limits;

/// What a warm interpreter and its files may need besides the submission.
const ALLOWANCE: u64 = 128 << 20;

/// The folders of one group: one in version 2, one per controller in version 1.
#[derive(Debug)]
pub(super) struct Cgroup {
    folders: Vec<PathBuf>,
    procs: Vec<OwnedFd>,
    /// A file that counts processes killed for memory, and its line.
    kills: Option<(PathBuf, &'static str)>,
    before: std::cell::Cell<u64>,
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
        let folder = own_folder("")?.join(name(worker));
        let mut group = Self::new();
        group.add(folder.clone())?;
        write(&folder, "memory.max", memory(limits))?;
        let _ = write(&folder, "memory.swap.max", 0);
        let _ = write(&folder, "memory.oom.group", 0);
        write(&folder, "pids.max", processes(limits))?;
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
        Self { folders: Vec::new(), procs: Vec::new(), kills: None, before: 0.into() }
    }

    fn add(&mut self, folder: PathBuf) -> io::Result<()> {
        // Left behind by a process of the same number, long gone.
        let _ = fs::remove_dir(&folder);
        fs::create_dir(&folder).map_err(|error| of(&folder, &error))?;
        self.folders.push(folder);
        Ok(())
    }

    fn open(mut self) -> io::Result<Self> {
        for folder in &self.folders {
            let file = fs::File::options().write(true).open(folder.join("cgroup.procs"))?;
            self.procs.push(file.into());
        }
        self.before.set(self.killed());
        Ok(self)
    }

    /// Files that a process writes itself into.
    pub(super) fn files(&self) -> Vec<RawFd> {
        self.procs.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// Whether a process was killed for memory since this was last asked.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let now = self.killed();
        self.before.replace(now) < now
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
    format!("refire-{}-{number}-{worker}", std::process::id())
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

/// The folder of this process's group. A container may see a part of the tree only, or the tree in
/// another place: `mountinfo` has both.
fn own_folder(controller: &str) -> io::Result<PathBuf> {
    let own = own_group(controller)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let found = mounts.lines().find_map(|line| mounted(line, controller, &own));
    found.ok_or_else(|| io::Error::other(format!("{} is not mounted", own.display())))
}

/// Where a line of `mountinfo` shows a group of a controller, if it does.
fn mounted(line: &str, controller: &str, own: &Path) -> Option<PathBuf> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, folder) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (kind, options) = (kind.next()?, kind.nth(1)?);
    let fits = match controller {
        "" => kind == "cgroup2",
        _ => kind == "cgroup" && options.split(',').any(|option| option == controller),
    };
    let inside = own.strip_prefix(root).ok().filter(|_| fits)?;
    Some(Path::new(folder).join(inside))
}

/// This process's group for a controller, or of version 2 for the empty name.
fn own_group(controller: &str) -> io::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let found = text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|c| c == controller).then_some(path)
    });
    found
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("no control group `{controller}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_where_they_are_mounted() {
        let v1 = "36 25 0:31 /docker/5e /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory";
        let inside = mounted(v1, "memory", Path::new("/docker/5e"));
        assert_eq!(inside.unwrap(), Path::new("/sys/fs/cgroup/memory/"));
        let below = mounted(v1, "memory", Path::new("/docker/5e/a/b"));
        assert_eq!(below.unwrap(), Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(mounted(v1, "memory", Path::new("/other")), None);
        assert_eq!(mounted(v1, "pids", Path::new("/docker/5e")), None);
        assert_eq!(mounted(v1, "", Path::new("/docker/5e")), None);
        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let own = mounted(v2, "", Path::new("/user.slice/a"));
        assert_eq!(own.unwrap(), Path::new("/sys/fs/cgroup/user.slice/a"));
        assert_eq!(mounted(v2, "memory", Path::new("/user.slice/a")), None);
    }
}
