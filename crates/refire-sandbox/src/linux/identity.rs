//! Who a program is: inside always the same user without privilege, outside another than root.

use super::raw::{Identity, effective_ids};

/// The user and group inside, as `/etc/passwd` has it there.
pub(super) const INSIDE: u32 = 65534;
/// Host users that root gives to workers, one each: above the users of people, below `nobody`.
const FIRST_HOST_USER: u32 = 64_000;
const HOST_USERS: u32 = 1000;

/// The identity of a worker's programs. Root maps itself too, for the time of the mounts, which
/// need files that only root can reach.
pub(super) fn identity(worker: usize) -> Identity {
    let (user, group) = effective_ids();
    if user == 0 {
        let map = format!("0 0 1\n{INSIDE} {} 1\n", host_user(worker));
        return Identity {
            group_map: map.clone(),
            user_map: map,
            privileged: true,
            inside: INSIDE,
        };
    }
    let map = |own: u32| format!("{INSIDE} {own} 1\n");
    Identity { user_map: map(user), group_map: map(group), privileged: false, inside: INSIDE }
}

/// The host user behind a worker's programs.
pub(super) fn host_user(worker: usize) -> u32 {
    let (user, _) = effective_ids();
    let offset = u32::try_from(worker).unwrap_or(0) % HOST_USERS;
    if user == 0 { FIRST_HOST_USER + offset } else { user }
}
