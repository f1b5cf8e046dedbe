use crate::{Rollouts, TrainError};
use refire_core::{BatchSource, BoxError, Metric, Stateful};

/// Groups from elsewhere that are trained on beside the rollouts.
pub(crate) struct Mix {
    sources: Vec<(Box<dyn BatchSource>, usize)>,
    names: Vec<String>,
}

impl Mix {
    pub(crate) const NONE: Self = Self { sources: Vec::new(), names: Vec::new() };

    pub(crate) fn push(&mut self, source: Box<dyn BatchSource>, groups: usize) {
        self.names.push(format!("batches_{}", self.sources.len()));
        self.sources.push((source, groups));
    }

    /// Shows the sources this step's rollouts, then puts their groups behind them. Gives the number
    /// of rollouts' groups.
    pub(crate) fn add_to(&mut self, rollouts: &mut Rollouts) -> Result<usize, BoxError> {
        let own = rollouts.groups.len();
        for (source, wanted) in &mut self.sources {
            source.observe(&rollouts.groups[..own], &rollouts.scores[..own]);
            for (group, scores) in source.next(*wanted)? {
                let (found, expected) = (scores.len(), group.completions.len());
                if found != expected {
                    let what = "scores of a batch source";
                    return Err(TrainError::Count { what, found, expected }.into());
                }
                group.completions.iter().try_for_each(|completion| completion.validate())?;
                rollouts.groups.push(group);
                rollouts.scores.push(scores);
            }
        }
        let mixed = rollouts.groups.len() - own;
        if !rollouts.greedy_rewards.is_empty() {
            rollouts.greedy_rewards.resize(own + mixed, None);
        }
        if !self.sources.is_empty() {
            rollouts.metrics.add(Metric::sum("mixed_groups", mixed as f64));
        }
        Ok(own)
    }

    pub(crate) fn parts(&mut self) -> impl Iterator<Item = (&str, &mut dyn Stateful)> {
        let sources = self.sources.iter_mut().map(|(source, _)| source as &mut dyn Stateful);
        self.names.iter().map(String::as_str).zip(sources)
    }
}

/// The groups of each update: as many of the rollouts' and of the others in each, in their order.
pub(crate) fn minibatches(own: usize, groups: usize, count: usize) -> Vec<Vec<usize>> {
    let share = |range: std::ops::Range<usize>, index: usize| {
        let size = range.len().div_ceil(count);
        let start = (range.start + index * size).min(range.end);
        start..(start + size).min(range.end)
    };
    let batch = |index| share(0..own, index).chain(share(own..groups, index)).collect::<Vec<_>>();
    (0..count).map(batch).filter(|batch| !batch.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::minibatches;

    #[test]
    fn every_update_gets_its_share() {
        assert_eq!(minibatches(5, 5, 2), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(minibatches(4, 6, 2), [vec![0, 1, 4], vec![2, 3, 5]]);
        assert_eq!(minibatches(0, 1, 3), [vec![0]]);
    }
}
