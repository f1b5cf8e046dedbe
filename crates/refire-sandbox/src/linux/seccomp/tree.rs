//! A filter by number as a search tree.
//!
//! The kernel asks a new filter about every call there is, to remember which are always allowed:
//! hundreds of steps through a list for each, seven or eight down a tree.

use std::collections::BTreeMap;

use seccompiler::sock_filter;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Offsets in what the kernel shows a filter.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allow,
    Fail(i32),
    /// What the instructions behind the tree say.
    Ask,
}

/// A filter for one architecture, without the instructions that [`Answer::Ask`] leads to: calls
/// not named in `answers` up to `last` are allowed, and those above fail with `ENOSYS`. Calls of
/// other architectures are death. `None` for more calls than a jump can reach over.
pub(super) fn tree(
    architecture: u32,
    answers: &BTreeMap<u32, Answer>,
    last: u32,
) -> Option<Vec<sock_filter>> {
    let mut program = vec![
        step(LOAD, ARCHITECTURE),
        sock_filter { jt: 1, ..step(JUMP_EQUAL, architecture) },
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
    ];
    program.extend(search(&spans(answers, last))?);
    let end = program.len();
    for (at, step) in program.iter_mut().enumerate().filter(|(_, step)| step.code == JUMP) {
        step.k = (end - at - 1) as u32;
    }
    Some(program)
}

/// Numbers from which on there is another answer.
fn spans(answers: &BTreeMap<u32, Answer>, last: u32) -> Vec<(u32, Answer)> {
    let mut spans = Vec::new();
    let mut push = |from, answer| match spans.last_mut() {
        Some((_, before)) if *before == answer => {}
        Some((start, before)) if *start == from => *before = answer,
        _ => spans.push((from, answer)),
    };
    push(0, Answer::Allow);
    for (number, answer) in answers {
        push(*number, *answer);
        push(number + 1, answers.get(&(number + 1)).copied().unwrap_or(Answer::Allow));
    }
    push(last + 1, Answer::Fail(libc::ENOSYS));
    spans
}

fn search(spans: &[(u32, Answer)]) -> Option<Vec<sock_filter>> {
    let (low, high) = spans.split_at(spans.len() / 2);
    let Some((from, _)) = high.first().filter(|_| !low.is_empty()) else {
        let (_, answer) = spans.first()?;
        return Some(vec![match answer {
            Answer::Allow => step(RETURN, libc::SECCOMP_RET_ALLOW),
            Answer::Fail(errno) => step(RETURN, libc::SECCOMP_RET_ERRNO | *errno as u32),
            // Where to is known when the tree is whole.
            Answer::Ask => step(JUMP, 0),
        }]);
    };
    let low = search(low)?;
    let over = u8::try_from(low.len()).ok()?;
    let branch = sock_filter { jt: over, ..step(JUMP_AT_LEAST, *from) };
    Some([vec![branch], low, search(high)?].concat())
}

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
pub(super) mod machine {
    use super::*;

    /// What the kernel would do: the action of a filter for a call.
    pub(in super::super) fn run(
        program: &[sock_filter],
        number: u32,
        arch: u32,
        args: [u64; 6],
    ) -> u32 {
        let mut data = [number, arch, 0, 0].to_vec();
        data.extend(args.iter().flat_map(|arg| [*arg as u32, (*arg >> 32) as u32]));
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |is: bool| usize::from(if is { jt } else { jf });
            match code {
                LOAD => value = data[k as usize / 4],
                0x54 => value &= k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += jump(value == k),
                0x25 => at += jump(value > k),
                JUMP_AT_LEAST => at += jump(value >= k),
                RETURN => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::machine::run;
    use super::*;

    const ARCH: u32 = 7;

    #[test]
    fn every_number_finds_its_answer() {
        for count in [0, 1, 2, 3, 40, 120] {
            // Neighbours, gaps, the first and the last.
            let numbers = (0..count).map(|i| i * i / 3 + i % 2).chain([9_000]);
            let answer = |i| match i % 3 {
                0 => Answer::Fail(libc::EPERM),
                1 => Answer::Fail(libc::ENOSYS),
                _ => Answer::Ask,
            };
            let answers: BTreeMap<_, _> = numbers.map(|n| (n, answer(n))).collect();
            let mut program = tree(ARCH, &answers, 9_000).unwrap();
            let asked = 0x1234;
            program.push(step(RETURN, asked));
            for number in (0..9_010).chain([0x4000_0000, u32::MAX]) {
                let expected = match answers.get(&number) {
                    _ if number > 9_000 => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
                    None | Some(Answer::Allow) => libc::SECCOMP_RET_ALLOW,
                    Some(Answer::Fail(errno)) => libc::SECCOMP_RET_ERRNO | *errno as u32,
                    Some(Answer::Ask) => asked,
                };
                assert_eq!(run(&program, number, ARCH, [0; 6]), expected, "{count} {number}");
            }
            let killed = run(&program, 0, ARCH + 1, [0; 6]);
            assert_eq!(killed, libc::SECCOMP_RET_KILL_PROCESS);
        }
    }

    #[test]
    fn what_no_jump_reaches_over_is_no_filter() {
        let answers = (0..2_000).map(|i| (2 * i, Answer::Ask)).collect();
        assert!(tree(ARCH, &answers, 9_000).is_none());
    }
}
