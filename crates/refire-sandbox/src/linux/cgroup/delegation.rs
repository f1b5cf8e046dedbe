//! Handing controllers of version 2 down to groups of ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{of, write};

/// Where processes of ours go that were in a group which is to have others below it: the kernel
/// lets a group have processes or controlled groups, not both.
const LEAF: &str = "refire-host";
pub(super) const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// The group of version 2 that ours go below, with the controllers they need: this process's own, or
/// the one above it if it was moved to a leaf before. The leaf stays, as this process is in it.
pub(super) fn delegated(own: &Path, controllers: &[&str]) -> io::Result<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, alone};
    use super::super::own_folder;
    use super::*;

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
        let _turn = alone();
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
}
