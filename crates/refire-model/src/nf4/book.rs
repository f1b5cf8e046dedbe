//! The two code books: NF4 of weights, and an 8-bit one of the blocks' scales.

/// The 16 values of a 4-bit normal float: quantiles of a standard normal distribution, scaled to
/// `[-1, 1]`, with 0 among them. From the QLoRA paper's appendix E, in bitsandbytes' digits.
pub(super) const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The 256 values of bitsandbytes' signed dynamic map, in rising order: seven decades, each with
/// twice as many steps as the one below it.
///
/// Dettmers et al., arXiv 2110.02861 (8-bit optimisers), section 2.
pub(super) fn dynamic() -> Vec<f32> {
    let mut values = vec![0.0, 1.0];
    for decade in 0..7_u32 {
        let (steps, scale) = (2_usize.pow(decade), 10.0_f64.powi(decade as i32 - 6));
        let edge = |i: usize| (0.1 + 0.9 * i as f64 / steps as f64) as f32;
        for i in 0..steps {
            let mean = (edge(i) + edge(i + 1)) / 2.0;
            let value = (scale * f64::from(mean)) as f32;
            values.extend([value, -value]);
        }
    }
    values.sort_by(f32::total_cmp);
    values
}

/// The place of the nearest value of a rising book.
pub(super) fn nearest(book: &[f32], x: f32) -> usize {
    let above = book.partition_point(|value| *value < x);
    if above == 0 {
        return 0;
    }
    if above == book.len() {
        return book.len() - 1;
    }
    let (low, high) = (book[above - 1], book[above]);
    if x - low <= high - x { above - 1 } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_rise_and_hold_zero_and_one() {
        let dynamic = dynamic();
        assert_eq!(dynamic.len(), 256);
        for book in [&NF4[..], &dynamic] {
            assert!(book.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(book.contains(&0.0) && book.contains(&1.0));
        }
    }

    /// The quantiles that the values are made of, by the paper's equation 4.
    #[test]
    fn nf4_holds_the_quantiles_of_a_normal_distribution() {
        // Probabilities from 1 - offset down to a half, 8 above and 7 below 0.
        let offset = 0.967_708_333_333_333_3;
        let at = |from: f64, count: usize, i: usize| from + (0.5 - from) * i as f64 / count as f64;
        let largest = quantile(offset);
        for i in 0..8 {
            let above = quantile(at(offset, 8, i)) / largest;
            assert!((f64::from(NF4[15 - i]) - above).abs() < 1e-6, "{i}: {above}");
        }
        for (i, value) in NF4.iter().enumerate().take(7) {
            let below = -quantile(at(offset, 7, i)) / largest;
            assert!((f64::from(*value) - below).abs() < 1e-6, "{i}: {below}");
        }
    }

    /// The standard normal's quantile by bisection of its distribution, summed as a series.
    fn quantile(p: f64) -> f64 {
        let below = |x: f64| {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= x * x / (2 * n + 1) as f64;
                sum += term;
            }
            0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
        };
        let (mut low, mut high) = (0.0, 4.0);
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if below(middle) < p { low = middle } else { high = middle }
        }
        low
    }

    #[test]
    fn the_nearest_value_is_found() {
        for x in [-3.0, -1.0, -0.6, -0.02, 0.0, 0.03, 0.04, 0.9, 7.0] {
            let found = (NF4[nearest(&NF4, x)] - x).abs();
            assert!(NF4.iter().all(|value| found <= (value - x).abs()), "{x}");
        }
    }
}
