/// Probability that at least one of `k` samples drawn from `n` is right, when `c` of the `n` are:
/// `1 - C(n - c, k) / C(n, k)`, the unbiased estimator of Chen et al., arXiv 2107.03374.
///
/// `k` above `n` counts as `n`.
///
/// ```
/// use refire_tasks::pass_at_k;
/// assert_eq!(pass_at_k(16, 4, 1), 0.25);
/// assert_eq!(pass_at_k(4, 1, 4), 1.0);
/// ```
pub fn pass_at_k(n: usize, c: usize, k: usize) -> f64 {
    let k = k.min(n);
    if c == 0 || k == 0 {
        return 0.0;
    }
    if n - c.min(n) < k {
        return 1.0;
    }
    if k == 1 {
        return c as f64 / n as f64;
    }
    let none: f64 = (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    1.0 - none
}

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

    /// Mean over problems of [`pass_at_k`].
    pub fn pass_at(&self, k: usize) -> f64 {
        let sum: f64 = self.samples.iter().map(|(n, c)| pass_at_k(*n, *c, k)).sum();
        sum / self.samples.len().max(1) as f64
    }

    /// Standard error of [`accuracy`](Self::accuracy) over problems.
    pub fn standard_error(&self) -> f64 {
        let (mean, n) = (self.accuracy(), self.samples.len() as f64);
        let square = self.samples.iter().map(|(n, c)| (pass_at_k(*n, *c, 1) - mean).powi(2));
        (square.sum::<f64>() / (n - 1.0).max(1.0) / n.max(1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_at_k_counts_subsets() {
        for n in 1..=8_usize {
            for c in 0..=n {
                for k in 1..=n {
                    let subsets = (0..1_u32 << n).filter(|s| s.count_ones() as usize == k);
                    let (mut all, mut hit) = (0.0, 0.0);
                    for subset in subsets {
                        all += 1.0;
                        hit += f64::from(u8::from(subset & ((1 << c) - 1) != 0));
                    }
                    assert!((pass_at_k(n, c, k) - hit / all).abs() < 1e-12, "{n} {c} {k}");
                }
            }
        }
    }
}
