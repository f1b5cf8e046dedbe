use std::f64::consts::TAU;

/// How low frequencies are stretched for long contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
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
}

/// Rotary position embedding, rotating the pairs `(i, i + head_dim / 2)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Stretching.
    pub scaling: RopeScaling,
}

impl Rope {
    /// The `head_dim / 2` frequencies, in radians per position: `theta^(-2i / head_dim)`, scaled.
    ///
    /// ```
    /// use refire_model::{Rope, RopeScaling};
    /// let rope = Rope { theta: 10_000.0, scaling: RopeScaling::Default };
    /// assert_eq!(rope.frequencies(4), [1.0, 0.01]);
    /// ```
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let exponent = |i: usize| -((2 * i) as f64) / head_dim as f64;
        (0..head_dim / 2).map(|i| self.scale(self.theta.powf(exponent(i)))).collect()
    }

    fn scale(&self, frequency: f64) -> f64 {
        match self.scaling {
            RopeScaling::Default => frequency,
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
        }
    }

    /// Cosines and sines of every position, each `[positions, head_dim / 2]` end to end.
    pub(crate) fn tables(&self, head_dim: usize, positions: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let frequencies = self.frequencies(head_dim);
        let angles = positions
            .iter()
            .flat_map(|p| frequencies.iter().map(move |f| f * *p as f64))
            .map(|angle| (angle.cos() as f32, angle.sin() as f32));
        angles.unzip()
    }
}
