//! Updates of weights in half precision by way of 32-bit masters.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::{close, numbers, tensor, values};
use refire_kernels::{AdamWMaster, AdamWStep, adamw, adamw_master, square_sum};

fn step(step: u64, rate: f64) -> AdamWStep {
    AdamWStep {
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        rate,
        decay: 1e-2 * rate,
        grad_scale: 0.3,
        step,
    }
}

fn random(count: usize, seed: u64, dtype: DType) -> Tensor<1> {
    tensor(&numbers(count, seed), [count], dtype, &Device::flex())
}

/// What is representable in half precision, in 32 bits.
fn rounded(count: usize, seed: u64, dtype: DType) -> Tensor<1> {
    random(count, seed, dtype).cast(DType::F32)
}

/// The distance of neighbouring numbers, relative to their size.
fn resolution(dtype: DType) -> f64 {
    if dtype == DType::BF16 { 2.0_f64.powi(-8) } else { 2.0_f64.powi(-11) }
}

#[test]
fn the_master_is_updated_as_a_32_bit_weight_bit_for_bit() {
    for half in [DType::BF16, DType::F16] {
        for count in [0, 1, 3, 511, 512, 513, 40_000] {
            for of_grad in [half, DType::F32] {
                let start = random(count, 1, half);
                let mut found = (start.clone(), AdamWMaster::new(&start));
                let mut exact = (start.cast(DType::F32), None);
                for i in 1..4 {
                    let grad = random(count, i + 1, of_grad);
                    let (w, moments) =
                        adamw(&step(i, 1e-2), exact.0, grad.clone().cast(DType::F32), exact.1);
                    exact = (w, Some(moments));
                    found = adamw_master(&step(i, 1e-2), found.0, grad, found.1);
                }
                let what = format!("{half:?}, gradient {of_grad:?}, {count}");
                let [mean, square] = exact.1.unwrap();
                assert_eq!(found.0.dtype(), half, "{what}");
                assert_eq!(values(found.0), values(exact.0.clone().cast(half)), "{what}");
                assert_eq!(values(found.1.weight), values(exact.0), "{what}");
                assert_eq!(values(found.1.mean), values(mean), "{what}");
                assert_eq!(values(found.1.square), values(square), "{what}");
            }
        }
    }
}

#[test]
fn the_composition_agrees_with_the_kernel() {
    // A master in 64 bits has no kernel.
    let (start, dtype) = (random(300, 1, DType::BF16), DType::F64);
    let master = AdamWMaster::new(&start);
    let AdamWMaster { weight, mean, square } = master.clone();
    let wide = AdamWMaster {
        weight: weight.cast(dtype),
        mean: mean.cast(dtype),
        square: square.cast(dtype),
    };
    let (mut found, mut expected) = ((start.clone(), master), (start, wide));
    for i in 1..4 {
        found = adamw_master(&step(i, 1e-2), found.0, random(300, i + 1, DType::BF16), found.1);
        expected =
            adamw_master(&step(i, 1e-2), expected.0, random(300, i + 1, DType::BF16), expected.1);
    }
    assert_eq!(expected.1.weight.dtype(), dtype);
    assert_eq!(expected.0.dtype(), DType::BF16);
    close("master", &values(found.1.weight), &values(expected.1.weight), 1e-6);
    close("mean", &values(found.1.mean), &values(expected.1.mean), 1e-6);
    close("square", &values(found.1.square), &values(expected.1.square), 1e-6);
}

#[test]
fn updates_below_the_resolution_add_up() {
    const COUNT: usize = 1000;
    for half in [DType::BF16, DType::F16] {
        // Weights of about 1, and steps of a hundredth of the distance between neighbours.
        let start = rounded(COUNT, 1, half) * 0.25 + 1.0;
        let start = start.cast(half).cast(DType::F32);
        let rate = resolution(half) / 100.0;
        let mut exact = (start.clone(), None);
        let mut alone = (start.clone().cast(half), None);
        let mut held = (start.clone().cast(half), AdamWMaster::new(&start.clone().cast(half)));
        for i in 1..=200 {
            // Of one sign for each weight, so that steps add up.
            let grad = rounded(COUNT, 2, half).sign() * 0.5 + rounded(COUNT, i + 2, half) * 0.1;
            let grad = grad.cast(half);
            let (w, m) = adamw(&step(i, rate), exact.0, grad.clone().cast(DType::F32), exact.1);
            exact = (w, Some(m));
            held = adamw_master(&step(i, rate), held.0, grad.clone(), held.1);
            let (w, m) = adamw(&step(i, rate), alone.0, grad, alone.1);
            alone = (w, Some(m));
        }
        let (start, exact, held) = (values(start), values(exact.0), values(held.0));
        // Half of the distance between neighbours below 2.
        let rounding = resolution(half);
        for (a, b) in held.iter().zip(&exact) {
            assert!((a - b).abs() <= rounding, "{half:?}: {a}, in 32 bits {b}");
        }
        let moved = |x: &[f64]| x.iter().zip(&start).filter(|(a, b)| a != b).count();
        let alone = values(alone.0);
        assert_eq!(moved(&alone), 0, "{half:?}: without a master nothing moves");
        assert!(moved(&held) > COUNT * 9 / 10, "{half:?}: {} of {COUNT} moved", moved(&held));
    }
}

#[test]
fn what_somebody_holds_stays_as_it_is() {
    let weight = random(700, 1, DType::BF16);
    let master = AdamWMaster::new(&weight);
    let before = (values(weight.clone()), values(master.weight.clone()));
    let _ = adamw_master(&step(1, 0.1), weight.clone(), random(700, 2, DType::F32), master.clone());
    assert_eq!(before, (values(weight), values(master.weight)));
    assert_eq!(values(master.mean), vec![0.0; 700]);
}

#[test]
fn numbers_that_are_none_stay_so_and_large_ones_round_to_infinity() {
    let device = Device::flex();
    for half in [DType::BF16, DType::F16] {
        let weight = Tensor::<1>::from_data([1.0, 1.0, 1.0], (&device, half));
        let grad = Tensor::<1>::from_data([f32::NAN, f32::INFINITY, 0.0], (&device, half));
        let master = AdamWMaster::new(&weight);
        let (weight, master) = adamw_master(&step(1, 0.0), weight, grad, master);
        let found = values(weight);
        assert!(found[0].is_nan() && found[1].is_nan() && found[2] == 1.0, "{found:?}");
        assert!(values(master.weight)[0].is_nan());
    }
    let weight = Tensor::<1>::from_data([65_000.0], (&device, DType::F16));
    let master = AdamWMaster::new(&weight);
    let grad = Tensor::<1>::from_data([-1.0], (&device, DType::F16));
    let (weight, _) = adamw_master(&AdamWStep { decay: 0.0, ..step(1, 1e4) }, weight, grad, master);
    assert_eq!(values(weight), [f64::INFINITY]);
}

#[test]
fn shapes_in_views_are_read_as_they_are() {
    let whole = random(600, 1, DType::BF16);
    let view = whole.clone().reshape([300, 2]).narrow(1, 1, 1).reshape([300]);
    let copy = Tensor::<1>::from_data(view.clone().into_data(), (&Device::flex(), DType::BF16));
    let grad = whole.narrow(0, 150, 300);
    let run = |weight: Tensor<1>| {
        let master = AdamWMaster::new(&weight);
        values(adamw_master(&step(1, 0.1), weight, grad.clone(), master).0)
    };
    assert_eq!(run(view), run(copy));
}

#[test]
fn sums_of_squares_in_half_precision_are_taken_in_32_bits() {
    for half in [DType::BF16, DType::F16] {
        for count in [0, 1, 3, 512, 513, 40_000] {
            let x = random(count, 1, half);
            let exact: f64 = values(x.clone()).iter().map(|x| x * x).sum();
            let sum = square_sum(&x);
            assert_eq!(sum.dtype(), DType::F32);
            assert!((values(sum)[0] - exact).abs() <= 1e-5 * exact.max(1.0), "{half:?} {count}");
        }
    }
}
