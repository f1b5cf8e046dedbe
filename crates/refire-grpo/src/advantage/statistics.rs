use crate::GrpoError;
use std::collections::BTreeMap;

/// Mean and standard deviation of a sample, with `n - 1` in the variance.
#[derive(Clone, Copy)]
pub(super) struct Statistics {
    pub(super) mean: f64,
    pub(super) std: f64,
}

impl Statistics {
    /// Over values that exist. Fewer than two have no spread, equal ones exactly none.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let Some(first) = values.clone().next() else { return Self { mean: 0.0, std: 0.0 } };
        if values.clone().all(|v| v == first) {
            return Self { mean: first, std: 0.0 };
        }
        let mean = values.clone().sum::<f64>() / count;
        let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
        Self { mean, std: (squares / (count - 1.0)).sqrt() }
    }

    /// `(value - mean) / (std + eps)`.
    pub(super) fn normalise(self, value: f64, eps: f64) -> f64 {
        (value - self.mean) / (self.std + eps)
    }
}

/// Statistics of each group over its rows with a value.
pub(super) fn by_group(values: &[Option<f64>], groups: &[usize]) -> BTreeMap<usize, Statistics> {
    let mut members: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        members.entry(*group).or_default().extend(value);
    }
    members.into_iter().map(|(id, values)| (id, Statistics::of(values.into_iter()))).collect()
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
