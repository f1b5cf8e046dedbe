//! Counting what a run left behind.

use std::fs;
use std::io;

use super::raw::{adopt_orphans, reap_any_zombie};

pub(crate) fn adopt() -> io::Result<()> {
    adopt_orphans()
}

/// Living descendants of this process, by process id.
pub(crate) fn descendants() -> io::Result<Vec<u32>> {
    while reap_any_zombie() {}
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end between the two reads.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some(rest) = stat.rfind(')').and_then(|end| stat.get(end + 1..)) else { continue };
        let parent = rest.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
        parents.extend(parent.map(|parent: u32| (pid, parent)));
    }
    let mut found = vec![std::process::id()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(found.split_off(1))
}
