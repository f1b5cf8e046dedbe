//! A policy of one's own learns to say token 2, with `refire-grpo` and burn's CPU backend.

use burn::nn::LinearConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, activation::log_softmax};
use refire_grpo::advantage::{GroupNorm, group_norm};
use refire_grpo::loss::{ClipRange, ppo_clip};
use refire_grpo::{Aggregation, GrpoError};

fn main() -> Result<(), GrpoError> {
    let device = Device::flex().autodiff();
    let mut model = LinearConfig::new(4, 5).init(&device);
    let mut optimizer = AdamWConfig::new().init();
    let prompt = Tensor::<2>::ones([5, 4], &device);
    // Each token once, as a group of five completions.
    let tokens = Tensor::<2, Int>::from_data([[0], [1], [2], [3], [4]], &device);
    let rewards = [0.0, 0.0, 1.0, 0.0, 0.0].map(Some);
    let advantages = group_norm(&rewards, &[0; 5], &GroupNorm::default())?;
    let advantages: Vec<f32> = advantages.iter().map(|a| *a as f32).collect();
    let advantages = Tensor::<1>::from_floats(advantages.as_slice(), &device).reshape([5, 1]);
    let mut first = None;
    let mut last = 0.0;
    for _ in 0..20 {
        let logprobs = log_softmax(model.forward(prompt.clone()), 1).gather(1, tokens.clone());
        last = logprobs.clone().inner().slice([2..3]).into_scalar::<f32>().exp();
        first.get_or_insert(last);
        let old = logprobs.clone().detach();
        let per_token = ppo_clip(logprobs.clone(), old, advantages.clone(), ClipRange::default());
        let loss = Aggregation::TokenMean.reduce(per_token, logprobs.ones_like(), None);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.05, model, gradients);
    }
    let first = first.unwrap_or(last);
    println!("probability of the rewarded token: {first:.3}, then {last:.3}");
    assert!(last > first + 0.2, "training has no effect");
    Ok(())
}
