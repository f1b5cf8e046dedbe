use refire_core::Stream;

/// DOTS' probabilities: softmax of `-|rate - target| / temperature` over pass rates (or predicted
/// ones). The target 0.5 asks for questions solved every second time.
///
/// ```
/// let p = refire_data::target_probabilities(&[0.0, 0.5, 1.0], 0.5, 0.5);
/// let away = (-1.0_f64).exp();
/// assert!((p[1] - 1.0 / (1.0 + 2.0 * away)).abs() < 1e-12);
/// ```
pub fn target_probabilities(rates: &[f64], target: f64, temperature: f64) -> Vec<f64> {
    softmax(&rates.iter().map(|rate| -(rate - target).abs()).collect::<Vec<_>>(), temperature)
}

/// Softmax of `scores / temperature`, safe for large ones.
pub(crate) fn softmax(scores: &[f64], temperature: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| ((s - most) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Draws `n` different indices, each time with probability proportional to what is left of the
/// weights (Efraimidis and Spirakis); fewer when fewer weights are positive. In order of drawing.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// let mut stream = Stream::new(0, Purpose::DATA, 0, 0, 0);
/// let mut drawn = refire_data::sample_without_replacement(&[1.0, 0.0, 2.0], 3, &mut stream);
/// drawn.sort_unstable();
/// assert_eq!(drawn, [0, 2]);
/// ```
pub fn sample_without_replacement(weights: &[f64], n: usize, stream: &mut Stream) -> Vec<usize> {
    // The logarithm of u^(1/w) for uniform u orders the draws.
    let mut keys: Vec<(f64, usize)> = weights
        .iter()
        .map(|weight| (1.0 - stream.uniform()).ln() / weight)
        .zip(0..)
        .filter(|(_, index)| weights[*index] > 0.0)
        .collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    keys.truncate(n);
    keys.into_iter().map(|(_, index)| index).collect()
}
