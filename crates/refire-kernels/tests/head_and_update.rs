//! Rows of logits, AdamW and the embedding's gradient against the composition.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{SIZES, close, numbers, tensor, values};
use refire_kernels::{
    AdamWStep, LogitRows, LogitStats, adamw, add_rows, add_weight_grad, square_sum,
};

/// All statistics, and the gradient of the logits from random gradients of them.
fn logits(dtype: DType, x: &[f64], [n, vocab]: [usize; 2], all: bool) -> [Vec<f64>; 5] {
    let device = Device::flex();
    let labels: Vec<u32> = (0..n).map(|i| (i * 31 % vocab) as u32).collect();
    let temperature: Vec<f32> = (0..n).map(|i| 0.5 + i as f32 / n as f32).collect();
    let rows = LogitRows::new(tensor(x, [n, vocab], dtype, &device), &labels, &temperature);
    let column = |seed| tensor(&numbers(n, seed), [n], dtype, &device);
    let stats = [rows.logprobs(), rows.entropy(), rows.sum_sq(), rows.mean_logprob()];
    let grads = LogitStats {
        logprobs: column(1),
        entropy: all.then(|| column(2)),
        sum_sq: all.then(|| column(3)),
        mean_logprob: all.then(|| column(4)),
    };
    let [a, b, c, d] = stats.map(values);
    [a, b, c, d, values(rows.backward(grads))]
}

#[test]
fn rows_of_logits_agree() {
    for n in SIZES {
        for vocab in [1, 3, 17, 257, 5000] {
            for scale in [1.0, 30.0, 1e4] {
                let x: Vec<f64> = numbers(n * vocab, 7).iter().map(|x| x * scale).collect();
                for all in [false, true] {
                    let found = logits(DType::F32, &x, [n, vocab], all);
                    let expected = logits(DType::F64, &x, [n, vocab], all);
                    for (found, expected) in found.iter().zip(&expected) {
                        // Logits of 1e4 have 32-bit errors of 1e-3.
                        let tolerance = if scale > 100.0 { 2e-3 } else { 1e-5 };
                        close(&format!("{n} x {vocab} at {scale}"), found, expected, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn an_update_agrees_and_begins_at_moments_of_zero() {
    for count in [1, 17, 257, 40_000] {
        let run = |dtype| {
            let device = Device::flex();
            let make = |seed| tensor::<1>(&numbers(count, seed), [count], dtype, &device);
            let mut state = (make(1), None);
            for step in 1..4 {
                let step = AdamWStep {
                    beta1: 0.9,
                    beta2: 0.95,
                    eps: 1e-8,
                    rate: 1e-2,
                    decay: 1e-3,
                    grad_scale: 0.3,
                    step,
                };
                let (weight, moments) = adamw(&step, state.0, make(step.step + 1), state.1);
                state = (weight, Some(moments));
            }
            let [mean, square] = state.1.unwrap();
            [values(state.0), values(mean), values(square)]
        };
        for (found, expected) in run(DType::F32).iter().zip(&run(DType::F64)) {
            close("update", found, expected, 1e-6);
        }
    }
}

#[test]
fn tensors_that_somebody_holds_stay_as_they_are() {
    let device = Device::flex();
    let make = |seed| tensor::<1>(&numbers(100, seed), [100], DType::F32, &device);
    let (weight, grad, mean, square) = (make(1), make(2), make(3), make(4).abs());
    let before = [&weight, &mean, &square].map(|x| values(x.clone()));
    let step = AdamWStep {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        rate: 0.1,
        decay: 0.0,
        grad_scale: 1.0,
        step: 2,
    };
    let _ = adamw(&step, weight.clone(), grad, Some([mean.clone(), square.clone()]));
    assert_eq!(before, [weight, mean, square].map(values));
    let logits = tensor::<2>(&numbers(20, 5), [2, 10], DType::F32, &device);
    let before = values(logits.clone());
    let rows = LogitRows::new(logits.clone(), &[0, 3], &[1.0, 1.0]);
    let logprobs = Tensor::ones([2], &device);
    let _ = rows.backward(LogitStats { logprobs, entropy: None, sum_sq: None, mean_logprob: None });
    assert_eq!(values(logits), before);
}

#[test]
fn sums_and_rows_agree() {
    for count in [0, 1, 17, 40_000] {
        let x = numbers(count, 1);
        let exact: f64 = x.iter().map(|x| x * x).sum();
        let found = square_sum(&tensor(&x, [count], DType::F32, &Device::flex()));
        assert!((values(found)[0] - exact).abs() <= 1e-5 * exact.max(1.0), "{count}");
    }
    let run = |dtype| {
        let device = Device::flex();
        let sum = tensor(&numbers(50 * 3, 1), [50, 3], dtype, &device);
        let indices: Vec<u32> = (0..257).map(|i| i * i % 50).collect();
        values(add_rows(sum, &indices, tensor(&numbers(257 * 3, 2), [257, 3], dtype, &device)))
    };
    close("rows", &run(DType::F32), &run(DType::F64), 1e-5);
}

#[test]
fn weight_gradients_agree() {
    // The last doesn't fit into one block.
    for [n, out, width] in [[1, 1, 1], [3, 17, 3], [257, 3, 17], [5, 70_003, 65]] {
        let run = |dtype| {
            let device = Device::flex();
            let sum = tensor(&numbers(out * width, 1), [out, width], dtype, &device);
            let (kept, before) = (sum.clone(), values(sum.clone()));
            let dy = tensor(&numbers(n * out, 2), [n, out], dtype, &device);
            let x = tensor(&numbers(n * width, 3), [n, width], dtype, &device);
            let total = values(add_weight_grad(sum, dy, x));
            assert_eq!(values(kept), before, "what somebody holds stays");
            total
        };
        close("weight gradients", &run(DType::F32), &run(DType::F64), 1e-5);
    }
}
