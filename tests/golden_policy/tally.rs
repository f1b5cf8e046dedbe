use std::fmt;

/// What became of a case.
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// Different on purpose; what we return instead was checked. The reason names the rule.
    Excepted(&'static str),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(why) => Self::Failed(why),
        }
    }
}

impl Outcome {
    /// An exception, if what we return instead is right.
    pub(crate) fn excepted(rule: &'static str, instead: Result<(), String>) -> Self {
        match instead {
            Ok(()) => Self::Excepted(rule),
            Err(why) => Self::Failed(format!("{rule}, but {why}")),
        }
    }
}

/// Counts of outcomes.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    pub(crate) failed: usize,
    excepted: usize,
    skipped: usize,
    rules: Vec<&'static str>,
}

impl Tally {
    pub(crate) fn unknown(cases: usize) -> Self {
        let rules = vec!["no method for this file"];
        Self { skipped: cases, rules, ..Self::default() }
    }

    pub(crate) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Excepted(rule) => {
                self.excepted += 1;
                self.rule(rule);
            }
        }
    }

    fn rule(&mut self, rule: &'static str) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.excepted += other.excepted;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, excepted, skipped, rules } = self;
        write!(f, "{passed} passed, {failed} failed, {excepted} excepted, {skipped} skipped")?;
        if rules.is_empty() { Ok(()) } else { write!(f, " ({})", rules.join("; ")) }
    }
}
