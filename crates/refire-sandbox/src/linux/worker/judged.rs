//! Tests that call the submission's functions: a judge asks, a candidate answers.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::{Exit, Found, GRACE, Worker, as_fd, exit, outputs, stream_pair};
use crate::linux::exchange::{JudgeJob, Line, Report};
use crate::linux::raw::Ended;
use crate::linux::watch::{KEPT, Over, Watch};
use crate::{Clock, Job, Start, TestResult, Verdict};

impl Worker {
    pub(super) fn judged(&mut self, job: &Job) -> io::Result<Found> {
        self.null()?;
        self.judge()?;
        // Taken out for the time of the job: one that fails half-way is not used again.
        let mut judge = self.judge.take().ok_or_else(|| io::Error::other("no judge"))?;
        if self.shared.config.start == Start::Warm {
            self.zygote()?;
        }
        let limits = &self.shared.config.limits;
        let start = Instant::now();
        let (rpc, judge_rpc) = stream_pair()?;
        let mut outputs = outputs(KEPT)?;
        let [out, err] = outputs.theirs;
        let null = as_fd(self.null.as_ref())?;
        let mut candidate = self.start_candidate(&[null, out.as_fd(), err.as_fd(), rpc.as_fd()])?;
        drop((rpc, out, err));
        let task =
            JudgeJob { program: &job.program, suite: &job.suite, stop_at_first: job.stop_at_first };
        let mut report = judge.assign(&task, judge_rpc.as_fd())?;
        drop(judge_rpc);
        let watch = Watch {
            running: &candidate,
            limits,
            cpu_seconds: limits.cpu_seconds,
            start,
            stdout: &mut outputs.stdout,
            stderr: &mut outputs.stderr,
            stdin: None,
            listener: Some(&mut report),
        };
        let over = watch.run()?;
        let fault = report.last().is_some_and(|line| line.fault.as_deref() == Some("exit"));
        if fault {
            // How it ended is worth a moment: it is on its way out.
            candidate.ends_within(i64::try_from(GRACE.as_millis()).unwrap_or(100));
        }
        let ended = candidate.finish()?;
        let keep = over == Over::Heard && report.last().is_some_and(|line| !line.retire);
        let (judge_ended, judge_killed) =
            if keep { Default::default() } else { judge.retire(patience(over))? };
        outputs.stdout.drain();
        outputs.stderr.drain();
        let ends = Ends {
            over,
            candidate: ended,
            killed: candidate.was_killed(),
            judge: judge_ended,
            judge_killed,
        };
        let (tests, verdict) = self.read(&report, &ends);
        drop(candidate);
        self.judge = Some(judge);
        let borrowed = report.last().map(|line| line.borrowed.clone()).unwrap_or_default();
        Ok(Found {
            verdict,
            tests,
            borrowed,
            ended,
            stdout: outputs.stdout.kept,
            stderr: outputs.stderr.kept,
        })
    }

    fn read(&self, report: &Report, ends: &Ends) -> (Vec<TestResult>, Verdict) {
        let planned = report.lines.iter().find_map(|line| line.plan).unwrap_or(0);
        let mut tests = vec![TestResult::NotRun; planned];
        let mut first_failed = None;
        let memory = report.lines.iter().any(|line| line.memory);
        for line in &report.lines {
            let Some(test) = line.case.and_then(|case| tests.get_mut(case)) else { continue };
            if line.ok {
                *test = TestResult::Passed;
            } else {
                *test = TestResult::Failed;
                first_failed = first_failed.or(Some(line));
            }
        }
        let verdict = match report.last() {
            Some(last) if ends.over == Over::Heard => {
                self.last_word(last, &tests, first_failed, memory, ends)
            }
            _ if ends.over == Over::Closed => Self::silent_judge(report, ends),
            _ => self.end_verdict(ends.over, ends.candidate, ends.killed),
        };
        (tests, verdict)
    }

    /// A judge that ended without a word: it met its limits over what the submission returned, or
    /// somebody killed it.
    fn silent_judge(report: &Report, ends: &Ends) -> Verdict {
        let nobodys =
            |how: &str| Verdict::infra(format!("the judge ended without a verdict: {how}"), true);
        let how = match ends.judge.status.map(exit) {
            _ if ends.judge_killed => return nobodys("it did not end in time"),
            None => return nobodys("nobody knows how"),
            Some(Exit::Signal(libc::SIGXCPU)) => return Verdict::Timeout { clock: Clock::Cpu },
            // A judge sends itself none of these.
            Some(Exit::Signal(
                signal @ (libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP),
            )) => return nobodys(&format!("it was sent signal {signal}")),
            Some(Exit::Signal(signal)) => format!("signal {signal}"),
            Some(Exit::Code(code)) => format!("status {code}"),
        };
        // It went down by itself, over more memory or depth than it has. Once it has answers of the
        // submission these may be the cause, and must not be an excuse.
        if report.lines.iter().any(|line| line.asked) {
            let reason = format!("the judge ended with {how} over what the submission returned");
            Verdict::failed(None, reason)
        } else {
            nobodys(&how)
        }
    }

    fn last_word(
        &self,
        last: &Line,
        tests: &[TestResult],
        first_failed: Option<&Line>,
        memory: bool,
        ends: &Ends,
    ) -> Verdict {
        let calls = last.calls.unwrap_or(0);
        // A fault of the tests shows before the submission has said anything. Later, what it said
        // may have caused it, and a submission must not be able to escape its verdict.
        let blame_tests = |reason: &str, before: u64| {
            if calls <= before {
                Verdict::infra(reason, false)
            } else {
                Verdict::failed(None, reason)
            }
        };
        if let Some(reason) = &last.infra {
            return match self.end_verdict(ends.over, ends.candidate, ends.killed) {
                Verdict::Infra { reason, retry } => Verdict::Infra { reason, retry },
                _ => Verdict::infra(reason.clone(), true),
            };
        }
        if let Some(reason) = &last.broken {
            return blame_tests(reason, 0);
        }
        if let Some(reason) = &last.unsupported {
            let reason = format!("{reason} can't be sent; a suite `in_process` can test it");
            return blame_tests(&reason, 1);
        }
        if let Some(reason) = &last.compile {
            return Verdict::CompileError { reason: reason.clone() };
        }
        let failure = last.load.as_ref().or(last.raised.as_ref());
        let ran_out = memory
            && failure
                .or(first_failed.map(|line| &line.reason))
                .is_some_and(|reason| reason.starts_with("MemoryError"));
        if ran_out {
            return Verdict::MemoryLimit;
        }
        if let Some(reason) = &last.load {
            return Verdict::Crashed { reason: reason.clone() };
        }
        match last.fault.as_deref() {
            Some("exit") => {
                let reason = &last.reason;
                return match self.end_verdict(Over::Ended, ends.candidate, ends.killed) {
                    Verdict::Crashed { reason: how } => {
                        Verdict::Crashed { reason: format!("{reason}: {how}") }
                    }
                    other => other,
                };
            }
            Some(_) => return Verdict::failed(None, last.reason.clone()),
            None => {}
        }
        if let Some(line) = first_failed {
            return Verdict::failed(line.case, line.reason.clone());
        }
        if let Some(reason) = &last.raised {
            return Verdict::failed(None, format!("the test raised {reason}"));
        }
        if calls == 0 {
            return Verdict::infra("the tests never call the submission", false);
        }
        if !last.done || !tests.contains(&TestResult::Passed) {
            return Verdict::failed(None, "no test held");
        }
        Verdict::Passed
    }
}

/// How long a judge may take to end: one that closed its line is on its way out.
fn patience(over: Over) -> Duration {
    if over == Over::Closed { 10 * GRACE } else { GRACE / 3 }
}

/// How the processes of a run ended.
struct Ends {
    over: Over,
    candidate: Ended,
    killed: bool,
    judge: Ended,
    judge_killed: bool,
}
