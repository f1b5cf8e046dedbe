//! A running submission.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::raw::{Ended, Spawned, reap};
use super::zygote::{Zygote, retry};

/// A process, killed and awaited when dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    pidfd: OwnedFd,
    parent: Parent<'a>,
    ended: Option<Ended>,
    killed: bool,
}

#[derive(Debug)]
enum Parent<'a> {
    /// This process.
    Host(i32),
    /// A zygote, which waits for it and says how it ended.
    Zygote(&'a Zygote),
}

impl<'a> Running<'a> {
    pub(super) fn fresh(process: Spawned) -> Self {
        let Spawned { pid, pidfd } = process;
        Self { pidfd, parent: Parent::Host(pid), ended: None, killed: false }
    }

    pub(super) fn warm(zygote: &'a Zygote, fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        Ok(Self::of(zygote, zygote.launch(fds)?))
    }

    /// A zygote's child that was launched before.
    pub(super) fn of(zygote: &'a Zygote, pidfd: OwnedFd) -> Self {
        Self { pidfd, parent: Parent::Zygote(zygote), ended: None, killed: false }
    }

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its process id on the host, while it lives.
    pub(super) fn pid(&self) -> Option<i32> {
        if let Parent::Host(pid) = self.parent {
            return Some(pid);
        }
        use std::os::fd::AsRawFd;
        let info = format!("/proc/self/fdinfo/{}", self.pidfd.as_raw_fd());
        let info = std::fs::read_to_string(info).ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
        line.trim().parse().ok().filter(|pid| *pid > 0)
    }

    /// Whether it ends within a time, in milliseconds.
    pub(super) fn ends_within(&self, milliseconds: i64) -> bool {
        let mut waiting = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let (tv_sec, tv_nsec) = (milliseconds / 1000, milliseconds % 1000 * 1_000_000);
        let time = rustix::event::Timespec { tv_sec, tv_nsec };
        retry(|| poll(&mut waiting, Some(&time))).is_ok_and(|ready| ready > 0)
    }

    /// Whether it was killed by us.
    pub(super) fn was_killed(&self) -> bool {
        self.killed
    }

    /// Kills it, with everything it started, and waits until all of it is gone.
    ///
    /// # Errors
    /// When its zygote is gone too.
    pub(super) fn finish(&mut self) -> io::Result<Ended> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        let mut cpu_limit = None;
        if self.ends_within(0) {
            // Until it is reaped the kernel still tells.
            cpu_limit = match self.parent {
                Parent::Host(pid) => cpu_limit_of(pid),
                Parent::Zygote(_) => None,
            };
        } else {
            self.killed = true;
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
        // Even when nobody can tell how it ended: the descriptor becomes readable once the
        // process and, as it is the first of its namespace, all others are gone.
        let ended = match &self.parent {
            Parent::Host(pid) => Ok(Ended { cpu_limit, ..reap(*pid) }),
            Parent::Zygote(zygote) => {
                let mut waiting = [PollFd::new(&self.pidfd, PollFlags::IN)];
                retry(|| poll(&mut waiting, None))?;
                zygote.ended()
            }
        };
        self.ended = Some(*ended.as_ref().unwrap_or(&Ended::default()));
        ended
    }
}

/// The hard limit on processor time of a process that may have ended, in seconds.
fn cpu_limit_of(pid: i32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max cpu time"))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        seconds => seconds.parse().ok(),
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Whoever needs to know how it ended has asked before.
        let _ = self.finish();
    }
}
