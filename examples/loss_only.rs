//! One crate on plain tensors: the model, the loop and the optimiser are the user's own.

use burn::nn::LinearConfig;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Int, Tensor, activation::log_softmax};
use refire::burn;
use refire_grpo::advantage::{GroupNorm, group_norm};
use refire_grpo::loss::{ClipRange, ppo_clip};
use refire_grpo::{Aggregation, Counts};

fn main() -> Result<(), refire_grpo::GrpoError> {
    let device = Device::flex().autodiff();
    let mut model = LinearConfig::new(4, 5).init(&device);
    let mut optimizer = AdamWConfig::new().init();
    // Eight completions of one prompt, of one token each; 2 is right.
    let prompt = Tensor::<2>::ones([8, 4], &device);
    let tokens = Tensor::<2, Int>::from_data([0, 1, 2, 3, 4, 2, 1, 2].map(|t| [t]), &device);
    let rewards = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0].map(Some);
    let advantages = group_norm(&rewards, &[0; 8], &GroupNorm::default())?;
    let advantages: Vec<[f32; 1]> = advantages.iter().map(|a| [*a as f32]).collect();
    let advantages = Tensor::<1>::from_floats(advantages.as_flattened(), &device).reshape([8, 1]);
    let (mut old, counts) = (None, Counts::of([[true]; 8], 2));
    for update in 0..4 {
        let mut gradients = GradientsAccumulator::new();
        for rows in [0..4, 4..8] {
            let logprobs = log_softmax(model.forward(prompt.clone()), 1).gather(1, tokens.clone());
            let old = old.get_or_insert_with(|| logprobs.clone().detach()).clone();
            let part = |column: &Tensor<2>| column.clone().slice([rows.clone()]);
            let (now, old, advantages) = (part(&logprobs), part(&old), part(&advantages));
            let loss = ppo_clip(now.clone(), old, advantages, ClipRange::default());
            let loss = Aggregation::TokenMean.reduce(loss, now.ones_like(), Some(&counts));
            println!("update {update}, rows {rows:?}: {:.4}", loss.clone().into_scalar::<f32>());
            gradients.accumulate(&model, GradientsParams::from_grads(loss.backward(), &model));
        }
        model = optimizer.step(0.02, model, gradients.grads());
    }
    Ok(())
}
