//! Watching one run: its output, its clocks, its memory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::candidate::Running;
use super::monitor;
use super::zygote::retry;
use crate::Limits;

/// Bytes of each output that are kept for the caller.
pub(super) const KEPT: usize = 64 << 10;
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LOOKS: Duration = Duration::from_millis(40);
/// How often the clock may be extended by its own length for time spent waiting to run.
const MOST_WAITING: u32 = 4;
const TICK: Duration = Duration::from_millis(10);

/// Why a run was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The listener has heard enough.
    Heard,
    /// The listener's side was closed.
    Closed,
    /// The process has ended.
    Ended,
    Cpu,
    Wall,
    Memory,
    Output,
}

/// An output that is read to its end, and kept up to a size.
#[derive(Debug)]
pub(super) struct Capture {
    fd: Option<OwnedFd>,
    pub(super) kept: Vec<u8>,
    keep: usize,
    seen: u64,
}

impl Capture {
    pub(super) fn new(fd: OwnedFd, keep: usize) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&fd, rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { fd: Some(fd), kept: Vec::new(), keep, seen: 0 })
    }

    /// Takes what there is, but not for ever.
    pub(super) fn drain(&mut self) {
        let mut buffer = [0; 64 << 10];
        for _ in 0..64 {
            let Some(fd) = &self.fd else { return };
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => self.fd = None,
                Ok(count) => {
                    self.seen += count as u64;
                    let room = self.keep.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(&buffer[..count.min(room)]);
                    if count < buffer.len() {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.fd = None,
            }
        }
    }
}

/// Input that is written as it is read.
#[derive(Debug)]
pub(super) struct Feed<'a> {
    fd: Option<OwnedFd>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    pub(super) fn new(fd: OwnedFd, rest: &'a [u8]) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&fd, rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { fd: Some(fd), rest })
    }

    fn push(&mut self) {
        while let Some(fd) = &self.fd {
            if self.rest.is_empty() {
                self.fd = None;
                return;
            }
            match rustix::io::write(fd, self.rest) {
                Ok(count) => self.rest = &self.rest[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // The program reads no more.
                Err(_) => self.fd = None,
            }
        }
    }
}

/// Somebody who says when it is over.
pub(super) trait Listener {
    fn fd(&self) -> BorrowedFd<'_>;
    /// Reads what there is; `Some` when it is over.
    fn hear(&mut self) -> Option<Over>;
}

/// One run.
pub(super) struct Watch<'a, 'b> {
    pub(super) running: &'a Running<'b>,
    pub(super) limits: &'a Limits,
    pub(super) cpu_seconds: f64,
    pub(super) start: Instant,
    pub(super) stdout: &'a mut Capture,
    pub(super) stderr: &'a mut Capture,
    pub(super) stdin: Option<Feed<'a>>,
    /// Ends the run by itself; without one the end of the process does.
    pub(super) listener: Option<&'a mut dyn Listener>,
}

impl Watch<'_, '_> {
    /// Until it is over, one way or another.
    pub(super) fn run(mut self) -> io::Result<Over> {
        let wall = Duration::from_secs_f64(self.cpu_seconds * self.limits.wall_factor);
        let mut deadline = self.start + wall;
        let mut look = self.start + FIRST_LOOK;
        let mut pid = None;
        loop {
            let now = Instant::now();
            if now >= deadline {
                // Time in the queue for a processor is the machine's, not the program's.
                pid = pid.or_else(|| self.running.pid());
                let waited = pid.map(monitor::waited).unwrap_or_default();
                deadline = self.start + wall + waited.min(wall * MOST_WAITING);
                if now + TICK >= deadline {
                    return Ok(Over::Wall);
                }
            }
            if now >= look {
                look = now + LOOKS;
                pid = pid.or_else(|| self.running.pid());
                if let Some(over) = pid.and_then(|pid| self.excess(pid)) {
                    return Ok(over);
                }
            }
            let ready = self.wait(look.min(deadline).saturating_duration_since(now))?;
            self.stdout.drain();
            self.stderr.drain();
            if let Some(feed) = &mut self.stdin {
                feed.push();
            }
            if self.stdout.seen + self.stderr.seen > self.limits.output_bytes {
                return Ok(Over::Output);
            }
            if ready
                && let Some(listener) = &mut self.listener
                && let Some(over) = listener.hear()
            {
                return Ok(over);
            }
            if self.listener.is_none() && self.running.ends_within(0) {
                self.stdout.drain();
                self.stderr.drain();
                return Ok(Over::Ended);
            }
        }
    }

    /// Waits for anything to happen; whether it concerns the listener.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut waiting = Vec::with_capacity(5);
        match &self.listener {
            Some(listener) => waiting.push(readable(listener.fd())),
            None => waiting.push(readable(self.running.pidfd())),
        }
        for capture in [&*self.stdout, &*self.stderr] {
            waiting.extend(capture.fd.as_ref().map(|fd| readable(fd.as_fd())));
        }
        if let Some(fd) = self.stdin.as_ref().and_then(|feed| feed.fd.as_ref()) {
            waiting.push(PollFd::new(fd, PollFlags::OUT));
        }
        retry(|| poll(&mut waiting, Some(&time)))?;
        Ok(!waiting[0].revents().is_empty())
    }

    fn excess(&self, pid: i32) -> Option<Over> {
        let sample = monitor::sample(pid);
        let limit = self.limits.memory_bytes.saturating_sub(sample.hidden);
        if sample.cpu.as_secs_f64() >= self.cpu_seconds {
            Some(Over::Cpu)
        } else if sample.memory > limit
            && monitor::proportional(pid).unwrap_or(sample.memory) > limit
        {
            Some(Over::Memory)
        } else {
            None
        }
    }
}
