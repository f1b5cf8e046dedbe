use refire_grpo::correction::{
    Correction, Divergence, Importance, ImportanceLevel, Rejection, RejectionReduce,
};
use refire_grpo::loss::{
    Cispo, ClipCov, ClipOptions, ClipRange, Copg, DistillationLoss, DppoTv, Gmpo, Gppo, Kimi,
    KlCov, LogRatioClamp, LossKind, Opmd, RatioBase, RatioLevel, Rec, RecClip, RecRegularizer,
    RecWeight, Reinforce, Sapo, Topr, Vespo,
};
use refire_grpo::{KlBase, PolicyLossConfig};
use refire_objective::{Aggregation, KlClamp, KlEstimator, RowCount};

type Named = (&'static str, PolicyLossConfig);

fn with(surrogate: LossKind) -> PolicyLossConfig {
    PolicyLossConfig { surrogate, ..PolicyLossConfig::default() }
}

fn clip(low: f64, high: f64) -> LossKind {
    LossKind::PpoClip(ClipOptions::range(low, high))
}

fn rows(count: RowCount) -> Aggregation {
    Aggregation::seq_mean_token_mean(count)
}

/// One of each loss kind, and its variants.
pub(crate) fn kinds() -> Vec<Named> {
    let by_row =
        |surrogate| PolicyLossConfig { aggregation: rows(RowCount::All), ..with(surrogate) };
    let dual = ClipOptions { dual_clip: Some(1.3), ..ClipOptions::range(0.1, 0.2) };
    let delta = ClipOptions { delta: Some(1.3), ..ClipOptions::range(0.1, 0.2) };
    let rec = |clip, weight, regularizer| {
        with(LossKind::Rec(Rec { clip, weight, regularizer, ..Rec::default() }))
    };
    let narrow = ClipRange { low: 0.05, high: 0.05 };
    let cov = ClipCov { clip_range: narrow, fraction: 0.3, lower: -9.0, upper: 9.0, seed: 1 };
    let region = DppoTv { low: 0.03, high: 0.05, two_sided: false, scale: 0.7 };
    vec![
        ("ppo_clip", with(clip(0.1, 0.2))),
        ("dual_clip", with(LossKind::PpoClip(dual))),
        ("delta", with(LossKind::PpoClip(delta))),
        ("reinforce", with(LossKind::Reinforce(Reinforce {}))),
        ("opmd", with(LossKind::Opmd(Opmd { tau: 0.3 }))),
        ("cispo", with(LossKind::Cispo(Cispo { lower: Some(0.9), upper: 1.2 }))),
        ("cispo_upper", with(LossKind::Cispo(Cispo { lower: None, upper: 1.2 }))),
        ("gppo", with(LossKind::Gppo(Gppo { clip_range: narrow, beta_low: 1.0, beta_high: 1.0 }))),
        (
            "ce_gppo",
            with(LossKind::Gppo(Gppo { clip_range: narrow, beta_low: 0.5, beta_high: 0.8 })),
        ),
        ("sapo", with(LossKind::Sapo(Sapo { tau_pos: 1.0, tau_neg: 2.0 }))),
        ("vespo", with(LossKind::Vespo(Vespo::default()))),
        ("gmpo", by_row(LossKind::Gmpo(Gmpo { clip_range: narrow, length_eps: 0.0 }))),
        ("gmpo_padded", by_row(LossKind::Gmpo(Gmpo { clip_range: narrow, length_eps: 1e-2 }))),
        ("clip_cov", with(LossKind::ClipCov(cov))),
        ("kl_cov", with(LossKind::KlCov(KlCov { fraction: 0.3, coef: 0.7 }))),
        ("dppo_tv", with(LossKind::DppoTv(region))),
        ("dppo_ipo", with(LossKind::DppoTv(DppoTv { two_sided: true, ..region }))),
        ("topr", with(LossKind::Topr(Topr { threshold: 0.1 }))),
        ("rec_one_side", rec(RecClip::OneSide, RecWeight::None, RecRegularizer::None)),
        ("rec_two_side", rec(RecClip::TwoSide, RecWeight::Importance, RecRegularizer::None)),
        (
            "rec_ring",
            rec(
                RecClip::Ring,
                RecWeight::Advantage { temperature: 0.8 },
                RecRegularizer::K2 { coef: 0.2 },
            ),
        ),
        ("rec_kl", rec(RecClip::None, RecWeight::None, RecRegularizer::ForwardKl { coef: 0.2 })),
        ("kimi", by_row(LossKind::Kimi(Kimi { tau: 0.4 }))),
        ("copg", by_row(LossKind::Copg(Copg { beta: 0.4 }))),
        ("distillation", with(LossKind::Distillation(DistillationLoss { low: 0.05 }))),
    ]
}

/// One of each other setting, and combinations.
pub(crate) fn settings() -> Vec<Named> {
    let base = PolicyLossConfig::default();
    let level = |ratio, aggregation| PolicyLossConfig {
        surrogate: clip(0.05, 0.05),
        ratio,
        aggregation,
        ..base.clone()
    };
    let kl = |kl_estimator| PolicyLossConfig { kl_beta: 0.3, kl_estimator, ..base.clone() };
    let importance = Importance { level: ImportanceLevel::Sequence, ..Importance::default() };
    let correction = Correction {
        importance: Some(Importance { normalize: true, max: Some(1.5), ..importance }),
        rejections: vec![Rejection {
            divergence: Divergence::K2,
            reduce: RejectionReduce::SeqMax,
            lower: None,
            upper: 0.4,
        }],
    };
    let corrected = Some(Correction::importance(Importance::default()));
    vec![
        ("gspo", level(RatioLevel::Sequence, rows(RowCount::All))),
        ("gspo_token", level(RatioLevel::SequenceToken, rows(RowCount::NonEmpty))),
        ("rloo", level(RatioLevel::SequenceSum, rows(RowCount::All))),
        (
            "luspo",
            level(RatioLevel::Sequence, Aggregation::SeqMeanTokenSum { rows: RowCount::All }),
        ),
        ("k1", kl(KlEstimator::K1)),
        ("k2", kl(KlEstimator::K2)),
        ("k3", kl(KlEstimator::K3)),
        ("abs", kl(KlEstimator::Abs)),
        ("k1_straight", kl(KlEstimator::K1StraightThrough)),
        ("k3_straight", kl(KlEstimator::K3StraightThrough)),
        (
            "kl_clamped",
            PolicyLossConfig {
                kl_clamp: KlClamp { log_ratio: Some(0.3), value: Some(0.02) },
                ..kl(KlEstimator::K3)
            },
        ),
        ("kl_bias", PolicyLossConfig { kl_bias_correction: true, ..kl(KlEstimator::K3) }),
        (
            "kl_bias_sequence",
            PolicyLossConfig {
                kl_bias_correction: true,
                ratio: RatioLevel::Sequence,
                ..kl(KlEstimator::K3)
            },
        ),
        (
            "prime_rl",
            PolicyLossConfig {
                surrogate: LossKind::DppoTv(DppoTv::default()),
                ratio_base: RatioBase::Behaviour,
                kl_base: KlBase::Ratio,
                kl_weighted: true,
                ..kl(KlEstimator::K2)
            },
        ),
        (
            "clamped",
            PolicyLossConfig {
                log_ratio_clamp: LogRatioClamp { below: Some(0.2), above: Some(0.3) },
                surrogate: clip(0.9, 0.9),
                ..base.clone()
            },
        ),
        ("correction", PolicyLossConfig { correction: Some(correction), ..base.clone() }),
        (
            "vespo_corrected",
            PolicyLossConfig { correction: corrected, ..with(LossKind::Vespo(Vespo::default())) },
        ),
        (
            "sum_norm_entropy",
            PolicyLossConfig {
                entropy_coef: 0.01,
                aggregation: Aggregation::SumNorm { length: 9.0, per_row: true },
                ..base.clone()
            },
        ),
        (
            "top_entropy",
            PolicyLossConfig {
                entropy_coef: 0.01,
                top_entropy: Some(0.4),
                off_policy_threshold: Some(0.05),
                kl_beta: 0.1,
                ..base.clone()
            },
        ),
        (
            "padded_lengths",
            PolicyLossConfig {
                aggregation: Aggregation::SeqMeanTokenMean {
                    rows: RowCount::NonEmpty,
                    length_eps: 1e-2,
                },
                ..base
            },
        ),
    ]
}

/// All of them.
pub(crate) fn all() -> Vec<Named> {
    [kinds(), settings()].concat()
}
