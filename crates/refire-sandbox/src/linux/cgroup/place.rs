//! Where this process's groups are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of this process's group. A container may see a part of the tree only, or the tree in
/// another place: `mountinfo` has both.
pub(in crate::linux) fn own_folder(controller: &str) -> io::Result<PathBuf> {
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
