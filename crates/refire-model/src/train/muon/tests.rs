#![allow(clippy::unwrap_used)]

use super::*;
use burn::tensor::{Device, TensorData};

fn tensor<const D: usize>(values: &[f64], dims: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn assert_near(found: &[f64], expected: &[f64], limit: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let far = found.iter().zip(expected).any(|(a, b)| (a - b).abs() > limit);
    assert!(!far, "{what}: {found:?}, expected {expected:?}");
}

/// Three steps from 0.1, 0.2, ... at a rate of 0.05.
fn three_steps(config: &MuonConfig, dims: [usize; 2], grads: &[&[f64]; 3]) -> Vec<f64> {
    let n = dims[0] * dims[1];
    let start: Vec<f64> = (1..=n).map(|i| i as f64 / 10.0).collect();
    let (mut muon, mut weight) = (Muon::default(), tensor(&start, dims));
    for grad in grads {
        weight = muon.update(config, "w", weight, tensor(grad, [n]), 0.05);
    }
    values(weight)
}

#[test]
fn steps_are_those_of_torch() {
    // From benches/peers/muon.py: torch.optim.Muon, iterating in float64.
    let square: [&[f64]; 3] =
        [&[1.0, 0.5, -0.25, 2.0], &[0.3, -1.0, 0.6, 0.1], &[-0.5, 0.25, 1.5, -1.0]];
    let long: [&[f64]; 3] = [
        &[1.0, 0.5, -0.25, 2.0, -1.0, 0.75],
        &[0.3, -1.0, 0.6, 0.1, 0.4, -0.2],
        &[-0.5, 0.25, 1.5, -1.0, 0.05, 0.9],
    ];
    use MuonScale::{Aspect, MatchAdamW};
    #[rustfmt::skip]
    let cases: [([usize; 2], MuonScale, bool, &[f64]); 12] = [
        ([2, 2], MatchAdamW, true, &[0.073977462, 0.190583752, 0.284491802, 0.373130643]),
        ([2, 2], MatchAdamW, false, &[0.067733400, 0.206951459, 0.288380606, 0.363983877]),
        ([2, 2], Aspect, true, &[0.011780752, 0.174277168, 0.256523188, 0.320139741]),
        ([2, 2], Aspect, false, &[-0.010295344, 0.232145749, 0.270272187, 0.287801039]),
        ([2, 3], MatchAdamW, true, &[0.082086458, 0.192589236, 0.285134378, 0.376246080, 0.502102267, 0.581314214]),
        ([2, 3], MatchAdamW, false, &[0.087810920, 0.196651297, 0.287154070, 0.363419511, 0.501787467, 0.581420696]),
        ([2, 3], Aspect, true, &[0.051104058, 0.184238966, 0.265534645, 0.342692341, 0.520148723, 0.562954781]),
        ([2, 3], Aspect, false, &[0.067629156, 0.195965128, 0.271364994, 0.305665223, 0.519239972, 0.563262170]),
        ([3, 2], MatchAdamW, true, &[0.078682328, 0.204564674, 0.272606547, 0.364120407, 0.504232424, 0.571004475]),
        ([3, 2], MatchAdamW, false, &[0.073242184, 0.199270787, 0.277268627, 0.352341738, 0.509093266, 0.569889783]),
        ([3, 2], Aspect, true, &[0.028414965, 0.223707191, 0.214502465, 0.288283748, 0.533885458, 0.520191233]),
        ([3, 2], Aspect, false, &[0.009181150, 0.204990473, 0.230985409, 0.246639864, 0.551071129, 0.516250204]),
    ];
    for (dims, scale, nesterov, expected) in cases {
        let config = MuonConfig { scale, nesterov, ..MuonConfig::default() };
        let found = three_steps(&config, dims, if dims == [2, 2] { &square } else { &long });
        assert_near(&found, expected, 2e-6, &format!("{dims:?} {scale:?} nesterov {nesterov}"));
    }
}

#[test]
fn the_ratio_is_a_rate_of_muons_own() {
    let grads: [&[f64]; 3] = [&[1.0, 0.5, -0.25, 2.0]; 3];
    let half = MuonConfig { rate_ratio: 0.5, ..MuonConfig::default() };
    let halved = three_steps(&half, [2, 2], &grads);
    let (mut muon, mut weight) = (Muon::default(), tensor(&[0.1, 0.2, 0.3, 0.4], [2, 2]));
    for grad in grads {
        weight = muon.update(&MuonConfig::default(), "w", weight, tensor(grad, [4]), 0.025);
    }
    assert_near(&halved, &values(weight), 1e-7, "half the rate");
}

/// `I - 2 v v^T / |v|^2`, an orthogonal matrix.
fn reflection(n: usize, seed: f64) -> Vec<f64> {
    let v: Vec<f64> = (0..n).map(|i| (seed * (i + 1) as f64).sin()).collect();
    let square: f64 = v.iter().map(|x| x * x).sum();
    let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

/// `U diag(singular) V`, with `rows x cols` entries.
fn compose(singular: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    let (u, v) = (reflection(rows, 1.3), reflection(cols, 0.7));
    let entry = |i: usize, j: usize| -> f64 {
        let terms = singular.iter().enumerate();
        terms.map(|(k, s)| u[i * rows + k] * s * v[k * cols + j]).sum()
    };
    (0..rows * cols).map(|k| entry(k / cols, k % cols)).collect()
}

#[test]
fn singular_values_go_towards_one_and_nothing_else_changes() {
    let config = MuonConfig::default();
    let [a, b, c] = config.coefficients;
    let singular = [3.0, 2.0, 1.0, 0.5, 0.2];
    let norm = singular.iter().map(|s| s * s).sum::<f64>().sqrt();
    let pushed = singular.map(|s| {
        let step = |s: f64, _| a * s + b * s.powi(3) + c * s.powi(5);
        (0..config.iterations).fold(s / norm, step)
    });
    assert!(pushed.iter().all(|s| (0.65..1.25).contains(s)), "{pushed:?}");
    for (rows, cols) in [(5, 5), (5, 9), (9, 5)] {
        let matrix = tensor(&compose(&singular, rows, cols), [rows, cols]);
        let found = values(config.orthogonal(matrix));
        assert_near(&found, &compose(&pushed, rows, cols), 2e-5, &format!("{rows} x {cols}"));
    }
}

#[test]
fn a_direction_of_zeros_is_no_step() {
    let config = MuonConfig { weight_decay: 0.0, ..MuonConfig::default() };
    let zeros: [&[f64]; 3] = [&[0.0; 4]; 3];
    assert_near(&three_steps(&config, [2, 2], &zeros), &[0.1, 0.2, 0.3, 0.4], 1e-7, "zeros");
}

#[test]
fn matrices_of_blocks_are_muons() {
    let config = MuonConfig::default();
    let with_adapters = MuonConfig { adapters: true, ..MuonConfig::default() };
    let cases = [
        ("model.layers.0.self_attn.q_proj.weight", 2, true, true),
        ("model.layers.11.mlp.experts.3.down_proj.weight", 2, true, true),
        ("model.layers.0.self_attn.q_proj.bias", 1, false, false),
        ("model.layers.0.input_layernorm.weight", 1, false, false),
        ("model.layers.0.self_attn.q_proj.lora.a", 2, false, true),
        ("model.layers.0.self_attn.q_proj.lora.magnitude", 1, false, false),
        ("model.embed_tokens.weight", 2, false, false),
        ("lm_head.weight", 2, false, false),
        ("lm_head.lora.b", 2, false, false),
        ("score.weight", 2, false, false),
    ];
    for (path, rank, plain, all) in cases {
        assert_eq!(config.claims(path, rank), plain, "{path}");
        assert_eq!(with_adapters.claims(path, rank), all, "{path} with adapters");
    }
}

#[test]
fn problems_name_the_field_and_what_would_be_right() {
    assert!(MuonConfig::default().validate().is_empty());
    let config = MuonConfig {
        rate_ratio: 0.0,
        momentum: 1.0,
        weight_decay: -0.1,
        coefficients: [1.0, f64::NAN, 0.0],
        iterations: 0,
        eps: 0.0,
        ..MuonConfig::default()
    };
    let problems: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "`muon.rate_ratio` is 0, expected a positive number",
            "`muon.momentum` is 1, expected from 0 to below 1",
            "`muon.weight_decay` is -0.1, expected a number from 0",
            "`muon.eps` is 0, expected a positive number",
            "`muon.coefficients` is [1.0, NaN, 0.0], expected three finite numbers",
            "`muon.iterations` is 0, expected at least 1",
        ]
    );
}
