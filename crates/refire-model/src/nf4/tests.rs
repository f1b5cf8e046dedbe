use super::*;
use crate::ModelError;
use crate::decoder::normals;

fn matrix(shape: [usize; 2], seed: u64) -> Tensor<2> {
    let values = normals(seed, "weight", shape[0] * shape[1], 0.1);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn a_weight_comes_back_within_half_a_step_of_its_block() {
    // The widest gap of the code book is about 0.304, half of it the largest error.
    for shape in [[1, 1], [3, 5], [7, 64], [33, 100], [64, 512]] {
        let weight = matrix(shape, 7);
        let packed = Nf4::new(&weight).unwrap();
        assert_eq!(packed.dims(), shape);
        let (all, found) = (values(weight), values(packed.whole()));
        for (block, found) in all.chunks(BLOCK).zip(found.chunks(BLOCK)) {
            let scale = block.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
            for (a, b) in block.iter().zip(found) {
                assert!((a - b).abs() < 0.17 * scale, "{a} became {b}, scale {scale}");
            }
        }
    }
}

#[test]
fn the_devices_operations_and_the_hosts_agree() {
    for shape in [[1, 1], [3, 5], [33, 100], [64, 512]] {
        let packed = Nf4::new(&matrix(shape, 3)).unwrap();
        assert_eq!(values(packed.whole()), values(packed.composed()), "{shape:?}");
    }
}

#[test]
fn large_matrices_take_a_little_more_than_four_bits_a_weight() {
    let shape = [512, 576];
    let bytes = Nf4::new(&matrix(shape, 1)).unwrap().bytes();
    let bits = bytes as f64 * 8.0 / (512.0 * 576.0);
    assert!((4.12..4.14).contains(&bits), "{bits} bits");
}

#[test]
fn zeros_stay_and_numbers_that_are_not_finite_are_refused() {
    let zeros = Tensor::<2>::zeros([3, 70], &Device::flex());
    assert_eq!(values(Nf4::new(&zeros).unwrap().whole()), vec![0.0; 210]);
    let broken = zeros + f32::NAN;
    assert!(matches!(Nf4::new(&broken), Err(ModelError::NotFinite { .. })));
}

#[test]
fn a_products_gradient_is_that_of_the_whole_weight() {
    let weight = Nf4::new(&matrix([40, 96], 2)).unwrap();
    let (x, dy) = (matrix([5, 96], 3), matrix([5, 40], 4));
    let gradient = |product: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let x = Tensor::from_inner(x.clone()).require_grad();
        let y = product(x.clone());
        let grads = (y.clone() * Tensor::from_inner(dy.clone())).sum().backward();
        (values(y.inner()), values(x.grad(&grads).unwrap()))
    };
    let whole = weight.whole();
    let found = gradient(&|x| product(x, &weight));
    let expected = gradient(&|x| x.matmul(Tensor::from_inner(whole.clone()).transpose()));
    for (a, b) in found.0.iter().zip(&expected.0).chain(found.1.iter().zip(&expected.1)) {
        assert!((a - b).abs() < 1e-6, "{a} instead of {b}");
    }
    let plain = product(x.clone(), &weight);
    assert!((plain - x.matmul(whole.transpose())).abs().max().into_scalar::<f32>() < 1e-6);
}

/// Numbers of bitsandbytes 0.50.2: `quantize_4bit(w, blocksize=64, quant_type="nf4",
/// compress_statistics=True)` and back.
#[test]
fn a_matrix_comes_back_as_from_bitsandbytes() {
    let at = |i: f64| (i * i * 0.37 + i * 1.1).sin() * (1.0 + 0.5 * (i * 0.013).cos()) * 0.1;
    let weight: Vec<f32> = (0..8000).map(|i| at(f64::from(i)) as f32).collect();
    let packed = Nf4::from_values(&weight, [40, 200], &Device::flex()).unwrap();
    assert!(
        (packed.mean - 0.11).abs() < 1e-4 && (values_of(&packed.second)[0] - 0.0581).abs() < 1e-4
    );
    let first_scales: Vec<i32> = (0..4).map(|i| [231, 205, 50, 9][i] << (8 * i)).collect();
    let word = packed.scales.clone().into_data().iter::<i32>().next().unwrap();
    assert_eq!(word, first_scales.iter().sum::<i32>());
    let found = values(packed.whole());
    let (first, last) = (&found[..10], &found[7996..]);
    let expected = [
        0.0,
        0.148_917_08,
        -0.078_192_346,
        0.050_321_35,
        -0.103_675,
        0.107_660_62,
        0.148_917_08,
        0.107_660_62,
        0.148_917_08,
        0.107_660_62,
    ];
    let end = [0.024_116_369, 0.008_806_366, 0.030_787_33, 0.054_721_65];
    for (a, b) in first.iter().zip(&expected).chain(last.iter().zip(&end)) {
        assert!((a - b).abs() < 1e-7, "{a} instead of {b}");
    }
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = found.iter().zip(&weight);
        pairs.map(|(a, b)| of(f64::from(*a), f64::from(*b))).sum::<f64>()
    };
    assert!((sum(&|a, _| a) + 9.388_682_493).abs() < 1e-4);
    assert!((sum(&|a, _| a * a) - 45.183_000_217).abs() < 1e-4);
    assert!((sum(&|a, b| (a - b).powi(2)) - 0.368_818_81).abs() < 1e-5);
}

fn values_of(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.clone().into_data().iter::<f32>().collect()
}
