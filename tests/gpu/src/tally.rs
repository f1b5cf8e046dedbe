//! Counting checks.

use refire::core::BoxError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// How checks went.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
    /// Part of the names of checks to make.
    only: String,
}

impl Tally {
    /// Makes the checks with this in their names.
    pub fn of(only: String) -> Self {
        Self { only, ..Self::default() }
    }

    /// Makes a check, which says what it saw, and prints a line. A panic is a failure.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<String, BoxError>) {
        if !name.contains(&self.only) {
            return;
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(check));
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(Ok(seen)) => {
                self.passed += 1;
                println!("passed  {name}: {seen} ({seconds:.1} s)");
            }
            Ok(Err(error)) => self.fail(name, &error.to_string()),
            Err(panic) => self.fail(name, &format!("panicked: {}", message(&*panic))),
        }
    }

    fn fail(&mut self, name: &str, reason: &str) {
        self.failed += 1;
        println!("FAILED  {name}: {reason}");
    }

    /// Prints the sum; an error if a check failed.
    pub fn finish(self) -> ExitCode {
        println!("gpu check: {} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_error_are_failures() {
        let mut tally = Tally::default();
        tally.check("good", || Ok(String::new()));
        tally.check("bad", || Err("no".into()));
        tally.check("worse", || panic!("at the disco"));
        assert_eq!((tally.passed, tally.failed), (1, 2));
    }
}
