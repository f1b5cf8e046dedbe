use crate::TrainError;
use serde::{Deserialize, Serialize};

/// The course of the learning rate after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Decay {
    /// Stays at the peak.
    Constant,
    /// Falls in a straight line to 0 at the last step.
    #[default]
    Linear,
    /// Falls along half a cosine wave to a fraction of the peak.
    Cosine {
        /// What is left at the end, from 0 to 1.
        #[serde(default)]
        final_fraction: f64,
    },
}

/// The learning rate's course: warm-up, then decay.
///
/// [`rate`](Self::rate) gives the fraction of the peak learning rate for a step `s` (from 0) out of
/// `T`, with `W` warm-up steps:
///
/// ```text
/// s < W                        s / W
/// constant                     1
/// linear                       (T - s) / (T - W)
/// cosine, final fraction f     f + (1 - f) * (1 + cos(pi * p)) / 2,   p = (s - W) / (T - W)
/// ```
///
/// These are the schedules `constant_with_warmup`, `linear`, `cosine` and `cosine_with_min_lr` of
/// transformers: with a warm-up, the first step has rate 0. From step `T` on, where the cosine of
/// transformers rises again, the rate stays at its final value.
///
/// ```
/// use refire_train::{Decay, Schedule};
/// let schedule = Schedule { warmup_steps: 10, decay: Decay::Linear };
/// assert_eq!(schedule.rate(0, 110), 0.0);
/// assert_eq!(schedule.rate(5, 110), 0.5);
/// assert_eq!(schedule.rate(10, 110), 1.0);
/// assert_eq!(schedule.rate(60, 110), 0.5);
/// ```
///
/// The default, no warm-up and linear decay, is that of transformers' `TrainingArguments`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Steps until the peak is reached.
    pub warmup_steps: u64,
    /// The course after them.
    pub decay: Decay,
}

impl Schedule {
    /// The fraction of the peak learning rate for update `step`, counted from 0, of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f64 {
        let warmup = self.warmup_steps;
        if step < warmup {
            return step as f64 / warmup as f64;
        }
        let span = total.saturating_sub(warmup).max(1) as f64;
        let progress = ((step - warmup) as f64 / span).min(1.0);
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => total.saturating_sub(step) as f64 / span,
            Decay::Cosine { final_fraction } => {
                let wave = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                final_fraction + (1.0 - final_fraction) * wave
            }
        }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<TrainError> {
        match self.decay {
            Decay::Cosine { final_fraction } if !(0.0..=1.0).contains(&final_fraction) => {
                vec![TrainError::BadConfig {
                    field: "decay.final_fraction",
                    value: final_fraction.to_string(),
                    expected: "from 0 to 1",
                }]
            }
            Decay::Constant | Decay::Linear | Decay::Cosine { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(decay: Decay, warmup_steps: u64, total: u64) -> Vec<f64> {
        let schedule = Schedule { warmup_steps, decay };
        (0..total).map(|step| schedule.rate(step, total)).collect()
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (step, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-12, "step {step}: {a}, expected {b}");
        }
    }

    /// The tables of transformers' own `test_schedulers` (tests/optimization), divided by the
    /// peak rate of 10 that they use; those are rounded to three digits.
    #[test]
    fn values_of_the_tests_of_transformers() {
        let cases: [(Decay, u64, &[f64]); 4] = [
            (Decay::Constant, 4, &[0.0, 2.5, 5.0, 7.5, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]),
            (Decay::Linear, 2, &[0.0, 5.0, 10.0, 8.75, 7.5, 6.25, 5.0, 3.75, 2.5, 1.25]),
            (
                Decay::Cosine { final_fraction: 0.0 },
                2,
                &[0.0, 5.0, 10.0, 9.61, 8.53, 6.91, 5.0, 3.08, 1.46, 0.38],
            ),
            (Decay::Constant, 0, &[10.0; 10]),
        ];
        for (decay, warmup, expected) in cases {
            let found = rates(decay, warmup, 10);
            for (step, (a, b)) in found.iter().zip(expected).enumerate() {
                assert!((10.0 * a - b).abs() < 0.01, "{decay:?}, step {step}: {a}, {b}");
            }
        }
    }

    #[test]
    fn cosine_ends_at_its_final_fraction() {
        let half = 0.5_f64.sqrt();
        let expected = [0.0, 0.5, 1.0, 0.55 + 0.45 * half, 0.55, 0.55 - 0.45 * half];
        assert_near(&rates(Decay::Cosine { final_fraction: 0.1 }, 2, 6), &expected);
        let schedule = Schedule { warmup_steps: 2, decay: Decay::Cosine { final_fraction: 0.1 } };
        assert!((schedule.rate(6, 6) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(9, 6) - 0.1).abs() < 1e-12, "it doesn't rise again");
    }

    #[test]
    fn a_run_of_warm_up_only_and_an_empty_one_have_rates() {
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine { final_fraction: 0.0 }] {
            assert_near(&rates(decay, 8, 4), &[0.0, 0.125, 0.25, 0.375]);
            for (step, total) in [(0, 0), (8, 4), (8, 8), (u64::MAX, 10)] {
                let rate = Schedule { warmup_steps: 8, decay }.rate(step, total);
                assert!((0.0..=1.0).contains(&rate), "{decay:?} {step} {total}: {rate}");
            }
        }
    }

    #[test]
    fn configuration_reads_as_written_and_refuses_nonsense() {
        let text = r#"{"warmup_steps":3,"decay":{"kind":"cosine","final_fraction":0.1}}"#;
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
        assert!(schedule.validate().is_empty());
        for wrong in [r#"{"warmup":3}"#, r#"{"decay":{"kind":"step"}}"#] {
            assert!(serde_json::from_str::<Schedule>(wrong).is_err(), "{wrong}");
        }
        for final_fraction in [-0.1, 1.1, f64::NAN] {
            let schedule = Schedule { decay: Decay::Cosine { final_fraction }, ..schedule };
            assert_eq!(schedule.validate().len(), 1, "{final_fraction}");
        }
    }
}
