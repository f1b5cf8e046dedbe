//! Programs that read standard input: one process per case, judged here.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::{Exit, Found, Worker, add, exit, outputs, stream_pair};
use crate::linux::exchange::{Loaded, Script};
use crate::linux::raw::Ended;
use crate::linux::watch::{Feed, KEPT, Over, Watch};
use crate::{Comparator, Start, StdioCase, TestResult, Verdict};

/// One run of a program.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) over: Over,
    pub(super) ended: Ended,
    pub(super) killed: bool,
    pub(super) refused: Option<Verdict>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Ran {
    /// Of a program that could not be run.
    pub(super) fn refused(verdict: Verdict) -> Self {
        Self {
            over: Over::Ended,
            ended: Ended::default(),
            killed: false,
            refused: Some(verdict),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

impl Worker {
    pub(super) fn stdio(
        &mut self,
        program: &str,
        cases: &[StdioCase],
        comparator: &Comparator,
    ) -> io::Result<Found> {
        self.cases(cases, comparator, &mut |worker, case| {
            let script = Script { program, ..Script::default() };
            worker.script(&script, case.input.as_bytes())
        })
    }

    /// Runs and compares every case, until one is refused or out of its limits.
    pub(super) fn cases(
        &mut self,
        cases: &[StdioCase],
        comparator: &Comparator,
        run: &mut dyn FnMut(&mut Self, &StdioCase) -> io::Result<Ran>,
    ) -> io::Result<Found> {
        let mut found = Found::only(Verdict::Passed);
        found.tests = vec![TestResult::NotRun; cases.len()];
        for (index, case) in cases.iter().enumerate() {
            let mut ran = run(self, case)?;
            found.ended = add(found.ended, ran.ended);
            keep(&mut found.stdout, &ran.stdout);
            keep(&mut found.stderr, &ran.stderr);
            let verdict = match ran.refused.take() {
                Some(verdict) => verdict,
                None => self.judge_case(index, case, comparator, &ran)?,
            };
            let passed = verdict.is_passed();
            found.tests[index] = if passed { TestResult::Passed } else { TestResult::Failed };
            if found.verdict.is_passed() && !passed {
                found.verdict = verdict.clone();
            }
            let goes_on = matches!(
                verdict,
                Verdict::Passed | Verdict::Failed { .. } | Verdict::Crashed { .. }
            );
            if !goes_on {
                found.verdict = verdict;
                break;
            }
        }
        Ok(found)
    }

    fn judge_case(
        &mut self,
        index: usize,
        case: &StdioCase,
        comparator: &Comparator,
        ran: &Ran,
    ) -> io::Result<Verdict> {
        let clean = matches!(ran.ended.status.map(exit), Some(Exit::Code(0)));
        if ran.over != Over::Ended || !clean {
            let text = String::from_utf8_lossy(&ran.stderr);
            let last = text.lines().last().unwrap_or_default();
            return Ok(match self.end_verdict(ran.over, ran.ended, ran.killed) {
                Verdict::Crashed { .. } if last.starts_with("MemoryError") => Verdict::MemoryLimit,
                Verdict::Crashed { reason } => {
                    let last: String = last.chars().take(300).collect();
                    Verdict::Crashed { reason: format!("case {index}: {reason}; {last}") }
                }
                other => other,
            });
        }
        let Ok(output) = std::str::from_utf8(&ran.stdout) else {
            return Ok(Verdict::failed(Some(index), "the output is not UTF-8"));
        };
        if let Comparator::Checker { program } = comparator {
            return self.check(index, case, program, &ran.stdout);
        }
        Ok(if comparator.accepts(&case.output, output) {
            Verdict::Passed
        } else {
            let brief = |text: &str| text.chars().take(200).collect::<String>();
            let (expected, found) = (brief(&case.output), brief(output));
            Verdict::failed(Some(index), format!("expected {expected:?}, found {found:?}"))
        })
    }

    /// Asks a checker, which is trusted but reads what is not: so it has a sandbox too.
    ///
    /// One that does not decide may be broken, or may have been broken by what it was given to read,
    /// which must not be an excuse. The expected output, which it has to accept, tells.
    fn check(
        &mut self,
        index: usize,
        case: &StdioCase,
        program: &str,
        output: &[u8],
    ) -> io::Result<Verdict> {
        let undecided = match self.ask_checker(case, program, output)? {
            Decision::Accepts => return Ok(Verdict::Passed),
            Decision::Refuses => {
                return Ok(Verdict::failed(Some(index), "the checker refused the output"));
            }
            Decision::Lost(verdict) => return Ok(verdict),
            Decision::None(reason) => reason,
        };
        Ok(match self.ask_checker(case, program, case.output.as_bytes())? {
            Decision::Accepts => Verdict::failed(
                Some(index),
                format!("the checker could not read the output: {undecided}"),
            ),
            Decision::Lost(verdict) => verdict,
            Decision::Refuses => {
                let what = "the checker decides nothing, and refuses the expected output";
                Verdict::infra(format!("{what}: {undecided}"), false)
            }
            Decision::None(reason) => Verdict::infra(
                format!("the checker decides nothing, not even the expected output: {reason}"),
                false,
            ),
        })
    }

    fn ask_checker(
        &mut self,
        case: &StdioCase,
        program: &str,
        output: &[u8],
    ) -> io::Result<Decision> {
        let files = [
            ("input", case.input.as_bytes()),
            ("output", output),
            ("expected", case.output.as_bytes()),
        ];
        let script = Script { program, argv: &["input", "output", "expected"], files: &files };
        let ran = self.script(&script, b"")?;
        let said = String::from_utf8_lossy(&ran.stderr);
        let raised = said.contains("Traceback (most recent call last)");
        let last: String =
            said.trim_end().lines().last().unwrap_or_default().chars().take(300).collect();
        let end = match ran.refused {
            Some(verdict) => verdict,
            None => match (ran.over, ran.ended.status.map(exit)) {
                (Over::Ended, Some(Exit::Code(0))) => return Ok(Decision::Accepts),
                (Over::Ended, Some(Exit::Code(1))) if !raised => return Ok(Decision::Refuses),
                (over, _) => self.end_verdict(over, ran.ended, ran.killed),
            },
        };
        Ok(match end {
            Verdict::Infra { .. } => Decision::Lost(end),
            Verdict::CompileError { reason } => {
                Decision::None(format!("it is not a program: {reason}"))
            }
            Verdict::Crashed { reason } => Decision::None(format!("{reason}; {last}")),
            other => Decision::None(format!("{}; {last}", other.name())),
        })
    }

    /// Runs a Python program with an input.
    pub(super) fn script(&mut self, script: &Script<'_>, input: &[u8]) -> io::Result<Ran> {
        if self.shared.config.start == Start::Warm {
            self.zygote()?;
        }
        let limits = &self.shared.config.limits;
        let start = Instant::now();
        let (rpc, their_rpc) = stream_pair()?;
        let (their_stdin, stdin) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut outputs = outputs(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX))?;
        let [out, err] = outputs.theirs;
        let fds = [their_stdin.as_fd(), out.as_fd(), err.as_fd(), their_rpc.as_fd()];
        let mut running = self.start_candidate(&fds)?;
        drop((their_rpc, their_stdin, out, err));
        let loaded = script.hand_over(rpc)?;
        let watch = Watch {
            running: &running,
            limits,
            cpu_seconds: limits.cpu_seconds,
            start,
            stdout: &mut outputs.stdout,
            stderr: &mut outputs.stderr,
            stdin: Some(Feed::new(stdin, input)?),
            listener: None,
        };
        let over = watch.run()?;
        let ended = running.finish()?;
        outputs.stdout.drain();
        outputs.stderr.drain();
        let killed = running.was_killed();
        let refused = match loaded {
            Loaded::Running => None,
            Loaded::Refused(reason) => Some(Verdict::CompileError { reason }),
            Loaded::NotStarted => Some(Verdict::infra("the candidate did not start", true)),
            Loaded::Broken => Some(match self.end_verdict(over, ended, killed) {
                Verdict::Crashed { reason } => {
                    Verdict::CompileError { reason: format!("the compiler ended early: {reason}") }
                }
                other => other,
            }),
        };
        let (stdout, stderr) = (outputs.stdout.kept, outputs.stderr.kept);
        Ok(Ran { over, ended, killed, refused, stdout, stderr })
    }
}

/// What a checker says of an output.
enum Decision {
    Accepts,
    Refuses,
    /// Nothing, for a reason.
    None(String),
    /// It was not the checker's doing.
    Lost(Verdict),
}

fn keep(all: &mut Vec<u8>, more: &[u8]) {
    let room = KEPT.saturating_sub(all.len());
    all.extend_from_slice(&more[..more.len().min(room)]);
}
