//! Attention over packed rows against the composition, value and gradient, and shared prefixes
//! against rows that each have their own.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{close, numbers, tensor, values};
use refire_kernels::{AttentionOptions, KernelError, Layout, Run, attention};
use std::sync::Arc;

#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    kv: usize,
    d: usize,
}

const PLAIN: AttentionOptions = AttentionOptions { scale: 0.3, window: None, softcap: None };

/// Value and gradients of queries, keys and values of `sum weights * attention`.
fn run(
    dtype: DType,
    shape: Shape,
    inputs: &[Vec<f64>; 3],
    weights: &[f64],
    layout: &Arc<Layout>,
    options: &AttentionOptions,
) -> [Vec<f64>; 4] {
    let (device, n) = (Device::flex().autodiff(), layout.tokens());
    let leaf = |x: &[f64], heads| tensor(x, [n, heads, shape.d], dtype, &device).require_grad();
    let [q, k, v] = inputs;
    let (q, k, v) = (leaf(q, shape.heads), leaf(k, shape.kv), leaf(v, shape.kv));
    let y = attention(q.clone(), k.clone(), v.clone(), layout, options).unwrap();
    let weights = tensor(weights, y.dims(), dtype, &device);
    let grads = (y.clone() * weights).sum().backward();
    let grad = |x: Tensor<3>| values(x.grad(&grads).unwrap());
    [values(y.inner()), grad(q), grad(k), grad(v)]
}

fn inputs(shape: Shape, n: usize, scale: f64) -> [Vec<f64>; 3] {
    let make = |heads, seed| {
        let values = numbers(n * heads * shape.d, seed).into_iter();
        values.map(|x| x * scale).collect()
    };
    [make(shape.heads, 1), make(shape.kv, 2), make(shape.kv, 3)]
}

const PARTS: [&str; 4] = ["value", "queries", "keys", "values"];

#[track_caller]
fn same(shape: Shape, layout: &Arc<Layout>, options: &AttentionOptions, scale: f64) {
    let n = layout.tokens();
    let inputs = inputs(shape, n, scale);
    let weights = numbers(n * shape.heads * shape.d, 4);
    let found = run(DType::F32, shape, &inputs, &weights, layout, options);
    let expected = run(DType::F64, shape, &inputs, &weights, layout, options);
    for ((part, found), expected) in PARTS.iter().zip(&found).zip(&expected) {
        close(&format!("{part} of {n} tokens, {options:?}"), found, expected, 1e-5);
    }
}

const SHAPES: [Shape; 4] = [
    Shape { heads: 1, kv: 1, d: 1 },
    Shape { heads: 6, kv: 2, d: 17 },
    Shape { heads: 3, kv: 3, d: 16 },
    Shape { heads: 9, kv: 3, d: 64 },
];

fn all_options() -> Vec<AttentionOptions> {
    let mut all = Vec::new();
    for window in [None, Some(0), Some(1), Some(5), Some(64), Some(100)] {
        for softcap in [None, Some(2.0)] {
            all.push(AttentionOptions { window, softcap, ..PLAIN });
        }
    }
    all
}

#[test]
fn rows_of_odd_lengths_agree() {
    for shape in SHAPES {
        for lengths in [vec![1], vec![3, 0, 17], vec![64, 65, 0], vec![257, 1]] {
            let layout = Arc::new(Layout::rows(lengths));
            same(shape, &layout, &PLAIN, 1.0);
        }
    }
}

fn tree() -> Arc<Layout> {
    let run = |len, parent| Run { len, parent };
    let runs = vec![
        run(70, None),
        run(3, Some(0)),
        run(130, Some(0)),
        run(0, Some(2)),
        run(5, Some(3)),
        run(9, None),
        run(66, Some(2)),
        run(1, Some(5)),
    ];
    Arc::new(Layout::new(runs).unwrap())
}

#[test]
fn windows_and_soft_caps_agree_on_a_tree() {
    for shape in [SHAPES[1], SHAPES[3]] {
        for options in all_options() {
            same(shape, &tree(), &options, 1.0);
        }
    }
}

#[test]
fn extreme_scores_agree() {
    let layout = Arc::new(Layout::rows([70, 3]));
    // Products up to 1e4 times the head's width: all of the weight falls on one key.
    let options = AttentionOptions { scale: 1.0, ..PLAIN };
    let capped = AttentionOptions { softcap: Some(50.0), ..options };
    for options in [options, capped] {
        let shape = SHAPES[1];
        let inputs = inputs(shape, 73, 100.0);
        let weights = numbers(73 * shape.heads * shape.d, 4);
        let found = run(DType::F32, shape, &inputs, &weights, &layout, &options);
        assert!(found.iter().flatten().all(|x| x.is_finite()));
        let expected = run(DType::F64, shape, &inputs, &weights, &layout, &options);
        // Scores of 1e4 have 32-bit errors of 1e-3.
        close("value", &found[0], &expected[0], 1e-3);
    }
}

#[test]
fn a_shared_prefix_is_as_if_each_row_had_its_own() {
    let shape = SHAPES[3];
    let (prefix, ends) = (75, [40, 1, 90]);
    let mut runs = vec![Run { len: prefix, parent: None }];
    runs.extend(ends.map(|len| Run { len, parent: Some(0) }));
    let shared = Arc::new(Layout::new(runs).unwrap());
    let apart = Arc::new(Layout::rows(ends.map(|len| prefix + len)));
    // Where each of the separate rows' tokens lies among the shared ones.
    let mut from = Vec::new();
    for run in 1..4 {
        from.extend((0..prefix).chain(shared.places(run)));
    }
    let spread = |x: &[f64], width: usize| -> Vec<f64> {
        from.iter().flat_map(|token| x[token * width..][..width].to_vec()).collect()
    };
    let inputs = inputs(shape, shared.tokens(), 1.0);
    let widths = [shape.heads, shape.kv, shape.kv].map(|heads| heads * shape.d);
    // What the prefix gives counts once: only its first row asks for its gradient.
    let weights = numbers(shared.tokens() * widths[0], 4);
    let mut apart_weights = spread(&weights, widths[0]);
    let second = (prefix + ends[0]) * widths[0];
    apart_weights[second..second + prefix * widths[0]].fill(0.0);
    let third = second + (prefix + ends[1]) * widths[0];
    apart_weights[third..third + prefix * widths[0]].fill(0.0);
    for options in all_options() {
        let once = run(DType::F32, shape, &inputs, &weights, &shared, &options);
        let spread_inputs = [0, 1, 2].map(|i| spread(&inputs[i], widths[i]));
        let each = run(DType::F32, shape, &spread_inputs, &apart_weights, &apart, &options);
        close("value", &spread(&once[0], widths[0]), &each[0], 1e-5);
        for part in 0..3 {
            let width = widths[part];
            let mut sum = vec![0.0; once[part + 1].len()];
            for (token, grad) in from.iter().zip(each[part + 1].chunks(width)) {
                let slot = &mut sum[token * width..][..width];
                slot.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
            close(PARTS[part + 1], &once[part + 1], &sum, 1e-5);
        }
    }
}

#[test]
fn results_are_the_same_on_one_thread_and_on_many() {
    let work = || {
        let (shape, layout) = (SHAPES[1], tree());
        let inputs = inputs(shape, layout.tokens(), 1.0);
        let weights = numbers(layout.tokens() * shape.heads * shape.d, 4);
        run(DType::F32, shape, &inputs, &weights, &layout, &PLAIN)
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let expected = pool(1).install(work);
    for threads in [2, 3, 7] {
        assert!(expected == pool(threads).install(work), "{threads} threads");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let zeros = |shape: [usize; 3]| Tensor::<3>::zeros(shape, &device);
    let layout = Arc::new(Layout::rows([4]));
    let q = || zeros([4, 6, 8]);
    let cases = [
        (zeros([5, 6, 8]), zeros([5, 2, 8]), zeros([5, 2, 8])),
        (q(), zeros([4, 4, 8]), zeros([4, 4, 8])),
        (q(), zeros([4, 2, 7]), zeros([4, 2, 8])),
        (q(), zeros([4, 2, 8]), zeros([4, 3, 8])),
        (q(), zeros([3, 2, 8]), zeros([4, 2, 8])),
        (q(), zeros([4, 0, 8]), zeros([4, 0, 8])),
    ];
    for (q, k, v) in cases {
        let refused = attention(q, k, v, &layout, &PLAIN);
        assert!(matches!(refused, Err(KernelError::Shape { .. })), "{refused:?}");
    }
    let empty = Arc::new(Layout::rows([0, 0]));
    let nothing = attention(zeros([0, 2, 8]), zeros([0, 1, 8]), zeros([0, 1, 8]), &empty, &PLAIN);
    assert_eq!(nothing.unwrap().dims(), [0, 2, 8]);
}
