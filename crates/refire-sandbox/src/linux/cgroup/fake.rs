//! A group as the kernel shows it, as far as files go.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// For tests that move this process to another group, or have children in its own.
pub(in crate::linux) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Fake(pub(super) PathBuf);

impl Fake {
    pub(super) fn new(name: &str, controllers: &str, enabled: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let fake = Self(folder);
        fake.put("cgroup.controllers", controllers);
        fake.put("cgroup.subtree_control", enabled);
        fake.put("cgroup.type", "domain");
        fake
    }

    pub(super) fn put(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    pub(super) fn get(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
