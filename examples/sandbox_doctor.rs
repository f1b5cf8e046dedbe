//! Tries every layer of the sandbox on this machine, and says what is missing and how to get it.
//!
//! ```sh
//! cargo run --release --example sandbox_doctor
//! ```

use std::error::Error;

use refire::sandbox::{Job, Sandbox, SandboxConfig, Start, Suite, doctor};

fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", doctor());
    for start in [Start::Warm, Start::Fresh] {
        let config = SandboxConfig { start, ..SandboxConfig::default() };
        match Sandbox::new(config) {
            Ok(sandbox) => println!("{start:?} starts: {}", try_out(&sandbox)),
            Err(error) => println!("{start:?} starts: {error}"),
        }
    }
    Ok(())
}

/// One right and one wrong submission.
fn try_out(sandbox: &Sandbox) -> String {
    let suite = Suite::check("add", "def check(candidate):\n    assert candidate(2, 3) == 5\n");
    let verdict = |program: &str| sandbox.run(&Job::new(program, suite.clone())).verdict;
    let right = verdict("def add(a, b):\n    return a + b\n");
    let wrong = verdict("def add(a, b):\n    return a - b\n");
    let [major, minor, patch] = sandbox.python_version();
    format!(
        "Python {major}.{minor}.{patch}, {} workers; a right program {}, a wrong one {}",
        sandbox.workers(),
        right.name(),
        wrong.name()
    )
}
