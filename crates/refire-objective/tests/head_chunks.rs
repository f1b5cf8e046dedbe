//! The head's kernels over several chunks against its composition in 64 bits.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_core::{KlDirection, Needs, Purpose, Stream};
use refire_objective::head::{Head, HeadGrads, HeadInput, HeadLayer, HeadStats, chunk_rows};

const HIDDEN: usize = 12;
const RANK: usize = 3;

/// Both formats begin at the same 32-bit numbers.
fn random<const D: usize>(dims: [usize; D], id: u64, dtype: DType) -> Tensor<D> {
    let mut stream = Stream::new(0, Purpose::INIT, 0, id, 0);
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| stream.normal() as f32 * 0.5).collect();
    Tensor::from_data(TensorData::new(values, dims), (&Device::flex(), dtype))
}

/// Of every combination of statistics, with no divergence and with each.
fn all_needs() -> Vec<Needs> {
    let directions = [
        None,
        Some(KlDirection::Reverse),
        Some(KlDirection::Forward),
        Some(KlDirection::JensenShannon { beta: 0.3 }),
    ];
    let with = |full_kl| {
        (0..8).map(move |bits| Needs {
            entropy: bits & 1 > 0,
            sum_sq: bits & 2 > 0,
            mean_logprob: bits & 4 > 0,
            full_kl,
            ..Needs::NONE
        })
    };
    directions.into_iter().flat_map(with).collect()
}

#[derive(Clone, Copy)]
struct Case {
    n: usize,
    vocab: usize,
    /// With a bias, a thin part, a scale and a cap.
    full: bool,
    chunk_rows: usize,
}

struct Found {
    stats: HeadStats,
    walked: HeadStats,
    grads: HeadGrads,
    again: HeadGrads,
    once: (HeadStats, HeadGrads),
}

impl Case {
    fn run(&self, needs: Needs, dtype: DType) -> Found {
        let Self { n, vocab, full, .. } = *self;
        let width = if full { HIDDEN + RANK } else { HIDDEN };
        let layer = |id| HeadLayer {
            weight: random([vocab, HIDDEN], id, dtype),
            thin: full.then(|| random([vocab, RANK], id + 1, dtype)),
            bias: full.then(|| random([vocab], id + 2, dtype)),
            logit_scale: if full { 0.7 } else { 1.0 },
            softcap: full.then_some(2.5),
        };
        let hidden = random([n, width], 1, dtype);
        let labels: Vec<u32> = (0..n).map(|i| (i * 31 % vocab) as u32).collect();
        let temperature: Vec<f32> = (0..n).map(|i| [1.0, 0.5, 2.0][i % 3]).collect();
        let reference = HeadInput { hidden: random([n, width], 2, dtype), layer: layer(20) };
        let head = Head {
            reference: needs.full_kl.map(|_| reference),
            chunk_rows: self.chunk_rows,
            ..Head::new(hidden, layer(10), &labels, &temperature)
        };
        let mut id = 30;
        let upstream = HeadStats::filled(needs, || {
            id += 1;
            random([n], id, dtype)
        });
        let walk = head.walk(needs).unwrap();
        Found {
            stats: head.stats(needs).unwrap(),
            walked: walk.stats().clone(),
            grads: walk.backward(&upstream, true).unwrap(),
            again: head.backward(needs, &upstream, true).unwrap(),
            once: head.stats_and_grads(needs, &upstream.logprobs, true).unwrap(),
        }
    }

    #[track_caller]
    fn agrees(&self, needs: Needs) {
        let (found, expected) = (self.run(needs, DType::F32), self.run(needs, DType::F64));
        let name = |what: &str| format!("{what}, {needs:?}, {} x {}", self.n, self.vocab);
        let same_stats = |found: HeadStats, expected: HeadStats| {
            let part = |a: Tensor<1>, b: Tensor<1>| close(&name("a statistic"), a, b);
            found.zip(expected, part);
        };
        let same_grads = |found: HeadGrads, expected: HeadGrads| {
            close(&name("hidden states"), found.hidden, expected.hidden);
            close(&name("weight"), found.weight.unwrap(), expected.weight.unwrap());
            assert_eq!([found.thin.is_some(), found.bias.is_some()], [self.full; 2]);
            if let (Some(thin), Some(bias)) = (found.thin, found.bias) {
                close(&name("thin part"), thin, expected.thin.unwrap());
                close(&name("bias"), bias, expected.bias.unwrap());
            }
        };
        same_stats(found.stats, expected.stats);
        same_stats(found.walked, expected.walked);
        same_grads(found.grads, expected.grads);
        same_grads(found.again, expected.again);
        same_stats(found.once.0, expected.once.0);
        same_grads(found.once.1, expected.once.1);
    }
}

/// Relative to the greatest number.
#[track_caller]
fn close<const D: usize>(what: &str, found: Tensor<D>, expected: Tensor<D>) {
    assert_eq!([found.dtype(), expected.dtype()], [DType::F32, DType::F64], "{what}");
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let values = |x: Tensor<D>| x.into_data().iter::<f64>().collect::<Vec<_>>();
    let (found, expected) = (values(found), values(expected));
    let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() <= 1e-5 * size, "{what}: {a}, expected {b} of up to {size}");
    }
}

#[test]
fn chunks_of_any_size_agree_in_all_statistics_and_gradients() {
    for needs in all_needs() {
        for full in [false, true] {
            for chunk_rows in [1, 7, 16, 37, 100] {
                Case { n: 37, vocab: 131, full, chunk_rows }.agrees(needs);
            }
        }
    }
}

#[test]
fn chunks_of_the_default_size_agree() {
    let vocab = 8200;
    let (chunk_rows, n) = (chunk_rows(vocab), 1030);
    assert_eq!(chunk_rows, 512, "the fewest rows that a chunk has");
    assert!(n > 2 * chunk_rows, "three chunks, the last of them shorter");
    let all = Needs { entropy: true, sum_sq: true, mean_logprob: true, ..Needs::NONE };
    let compared = Needs { full_kl: Some(KlDirection::Reverse), ..all };
    for (needs, full) in [(Needs::NONE, false), (all, true), (compared, false)] {
        Case { n, vocab, full, chunk_rows }.agrees(needs);
    }
}

/// Of weights in 16 bits: the product is rounded to them, and nothing after it.
#[test]
fn statistics_of_half_precision_are_made_in_32_bits() {
    let (n, vocab, width) = (70, 300, 48);
    for (dtype, cap) in [(DType::BF16, None), (DType::F16, None), (DType::BF16, Some(5.0))] {
        let hidden = random::<2>([n, width], 1, dtype);
        let mut layer = HeadLayer::new(random([vocab, width], 2, dtype));
        layer.bias = Some(random([vocab], 3, dtype));
        layer.softcap = cap;
        let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % vocab as u32).collect();
        let temperature = vec![0.7; n];
        let exactly = |x: Tensor<2>| x.cast(DType::F64);
        let product = exactly(hidden.clone().matmul(layer.weight.clone().transpose()));
        let eye = exactly(Tensor::eye(vocab, &Device::flex()));
        let mut exact = HeadLayer::new(eye);
        exact.bias = layer.bias.clone().map(|bias| bias.cast(DType::F64));
        exact.softcap = cap;
        let full = Head { chunk_rows: 64, ..Head::new(product, exact, &labels, &temperature) };
        let head = Head { chunk_rows: 64, ..Head::new(hidden, layer, &labels, &temperature) };
        let d = random::<1>([n], 4, DType::F32);
        let (stats, grads) = head.stats_and_grads(Needs::NONE, &d, true).unwrap();
        let d = d.cast(DType::F64);
        let (expected, of_product) = full.stats_and_grads(Needs::NONE, &d, true).unwrap();
        close("logprobs", stats.logprobs, expected.logprobs);
        // Gradients of products are rounded to the weight's format before they are multiplied.
        let near = |what: &str, found: Tensor<2>, expected: Tensor<2>| {
            assert_eq!(found.dtype(), DType::F32, "{what}");
            let scale = expected.clone().abs().max();
            let gap =
                ((found.cast(DType::F64) - expected).abs().max() / scale).into_scalar::<f64>();
            assert!(gap < 0.01, "{what} of {dtype:?} is {gap} apart");
        };
        assert_eq!(grads.hidden.dtype(), dtype);
        let weight = of_product.hidden.transpose().matmul(exactly(head.hidden.clone()));
        near("weight", grads.weight.unwrap(), weight);
        let bias = |grads: Option<Tensor<1>>| grads.unwrap().unsqueeze::<2>();
        near("bias", bias(grads.bias), bias(of_product.bias));
    }
}
