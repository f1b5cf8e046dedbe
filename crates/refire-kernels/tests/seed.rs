//! Going on through a graph from a gradient that comes from elsewhere.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{close, numbers, tensor, values};
use refire_kernels::seed;

/// The gradient of `x` where that of `sin(x) w` is given, from two seeds and a loss, added.
fn gradient(dtype: DType, [n, width]: [usize; 2]) -> Vec<f64> {
    let (device, plain) = (Device::flex().autodiff(), Device::flex());
    let x = tensor(&numbers(n * width, 1), [n, width], dtype, &device).require_grad();
    let w = tensor(&numbers(n * width, 2), [n, width], dtype, &device);
    let grad = |id| tensor(&numbers(n * width, id), [n, width], dtype, &plain);
    let y = x.clone().sin() * w.clone();
    let total = seed(y, grad(3)) + seed(x.clone() * w, grad(4)) * 0.5 + x.clone().sum();
    values(x.grad(&total.backward()).unwrap())
}

#[test]
fn the_gradient_is_the_one_that_is_given() {
    for shape in [[1, 1], [3, 17], [257, 5], [0, 4]] {
        let [n, width] = shape;
        let of = |id| numbers(n * width, id).into_iter().map(|x| f64::from(x as f32));
        let parts = of(1).zip(of(2)).zip(of(3).zip(of(4)));
        let expected: Vec<f64> =
            parts.map(|((x, w), (a, b))| x.cos() * w * a + 0.5 * w * b + 1.0).collect();
        close("32 bits", &gradient(DType::F32, shape), &expected, 1e-6);
        close("64 bits", &gradient(DType::F64, shape), &expected, 1e-12);
    }
}

#[test]
fn the_gradient_that_is_given_is_not_changed() {
    let device = Device::flex().autodiff();
    let grad = tensor::<2>(&numbers(6, 1), [2, 3], DType::F32, &Device::flex());
    let before = values(grad.clone());
    for factor in [1.0, 3.0] {
        let x = Tensor::<2>::ones([2, 3], &device).require_grad();
        let y = x.clone() * 2.0;
        let grads = (seed(y, grad.clone()) * factor).backward();
        let expected: Vec<f64> = before.iter().map(|g| 2.0 * factor * g).collect();
        close("through", &values(x.grad(&grads).unwrap()), &expected, 1e-6);
        assert_eq!(values(grad.clone()), before);
    }
}

#[test]
fn a_view_is_read_as_it_is() {
    let device = Device::flex().autodiff();
    let grad = tensor::<2>(&numbers(6, 1), [3, 2], DType::F32, &Device::flex()).transpose();
    let x = Tensor::<2>::ones([2, 3], &device).require_grad();
    let found = x.grad(&seed(x.clone() * 1.0, grad.clone()).backward()).unwrap();
    assert_eq!(values(found), values(grad));
}

#[test]
fn a_gradient_of_another_shape_gives_nan() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::ones([2, 3], &device).require_grad();
    let number = seed(x.clone() * 1.0, Tensor::ones([3, 2], &Device::flex()));
    assert!(values(number.clone())[0].is_nan());
    assert!(values(x.grad(&number.backward()).unwrap()).iter().all(|x| x.is_nan()));
}
