/// Probability that at least one of `k` samples drawn without replacement from `n` is right, when
/// `c` of the `n` are: `1 - C(n - c, k) / C(n, k)`, the unbiased estimator of Chen et al.
/// (arXiv 2107.03374). `None` for `k` of 0 or above `n`, and for `c` above `n`: there is nothing to
/// estimate from.
///
/// ```
/// use refire_core::pass_at_k;
/// assert_eq!(pass_at_k(16, 4, 1), Some(0.25));
/// assert_eq!(pass_at_k(4, 1, 4), Some(1.0));
/// assert_eq!(pass_at_k(4, 1, 5), None);
/// ```
pub fn pass_at_k(n: usize, c: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || c > n {
        return None;
    }
    if k == 1 {
        return Some(c as f64 / n as f64);
    }
    if n - c < k {
        return Some(1.0);
    }
    // C(n - c, k) / C(n, k) as a product of ratios, which no binomial overflows.
    Some(1.0 - (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_subsets() {
        for n in 1..=8_usize {
            for (c, k) in (0..=n).flat_map(|c| (1..=n).map(move |k| (c, k))) {
                let subsets = (0..1_u32 << n).filter(|s| s.count_ones() as usize == k);
                let (mut all, mut hit) = (0.0, 0.0);
                for subset in subsets {
                    all += 1.0;
                    hit += f64::from(u8::from(subset & ((1 << c) - 1) != 0));
                }
                let found = pass_at_k(n, c, k);
                assert!(found.is_some_and(|p| (p - hit / all).abs() < 1e-12), "{n} {c} {k}");
            }
        }
        assert_eq!(
            (pass_at_k(0, 0, 1), pass_at_k(4, 5, 1), pass_at_k(4, 1, 0)),
            (None, None, None)
        );
    }
}
