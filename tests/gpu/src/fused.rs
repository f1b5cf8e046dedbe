//! Kernels against the composition of burn's operations, forward and backward: milliseconds of
//! each at a shape of SmolLM2-135M's.

use crate::speed::seconds;
use refire::burn::tensor::{DType, Device, Distribution, Tensor};
use refire::core::BoxError;
use refire::kernels::{
    AttentionOptions, Layout, Recall, Turns, attention, plain, recall, rms_norm, rope, swiglu,
};
use std::sync::Arc;

const HEADS: usize = 9;
const KV: usize = 3;
const D: usize = 64;

/// Prints a line for each operation; `tokens` at most.
pub fn run(device: &Device, tokens: usize) -> Result<(), BoxError> {
    let mut n = 256;
    while n <= tokens {
        attend(device, n)?;
        n *= 4;
    }
    remember(device, 8, tokens)?;
    let wide = |width| leaf([tokens, width], device);
    let (x, weight) = (wide(HEADS * D), leaf([HEADS * D], device));
    let norm = |f: fn(Tensor<2>, Tensor<1>, f64, bool) -> Tensor<2>| {
        both(device, || Ok(f(x.clone(), weight.clone(), 1e-5, false)))
    };
    report("rms_norm", tokens, norm(rms_norm)?, norm(plain::rms_norm)?);
    let (gate, up) = (wide(1536), wide(1536));
    let unit =
        |f: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| both(device, || Ok(f(gate.clone(), up.clone())));
    report("swiglu", tokens, unit(swiglu)?, unit(plain::swiglu)?);
    let heads = leaf([tokens, HEADS, D], device);
    let table = vec![0.5; tokens * D / 2];
    let turns = Turns::new(table.clone(), table, D / 2, device, DType::F32);
    let turned =
        |f: fn(Tensor<3>, &Turns) -> Tensor<3>| both(device, || Ok(f(heads.clone(), &turns)));
    report("rope", tokens, turned(rope)?, turned(plain::rope)?);
    Ok(())
}

fn leaf<const N: usize>(shape: [usize; N], device: &Device) -> Tensor<N> {
    Tensor::random(shape, Distribution::Default, &device.clone().autodiff()).require_grad()
}

/// Seconds of an operation and its backward pass.
fn both<const N: usize>(
    device: &Device,
    operation: impl Fn() -> Result<Tensor<N>, BoxError>,
) -> Result<f64, BoxError> {
    seconds(|| {
        let grads = operation()?.sum().backward();
        drop(grads);
        device.sync().map_err(|error| error.to_string().into())
    })
}

fn report(name: &str, tokens: usize, kernel: f64, composed: f64) {
    let ratio = kernel / composed;
    let [kernel, composed] = [kernel, composed].map(|seconds| seconds * 1e3);
    println!(
        "{name}, {tokens} tokens: kernel {kernel:.2} ms, composition {composed:.2} ms ({ratio:.2})"
    );
}

fn attend(device: &Device, n: usize) -> Result<(), BoxError> {
    let layout = Arc::new(Layout::rows([n]));
    let options = AttentionOptions { scale: 0.125, window: None, softcap: None };
    let (q, k) = (leaf([n, HEADS, D], device), leaf([n, KV, D], device));
    let v = leaf([n, KV, D], device);
    let inputs = || (q.clone(), k.clone(), v.clone());
    let kernel = both(device, || {
        let (q, k, v) = inputs();
        Ok(attention(q, k, v, &layout, &options)?)
    })?;
    let composed = both(device, || {
        let (q, k, v) = inputs();
        Ok(plain::attention(q, k, v, &layout, &options)?)
    })?;
    report("attention", n, kernel, composed);
    Ok(())
}

/// New tokens of sequences that remember as many tokens each.
fn remember(device: &Device, sequences: usize, tokens: usize) -> Result<(), BoxError> {
    let options = AttentionOptions { scale: 0.125, window: None, softcap: None };
    let store = || Tensor::random([sequences * tokens, KV, D], Distribution::Default, device);
    let (keys, values) = (store(), store());
    let q = Tensor::random([sequences, HEADS, D], Distribution::Default, device);
    let places = |row: usize| (0..tokens).map(|i| i * sequences + row).collect();
    let seen = Recall::new((0..sequences).map(|i| (1, places(i))), [None], device, DType::F32)?;
    let kernel = seconds(|| {
        recall(q.clone(), &keys, &values, &seen, &options)?;
        device.sync().map_err(|error| error.to_string().into())
    })?;
    let bytes = 2.0 * 4.0 * (sequences * tokens * KV * D) as f64;
    let rate = bytes / kernel / 1e9;
    let kernel = kernel * 1e3;
    println!("recall, {sequences} x {tokens} tokens: {kernel:.2} ms, {rate:.1} GB/s");
    Ok(())
}
