//! Each kernel against the composition of burn's operations, forward and backward, at the sizes of
//! one layer of SmolLM2-135M on two rows of 256 tokens.

#![allow(missing_docs)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use refire::burn::tensor::activation::log_softmax;
use refire::burn::tensor::{
    DType, Device, Distribution, IndexingUpdateOp, Int, Tensor, TensorData,
};
use refire::kernels::{
    AdamWMaster, AdamWStep, AttentionOptions, LogitRows, LogitStats, Turns, adamw, adamw_master,
    add_rows, add_weight_grad, attention, geglu, linear, plain, rms_norm, rope, square_sum, swiglu,
};
use refire::kernels::{Layout, Run};
use std::cell::Cell;
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
    compare(
        c,
        "geglu",
        [
            ("kernel", &|| step(geglu(leaf(&gate), leaf(&up)))),
            ("plain", &|| step(plain::geglu(leaf(&gate), leaf(&up)))),
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
    let grads = |all: bool| {
        let other = || all.then(ones);
        let (entropy, sum_sq, mean_logprob) = (other(), other(), other());
        LogitStats { logprobs: ones(), entropy, sum_sq, mean_logprob }
    };
    let kernel = |all: bool| {
        // The sum of a copy, which the gradient overwrites.
        let rows = LogitRows::new(logits.clone() + 0.0, labels_ref, &[1.0; 256]);
        let stats = all.then(|| (rows.entropy(), rows.sum_sq(), rows.mean_logprob()));
        black_box((rows.logprobs(), stats, rows.backward(grads(all))));
    };
    let places: Vec<i64> = labels.iter().map(|label| i64::from(*label)).collect();
    let places = TensorData::new(places, [256, 1]);
    let places: Tensor<2, Int> = Tensor::from_data(places, &Device::flex());
    // The same statistics, and their gradient by burn's autodiff.
    let composed = |all: bool| {
        let logits = leaf(&logits);
        let log_p = log_softmax(logits.clone(), 1);
        let mut total = log_p.clone().gather(1, places.clone()).sum();
        if all {
            let p = log_p.clone().exp();
            let entropy = (p.clone() * log_p.clone()).sum().neg();
            total = total + entropy + (p.clone() * p).sum() + log_p.mean_dim(1).sum();
        }
        black_box(logits.grad(&total.backward()));
    };
    let name = "logits, log-probability";
    compare(c, name, [("kernel", &|| kernel(false)), ("plain", &|| composed(false))]);
    let name = "logits, all statistics";
    compare(c, name, [("kernel", &|| kernel(true)), ("plain", &|| composed(true))]);
}

/// Sums of gradients, in place.
fn sums(c: &mut Criterion) {
    let grad = random([WIDE * HIDDEN * 8]);
    compare(
        c,
        "square_sum",
        [
            ("kernel", &|| {
                black_box(square_sum(&grad));
            }),
            ("plain", &|| {
                black_box((grad.clone() * grad.clone()).sum());
            }),
        ],
    );
    let at: Vec<u32> = (0..TOKENS as u32).map(|i| i * 101 % VOCAB as u32).collect();
    let places: Vec<i64> = at.iter().map(|place| i64::from(*place)).collect();
    let places: Tensor<1, Int> =
        Tensor::from_data(TensorData::new(places, [TOKENS]), &Device::flex());
    let rows = random([TOKENS, HIDDEN]);
    // Taken and put back, so that nobody else holds it.
    let embedding = || Cell::new(Some(random::<2>([VOCAB, HIDDEN])));
    let (a, b) = (embedding(), embedding());
    compare(
        c,
        "add_rows",
        [
            ("kernel", &|| a.set(a.take().map(|sum| add_rows(sum, &at, rows.clone())))),
            ("plain", &|| {
                let add = |sum: Tensor<2>| {
                    sum.select_assign(0, places.clone(), rows.clone(), IndexingUpdateOp::Add)
                };
                b.set(b.take().map(add));
            }),
        ],
    );
    let (dy, x) = (random([TOKENS, WIDE]), random([TOKENS, HIDDEN]));
    let weight = || Cell::new(Some(random::<2>([WIDE, HIDDEN])));
    let (a, b) = (weight(), weight());
    compare(
        c,
        "add_weight_grad",
        [
            ("kernel", &|| {
                a.set(a.take().map(|sum| add_weight_grad(sum, dy.clone(), x.clone())));
            }),
            ("plain", &|| {
                b.set(b.take().map(|sum| sum + dy.clone().transpose().matmul(x.clone())));
            }),
        ],
    );
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
    half(c, &step, grad);
}

/// A weight in bf16 with its master in 32 bits.
fn half(c: &mut Criterion, step: &AdamWStep, grad: Tensor<1>) {
    let grad = grad.cast(DType::BF16);
    let new = || {
        let weight = random([WIDE * HIDDEN * 8]).cast(DType::BF16);
        let master = AdamWMaster::new(&weight);
        Cell::new(Some((weight, master)))
    };
    let (a, b) = (new(), new());
    let composed = |(weight, master): (Tensor<1>, AdamWMaster)| {
        let AdamWMaster { weight: exact, mean, square } = master;
        let wide = grad.clone().cast(DType::F32);
        let (exact, [mean, square]) = adamw(step, exact, wide, Some([mean, square]));
        let rounded = exact.clone().cast(weight.dtype());
        (rounded, AdamWMaster { weight: exact, mean, square })
    };
    compare(
        c,
        "adamw_master",
        [
            ("kernel", &|| {
                a.set(a.take().map(|(w, master)| adamw_master(step, w, grad.clone(), master)));
            }),
            ("adamw between casts", &|| b.set(b.take().map(composed))),
        ],
    );
}

criterion_group!(benches, elementwise, attentions, heads, sums, updates);
criterion_main!(benches);
