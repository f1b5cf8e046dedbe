//! Talking to our programs: a job for the judge and its report, a script for a candidate.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::watch::{Listener, Over};
use crate::Suite;

/// A report longer than this is none.
const MAX_REPORT: usize = 16 << 20;

/// What the judge is told.
#[derive(Serialize)]
pub(super) struct JudgeJob<'a> {
    pub(super) program: &'a str,
    pub(super) suite: &'a Suite,
    pub(super) stop_at_first: bool,
}

/// One line of the judge's report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    /// How many tests there are.
    pub(super) plan: Option<usize>,
    /// A test that ended, with how.
    pub(super) case: Option<usize>,
    pub(super) ok: bool,
    pub(super) reason: String,
    /// The candidate ran out of memory.
    pub(super) memory: bool,
    /// The submission is asked for the first time.
    pub(super) asked: bool,
    // The last line has one of these.
    pub(super) done: bool,
    pub(super) fault: Option<String>,
    pub(super) compile: Option<String>,
    pub(super) load: Option<String>,
    pub(super) raised: Option<String>,
    pub(super) broken: Option<String>,
    pub(super) unsupported: Option<String>,
    pub(super) infra: Option<String>,
    /// Questions to the submission: calls of its functions, and looks at what it defines.
    pub(super) calls: Option<u64>,
    pub(super) borrowed: Vec<String>,
    /// The judge is not as it was before the job.
    pub(super) retire: bool,
}

impl Line {
    fn is_last(&self) -> bool {
        self.calls.is_some()
    }
}

/// The judge's side of a run.
#[derive(Debug)]
pub(super) struct Report {
    stream: UnixStream,
    buffer: Vec<u8>,
    pub(super) lines: Vec<Line>,
}

impl Report {
    /// Hears what a judge says from now on.
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new(), lines: Vec::new() }
    }

    /// The line that says how it went, if the judge got that far.
    pub(super) fn last(&self) -> Option<&Line> {
        self.lines.last().filter(|line| line.is_last())
    }
}

impl Listener for Report {
    fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn hear(&mut self) -> Option<Over> {
        let mut chunk = [0; 16 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(Over::Closed),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Some(Over::Closed),
            }
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let Ok(line) = serde_json::from_slice::<Line>(&line) else {
                    return Some(Over::Closed);
                };
                let last = line.is_last();
                self.lines.push(line);
                if last {
                    return Some(Over::Heard);
                }
            }
            if self.buffer.len() > MAX_REPORT {
                return Some(Over::Closed);
            }
        }
    }
}

/// Writes without raising a signal when nobody reads.
pub(super) fn send_all(stream: &UnixStream, mut data: &[u8]) -> io::Result<()> {
    use rustix::net::{SendFlags, send};
    while !data.is_empty() {
        match send(stream, data, SendFlags::NOSIGNAL) {
            Ok(count) => data = &data[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A program to run as `python main.py arguments`, with files in its folder.
#[derive(Debug, Default)]
pub(super) struct Script<'a> {
    pub(super) program: &'a str,
    pub(super) argv: &'a [&'a str],
    pub(super) files: &'a [(&'a str, &'a [u8])],
}

/// What a candidate says of a script before it runs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    Running,
    /// The compiler's message.
    Refused(String),
    /// The process ended before anything untrusted ran.
    NotStarted,
    /// The process ended, or stopped answering, over the program.
    Broken,
}

impl Script<'_> {
    /// Hands the script over, and waits until it was compiled. The frame and its values are those
    /// of `codec.py`.
    pub(super) fn hand_over(&self, fd: OwnedFd) -> io::Result<Loaded> {
        let mut stream = UnixStream::from(fd);
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
        let mut ready = [0];
        if !matches!(stream.read(&mut ready), Ok(1)) {
            return Ok(Loaded::NotStarted);
        }
        let body = self.encode();
        let length = u32::try_from(body.len() + 8).map_err(io::Error::other)?;
        let nonce = [0; 8];
        let frame = [&length.to_be_bytes()[..], &nonce, &body].concat();
        let mut head = [0; 4];
        if send_all(&stream, &frame).is_err() || stream.read_exact(&mut head).is_err() {
            return Ok(Loaded::Broken);
        }
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        let mut reply = Vec::new();
        if (&mut stream).take(length.min(64 << 10) as u64).read_to_end(&mut reply).is_err() {
            return Ok(Loaded::Broken);
        }
        match reply.get(8) {
            Some(b'V') => Ok(Loaded::Running),
            _ => Ok(Loaded::Refused(printable(reply.get(9..).unwrap_or_default()))),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = b"St3:".to_vec();
        put(&mut out, b's', self.program.as_bytes());
        out.extend(format!("l{:x}:", self.argv.len()).bytes());
        for argument in self.argv {
            put(&mut out, b's', argument.as_bytes());
        }
        out.extend(format!("d{:x}:", self.files.len()).bytes());
        for (name, contents) in self.files {
            put(&mut out, b's', name.as_bytes());
            put(&mut out, b'b', contents);
        }
        out
    }
}

fn put(out: &mut Vec<u8>, tag: u8, data: &[u8]) {
    out.push(tag);
    // Into a vector, writing can't fail.
    let _ = write!(out, "{:x}:", data.len());
    out.extend_from_slice(data);
}

/// The readable part of a message.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_a_script() {
        let script = Script { program: "x", argv: &["a"], files: &[("f", b"\x00\x01")] };
        assert_eq!(script.encode(), b"St3:s1:xl1:s1:ad1:s1:fb2:\x00\x01");
    }
}
