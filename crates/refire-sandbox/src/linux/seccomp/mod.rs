//! The system call filter: what no honest program needs and an escape might.
//!
//! Refused calls fail with `EPERM`. Unknown ones, newer than the lists, fail with `ENOSYS`, and so
//! does the second table of x86-64 (x32), which a filter by number would otherwise miss.

mod lists;
mod tree;

use std::collections::BTreeMap;

use lists::{
    ARCHITECTURE, CONTAINERS, KERNEL, MACHINE, NETWORK, SENDING, SHARED, SPYING, UNCOUNTED,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use tree::{Answer, tree};

/// The newest call of the lists (`mseal`).
const LAST_KNOWN: u32 = libc::SYS_mseal as u32;
/// Numbers of x32 are above every known one.
#[cfg(target_arch = "x86_64")]
const _: () = assert!(0x4000_0000 > LAST_KNOWN);

/// The filter, whole and in the two parts that are put on at different times by warm interpreters.
#[derive(Clone, Debug)]
pub(super) struct Filters {
    pub(super) whole: BpfProgram,
    /// What a zygote can do without, too.
    pub(super) common: BpfProgram,
    /// What a zygote needs to confine its children, and to speak of them.
    pub(super) confining: BpfProgram,
    /// As `whole`, for the judge's zygote, which speaks of its children.
    pub(super) judging: BpfProgram,
}

/// The compiled filters; `None` on an architecture that `seccompiler` doesn't know.
pub(super) fn filters() -> Option<Filters> {
    let common = Rules::common()?;
    let containers = Rules::containers()?;
    let sending = Rules::refusing(SENDING);
    let confining = containers.clone().and(sending);
    Some(Filters {
        whole: common.clone().and(confining.clone()).compile()?,
        judging: common.clone().and(containers).compile()?,
        common: common.compile()?,
        confining: confining.compile()?,
    })
}

/// Calls with what becomes of them, and rules for their arguments where that decides.
#[derive(Clone)]
struct Rules {
    answers: BTreeMap<u32, Answer>,
    arguments: BTreeMap<i64, Vec<SeccompRule>>,
}

impl Rules {
    fn common() -> Option<Self> {
        let all = [NETWORK, UNCOUNTED, SHARED, SPYING, KERNEL, MACHINE, ARCHITECTURE].concat();
        let mut rules = Self::refusing(&all);
        // Its flags are behind a pointer; libc falls back to `clone`.
        rules.answers.insert(libc::SYS_clone3 as u32, Answer::Fail(libc::ENOSYS));
        // Characters typed into a terminal that others read.
        rules.refuse_if(libc::SYS_ioctl, vec![argument(1, libc::TIOCSTI)?]);
        Some(rules)
    }

    fn containers() -> Option<Self> {
        let mut rules = Self::refusing(CONTAINERS);
        rules.refuse_if(libc::SYS_clone, new_namespaces()?);
        // A child that could outlive its parent would be one that nobody waits for.
        let death = libc::PR_SET_PDEATHSIG as u64;
        rules.refuse_if(libc::SYS_prctl, vec![argument(0, death)?]);
        Some(rules)
    }

    fn refusing(calls: &[i64]) -> Self {
        let refused = |call: &i64| (*call as u32, Answer::Fail(libc::EPERM));
        Self { answers: calls.iter().map(refused).collect(), arguments: BTreeMap::new() }
    }

    /// If any of the rules holds.
    fn refuse_if(&mut self, call: i64, rules: Vec<SeccompRule>) {
        self.answers.insert(call as u32, Answer::Ask);
        self.arguments.insert(call, rules);
    }

    fn and(mut self, other: Self) -> Self {
        self.answers.extend(other.answers);
        self.arguments.extend(other.arguments);
        self
    }

    fn compile(self) -> Option<BpfProgram> {
        let arch: TargetArch = std::env::consts::ARCH.try_into().ok()?;
        let mut program = tree(audited(arch), &self.answers, LAST_KNOWN)?;
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let asked = SeccompFilter::new(self.arguments, SeccompAction::Allow, refuse, arch).ok()?;
        program.extend(BpfProgram::try_from(asked).ok()?);
        Some(program)
    }
}

/// The architecture as the kernel tells it to a filter: ELF's number, 64 bits, little-endian.
fn audited(arch: TargetArch) -> u32 {
    let machine = match arch {
        TargetArch::x86_64 => libc::EM_X86_64,
        TargetArch::aarch64 => libc::EM_AARCH64,
        TargetArch::riscv64 => libc::EM_RISCV,
    };
    u32::from(machine) | 0xc000_0000
}

/// One rule per flag: any of them is refused.
fn new_namespaces() -> Option<Vec<SeccompRule>> {
    let flags = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let rule = |flag: &i32| {
        let flag = *flag as u64;
        let length = SeccompCmpArgLen::Qword;
        let condition = SeccompCondition::new(0, length, SeccompCmpOp::MaskedEq(flag), flag);
        SeccompRule::new(vec![condition.ok()?]).ok()
    };
    flags.iter().map(rule).collect()
}

fn argument(index: u8, value: u64) -> Option<SeccompRule> {
    let equal = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    SeccompRule::new(vec![equal.ok()?]).ok()
}

#[cfg(test)]
mod tests {
    use super::tree::machine::run;
    use super::*;

    const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    fn answer(program: &BpfProgram, call: i64, args: [u64; 6]) -> u32 {
        let arch: TargetArch = std::env::consts::ARCH.try_into().unwrap();
        run(program, call as u32, audited(arch), args)
    }

    #[test]
    fn the_lists_are_refused_and_the_rest_is_allowed() {
        let filters = filters().unwrap();
        let common = [NETWORK, UNCOUNTED, SHARED, SPYING, KERNEL, MACHINE, ARCHITECTURE].concat();
        let confining = [CONTAINERS, SENDING].concat();
        for call in 0..=i64::from(LAST_KNOWN) {
            let (one, two) = (common.contains(&call), confining.contains(&call));
            let judged = CONTAINERS.contains(&call);
            let cases = [
                (&filters.whole, one || two),
                (&filters.common, one),
                (&filters.confining, two),
                (&filters.judging, one || judged),
            ];
            for (part, (program, refused)) in cases.into_iter().enumerate() {
                let absent = call == libc::SYS_clone3 && part != 2;
                let expected = match (absent, refused) {
                    (true, _) => UNKNOWN,
                    (_, true) => REFUSED,
                    _ => libc::SECCOMP_RET_ALLOW,
                };
                assert_eq!(answer(program, call, [0; 6]), expected, "call {call}, part {part}");
            }
        }
        for unknown in [i64::from(LAST_KNOWN) + 1, 0x4000_0000, 0x4000_0029, u32::MAX.into()] {
            assert_eq!(answer(&filters.whole, unknown, [0; 6]), UNKNOWN, "{unknown:#x}");
        }
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let Filters { whole, common, .. } = filters().unwrap();
        let asked = |call, index: usize, value: u64| {
            let mut args = [u64::MAX << 40; 6];
            args[index] = value;
            answer(&whole, call, args)
        };
        assert_eq!(asked(libc::SYS_ioctl, 1, libc::TIOCSTI), REFUSED);
        // The kernel reads 32 bits of it.
        assert_eq!(asked(libc::SYS_ioctl, 1, libc::TIOCSTI | 1 << 32), REFUSED);
        assert_eq!(asked(libc::SYS_ioctl, 1, libc::FIONREAD), libc::SECCOMP_RET_ALLOW);
        assert_eq!(asked(libc::SYS_prctl, 0, libc::PR_SET_PDEATHSIG as u64), REFUSED);
        assert_eq!(asked(libc::SYS_prctl, 0, libc::PR_SET_NAME as u64), libc::SECCOMP_RET_ALLOW);
        let thread = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
        assert_eq!(asked(libc::SYS_clone, 0, thread), libc::SECCOMP_RET_ALLOW);
        for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWPID, libc::CLONE_NEWNET] {
            assert_eq!(asked(libc::SYS_clone, 0, thread | flag as u64), REFUSED);
            let zygote = answer(&common, libc::SYS_clone, [flag as u64; 6]);
            assert_eq!(zygote, libc::SECCOMP_RET_ALLOW);
        }
    }
}
