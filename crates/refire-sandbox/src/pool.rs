//! A pool of workers, and batches.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

#[cfg(not(target_os = "linux"))]
use crate::elsewhere::{Shared, Worker, probe};
#[cfg(target_os = "linux")]
use crate::linux::{Shared, Worker, probe};
use crate::python::Python;
use crate::queue::Queue;
use crate::{Job, Layers, Outcome, Require, SandboxConfig, SandboxError, Start, Verdict};

/// Runs submissions against their tests, confined.
///
/// Workers and their interpreters start with the first batch and stay until the sandbox is
/// dropped.
///
/// ```
/// use refire_sandbox::{Job, Sandbox, SandboxConfig, SandboxError, Suite, TestResult};
///
/// let sandbox = match Sandbox::new(SandboxConfig::default()) {
///     Ok(sandbox) => sandbox,
///     Err(error) => {
///         eprintln!("skipped: {error}");
///         return Ok(());
///     }
/// };
/// let suite = Suite::check("add", "def check(candidate):\n    assert candidate(1, 2) == 3\n");
/// let right = sandbox.run(&Job::new("def add(a, b):\n    return a + b\n", suite.clone()));
/// assert!(right.verdict.is_passed());
/// let sly = sandbox.run(&Job::new("import os\nos._exit(0)\n", suite));
/// assert!(!sly.verdict.is_passed());
/// # Ok::<(), SandboxError>(())
/// ```
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    tasks: Arc<Queue<Task>>,
    /// A thread for each worker, as long as the sandbox lives: the kernel kills what a thread has
    /// started when the thread ends.
    threads: Vec<JoinHandle<()>>,
}

/// What a worker is told.
#[derive(Debug)]
enum Task {
    Run { index: usize, job: Box<Job>, reply: Sender<(usize, Outcome)> },
    WarmUp { reply: Sender<io::Result<()>> },
}

impl Sandbox {
    /// Tries every layer, and makes a sandbox if they suffice.
    ///
    /// # Errors
    /// When the configuration has a problem, when there is no Python, or when a layer that
    /// `require` asks for is missing: nothing runs with less.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        config.check()?;
        let python = Python::find(config.python.as_deref());
        let layers = probe(&config, python.as_ref().ok());
        Self::check_layers(&config, &layers)?;
        let python = python?;
        Self::check_start(&config, &python, &layers)?;
        let count = config.workers.unwrap_or_else(available);
        let shared = Arc::new(Shared::new(config, python, layers, count));
        // What every worker needs for itself may have failed where one probe succeeded.
        Self::check_layers(&shared.config, &shared.layers)?;
        let tasks = Arc::new(Queue::new(count));
        let mut sandbox = Self { shared, tasks, threads: Vec::with_capacity(count) };
        for index in 0..count {
            let (shared, tasks) = (Arc::clone(&sandbox.shared), Arc::clone(&sandbox.tasks));
            let run = move || work(&shared, index, &tasks);
            let thread = thread::Builder::new().name(format!("sandbox-{index}")).spawn(run);
            let what = "start a thread";
            sandbox.threads.push(thread.map_err(|source| SandboxError::System { what, source })?);
        }
        Ok(sandbox)
    }

    fn check_layers(config: &SandboxConfig, layers: &Layers) -> Result<(), SandboxError> {
        match layers.missing() {
            Some((layer, reason)) if config.require == Require::Strict => {
                Err(SandboxError::Layer { layer, reason: reason.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn check_start(
        config: &SandboxConfig,
        python: &Python,
        layers: &Layers,
    ) -> Result<(), SandboxError> {
        if config.start == Start::Fresh {
            return Ok(());
        }
        let change = "set `start` to `fresh`";
        if !python.can_be_warm {
            let problem = format!("this Python has no `ctypes`, which warm starts need: {change}");
            return Err(SandboxError::Config { problems: vec![problem] });
        }
        use crate::Layer::{MountNamespace, NetNamespace, PidNamespace, Seccomp, UserNamespace};
        let needed = [UserNamespace, PidNamespace, NetNamespace, MountNamespace, Seccomp];
        match needed.into_iter().find(|layer| !layers.is_active(*layer)) {
            Some(layer) => {
                let problem =
                    format!("warm starts need layer `{layer}`, which is missing: {change}");
                Err(SandboxError::Config { problems: vec![problem] })
            }
            None => Ok(()),
        }
    }

    /// The state of every layer.
    pub fn layers(&self) -> &Layers {
        &self.shared.layers
    }

    /// The configuration.
    pub fn config(&self) -> &SandboxConfig {
        &self.shared.config
    }

    /// The version of the interpreter that submissions run in.
    pub fn python_version(&self) -> [u32; 3] {
        self.shared.python.version
    }

    /// How many submissions run at one time.
    pub fn workers(&self) -> usize {
        self.threads.len()
    }

    /// Starts every worker's interpreters now, rather than with the first job.
    ///
    /// # Errors
    /// When one can't be started.
    pub fn warm_up(&self) -> Result<(), SandboxError> {
        let (reply, replies) = channel();
        self.tasks.push_for_each(|| Task::WarmUp { reply: reply.clone() });
        drop(reply);
        let what = "start an interpreter";
        replies
            .into_iter()
            .collect::<io::Result<()>>()
            .map_err(|source| SandboxError::System { what, source })
    }

    /// Runs one submission.
    pub fn run(&self, job: &Job) -> Outcome {
        self.run_batch(std::slice::from_ref(job)).pop().unwrap_or_else(|| self.lost())
    }

    /// Runs submissions on all workers; outcome `i` belongs to job `i`.
    pub fn run_batch(&self, jobs: &[Job]) -> Vec<Outcome> {
        self.run_batch_with(jobs, |_, _| {})
    }

    /// As [`run_batch`](Self::run_batch), telling each outcome and its index as it comes.
    pub fn run_batch_with(
        &self,
        jobs: &[Job],
        mut progress: impl FnMut(usize, &Outcome),
    ) -> Vec<Outcome> {
        let (reply, replies) = channel();
        for (index, job) in jobs.iter().enumerate() {
            let (job, reply) = (Box::new(job.clone()), reply.clone());
            self.tasks.push(Task::Run { index, job, reply });
        }
        drop(reply);
        let mut outcomes: Vec<Option<Outcome>> = jobs.iter().map(|_| None).collect();
        for (index, outcome) in replies {
            progress(index, &outcome);
            outcomes[index] = Some(outcome);
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| self.lost())).collect()
    }

    /// The outcome of a job whose worker did not come back.
    fn lost(&self) -> Outcome {
        lost(&self.shared, "the worker ended before the job did".to_owned())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.tasks.close();
        for thread in self.threads.drain(..) {
            // One that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// A worker's life: one task at a time, until the sandbox is dropped. One that panics is replaced,
/// and its job is nobody's fault.
fn work(shared: &Arc<Shared>, index: usize, tasks: &Queue<Task>) {
    let mut worker = Worker::new(Arc::clone(shared), index);
    while let Some(task) = tasks.next(index) {
        let survived = match task {
            // Whoever asked may have gone.
            Task::Run { index, job, reply } => {
                let ran = guarded(|| worker.run(&job));
                let survived = ran.is_ok();
                let _ = reply.send((index, ran.unwrap_or_else(|reason| lost(shared, reason))));
                survived
            }
            Task::WarmUp { reply } => {
                let ran = guarded(|| worker.warm_up());
                let survived = ran.is_ok();
                let _ = reply.send(ran.unwrap_or_else(|reason| Err(io::Error::other(reason))));
                survived
            }
        };
        if !survived {
            worker = Worker::new(Arc::clone(shared), index);
        }
    }
}

/// What `run` returns, or what it panicked with.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("the worker panicked: {}", text.unwrap_or("without a word"))
    })
}

/// The outcome of a job whose worker did not come back.
fn lost(shared: &Shared, reason: String) -> Outcome {
    Outcome {
        verdict: Verdict::infra(reason, true),
        tests: Vec::new(),
        borrowed: Vec::new(),
        integrity: crate::Integrity::Split,
        layers: Arc::clone(&shared.layers),
        usage: crate::Usage::default(),
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

/// The state of every layer on this machine, with the cure for what is missing.
///
/// ```
/// println!("{}", refire_sandbox::doctor());
/// ```
pub fn doctor() -> Layers {
    let python = Python::find(None).ok();
    probe(&SandboxConfig::default(), python.as_ref())
}

/// Twice what the affinity of this process and the quota of its control group allow: in each job a
/// judge and a candidate take turns, so that one of them always waits.
fn available() -> usize {
    2 * thread::available_parallelism().map_or(1, usize::from)
}
