//! One vector per row: the right hidden states, in any company.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refire_model::{Decoder, FrozenDecoder, Pooling, PoolingKind, Rows, TinyLlama};

fn decoder() -> Decoder {
    Decoder::init(&TinyLlama::default().config(), 2, &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Hidden states of one row, token by token.
fn hidden(decoder: &Decoder, row: &[u32]) -> Vec<Vec<f32>> {
    let states = values(decoder.hidden(&Rows::new(vec![row.to_vec()])).unwrap());
    states.chunks_exact(decoder.config.hidden_size).map(<[f32]>::to_vec).collect()
}

fn mean(states: &[&Vec<f32>]) -> Vec<f32> {
    let sum = |i: usize| states.iter().map(|state| f64::from(state[i])).sum::<f64>();
    (0..states[0].len()).map(|i| (sum(i) / states.len() as f64) as f32).collect()
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|x| (f64::from(*x) / length) as f32).collect()
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{what}: {worst}");
}

fn rows() -> Vec<Vec<u32>> {
    vec![vec![1, 5, 6, 7, 8, 9, 10], vec![1, 7], vec![3], (0..40).collect()]
}

fn masks() -> Vec<Vec<bool>> {
    let some = |row: &Vec<u32>| (0..row.len()).map(|i| i % 3 != 1).collect();
    rows().iter().map(some).collect()
}

/// The vector of one row by its definition.
fn expected(decoder: &Decoder, row: &[u32], mask: &[bool], pooling: Pooling) -> Vec<f32> {
    let states = hidden(decoder, row);
    let counted: Vec<_> = states.iter().zip(mask).filter(|(_, m)| **m).map(|(s, _)| s).collect();
    let vector = match pooling.kind {
        PoolingKind::Mean => mean(&counted),
        PoolingKind::LastToken => counted[counted.len() - 1].clone(),
    };
    if pooling.normalize { unit(&vector) } else { vector }
}

#[test]
fn vectors_are_those_of_the_definition_in_any_company() {
    let decoder = decoder();
    let frozen = FrozenDecoder::new(&decoder);
    let size = decoder.config.hidden_size;
    for kind in [PoolingKind::Mean, PoolingKind::LastToken] {
        for normalize in [false, true] {
            let pooling = Pooling { kind, normalize };
            for mask in [None, Some(masks())] {
                let all = Rows::new(rows());
                let batch = values(decoder.pooled(&all, mask.as_deref(), pooling).unwrap());
                let alone = values(frozen.pooled(&all, mask.as_deref(), pooling).unwrap());
                for (index, row) in rows().iter().enumerate() {
                    let ones = vec![true; row.len()];
                    let mask = mask.as_ref().map_or(&ones, |mask| &mask[index]);
                    let expected = expected(&decoder, row, mask, pooling);
                    let what = format!("row {index}, {pooling:?}");
                    assert_near(&batch[index * size..][..size], &expected, &what);
                    assert_near(&alone[index * size..][..size], &expected, &what);
                }
            }
        }
    }
}

#[test]
fn a_frozen_decoders_vectors_have_the_same_bits_in_any_company_and_order() {
    let frozen = FrozenDecoder::new(&decoder());
    let vectors = |rows: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
        let vectors = frozen.pooled(&Rows::new(rows), None, Pooling::default()).unwrap();
        let [n, size] = vectors.dims();
        let bits: Vec<u32> = values(vectors).into_iter().map(f32::to_bits).collect();
        (0..n).map(|i| bits[i * size..][..size].to_vec()).collect()
    };
    let together = vectors(rows());
    let reversed = vectors(rows().into_iter().rev().collect());
    for (index, row) in rows().into_iter().enumerate() {
        assert_eq!(vectors(vec![row])[0], together[index], "row {index} alone");
        assert_eq!(reversed[together.len() - 1 - index], together[index], "row {index} reversed");
    }
    let none = frozen.pooled(&Rows::new(Vec::new()), None, Pooling::default()).unwrap();
    assert_eq!(none.dims()[0], 0);
}

#[test]
fn a_decoder_in_training_gives_vectors_with_gradients() {
    let decoder = decoder().train();
    let rows = Rows::new(vec![vec![1, 5, 6], vec![1, 7]]);
    let vectors = decoder.pooled(&rows, None, Pooling::default()).unwrap();
    // Cosine of the two rows.
    let cosine = (vectors.clone().narrow(0, 0, 1) * vectors.narrow(0, 1, 1)).sum();
    let grads = cosine.backward();
    let embedding = decoder.model.embed_tokens.weight.val().grad(&grads).unwrap();
    assert!(values(embedding.abs().sum())[0] > 0.0);
}

#[test]
fn what_cannot_be_pooled_is_named() {
    let decoder = decoder();
    let frozen = FrozenDecoder::new(&decoder);
    let rows = Rows::new(vec![vec![1, 5], vec![1, 7, 8]]);
    let cases: [(Vec<Vec<bool>>, &str); 3] = [
        (vec![vec![true; 2]], "pooling: 1 masks for 2 rows"),
        (
            vec![vec![true; 2], vec![true; 2]],
            "pooling: the mask of row 1 has 2 entries for 3 tokens",
        ),
        (vec![vec![true; 2], vec![false; 3]], "pooling: no token of row 1 counts"),
    ];
    for (mask, expected) in cases {
        let error = decoder.pooled(&rows, Some(&mask), Pooling::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = frozen.pooled(&rows, Some(&mask), Pooling::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let beyond = Rows::new(vec![vec![1], vec![1, 1_000_000]]);
    let error = frozen.pooled(&beyond, None, Pooling::default()).unwrap_err().to_string();
    assert!(error.contains("1000000 in row 1"), "{error}");
    let empty = Rows::new(vec![vec![1], Vec::new()]);
    let error = frozen.pooled(&empty, None, Pooling::default()).unwrap_err().to_string();
    assert_eq!(error, "pooling: no token of row 1 counts");
}
