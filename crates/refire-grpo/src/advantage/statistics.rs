use crate::GrpoError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a variance is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deviation {
    /// `n - 1`: torch's default, and so that of TRL, verl and OpenRLHF for groups.
    #[default]
    Sample,
    /// `n`: OpenRLHF's whitening.
    Population,
}

/// What a completion without scored siblings is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Singleton {
    /// 0: there is nothing to compare it with. TRL, verl's vectorised RLOO.
    #[default]
    Zero,
    /// Its reward, against a mean of 0 and a deviation of 1: verl's loops.
    Reward,
}

/// Mean and standard deviation of a sample.
#[derive(Clone, Copy)]
pub(super) struct Statistics {
    pub(super) mean: f64,
    pub(super) std: f64,
    pub(super) count: usize,
}

impl Statistics {
    /// Over values that exist. Fewer than two have no spread, equal ones exactly none.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone, deviation: Deviation) -> Self {
        let count = values.clone().count();
        let Some(first) = values.clone().next() else {
            return Self { mean: 0.0, std: 0.0, count: 0 };
        };
        if values.clone().all(|v| v == first) {
            return Self { mean: first, std: 0.0, count };
        }
        let mean = values.clone().sum::<f64>() / count as f64;
        let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
        let divisor = match deviation {
            Deviation::Sample => count as f64 - 1.0,
            Deviation::Population => count as f64,
        };
        Self { mean, std: (squares / divisor).sqrt(), count }
    }

    /// A lone value becomes what the policy for singletons says.
    pub(super) fn with_singleton(self, singleton: Singleton) -> Self {
        match singleton {
            Singleton::Reward if self.count == 1 => Self { mean: 0.0, std: 1.0, ..self },
            _ => self,
        }
    }

    /// `(value - mean) / (std + eps)`.
    pub(super) fn normalise(self, value: f64, eps: f64) -> f64 {
        (value - self.mean) / (self.std + eps)
    }
}

/// Rows of each group, by group number.
pub(super) fn members(groups: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(row);
    }
    members
}

/// Statistics of each group over its rows with a value.
pub(super) fn by_group(
    values: &[Option<f64>],
    groups: &[usize],
    deviation: Deviation,
) -> BTreeMap<usize, Statistics> {
    let of = |rows: Vec<usize>| {
        let scored: Vec<f64> = rows.into_iter().filter_map(|row| values[row]).collect();
        Statistics::of(scored.into_iter(), deviation)
    };
    members(groups).into_iter().map(|(group, rows)| (group, of(rows))).collect()
}

/// One number per row from its reward and its group's statistics; 0 without a reward.
pub(super) fn per_row(
    rewards: &[Option<f64>],
    groups: &[usize],
    statistics: &BTreeMap<usize, Statistics>,
    advantage: impl Fn(f64, Statistics) -> f64,
) -> Vec<f64> {
    let rows = rewards.iter().zip(groups);
    rows.map(|(reward, group)| match (reward, statistics.get(group)) {
        (Some(reward), Some(own)) => advantage(*reward, *own),
        _ => 0.0,
    })
    .collect()
}

/// Checks that there is a group for every row and that rewards are numbers.
pub(super) fn check(rewards: &[Option<f64>], groups: &[usize]) -> Result<(), GrpoError> {
    let (found, expected) = (groups.len(), rewards.len());
    if found != expected {
        return Err(GrpoError::Count { what: "groups of rows", found, expected });
    }
    let bad = rewards
        .iter()
        .enumerate()
        .find_map(|(row, r)| Some((row, (*r)?)).filter(|(_, r)| !r.is_finite()));
    bad.map_or(Ok(()), |(row, value)| Err(GrpoError::RewardNotFinite { row, value }))
}
