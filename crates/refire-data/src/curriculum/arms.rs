use crate::Permutation;
use serde::{Deserialize, Serialize};

/// Shuffled passes within each of several groups of prompts; the state is one counter a group.
#[derive(Debug, Clone)]
pub(super) struct Arms {
    members: Vec<Vec<usize>>,
    seed: u64,
}

/// How many prompts each group has served.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Served(Vec<u64>);

impl Arms {
    pub(super) fn new(members: Vec<Vec<usize>>, seed: u64) -> Self {
        Self { members, seed }
    }

    pub(super) fn served(&self) -> Served {
        Served(vec![0; self.members.len()])
    }

    /// The next prompt of a group.
    pub(super) fn next(&self, arm: usize, served: &mut Served) -> usize {
        let members = &self.members[arm];
        let n = members.len().max(1) as u64;
        let count = served.0[arm];
        served.0[arm] += 1;
        // Each group and pass has a permutation of its own.
        let epoch = (count / n) * self.members.len() as u64 + arm as u64;
        members[Permutation::new(n, self.seed, epoch).at(count % n) as usize]
    }

    pub(super) fn count(&self, arm: usize, served: &Served) -> u64 {
        served.0[arm]
    }
}
