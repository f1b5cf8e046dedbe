use super::fake::Grid;
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};

/// What training for few bits rounds, and which rotations it may use.
///
/// ```
/// use refire_model::QatConfig;
/// let config: QatConfig = serde_json::from_str(r#"{"weight_bits": 3, "rotation": "none"}"#)?;
/// assert!(config.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QatConfig {
    /// Bits of the weights of the layers' linear maps, on a symmetric grid for each output.
    pub weight_bits: u32,
    /// Bits of these maps' inputs, on a grid for each token.
    pub activation_bits: u32,
    /// Share of a row's largest weight that the grid reaches; what lies beyond is cut off.
    pub weight_clip: f64,
    /// The same of a token's least and largest number.
    pub activation_clip: f64,
    /// Which rotations there are.
    pub rotation: RotationKind,
    /// Seed of the rotations' signs.
    pub seed: u64,
}

/// Which rotations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationKind {
    /// None: the plain straight-through estimator.
    None,
    /// All that the family allows.
    All,
    /// Those that lower the error of rounding on given rows: RoSTE's.
    #[default]
    Adaptive,
}

impl Default for QatConfig {
    /// The paper's 4 bits for weights and activations; QuaRot's clipping of activations (arXiv
    /// 2404.00456).
    fn default() -> Self {
        Self {
            weight_bits: 4,
            activation_bits: 4,
            weight_clip: 1.0,
            activation_clip: 0.9,
            rotation: RotationKind::Adaptive,
            seed: 0,
        }
    }
}

impl QatConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let bits = [("weight_bits", self.weight_bits), ("activation_bits", self.activation_bits)];
        let clips = [("weight_clip", self.weight_clip), ("activation_clip", self.activation_clip)];
        let problem =
            |field, value: String, expected| ObjectiveError::OutOfRange { field, value, expected };
        let bits = bits.into_iter().filter(|(_, bits)| !(2..=8).contains(bits));
        let bits = bits.map(|(field, bits)| problem(field, bits.to_string(), "from 2 to 8"));
        let clips = clips.into_iter().filter(|(_, clip)| !(*clip > 0.0 && *clip <= 1.0));
        let clips = clips.map(|(field, clip)| problem(field, clip.to_string(), "above 0, up to 1"));
        bits.chain(clips).collect()
    }

    pub(super) fn weights(&self) -> Grid {
        Grid { bits: self.weight_bits, clip: self.weight_clip }
    }

    pub(super) fn inputs(&self) -> Grid {
        Grid { bits: self.activation_bits, clip: self.activation_clip }
    }
}
