use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one program may use.
///
/// The budget is for the whole check: all calls of a test share it. Programs that read standard
/// input start anew for each case, with a budget each; after the first one that runs out, the rest
/// is not run.
///
/// ```
/// use refire_sandbox::Limits;
/// let limits = Limits { cpu_seconds: 10.0, ..Limits::default() };
/// assert_eq!(limits.wall().as_secs_f64(), 20.0);
/// assert!(limits.validate().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Processor time in seconds, of the program and all its descendants.
    pub cpu_seconds: f64,
    /// Time on the clock, as a multiple of `cpu_seconds`: only for programs that sleep. Time in
    /// which the program was ready and the machine busy doesn't count, up to four times the
    /// limit: load must not turn into failed tests.
    pub wall_factor: f64,
    /// Address space of a process, and resident memory of all of them, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at one time.
    pub processes: u32,
    /// Standard output and standard error together, in bytes.
    pub output_bytes: u64,
    /// Files in the scratch folder, in bytes; they live in memory.
    pub disk_bytes: u64,
    /// Files and folders in the scratch folder.
    pub files: u32,
    /// Open descriptors of a process.
    pub descriptors: u32,
    /// Processor time of the compiler, in seconds.
    pub compile_seconds: f64,
}

impl Default for Limits {
    /// HumanEval allows 3 s, verl's sandbox 10 s and 1 GiB; a second more than HumanEval of
    /// processor time leaves room for slow machines.
    fn default() -> Self {
        Self {
            cpu_seconds: 4.0,
            wall_factor: 2.0,
            memory_bytes: 1 << 30,
            processes: 64,
            output_bytes: 8 << 20,
            disk_bytes: 64 << 20,
            files: 4096,
            descriptors: 256,
            compile_seconds: 20.0,
        }
    }
}

impl Limits {
    /// Time on the clock after which a program is stopped.
    pub fn wall(&self) -> Duration {
        Duration::from_secs_f64(self.cpu_seconds * self.wall_factor)
    }

    /// Every problem found, as sentences that say what to change; empty if there is none.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |name: &str, value: f64, least: f64, most: f64| {
            if !(least..=most).contains(&value) {
                problems.push(format!("`{name}` is {value}, set it between {least} and {most}"));
            }
        };
        range("cpu_seconds", self.cpu_seconds, 0.05, 3600.0);
        range("wall_factor", self.wall_factor, 1.0, 1000.0);
        range("memory_bytes", self.memory_bytes as f64, f64::from(64 << 20), 2_f64.powi(50));
        range("processes", f64::from(self.processes), 1.0, 4096.0);
        range("output_bytes", self.output_bytes as f64, 1024.0, 2_f64.powi(32));
        range("disk_bytes", self.disk_bytes as f64, 65536.0, 2_f64.powi(40));
        range("files", f64::from(self.files), 16.0, 2_f64.powi(24));
        range("descriptors", f64::from(self.descriptors), 16.0, 65536.0);
        range("compile_seconds", self.compile_seconds, 0.1, 3600.0);
        problems
    }
}
