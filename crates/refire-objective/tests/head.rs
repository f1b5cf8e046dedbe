//! The chunked head against plain autodiff on full logits.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use refire_core::{Needs, Purpose, Stream};
use refire_objective::head::{Head, HeadStats};

const N: usize = 11;
const HIDDEN: usize = 6;
const VOCAB: usize = 17;

fn random<const D: usize>(dims: [usize; D], id: u64, device: &Device) -> Tensor<D> {
    let mut stream = Stream::new(0, Purpose::INIT, 0, id, 0);
    let values: Vec<f64> = (0..dims.iter().product()).map(|_| stream.normal()).collect();
    Tensor::from_data(TensorData::new(values, dims), (device, DType::F64))
}

fn close<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
    let gap = (ours - theirs).abs().max().into_scalar::<f64>();
    assert!(gap < 1e-12, "{what}: {gap}");
}

struct Case {
    labels: Vec<u32>,
    temperature: Vec<f32>,
    hidden: Tensor<2>,
    weight: Tensor<2>,
    upstream: [Tensor<1>; 4],
}

fn case(device: &Device) -> Case {
    Case {
        labels: (0..N as u32).map(|i| (i * 5) % VOCAB as u32).collect(),
        temperature: (0..N).map(|i| [1.0, 0.5, 2.0][i % 3]).collect(),
        hidden: random([N, HIDDEN], 1, device),
        weight: random([VOCAB, HIDDEN], 2, device),
        upstream: [3, 4, 5, 6].map(|id| random([N], id, device)),
    }
}

/// Every statistic from full logits, tracked by autodiff.
fn plain(case: &Case, hidden: Tensor<2>, weight: Tensor<2>) -> HeadStats {
    let device = hidden.device();
    let scale: Vec<f64> = case.temperature.iter().map(|t| f64::from(*t)).collect();
    let scale = Tensor::<2>::from_data(TensorData::new(scale, [N, 1]), (&device, DType::F64));
    let labels: Vec<i64> = case.labels.iter().map(|l| i64::from(*l)).collect();
    let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [N, 1]), &device);
    let logits = hidden.matmul(weight.transpose()) / scale;
    let log_probs = burn::tensor::activation::log_softmax(logits, 1);
    let probs = log_probs.clone().exp();
    let flat = |t: Tensor<2>| t.flatten::<1>(0, 1);
    HeadStats {
        logprobs: flat(log_probs.clone().gather(1, labels)),
        entropy: Some(flat((probs.clone() * log_probs.clone()).sum_dim(1).neg())),
        sum_sq: Some(flat((probs.clone() * probs).sum_dim(1))),
        mean_logprob: Some(flat(log_probs.mean_dim(1))),
    }
}

fn needs() -> Needs {
    Needs { entropy: true, sum_sq: true, mean_logprob: true, ..Needs::NONE }
}

fn parts(stats: &HeadStats) -> [Tensor<1>; 4] {
    let get = |t: &Option<Tensor<1>>| t.clone().expect("asked for");
    [stats.logprobs.clone(), get(&stats.entropy), get(&stats.sum_sq), get(&stats.mean_logprob)]
}

#[test]
fn statistics_and_gradients_equal_autodiff_for_every_chunk_size() {
    let device = Device::flex();
    let case = case(&device);
    let tracked = |t: &Tensor<2>| Tensor::from_inner(t.clone()).require_grad();
    let (hidden, weight) = (tracked(&case.hidden), tracked(&case.weight));
    let expected = plain(&case, hidden.clone(), weight.clone());
    let loss = parts(&expected)
        .into_iter()
        .zip(&case.upstream)
        .map(|(stat, up)| (stat * Tensor::from_inner(up.clone())).sum())
        .reduce(|a, b| a + b)
        .expect("four parts");
    let grads = loss.backward();
    let [logprobs, entropy, sum_sq, mean] = case.upstream.clone();
    let upstream = HeadStats {
        logprobs,
        entropy: Some(entropy),
        sum_sq: Some(sum_sq),
        mean_logprob: Some(mean),
    };
    for chunk_rows in [1, 4, N, 100] {
        let head = Head {
            hidden: case.hidden.clone(),
            weight: case.weight.clone(),
            labels: &case.labels,
            temperature: &case.temperature,
            chunk_rows,
        };
        let stats = head.stats(needs()).expect("a valid head");
        for (ours, theirs) in parts(&stats).into_iter().zip(parts(&expected)) {
            close(ours, theirs.inner(), "a statistic");
        }
        let ours = head.backward(&upstream, true).expect("a valid head");
        close(ours.hidden, hidden.grad(&grads).expect("tracked"), "hidden gradient");
        let d_weight = ours.weight.expect("asked for");
        close(d_weight, weight.grad(&grads).expect("tracked"), "weight gradient");
    }
}

#[test]
fn one_walk_equals_two() {
    let device = Device::flex();
    let case = case(&device);
    let head = Head {
        hidden: case.hidden.clone(),
        weight: case.weight.clone(),
        labels: &case.labels,
        temperature: &case.temperature,
        chunk_rows: 4,
    };
    let coefficients = &case.upstream[0];
    let (stats, grads) = head.stats_and_grads(Needs::NONE, coefficients, true).expect("valid");
    close(stats.logprobs, head.stats(Needs::NONE).expect("valid").logprobs, "logprobs");
    let two = head.backward(&HeadStats::from_logprobs(coefficients.clone()), true).expect("valid");
    close(grads.hidden, two.hidden, "hidden gradient");
    close(grads.weight.expect("asked"), two.weight.expect("asked"), "weight gradient");
    let frozen = head.stats_and_grads(Needs::NONE, coefficients, false).expect("valid").1;
    assert!(frozen.weight.is_none());
}

#[test]
fn extreme_logits_stay_finite() {
    let device = Device::flex();
    let head = Head {
        hidden: Tensor::from_data([[1e4_f32], [-1e4]], &device),
        weight: Tensor::from_data([[1.0_f32], [-1.0], [0.5]], &device),
        labels: &[1, 1],
        temperature: &[1.0, 1.0],
        chunk_rows: 256,
    };
    let stats = head.stats(needs()).expect("valid");
    let finite = |t: &Tensor<1>| t.clone().into_data().iter::<f32>().all(f32::is_finite);
    assert!(parts(&stats).iter().all(finite), "{stats:?}");
    assert_eq!(stats.logprobs.into_data().try_to_vec::<f32>().expect("f32"), [-2e4, 0.0]);
}

#[test]
fn bad_targets_are_named() {
    let device = Device::flex();
    let head = |labels, temperature| Head {
        hidden: Tensor::zeros([1, 2], &device),
        weight: Tensor::zeros([3, 2], &device),
        labels,
        temperature,
        chunk_rows: 256,
    };
    let error = |h: Head<'_>| h.stats(Needs::NONE).expect_err("bad").to_string();
    assert_eq!(error(head(&[3], &[1.0])), "batch: a label is 3, must be below 3");
    assert_eq!(error(head(&[1], &[0.0])), "`temperature` is 0, expected a positive number");
    assert_eq!(error(head(&[1, 1], &[1.0])), "labels: 2 entries, expected 1");
}
