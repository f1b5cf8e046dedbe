mod read;

pub(super) use read::{Context, local_and_global, single};

use std::f64::consts::TAU;

/// How frequencies are stretched for long contexts; the formulas are those of transformers 5.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// All positions are divided by the factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3: long wavelengths are divided, short ones kept, those between interpolated.
    Llama3 {
        /// Divides the frequencies of long wavelengths.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are short.
        high_freq_factor: f64,
        /// Context the model was first trained on.
        original_max_position_embeddings: f64,
    },
    /// NTK: rows longer than the trained context have a larger base.
    ///
    /// ```text
    /// theta' = theta (factor length / original - (factor - 1))^(d / (d - 2))
    /// ```
    Dynamic {
        /// The factor.
        factor: f64,
        /// Context the model was trained on, in tokens.
        original_max_position_embeddings: usize,
    },
    /// YaRN (arXiv 2309.00071): dimensions that turn often keep their frequency, those that turn
    /// seldom are divided, with a ramp between; cosines and sines are multiplied by a factor.
    Yarn {
        /// Divides low frequencies.
        factor: f64,
        /// Factor of cosines and sines.
        attention_factor: f64,
        /// Turns within the original context above which a frequency is kept.
        beta_fast: f64,
        /// Turns below which it is divided.
        beta_slow: f64,
        /// Context the model was first trained on.
        original_max_position_embeddings: f64,
        /// The ramp begins and ends at whole dimensions.
        truncate: bool,
    },
    /// LongRoPE (arXiv 2402.13753): a divisor for each frequency, from one list for rows within
    /// the original context and from another for longer ones.
    LongRope {
        /// Divisors within the original context.
        short_factor: Vec<f64>,
        /// Divisors beyond it.
        long_factor: Vec<f64>,
        /// Factor of cosines and sines.
        attention_factor: f64,
        /// Context the model was first trained on, in tokens.
        original_max_position_embeddings: usize,
    },
}

/// Rotary position embedding: rotates the pairs `(i, i + n / 2)` of a head's first `n` dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Part of a head's dimensions that is rotated.
    pub partial_rotary_factor: f64,
    /// Stretching.
    pub scaling: RopeScaling,
}

impl Rope {
    /// All dimensions, not stretched.
    pub fn new(theta: f64) -> Self {
        Self { theta, partial_rotary_factor: 1.0, scaling: RopeScaling::Default }
    }

    /// The frequencies of a row of `length` tokens, in radians per position:
    /// `theta^(-2i / n)`, scaled, for each of the `n / 2` pairs.
    ///
    /// ```
    /// use refire_model::Rope;
    /// assert_eq!(Rope::new(10_000.0).frequencies(4, 1), [1.0, 0.01]);
    /// ```
    pub fn frequencies(&self, head_dim: usize, length: usize) -> Vec<f64> {
        let dims = self.dims(head_dim);
        let theta = self.base(dims, length);
        let unscaled = |i: usize| theta.powf(-((2 * i) as f64) / dims as f64);
        (0..dims.div_ceil(2)).map(|i| self.scale(i, unscaled(i), dims, length)).collect()
    }

    /// Factor of cosines and sines.
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention_factor, .. }
            | RopeScaling::LongRope { attention_factor, .. } => attention_factor,
            _ => 1.0,
        }
    }

    /// Rows that are longer than this have other frequencies than shorter ones.
    pub fn border(&self) -> Option<usize> {
        match self.scaling {
            RopeScaling::LongRope { original_max_position_embeddings: border, .. }
            | RopeScaling::Dynamic { original_max_position_embeddings: border, .. } => Some(border),
            _ => None,
        }
    }

    /// Dimensions of a head that frequencies are made for; an odd number rotates one more.
    fn dims(&self, head_dim: usize) -> usize {
        (head_dim as f64 * self.partial_rotary_factor) as usize
    }

    fn base(&self, dims: usize, length: usize) -> f64 {
        match self.scaling {
            RopeScaling::Dynamic { factor, original_max_position_embeddings: original }
                if length > original =>
            {
                let stretch = factor * length as f64 / original as f64 - (factor - 1.0);
                let dims = dims as f64;
                self.theta * stretch.powf(dims / (dims - 2.0))
            }
            _ => self.theta,
        }
    }

    fn scale(&self, index: usize, frequency: f64, dims: usize, length: usize) -> f64 {
        match &self.scaling {
            RopeScaling::Default | RopeScaling::Dynamic { .. } => frequency,
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            } => {
                let wavelength = TAU / frequency;
                if wavelength > original / low {
                    frequency / factor
                } else if wavelength < original / high {
                    frequency
                } else {
                    let smooth = (original / wavelength - low) / (high - low);
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
            RopeScaling::Yarn { factor, .. } => {
                let divided = self.ramp(index, dims);
                frequency / factor * divided + frequency * (1.0 - divided)
            }
            RopeScaling::LongRope {
                short_factor,
                long_factor,
                original_max_position_embeddings: original,
                ..
            } => {
                let factors = if length > *original { long_factor } else { short_factor };
                frequency / factors.get(index).copied().unwrap_or(1.0)
            }
        }
    }

    /// YaRN: 0 for a frequency that is kept, 1 for one that is divided.
    fn ramp(&self, index: usize, dims: usize) -> f64 {
        let RopeScaling::Yarn {
            beta_fast,
            beta_slow,
            original_max_position_embeddings: original,
            truncate,
            ..
        } = self.scaling
        else {
            return 0.0;
        };
        // The dimension whose pair turns this often within the original context.
        let dimension =
            |turns: f64| dims as f64 * (original / (turns * TAU)).ln() / (2.0 * self.theta.ln());
        let (low, high) = (dimension(beta_fast), dimension(beta_slow));
        let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, mut high) = (low.max(0.0), high.min(dims as f64 - 1.0));
        if low == high {
            high += 0.001;
        }
        ((index as f64 - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Cosines and sines of some positions of a row of `length` tokens, each `[positions, n / 2]`
    /// end to end.
    pub(crate) fn tables(
        &self,
        head_dim: usize,
        length: usize,
        positions: impl IntoIterator<Item = usize>,
    ) -> (Vec<f32>, Vec<f32>) {
        let frequencies = self.frequencies(head_dim, length);
        let factor = self.attention_factor();
        let turn = |angle: f64| ((angle.cos() * factor) as f32, (angle.sin() * factor) as f32);
        let angles =
            positions.into_iter().flat_map(|p| frequencies.iter().map(move |f| f * p as f64));
        angles.map(turn).unzip()
    }
}
