use crate::Permutation;
use crate::text::fold;
use serde::{Deserialize, Serialize};

/// Shuffled passes within each of several groups of prompts; the state is one counter a group.
#[derive(Debug, Clone)]
pub(super) struct Arms {
    members: Vec<Vec<usize>>,
    seed: u64,
}

/// How many prompts each group has served, and a number that changes with the groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Served {
    counts: Vec<u64>,
    groups: u64,
}

impl Arms {
    pub(super) fn new(members: Vec<Vec<usize>>, seed: u64) -> Self {
        Self { members, seed }
    }

    pub(super) fn served(&self) -> Served {
        Served { counts: vec![0; self.members.len()], groups: self.fingerprint() }
    }

    /// The next prompt of a group.
    pub(super) fn next(&self, arm: usize, served: &mut Served) -> usize {
        let members = &self.members[arm];
        let n = members.len().max(1) as u64;
        let count = served.counts[arm];
        served.counts[arm] += 1;
        // Each group and pass has a permutation of its own.
        let epoch = (count / n) * self.members.len() as u64 + arm as u64;
        members[Permutation::new(n, self.seed, epoch).at(count % n) as usize]
    }

    pub(super) fn count(&self, arm: usize, served: &Served) -> u64 {
        served.counts[arm]
    }

    /// True if counts belong to these very groups.
    pub(super) fn fits(&self, served: &Served) -> bool {
        served.counts.len() == self.members.len() && served.groups == self.fingerprint()
    }

    /// Changes with the members of any group, and with the order of groups.
    fn fingerprint(&self) -> u64 {
        self.members.iter().fold(self.members.len() as u64, |hash, members| {
            let positions = members.iter().map(|at| *at as u64);
            positions.fold(fold(hash, members.len() as u64), fold)
        })
    }
}
