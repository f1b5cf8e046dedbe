//! Runs a model's code against tests: confined, fast, and without being fooled.
//!
//! ```text
//!          job ──► judge (trusted tests)  ◄── values ──►  candidate (the submission)
//!   Outcome ◄── report                                    pid, net, mount namespaces, seccomp, ...
//! ```
//!
//! A reward made of tests trains a model to fool the tests. Three rules keep it from succeeding:
//!
//! - **Two processes.** The submission runs in a process that holds nothing else. Tests run in a
//!   judge of their own that never loads the submission; it asks for results over a channel of
//!   exact built-in values, bound to each question by a nonce, bounded in size and depth. So
//!   leaving with status 0, overriding `__eq__`, patching the test framework or reading the
//!   expected values has nothing to act on. See [`Suite`].
//! - **Nothing unprotected by accident.** Every [`Layer`] of confinement is tried by doing, and
//!   reported in every [`Outcome`]. [`Require::Strict`], the default, refuses to start without
//!   those it needs, and names the missing one and its cure. [`doctor`] prints the table.
//! - **A failure of the sandbox is not a failure of the submission.** [`Verdict::Infra`] is never
//!   a number: the caller retries, masks the sample or stops.
//!
//! Time is processor time first, and time on the clock only for programs that sleep, so that a busy
//! machine doesn't turn into failed tests. Tests without an assertion, or that never call the
//! submission, pass nobody.
//!
//! What it can't do: a submission sees the arguments it is called with, so it can know the answers
//! to tests it has seen in its prompt. Hidden tests are a matter of the data.
//!
//! ```
//! use refire_sandbox::{Job, Sandbox, SandboxConfig, Suite};
//!
//! let suite = Suite::check("add", "def check(candidate):\n    assert candidate(1, 2) == 3\n");
//! match Sandbox::new(SandboxConfig::default()) {
//!     Ok(sandbox) => {
//!         let jobs = ["def add(a, b): return a + b", "class E(int): __eq__ = lambda *_: True\ndef add(a, b): return E()"]
//!             .map(|program| Job::new(program, suite.clone()));
//!         let outcomes = sandbox.run_batch(&jobs);
//!         assert!(outcomes[0].verdict.is_passed());
//!         assert!(!outcomes[1].verdict.is_passed());
//!     }
//!     Err(error) => eprintln!("skipped: {error}"),
//! }
//! ```

mod census;
mod comparator;
mod config;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod error;
mod job;
mod language;
mod layer;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod pool;
mod python;
mod queue;
mod suite;
mod verdict;

pub use census::Census;
pub use comparator::Comparator;
pub use config::{Require, SandboxConfig, Start};
pub use error::SandboxError;
pub use job::Job;
pub use language::{Compiler, Cpp, Language, Python3};
pub use layer::{Layer, LayerState, Layers};
pub use limits::Limits;
pub use pool::{Sandbox, doctor};
pub use suite::{Call, StdioCase, Suite, Tolerance};
pub use verdict::{Clock, Integrity, Outcome, TestResult, Usage, Verdict};
