//! Compiled languages: the compiler in a sandbox, and its product in another.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use super::stdio::Ran;
use super::{Exit, Found, Worker, exit, outputs};
use crate::linux::candidate::Running;
use crate::linux::confinement::Role;
use crate::linux::probe::describe;
use crate::linux::raw::{Exec, Fault, Step};
use crate::linux::rootfs::c_path;
use crate::linux::watch::{Feed, Over, Watch};
use crate::linux::zygote::in_memory;
use crate::{Comparator, Compiler, StdioCase, Verdict};

/// Larger programs than this are not the work of a submission.
const MAX_PROGRAM: usize = 64 << 20;

impl Worker {
    pub(super) fn compiled(
        &mut self,
        compiler: &Compiler,
        program: &str,
        cases: &[StdioCase],
        comparator: &Comparator,
    ) -> io::Result<Found> {
        let mut line = shell_word(&compiler.tool);
        for argument in &compiler.arguments {
            line.push(' ');
            line.push_str(&shell_word(argument));
        }
        let tool = shell_word(&compiler.tool);
        // 127 for a missing compiler, 1 for a program that is none.
        let line =
            format!("command -v {tool} >/dev/null || exit 127; {line} >&2 || exit 1; cat program");
        let argv = vec![c"sh".to_owned(), c"-c".to_owned(), c_path(line.as_ref())];
        let env = self.shared.confinement.env();
        let exec = Exec::Path { path: c"/bin/sh".into(), argv, env };
        let seconds = self.shared.config.limits.compile_seconds;
        let ran = self.execute(Role::Compiler, exec, program.as_bytes(), seconds, MAX_PROGRAM)?;
        match (ran.over, ran.ended.status.map(exit)) {
            (Over::Ended, Some(Exit::Code(0))) => {}
            (Over::Ended, Some(Exit::Code(127))) => {
                let reason = format!("the compiler `{}` is not installed", compiler.tool);
                return Ok(Found::only(Verdict::infra(reason, false)));
            }
            (Over::Ended, Some(Exit::Code(_))) => {
                let said: String = String::from_utf8_lossy(&ran.stderr).chars().take(500).collect();
                return Ok(Found::only(Verdict::CompileError { reason: said }));
            }
            (over, _) => {
                return Ok(Found::only(self.end_verdict(over, ran.ended, ran.killed)));
            }
        }
        let artifact = in_memory(&ran.stdout)?;
        self.cases(cases, comparator, &mut |worker, case| {
            let env = worker.shared.confinement.env();
            let exec = Exec::Open {
                program: artifact.as_raw_fd(),
                argv: vec![c"program".to_owned()],
                env,
            };
            let limits = &worker.shared.config.limits;
            let (seconds, keep) = (limits.cpu_seconds, limits.output_bytes);
            let keep = usize::try_from(keep).unwrap_or(usize::MAX);
            worker.execute(Role::Program, exec, case.input.as_bytes(), seconds, keep)
        })
    }

    /// Runs a program that is no interpreter of ours.
    fn execute(
        &mut self,
        role: Role,
        exec: Exec,
        input: &[u8],
        cpu_seconds: f64,
        keep: usize,
    ) -> io::Result<Ran> {
        let confinement = &self.shared.confinement;
        let mut limits = self.shared.config.limits.clone();
        limits.output_bytes = limits.output_bytes.max(keep as u64);
        let start = Instant::now();
        let mut plan = self.plan(role, &[])?;
        plan.exec = exec;
        let (their_stdin, stdin) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut outputs = outputs(keep)?;
        let [out, err] = outputs.theirs;
        let fds = [their_stdin.as_fd(), out.as_fd(), err.as_fd()];
        let process = match confinement.start(plan, &fds) {
            Err(fault) if role == Role::Program && is_unrunnable(fault) => {
                let reason = describe(fault);
                return Ok(Ran::refused(Verdict::Crashed { reason }));
            }
            started => started?,
        };
        let mut running = Running::fresh(process);
        drop((their_stdin, out, err));
        let watch = Watch {
            running: &running,
            limits: &limits,
            cpu_seconds,
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
        let (stdout, stderr) = (outputs.stdout.kept, outputs.stderr.kept);
        Ok(Ran { over, ended, killed, refused: None, stdout, stderr })
    }
}

/// Whether the kernel would not run a program for what it is, rather than for want of room.
fn is_unrunnable(fault: Fault) -> bool {
    let room = [libc::ENOMEM, libc::EAGAIN, libc::EMFILE, libc::ENFILE];
    fault.step == Step::Exec && !room.contains(&fault.errno)
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
