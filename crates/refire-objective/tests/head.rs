//! The chunked head against plain autodiff on full logits.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use refire_core::{KlDirection, Needs, Purpose, Stream};
use refire_objective::head::{Head, HeadInput, HeadLayer, HeadStats};

const N: usize = 11;
const HIDDEN: usize = 6;
const VOCAB: usize = 17;

const DIRECTIONS: [KlDirection; 4] = [
    KlDirection::Reverse,
    KlDirection::Forward,
    KlDirection::JensenShannon { beta: 0.3 },
    KlDirection::JensenShannon { beta: 0.9 },
];

fn random<const D: usize>(dims: [usize; D], id: u64) -> Tensor<D> {
    let mut stream = Stream::new(0, Purpose::INIT, 0, id, 0);
    let values: Vec<f64> = (0..dims.iter().product()).map(|_| stream.normal()).collect();
    Tensor::from_data(TensorData::new(values, dims), (&Device::flex(), DType::F64))
}

fn close<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
    let gap = (ours - theirs).abs().max().into_scalar::<f64>();
    assert!(gap < 1e-12, "{what}: {gap}");
}

struct Case {
    labels: Vec<u32>,
    temperature: Vec<f32>,
    hidden: Tensor<2>,
    layer: HeadLayer,
    reference: HeadInput,
    upstream: HeadStats,
}

fn needs(direction: KlDirection) -> Needs {
    let full_kl = Some(direction);
    Needs { entropy: true, sum_sq: true, mean_logprob: true, full_kl, ..Needs::NONE }
}

/// Plain, or with everything a layer may have.
fn case(full: bool) -> Case {
    let layer = |id| HeadLayer {
        weight: random([VOCAB, HIDDEN], id),
        thin: None,
        bias: full.then(|| random([VOCAB], id + 1)),
        logit_scale: if full { 0.7 } else { 1.0 },
        softcap: full.then_some(2.5),
    };
    let mut id = 3;
    let upstream = HeadStats::filled(needs(KlDirection::Reverse), || {
        id += 1;
        random([N], id)
    });
    Case {
        labels: (0..N as u32).map(|i| (i * 5) % VOCAB as u32).collect(),
        temperature: (0..N).map(|i| [1.0, 0.5, 2.0][i % 3]).collect(),
        hidden: random([N, HIDDEN], 1),
        layer: layer(20),
        // A reference of another width.
        reference: HeadInput {
            hidden: random([N, HIDDEN - 2], 30),
            layer: HeadLayer { weight: random([VOCAB, HIDDEN - 2], 31), ..layer(32) },
        },
        upstream,
    }
}

impl Case {
    fn head(&self, chunk_rows: usize) -> Head<'_> {
        let layer = self.layer.clone();
        let head = Head::new(self.hidden.clone(), layer, &self.labels, &self.temperature);
        Head { reference: Some(self.reference.clone()), chunk_rows, ..head }
    }

    fn log_probs(&self, hidden: Tensor<2>, layer: &HeadLayer) -> Tensor<2> {
        let device = hidden.device();
        let scale: Vec<f64> = self.temperature.iter().map(|t| f64::from(*t)).collect();
        let scale = Tensor::<2>::from_data(TensorData::new(scale, [N, 1]), (&device, DType::F64));
        let mut logits = hidden.matmul(layer.weight.clone().transpose());
        if let Some(bias) = &layer.bias {
            logits = logits + bias.clone().reshape([1, VOCAB]);
        }
        logits = logits * layer.logit_scale;
        if let Some(cap) = layer.softcap {
            // Autodiff rounds the reciprocal of a divisor to f32.
            logits = (logits * cap.recip()).tanh() * cap;
        }
        log_softmax(logits / scale, 1)
    }

    /// Every statistic from full logits, tracked by autodiff.
    fn plain(&self, hidden: Tensor<2>, layer: &HeadLayer, direction: KlDirection) -> HeadStats {
        let device = hidden.device();
        let labels: Vec<i64> = self.labels.iter().map(|l| i64::from(*l)).collect();
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [N, 1]), &device);
        let log_p = self.log_probs(hidden, layer);
        let log_q = self.log_probs(self.reference.hidden.clone(), &self.reference.layer);
        let log_q = Tensor::from_inner(log_q);
        let (p, q) = (log_p.clone().exp(), log_q.clone().exp());
        let kl = |a: Tensor<2>, log_b: Tensor<2>| a.clone() * (a.log() - log_b);
        let full_kl = match direction {
            KlDirection::Reverse => kl(p.clone(), log_q),
            KlDirection::Forward => kl(q, log_p.clone()),
            KlDirection::JensenShannon { beta } => {
                let log_m = (q.clone() * beta + p.clone() * (1.0 - beta)).log();
                kl(q, log_m.clone()) * beta + kl(p.clone(), log_m) * (1.0 - beta)
            }
        };
        let flat = |t: Tensor<2>| t.flatten::<1>(0, 1);
        HeadStats {
            logprobs: flat(log_p.clone().gather(1, labels)),
            entropy: Some(flat((p.clone() * log_p.clone()).sum_dim(1).neg())),
            sum_sq: Some(flat((p.clone() * p).sum_dim(1))),
            mean_logprob: Some(flat(log_p.mean_dim(1))),
            full_kl: Some(flat(full_kl.sum_dim(1))),
        }
    }
}

fn tracked<const D: usize>(t: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(t.clone()).require_grad()
}

/// A thin part is the last columns of one weight, kept apart.
#[test]
fn a_thin_part_adds_its_product_and_has_its_own_gradient() {
    const RANK: usize = 2;
    for (full, direction) in DIRECTIONS.into_iter().flat_map(|d| [(false, d), (true, d)]) {
        let case = case(full);
        let (needs, hidden) = (needs(direction), random([N, HIDDEN + RANK], 40));
        let thin = random([VOCAB, RANK], 41);
        let weight = Tensor::cat(vec![case.layer.weight.clone(), thin.clone()], 1);
        let whole = Head {
            hidden: hidden.clone(),
            layer: HeadLayer { weight, ..case.layer.clone() },
            ..case.head(4)
        };
        let layer = HeadLayer { thin: Some(thin), ..case.layer.clone() };
        let parts = Head { hidden, layer, ..case.head(4) };
        let stats = whole.stats(needs).unwrap().zip(parts.stats(needs).unwrap(), |a, b| (a, b));
        let _ = stats.map(|(a, b)| close(b, a, "a statistic"));
        let expected = whole.backward(needs, &case.upstream, true).unwrap();
        let found = parts.backward(needs, &case.upstream, true).unwrap();
        close(found.hidden, expected.hidden, "hidden states");
        let weight = expected.weight.unwrap();
        close(found.weight.unwrap(), weight.clone().narrow(1, 0, HIDDEN), "weight");
        close(found.thin.clone().unwrap(), weight.narrow(1, HIDDEN, RANK), "thin part");
        let frozen = parts.backward(needs, &case.upstream, false).unwrap();
        assert!(frozen.weight.is_none(), "a frozen weight has no gradient");
        close(frozen.thin.unwrap(), found.thin.unwrap(), "thin part beside a frozen weight");
        let narrow = Head { hidden: case.hidden.clone(), ..parts };
        assert!(narrow.stats(needs).is_err(), "hidden states without the thin part's columns");
    }
}

#[test]
fn statistics_and_gradients_equal_autodiff_for_every_chunk_size() {
    for (full, direction) in DIRECTIONS.into_iter().flat_map(|d| [(false, d), (true, d)]) {
        let case = case(full);
        let hidden = tracked(&case.hidden);
        let layer = HeadLayer {
            weight: tracked(&case.layer.weight),
            bias: case.layer.bias.as_ref().map(tracked),
            ..case.layer.clone()
        };
        let expected = case.plain(hidden.clone(), &layer, direction);
        let mut loss = Tensor::from_inner(Tensor::zeros([1], (&Device::flex(), DType::F64)));
        expected.clone().zip(case.upstream.clone(), |stat, up| {
            loss = loss.clone() + (stat * Tensor::from_inner(up)).sum();
        });
        let grads = loss.backward();
        for chunk_rows in [1, 4, N, 100] {
            let head = case.head(chunk_rows);
            let stats = head.stats(needs(direction)).unwrap();
            stats.zip(expected.clone(), |ours, theirs| close(ours, theirs.inner(), "a statistic"));
            let ours = head.backward(needs(direction), &case.upstream, true).unwrap();
            close(ours.hidden, hidden.grad(&grads).unwrap(), "hidden gradient");
            close(ours.weight.unwrap(), layer.weight.grad(&grads).unwrap(), "weight gradient");
            assert_eq!(ours.bias.is_some(), full);
            if let (Some(ours), Some(bias)) = (ours.bias, &layer.bias) {
                close(ours, bias.grad(&grads).unwrap(), "bias gradient");
            }
        }
    }
}

#[test]
fn one_walk_equals_two() {
    let case = case(true);
    let head = case.head(4);
    let coefficients = &case.upstream.logprobs;
    let (stats, grads) = head.stats_and_grads(Needs::NONE, coefficients, true).unwrap();
    close(stats.logprobs, head.stats(Needs::NONE).unwrap().logprobs, "logprobs");
    let upstream = HeadStats::from_logprobs(coefficients.clone());
    let two = head.backward(Needs::NONE, &upstream, true).unwrap();
    close(grads.hidden, two.hidden, "hidden gradient");
    close(grads.weight.unwrap(), two.weight.unwrap(), "weight gradient");
    close(grads.bias.unwrap(), two.bias.unwrap(), "bias gradient");
    let frozen = head.stats_and_grads(Needs::NONE, coefficients, false).unwrap().1;
    assert!(frozen.weight.is_none() && frozen.bias.is_none());
}

#[test]
fn equal_distributions_have_no_divergence() {
    let case = case(true);
    let reference = HeadInput { hidden: case.hidden.clone(), layer: case.layer.clone() };
    let head = Head { reference: Some(reference), ..case.head(5) };
    for direction in DIRECTIONS {
        let divergence = head.stats(needs(direction)).unwrap().full_kl.unwrap();
        close(divergence.zeros_like(), divergence, "divergence");
    }
}

#[test]
fn extreme_logits_stay_finite() {
    let device = Device::flex();
    let hidden = Tensor::from_data([[1e4_f32], [-1e4]], &device);
    let layer = HeadLayer::new(Tensor::from_data([[1.0_f32], [-1.0], [0.5]], &device));
    let head = Head::new(hidden.clone(), layer.clone(), &[1, 1], &[1.0, 1.0]);
    let head = Head { reference: Some(HeadInput { hidden: hidden.neg(), layer }), ..head };
    for direction in DIRECTIONS {
        let stats = head.stats(needs(direction)).unwrap();
        let finite = |t: Tensor<1>| t.into_data().iter::<f32>().all(f32::is_finite);
        stats.as_ref().map(|t| assert!(finite(t.clone()), "{direction:?} {stats:?}"));
        let logprobs: Vec<f32> = stats.logprobs.clone().into_data().iter::<f32>().collect();
        assert_eq!(logprobs, [-2e4, 0.0]);
        let ones = stats.map(|t| t.ones_like());
        let grads = head.backward(needs(direction), &ones, true).unwrap();
        assert!(finite(grads.hidden.flatten(0, 1)), "{direction:?}");
        assert!(finite(grads.weight.unwrap().flatten(0, 1)), "{direction:?}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let device = Device::flex();
    let layer = HeadLayer::new(Tensor::zeros([3, 2], &device));
    let head = |labels, temperature| {
        Head::new(Tensor::zeros([1, 2], &device), layer.clone(), labels, temperature)
    };
    let error = |h: Head<'_>, n| h.stats(n).unwrap_err().to_string();
    let none = Needs::NONE;
    assert_eq!(error(head(&[3], &[1.0]), none), "batch: a label is 3, must be below 3");
    assert_eq!(error(head(&[1], &[0.0]), none), "`temperature` is 0, expected a positive number");
    assert_eq!(error(head(&[1, 1], &[1.0]), none), "labels: 2 entries, expected 1");
    let text = "the statistic `full_kl` is not available: there is no reference to compare with";
    assert_eq!(error(head(&[1], &[1.0]), needs(KlDirection::Forward)), text);
    let other = HeadLayer::new(Tensor::zeros([4, 2], &device));
    let reference = Some(HeadInput { hidden: Tensor::zeros([1, 2], &device), layer: other });
    let text = "vocabulary of the reference: 4 entries, expected 3";
    assert_eq!(error(Head { reference, ..head(&[1], &[1.0]) }, none), text);
    let layer = HeadLayer { softcap: Some(0.0), ..layer.clone() };
    let text = "`softcap` is 0, expected a positive number";
    assert_eq!(error(Head { layer, ..head(&[1], &[1.0]) }, none), text);
}
