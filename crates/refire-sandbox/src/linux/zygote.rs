//! A warm interpreter that becomes one child per request.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::Cgroup;
use super::confinement::{Confinement, Role};
use super::raw::{Ended, Exec, Spawned, reap};
use super::rootfs::c_path;
use crate::python::Python;

/// How long an interpreter may take to start or to answer, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_FDS: usize = 8;

#[derive(Debug)]
pub(super) struct Zygote {
    process: Spawned,
    control: OwnedFd,
}

impl Zygote {
    /// Starts one, and waits until it is ready.
    pub(super) fn start(
        confinement: &Confinement,
        worker: usize,
        role: Role,
        python: &Python,
        cgroup: Option<&Cgroup>,
    ) -> io::Result<Self> {
        let program = match role {
            Role::Judge => &python.judge,
            _ => &python.warm_candidate,
        };
        // Children of either confine themselves as candidates are, the judge's by limits only.
        let settings = confinement.settings(Role::Candidate);
        let files =
            [("zygote.pyc".to_owned(), program.clone()), ("settings.json".to_owned(), settings)];
        let mut plan = confinement.plan(worker, role, &files);
        plan.exec = interpreter(python, c"/refire/zygote.pyc", confinement);
        plan.cgroups = cgroup.map(Cgroup::files).unwrap_or_default();
        let flags = SocketFlags::CLOEXEC;
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let null: OwnedFd =
            std::fs::File::options().read(true).write(true).open("/dev/null")?.into();
        let fds = [theirs.as_fd(), null.as_fd(), null.as_fd()];
        let process = confinement.start(plan, &fds)?;
        drop(theirs);
        let zygote = Self { process, control };
        match zygote.receive()? {
            (message, _) if message == b"ready" => Ok(zygote),
            _ => Err(io::Error::other("the interpreter did not get ready")),
        }
    }

    /// Makes a child that takes over the descriptors; returns what it is killed and awaited by.
    pub(super) fn launch(&self, fds: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
        let message = [IoSlice::new(b"L")];
        sendmsg(&self.control, &message, &mut ancillary, SendFlags::NOSIGNAL)?;
        match self.receive()? {
            (message, Some(pidfd)) if message.starts_with(b"P ") => Ok(pidfd),
            _ => Err(io::Error::other("the interpreter could not make a child")),
        }
    }

    /// How the last child ended; waits for it.
    pub(super) fn ended(&self) -> io::Result<Ended> {
        let (message, _) = self.receive()?;
        let text = String::from_utf8_lossy(&message);
        let words: Vec<u64> =
            text.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        match words[..] {
            [status, cpu, memory] => Ok(Ended {
                status: i32::try_from(status).ok(),
                cpu: Duration::from_micros(cpu),
                memory: memory << 10,
            }),
            _ => Err(io::Error::other("the interpreter's child ended unseen")),
        }
    }

    fn receive(&self) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
        let mut waiting = [PollFd::new(&self.control, PollFlags::IN)];
        let patience = PATIENCE.try_into().map_err(io::Error::other)?;
        if retry(|| poll(&mut waiting, Some(&patience)))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the interpreter does not answer"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut data = [0; 256];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.control, &mut [IoSliceMut::new(&mut data)], &mut ancillary, flags)?;
        let fd = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        if got.bytes == 0 {
            return Err(io::Error::other("the interpreter has ended"));
        }
        Ok((data[..got.bytes].to_vec(), fd))
    }
}

impl Drop for Zygote {
    /// Kills it with everything it made: it is the first process of its namespace.
    fn drop(&mut self) {
        // It may have ended already; waiting tells either way.
        let _ = pidfd_send_signal(&self.process.pidfd, Signal::KILL);
        reap(self.process.pid);
    }
}

/// The interpreter running one of our programs.
pub(super) fn interpreter(
    python: &Python,
    program: &std::ffi::CStr,
    confinement: &Confinement,
) -> Exec {
    let path = c_path(&python.executable);
    let argv = vec![path.clone(), c"-S".into(), c"-s".into(), c"-B".into(), program.into()];
    Exec::Path { path, argv, env: confinement.env() }
}

pub(super) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}
