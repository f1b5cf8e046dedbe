//! No numbers, few numbers, and very large and small ones, against the composition.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{close, numbers, tensor, values};
use refire_kernels::{
    AdamWStep, LogitRows, LogitStats, Turns, adamw, add_rows, add_weight_grad, geglu, linear,
    rms_norm, rope, square_sum, swiglu,
};

const FORMATS: [DType; 2] = [DType::F32, DType::F64];

fn leaf<const D: usize>(x: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    tensor(x, shape, dtype, &Device::flex().autodiff()).require_grad()
}

fn constant<const D: usize>(x: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    tensor(x, shape, dtype, &Device::flex())
}

fn empty<const D: usize>(shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::zeros(shape, (&Device::flex(), dtype))
}

/// Value, and the gradients of both inputs where the result's is given.
fn run<const A: usize, const B: usize, const C: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    f: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> [Vec<f64>; 3] {
    let y = f(a.clone(), b.clone());
    let weights = numbers(y.dims().iter().product(), 9);
    let weights = tensor(&weights, y.dims(), y.dtype(), &Device::flex().autodiff());
    let grads = (y.clone() * weights).sum().backward();
    let (da, db) = (a.grad(&grads), b.grad(&grads));
    let zeros = |n: usize| vec![0.0; n];
    let [na, nb] = [a.dims().iter().product(), b.dims().iter().product()];
    [values(y), da.map_or_else(|| zeros(na), values), db.map_or_else(|| zeros(nb), values)]
}

#[test]
fn of_nothing_comes_nothing() {
    for dtype in FORMATS {
        for shape in [[0, 4], [4, 0], [0, 0]] {
            let [n, width] = shape;
            let found = run(leaf(&[], shape, dtype), leaf(&[], shape, dtype), geglu);
            assert!(found.iter().all(Vec::is_empty), "{dtype:?} {shape:?}");
            let found = run(leaf(&[], shape, dtype), leaf(&[], shape, dtype), swiglu);
            assert!(found.iter().all(Vec::is_empty), "{dtype:?} {shape:?}");
            let weight = numbers(width, 1);
            let norm = |x, w| rms_norm(x, w, 1e-5, false);
            let [y, dx, dw] = run(leaf(&[], shape, dtype), leaf(&weight, [width], dtype), norm);
            assert!(y.is_empty() && dx.is_empty() && dw == vec![0.0; width], "{dtype:?} {shape:?}");
            let turns = Turns::new(vec![1.0; n * 2], vec![0.0; n * 2], 2, &Device::flex(), dtype);
            let heads = empty([n, width, if n == 0 { 6 } else { 4 }], dtype);
            assert_eq!(rope(heads.clone(), &turns).dims(), heads.dims());
        }
    }
}

#[test]
fn empty_sides_of_linear_maps() {
    for dtype in FORMATS {
        for [n, width, out] in [[0, 3, 2], [4, 3, 0], [4, 0, 2], [0, 0, 0]] {
            let (x, w) = (numbers(n * width, 1), numbers(out * width, 2));
            let [y, dx, dw] =
                run(leaf(&x, [n, width], dtype), leaf(&w, [out, width], dtype), linear);
            let what = format!("{dtype:?} {n} {width} {out}");
            assert_eq!(y, vec![0.0; n * out], "{what}");
            assert_eq!(dx, vec![0.0; n * width], "{what}");
            assert_eq!(dw, vec![0.0; out * width], "{what}");
            let sum = numbers(out * width, 3);
            let sum = constant(&sum, [out, width], dtype);
            let dy = constant(&numbers(n * out, 4), [n, out], dtype);
            let x = constant(&x, [n, width], dtype);
            let found = add_weight_grad(sum.clone(), dy, x);
            assert_eq!(values(found), values(sum), "{what}");
        }
    }
}

#[test]
fn no_rows_of_logits() {
    for dtype in FORMATS {
        for vocab in [5, 0] {
            let rows = LogitRows::new(empty([0, vocab], dtype), &[], &[]);
            for stat in [rows.logprobs(), rows.entropy(), rows.sum_sq(), rows.mean_logprob()] {
                assert_eq!(stat.dims(), [0]);
            }
            let none = || empty([0], dtype);
            let (entropy, sum_sq, mean_logprob) = (Some(none()), Some(none()), Some(none()));
            let grads = LogitStats { logprobs: none(), entropy, sum_sq, mean_logprob };
            assert_eq!(rows.backward(grads).dims(), [0, vocab]);
        }
    }
}

#[test]
fn no_rows_to_add_and_no_rows_to_add_to() {
    for dtype in FORMATS {
        for [count, width] in [[3, 2], [3, 0], [0, 2], [0, 0]] {
            let sum = constant(&numbers(count * width, 1), [count, width], dtype);
            let found = add_rows(sum.clone(), &[], empty([0, width], dtype));
            assert_eq!(values(found), values(sum));
        }
        let found = add_rows(empty([3, 0], dtype), &[0, 2], empty([2, 0], dtype));
        assert_eq!(found.dims(), [3, 0]);
        assert_eq!(values(square_sum(&empty([0], dtype))), [0.0]);
    }
}

#[test]
fn rows_are_added_in_all_shapes() {
    for [count, width, n] in [[1, 1, 1], [1, 5, 40], [7, 1, 3], [50, 3, 257], [1000, 65, 17]] {
        let at: Vec<u32> = (0..n).map(|i| (i * i * 7 % count) as u32).collect();
        let run = |dtype| {
            let sum = constant(&numbers(count * width, 1), [count, width], dtype);
            let rows = constant(&numbers(n * width, 2), [n, width], dtype);
            values(add_rows(sum, &at, rows))
        };
        let what = format!("{count} x {width} and {n}");
        let found = run(DType::F32);
        close(&what, &found, &run(DType::F64), 1e-5);
        // The definition.
        let [mut sum, rows] = [numbers(count * width, 1), numbers(n * width, 2)];
        for (row, at) in at.iter().enumerate() {
            (0..width).for_each(|i| sum[*at as usize * width + i] += rows[row * width + i]);
        }
        close(&what, &found, &sum, 1e-5);
    }
}

#[test]
fn updates_of_none_of_few_and_of_extreme_numbers() {
    let run = |dtype, x: &[f64], grads: &[f64]| {
        let count = x.len();
        let mut state = (constant::<1>(x, [count], dtype), None);
        for step in 1..4 {
            let (beta1, beta2, eps) = (0.9, 0.95, 1e-8);
            let (rate, decay, grad_scale) = (1e-2, 1e-3, 0.3);
            let step = AdamWStep { beta1, beta2, eps, rate, decay, grad_scale, step };
            let (weight, moments) = adamw(&step, state.0, constant(grads, [count], dtype), state.1);
            state = (weight, Some(moments));
        }
        let [mean, square] = state.1.unwrap();
        [values(state.0), values(mean), values(square)]
    };
    let extreme = [0.0, -0.0, 1e4, -1e4, 1e15, -1e15, 1e-15, 1e-30, 1.0];
    let ones = [1.0; 9];
    let cases: [(&[f64], &[f64]); 5] = [
        (&[], &[]),
        (&numbers(3, 1), &numbers(3, 2)),
        (&ones, &extreme),
        (&extreme, &ones),
        (&extreme, &[0.0; 9]),
    ];
    for (x, grads) in cases {
        let (found, expected) = (run(DType::F32, x, grads), run(DType::F64, x, grads));
        for (found, expected) in found.iter().zip(&expected) {
            for (a, b) in found.iter().zip(expected) {
                // Squares of less than 1e-38 are 0 in 32 bits.
                assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-7), "{a}, expected {b}");
            }
        }
    }
}

#[test]
fn large_and_small_numbers_in_gates_norms_turns_and_maps() {
    let extreme = [-1e4, 1e4, 0.0, -0.0, 88.5, -88.5, 1e-30, -1e-30, 1e6, -1e6, 9.0, -9.0];
    let shape = [3, 4];
    let both = |f: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
        let [found, expected] = FORMATS
            .map(|dtype| run(leaf(&extreme, shape, dtype), leaf(&numbers(12, 2), shape, dtype), f));
        for (found, expected) in found.iter().zip(&expected) {
            close("extreme", found, expected, 1e-6);
        }
    };
    both(geglu);
    both(swiglu);
    both(linear);
    for scale in [1e-18, 1e-10, 1e10, 1e18] {
        let x: Vec<f64> = numbers(12, 1).iter().map(|x| x * scale).collect();
        let [found, expected] = FORMATS.map(|dtype| {
            let norm = |x, w| rms_norm(x, w, 1e-6, false);
            let [y, dx, dw] = run(leaf(&x, shape, dtype), leaf(&numbers(4, 2), [4], dtype), norm);
            // The slope is as small as the numbers are large.
            [y, dx.iter().map(|d| d * scale.max(1.0)).collect(), dw]
        });
        for (found, expected) in found.iter().zip(&expected) {
            close(&format!("norm at {scale}"), found, expected, 1e-5);
        }
        let [found, expected] = FORMATS.map(|dtype| {
            let turns = Turns::new(vec![0.6; 6], vec![-0.8; 6], 2, &Device::flex(), dtype);
            values(rope(constant(&x, [3, 1, 4], dtype), &turns))
        });
        close(&format!("turns at {scale}"), &found, &expected, 1e-6);
    }
}

#[test]
fn logits_far_apart_and_infinitely_low() {
    let low = f64::NEG_INFINITY;
    let rows = [
        [0.0, 1e4, -1e4, 5.0],
        [1e4, -1e4, 0.0, 1e4],
        [low, 0.0, 1.0, low],
        [-1e4, -1e4, -1e4, -1e4],
    ];
    let x: Vec<f64> = rows.concat();
    let labels = [1, 3, 2, 0];
    let rows = LogitRows::new(constant(&x, [4, 4], DType::F32), &labels, &[1.0, 1.0, 2.0, 0.5]);
    let half = 0.5_f64;
    let tilted = 1.0 / (1.0 + (-half).exp());
    let expected = [0.0, half.ln(), tilted.ln(), 0.25_f64.ln()];
    close("log-probabilities", &values(rows.logprobs()), &expected, 1e-6);
    let mixed = -(tilted * tilted.ln() + (1.0 - tilted) * (1.0 - tilted).ln());
    let expected = [0.0, 2.0_f64.ln(), mixed, 4.0_f64.ln()];
    close("entropies", &values(rows.entropy()), &expected, 1e-6);
    let expected = [1.0, 0.5, tilted * tilted + (1.0 - tilted).powi(2), 0.25];
    close("sums of squares", &values(rows.sum_sq()), &expected, 1e-6);
    let ones = || constant(&[1.0; 4], [4], DType::F32);
    let (entropy, sum_sq) = (Some(ones()), Some(ones()));
    let found = rows.backward(LogitStats { logprobs: ones(), entropy, sum_sq, mean_logprob: None });
    let found = values(found);
    assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
    // What has no probability has no gradient.
    for place in [0, 2, 3, 5, 6, 8, 11] {
        assert_eq!(found[place], 0.0, "{found:?}");
    }
}
