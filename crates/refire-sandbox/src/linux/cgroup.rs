//! A control group per worker: memory and processes of everything it runs, together.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

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
        Self { folders, locks, procs, kills: None, before: 0.into() }
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

    /// Files that a process writes itself into.
    pub(super) fn files(&self) -> Vec<RawFd> {
        self.procs.iter().map(AsRawFd::as_raw_fd).collect()
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

/// Where processes of ours go that were in a group which is to have others below it: the kernel
/// lets a group have processes or controlled groups, not both.
const LEAF: &str = "refire-host";
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// The group of version 2 that ours go below, with the controllers they need: this process's own, or
/// the one above it if it was moved to a leaf before. The leaf stays, as this process is in it.
fn delegated(own: &Path, controllers: &[&str]) -> io::Result<PathBuf> {
    let base = if own.ends_with(LEAF) { own.parent().unwrap_or(own) } else { own };
    let available = words(base, "cgroup.controllers")?;
    if let Some(missing) = controllers.iter().find(|name| !has(&available, name)) {
        let error = format!("controller `{missing}` is not delegated to {}", base.display());
        return Err(io::Error::other(error));
    }
    let enabled = words(base, "cgroup.subtree_control")?;
    if controllers.iter().all(|name| has(&enabled, name)) {
        return Ok(base.to_owned());
    }
    // The root alone may have both, and says so by having no type.
    if base.join("cgroup.type").exists() && base == own {
        let leaf = base.join(LEAF);
        fs::create_dir(&leaf).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(of(&leaf, &error)),
        })?;
        write(&leaf, "cgroup.procs", u64::from(std::process::id()))?;
    }
    let path = base.join("cgroup.subtree_control");
    let enable: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    fs::write(&path, enable.join(" ")).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => io::Error::other(format!(
            "{}: {error}: processes other than this one are in the group, which needs one of its own",
            path.display()
        )),
        _ => of(&path, &error),
    })?;
    Ok(base.to_owned())
}

fn words(folder: &Path, file: &str) -> io::Result<String> {
    let path = folder.join(file);
    fs::read_to_string(&path).map_err(|error| of(&path, &error))
}

fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|word| word == name)
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

    /// A group as the kernel shows it, as far as files go.
    struct Fake(PathBuf);

    impl Fake {
        fn new(name: &str, controllers: &str, enabled: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            let fake = Self(folder);
            fake.put("cgroup.controllers", controllers);
            fake.put("cgroup.subtree_control", enabled);
            fake.put("cgroup.type", "domain");
            fake
        }

        fn put(&self, file: &str, text: &str) {
            fs::write(self.0.join(file), text).unwrap();
        }

        fn get(&self, file: &str) -> String {
            fs::read_to_string(self.0.join(file)).unwrap_or_default()
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

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

    #[test]
    fn controllers_are_handed_down_after_leaving_the_group() {
        let fake = Fake::new("sandbox-v2-fresh", "cpu memory pids\n", "\n");
        assert_eq!(delegated(&fake.0, &CONTROLLERS).unwrap(), fake.0);
        assert_eq!(fake.get("refire-host/cgroup.procs"), std::process::id().to_string());
        assert_eq!(fake.get("cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_process_in_its_leaf_stays_there() {
        let fake = Fake::new("sandbox-v2-leaf", "memory pids", "");
        let leaf = fake.0.join(LEAF);
        fs::create_dir(&leaf).unwrap();
        assert_eq!(delegated(&leaf, &CONTROLLERS).unwrap(), fake.0);
        assert_eq!(fake.get("refire-host/cgroup.procs"), "");
        assert_eq!(fake.get("cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn what_is_handed_down_already_is_left_alone() {
        let fake = Fake::new("sandbox-v2-done", "cpu memory pids", "memory pids");
        assert_eq!(delegated(&fake.0, &CONTROLLERS).unwrap(), fake.0);
        assert!(!fake.0.join(LEAF).exists());
        assert_eq!(fake.get("cgroup.subtree_control"), "memory pids");
    }

    #[test]
    fn the_root_keeps_its_processes() {
        let fake = Fake::new("sandbox-v2-root", "memory pids", "");
        fs::remove_file(fake.0.join("cgroup.type")).unwrap();
        assert_eq!(delegated(&fake.0, &CONTROLLERS).unwrap(), fake.0);
        assert!(!fake.0.join(LEAF).exists());
        assert_eq!(fake.get("cgroup.subtree_control"), "+memory +pids");
    }

    /// With the kernel's own groups, where this process may make one and there is a controller to
    /// hand down, whichever it is.
    #[test]
    fn a_real_group_is_left_and_controlled() {
        let skip = |why: &str| println!("skipped: layer `cgroup`: {why}");
        let Ok(own) = own_folder("") else { return skip("no version 2 is mounted") };
        let all = words(&own, "cgroup.controllers").unwrap_or_default();
        let Some(first) = all.split_ascii_whitespace().next() else {
            return skip("no controller is of version 2");
        };
        let control = own.join("cgroup.subtree_control");
        let was_on = has(&words(&own, "cgroup.subtree_control").unwrap_or_default(), first);
        if !was_on && fs::write(&control, format!("+{first}")).is_err() {
            return skip("this process's group can't hand down controllers");
        }
        let group = own.join(format!("refire-test-{}", std::process::id()));
        let own_pid = u64::from(std::process::id());
        if fs::create_dir(&group).is_err() || write(&group, "cgroup.procs", own_pid).is_err() {
            let _ = fs::remove_dir(&group);
            return skip("this process may not make a group");
        }
        let found = delegated(&group, &[first]);
        let moved = own_folder("");
        let again = moved.as_deref().map(|leaf| delegated(leaf, &[first]).ok());
        let below = group.join("below");
        let controlled = fs::create_dir(&below).and_then(|()| words(&below, "cgroup.controllers"));
        write(&own, "cgroup.procs", own_pid).unwrap();
        for folder in [&below, &group.join(LEAF), &group] {
            fs::remove_dir(folder).unwrap();
        }
        if !was_on {
            fs::write(&control, format!("-{first}")).unwrap();
        }
        assert_eq!(found.unwrap(), group);
        assert_eq!(again.unwrap(), Some(group.clone()));
        assert_eq!(moved.unwrap(), group.join(LEAF));
        assert!(has(&controlled.unwrap(), first));
    }

    #[test]
    fn what_is_not_delegated_is_named() {
        let fake = Fake::new("sandbox-v2-none", "cpu pids", "");
        let error = delegated(&fake.0, &CONTROLLERS).unwrap_err().to_string();
        assert!(error.contains("`memory`"), "{error}");
        assert!(!fake.0.join(LEAF).exists());
    }

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
