//! One worker: its interpreters, and a job at a time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::candidate::Running;
use super::cgroup::Cgroup;
use super::confinement::{Confinement, Role, kernel_cpu_limit};
use super::judge::Judge;
use super::raw::{Ended, Plan, leave_network};
use super::watch::{Capture, KEPT, Over};
use super::zygote::{Programs, Zygote, interpreter};
use crate::python::Python;
use crate::{
    Clock, Integrity, Job, Layer, Layers, Outcome, SandboxConfig, Start, Suite, TestResult, Usage,
    Verdict,
};

mod compiled;
mod judged;
mod stdio;

/// What the workers of a sandbox have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) confinement: Confinement,
    pub(crate) python: Python,
    pub(crate) layers: Arc<Layers>,
    pub(crate) config: SandboxConfig,
    /// One for each worker, or none at all.
    cgroups: Vec<Cgroup>,
}

impl Shared {
    /// Makes what each worker needs for itself. Where that fails for one of them, the layer is in
    /// force for none, and `layers` says so.
    pub(crate) fn new(
        config: SandboxConfig,
        python: Python,
        mut layers: Layers,
        workers: usize,
    ) -> Self {
        let mut cgroups = Vec::new();
        if layers.is_active(Layer::Cgroup) {
            let made = (0..workers).map(|worker| Cgroup::create(worker, &config.limits));
            match made.collect::<io::Result<_>>() {
                Ok(all) => cgroups = all,
                Err(error) => layers.lose(Layer::Cgroup, &error.to_string()),
            }
        }
        let confinement = Confinement::new(layers.active(), config.limits.clone(), Some(&python));
        Self { confinement, python, layers: Arc::new(layers), config, cgroups }
    }
}

/// Runs one job at a time.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    candidate: Option<Zygote>,
    judge: Option<Judge>,
    null: Option<OwnedFd>,
    /// Whether this thread has an empty network, which submissions inherit without a right to
    /// change it: making one for each costs the kernel as much as a tenth of their time.
    offline: bool,
}

/// What a run found out, before it becomes an [`Outcome`].
#[derive(Debug)]
struct Found {
    verdict: Verdict,
    tests: Vec<TestResult>,
    borrowed: Vec<String>,
    ended: Ended,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Found {
    fn only(verdict: Verdict) -> Self {
        Self {
            verdict,
            tests: Vec::new(),
            borrowed: Vec::new(),
            ended: Ended::default(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

impl Worker {
    /// On the thread that runs the jobs.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let offline = shared.confinement.has(Layer::NetNamespace) && leave_network().is_ok();
        Self { shared, index, candidate: None, judge: None, null: None, offline }
    }

    /// Starts what can be started before there is a job.
    pub(crate) fn warm_up(&mut self) -> io::Result<()> {
        self.judge()?;
        if self.shared.config.start == Start::Warm {
            self.zygote()?;
        }
        Ok(())
    }

    /// Runs a job to its verdict. A failure that is not the submission's is tried again with new
    /// interpreters, and then is `Infra`.
    pub(crate) fn run(&mut self, job: &Job) -> Outcome {
        let start = Instant::now();
        let mut found = self.attempt(job);
        for _ in 0..self.shared.config.retries {
            if !matches!(found.verdict, Verdict::Infra { retry: true, .. }) {
                break;
            }
            found = self.attempt(job);
        }
        let integrity = match *job.suite {
            Suite::InProcess { .. } => Integrity::InProcess,
            _ => Integrity::Split,
        };
        Outcome {
            verdict: found.verdict,
            tests: found.tests,
            borrowed: found.borrowed,
            integrity,
            layers: Arc::clone(&self.shared.layers),
            usage: Usage {
                cpu: found.ended.cpu,
                wall: start.elapsed(),
                memory: found.ended.memory,
            },
            stdout: found.stdout,
            stderr: found.stderr,
        }
    }

    fn attempt(&mut self, job: &Job) -> Found {
        if let Err(error) = job.suite.validate() {
            return Found::only(Verdict::infra(error.to_string(), false));
        }
        if job.program.len() > MAX_SOURCE {
            let reason = format!("the program is longer than {MAX_SOURCE} bytes");
            return Found::only(Verdict::CompileError { reason });
        }
        // What an earlier job was killed for is not this one's.
        let _ = self.was_out_of_memory();
        let found = match (&*job.suite, job.language.compiler()) {
            (Suite::InProcess { .. }, _) if !self.shared.config.allow_in_process => {
                let reason = "the suite runs tests in the submission's process, where it can \
                              change them: set `allow_in_process` to accept that";
                return Found::only(Verdict::infra(reason, false));
            }
            (Suite::Stdio { cases, comparator }, None) => {
                self.stdio(&job.program, cases, comparator)
            }
            (Suite::Stdio { cases, comparator }, Some(compiler)) => {
                self.compiled(&compiler, &job.program, cases, comparator)
            }
            (_, None) => self.judged(job),
            (_, Some(_)) => {
                let reason = format!(
                    "language `{}` is tested through standard input only",
                    job.language.name()
                );
                return Found::only(Verdict::infra(reason, false));
            }
        };
        let mut found =
            found.unwrap_or_else(|error| Found::only(Verdict::infra(error.to_string(), true)));
        if matches!(found.verdict, Verdict::Infra { retry: true, .. }) {
            self.restart();
            // The kernel may have chosen the zygote, which is in the same group.
            if self.was_out_of_memory() {
                found.verdict = Verdict::MemoryLimit;
            }
        }
        found
    }

    fn cgroup(&self) -> Option<&Cgroup> {
        self.shared.cgroups.get(self.index)
    }

    /// Whether the kernel killed something in this worker's group since this was last asked.
    fn was_out_of_memory(&self) -> bool {
        self.cgroup().is_some_and(Cgroup::ran_out_of_memory)
    }

    fn restart(&mut self) {
        self.candidate = None;
        self.judge = None;
    }

    fn judge(&mut self) -> io::Result<()> {
        if self.judge.is_none() {
            self.judge = Some(Judge::new(self.start_zygote(Role::Judge)?));
        }
        Ok(())
    }

    fn zygote(&mut self) -> io::Result<()> {
        if self.candidate.is_none() {
            self.candidate = Some(self.start_zygote(Role::Zygote)?);
        }
        Ok(())
    }

    fn start_zygote(&self, role: Role) -> io::Result<Zygote> {
        let Shared { confinement, python, .. } = &*self.shared;
        let cgroup = self.cgroup().filter(|_| role == Role::Zygote);
        Zygote::start(confinement, self.index, role, python, cgroup)
    }

    /// Starts an interpreter for a submission, with descriptors from 0 on.
    fn start_candidate(&self, fds: &[BorrowedFd<'_>]) -> io::Result<Running<'_>> {
        if let (Start::Warm, Some(zygote)) = (self.shared.config.start, &self.candidate) {
            return Running::warm(zygote, fds);
        }
        let Shared { confinement, python, .. } = &*self.shared;
        let mut programs = Programs::new(confinement);
        let path = programs.add("fresh.pyc", &python.fresh_candidate, fds.len())?;
        let mut plan = self.plan(Role::Candidate, &programs.files)?;
        plan.exec = interpreter(python, &[path], confinement);
        let held = programs.held.iter().map(AsFd::as_fd);
        let fds: Vec<_> = fds.iter().copied().chain(held).collect();
        let process = confinement.start(plan, &fds)?;
        Ok(Running::fresh(process))
    }

    /// A process of a submission, in this worker's control group and network.
    fn plan(&self, role: Role, files: &[(String, Vec<u8>)]) -> io::Result<Plan> {
        let mut plan = self.shared.confinement.plan(self.index, role, files)?;
        if self.offline {
            plan.namespaces &= !(libc::CLONE_NEWNET | libc::CLONE_NEWUTS);
        }
        if let Some(cgroup) = self.cgroup() {
            cgroup.take_in(&mut plan);
        }
        Ok(plan)
    }

    /// `/dev/null`, open for as long as the worker lives.
    fn null(&mut self) -> io::Result<()> {
        if self.null.is_none() {
            let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
            self.null = Some(null.into());
        }
        Ok(())
    }

    /// What a run that was cut short, or a process that ended by itself, comes to.
    fn end_verdict(&self, over: Over, ended: Ended, killed: bool) -> Verdict {
        match over {
            Over::Cpu => return Verdict::Timeout { clock: Clock::Cpu },
            Over::Wall => return Verdict::Timeout { clock: Clock::Wall },
            Over::Memory => return Verdict::MemoryLimit,
            Over::Output => return Verdict::OutputLimit,
            Over::Heard | Over::Closed | Over::Ended => {}
        }
        if self.was_out_of_memory() {
            return Verdict::MemoryLimit;
        }
        let cpu_seconds = self.shared.config.limits.cpu_seconds;
        let lowered = ended.cpu_limit.is_some_and(|limit| limit < kernel_cpu_limit(cpu_seconds));
        let out_of_time = ended.cpu.as_secs_f64() >= cpu_seconds || lowered;
        match ended.status.map(exit) {
            Some(Exit::Signal(libc::SIGXCPU)) => Verdict::Timeout { clock: Clock::Cpu },
            Some(Exit::Signal(libc::SIGKILL)) if out_of_time => {
                Verdict::Timeout { clock: Clock::Cpu }
            }
            // The first process of a namespace can't be killed from inside, except by the kernel
            // for limits it set itself: somebody else did.
            Some(Exit::Signal(libc::SIGKILL))
                if !killed && self.shared.confinement.has(Layer::PidNamespace) =>
            {
                Verdict::infra("the process was killed from outside", true)
            }
            Some(Exit::Signal(signal)) => {
                Verdict::Crashed { reason: format!("ended by signal {signal}") }
            }
            Some(Exit::Code(code)) => {
                Verdict::Crashed { reason: format!("exited with status {code}") }
            }
            None => Verdict::infra("nobody knows how the process ended", true),
        }
    }
}

enum Exit {
    Code(i32),
    Signal(i32),
}

fn exit(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

/// Both outputs of a process: our ends, and the ones to hand over.
struct Outputs {
    stdout: Capture,
    stderr: Capture,
    theirs: [OwnedFd; 2],
}

fn outputs(keep_stdout: usize) -> io::Result<Outputs> {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    Ok(Outputs {
        stdout: Capture::new(stdout, keep_stdout)?,
        stderr: Capture::new(stderr, KEPT)?,
        theirs: [their_stdout, their_stderr],
    })
}

fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn add(a: Ended, b: Ended) -> Ended {
    Ended { cpu: a.cpu + b.cpu, memory: a.memory.max(b.memory), ..b }
}

/// A longer program is not the work of a submission, and more than an interpreter may take in.
const MAX_SOURCE: usize = 4 << 20;

/// Time left for a process that is about to end by itself.
const GRACE: Duration = Duration::from_millis(300);

fn as_fd(fd: Option<&OwnedFd>) -> io::Result<BorrowedFd<'_>> {
    fd.map(AsFd::as_fd).ok_or_else(|| io::Error::other("a descriptor is missing"))
}
