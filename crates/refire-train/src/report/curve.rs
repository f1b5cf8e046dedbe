use super::read::{PhaseLog, Points};

/// What is drawn if it was logged, in this order: training metric, evaluation metric, title.
const CURVES: [(&str, &str, &str); 8] = [
    ("reward", "eval_reward", "Reward"),
    ("accuracy", "eval_accuracy", "Accuracy"),
    ("mean_token_accuracy", "eval_mean_token_accuracy", "Token accuracy"),
    ("completions/mean_length", "eval_mean_length", "Completion length, in tokens"),
    ("entropy", "eval_entropy", "Entropy, in nats"),
    ("kl", "eval_kl", "KL divergence from the reference"),
    ("grad_norm", "eval_grad_norm", "Gradient norm"),
    ("loss", "eval_loss", "Loss"),
];

/// A run with more points than this is drawn by the means of neighbours.
const MAX_POINTS: usize = 600;
/// A line with fewer points isn't smoothed.
const MIN_SMOOTHED: usize = 50;
/// The moving mean takes this part of the points.
pub(super) const SMOOTHED_PART: usize = 25;

/// One diagram: a metric of training, of evaluation, or of both.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) title: String,
    pub(super) training: Option<Line>,
    pub(super) evaluation: Option<Line>,
}

/// A line, and the noisy one that it is the moving mean of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) points: Points,
    pub(super) noisy: Option<Points>,
    /// Steps of which a point is the mean.
    pub(super) thinned: usize,
}

/// The diagrams of a phase.
pub(super) fn curves(phase: &PhaseLog) -> Vec<Curve> {
    let points = |name: &str| phase.series.get(name).filter(|p| !p.is_empty());
    let mut curves = Vec::new();
    for (training, evaluation, title) in CURVES {
        let training = points(training).map(smoothed);
        let evaluation = points(evaluation).map(plain);
        if training.is_some() || evaluation.is_some() {
            curves.push(Curve { title: title.to_owned(), training, evaluation });
        }
    }
    let others = phase.series.keys().filter(|name| {
        let known = CURVES.iter().any(|(_, evaluation, _)| evaluation == name);
        name.starts_with("eval_") && !name.ends_with("_seconds") && !known
    });
    for name in others {
        let Some(points) = points(name) else { continue };
        let evaluation = Some(plain(points));
        curves.push(Curve { title: name.clone(), training: None, evaluation });
    }
    curves
}

fn plain(points: &Points) -> Line {
    let (points, thinned) = thin(points);
    Line { points, noisy: None, thinned }
}

fn smoothed(points: &Points) -> Line {
    let line = plain(points);
    let count = line.points.len();
    if count < MIN_SMOOTHED {
        return line;
    }
    let half = count / SMOOTHED_PART / 2;
    let window = |i: usize| i.saturating_sub(half)..(i + half + 1).min(count);
    let mean = |i: usize| mean(&line.points[window(i)]).1;
    let points = line.points.iter().enumerate().map(|(i, (step, _))| (*step, mean(i))).collect();
    Line { points, noisy: Some(line.points), ..line }
}

fn thin(points: &Points) -> (Points, usize) {
    let size = points.len().div_ceil(MAX_POINTS).max(1);
    (points.chunks(size).map(mean).collect(), size)
}

/// The middle step and the mean value of points, at least one.
fn mean(points: &[(u64, f64)]) -> (u64, f64) {
    let count = points.len().max(1);
    let step = points.get(count / 2).map_or(0, |p| p.0);
    (step, points.iter().map(|p| p.1).sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn phase(series: &[(&str, Points)]) -> PhaseLog {
        let series: BTreeMap<_, _> =
            series.iter().map(|(name, points)| ((*name).to_owned(), points.clone())).collect();
        PhaseLog { name: "rl".into(), last_step: 9, series }
    }

    #[test]
    fn training_and_evaluation_share_a_diagram_and_other_evaluations_follow() {
        let points = vec![(1, 0.5), (2, 0.75)];
        let found = curves(&phase(&[
            ("loss", points.clone()),
            ("eval_loss", points.clone()),
            ("eval_pass@4", points.clone()),
            ("eval_seconds", points.clone()),
            ("reward", points.clone()),
            ("kl", Vec::new()),
            ("clip_ratio", points.clone()),
        ]));
        let titles: Vec<_> = found.iter().map(|curve| curve.title.as_str()).collect();
        assert_eq!(titles, ["Reward", "Loss", "eval_pass@4"]);
        assert!(found[1].training.is_some() && found[1].evaluation.is_some());
        assert!(found[0].evaluation.is_none() && found[2].training.is_none());
    }

    #[test]
    fn smoothing_keeps_means_and_straight_lines() {
        let points: Points = (1..=100).map(|s| (s, s as f64)).collect();
        let line = smoothed(&points);
        assert_eq!(line.noisy.as_ref(), Some(&points));
        for (before, after) in points.iter().zip(&line.points).skip(2).take(96) {
            assert_eq!(before, after);
        }
        let saw: Points = (1..=100).map(|s| (s, f64::from(s % 2 == 0))).collect();
        assert!(smoothed(&saw).points.iter().all(|(_, v)| (0.3..=0.7).contains(v)));
        assert_eq!(smoothed(&points[..49].to_vec()).noisy, None);
    }

    #[test]
    fn long_runs_are_thinned_without_a_shift_of_the_mean() {
        let points: Points = (1..=6000).map(|s| (s, s as f64)).collect();
        let (thinned, size) = thin(&points);
        assert_eq!((thinned.len(), size), (600, 10));
        let average = |p: &Points| p.iter().map(|p| p.1).sum::<f64>() / p.len() as f64;
        assert!((average(&thinned) - average(&points)).abs() < 1e-9);
    }
}
