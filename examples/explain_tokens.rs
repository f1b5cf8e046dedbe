//! Why a token learns, or doesn't: a batch of four completions and what three losses do to it.
//!
//! Every row has an old policy, a new one, a sampler and an advantage. The table says for each
//! token with what coefficient its log-probability enters the gradient, and what holds it back.
//!
//! `cargo run --release --example explain_tokens`

use refire::burn::tensor::{Device, Tensor};
use refire::core::BoxError;
use refire::grpo::explain::{RowFate, explain};
use refire::grpo::loss::{Cispo, ClipOptions, LossKind, RatioLevel};
use refire::grpo::{PolicyLoss, PolicyLossConfig};
use refire::objective::{Aggregation, Counts, StepContext, Targets, TokenStats};

fn main() -> Result<(), BoxError> {
    let device = Device::flex();
    let column = |rows: [[f32; 3]; 4]| Tensor::<2>::from_data(rows, &device);
    // Right; wrong; wrong and with a tool's output in the middle; cut off by the token limit.
    let mask = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]];
    let now = [[-0.9, -0.2, -2.0], [-3.5, -0.4, -0.7], [-1.0, -9.0, -0.1], [-1.0, -1.0, -1.0]];
    let old = [[-1.0, -0.9, -2.0], [-1.5, -0.5, -0.7], [-1.0, -9.0, -2.0], [-1.0, -1.0, -1.0]];
    let stats = TokenStats::from_logprobs(column(now));
    let mut targets = Targets::new(column(mask));
    targets.old_logprobs = Some(column(old));
    targets.advantages = Some(column([[1.2; 3], [-0.6; 3], [-0.6; 3], [0.0; 3]]));
    let counts = Counts::of(mask.map(|row| row.map(|m| m == 1.0)), 1);

    let clip = ClipOptions { dual_clip: Some(3.0), ..ClipOptions::range(0.2, 0.28) };
    let methods = [
        ("DAPO's clip, with a dual clip", LossKind::PpoClip(clip), RatioLevel::Token),
        (
            "CISPO: every token keeps a bounded weight",
            LossKind::Cispo(Cispo::default()),
            RatioLevel::Token,
        ),
        (
            "GSPO: one ratio per row",
            LossKind::PpoClip(ClipOptions::range(0.2, 0.28)),
            RatioLevel::Sequence,
        ),
    ];
    for (title, surrogate, ratio) in methods {
        let aggregation = Aggregation::TokenMean;
        let config = PolicyLossConfig { surrogate, ratio, aggregation, ..Default::default() };
        let objective = PolicyLoss::new(config)?;
        let table = explain(&objective, &stats, &targets, &StepContext::empty(), &counts)?;
        let table =
            table.with_fates(|row| if row == 3 { RowFate::Truncated } else { RowFate::Used });
        println!("{title}\n\n{table}\n");
    }
    Ok(())
}
