//! A warm interpreter that becomes one child per request.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::Cgroup;
use super::confinement::{Confinement, Role};
use super::raw::{Ended, Exec, Spawned, reap};
use super::rootfs::c_path;
use crate::Layer;
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
        let mut programs = Programs::new(confinement);
        let fd = 3;
        let path = programs.add("zygote.pyc", program, fd)?;
        let settings = programs.add("settings.json", &settings, fd + 1)?;
        let mut plan = confinement.plan(worker, role, &programs.files)?;
        plan.exec = interpreter(python, &[path, settings], confinement);
        if let Some(cgroup) = cgroup {
            cgroup.take_in(&mut plan);
        }
        let flags = SocketFlags::CLOEXEC;
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let null: OwnedFd =
            std::fs::File::options().read(true).write(true).open("/dev/null")?.into();
        let mut fds = vec![theirs.as_fd(), null.as_fd(), null.as_fd()];
        fds.extend(programs.held.iter().map(AsFd::as_fd));
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
            [status, cpu, memory, cpu_limit] => Ok(Ended {
                status: i32::try_from(status).ok(),
                cpu: Duration::from_micros(cpu),
                memory: memory << 10,
                // 0 stands for what nobody looked at.
                cpu_limit: cpu_limit.checked_sub(1),
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

/// Our programs, where a process finds them: in its own root, or else in memory that it inherits.
#[derive(Debug)]
pub(super) struct Programs {
    rooted: bool,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) held: Vec<OwnedFd>,
}

impl Programs {
    pub(super) fn new(confinement: &Confinement) -> Self {
        let rooted = confinement.has(Layer::MountNamespace);
        Self { rooted, files: Vec::new(), held: Vec::new() }
    }

    /// Adds one, to be descriptor `fd` if it can't be a file; returns its path.
    pub(super) fn add(&mut self, name: &str, contents: &[u8], fd: usize) -> io::Result<CString> {
        if self.rooted {
            self.files.push((name.to_owned(), contents.to_owned()));
            return Ok(c_path(format!("/refire/{name}").as_ref()));
        }
        self.held.push(in_memory(contents)?);
        Ok(c_path(format!("/proc/self/fd/{fd}").as_ref()))
    }
}

/// A file in memory that nobody can write to any more.
pub(super) fn in_memory(contents: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("refire", flags)?);
    file.write_all(contents)?;
    let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, all)?;
    Ok(file.into())
}

/// The interpreter running one of our programs, with arguments.
pub(super) fn interpreter(python: &Python, line: &[CString], confinement: &Confinement) -> Exec {
    let path = c_path(&python.executable);
    let mut argv = vec![path.clone(), c"-S".into(), c"-s".into(), c"-B".into()];
    argv.extend_from_slice(line);
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
