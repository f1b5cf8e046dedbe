//! Memory that is nobody's resident size: shared between processes that need not have touched it,
//! or filled into sockets. Without a control group nothing else counts it.

use std::collections::HashSet;
use std::fs;

/// What a socket may hold, as the kernel counts it: `net.core.wmem_default`.
const PER_SOCKET: u64 = 208 << 10;
/// How `maps` calls shared memory without a file.
const SHARED: &str = "/dev/zero (deleted)";

/// Bytes behind these processes, each shared mapping and each socket counted once, in full.
pub(super) fn hidden(pids: &[i32]) -> u64 {
    let mut mappings = Vec::new();
    let mut sockets = HashSet::new();
    for pid in pids {
        // A process may end between two reads.
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        mappings.extend(maps.lines().filter_map(shared_mapping));
        sockets.extend(open_sockets(*pid));
    }
    covered(mappings) + sockets.len() as u64 * PER_SOCKET
}

/// Bytes of all inodes that any of their mappings shows.
fn covered(mut mappings: Vec<(u64, u64, u64)>) -> u64 {
    mappings.sort_unstable();
    let (mut total, mut last) = (0_u64, (0, 0));
    for (inode, start, end) in mappings {
        let from = if last.0 == inode { start.max(last.1) } else { start };
        total += end.saturating_sub(from);
        last = (inode, end.max(from));
    }
    total
}

/// Inode, offset and the offset of the end, of a line of `maps` that shows shared memory. One
/// mapping may show in several places and in parts.
fn shared_mapping(line: &str) -> Option<(u64, u64, u64)> {
    let mut words = line.strip_suffix(SHARED)?.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let offset = hex(words.nth(1)?)?;
    let inode = words.nth(1)?.parse().ok()?;
    let length = hex(end)?.checked_sub(hex(start)?)?;
    Some((inode, offset, offset.checked_add(length)?))
}

fn open_sockets(pid: i32) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let targets =
        entries.into_iter().flatten().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    targets.filter_map(|to| to.to_str().filter(|to| to.starts_with("socket:")).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_maps() {
        let line = "7f52a0000000-7f52b0000000 rw-s 00001000 00:01 2048                       /dev/zero (deleted)";
        assert_eq!(shared_mapping(line), Some((2048, 0x1000, 0x1000_1000)));
        assert_eq!(shared_mapping("7f52a0000000-7f52b0000000 rw-p 00000000 00:00 0 "), None);
        assert_eq!(shared_mapping("7f52a0000000-7f52b0000000 r--p 00000000 fd:00 9 /usr/x"), None);
    }

    #[test]
    fn mappings_are_counted_once() {
        assert_eq!(covered(vec![(2, 0, 10), (1, 5, 20), (1, 0, 10), (2, 4, 6), (1, 30, 40)]), 40);
        assert_eq!(covered(Vec::new()), 0);
    }

    #[test]
    fn sockets_are_counted_once() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let before = open_sockets(pid).collect::<HashSet<_>>().len();
        let pair = std::os::unix::net::UnixStream::pair().unwrap();
        let _again = pair.0.try_clone().unwrap();
        assert!(open_sockets(pid).collect::<HashSet<_>>().len() >= before + 2);
        assert!(hidden(&[pid, pid]) >= 2 * PER_SOCKET);
    }
}
