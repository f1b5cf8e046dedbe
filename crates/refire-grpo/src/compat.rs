//! What the peers do where formulas are silent.
//!
//! Two libraries that both implement GRPO differ in the eps of a deviation, in what a group of one
//! is worth, in how log-ratios and divergences are clamped, in which rows a mean counts and in what
//! is added to a length. A [`Peer`] has the answers of one of them, so that a run can be moved over
//! without a change of numbers. `cargo test -p refire --test golden_policy` compares with vectors
//! that the peers' own code produced.

use crate::Recipe;
use crate::advantage::{
    AdvantageConfig, Deviation, Gpg, GpgCount, GroupNorm, Holes, Opo, PassAtKMax, Rloo, Scale,
    Singleton, Whiten,
};
use crate::correction::{
    Correction, Divergence, Importance, ImportanceBound, ImportanceLevel, Rejection,
    RejectionReduce,
};
use crate::loss::{ClipOptions, Gmpo, LogRatioClamp, LossKind, RatioBase, RatioLevel};
use refire_objective::{Aggregation, KlClamp, KlEstimator, RowCount};
use serde::{Deserialize, Serialize};

/// A library whose choices are taken over.
///
/// ```
/// use refire_grpo::compat::Peer;
/// use refire_grpo::preset;
/// let recipe = Peer::Verl.apply(preset::grpo());
/// assert!(recipe.validate().is_empty());
/// assert_eq!(Peer::Verl.group_norm().eps, 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// TRL 1.16.
    Trl,
    /// verl, January 2026.
    Verl,
    /// OpenRLHF, August 2026.
    OpenRlhf,
    /// prime-rl, August 2026.
    PrimeRl,
}

impl Peer {
    /// The eps, deviation and singletons of group statistics. prime-rl only centres.
    pub fn group_norm(self) -> GroupNorm {
        let base = GroupNorm::default();
        match self {
            Self::Trl => base,
            Self::Verl => GroupNorm { eps: 1e-6, singleton: Singleton::Reward, ..base },
            Self::OpenRlhf => GroupNorm { eps: 1e-9, ..base },
            Self::PrimeRl => GroupNorm { scale: Scale::None, ..base },
        }
    }

    /// What a completion without siblings is worth: verl gives it its reward, and OpenRLHF
    /// divides 0 by 0 where we give 0.
    pub fn singleton(self) -> Singleton {
        match self {
            Self::Verl => Singleton::Reward,
            Self::Trl | Self::OpenRlhf | Self::PrimeRl => Singleton::Zero,
        }
    }

    /// The leave-one-out baseline.
    pub fn rloo(self) -> Rloo {
        Rloo { singleton: self.singleton(), ..Rloo::default() }
    }

    /// GPG's advantage: verl counts rewards other than 0.
    pub fn gpg(self) -> Gpg {
        let count = if self == Self::Verl { GpgCount::NonZero } else { GpgCount::Signal };
        Gpg { count, singleton: self.singleton(), ..Gpg::default() }
    }

    /// Whitening over tokens.
    pub fn whiten(self) -> Whiten {
        let base = Whiten::default();
        match self {
            Self::Verl => Whiten { count_eps: 1e-8, ..base },
            Self::OpenRlhf => {
                Whiten { deviation: Deviation::Population, eps: 0.0, floor: 1e-8, ..base }
            }
            Self::Trl | Self::PrimeRl => base,
        }
    }

    /// What masked tokens do in GAE.
    pub fn holes(self) -> Holes {
        if self == Self::OpenRlhf { Holes::Pass } else { Holes::Skip }
    }

    /// Bounds on log-ratios per token; sequence ratios have 10 from above in verl, and none in
    /// OpenRLHF.
    pub fn log_ratio_clamp(self, level: RatioLevel) -> LogRatioClamp {
        match (self, level) {
            (Self::Trl | Self::PrimeRl, _) => LogRatioClamp::NONE,
            (Self::Verl | Self::OpenRlhf, RatioLevel::Token) => LogRatioClamp::both(20.0),
            (Self::Verl, _) => LogRatioClamp { below: None, above: Some(10.0) },
            (Self::OpenRlhf, _) => LogRatioClamp::NONE,
        }
    }

    /// GSPO's ratio: verl's form is per token.
    pub fn sequence_ratio(self) -> RatioLevel {
        if self == Self::Verl { RatioLevel::SequenceToken } else { RatioLevel::Sequence }
    }

    /// Bounds on a divergence estimate.
    pub fn kl_clamp(self, estimator: KlEstimator) -> KlClamp {
        let k3 = matches!(estimator, KlEstimator::K3 | KlEstimator::K3StraightThrough);
        match self {
            Self::Trl | Self::PrimeRl => KlClamp::NONE,
            Self::Verl if k3 => KlClamp { log_ratio: Some(20.0), value: Some(10.0) },
            Self::Verl => KlClamp::NONE,
            Self::OpenRlhf => KlClamp { log_ratio: None, value: Some(10.0) },
        }
    }

    /// The same aggregation with this library's rows and normalisers: TRL counts empty rows, verl
    /// and OpenRLHF don't and add 1e-8 to lengths; TRL divides Dr.GRPO's sum by rows too, verl
    /// doesn't; TRL's LUSPO counts all rows.
    pub fn aggregation(self, like: Aggregation) -> Aggregation {
        let (rows, length_eps) = match self {
            Self::Trl | Self::PrimeRl => (RowCount::All, 0.0),
            Self::Verl | Self::OpenRlhf => (RowCount::NonEmpty, 1e-8),
        };
        match like {
            Aggregation::SeqMeanTokenMean { .. } => {
                Aggregation::SeqMeanTokenMean { rows, length_eps }
            }
            Aggregation::SeqMeanTokenSum { .. } => Aggregation::SeqMeanTokenSum { rows },
            Aggregation::SumNorm { length, .. } => {
                Aggregation::SumNorm { length, per_row: self == Self::Trl }
            }
            other => other,
        }
    }

    /// The correction of the mismatch that the library applies when asked to: TRL
    /// `sequence_mask` with 3, verl token truncation at 2, OpenRLHF `tis` in [0.5, 5]. prime-rl
    /// has none: its ratio is to the sampler.
    pub fn correction(self) -> Option<Correction> {
        let base = Importance { log_ratio_clamp: None, ..Importance::default() };
        let importance = match self {
            Self::Trl => Importance {
                level: ImportanceLevel::Sequence,
                bound: ImportanceBound::Mask,
                max: Some(3.0),
                ..base
            },
            Self::Verl => Importance::default(),
            Self::OpenRlhf => Importance { min: Some(0.5), max: Some(5.0), ..base },
            Self::PrimeRl => return None,
        };
        Some(Correction::importance(importance))
    }

    /// What the ratio compares the policy with.
    pub fn ratio_base(self) -> RatioBase {
        if self == Self::PrimeRl { RatioBase::Behaviour } else { RatioBase::Old }
    }

    /// PPO's clip with this library's further bounds: verl always has a dual clip at 3.
    pub fn ppo_clip(self, low: f64, high: f64) -> ClipOptions {
        let dual_clip = (self == Self::Verl).then_some(3.0);
        ClipOptions { dual_clip, ..ClipOptions::range(low, high) }
    }

    /// The recipe with this library's answers, where the recipe's method has questions.
    pub fn apply(self, mut recipe: Recipe) -> Recipe {
        match &mut recipe.advantage {
            AdvantageConfig::GroupNorm(config) => {
                let scale = if self == Self::PrimeRl { Scale::None } else { config.scale };
                *config = GroupNorm { scale, ..self.group_norm() };
            }
            AdvantageConfig::Rloo(config) => config.singleton = self.singleton(),
            AdvantageConfig::Opo(Opo { singleton }) => *singleton = self.singleton(),
            AdvantageConfig::Gpg(config) => *config = Gpg { norm: config.norm, ..self.gpg() },
            AdvantageConfig::PassAtKMax(config) => {
                *config = PassAtKMax { scale: config.scale, ..PassAtKMax::default() };
            }
            AdvantageConfig::ReinforcePlusPlus(config) => {
                config.whiten = self.whiten();
                config.holes = if self == Self::Verl { Holes::Cut } else { self.holes() };
            }
            AdvantageConfig::ReinforcePlusPlusBaseline(config) => {
                config.whiten = self.whiten();
                config.singleton = self.singleton();
            }
            AdvantageConfig::Gae(config) => {
                config.holes = self.holes();
                config.whiten = Some(self.whiten());
            }
            _ => {}
        }
        let loss = &mut recipe.loss;
        if loss.ratio == RatioLevel::Sequence {
            loss.ratio = self.sequence_ratio();
        }
        match &mut loss.surrogate {
            LossKind::PpoClip(clip) if self == Self::Verl => {
                clip.dual_clip = clip.dual_clip.or(Some(3.0));
            }
            LossKind::Gmpo(Gmpo { length_eps, .. }) => {
                *length_eps = if self == Self::Verl { 1e-8 } else { 0.0 };
            }
            _ => {}
        }
        loss.log_ratio_clamp = self.log_ratio_clamp(loss.ratio);
        loss.kl_clamp = self.kl_clamp(loss.kl_estimator);
        loss.ratio_base = self.ratio_base();
        loss.aggregation = match loss.surrogate {
            // Whose loss belongs to rows, of which all count.
            LossKind::Gmpo(_) => loss.aggregation,
            _ => self.aggregation(loss.aggregation),
        };
        recipe
    }
}

/// OpenRLHF's three corrections, by their names there, with its bounds.
///
/// ```
/// use refire_grpo::compat::{OpenRlhfCorrection, open_rlhf_correction};
/// let config = open_rlhf_correction(OpenRlhfCorrection::SeqMaskTis, 0.5, 5.0);
/// assert!(config.validate().is_empty());
/// ```
pub fn open_rlhf_correction(kind: OpenRlhfCorrection, low: f64, high: f64) -> Correction {
    let free = Importance { min: None, max: None, log_ratio_clamp: None, ..Importance::default() };
    let bounded = Importance { min: Some(low), max: Some(high), ..free };
    match kind {
        OpenRlhfCorrection::Tis => Correction::importance(bounded),
        OpenRlhfCorrection::IcePop => {
            Correction::importance(Importance { bound: ImportanceBound::Mask, ..bounded })
        }
        OpenRlhfCorrection::SeqMaskTis => Correction {
            importance: Some(free),
            // Its ratio is `old / behaviour`, and k1's the other way round.
            rejections: vec![Rejection {
                divergence: Divergence::K1,
                reduce: RejectionReduce::SeqMean,
                lower: Some(high.recip()),
                upper: low.recip(),
            }],
        },
    }
}

/// See [`open_rlhf_correction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenRlhfCorrection {
    /// Token weights within the bounds.
    Tis,
    /// Token weights, 0 beyond the bounds.
    IcePop,
    /// Token weights as they are, and rows dropped whose geometric mean is beyond the bounds.
    SeqMaskTis,
}
