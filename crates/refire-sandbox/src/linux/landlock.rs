//! Landlock: the file system, TCP, and reaching processes outside, even where a mount slipped.

use std::ffi::{CStr, CString};
use std::path::Path;

use super::raw::{Landlock, LandlockRule, landlock_abi};

const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const TRUNCATE: u64 = 1 << 14;
/// Rights on files that each version of Landlock adds up to, from the first.
const FILE_RIGHTS: [u32; 5] = [13, 14, 15, 15, 16];
const BIND_TCP: u64 = 1 << 0;
const CONNECT_TCP: u64 = 1 << 1;
const ABSTRACT_SOCKETS: u64 = 1 << 0;
const SIGNALS: u64 = 1 << 1;

/// Read and run everything that is there, write to the scratch folders and to devices only.
/// `None` when the kernel has no Landlock.
pub(super) fn ruleset(readable: &[CString], scratch: &[&CStr]) -> Option<Landlock> {
    let abi = landlock_abi()?;
    let version = usize::try_from(abi).unwrap_or(usize::MAX);
    let files = (1 << FILE_RIGHTS[version.min(FILE_RIGHTS.len()) - 1]) - 1;
    let net = if abi >= 4 { BIND_TCP | CONNECT_TCP } else { 0 };
    let scope = if abi >= 6 { ABSTRACT_SOCKETS | SIGNALS } else { 0 };
    let size = match abi {
        ..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    let rule = |path: CString, access: u64| LandlockRule { path, access: access & files };
    let mut rules = Vec::new();
    for path in readable {
        // The kernel refuses rights on folders for what is none.
        let is_folder = Path::new(&*path.to_string_lossy()).is_dir();
        let listing = if is_folder { READ_DIR } else { 0 };
        rules.push(rule(path.clone(), EXECUTE | READ_FILE | listing));
    }
    for path in scratch {
        rules.push(rule((*path).to_owned(), !(MAKE_CHAR | MAKE_BLOCK)));
    }
    rules.push(rule(c"/dev".to_owned(), WRITE_FILE | TRUNCATE | READ_FILE));
    Some(Landlock { handled: [files, net, scope], size, rules })
}
