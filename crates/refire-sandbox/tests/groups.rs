//! What happens when a worker's control group can't be made: it is not claimed. The only test of its
//! process, whose groups have its number.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::{create_dir_all, read_dir, remove_dir};
use std::path::{Path, PathBuf};

use common::{add_suite, sandbox};
use refire_sandbox::{
    Job, Layer, LayerState, Layers, Require, Sandbox, SandboxConfig, Start, doctor,
};

/// Folders of groups that this process made.
fn groups(below: &Path, found: &mut Vec<PathBuf>) {
    let own = format!("refire-{}-", std::process::id());
    for entry in read_dir(below).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let is_own = entry.file_name().to_string_lossy().starts_with(&own);
            if is_own {
                found.push(entry.path());
            } else {
                groups(&entry.path(), found);
            }
        }
    }
}

/// In the way of every group that workers but the first may get, as they are never left empty.
struct Obstacles(Vec<PathBuf>);

impl Obstacles {
    fn new(parents: &[PathBuf]) -> Self {
        let own = std::process::id();
        let names = (0..60).flat_map(|n| (1..3).map(move |w| format!("refire-{own}-{n}-{w}/in")));
        let names: Vec<String> = names.collect();
        let all = parents.iter().flat_map(|parent| names.iter().map(|name| parent.join(name)));
        let all: Vec<PathBuf> = all.collect();
        all.iter().for_each(|folder| create_dir_all(folder).unwrap());
        Self(all)
    }
}

impl Drop for Obstacles {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = remove_dir(folder);
            let _ = folder.parent().map(remove_dir);
        }
    }
}

fn detail(layers: &Layers, layer: Layer) -> String {
    layers
        .iter()
        .find_map(|(l, state)| match state {
            LayerState::Active { detail } if l == layer => Some(detail.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

#[test]
fn what_one_worker_lacks_is_in_force_for_none() {
    if !doctor().is_active(Layer::Cgroup) || doctor().missing().is_some() {
        println!("skipped: layer `cgroup` is missing; see the example `sandbox_doctor`");
        return;
    }
    let config = |workers, without| SandboxConfig {
        workers: Some(workers),
        without,
        start: Start::Fresh,
        require: Require::Relaxed,
        ..SandboxConfig::default()
    };
    let job = Job::new("def add(a, b): return a + b", add_suite());
    let complete = sandbox(config(3, vec![])).unwrap();
    assert!(complete.run(&job).layers.is_active(Layer::Cgroup));
    let mut found = Vec::new();
    groups(Path::new("/sys/fs/cgroup"), &mut found);
    let mut parents: Vec<PathBuf> =
        found.iter().filter_map(|folder| folder.parent()).map(Path::to_owned).collect();
    parents.sort();
    parents.dedup();
    drop(complete);

    let obstacles = Obstacles::new(&parents);
    let lacking = sandbox(config(3, vec![])).unwrap();
    let outcome = lacking.run(&job);
    assert!(outcome.verdict.is_passed(), "{:?}", outcome.verdict);
    assert!(!outcome.layers.is_active(Layer::Cgroup), "{}", outcome.layers);
    // One worker alone is not in the way of anything.
    assert!(sandbox(config(1, vec![])).unwrap().layers().is_active(Layer::Cgroup));

    // Where groups alone limit processes, that limit goes with them.
    let without = vec![Layer::UserNamespace];
    let alone = sandbox(config(1, without.clone())).unwrap();
    if detail(alone.layers(), Layer::ProcessLimit).contains("group") {
        let lacking = sandbox(config(3, without)).unwrap();
        assert!(!lacking.layers().is_active(Layer::ProcessLimit), "{}", lacking.layers());
        assert!(!lacking.run(&job).layers.is_active(Layer::ProcessLimit));
    }
    drop(obstacles);
    let strict = SandboxConfig { require: Require::Strict, ..config(3, vec![]) };
    assert!(Sandbox::new(strict).unwrap().layers().is_active(Layer::Cgroup));
}
