//! What doesn't fit gives NaN in the result's shape and is named by `check`; it never panics.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Device, Tensor};
use refire_kernels::{
    AdamWMaster, AdamWStep, KernelError, LogitRows, LogitStats, Turns, adamw, adamw_master,
    add_rows, add_weight_grad, check, geglu, linear, rms_norm, rope, swiglu,
};

const FORMATS: [DType; 2] = [DType::F32, DType::F64];

fn ones<const D: usize>(shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::ones(shape, (&Device::flex(), dtype))
}

fn leaf<const D: usize>(shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::ones(shape, (&Device::flex().autodiff(), dtype)).require_grad()
}

#[track_caller]
fn nan<const D: usize>(tensor: Tensor<D>, shape: [usize; D]) {
    assert_eq!(tensor.dims(), shape);
    assert!(tensor.into_data().iter::<f64>().all(f64::is_nan));
}

/// A result of NaN with a gradient of NaN.
#[track_caller]
fn nan_with_gradient<const D: usize, const E: usize>(
    x: Tensor<E>,
    y: Tensor<D>,
    shape: [usize; D],
) {
    nan(y.clone().inner(), shape);
    let dims = x.dims();
    nan(x.grad(&y.sum().backward()).unwrap(), dims);
}

#[track_caller]
fn named<T: std::fmt::Debug>(checked: Result<T, KernelError>, text: &str) {
    assert_eq!(checked.unwrap_err().to_string(), text);
}

#[test]
fn maps_norms_and_gates() {
    for dtype in FORMATS {
        let x = leaf([2, 3], dtype);
        let weight = leaf([5, 4], dtype);
        nan_with_gradient(x.clone(), linear(x.clone(), weight.clone()), [2, 5]);
        named(check::linear(&x, &weight), "the weight has shape [5, 4], expected [5, 3]");
        nan(linear(ones([0, 3], dtype), ones([5, 4], dtype)), [0, 5]);
        let weight = leaf([1], dtype);
        nan_with_gradient(x.clone(), rms_norm(x.clone(), weight.clone(), 1e-5, false), [2, 3]);
        named(check::rms_norm(&x, &weight), "the weight has shape [1], expected [3]");
        let up = leaf([2, 1], dtype);
        nan_with_gradient(x.clone(), swiglu(x.clone(), up.clone()), [2, 3]);
        nan_with_gradient(x.clone(), geglu(x.clone(), up.clone()), [2, 3]);
        named(check::alike(&x, &up), "the second tensor has shape [2, 1], expected [2, 3]");
    }
}

#[test]
fn turns() {
    let device = Device::flex();
    for dtype in FORMATS {
        let turns = |cos: usize, sin: usize, pairs| {
            Turns::new(vec![1.0; cos], vec![0.0; sin], pairs, &device, dtype)
        };
        let x = leaf([2, 1, 4], dtype);
        let one = turns(2, 2, 2);
        nan_with_gradient(x.clone(), rope(x.clone(), &one), [2, 1, 4]);
        named(check::rope(&x, &one), "the cosines has shape [1, 2], expected [2, 2]");
        let wide = turns(6, 6, 3);
        nan_with_gradient(x.clone(), rope(x.clone(), &wide), [2, 1, 4]);
        named(check::rope(&x, &wide), "the heads has shape [2, 1, 4], expected [2, 1, 6]");
        // Tables that aren't equally long, or not made of whole rows.
        nan(rope(x.clone(), &turns(4, 3, 2)).inner(), [2, 1, 4]);
        nan(rope(x.clone(), &turns(5, 5, 2)).inner(), [2, 1, 4]);
        nan(rope(x.clone(), &turns(1, 1, 0)).inner(), [2, 1, 4]);
    }
}

#[test]
fn rows_of_logits() {
    for dtype in FORMATS {
        let logits = || ones([2, 3], dtype);
        let cases: [(&[u32], &[f32], &str); 4] = [
            (&[0, 3], &[1.0; 2], "the label of row 1 is 3, must be below 3"),
            (&[u32::MAX, 0], &[1.0; 2], "the label of row 0 is 4294967295, must be below 3"),
            (&[0], &[1.0; 2], "the labels has shape [1], expected [2]"),
            (&[0, 1], &[1.0], "the temperatures has shape [1], expected [2]"),
        ];
        for (labels, temperature, text) in cases {
            named(check::logit_rows(&logits(), labels, temperature), text);
            let rows = LogitRows::new(logits(), labels, temperature);
            nan(rows.logprobs(), [2]);
            nan(rows.entropy(), [2]);
            nan(rows.sum_sq(), [2]);
            nan(rows.mean_logprob(), [2]);
            nan(rows.log_probs(), [2, 3]);
            let column = || ones([2], dtype);
            let (entropy, sum_sq, mean_logprob) = (Some(column()), Some(column()), Some(column()));
            let grads = LogitStats { logprobs: column(), entropy, sum_sq, mean_logprob };
            nan(rows.backward(grads), [2, 3]);
        }
        // Logits of an empty vocabulary have no labels.
        nan(LogitRows::new(ones([2, 0], dtype), &[0, 0], &[1.0; 2]).logprobs(), [2]);
    }
}

#[test]
fn gradients_of_statistics() {
    for dtype in FORMATS {
        for short in 0..4 {
            let column = |which| ones([if which == short { 1 } else { 2 }], dtype);
            let grads = LogitStats {
                logprobs: column(0),
                entropy: Some(column(1)),
                sum_sq: Some(column(2)),
                mean_logprob: Some(column(3)),
            };
            assert!(check::logit_grads(2, &grads).is_err());
            let rows = LogitRows::new(ones([2, 3], dtype), &[0, 1], &[1.0; 2]);
            nan(rows.backward(grads), [2, 3]);
        }
    }
}

#[test]
fn sums() {
    for dtype in FORMATS {
        let (sum, rows) = (ones([4, 3], dtype), ones([2, 3], dtype));
        nan(add_rows(sum.clone(), &[1, 4], rows.clone()), [4, 3]);
        named(check::add_rows(&sum, &[1, 4], &rows), "the index of row 1 is 4, must be below 4");
        nan(add_rows(sum.clone(), &[1], rows.clone()), [4, 3]);
        nan(add_rows(sum.clone(), &[1, 2], ones([2, 1], dtype)), [4, 3]);
        let (dy, x) = (ones([5, 4], dtype), ones([5, 3], dtype));
        nan(add_weight_grad(sum.clone(), dy.clone(), ones([6, 3], dtype)), [4, 3]);
        nan(add_weight_grad(sum.clone(), ones([5, 1], dtype), x.clone()), [4, 3]);
        nan(add_weight_grad(sum.clone(), dy.clone(), ones([5, 1], dtype)), [4, 3]);
        let text = "the input has shape [6, 3], expected [5, 3]";
        named(check::add_weight_grad(&sum, &dy, &ones([6, 3], dtype)), text);
    }
}

#[test]
fn updates() {
    let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
    let step = AdamWStep { beta1, beta2, eps, rate: 0.1, decay: 0.0, grad_scale: 1.0, step: 1 };
    for dtype in FORMATS {
        let of = |n| ones([n], dtype);
        for (grad, moments) in [
            (of(2), None),
            (of(1), Some([of(3), of(3)])),
            (of(3), Some([of(2), of(3)])),
            (of(3), Some([of(3), of(1)])),
        ] {
            let (weight, [mean, square]) = adamw(&step, of(3), grad, moments);
            nan(weight, [3]);
            nan(mean, [3]);
            nan(square, [3]);
        }
    }
    let weight = ones([3], DType::BF16);
    let master = AdamWMaster::new(&ones([2], DType::BF16));
    named(check::adamw_master(&weight, &weight, &master), "the master has shape [2], expected [3]");
    let (weight, master) = adamw_master(&step, weight.clone(), weight, master);
    assert_eq!(weight.dtype(), DType::BF16);
    nan(weight, [3]);
    nan(master.weight, [3]);
}
