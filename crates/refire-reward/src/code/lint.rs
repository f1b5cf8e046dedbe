use std::collections::BTreeSet;
use std::sync::Arc;

use refire_sandbox::{Job, Sandbox, Suite, Verdict};

/// A task that rewards nothing, or can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintFinding {
    /// Index of the suite.
    pub task: usize,
    /// What is wrong with it.
    pub flaw: LintFlaw,
}

/// What is wrong with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LintFlaw {
    /// A program that solves nothing passes.
    StubPasses {
        /// Its name.
        stub: &'static str,
        /// Its source.
        program: String,
    },
    /// No program can be judged by it.
    Broken {
        /// Why.
        reason: String,
    },
}

/// Bodies of functions that solve nothing, by name.
const BODIES: &[(&str, &str)] = &[
    ("returns nothing", "return None"),
    ("returns true", "return True"),
    ("returns false", "return False"),
    ("returns zero", "return 0"),
    ("returns one", "return 1"),
    ("returns an empty text", "return ''"),
    ("returns an empty list", "return []"),
    ("returns its argument", "return a[0] if a else None"),
    (
        "empties its arguments",
        "[x.clear() for x in a if hasattr(x, 'clear')]\n    return a[0] if a else None",
    ),
    ("raises", "raise ValueError"),
    ("stops an iteration", "raise StopIteration"),
    ("exits", "import os\n    os._exit(0)"),
    (
        "is equal to everything",
        "return type('E', (), {'__eq__': lambda *_: True, '__hash__': None})()",
    ),
];

/// Programs that read no input, or do nothing with it.
const PROGRAMS: &[(&str, &str)] = &[
    ("prints nothing", ""),
    ("exits", "raise SystemExit(0)"),
    ("prints zero", "print(0)"),
    ("prints yes", "print('YES')"),
    ("prints no", "print('NO')"),
    ("prints its input", "import sys\nsys.stdout.write(sys.stdin.read())"),
];

/// Runs programs that solve nothing against every suite, and lists the suites that any of them
/// passes, and those that can't judge at all: worth a look before a model finds them.
///
/// A finding may be right: "is it true?" has answers that a constant gets right, but then it needs
/// more cases. HumanEval/33's test, in part, compares a function with itself.
///
/// ```
/// use refire_reward::lint_suites;
/// use refire_sandbox::{Sandbox, SandboxConfig, Suite};
///
/// let Ok(sandbox) = Sandbox::new(SandboxConfig::default()) else { return };
/// let good = Suite::check("f", "def check(f):\n    assert f(2) == 4\n    assert f(3) == 9\n");
/// let vacuous = Suite::check("f", "def check(f):\n    assert f(2) == f(2)\n");
/// let findings = lint_suites(&sandbox, &[good, vacuous]);
/// assert!(!findings.is_empty() && findings.iter().all(|finding| finding.task == 1));
/// ```
pub fn lint_suites(sandbox: &Sandbox, suites: &[Suite]) -> Vec<LintFinding> {
    let mut jobs = Vec::new();
    let mut about = Vec::new();
    for (task, suite) in suites.iter().enumerate() {
        let suite = Arc::new(suite.clone());
        for (stub, program) in stubs(&suite) {
            let job = Job::new(program, Arc::clone(&suite));
            jobs.push(Job { stop_at_first: true, ..job });
            about.push((task, stub));
        }
    }
    let outcomes = sandbox.run_batch(&jobs);
    let mut findings = Vec::new();
    let mut broken = BTreeSet::new();
    for ((outcome, job), (task, stub)) in outcomes.into_iter().zip(jobs).zip(about) {
        let flaw = match outcome.verdict {
            Verdict::Passed => LintFlaw::StubPasses { stub, program: job.program },
            Verdict::Infra { reason, .. } if broken.insert(task) => LintFlaw::Broken { reason },
            _ => continue,
        };
        findings.push(LintFinding { task, flaw });
    }
    findings
}

fn stubs(suite: &Suite) -> Vec<(&'static str, String)> {
    let names = match suite {
        Suite::Stdio { .. } => {
            return PROGRAMS.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        }
        Suite::Check { entry_point, .. } | Suite::Calls { entry_point, .. } => {
            vec![entry_point.clone()]
        }
        Suite::Asserts { tests, .. } => called_names(&tests.join("\n")),
        Suite::Unittest { test, .. } | Suite::InProcess { test } => called_names(test),
        _ => return Vec::new(),
    };
    BODIES.iter().map(|(stub, body)| (*stub, define(&names, body))).collect()
}

/// A definition of each name; `Class.method` becomes a class.
fn define(names: &[String], body: &str) -> String {
    let mut program = String::new();
    for name in names {
        match name.split_once('.') {
            Some((class, method)) => {
                let body = body.replace("\n    ", "\n        ");
                program +=
                    &format!("class {class}:\n    def {method}(self, *a, **k):\n        {body}\n");
            }
            None => program += &format!("def {name}(*a, **k):\n    {body}\n"),
        }
    }
    program
}

/// Names that stand before a parenthesis and after no dot: what a test may call.
fn called_names(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices('(') {
        let before = &text[..at];
        let name = &before[before.trim_end_matches(is_name).len()..];
        let follows_dot = before[..before.len() - name.len()].ends_with('.');
        let starts_well = name.chars().next().is_some_and(|c| !c.is_numeric());
        if starts_well && !follows_dot && !KEYWORDS.contains(&name) {
            names.insert(name.to_owned());
        }
    }
    names.into_iter().collect()
}

/// Words of Python before which a parenthesis means no call.
const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "await", "class", "def", "del", "elif", "else", "except", "for", "from",
    "if", "import", "in", "is", "lambda", "not", "or", "print", "raise", "return", "while", "with",
    "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_called() {
        let names = called_names("assert set(f2(1)) == {a.g(h_3 (2))}\nassert (not (x))");
        assert_eq!(names, ["f2", "set"]);
    }

    #[test]
    fn defines_functions_and_methods() {
        let program = define(&["f".into(), "A.g".into()], "x = 1\n    return x");
        assert_eq!(
            program,
            "def f(*a, **k):\n    x = 1\n    return x\nclass A:\n    def g(self, *a, **k):\n        x = 1\n        return x\n"
        );
    }
}
