use refire_core::pass_at_k;

/// Successes of a policy, problem by problem.
///
/// ```
/// use refire_tasks::Tally;
/// let mut tally = Tally::default();
/// tally.add(4, 1, Some(true));
/// tally.add(4, 3, Some(false));
/// assert_eq!((tally.accuracy(), tally.greedy(), tally.pass_at(4)), (0.5, Some(0.5), 1.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    samples: Vec<(usize, usize)>,
    greedy: Vec<bool>,
}

impl Tally {
    /// Adds a problem: samples drawn, samples right, and whether the greedy answer was.
    pub fn add(&mut self, n: usize, right: usize, greedy: Option<bool>) {
        self.samples.push((n, right));
        self.greedy.extend(greedy);
    }

    /// Problems counted.
    pub fn problems(&self) -> usize {
        self.samples.len()
    }

    /// Mean over problems of the fraction of right samples; 0 without problems.
    pub fn accuracy(&self) -> f64 {
        self.pass_at(1)
    }

    /// Fraction of problems whose greedy answer is right, where one was taken.
    pub fn greedy(&self) -> Option<f64> {
        let right = self.greedy.iter().filter(|right| **right).count();
        (!self.greedy.is_empty()).then(|| right as f64 / self.greedy.len() as f64)
    }

    /// Mean over problems of [`pass_at_k`]. Of a problem with fewer than `k` samples all are taken;
    /// one without samples counts as failed.
    pub fn pass_at(&self, k: usize) -> f64 {
        let sum: f64 = self.samples.iter().map(|(n, c)| pass(*n, *c, k)).sum();
        sum / self.samples.len().max(1) as f64
    }

    /// Standard error of [`accuracy`](Self::accuracy) over problems.
    pub fn standard_error(&self) -> f64 {
        let (mean, n) = (self.accuracy(), self.samples.len() as f64);
        let square = self.samples.iter().map(|(n, c)| (pass(*n, *c, 1) - mean).powi(2));
        (square.sum::<f64>() / (n - 1.0).max(1.0) / n.max(1.0)).sqrt()
    }
}

fn pass(n: usize, c: usize, k: usize) -> f64 {
    pass_at_k(n, c, k.min(n)).unwrap_or(0.0)
}
