//! The judge's process: it stays for many jobs, and is replaced whenever one ends other than well.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::candidate::Running;
use super::exchange::{JudgeJob, Report, send_all};
use super::raw::Ended;
use super::zygote::{Zygote, retry};

/// Jobs after which a judge is replaced anyway, for what memory it may have gathered.
const JOBS: usize = 1000;

/// A judge, and the zygote that its replacements come from.
#[derive(Debug)]
pub(super) struct Judge {
    zygote: Zygote,
    seat: Option<Seat>,
}

#[derive(Debug)]
struct Seat {
    pidfd: OwnedFd,
    stream: UnixStream,
    jobs: usize,
}

impl Judge {
    pub(super) fn new(zygote: Zygote) -> Self {
        Self { zygote, seat: None }
    }

    /// Gives the judge a job, and a line to the candidate.
    pub(super) fn assign(&mut self, job: &JudgeJob<'_>, rpc: BorrowedFd<'_>) -> io::Result<Report> {
        if self.seat.as_ref().is_some_and(|seat| seat.jobs >= JOBS) {
            self.retire(Duration::from_millis(100))?;
        }
        if self.seat.is_none() {
            let (ours, theirs) = UnixStream::pair()?;
            let pidfd = self.zygote.launch(&[theirs.as_fd(), theirs.as_fd()])?;
            self.seat = Some(Seat { pidfd, stream: ours, jobs: 0 });
        }
        let seat = self.seat.as_mut().ok_or_else(|| io::Error::other("no judge"))?;
        seat.jobs += 1;
        seat.stream.set_nonblocking(false)?;
        let body = serde_json::to_vec(job)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let rights = [rpc];
        ancillary.push(SendAncillaryMessage::ScmRights(&rights));
        let header = [io::IoSlice::new(&length)];
        retry(|| sendmsg(&seat.stream, &header, &mut ancillary, SendFlags::NOSIGNAL))?;
        send_all(&seat.stream, &body)?;
        let stream = seat.stream.try_clone()?;
        stream.set_nonblocking(true)?;
        Ok(Report::new(stream))
    }

    /// Ends the judge's process, and says how it ended.
    pub(super) fn retire(&mut self, patience: Duration) -> io::Result<(Ended, bool)> {
        match self.seat.take() {
            Some(seat) => {
                let mut running = Running::of(&self.zygote, seat.pidfd);
                running.ends_within(i64::try_from(patience.as_millis()).unwrap_or(100));
                let ended = running.finish()?;
                Ok((ended, running.was_killed()))
            }
            None => Ok((Ended::default(), false)),
        }
    }
}
