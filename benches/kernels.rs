//! Each kernel against the composition of burn's operations, forward and backward, at the sizes of
//! one layer of SmolLM2-135M on two rows of 256 tokens.

#![allow(missing_docs)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use refire::burn::tensor::{DType, Device, Distribution, Tensor};
use refire::kernels::{
    AdamWStep, AttentionOptions, LogitRows, LogitStats, Turns, adamw, attention, linear, plain,
    rms_norm, rope, swiglu,
};
use refire::kernels::{Layout, Run};
use std::hint::black_box;
use std::sync::Arc;

const TOKENS: usize = 512;
const HIDDEN: usize = 576;
const WIDE: usize = 1536;
const VOCAB: usize = 49_152;

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn leaf<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(tensor.clone()).require_grad()
}

/// Forward and backward, the gradient being the result itself.
fn step<const D: usize>(y: Tensor<D>) {
    let grad = Tensor::from_inner(y.clone().inner());
    black_box((y * grad).sum().backward());
}

type Way<'a> = (&'a str, &'a dyn Fn());

fn compare(c: &mut Criterion, name: &str, ways: [Way<'_>; 2]) {
    let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group(name);
    group.sample_size(10);
    for (way, run) in ways {
        group.bench_function(way, |b| b.iter(run));
    }
    group.finish();
}

fn elementwise(c: &mut Criterion) {
    let (gate, up) = (random([TOKENS, WIDE]), random([TOKENS, WIDE]));
    compare(
        c,
        "swiglu",
        [
            ("kernel", &|| step(swiglu(leaf(&gate), leaf(&up)))),
            ("plain", &|| step(plain::swiglu(leaf(&gate), leaf(&up)))),
        ],
    );
    let (x, weight) = (random([TOKENS, HIDDEN]), random([HIDDEN]));
    compare(
        c,
        "rms_norm",
        [
            ("kernel", &|| step(rms_norm(leaf(&x), leaf(&weight), 1e-5, false))),
            ("plain", &|| step(plain::rms_norm(leaf(&x), leaf(&weight), 1e-5, false))),
        ],
    );
    let turns = vec![0.6; TOKENS * 32];
    let turns = Turns::new(turns.clone(), turns, 32, &Device::flex(), DType::F32);
    let q = random([TOKENS, 9, 64]);
    compare(
        c,
        "rope",
        [
            ("kernel", &|| step(rope(leaf(&q), &turns))),
            ("plain", &|| step(plain::rope(leaf(&q), &turns))),
        ],
    );
    let map = random([WIDE, HIDDEN]);
    compare(
        c,
        "linear",
        [
            ("kernel", &|| step(linear(leaf(&x), leaf(&map)))),
            ("plain", &|| step(plain::linear(leaf(&x), leaf(&map)))),
        ],
    );
}

fn attentions(c: &mut Criterion) {
    let run = |len, parent| Run { len, parent };
    let group =
        [run(256, None), run(64, Some(0)), run(64, Some(0)), run(64, Some(0)), run(64, Some(0))];
    let layouts = [
        ("attention, 2 rows of 256", vec![run(256, None), run(256, None)]),
        ("attention, 4 rows of 64 after 256", group.to_vec()),
        ("attention, 1 row of 1024", vec![run(1024, None)]),
    ];
    let options = AttentionOptions { scale: 0.125, window: None, softcap: None };
    for (name, runs) in layouts {
        let Ok(layout) = Layout::new(runs).map(Arc::new) else { continue };
        let n = layout.tokens();
        let (q, k, v) = (random([n, 9, 64]), random([n, 3, 64]), random([n, 3, 64]));
        compare(
            c,
            name,
            [
                ("kernel", &|| {
                    if let Ok(y) = attention(leaf(&q), leaf(&k), leaf(&v), &layout, &options) {
                        step(y);
                    }
                }),
                ("plain", &|| {
                    let y = plain::attention(leaf(&q), leaf(&k), leaf(&v), &layout, &options);
                    if let Ok(y) = y {
                        step(y);
                    }
                }),
            ],
        );
    }
}

fn heads(c: &mut Criterion) {
    let logits = random([256, VOCAB]);
    let labels: Vec<u32> = (0..256).map(|i| i * 101 % VOCAB as u32).collect();
    let labels_ref = &labels;
    let ones = || Tensor::ones([256], &Device::flex());
    let kernel = || {
        // The sum of a copy, which the gradient overwrites.
        let rows = LogitRows::new(logits.clone() + 0.0, labels_ref, &[1.0; 256]);
        let (entropy, sum_sq, mean_logprob) = (None, None, None);
        let grads = LogitStats { logprobs: ones(), entropy, sum_sq, mean_logprob };
        black_box((rows.logprobs(), rows.backward(grads)));
    };
    let composed = || {
        let max = logits.clone().max_dim(1);
        let exp = (logits.clone() - max).exp();
        let sum = exp.clone().sum_dim(1);
        black_box(exp / sum * ones().unsqueeze_dim::<2>(1));
    };
    compare(c, "logits", [("kernel", &kernel), ("plain, without labels", &composed)]);
}

fn updates(c: &mut Criterion) {
    let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
    let count = WIDE * HIDDEN * 8;
    let grad = random([count]);
    let step = AdamWStep { beta1, beta2, eps, rate: 1e-3, decay: 1e-5, grad_scale: 0.5, step: 3 };
    let mut group = c.benchmark_group("adamw");
    group.sample_size(10);
    let mut state = Some((random([count]), [random([count]), random([count]).abs()]));
    group.bench_function("kernel", |b| {
        b.iter(|| {
            state = state.take().map(|(w, moments)| adamw(&step, w, grad.clone(), Some(moments)));
        });
    });
    group.bench_function("plain", |b| {
        b.iter(|| {
            state = state.take().map(|(w, [m, v])| {
                let g = grad.clone() * 0.5;
                let m = m * beta1 + g.clone() * (1.0 - beta1);
                let v = v * beta2 + g.clone() * g * (1.0 - beta2);
                let delta = m.clone() / (v.clone().sqrt() + eps) * 1e-3;
                (w * (1.0 - 1e-5) - delta, [m, v])
            });
        });
    });
    group.finish();
}

criterion_group!(benches, elementwise, attentions, heads, updates);
criterion_main!(benches);
