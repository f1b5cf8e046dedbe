//! The file system a sandbox sees: system libraries and the interpreter, read-only, four devices,
//! and a scratch folder that dies with it. Nothing of the user's, nothing of `/etc` but the
//! linker's cache.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::raw::{Bind, Entry, EntryKind, Root};
use crate::Limits;

/// System folders, bound as they are or linked as the host links them.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Files and folders a linker or a compiler needs.
const EXTRA: &[&str] = &["etc/ld.so.cache", "etc/alternatives"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];
/// Folders that exist on every system, to build the new root on.
const STAGING: &[&str] = &["/tmp", "/var/tmp", "/mnt"];
/// The only user there is. Python asks for the home of its user.
const USERS: &[u8] = b"sandbox:x:65534:65534:sandbox:/tmp:/bin/false\n";
const GROUPS: &[u8] = b"sandbox:x:65534:\n";

/// What a root is built from, gathered once.
#[derive(Clone, Debug)]
pub(super) struct RootSpec {
    /// Folders besides the system's: where the interpreter lives.
    pub(super) trees: Vec<PathBuf>,
    /// Files of ours, by name under `/refire`.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Folders to build it on, of which the first that there is is taken.
    pub(super) staging: &'static [&'static str],
}

impl RootSpec {
    pub(super) fn new(trees: Vec<PathBuf>) -> Self {
        Self { trees, files: Vec::new(), staging: STAGING }
    }

    /// # Errors
    /// When there is no folder to build it on.
    pub(super) fn build(&self, limits: &Limits) -> io::Result<Root> {
        let staging =
            self.staging.iter().find(|path| Path::new(path).is_dir()).ok_or_else(|| {
                let folders = self.staging.join(", ");
                io::Error::other(format!("no folder to build a root on: none of {folders} exists"))
            })?;
        let mut tree = Tree::default();
        for name in SYSTEM {
            let host = Path::new("/").join(name);
            match host.read_link() {
                Ok(link) => tree.link(Path::new(name), &link),
                Err(_) if host.is_dir() => tree.bind(&host),
                Err(_) => {}
            }
        }
        for name in EXTRA {
            let host = Path::new("/").join(name);
            if host.exists() {
                tree.bind(&host);
            }
        }
        for path in &self.trees {
            if !tree.covers(path) {
                tree.bind(path);
            }
        }
        for folder in ["dev", "proc", "tmp", "refire", "etc"] {
            tree.folder(Path::new(folder));
        }
        tree.file(Path::new("etc/passwd"), USERS);
        tree.file(Path::new("etc/group"), GROUPS);
        for (name, contents) in &self.files {
            tree.file(&Path::new("refire").join(name), contents);
        }
        for (link, to) in [
            ("dev/fd", "/proc/self/fd"),
            ("dev/stdin", "/proc/self/fd/0"),
            ("dev/stdout", "/proc/self/fd/1"),
            ("dev/stderr", "/proc/self/fd/2"),
            ("dev/shm", "/tmp"),
        ] {
            tree.link(Path::new(link), Path::new(to));
        }
        let mut devices = Vec::new();
        for name in DEVICES {
            let path = Path::new("dev").join(name);
            let host = Path::new("/").join(&path);
            if host.exists() {
                tree.file(&path, b"");
                devices.push(Bind { source: c_path(&host), target: c_path(&path) });
            }
        }
        let scratch = scratch_options(limits);
        let staging = c_path(Path::new(staging));
        Ok(Root { staging, entries: tree.entries, binds: tree.binds, devices, scratch })
    }
}

impl RootSpec {
    /// Folders of the host that a program needs where it can't have a root of its own.
    pub(super) fn host_paths(&self) -> Vec<CString> {
        let system = SYSTEM.iter().chain(EXTRA).map(|name| Path::new("/").join(name));
        let all = system.chain(self.trees.iter().cloned());
        all.filter(|path| path.exists()).map(|path| c_path(&path)).collect()
    }
}

/// Mount options that bound the scratch folder by bytes and by files.
pub(super) fn scratch_options(limits: &Limits) -> CString {
    let text = format!("size={},nr_inodes={},mode=1777", limits.disk_bytes, limits.files);
    c_path(Path::new(&text))
}

#[derive(Default)]
struct Tree {
    seen: BTreeSet<PathBuf>,
    bound: Vec<PathBuf>,
    entries: Vec<Entry>,
    binds: Vec<Bind>,
}

impl Tree {
    fn covers(&self, path: &Path) -> bool {
        self.bound.iter().any(|bound| path.starts_with(bound))
    }

    fn push(&mut self, path: &Path, kind: EntryKind) {
        if self.seen.insert(path.to_owned()) {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                self.folder(parent);
            }
            self.entries.push(Entry { path: c_path(path), kind });
        }
    }

    fn folder(&mut self, path: &Path) {
        self.push(path, EntryKind::Folder);
    }

    fn file(&mut self, path: &Path, contents: &[u8]) {
        self.push(path, EntryKind::File(contents.to_owned()));
    }

    fn link(&mut self, path: &Path, to: &Path) {
        self.push(path, EntryKind::Link(c_path(to)));
    }

    /// Binds a file or folder of the host at the same place.
    fn bind(&mut self, host: &Path) {
        let target: PathBuf =
            host.components().filter(|part| !matches!(part, Component::RootDir)).collect();
        if host.is_dir() {
            self.folder(&target);
        } else {
            self.file(&target, b"");
        }
        self.bound.push(host.to_owned());
        self.binds.push(Bind { source: c_path(host), target: c_path(&target) });
    }
}

/// A path as the kernel takes it. A zero byte, which no path has, would end it early.
pub(super) fn c_path(path: &Path) -> CString {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(OsStr::from_bytes(&bytes[..end]).as_bytes()).unwrap_or_default()
}
