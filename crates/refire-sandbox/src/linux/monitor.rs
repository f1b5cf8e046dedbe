//! What a program and its descendants use, read while they run.

use std::fs;
use std::time::Duration;

use hidden::hidden;

mod hidden;

/// Clock ticks per second in `/proc`, the same on every Linux that Rust supports.
const TICKS: u64 = 100;

/// Use of a whole tree of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) cpu: Duration,
    /// Private memory, in bytes; pages that processes share after a fork counted in each.
    pub(super) memory: u64,
    /// Shared memory and full sockets, in bytes.
    pub(super) hidden: u64,
    pub(super) processes: usize,
}

/// Adds up a process and its descendants. In a process namespace orphans belong to its first
/// process, so none is missed.
pub(super) fn sample(pid: i32) -> Sample {
    let mut total = Sample::default();
    let mut waiting = vec![pid];
    let mut all = Vec::new();
    while let Some(pid) = waiting.pop() {
        let Some(cpu) = cpu(pid) else { continue };
        total.cpu += cpu;
        total.processes += 1;
        all.push(pid);
        children(pid, &mut waiting);
    }
    // Memory of one process is what its address space limit bounds already.
    if total.processes > 1 {
        total.memory = all.iter().map(|pid| resident(*pid)).sum();
        total.hidden = hidden(&all);
    }
    total
}

/// Private memory of a tree with every page counted once: dear to ask for.
pub(super) fn proportional(pid: i32) -> Option<u64> {
    let mut waiting = vec![pid];
    let mut total = 0;
    while let Some(pid) = waiting.pop() {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        total += field(&text, "Pss_Anon:").or_else(|| field(&text, "Pss:")).unwrap_or(0);
        children(pid, &mut waiting);
    }
    Some(total)
}

/// Time that a process and its descendants were ready to run and were not let: what a busy machine
/// adds to the clock. Zero where the kernel doesn't count it.
pub(super) fn waited(pid: i32) -> Duration {
    let mut waiting = vec![pid];
    let mut total = Duration::ZERO;
    while let Some(pid) = waiting.pop() {
        let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        let delay = stat.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
        total += Duration::from_nanos(delay.unwrap_or(0));
        children(pid, &mut waiting);
    }
    total
}

fn cpu(pid: i32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, is the program's to choose.
    let rest = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // utime, stime, cutime, cstime; counted from the state, which is the third field.
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

fn children(pid: i32, into: &mut Vec<i32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        into.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
}

fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&status, "RssAnon:").unwrap_or(0)
}

/// A field given in kilobytes, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_itself() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let one = sample(pid);
        assert!(one.processes >= 1);
        assert!(proportional(pid).unwrap() > 0);
        assert!(resident(pid) > 0);
    }

    #[test]
    fn nobody_uses_nothing() {
        assert_eq!(sample(i32::MAX), Sample::default());
    }
}
