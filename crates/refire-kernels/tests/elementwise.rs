//! Gated units, norms, rotary positions and linear maps against the composition, value and
//! gradient.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{SIZES, close, numbers, tensor, values};
use refire_kernels::{Turns, geglu, linear, rms_norm, rope, swiglu};

/// Value, and gradients of both inputs of `sum weights * f(a, b)`.
fn run<const A: usize, const B: usize, const C: usize>(
    dtype: DType,
    a: (&[f64], [usize; A]),
    b: (&[f64], [usize; B]),
    f: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> [Vec<f64>; 3] {
    let device = Device::flex().autodiff();
    let a = tensor(a.0, a.1, dtype, &device).require_grad();
    let b = tensor(b.0, b.1, dtype, &device).require_grad();
    let y = f(a.clone(), b.clone());
    let weights = tensor(&numbers(y.dims().iter().product(), 9), y.dims(), dtype, &device);
    let grads = (y.clone() * weights).sum().backward();
    let untracked = f(a.clone().inner(), b.clone().inner());
    let y = values(y.inner());
    assert_eq!(y, values(untracked), "the value depends on whether a gradient is asked for");
    [y, values(a.grad(&grads).unwrap()), values(b.grad(&grads).unwrap())]
}

#[track_caller]
fn same<const A: usize, const B: usize, const C: usize>(
    what: &str,
    a: (&[f64], [usize; A]),
    b: (&[f64], [usize; B]),
    f: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<C>,
) {
    let found = run(DType::F32, a, b, &f);
    let expected = run(DType::F64, a, b, &f);
    for (part, (found, expected)) in
        ["value", "first", "second"].iter().zip(found.iter().zip(&expected))
    {
        close(&format!("{what}, {part}"), found, expected, 1e-5);
    }
}

#[test]
fn gated_units_agree_at_odd_sizes_and_extreme_values() {
    for n in SIZES {
        for scale in [1.0, 8.0, 1e4] {
            let shape = [n, 3];
            let gate: Vec<f64> = numbers(3 * n, 1).iter().map(|x| x * scale).collect();
            let up = numbers(3 * n, 2);
            same("swiglu", (&gate, shape), (&up, shape), swiglu);
            same("geglu", (&gate, shape), (&up, shape), geglu);
        }
    }
    let extreme = [-1e4, 1e4, 0.0, -0.0, 88.5, -88.5];
    same("swiglu", (&extreme, [6]), (&extreme, [6]), swiglu);
    same("geglu", (&extreme, [6]), (&extreme, [6]), geglu);
}

#[test]
fn gated_units_of_nothing_are_nothing() {
    let empty: [f64; 0] = [];
    same("swiglu", (&empty, [0, 4]), (&empty, [0, 4]), swiglu);
}

#[test]
fn linear_maps_agree() {
    for n in SIZES {
        for (width, out) in [(1, 1), (17, 3), (64, 257)] {
            let (x, w) = (numbers(n * width, 1), numbers(out * width, 2));
            same("linear", (&x, [n, width]), (&w, [out, width]), linear);
        }
    }
}

#[test]
fn norms_agree_with_and_without_offset() {
    for n in [1, 3, 33, 257] {
        for width in SIZES {
            for scale in [1.0, 1e-4, 1e4] {
                let x: Vec<f64> = numbers(n * width, 1).iter().map(|x| x * scale).collect();
                let w = numbers(width, 2);
                for offset in [false, true] {
                    let norm = |x, w| rms_norm(x, w, 1e-5, offset);
                    same("rms_norm", (&x, [n, width]), (&w, [width]), norm);
                }
            }
        }
    }
    let zeros = [0.0; 34];
    same("rms_norm", (&zeros, [2, 17]), (&zeros[..17], [17]), |x, w| rms_norm(x, w, 1e-6, true));
}

#[test]
fn rotary_positions_agree_in_whole_and_in_part() {
    for n in SIZES {
        for (heads, d, pairs) in [(1, 2, 1), (3, 6, 3), (2, 64, 32), (4, 10, 4), (1, 1, 0)] {
            let angles: Vec<f32> =
                numbers(n * pairs, 3).iter().map(|x| *x as f32 * 100.0).collect();
            let turns = |dtype| {
                let device = Device::flex();
                let (cos, sin) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
                Turns::new(cos, sin, pairs, &device, dtype)
            };
            if pairs == 0 {
                continue;
            }
            let x = numbers(n * heads * d, 1);
            let rotate = |x: Tensor<3>, unused: Tensor<1>| {
                let turned = rope(x.clone(), &turns(x.dtype()));
                turned + unused.unsqueeze()
            };
            same("rope", (&x, [n, heads, d]), (&[0.5], [1]), rotate);
        }
    }
}

#[test]
fn a_tensor_that_somebody_holds_is_not_changed() {
    let device = Device::flex();
    let x = tensor(&numbers(128, 1), [2, 64], DType::F32, &device);
    let before = values(x.clone());
    let up = Tensor::ones([2, 64], &device);
    let _ = swiglu(x.clone(), up);
    let turns = Turns::new(vec![0.5; 4], vec![0.5; 4], 2, &device, DType::F32);
    let _ = rope(x.clone().reshape([2, 16, 4]), &turns);
    assert_eq!(values(x), before);
}

#[test]
fn views_are_read_as_they_are() {
    let device = Device::flex();
    let x = tensor(&numbers(6 * 10, 1), [6, 10], DType::F32, &device);
    let (gate, up) = (x.clone().narrow(1, 0, 5), x.clone().narrow(1, 5, 5));
    let whole = |x: &Tensor<2>| Tensor::<2>::from_data(x.clone().into_data(), &device);
    let expected = swiglu(whole(&gate), whole(&up));
    assert_eq!(values(swiglu(gate, up)), values(expected));
    let turned = x.clone().transpose();
    let weight = Tensor::ones([6], &device);
    let expected = rms_norm(whole(&turned), weight.clone(), 1e-6, false);
    assert_eq!(values(rms_norm(turned, weight, 1e-6, false)), values(expected));
}

#[test]
fn results_are_the_same_on_one_thread_and_on_many() {
    let work = || {
        let (x, w) = (numbers(700 * 96, 1), numbers(96, 2));
        run(DType::F32, (&x, [700, 96]), (&w, [96]), |x, w| rms_norm(x, w, 1e-6, false))
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let expected = pool(1).install(work);
    for threads in [2, 3, 7] {
        assert!(expected == pool(threads).install(work), "{threads} threads");
    }
}
